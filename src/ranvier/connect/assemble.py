"""Edges of one or several projections, laid out as event delivery wants them, in two passes over blocks of targets.

Weights, delays and sources are drawn anew whenever they are asked for, each a
function of the edge. So the first pass counts the edges of each source and delay, the
second puts each edge where it belongs, and nothing else is ever as large as the result.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ranvier.connect.base import Edges
from ranvier.connect.capacity import Capacity, CapacityExceeded, room_for
from ranvier.connect.part import DrawnPart, Part, draw, numbered
from ranvier.connect.work import Work, usable_cores
from ranvier.errors import ParameterError
from ranvier.kernels.edges import EdgeRows, count_edges, place_edges
from ranvier.memory import aligned_empty, require_memory
from ranvier.random import Distribution

CHUNK = 1 << 17  # edges that a thread draws at once
LONGEST = 1 << 24  # delay, in steps
FEW_DELAYS = 256  # different ones, that are counted without being looked for first
MOST_IN_INT32 = np.iinfo(np.int32).max
KINDS = ("one", "source", "edge")
"""How many weights there are: `"one"` for all edges, `[]`; one a `"source"`, `[sources, 1]`; one an `"edge"`, `[edges]`."""
TAKES_LESS = 'Fewer edges take less, or fewer different delays, or precision="single".'
BYTES_OF_DRAWING = 64  # an edge of a chunk, while it is drawn


class EventEdges(NamedTuple):
    """Edges sorted by (target block, source, delay, target); where one source meets one target twice, in the order of the parts.

    Those of source `i` with delay `delays[d]` onto block `b` are `segments[b, i, d]` to `segments[b, i, d + 1]`.

    With room for more (`Capacity`) nothing else changes: further delays are −1 and have no edges,
    further edges stand behind the last segment's end.

    Attributes:
        delays: the distinct delays in steps, ascending, int32 `[delays]`.
        segments: int32, or int64 from 2³¹ edges on, `[blocks, sources, delays + 1]`.
        target: int32 `[edges]`.
        weight: `[edges]`, `[sources, 1]` where all of one source have the same, `[]` where all edges have (`kind_of`).
        bounds: block `b` has the targets `bounds[b]` to `bounds[b + 1]`, int64 `[blocks + 1]`.
        order: where each edge stands in the parts' edges one part after the other, each part's sorted by target, then
            source (those onto targets outside the set count too): `weights[order]` are weights so given, in the order of
            `target`. int32, or int64 where there are so many, `[edges]`; None where it was not asked for.
    """

    delays: np.ndarray
    segments: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    bounds: np.ndarray
    order: np.ndarray | None = None


class _Piece(NamedTuple):
    """A part's edges onto one of its target populations, whose first neuron is `first` of the part's targets and `onto` of all."""

    drawn: DrawnPart
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
    *,
    capacity: Capacity | bool = False,
    weights: Sequence[str] = KINDS,
    order: bool = False,
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
        capacity: the sizes of the arrays; True leaves as much room as `capacity_for` these edges says.
        weights: the `KINDS` that will do, of which the first is taken that fits what the parts are given.
        order: whether the order is wanted too, at 4 more bytes an edge.

    Raises:
        ParameterError: weights or delays that cannot be used, neurons outside the set, or more edges than there is memory for.
        CapacityExceeded: they do not fit into `capacity`, or `weights`.

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
    drawn = work.map(draw, [(part,) for part in parts])
    total, everything = sum(d.wanted for d in drawn), sum(map(len, drawn))
    require_memory(4.0 * total, f"The network, with {total:.3g} edges,", TAKES_LESS)
    if total < CHUNK:
        work.threads = 1
    delays = _possible_delays(drawn, work, total, sources)
    bounds = np.arange(blocks + 1, dtype=np.int64) * targets // blocks
    layout = _Layout(drawn, targets, delays)
    kind = _kind(drawn, weights)
    size = capacity.edges if isinstance(capacity, Capacity) else room_for(total, parts, 0, 0).edges if capacity else total
    counter = np.dtype(np.int32 if size <= MOST_IN_INT32 else np.int64)
    cells = sources * len(delays)
    each = max(1, min(-(-work.threads // blocks), total // max(1, blocks * cells)))  # so that counters take no more than targets
    units = _units(bounds, layout.ends, each)
    place = np.dtype(np.int32 if everything <= MOST_IN_INT32 else np.int64)
    needed = size * (4 + (dtype.itemsize if kind == "edge" else 0) + (place.itemsize if order else 0))
    needed += counter.itemsize * ((1 + order) * len(units) * cells + 2 * blocks * (cells + sources))
    needed += work.threads * CHUNK * BYTES_OF_DRAWING
    require_memory(needed, f"The network, with {total:.3g} edges and {len(delays)} different delays,", TAKES_LESS)

    common = _common_weights(drawn, sources, kind, dtype)
    counts = np.zeros((len(units), cells), counter)
    work.map(_count, [(layout, unit, counts[i], work) for i, unit in enumerate(units)])
    counts = layout.leave_out_unused_delays(counts)
    delays = layout.delays
    longest = int(delays.max(initial=0))
    room = room_for(total, parts, len(delays), longest) if capacity is True else capacity or Capacity(total, len(delays), longest)
    _check_room(room, total, len(delays), longest)
    segments = _segments(counts, units, blocks, sources, len(delays), room.delays)
    placed = _Placed(
        _with_end(total, room.edges, np.int32),
        _with_end(total, room.edges if kind == "edge" else 0, dtype),
        _with_end(total, room.edges if order else 0, place),
    )
    cursors = (counts, counts.copy()) if order else (counts, counts)
    work.map(_place, [(layout, unit, [own[i] for own in cursors], placed, work) for i, unit in enumerate(units)])
    more = np.full(room.delays - len(delays), -1, np.int32)
    return EventEdges(
        np.concatenate([delays.astype(np.int32), more]),
        segments,
        placed.target,
        placed.weight if common is None else common,
        bounds,
        placed.order if order else None,
    )


def _with_end(used: int, size: int, dtype: np.typing.DTypeLike) -> np.ndarray:
    """An array that is zero from the `used` places on; those before are filled later."""
    array = aligned_empty(size, dtype)
    array[used:] = 0
    return array


def _check_room(room: Capacity, edges: int, delays: int, longest: int) -> None:
    for wanted, there, what in (
        (edges, room.edges, "edges"),
        (delays, room.delays, "different delays"),
        (longest, room.longest, "steps of the longest delay"),
    ):
        if wanted > there:
            raise CapacityExceeded(f"{wanted} {what}, and room for {there}")


def _check_sizes(parts: Sequence[Part], sources: int, targets: int, dtype: np.dtype[Any], blocks: int) -> None:
    if dtype not in (np.float32, np.float64):
        raise ParameterError(f"assemble: weights can be float32 or float64, not {dtype}.")
    if blocks < 1:
        raise ParameterError(f"assemble: there must be at least one block, not {blocks}.")
    for part in parts:
        outside = part.pre_offset < 0 or part.pre_offset + part.sources > sources
        if outside or any(onto is not None and (onto < 0 or onto + size > targets) for size, onto in part.targets):
            raise ParameterError(f"assemble: {part.name} goes from or to neurons outside the {sources} sources and {targets} targets.")


def kind_of(weight: Any) -> str:
    """Which of `KINDS` the weights of a set of edges are."""
    return {0: "one", 1: "edge", 2: "source"}[np.ndim(weight)]


def _kind(drawn: Sequence[DrawnPart], wanted: Sequence[str]) -> str:
    """The first of the kinds of weights that will do and that fits what the parts were given."""
    found = {d.one_weight for d in drawn}
    numbers = bool(found) and None not in found
    fits = {"one": numbers and len(found) == 1, "source": numbers and _have_own_sources(drawn), "edge": True}
    kind = next((k for k in wanted if fits[k]), None)
    if kind is None:
        raise CapacityExceeded(f"a weight an edge, and room for one {'a source' if 'source' in wanted else 'in all'}")
    return kind


def _have_own_sources(drawn: Sequence[DrawnPart]) -> bool:
    """Whether each part has sources that no other has."""
    if any(d.part.pre_places is not None for d in drawn):
        places = np.concatenate([among_all(np.arange(d.part.sources, dtype=np.int32), d.part) for d in drawn])
        return len(np.unique(places)) == len(places)
    ends = sorted((d.part.pre_offset, d.part.pre_offset + d.part.sources) for d in drawn)
    return all(end <= begin for (_, end), (begin, _) in itertools.pairwise(ends))


def _common_weights(drawn: Sequence[DrawnPart], sources: int, kind: str, dtype: np.dtype[Any]) -> np.ndarray | None:
    """The weight that all edges have, `[]`, or those of each source, `[sources, 1]`; none where each edge has its own."""
    if kind == "edge":
        return None
    if kind == "one":
        return np.asarray(drawn[0].one_weight, dtype)
    of_source = np.zeros((sources, 1), dtype)
    for d in drawn:
        of_source[among_all(np.arange(d.part.sources, dtype=np.int32), d.part)] = d.one_weight
    return of_source


def _possible_delays(drawn: Sequence[DrawnPart], work: Work, total: int, sources: int) -> np.ndarray:
    """All delays that there may be, in steps, ascending; int64 `[delays]`.

    Where a distribution's ends leave few possible, those are they. Else what is drawn is drawn once more, to be seen.
    """
    found = [np.unique(d.given_steps) for d in drawn if len(d) and d.given_steps is not None]
    unknown = [d for d in drawn if len(d) and d.given_steps is None]
    ranges = [(d, d.steps_between()) for d in unknown]
    few = [(low, high) for _, (low, high) in ranges if 0 <= high - low < FEW_DELAYS and high < LONGEST]
    widest = max((high for _, high in few), default=-1) + 1 + sum(map(len, found))
    if sources * widest > total:  # counters would take more than edges
        few = []
    found += [np.arange(low, high + 1) for low, high in set(few)]
    unknown = [d for d, ends in ranges if ends not in few]
    work.total = 2 * total + sum(map(len, unknown))
    found += work.map(_delays_of_stretch, [(d, block, work) for d in unknown for block in d.blocks(CHUNK)])
    delays = np.unique(np.concatenate([np.zeros(0, np.int64), *found]))
    if len(delays) and delays[-1] >= LONGEST:
        raise ParameterError(f"assemble: a delay of {delays[-1]} steps is too long; less than {LONGEST} can be.")
    return delays


def _delays_of_stretch(drawn: DrawnPart, block: range, work: Work) -> np.ndarray:
    start, n = int(drawn.begins[block.start]), int(drawn.begins[block.stop] - drawn.begins[block.start])
    steps = drawn.steps(numbered(n) if isinstance(drawn.delay, Distribution) else drawn.edges(block), start)
    work.did(n)
    return np.flatnonzero(np.bincount(steps)) if steps.max(initial=0) < LONGEST else np.unique(steps)


class _Layout:
    """What every thread reads: the parts, and where in the set their targets lie.

    Attributes:
        pieces: of all parts, in their order.
        ends: how many edges the targets up to each one have, int64 `[targets]`.
        delays: in steps, ascending, int64 `[delays]`.
        number: of each delay in steps, its number; int32.
    """

    def __init__(self, drawn: Sequence[DrawnPart], targets: int, delays: np.ndarray):
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
        firsts = np.cumsum([0, *map(len, drawn)])
        self.first_edge = {id(d): int(first) for d, first in zip(drawn, firsts[:-1], strict=True)}
        self._number(delays)

    def _number(self, delays: np.ndarray) -> None:
        self.delays = delays
        self.number = np.zeros(int(delays.max(initial=-1)) + 1, np.int32)
        self.number[delays] = np.arange(len(delays))

    def leave_out_unused_delays(self, counts: np.ndarray) -> np.ndarray:
        """Forgets the delays that no edge has. Takes and returns the counts of each unit's edges, `[units, sources · delays]`."""
        if not counts.size:
            return counts
        cells = counts.reshape(len(counts), -1, len(self.delays))
        used = np.zeros(len(self.delays), bool)
        for unit in cells:
            used |= unit.any(axis=0)
        if used.all():
            return counts
        self._number(self.delays[used])
        return np.ascontiguousarray(cells[:, :, used]).reshape(len(counts), -1)

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
                    found.append(_Stretch(drawn, block, low, drawn.edges(block)))
        return found

    def ends_of(self, stretches: list[_Stretch]) -> tuple[np.ndarray, np.ndarray]:
        """Sources among all of the set, and numbers of delays (none where there is one delay): int32 `[edges]`."""
        pre = np.concatenate([among_all(s.edges.pre, s.drawn.part) for s in stretches])
        if len(self.delays) == 1:
            return pre, np.empty(0, np.int32)
        return pre, np.concatenate([self.number[s.drawn.steps(s.edges, s.start)] for s in stretches])

    def order_of(self, stretches: list[_Stretch], dtype: np.dtype[Any]) -> np.ndarray:
        """The place of each edge among those of all parts, `[edges]`."""
        firsts = [self.first_edge[id(s.drawn)] + s.start for s in stretches]
        return np.concatenate([np.arange(first, first + len(s.edges), dtype=dtype) for first, s in zip(firsts, stretches, strict=True)])


def among_all(pre: np.ndarray, part: Part) -> np.ndarray:
    """Sources of a part by their places in the whole set."""
    return pre + np.int32(part.pre_offset) if part.pre_places is None else part.pre_places[pre]


class _Stretch(NamedTuple):
    """Edges of a part onto the targets `block` of its own, the first of which is `onto` of all."""

    drawn: DrawnPart
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
            count_edges(pre, delay, len(layout.delays), count)
            work.did(len(pre))


def _segments(counts: np.ndarray, units: Sequence[_Unit], blocks: int, sources: int, delays: int, room: int) -> np.ndarray:
    """The segment table. Counts of edges become the place of each unit's first edge of every source and delay."""
    segments = aligned_empty((blocks, sources, room + 1), counts.dtype)
    segments[:] = 0
    if delays and sources:
        place = 0
        for block in range(blocks):
            own = [i for i, unit in enumerate(units) if unit.block == block]
            after = np.cumsum(counts[own].sum(axis=0, dtype=counts.dtype), dtype=counts.dtype) + counts.dtype.type(place)
            segments[block, :, 1 : delays + 1] = after.reshape(sources, delays)
            segments[block, 1:, 0] = segments[block, :-1, delays]
            segments[block, 0, 0] = place
            place = int(after[-1])
            begin = segments[block, :, :delays].ravel()
            segments[block, :, delays + 1 :] = segments[block, :, delays, None]
            for i in own:
                begin, counts[i] = begin + counts[i], begin
    return segments


class _Placed(NamedTuple):
    """The edges where they belong; `[0]` for what is not kept."""

    target: np.ndarray
    weight: np.ndarray
    order: np.ndarray


def _place(layout: _Layout, unit: _Unit, cursors: list[np.ndarray], placed: _Placed, work: Work) -> None:
    """Each of the unit's edges to its place."""
    for begin, end in layout.chunks(unit):
        stretches = layout.stretches(begin, end)
        if stretches:
            pre, delay = layout.ends_of(stretches)
            rows = _rows(stretches)
            if len(placed.order):
                # The kernel moves real numbers; these are moved bit by bit.
                real = np.dtype(f"f{placed.order.itemsize}")
                order = layout.order_of(stretches, placed.order.dtype)
                place_edges(rows, pre, delay, len(layout.delays), order.view(real), cursors[1], placed.target, placed.order.view(real))
            place_edges(rows, pre, delay, len(layout.delays), _weights(stretches, placed.weight), cursors[0], placed.target, placed.weight)
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
    drawn = (s.drawn.weights(s.edges, s.start) for s in stretches)
    return np.concatenate([w.astype(like.dtype) for w in drawn])
