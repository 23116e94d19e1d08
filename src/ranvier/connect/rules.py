"""Connection rules without geometry."""

from __future__ import annotations

import dataclasses

import numpy as np

from ranvier.connect.base import ConnectionRule, Edges, from_mask
from ranvier.errors import ParameterError
from ranvier.random import Key


def _without_autapses(mask: np.ndarray, block: range, own: int | None) -> np.ndarray:
    if own is not None:
        rows = np.arange(block.start, block.stop) - own
        inside = (rows >= 0) & (rows < mask.shape[1])
        mask[np.flatnonzero(inside), rows[inside]] = False
    return mask


@dataclasses.dataclass(frozen=True)
class AllToAll(ConnectionRule):
    """Every pair."""

    autapses: bool

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        mask = np.ones((len(block), sources), bool)
        return from_mask(mask if self.autapses else _without_autapses(mask, block, own), block.start)


@dataclasses.dataclass(frozen=True)
class OneToOne(ConnectionRule):
    """Equal indices."""

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        if sources != targets:
            raise ParameterError(f"one_to_one() needs as many sources as targets, but there are {sources} and {targets}.")
        ids = np.arange(block.start, block.stop, dtype=np.int32)
        return Edges(ids, ids)


@dataclasses.dataclass(frozen=True)
class PairwiseBernoulli(ConnectionRule):
    """Each pair with one probability."""

    probability: float
    autapses: bool

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ParameterError(f"pairwise_bernoulli({self.probability}): a probability must be within [0, 1].")

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        parts = []
        rows = max(1, 1_000_000 // max(sources, 1))  # bounds the memory of the dense draw
        for first in range(block.start, block.stop, rows):
            some = range(first, min(first + rows, block.stop))
            mask = key.uniform(len(some) * sources, first * sources).reshape(len(some), sources) < self.probability
            parts.append(from_mask(mask if self.autapses else _without_autapses(mask, some, own), first))
        empty = np.zeros(0, np.int32)
        return Edges(np.concatenate([empty, *(p.pre for p in parts)]), np.concatenate([empty, *(p.post for p in parts)]))


def all_to_all(autapses: bool = True) -> ConnectionRule:
    """Every source to every target; without `autapses`, no neuron to itself."""
    return AllToAll(autapses)


def one_to_one() -> ConnectionRule:
    """Source *i* to target *i*."""
    return OneToOne()


def pairwise_bernoulli(probability: float, autapses: bool = True) -> ConnectionRule:
    """Each pair on its own with one probability.

    Example:
        >>> rule = pairwise_bernoulli(0.1)
        >>> 900 < len(rule.edges(100, 100, range(100), None, Key(1))) < 1100
        True
    """
    return PairwiseBernoulli(probability, autapses)
