"""Rules in which nothing is drawn, or every pair is drawn on its own with one probability."""

from __future__ import annotations

import dataclasses

import numpy as np

from ranvier.connect.base import Candidates, ConnectionRule, Edges, RowRule, Rows, drawn_rows, sources_of
from ranvier.errors import ParameterError
from ranvier.random import Key


@dataclasses.dataclass(frozen=True)
class AllToAll(RowRule):
    """Every pair."""

    fixed = "degrees"
    autapses: bool

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        candidates = sources_of(sources, own, self.autapses)
        return drawn_rows(candidates.sizes(np.arange(targets)), candidates, False, key)


@dataclasses.dataclass(frozen=True)
class OneToOne(ConnectionRule):
    """Equal indices."""

    fixed = "degrees"

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        if sources != targets:
            raise ParameterError(f"one_to_one() needs as many sources as targets, but there are {sources} and {targets}.")
        ids = np.arange(block.start, block.stop, dtype=np.int32)
        return Edges(ids, ids)


@dataclasses.dataclass(frozen=True)
class PairwiseBernoulli(RowRule):
    """Each pair with one probability."""

    probability: float
    autapses: bool

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ParameterError(f"pairwise_bernoulli({self.probability}): a probability must be within [0, 1].")

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        # How many sources a target has is binomial; which they are, each set of so many is as likely as any other.
        candidates = sources_of(sources, own, self.autapses)
        degrees = _binomial(key.child("degrees"), candidates, targets, self.probability)
        return drawn_rows(degrees, candidates, False, key.child("sources"))


def _binomial(key: Key, candidates: Candidates, rows: int, probability: float) -> np.ndarray:
    """How many of its candidates each row has; int64 `[rows]`."""
    from scipy.special import bdtr

    u = key.uniform(rows)
    count = candidates.sizes(np.arange(rows))
    degrees = np.zeros(rows, np.int64)
    for n in np.unique(count):
        some = count == n
        degrees[some] = np.searchsorted(bdtr(np.arange(n), n, probability), u[some], side="right")
    return degrees


def all_to_all(autapses: bool = True) -> ConnectionRule:
    """Every source to every target; without `autapses`, no neuron to itself."""
    return AllToAll(autapses)


def one_to_one() -> ConnectionRule:
    """Source *i* to target *i*."""
    return OneToOne()


def pairwise_bernoulli(probability: float, autapses: bool = True) -> ConnectionRule:
    """Each pair on its own with one probability.

    Args:
        probability: in [0, 1].
        autapses: whether a neuron may be wired to itself.

    Raises:
        ParameterError: it is no probability.

    Example:
        >>> rule = pairwise_bernoulli(0.1)
        >>> 900 < len(rule.edges(100, 100, range(100), None, Key(1))) < 1100
        True
    """
    return PairwiseBernoulli(probability, autapses)
