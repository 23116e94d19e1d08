"""Edges of one or several projections, laid out as event delivery wants them, and nothing else is ever as large as they are.

Sources, weights and delays are drawn anew whenever they are asked for, each a function
of the edge. First the edges of each tile, a few sources that are neighbours, are counted; then
edges are drawn target after target, and each goes behind those that its tile has; at last
each tile is sorted by source and delay, which a core's cache holds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ranvier.connect.base import Edges
from ranvier.connect.capacity import Capacity, CapacityExceeded, room_for
from ranvier.connect.part import DrawnPart, Part, draw, numbered
from ranvier.connect.work import Work, usable_cores
from ranvier.errors import ParameterError
from ranvier.kernels.edges import EdgeRows, Tiles, count_tiles, settle_edges, spread_edges
from ranvier.memory import aligned_empty, require_memory
from ranvier.random import Distribution

CHUNK = 1 << 17  # edges that a thread draws at once
LONGEST = 1 << 24  # delay, in steps
FEW_DELAYS = 256  # different ones, that are numbered without being looked for first
TILE = 1 << 16  # edges that are sorted at once, so many that a core's cache holds them
MOST_TILES = 1 << 13  # that edges are spread over where fewer would do
UNITS = 4  # for each thread, so that all end at about the same time
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
    """What one thread draws: a stretch of the targets of one block."""

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
    tiles = _tiles(total, sources, len(delays), bounds)
    units = _units(bounds, layout.ends, 1 if work.threads == 1 else -(-UNITS * work.threads // blocks))
    place = np.dtype(np.int32 if everything <= MOST_IN_INT32 else np.int64)
    needed = size * (4 + (dtype.itemsize if kind == "edge" else 0) + (place.itemsize if order else 0))
    needed += counter.itemsize * blocks * sources * (len(delays) + 1) + (0 if tiles.word.itemsize == 4 else total * tiles.word.itemsize)
    needed += work.threads * (2 * CHUNK + TILE) * BYTES_OF_DRAWING
    require_memory(needed, f"The network, with {total:.3g} edges and {len(delays)} different delays,", TAKES_LESS)
    if isinstance(capacity, Capacity):
        _check_room(capacity.edges, total, "edges")

    common = _common_weights(drawn, sources, kind, dtype)
    cursors, begins = _begins(_edges_of_tiles(layout, units, tiles, work), units, blocks)
    target = _with_end(total, size, np.int32)
    weight = _with_end(total, size if kind == "edge" else 0, dtype)
    numbered_by = _with_end(total, size if order else 0, place)
    words = target[:total].view(tiles.word) if tiles.word.itemsize == 4 else np.empty(total, tiles.word)
    placed = _Placed(target[:total], weight[:total], numbered_by[:total], words)
    low = bounds.tolist()
    used = work.map(_spread, [(layout, unit, low[unit.block], tiles, own, placed, work) for unit, own in zip(units, cursors, strict=True)])
    layout.forget_delays_but(np.logical_or.reduce(used))
    delays, longest = layout.delays, int(layout.delays.max(initial=0))
    room = room_for(total, parts, len(delays), longest) if capacity is True else capacity or Capacity(total, len(delays), longest)
    _check_room(room.delays, len(delays), "different delays")
    _check_room(room.longest, longest, "steps of the longest delay")
    segments = aligned_empty((blocks, sources, room.delays + 1), counter)
    _settle_all(layout, low, begins, tiles, placed, segments, work)
    more = np.full(room.delays - len(delays), -1, np.int32)
    return EventEdges(
        np.concatenate([delays.astype(np.int32), more]),
        segments,
        target,
        weight if common is None else common,
        bounds,
        numbered_by if order else None,
    )


def _with_end(used: int, size: int, dtype: np.typing.DTypeLike) -> np.ndarray:
    """An array that is zero from the `used` places on; those before are filled later."""
    array = aligned_empty(size, dtype)
    array[used:] = 0
    return array


def _check_room(there: int, wanted: int, what: str) -> None:
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
        now: of each of these numbers, what it becomes when only delays that some edge has are counted; int32 `[delays]`.
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
        self.delays = delays
        self.number = np.zeros(int(delays.max(initial=-1)) + 1, np.int32)
        self.number[delays] = np.arange(len(delays))

    def forget_delays_but(self, used: np.ndarray) -> None:
        """Numbers anew the delays that edges have, bool `[delays]`; `now` has the new number of each old one."""
        self.now = np.where(used, np.cumsum(used) - 1, -1).astype(np.int32)
        self.delays = self.delays[used]

    def before(self, target: int) -> int:
        """How many edges the targets before this one have."""
        return int(self.ends[target - 1]) if target else 0

    def chunks(self, unit: _Unit) -> Iterator[tuple[int, int]]:
        """Stretches of the unit's targets with about `CHUNK` edges each, or twice as many where several parts share them."""
        begin, edges = unit.begin, CHUNK * min(2, len(self.pieces))
        while begin < unit.end:
            end = min(unit.end, max(begin + 1, int(np.searchsorted(self.ends, self.before(begin) + edges, side="right"))))
            yield begin, end
            begin = end

    def pieces_onto(self, begin: int, end: int) -> Iterator[tuple[DrawnPart, range, int]]:
        """Who has edges onto the targets `begin` … `end − 1`: a part, which of its targets they are, and the first one's place in all."""
        for drawn, first, onto, size in self.pieces:
            low, high = max(begin, onto), min(end, onto + size)
            if low < high:
                block = range(low - onto + first, high - onto + first)
                if drawn.begins[block.stop] > drawn.begins[block.start]:
                    yield drawn, block, low

    def stretches(self, begin: int, end: int) -> list[_Stretch]:
        """The edges onto the targets `begin` … `end − 1`, drawn, a part at a time."""
        return [_Stretch(drawn, block, low, drawn.edges(block)) for drawn, block, low in self.pieces_onto(begin, end)]

    def sources_of(self, stretches: list[_Stretch], desk: _Desk) -> np.ndarray:
        """Their sources among all of the set, int32 `[edges]`."""
        pre = desk.room("sources", stretches, np.int32)
        for s, some in _one_after_the_other(stretches):
            among_all(s.edges.pre, s.drawn.part, pre[some])
        return pre

    def delays_of(self, stretches: list[_Stretch], desk: _Desk) -> np.ndarray:
        """The numbers of their delays, int32 `[edges]`; none where there is one delay."""
        if len(self.delays) == 1:
            return np.empty(0, np.int32)
        delay = desk.room("delays", stretches, np.int32)
        for s, some in _one_after_the_other(stretches):
            s.drawn.number_delays(s.edges, s.start, self.number, delay[some])
        return delay

    def order_of(self, stretches: list[_Stretch], desk: _Desk, dtype: np.dtype[Any]) -> np.ndarray:
        """The place of each edge among those of all parts, `[edges]`."""
        order = desk.room("order", stretches, dtype)
        for s, some in _one_after_the_other(stretches):
            first = self.first_edge[id(s.drawn)] + s.start
            order[some] = np.arange(first, first + len(s.edges))
        return order


def among_all(pre: np.ndarray, part: Part, out: np.ndarray | None = None) -> np.ndarray:
    """Sources of a part by their places in the whole set."""
    if part.pre_places is None:
        return np.add(pre, np.int32(part.pre_offset), out=out)
    return np.take(part.pre_places, pre, out=out)


class _Desk:
    """Arrays that one thread draws into, the same for chunk after chunk, so that they stay in its cache."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}

    def room(self, what: str, stretches: list[_Stretch], dtype: np.typing.DTypeLike) -> np.ndarray:
        """For one number for each of the edges."""
        edges = sum(len(s.edges) for s in stretches)
        if what not in self._arrays or len(self._arrays[what]) < edges:
            self._arrays[what] = np.empty(edges + edges // 8, dtype)
        return self._arrays[what][:edges]


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


def _tiles(total: int, sources: int, delays: int, bounds: np.ndarray) -> Tiles:
    """Tiles of about `TILE` edges. One that is smaller is not worth it for a word of 32 bits if there are very many then."""
    target_bits = (int(np.diff(bounds).max()) - 1).bit_length()
    all_sources = max(sources - 1, 0).bit_length()
    if total <= CHUNK:
        return Tiles(sources, delays, all_sources, target_bits)
    shift = min(all_sources, max(0, int(math.log2(TILE * sources * (len(bounds) - 1) / total))))
    narrow = 32 - target_bits - (delays - 1).bit_length()
    if 0 <= narrow < shift and sources >> narrow <= MOST_TILES:
        shift = narrow
    return Tiles(sources, delays, shift, target_bits)


def _edges_of_tiles(layout: _Layout, units: Sequence[_Unit], tiles: Tiles, work: Work) -> np.ndarray:
    """How many edges of each unit are in each tile; int64 `[units, tiles]`."""
    count = np.zeros((len(units), tiles.n), np.int64)
    if tiles.n > 1:
        work.total += int(layout.ends[-1])
        work.map(_count, [(layout, unit, tiles, count[i], work) for i, unit in enumerate(units)])
    elif tiles.n:
        count[:, 0] = [layout.before(unit.end) - layout.before(unit.begin) for unit in units]
    return count


def _count(layout: _Layout, unit: _Unit, tiles: Tiles, count: np.ndarray, work: Work) -> None:
    for begin, end in layout.chunks(unit):
        for drawn, block, _ in layout.pieces_onto(begin, end):
            part = drawn.part
            if drawn.rows.count is not None and part.pre_places is None:
                drawn.rows.count(block, part.pre_offset, tiles.shift, count)
            else:
                count_tiles(among_all(drawn.edges(block).pre, part), tiles.shift, count)
        work.did(layout.before(end) - layout.before(begin))


def _begins(count: np.ndarray, units: Sequence[_Unit], blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each unit's edges of each tile begin, `[units, tiles]`, and those of all, with the last one's end, `[blocks, tiles + 1]`."""
    cursors, begins = np.empty_like(count), np.zeros((blocks, count.shape[1] + 1), np.int64)
    place = 0
    for block in range(blocks):
        own = [i for i, unit in enumerate(units) if unit.block == block]
        begins[block, 0] = place
        begins[block, 1:] = place + np.cumsum(count[own].sum(axis=0))
        cursors[own] = begins[block, :-1] + np.cumsum(count[own], axis=0) - count[own]
        place = int(begins[block, -1])
    return cursors, begins


class _Placed(NamedTuple):
    """The edges where they belong; `[0]` for what is not kept. The words lie where targets will, if they are not longer."""

    target: np.ndarray
    weight: np.ndarray
    order: np.ndarray
    words: np.ndarray


def _spread(layout: _Layout, unit: _Unit, low: int, tiles: Tiles, cursor: np.ndarray, placed: _Placed, work: Work) -> np.ndarray:
    """Each of the unit's edges to its tile; returns which delays there were, bool `[delays]`."""
    desk, used = _Desk(), np.zeros(tiles.delays, bool)
    ordered = cursor.copy()
    for begin, end in layout.chunks(unit):
        stretches = layout.stretches(begin, end)
        if stretches:
            rows, pre, delay = _rows(stretches, low), layout.sources_of(stretches, desk), layout.delays_of(stretches, desk)
            if len(placed.order):
                order = layout.order_of(stretches, desk, placed.order.dtype)
                spread_edges(rows, pre, delay, tiles, order, ordered, placed.words[:0], placed.order, used)
            weight = _weights(stretches, desk, placed.weight)
            spread_edges(rows, pre, delay, tiles, weight, cursor, placed.words, placed.weight, used)
            work.did(len(pre))
    return used


def _stretches_of_tiles(begin: np.ndarray) -> Iterator[range]:
    """Tiles that one job sorts, with about as many edges as eight chunks."""
    first = 0
    while first < len(begin) - 1:
        end = int(np.searchsorted(begin, begin[first] + 8 * CHUNK, side="right")) - 1
        yield range(first, max(first + 1, end))
        first = max(first + 1, end)


def _settle_all(
    layout: _Layout, low: list[int], begins: np.ndarray, tiles: Tiles, placed: _Placed, segments: np.ndarray, work: Work
) -> None:
    """All edges sorted by source and delay, in each block; fills the segment table."""
    if not (tiles.delays and tiles.sources):
        segments[:] = 0
        return
    stretches = [(block, some) for block in range(len(segments)) for some in _stretches_of_tiles(begins[block])]
    work.map(_settle, [(layout, low[block], some, begins[block], tiles, placed, segments[block], work) for block, some in stretches])


def _settle(
    layout: _Layout, low: int, some: range, begin: np.ndarray, tiles: Tiles, placed: _Placed, segments: np.ndarray, work: Work
) -> None:
    """The edges of some tiles sorted by source and delay."""
    begin = begin[some.start : some.stop + 1]
    columns = [column for column in (placed.weight, placed.order) if len(column)]
    settle_edges(tiles, some.start, begin, placed.words, layout.now, low, placed.target, columns, segments)
    work.did(int(begin[-1] - begin[0]))


def _one_after_the_other(stretches: list[_Stretch]) -> Iterator[tuple[_Stretch, slice]]:
    """The stretches, and where each one's edges are among those of all."""
    ends = itertools.accumulate((len(s.edges) for s in stretches), initial=0)
    for s, (begin, end) in zip(stretches, itertools.pairwise(ends), strict=True):
        yield s, slice(begin, end)


def _rows(stretches: list[_Stretch], low: int) -> EdgeRows:
    """The stretches' edges target by target, whose numbers count from `low` on."""
    length = np.concatenate([s.degrees for s in stretches])
    target = np.concatenate([np.arange(s.onto - low, s.onto - low + len(s.block), dtype=np.int32) for s in stretches])
    order = np.argsort(target, kind="stable")
    return EdgeRows((np.cumsum(length) - length)[order], length[order], target[order])


def _weights(stretches: list[_Stretch], desk: _Desk, like: np.ndarray) -> np.ndarray:
    """Their weights, or none where all edges of the set have the same."""
    if not len(like):
        return like
    weight = desk.room("weights", stretches, like.dtype)
    for s, some in _one_after_the_other(stretches):
        weight[some] = s.drawn.weights(s.edges, s.start)
    return weight
