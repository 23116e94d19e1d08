"""A rule between some of the neurons of populations."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ranvier.connect.base import ConnectionRule, Edges, RowRule, Rows
from ranvier.connect.pairs import PairFunction
from ranvier.errors import UnsupportedError
from ranvier.random import Key
from ranvier.subpopulation import Subpopulation


@dataclasses.dataclass(frozen=True, eq=False)
class Some(RowRule):
    """A rule for chosen neurons: it sees these alone, numbered from 0, and its edges are given the populations' numbers.

    Attributes:
        rule: what wires them.
        sources: the sources' numbers, ascending, int64.
        targets: the targets' numbers among all targets, ascending, int64.
        own: as in `ConnectionRule.edges`, among the chosen ones.
        total: how many neurons the populations have on each side.
    """

    rule: ConnectionRule
    sources: np.ndarray
    targets: np.ndarray
    own: int | None
    total: tuple[int, int]

    @property
    def fixed(self) -> str:  # type: ignore[override]
        """What no seed changes."""
        return self.rule.fixed

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        inner = self.rule.rows(len(self.sources), len(self.targets), self.own, key)
        degrees = np.zeros(targets, np.int64)
        degrees[self.targets] = inner.degrees

        def mapped(edges: Edges) -> Edges:
            pre, post = self.sources.astype(np.int32), self.targets.astype(np.int32)
            return Edges(pre[edges.pre], post[edges.post], edges.values, edges.delays, edges.listed)

        def block(some: range) -> Edges:
            begin, stop = np.searchsorted(self.targets, [some.start, some.stop])
            return mapped(inner.block(range(int(begin), int(stop))))

        return Rows(degrees, block, None if inner.kept is None else mapped(inner.kept))


@dataclasses.dataclass(frozen=True, eq=False)
class OfChosen(PairFunction):
    """Weights or delays for chosen neurons, given by their numbers among these: a function of the pair, or a table.

    Attributes:
        given: the function, or float64 `[targets, sources]`, each 1 where it does not matter.
        sources, targets: as in `Some`.
    """

    given: Any
    sources: np.ndarray
    targets: np.ndarray

    def __call__(self, pre: np.ndarray, post: np.ndarray) -> Any:
        source, target = np.searchsorted(self.sources, pre), np.searchsorted(self.targets, post)
        if callable(self.given):
            return self.given(source, target)
        table = np.broadcast_to(self.given, (len(self.targets), len(self.sources)))
        return table[target, source]


def between(rule: ConnectionRule, source: Any, targets: Sequence[Any]) -> Some:
    """A rule between populations or parts of them.

    Raises:
        UnsupportedError: who is wired to itself cannot be told from the numbers.
    """
    chosen = source.neurons if isinstance(source, Subpopulation) else np.arange(source.n)
    whole = source.population if isinstance(source, Subpopulation) else source
    onto, own, first, begin = [], None, 0, 0
    for target in targets:
        some = isinstance(target, Subpopulation)
        numbers = target.neurons if some else np.arange(target.n)
        population = target.population if some else target
        if population is whole and len(np.intersect1d(chosen, numbers)):
            if np.array_equal(chosen, numbers):
                own = begin
            elif _contiguous(chosen) and _contiguous(numbers):
                own = begin + int(chosen[0] - numbers[0])
            elif getattr(rule, "autapses", True) is False:
                raise UnsupportedError(
                    f"{type(rule).__name__} without autapses, between two different parts of one population that have neurons in common "
                    "and leave out others: choose slices such as exc[:240], or the same neurons on both sides."
                )
        onto.append(first + numbers)
        first, begin = first + population.n, begin + len(numbers)
    return Some(rule, np.asarray(chosen, np.int64), np.concatenate(onto).astype(np.int64), own, (whole.n, first))


def _contiguous(numbers: np.ndarray) -> bool:
    return int(numbers[-1] - numbers[0]) + 1 == len(numbers)
