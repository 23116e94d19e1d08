"""Connection rules between any two populations, in which nothing is drawn or every pair is drawn on its own."""

from __future__ import annotations

import dataclasses

import numpy as np

from ranvier.connect.base import Candidates, ConnectionRule, Edges, RowRule, Rows, drawn_rows, sources_of
from ranvier.errors import ParameterError
from ranvier.random import Key


@dataclasses.dataclass(frozen=True)
class AllToAll(RowRule):
    """Every pair."""

    autapses: bool

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        candidates = sources_of(sources, own, self.autapses)
        return drawn_rows(candidates.sizes(np.arange(targets)), candidates, False, key)


@dataclasses.dataclass(frozen=True)
class OneToOne(ConnectionRule):
    """Equal indices."""

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


@dataclasses.dataclass(frozen=True)
class FixedInDegree(RowRule):
    """The same number of sources for every target."""

    degree: int
    autapses: bool
    multapses: bool

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        candidates = sources_of(sources, own, self.autapses)
        rule = f"fixed_in_degree({self.degree})"
        check_degree(rule, self.degree, candidates.sizes(np.arange(targets)), self.multapses, "target", "source")
        return drawn_rows(np.full(targets, self.degree, np.int64), candidates, self.multapses, key)


def check_degree(rule: str, degree: int, candidates: np.ndarray, multapses: bool, one: str, other: str) -> None:
    """Refuses a degree that there are too few candidates for."""
    least = int(candidates.min(initial=np.iinfo(np.int64).max))
    if degree and (least == 0 or (not multapses and degree > least)):
        allowed = " Allow several edges between one pair with multapses=True, or ask for fewer." if least and not multapses else ""
        raise ParameterError(f"{rule} cannot be met: there is a {one} with {least} {other}s to choose from.{allowed}")


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


def fixed_in_degree(degree: int, autapses: bool = True, multapses: bool = True) -> ConnectionRule:
    """For every target `degree` sources, each drawn as likely as any other.

    Args:
        degree: how many.
        autapses: whether a neuron may be wired to itself.
        multapses: whether one source may be drawn several times for a target.

    Raises:
        ParameterError: it is no whole number of at least 0, or (when drawn) there are too few sources.

    Example:
        >>> fixed_in_degree(2).edges(100, 3, range(3), None, Key(1)).post.tolist()
        [0, 0, 1, 1, 2, 2]
    """
    return FixedInDegree(whole(degree, "fixed_in_degree: the degree"), autapses, multapses)


def whole(value: int, what: str) -> int:
    """A number of edges, checked."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ParameterError(f"{what} must be a whole number of at least 0, not {value!r}.")
    return int(value)


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
