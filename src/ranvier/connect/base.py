"""Edges, and the rules that draw them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ranvier.errors import ParameterError, not_written
from ranvier.kernels.edges import Candidates, EdgeRows, count_rows, draw_rows, transposed
from ranvier.random import Key


@dataclasses.dataclass(frozen=True)
class Edges:
    """Who is wired to whom: edge *e* goes from neuron `pre[e]` to neuron `post[e]`.

    Sorted by `(post, pre)`. Where a projection has several targets, `post`
    counts through them in the order they were given.

    Attributes:
        pre, post: int32 `[edges]`.
        values: float64 `[edges]` that the projection's weight multiplies, or None.
        delays: float64 `[edges]` that are added to the projection's delay (ms), or None.
        listed: where each edge stands in the list that the user gave, int64 `[edges]`, or None where there is no list or
            it was in this order. What is given one an edge is given in the list's order.
    """

    pre: np.ndarray
    post: np.ndarray
    values: np.ndarray | None = None
    delays: np.ndarray | None = None
    listed: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pre)

    def part(self, some: slice) -> Edges:
        """Some of the edges."""
        return Edges(self.pre[some], self.post[some], *(None if x is None else x[some] for x in (self.values, self.delays, self.listed)))

    def sorted_like(self, given: Any, start: int = 0) -> Any:
        """What was given one an edge, for these edges.

        Args:
            given: `[all edges, …]`, in the order of the user's list where there is one, by target and source otherwise.
            start: the first edge's place among all, by target and source.

        Example:
            >>> sorted_edges(np.array([0, 1]), np.array([1, 0])).sorted_like(np.array([10.0, 20.0])).tolist()
            [20.0, 10.0]
        """
        return given[start : start + len(self)] if self.listed is None else given[self.listed]

    def as_listed(self, values: np.ndarray) -> np.ndarray:
        """What `sorted_like` was given, where these are all edges: their values, sorted as they are, in the order of the list."""
        if self.listed is None:
            return values
        given = np.empty_like(values)
        given[self.listed] = values
        return given


@dataclasses.dataclass(frozen=True)
class Rows:
    """The edges of a projection target by target: how many each has is known before they are drawn.

    Attributes:
        degrees: how many edges each target has, int64 `[targets]`.
        block: the edges onto some of the targets.
        kept: the edges, where they are kept and not drawn when they are asked for.
        count: called with some targets, an offset, a shift and `count`, adds 1 to `count[(offset + source) >> shift]` for
            each edge onto them: where that is faster than to draw the edges.
    """

    degrees: np.ndarray
    block: Callable[[range], Edges]
    kept: Edges | None = None
    count: Callable[[range, int, int, np.ndarray], None] | None = None


class ConnectionRule:
    """Base of connection rules. Drawable for one block of targets alone.

    Class attributes:
        fixed: what no seed changes: `"degrees"`, how many edges each target has; `"number"`, how many there are in all;
            `""`, neither. It decides how much room is left for another seed's edges.
        alone: whether it wires one population to itself and to no other.
        stored: whether a network that runs keeps the edges (`by_source.BySource`).
    """

    fixed: ClassVar[str] = ""
    alone: ClassVar[bool] = False
    stored: bool = True

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        """The edges onto the targets in `block`.

        Args:
            sources, targets: how many neurons there are on each side.
            block: the targets whose edges are wanted.
            own: where the sources begin among the targets, when they are among
                them (then source *i* and target `own + i` are one neuron), or None.
            key: where the rule draws from; a draw depends on the target alone,
                so that blocks may be drawn in any order.
        """
        raise not_written(self, ConnectionRule.edges)

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        """The same edges, for a network that is built block by block.

        A rule that knows how many edges each target has overrides it, and its edges
        are never all in memory. As it stands here they are drawn at once, and kept.
        """
        return kept_rows(self.edges(sources, targets, range(targets), own, key), targets)


class RowRule(ConnectionRule):
    """Base of rules that know how many edges each target has. Such a rule has `rows` alone."""

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        return self.rows(sources, targets, own, key).block(block)


def kept_rows(edges: Edges, targets: int) -> Rows:
    """Rows of edges that are there already."""
    degrees = np.bincount(edges.post, minlength=targets)
    begins = np.concatenate([[0], np.cumsum(degrees)])
    return Rows(degrees, lambda block: edges.part(slice(begins[block.start], begins[block.stop])), edges)


def drawn_rows(degrees: np.ndarray, candidates: Candidates, repeated: bool, key: Key) -> Rows:
    """Rows of sources drawn when they are asked for, each candidate as likely as any other."""

    def block(some: range) -> Edges:
        wanted = degrees[some.start : some.stop]
        pre = draw_rows(key, wanted, some.start, candidates, repeated)
        return Edges(pre, np.repeat(np.arange(some.start, some.stop, dtype=np.int32), wanted))

    def count(some: range, offset: int, shift: int, of_tiles: np.ndarray) -> None:
        count_rows(key, degrees[some.start : some.stop], some.start, candidates, repeated, offset, shift, of_tiles)

    return Rows(degrees, block, count=count)


def sources_of(sources: int, own: int | None, autapses: bool) -> Candidates:
    """Who may be a source of a target."""
    return Candidates(sources) if autapses or own is None else Candidates(sources, -own, True)


def targets_of(targets: int, own: int | None, autapses: bool) -> Candidates:
    """Who may be a target of a source."""
    return Candidates(targets) if autapses or own is None else Candidates(targets, own, True)


def by_target(degrees: np.ndarray, post: np.ndarray, targets: int) -> Edges:
    """Edges given source by source, sorted.

    Args:
        degrees: how many each source has, int64 `[sources]`.
        post: their targets, ascending for each source, int32 `[edges]`.
        targets: how many targets there are.
    """
    rows = EdgeRows(np.cumsum(degrees) - degrees, degrees, np.arange(len(degrees), dtype=np.int32))
    count, pre, _ = transposed(rows, post, targets)
    return Edges(pre, np.repeat(np.arange(targets, dtype=np.int32), count))


def both_ways(degrees: np.ndarray, partner: np.ndarray, n: int) -> Edges:
    """Edges in both directions between each neuron and its partners, sorted.

    Args:
        degrees: how many partners each has, int64 `[n]`.
        partner: neuron after neuron, int32 `[pairs]`.
        n: how many neurons there are.
    """
    chosen_by = by_target(degrees, partner, n)
    chosen = np.bincount(chosen_by.post, minlength=n)
    # A neuron's partners, and those whose partner it is, one row after the other: for each of them it is then in place.
    neighbour = np.concatenate([partner, chosen_by.pre])
    begins = np.stack([np.cumsum(degrees) - degrees, len(partner) + np.cumsum(chosen) - chosen], axis=1).ravel()
    lengths = np.stack([degrees, chosen], axis=1).ravel()
    rows = EdgeRows(begins, lengths, np.repeat(np.arange(n, dtype=np.int32), 2))
    count, pre, _ = transposed(rows, neighbour, n)
    return Edges(pre, np.repeat(np.arange(n, dtype=np.int32), count))


def binomial(key: Key, count: np.ndarray, probability: float) -> np.ndarray:
    """How many of `count` there are in each row, each with a probability; int64 `[rows]`."""
    u = key.uniform(len(count))
    degrees = np.zeros(len(count), np.int64)
    for n in np.unique(count).tolist():
        some = count == n
        degrees[some] = np.searchsorted(_up_to(n, probability), u[some], side="right")
    return degrees


@functools.lru_cache(64)
def _up_to(n: int, probability: float) -> np.ndarray:
    """How likely at most 0, 1, … n − 1 of `n` are there, to be read only: the same for every seed."""
    from scipy.special import bdtr

    likely: np.ndarray = bdtr(np.arange(n), n, probability)
    return likely


def one_population(rule: str, sources: int, targets: int, own: int | None) -> None:
    """Refuses a projection that is not from one population to the same.

    Raises:
        ParameterError: it is another.
    """
    if own != 0 or sources != targets:
        raise ParameterError(f"{rule} wires a population to itself and to no other: make a projection from it to itself alone.")


def sorted_edges(pre: np.ndarray, post: np.ndarray, values: np.ndarray | None = None, delays: np.ndarray | None = None) -> Edges:
    """Edges from a list in any order; of several between one pair, the order stays."""
    order = np.lexsort((pre, post))
    values, delays = (None if x is None else np.asarray(x, np.float64)[order] for x in (values, delays))
    listed = None if (order[1:] > order[:-1]).all() else order
    return Edges(np.asarray(pre, np.int32)[order], np.asarray(post, np.int32)[order], values, delays, listed)
