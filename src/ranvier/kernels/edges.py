"""What a network's edges are built with, on the host: draws, counting, placing. Each native, beside its NumPy reference.

Both give the same bits. The native ones hold no lock, so that threads of one
process build parts of a network at the same time.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ranvier.kernels import dispatch

if TYPE_CHECKING:
    from ranvier.random import Key

_AGAIN = 1 << 16  # what a further attempt adds to the counter's high word
_EXCLUSION = 0x80000000
_DRAWS_AT_ONCE = 1 << 20  # of the reference


class Candidates(NamedTuple):
    """Who may be drawn: numbers below `n`, without `r + shift` in row `r` where `exclude` is set and there is such a number.

    Attributes:
        n: how many.
        shift: which one is the row's own.
        exclude: whether its own is left out.
    """

    n: int
    shift: int = 0
    exclude: bool = False

    def left_out(self, rows: np.ndarray) -> np.ndarray:
        """Whether a candidate is left out in each row; bool `[rows]`."""
        own = rows + self.shift
        return (own >= 0) & (own < self.n) & self.exclude

    def sizes(self, rows: np.ndarray) -> np.ndarray:
        """How many candidates each row has; int64 `[rows]`."""
        return self.n - self.left_out(rows).astype(np.int64)


class EdgeRows(NamedTuple):
    """The edges of a few targets: row `i` is edges `begin[i]`, `begin[i] + 1`, …, `length[i]` of them, all onto `target[i]`.

    Attributes:
        begin, length: int64 `[rows]`.
        target: int32 `[rows]`.
    """

    begin: np.ndarray
    length: np.ndarray
    target: np.ndarray


class Tiles(NamedTuple):
    """How edges onto a block of targets are sorted by source, then delay: first into tiles of 2^`shift` sources each, then tile by tile.

    What is known of an edge but its weight is one word meanwhile:
    `(source in the tile · delays + delay) · 2^target_bits + target`. With tiles of one
    source and one delay a word is the target, and edges are sorted once they are spread.
    """

    sources: int
    delays: int
    shift: int
    target_bits: int

    @property
    def n(self) -> int:
        """How many tiles there are."""
        return -(-self.sources >> self.shift)

    @property
    def word(self) -> np.dtype[Any]:
        """The type of a word."""
        bits = self.target_bits + ((self.delays << self.shift) - 1).bit_length()
        return np.dtype(np.uint32 if bits <= 32 else np.uint64)


def draw_rows(key: Key, degrees: np.ndarray, first: int, candidates: Candidates, repeated: bool) -> np.ndarray:
    """Draws `degrees[i]` candidates for row `first + i`, ascending.

    Draw *j* of row *r* is a function of the key, *j* and *r*, so rows may be drawn in
    any order. Of different ones the first of the draws count; where more than half are
    wanted, those are drawn that are not taken.

    Args:
        key: where the draws come from.
        degrees: how many in each row, int64 `[rows]`; all must be possible.
        first: the first row's number.
        candidates: who may be drawn.
        repeated: whether one may be drawn several times in a row.

    Returns:
        int32 `[degrees.sum()]`, row after row.

    Example:
        >>> from ranvier.random import Key
        >>> draw_rows(Key(1), np.array([2, 0, 3]), 0, Candidates(4), repeated=False).tolist()
        [0, 2, 0, 1, 2]
    """
    degrees = np.ascontiguousarray(degrees, np.int64)
    native = dispatch.native_module()
    if native is None:
        return _draw_rows_reference(key, degrees, first, candidates, repeated)
    out = np.empty(int(degrees.sum()), np.int32)
    native.draw_rows(*key.words, degrees, first, *candidates, repeated, out)
    return out


def count_rows(
    key: Key, degrees: np.ndarray, first: int, candidates: Candidates, repeated: bool, offset: int, shift: int, count: np.ndarray
) -> None:
    """`count[(offset + candidate) >> shift] += 1` for each candidate that `draw_rows` draws, without sorting them; int64 `[tiles]`."""
    degrees = np.ascontiguousarray(degrees, np.int64)
    native = dispatch.native_module()
    if native is None:
        count_tiles(draw_rows(key, degrees, first, candidates, repeated) + np.int32(offset), shift, count)
    else:
        native.count_rows(*key.words, degrees, first, *candidates, repeated, offset, shift, count)


def draw_degrees(key: Key, edges: int, rows: int, candidates: Candidates) -> np.ndarray:
    """Throws edges onto rows, every pair of row and candidate as likely as any other, and counts those of each row.

    Returns:
        int64 `[rows]`, whose sum is `edges`.

    Example:
        >>> from ranvier.random import Key
        >>> draw_degrees(Key(1), 10, 3, Candidates(4)).tolist()
        [2, 3, 5]
    """
    native = dispatch.native_module()
    if native is None:
        return _draw_degrees_reference(key, edges, rows, candidates)
    out = np.empty(rows, np.int64)
    native.draw_degrees(*key.words, edges, *candidates, out)
    return out


def count_tiles(pre: np.ndarray, shift: int, count: np.ndarray) -> None:
    """`count[pre >> shift] += 1` for each edge, in place; int64 `[tiles]`."""
    native = dispatch.native_module()
    if native is None:
        count += np.bincount(pre >> shift, minlength=len(count))
    else:
        native.count_tiles(pre, shift, count)


def spread_edges(
    rows: EdgeRows,
    pre: np.ndarray,
    delay: np.ndarray,
    tiles: Tiles,
    value: np.ndarray,
    cursor: np.ndarray,
    words: np.ndarray,
    placed: np.ndarray,
    used: np.ndarray,
) -> None:
    """Puts each edge's word and value behind the edges that its tile has: to place `cursor[pre >> shift]`, which moves on by one; in place.

    Args:
        rows: which edges there are, in the order in which they are placed, and their targets in the block.
        pre: int32 `[edges]`.
        delay: the number of each edge's delay, int32 `[edges]`, or `[0]` where there is one delay only.
        tiles: which tiles there are, and what a word is.
        value: numbers of 4 or 8 bytes `[edges]`, or `[0]` where edges have none.
        cursor: int64 `[tiles]`.
        words: `[all edges]`, of the tiles' type, or `[0]` where words are not wanted.
        placed: the values' places.
        used: is set for each delay that an edge has, where words are wanted; bool `[delays]`.
    """
    native = dispatch.native_module()
    if native is None:
        _spread_edges_reference(rows, pre, delay, tiles, value, cursor, words, placed, used)
    else:
        native.spread_edges(*rows, pre, delay, tiles.sources, tiles.shift, tiles.target_bits, value, cursor, words, placed, used)


def settle_edges(
    tiles: Tiles,
    first: int,
    begin: np.ndarray,
    words: np.ndarray,
    number: np.ndarray,
    low: int,
    target: np.ndarray,
    columns: Sequence[np.ndarray],
    segments: np.ndarray,
) -> None:
    """Sorts the edges of some tiles by source and delay, in their order otherwise; in place.

    Args:
        tiles: which tiles there are, and what a word is.
        first: the first of them.
        begin: where the edges of each begin, and where those of the last end, int64 `[some tiles + 1]`.
        words: of all edges.
        number: what becomes of each delay's number, ascending; −1 where no edge has it; int32 `[delays]`.
        low: what is added to a word's target.
        target: gets the targets, int32 `[all edges]`; it may lie where the words do.
        columns: other numbers of 4 or 8 bytes `[all edges]`, that are moved likewise.
        segments: gets where the edges of each source and delay begin, and where they end, int32 or int64 `[sources, room for delays + 1]`.
    """
    native = dispatch.native_module()
    if native is None:
        _settle_edges_reference(tiles, first, begin, words, number, low, target, columns, segments)
    else:
        native.settle_edges(
            tiles.sources, tiles.shift, tiles.target_bits, first, begin, words, number, low, target, list(columns), segments.reshape(-1)
        )


def number_delays(delay: np.ndarray, dt: float, least: float, number: np.ndarray, out: np.ndarray) -> None:
    """The number of each delay: delays divided by `dt`, rounded, at least `least`, and looked up; into `out`.

    Args:
        delay: in ms, finite and not negative, float64 `[edges]`.
        dt: in ms.
        least: in steps.
        number: of each delay in steps, its number; int32.
        out: int32 `[edges]`.

    Raises:
        IndexError: one is not in the table.
    """
    native = dispatch.native_module()
    if native is None:
        out[:] = number[np.maximum(np.rint(delay / dt), least).astype(np.int64)]
    elif not native.number_delays(delay, dt, least, number, out):
        raise IndexError(f"A delay is not one of the {len(number)} that are known.")


def transposed(
    rows: EdgeRows, pre: np.ndarray, sources: int, number: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges given row after row, source after source; those of one source in the order of the rows.

    Args:
        rows, pre: as for `spread_edges`.
        sources: how many there are.
        number: int64 `[edges]` that go along, or None.

    Returns:
        How many edges each source has, int64 `[sources]`, their targets, int32 `[edges]`, and the numbers.

    Example:
        >>> rows = EdgeRows(np.array([0, 2]), np.array([2, 1]), np.array([7, 9], np.int32))
        >>> [x.tolist() for x in transposed(rows, np.array([0, 1, 1], np.int32), 2)]
        [[1, 2], [7, 7, 9], []]
    """
    count, target = np.zeros(sources, np.int64), np.empty(len(pre), np.int32)
    number = np.zeros(0, np.int64) if number is None else number
    along = np.empty_like(number)
    count_tiles(pre, 0, count)
    alone, no_delay = Tiles(sources, 1, 0, 31), np.zeros(0, np.int32)
    spread_edges(rows, pre, no_delay, alone, number, np.cumsum(count) - count, target.view(alone.word), along, np.zeros(1, bool))
    return count, target, along


def ragged(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The row of each entry, and its place in that row, of rows with these lengths.

    Example:
        >>> [x.tolist() for x in ragged(np.array([2, 0, 1]))]
        [[0, 0, 2], [0, 1, 0]]
    """
    row = np.repeat(np.arange(len(lengths)), lengths)
    return row, np.arange(len(row)) - (np.cumsum(lengths) - lengths)[row]


def bounded(key: Key, low: np.ndarray, high: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    """A number below `n` for each counter (its low and its high word), as likely as any other to within n · 2⁻⁶⁴; int64."""
    x, y = (word.astype(np.uint64) for word in key.bits(low.astype(np.uint32), high.astype(np.uint32)))
    n = np.asarray(n, np.uint64)
    return ((x * n + (y * n >> np.uint64(32))) >> np.uint64(32)).astype(np.int64)


def _draw_rows_reference(key: Key, degrees: np.ndarray, first: int, candidates: Candidates, repeated: bool) -> np.ndarray:
    rows = first + np.arange(len(degrees))
    count = candidates.sizes(rows)
    if repeated:
        row, draw = ragged(degrees)
        chosen = bounded(key, draw, rows[row], count[row])
        chosen = chosen[np.lexsort((chosen, row))]
    else:
        complement = 2 * degrees > count
        row, chosen = _distinct(key, rows, np.where(complement, count - degrees, degrees), count)
        if complement.any():
            row, chosen = _others(row, chosen, complement, count)
    out = candidates.left_out(rows)[row] & (chosen >= rows[row] + candidates.shift)
    return (chosen + out).astype(np.int32)


def _distinct(key: Key, rows: np.ndarray, wanted: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first `wanted` different draws of each row, ascending: each one's row (by place), and which it is."""
    kept = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    open_rows, draws = np.flatnonzero(wanted), wanted + wanted // 2 + 8
    while len(open_rows):
        row, draw = ragged(draws[open_rows])
        row = open_rows[row]
        chosen = bounded(key, draw, rows[row], count[row])
        order = np.lexsort((draw, chosen, row))
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(row[order]) != 0) | (np.diff(chosen[order]) != 0)
        is_new = np.zeros(len(order), bool)
        is_new[order[new]] = True
        seen = np.cumsum(is_new)
        begins = np.flatnonzero(draw == 0)
        seen -= np.repeat(seen[begins] - is_new[begins], draws[open_rows])
        is_new &= seen <= wanted[row]
        found = np.bincount(row[is_new], minlength=len(rows))
        is_new &= (found == wanted)[row]
        kept.append((row[is_new], chosen[is_new]))
        open_rows = open_rows[found[open_rows] < wanted[open_rows]]
        draws = 2 * draws
    row, chosen = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    order = np.lexsort((chosen, row))
    return row[order], chosen[order]


def _others(row: np.ndarray, chosen: np.ndarray, complement: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In rows of the complement, the candidates that were not chosen."""
    begins = np.searchsorted(row, np.arange(len(count) + 1))
    parts = [chosen[a:b] for a, b in itertools.pairwise(begins)]
    for i in np.flatnonzero(complement):
        parts[i] = np.delete(np.arange(count[i]), parts[i])
    return np.repeat(np.arange(len(parts)), [len(p) for p in parts]), np.concatenate(parts)


def _draw_degrees_reference(key: Key, edges: int, rows: int, candidates: Candidates) -> np.ndarray:
    degrees = np.zeros(rows, np.int64)
    for begin in range(0, edges, _DRAWS_AT_ONCE):
        edge, attempt = np.arange(begin, min(begin + _DRAWS_AT_ONCE, edges)), 0
        while len(edge):
            high = (edge >> 32) + attempt
            row = bounded(key, edge & 0xFFFFFFFF, high, rows)
            again = candidates.left_out(row)
            if again.any():
                own = row[again] + candidates.shift
                again[again] = bounded(key, edge[again] & 0xFFFFFFFF, high[again] + _EXCLUSION, candidates.n) == own
            degrees += np.bincount(row[~again], minlength=rows)
            edge, attempt = edge[again], attempt + _AGAIN
    return degrees


def _spread_edges_reference(
    rows: EdgeRows,
    pre: np.ndarray,
    delay: np.ndarray,
    tiles: Tiles,
    value: np.ndarray,
    cursor: np.ndarray,
    words: np.ndarray,
    placed: np.ndarray,
    used: np.ndarray,
) -> None:
    row, within = ragged(rows.length)
    edge = rows.begin[row] + within
    tile = pre[edge] >> tiles.shift
    order = np.argsort(tile, kind="stable")
    edge, tile, row = edge[order], tile[order], row[order]
    count = np.bincount(tile, minlength=len(cursor))
    at = cursor[tile] + np.arange(len(tile)) - (np.cumsum(count) - count)[tile]
    cursor += count
    if len(value):
        placed[at] = value[edge]
    if len(words):
        source, bits = pre[edge] & ((1 << tiles.shift) - 1), np.uint64(tiles.target_bits)
        cells = source.astype(np.uint64) * np.uint64(tiles.delays) + (delay[edge].astype(np.uint64) if len(delay) else np.uint64(0))
        words[at] = ((cells << bits) | rows.target[row].astype(np.uint64)).astype(words.dtype)
        used[delay if len(delay) else 0] |= bool(len(edge))


def _settle_edges_reference(
    tiles: Tiles,
    first: int,
    begin: np.ndarray,
    words: np.ndarray,
    number: np.ndarray,
    low: int,
    target: np.ndarray,
    columns: Sequence[np.ndarray],
    segments: np.ndarray,
) -> None:
    some, sizes = slice(int(begin[0]), int(begin[-1])), np.diff(begin)
    before, last = first << tiles.shift, min(tiles.sources, first + len(sizes) << tiles.shift)
    here = words[some].astype(np.uint64)
    of_tile = np.repeat(np.arange(len(sizes), dtype=np.int64) << tiles.shift, sizes) * tiles.delays
    cells = (here >> np.uint64(tiles.target_bits)).astype(np.int64) + of_tile
    order = np.argsort(cells, kind="stable")
    target[some] = low + (here[order] & np.uint64((1 << tiles.target_bits) - 1)).astype(np.int64)
    for column in columns:
        column[some] = column[some][order]
    count = np.bincount(cells, minlength=(last - before) * tiles.delays).reshape(last - before, tiles.delays)[:, number >= 0]
    ends = begin[0] + np.cumsum(count).reshape(count.shape)
    end_of_source = begin[0] + np.cumsum(count.sum(axis=1))
    segments[before:last] = end_of_source[:, None]
    segments[before:last, 1 : count.shape[1] + 1] = ends
    segments[before:last, 0] = end_of_source - count.sum(axis=1)
