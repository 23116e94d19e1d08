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


def between(rule: ConnectionRule, sources: Sequence[Any], targets: Sequence[Any]) -> Some:
    """A rule between populations or parts of them.

    Raises:
        UnsupportedError: who is wired to itself cannot be told from the numbers.
    """
    (pre, before), (post, after) = _numbered(sources), _numbered(targets)
    return Some(rule, pre, post, own_place(sources, targets, rule), (before, after))


def own_place(sources: Sequence[Any], targets: Sequence[Any], rule: ConnectionRule) -> int | None:
    """Where the sources begin among the targets, so that source *i* and target `own + i` are one neuron; None where none is among them.

    Raises:
        UnsupportedError: there is no such place, and the rule asks who is itself.

    Example:
        >>> import ranvier as rv
        >>> a, b = rv.Population(3, rv.neurons.LeakyIntegrateAndFire()), rv.Population(2, rv.neurons.LeakyIntegrateAndFire())
        >>> own_place([a[1:]], [b, a], rv.connect.all_to_all()), own_place([a, b], [b], rv.connect.all_to_all())
        (3, -3)
    """
    found: set[int] = set()
    of_source, of_target = _neurons(sources), _neurons(targets)
    for first, one, chosen in of_source:
        for begin, other, numbers in of_target:
            if one is other and len(chosen) == len(numbers) == one.n:  # the whole population
                found |= {begin - first} if one.n else set()
            elif one is other:
                common, i, j = np.intersect1d(chosen, numbers, assume_unique=True, return_indices=True)
                found |= set(np.unique(begin + j - first - i).tolist()) if len(common) else set()
    own = found.pop() if len(found) == 1 else None
    if own is not None and _others_there(of_source, of_target, own):
        found, own = {own}, None
    if found and getattr(rule, "autapses", True) is False:
        raise UnsupportedError(
            f"{type(rule).__name__} without autapses, between populations or parts of them that have neurons in common in another order: "
            "choose slices such as exc[:240], or the same neurons on both sides, in one order."
        )
    return own


def _others_there(of_source: Any, of_target: Any, own: int) -> bool:
    """Whether other neurons than itself stand where a source would find itself among the targets."""
    for first, one, chosen in of_source:
        for begin, other, numbers in of_target:
            low, high = max(first + own, begin), min(first + own + len(chosen), begin + len(numbers))
            if low >= high:
                continue
            if one is not other or not np.array_equal(chosen[low - own - first : high - own - first], numbers[low - begin : high - begin]):
                return True
    return False


def _neurons(some: Sequence[Any]) -> list[tuple[int, Any, np.ndarray]]:
    """Of each population or part: its place among all of them, whose it is, and the neurons' numbers there."""
    found, first = [], 0
    for one in some:
        part = isinstance(one, Subpopulation)
        numbers = one.neurons if part else np.arange(one.n)
        found.append((first, one.population if part else one, numbers))
        first += len(numbers)
    return found


def _numbered(some: Sequence[Any]) -> tuple[np.ndarray, int]:
    """Chosen neurons by their numbers among those of all the populations, and how many these have."""
    parts, first = [], 0
    for _, population, numbers in _neurons(some):
        parts.append(first + numbers)
        first += population.n
    return np.concatenate(parts).astype(np.int64), first
