"""Neighbours on a ring, some of them exchanged for anybody."""

from __future__ import annotations

import dataclasses

import numpy as np

from ranvier import doors
from ranvier.connect.base import ConnectionRule, Edges, RowRule, Rows
from ranvier.errors import ParameterError
from ranvier.kernels.edges import bounded
from ranvier.random import Key


@dataclasses.dataclass(frozen=True)
class SmallWorld(RowRule):
    """The nearest neurons on a ring, each exchanged with one probability."""

    fixed = "degrees"
    neighbours: int
    rewired: float

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        if sources != targets:
            raise ParameterError(f"small_world needs as many sources as targets, but there are {sources} and {targets}.")
        if self.neighbours >= sources > 0:
            raise ParameterError(f"small_world: {self.neighbours} neighbours of each neuron are too many among {sources}.")
        return Rows(np.full(targets, self.neighbours, np.int64), lambda block: self._some(block, sources, key))

    def _some(self, block: range, n: int, key: Key) -> Edges:
        k = self.neighbours
        post = np.arange(block.start, block.stop, dtype=np.int64)
        aside = np.concatenate([np.arange(-(k // 2), 0), np.arange(1, k // 2 + 1)])
        source = (post[:, None] + aside) % max(n, 1)
        exchanged = key.child("rewired").uniform(len(block) * k, block.start * k).reshape(len(block), k) < self.rewired
        row, which = np.nonzero(exchanged)
        source[row, which] = _anybody_else(key, post[row], which, n, 0)
        ordered = np.sort(source, axis=1)
        again = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if len(again):
            ordered[again] = np.sort(_all_different(key, post[again], source[again], exchanged[again], n), axis=1)
        return Edges(ordered.ravel().astype(np.int32), np.repeat(post.astype(np.int32), k))


def _anybody_else(key: Key, post: np.ndarray, which: np.ndarray, n: int, attempt: int) -> np.ndarray:
    """For each target a neuron that it is not; a draw is a function of the target, which of its sources it is for, and the attempt."""
    drawn = bounded(key.child(f"sources {attempt}"), which, post, max(n - 1, 0))
    return drawn + (drawn >= post)


def _all_different(key: Key, post: np.ndarray, source: np.ndarray, exchanged: np.ndarray, n: int) -> np.ndarray:
    """Exchanges anew what a target has already: a neighbour that stayed, or one that was exchanged before."""
    attempt, (row, which) = 0, np.nonzero(exchanged)
    settled = ~exchanged
    while True:
        # Settled ones first, then those still open from left to right; of equal ones the first stays.
        order = np.argsort(np.where(settled, 0, 1 + np.arange(source.shape[1])), axis=1, kind="stable")
        ranked = np.take_along_axis(source, order, axis=1)
        by_source = np.argsort(ranked, axis=1, kind="stable")
        same = np.take_along_axis(ranked, by_source, axis=1)
        repeated = np.zeros(source.shape, bool)
        repeated[:, 1:] = same[:, 1:] == same[:, :-1]
        open_ones = np.zeros(source.shape, bool)
        np.put_along_axis(open_ones, np.take_along_axis(order, by_source, axis=1), repeated, axis=1)
        row, which = np.nonzero(open_ones)
        if not len(row):
            return source
        settled = ~open_ones
        attempt += 1
        source[row, which] = _anybody_else(key, post[row], which, n, attempt)


def small_world(neighbours: int, rewired: float) -> ConnectionRule:
    """The nearest neighbours on a ring, each of which is exchanged for any other neuron with one probability.

    Between a ring (0) and a random network (1) it has a ring's clustering and a random network's short paths. Each
    target has the same number of sources, all different and not itself: the directed form of the network of Watts and
    Strogatz 1998 ("Collective dynamics of 'small-world' networks", Nature 393). A share of about
    `3 (k − 2) / (4 (k − 1)) · (1 − rewired)³` of the pairs of a target's sources are wired themselves (Barrat & Weigt 2000).

    Args:
        neighbours: k, how many sources each target has, half of them on each side; an even number.
        rewired: the probability that one is exchanged, in [0, 1].

    Raises:
        ParameterError: an odd number, no probability; or (when drawn) too few neurons, or other numbers of sources and targets.

    Example:
        >>> small_world(4, 0.0).edges(6, 6, range(2), 0, Key(1)).pre.tolist()
        [1, 2, 4, 5, 0, 2, 3, 5]
    """
    k = doors.count(neighbours, "small_world: neighbours")
    if k % 2:
        raise ParameterError(f"small_world: neighbours is {k}, but it must be even: half of them are on each side.")
    return SmallWorld(k, doors.probability(rewired, "small_world: rewired"))
