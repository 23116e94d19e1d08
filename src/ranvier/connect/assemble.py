"""Edges of one or several projections, laid out as event delivery wants them, in two passes over blocks of targets.

Weights, delays and sources are drawn anew whenever they are asked for, each a
function of the edge. So the first pass counts the edges of each source and delay, the
second puts each edge where it belongs, and nothing else is ever as large as the result.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ranvier.connect.base import Edges, Rows
from ranvier.connect.part import Part, delay_steps, given_delay, given_weight, weights
from ranvier.connect.work import Work
from ranvier.errors import ParameterError
from ranvier.kernels.edges import EdgeRows, count_edges, place_edges
from ranvier.memory import aligned_empty, require_memory
from ranvier.random import Distribution

CHUNK = 1 << 17  # edges that a thread draws at once
LONGEST = 1 << 24  # delay, in steps
MOST_IN_INT32 = np.iinfo(np.int32).max
TAKES_LESS = 'Fewer edges take less, or fewer different delays, or precision="single".'
BYTES_OF_DRAWING = 64  # an edge of a chunk, while it is drawn


class EventEdges(NamedTuple):
    """Edges sorted by (target block, source, delay, target); where one source meets one target twice, in the order of the parts.

    Those of source `i` with delay `delays[d]` onto block `b` are `segments[b, i, d]` to `segments[b, i, d + 1]`.

    Attributes:
        delays: the distinct delays in steps, ascending, int32 `[delays]`.
        segments: int32, or int64 from 2³¹ edges on, `[blocks, sources, delays + 1]`.
        target: int32 `[edges]`.
        weight: `[edges]`, or `[]` where all edges have the same.
        bounds: block `b` has the targets `bounds[b]` to `bounds[b + 1]`, int64 `[blocks + 1]`.
    """

    delays: np.ndarray
    segments: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    bounds: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class _Drawn:
    """A part whose numbers of edges are known. `begins` are the places of its targets' first edges."""

    part: Part
    rows: Rows
    begins: np.ndarray
    weight: np.ndarray | Distribution
    delay: np.ndarray | Distribution

    def __len__(self) -> int:
        return int(self.begins[-1])

    @property
    def wanted(self) -> int:
        """How many of them go to targets that are in the set."""
        if all(onto is not None for _, onto in self.part.targets):
            return len(self)
        ends = itertools.accumulate((size for size, _ in self.part.targets), initial=0)
        stretches = zip(itertools.pairwise(ends), self.part.targets, strict=True)
        return sum(int(self.begins[end] - self.begins[begin]) for (begin, end), (_, onto) in stretches if onto is not None)

    @property
    def one_weight(self) -> float | None:
        """The weight that all of its edges have, if they do."""
        if isinstance(self.weight, Distribution) or self.weight.ndim or (self.rows.kept is not None and self.rows.kept.values is not None):
            return None
        return float(self.weight)


class _Piece(NamedTuple):
    """A part's edges onto one of its target populations, whose first neuron is `first` of the part's targets and `onto` of all."""

    drawn: _Drawn
    first: int
    onto: int
    size: int


class _Unit(NamedTuple):
    """What one thread builds: a stretch of the targets of one block."""

    block: int
    begin: int
    end: int


def assemble(
    parts: Sequence[Part],
    sources: int,
    targets: int,
    dtype: np.typing.DTypeLike,
    progress: Callable[[int, int], Any] | None = None,
    blocks: int = 1,
    threads: int | None = None,
) -> EventEdges:
    """Draws the edges of all parts and lays them out for event delivery.

    The same edges in the same order within each block, however many blocks and threads
    there are. It takes 4 bytes an edge, and those of a weight where weights differ; rules that
    know how many edges each target has (`ConnectionRule.rows`) take nothing beside that.

    Args:
        parts: what is wired, by which rule.
        sources, targets: how many neurons there are on each side of the whole set.
        dtype: of the weights, `"float32"` or `"float64"`.
        progress: called now and then with the work done and the work in all, in edges; never from another thread.
        blocks: how many stretches of targets of equal size are laid out apart from each other.
        threads: how many build at the same time; by default as many as the process may use.

    Raises:
        ParameterError: weights or delays that cannot be used, neurons outside the set, or more edges than there is memory for.

    Example:
        >>> from ranvier.connect import Part, assemble, fixed_in_degree
        >>> from ranvier.random import Key
        >>> part = Part("it", fixed_in_degree(2), 3, 0, ((2, 0),), Key(1), weight=0.5, delay=1.5)
        >>> edges = assemble([part], 3, 2, "float32")
        >>> edges.delays.tolist(), len(edges.target), edges.weight.tolist()
        ([15], 4, 0.5)
    """
    dtype = np.dtype(dtype)
    _check_sizes(parts, sources, targets, dtype, blocks)
    work = Work(threads or usable_cores(), progress)
    drawn = work.map(_drawn, [(part,) for part in parts])
    total = sum(d.wanted for d in drawn)
    require_memory(4.0 * total, f"The network, with {total:.3g} edges,", TAKES_LESS)
    if total < CHUNK:
        work.threads = 1
    work.total = total * (2 + any(isinstance(d.delay, Distribution) for d in drawn))

    delays = _distinct_delays(drawn, work)
    bounds = np.arange(blocks + 1, dtype=np.int64) * targets // blocks
    layout = _Layout(drawn, targets, delays)
    one_weight = _one_weight(drawn)
    counter = np.dtype(np.int32 if total <= MOST_IN_INT32 else np.int64)
    cells = sources * len(delays)
    each = max(1, min(-(-work.threads // blocks), total // max(1, blocks * cells)))  # so that counters take no more than targets
    units = _units(bounds, layout.ends, each)
    needed = total * (4 + (dtype.itemsize if one_weight is None else 0))
    needed += counter.itemsize * ((len(units) + 2 * blocks) * cells + blocks * sources) + work.threads * CHUNK * BYTES_OF_DRAWING
    require_memory(needed, f"The network, with {total:.3g} edges and {len(delays)} different delays,", TAKES_LESS)

    counts = np.zeros((len(units), cells), counter)
    work.map(_count, [(layout, unit, counts[i], work) for i, unit in enumerate(units)])
    segments = _segments(counts, units, blocks, sources, len(delays))
    target = aligned_empty(total, np.int32)
    weight = aligned_empty(total if one_weight is None else 0, dtype)
    work.map(_place, [(layout, unit, counts[i], target, weight, work) for i, unit in enumerate(units)])
    if one_weight is not None:
        weight = np.asarray(one_weight, dtype)
    return EventEdges(delays.astype(np.int32), segments, target, weight, bounds)


def _check_sizes(parts: Sequence[Part], sources: int, targets: int, dtype: np.dtype[Any], blocks: int) -> None:
    if dtype not in (np.float32, np.float64):
        raise ParameterError(f"assemble: weights can be float32 or float64, not {dtype}.")
    if blocks < 1:
        raise ParameterError(f"assemble: there must be at least one block, not {blocks}.")
    for part in parts:
        outside = part.pre_offset < 0 or part.pre_offset + part.sources > sources
        if outside or any(onto is not None and (onto < 0 or onto + size > targets) for size, onto in part.targets):
            raise ParameterError(f"assemble: {part.name} goes from or to neurons outside the {sources} sources and {targets} targets.")


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _drawn(part: Part) -> _Drawn:
    rows = part.rule.rows(part.sources, part.size, part.own, part.key.child("edges"))
    begins = np.zeros(part.size + 1, np.int64)
    np.cumsum(rows.degrees, out=begins[1:])
    edges = int(begins[-1])
    weight = given_weight(part, edges)
    if isinstance(weight, np.ndarray) and weight.ndim == 0:
        weights(part, weight, Edges(np.zeros(1, np.int32), np.zeros(1, np.int32)))  # is it allowed?
    return _Drawn(part, rows, begins, weight, given_delay(part, edges, None if rows.kept is None else rows.kept.delays))


def _one_weight(drawn: Sequence[_Drawn]) -> float | None:
    found = {d.one_weight for d in drawn if len(d)}
    return found.pop() if len(found) == 1 else None


def _distinct_delays(drawn: Sequence[_Drawn], work: Work) -> np.ndarray:
    """All delays that there are, in steps, ascending; int64 `[delays]`."""
    found = [np.unique(d.delay) for d in drawn if len(d) and not isinstance(d.delay, Distribution)]
    stretches = [
        (d, start, min(CHUNK, len(d) - start), work)
        for d in drawn
        if isinstance(d.delay, Distribution)
        for start in range(0, len(d), CHUNK)
    ]
    found += work.map(_delays_of_stretch, stretches)
    delays = np.unique(np.concatenate([np.zeros(0, np.int64), *found]))
    if len(delays) and delays[-1] >= LONGEST:
        raise ParameterError(f"assemble: a delay of {delays[-1]} steps is too long; less than {LONGEST} can be.")
    return delays


def _delays_of_stretch(drawn: _Drawn, start: int, n: int, work: Work) -> np.ndarray:
    steps = delay_steps(drawn.part, drawn.delay, n, start)
    work.did(n)
    return np.flatnonzero(np.bincount(steps)) if steps.max(initial=0) < LONGEST else np.unique(steps)


class _Layout:
    """What every thread reads: the parts, and where in the set their targets lie.

    Attributes:
        pieces: of all parts, in their order.
        ends: how many edges the targets up to each one have, int64 `[targets]`.
        number: of each delay in steps, its number; int32.
        delays: how many there are.
    """

    def __init__(self, drawn: Sequence[_Drawn], targets: int, delays: np.ndarray):
        self.pieces: list[_Piece] = []
        edges = np.zeros(targets, np.int64)
        for d in drawn:
            first = 0
            for size, onto in d.part.targets:
                if onto is not None:
                    self.pieces.append(_Piece(d, first, onto, size))
                    edges[onto : onto + size] += d.rows.degrees[first : first + size]
                first += size
        self.ends = np.cumsum(edges)
        self.delays = len(delays)
        self.number = np.zeros(int(delays.max(initial=-1)) + 1, np.int32)
        self.number[delays] = np.arange(len(delays))

    def chunks(self, unit: _Unit) -> Iterator[tuple[int, int]]:
        """Stretches of the unit's targets with about `CHUNK` edges each."""
        begin = unit.begin
        while begin < unit.end:
            before = self.ends[begin - 1] if begin else 0
            end = min(unit.end, max(begin + 1, int(np.searchsorted(self.ends, before + CHUNK, side="right"))))
            yield begin, end
            begin = end

    def stretches(self, begin: int, end: int) -> list[_Stretch]:
        """The edges onto the targets `begin` … `end − 1`, drawn, a part at a time."""
        found = []
        for drawn, first, onto, size in self.pieces:
            low, high = max(begin, onto), min(end, onto + size)
            if low < high:
                block = range(low - onto + first, high - onto + first)
                if drawn.begins[block.stop] > drawn.begins[block.start]:
                    found.append(_Stretch(drawn, block, low, drawn.rows.block(block)))
        return found

    def ends_of(self, stretches: list[_Stretch]) -> tuple[np.ndarray, np.ndarray]:
        """Sources among all of the set, and numbers of delays (none where there is one delay): int32 `[edges]`."""
        pre = np.concatenate([s.edges.pre + np.int32(s.drawn.part.pre_offset) for s in stretches])
        if self.delays == 1:
            return pre, np.empty(0, np.int32)
        return pre, np.concatenate([self.number[delay_steps(s.drawn.part, s.drawn.delay, len(s.edges), s.start)] for s in stretches])


class _Stretch(NamedTuple):
    """Edges of a part onto the targets `block` of its own, the first of which is `onto` of all."""

    drawn: _Drawn
    block: range
    onto: int
    edges: Edges

    @property
    def start(self) -> int:
        """The place of the first edge among those of the part."""
        return int(self.drawn.begins[self.block.start])

    @property
    def degrees(self) -> np.ndarray:
        return self.drawn.rows.degrees[self.block.start : self.block.stop]


def _units(bounds: np.ndarray, ends: np.ndarray, each: int) -> list[_Unit]:
    """Every block cut into `each` stretches of targets with about as many edges."""
    units = []
    for block, (low, high) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        before, after = (int(ends[i - 1]) if i else 0 for i in (low, high))
        cuts = [low + int(np.searchsorted(ends[low:high], before + (after - before) * i / each)) for i in range(1, each)]
        units += [_Unit(block, a, b) for a, b in itertools.pairwise([low, *cuts, high])]
    return units


def _count(layout: _Layout, unit: _Unit, count: np.ndarray, work: Work) -> None:
    """The unit's edges of each source and delay."""
    for begin, end in layout.chunks(unit):
        stretches = layout.stretches(begin, end)
        if stretches:
            pre, delay = layout.ends_of(stretches)
            count_edges(pre, delay, layout.delays, count)
            work.did(len(pre))


def _segments(counts: np.ndarray, units: Sequence[_Unit], blocks: int, sources: int, delays: int) -> np.ndarray:
    """The segment table. Counts of edges become the place of each unit's first edge of every source and delay."""
    segments = aligned_empty((blocks, sources, delays + 1), counts.dtype)
    segments[:] = 0
    if delays and sources:
        place = 0
        for block in range(blocks):
            own = [i for i, unit in enumerate(units) if unit.block == block]
            after = np.cumsum(counts[own].sum(axis=0, dtype=counts.dtype), dtype=counts.dtype) + counts.dtype.type(place)
            segments[block, :, 1:] = after.reshape(sources, delays)
            segments[block, 1:, 0] = segments[block, :-1, delays]
            segments[block, 0, 0] = place
            place = int(after[-1])
            begin = segments[block, :, :-1].ravel()
            for i in own:
                begin, counts[i] = begin + counts[i], begin
    return segments


def _place(layout: _Layout, unit: _Unit, cursor: np.ndarray, target: np.ndarray, weight: np.ndarray, work: Work) -> None:
    """Each of the unit's edges to its place."""
    for begin, end in layout.chunks(unit):
        stretches = layout.stretches(begin, end)
        if stretches:
            pre, delay = layout.ends_of(stretches)
            place_edges(_rows(stretches), pre, delay, layout.delays, _weights(stretches, weight), cursor, target, weight)
            work.did(len(pre))


def _rows(stretches: list[_Stretch]) -> EdgeRows:
    """The stretches' edges target by target."""
    length = np.concatenate([s.degrees for s in stretches])
    target = np.concatenate([np.arange(s.onto, s.onto + len(s.block), dtype=np.int32) for s in stretches])
    order = np.argsort(target, kind="stable")
    return EdgeRows((np.cumsum(length) - length)[order], length[order], target[order])


def _weights(stretches: list[_Stretch], like: np.ndarray) -> np.ndarray:
    """Their weights, or none where all edges of the set have the same."""
    if not len(like):
        return like
    drawn = (weights(s.drawn.part, s.drawn.weight, s.edges, s.start) for s in stretches)
    return np.concatenate([w.astype(like.dtype) for w in drawn])
