"""Rules in which nothing is drawn, or every pair is drawn on its own with one probability."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.connect.base import ConnectionRule, Edges, RowRule, Rows, binomial, drawn_rows, sources_of
from ranvier.connect.by_source import AllBySource, BernoulliBySource, drawn_by_source
from ranvier.connect.pairs import bernoulli, evaluated
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
        degrees = binomial(key.child("degrees"), candidates.sizes(np.arange(targets)), self.probability)
        return drawn_rows(degrees, candidates, False, key.child("sources"))


@dataclasses.dataclass(frozen=True, eq=False)
class PairwiseProbability(ConnectionRule):
    """Each pair with a probability of its own: a matrix, or a function of the pair."""

    probability: np.ndarray | Callable[[np.ndarray, np.ndarray], Any]
    autapses: bool

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        given = self.probability
        if isinstance(given, np.ndarray) and (given.shape[0] not in (1, targets) or given.shape[1] not in (1, sources)):
            raise ParameterError(
                f"pairwise_bernoulli: the probabilities have the shape {given.shape}. They must be one number, a column ({targets}, 1), "
                f"a row (1, {sources}) or a matrix ({targets}, {sources})."
            )
        return bernoulli(lambda some: self._of_block(some, sources), sources, block, own, self.autapses, key, "pairwise_bernoulli")

    def _of_block(self, block: range, sources: int) -> np.ndarray:
        if isinstance(self.probability, np.ndarray):
            return self.probability[block.start : block.stop] if len(self.probability) > 1 else self.probability
        pre, post = np.tile(np.arange(sources), len(block)), np.repeat(np.arange(block.start, block.stop), sources)
        return evaluated(self.probability, pre, post, "The probability of pairwise_bernoulli").reshape(len(block), sources)


def all_to_all(autapses: bool = True, *, by: str | None = None, stored: bool = True) -> ConnectionRule:
    """Every source to every target; without `autapses`, no neuron to itself. `by` and `stored` are as in `pairwise_bernoulli`."""
    autapses, kept = doors.flag(autapses, "all_to_all: autapses"), drawn_by_source(by, stored, "all_to_all")
    return AllToAll(autapses) if kept is None else AllBySource(autapses, kept)


def one_to_one() -> ConnectionRule:
    """Source *i* to target *i*."""
    return OneToOne()


def pairwise_bernoulli(probability: Any, autapses: bool = True, *, by: str | None = None, stored: bool = True) -> ConnectionRule:
    """Each pair on its own, with one probability or one that depends on the pair.

    With one probability it costs what its edges cost. With several every pair is looked
    at: 10⁸ pairs take a few seconds.

    Args:
        probability: in [0, 1]: a number, a matrix `[targets, sources]` (or a column or a row), or a function of the
            sources' and the targets' numbers, int64 `[pairs]` each, that gives one for each pair, such as
            `rv.connect.by_distance(lambda d: np.exp(-d / 100), places)`.
        autapses: whether a neuron may be wired to itself.
        by: `"target"` (what is left out): the edges of each target are drawn from numbers of its own; or `"source"`: those of each
            source are, and what is given one an edge is by source.
        stored: False draws the edges of a source again at each of its spikes, by source, so that memory goes by neurons alone; they
            are the edges of `by="source"`. Weights are then one number, `rv.uniform` or `rv.normal`, and the delay one number.

    Raises:
        ParameterError: it is no probability; or (when drawn) it has a wrong shape.

    Example:
        >>> rule = pairwise_bernoulli(0.1)
        >>> 900 < len(rule.edges(100, 100, range(100), None, Key(1))) < 1100
        True
        >>> nearby = pairwise_bernoulli(lambda pre, post: np.where(abs(pre - post) == 1, 1.0, 0.0))
        >>> nearby.edges(4, 4, range(4), None, Key(1)).pre.tolist()
        [1, 0, 2, 1, 3, 2]
    """
    autapses, kept = doors.flag(autapses, "pairwise_bernoulli: autapses"), drawn_by_source(by, stored, "pairwise_bernoulli")
    if kept is not None:
        one = doors.number(probability, "pairwise_bernoulli drawn by source: probability")
        return BernoulliBySource(autapses, kept, doors.probability(one, "pairwise_bernoulli: probability"))
    if callable(probability):
        doors.function(probability, "pairwise_bernoulli: probability", "lambda pre, post: 0.1")
        return PairwiseProbability(probability, autapses)
    what = "pairwise_bernoulli: probability"
    wanted = "a number within [0, 1], a matrix [targets, sources] of them, or a function of the source's and the target's numbers"
    given = np.array(doors.real_array(probability, what, "1", wanted), np.float64)
    if given.ndim not in (0, 2):
        raise doors.refusal(what, probability, wanted)
    if given.ndim == 2:
        return PairwiseProbability(given, autapses)  # which says of what pair one is wrong
    return PairwiseBernoulli(doors.probability(given, what), autapses)
