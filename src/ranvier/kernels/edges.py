"""What a network's edges are built with, on the host: draws, counting, placing. Each native, beside its NumPy reference.

Both give the same bits. The native ones hold no lock, so that threads of one
process build parts of a network at the same time.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

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


def count_edges(pre: np.ndarray, delay: np.ndarray, delays: int, count: np.ndarray) -> None:
    """`count[pre · delays + delay] += 1` for each edge, in place.

    Args:
        pre: int32 `[edges]`.
        delay: the number of each edge's delay, int32 `[edges]`, or `[0]` where there is one delay only.
        delays: how many delays there are.
        count: int32 or int64 `[sources · delays]`.
    """
    native = dispatch.native_module()
    if native is None:
        count += np.bincount(_cells(pre, delay, delays), minlength=len(count)).astype(count.dtype)
    else:
        native.count_edges(pre, delay, delays, count)


def place_edges(
    rows: EdgeRows,
    pre: np.ndarray,
    delay: np.ndarray,
    delays: int,
    weight: np.ndarray,
    cursor: np.ndarray,
    target: np.ndarray,
    placed: np.ndarray,
) -> None:
    """Puts each edge's target and weight to place `cursor[pre · delays + delay]`, which moves on by one; in place.

    Args:
        rows: which edges there are, in the order in which they are placed.
        pre, delay, delays: as for `count_edges`.
        weight: `[edges]`, or `[0]` where edges have none of their own.
        cursor: int32 or int64 `[sources · delays]`.
        target: int32 `[all edges]`.
        placed: the weights' places, of the type of `weight`.
    """
    native = dispatch.native_module()
    if native is None:
        _place_edges_reference(rows, pre, delay, delays, weight, cursor, target, placed)
    else:
        native.place_edges(*rows, pre, delay, delays, weight, cursor, target, placed)


def _cells(pre: np.ndarray, delay: np.ndarray, delays: int) -> np.ndarray:
    cells = pre.astype(np.int64) * delays
    return cells + delay if len(delay) else cells


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


def _place_edges_reference(
    rows: EdgeRows,
    pre: np.ndarray,
    delay: np.ndarray,
    delays: int,
    weight: np.ndarray,
    cursor: np.ndarray,
    target: np.ndarray,
    placed: np.ndarray,
) -> None:
    row, within = ragged(rows.length)
    edge = rows.begin[row] + within
    cells = _cells(pre, delay, delays)[edge]
    order = np.argsort(cells, kind="stable")
    cells = cells[order]
    begins = np.flatnonzero(np.diff(cells, prepend=-1))
    lengths = np.diff(begins, append=len(cells))
    at = cursor[cells] + np.arange(len(cells)) - np.repeat(begins, lengths)
    target[at] = rows.target[row[order]]
    if len(weight):
        placed[at] = weight[edge[order]]
    cursor[cells[begins]] += lengths.astype(cursor.dtype)
