"""Rules that fix how many edges there are: for each target, for each source, or in all."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.connect.base import Candidates, ConnectionRule, Edges, RowRule, Rows, by_target, drawn_rows, kept_rows, sources_of, targets_of
from ranvier.connect.by_source import OutDegreeBySource, drawn_by_source
from ranvier.connect.in_degrees import InDegrees
from ranvier.errors import ParameterError
from ranvier.kernels.edges import bounded, draw_degrees, draw_rows
from ranvier.memory import require_memory
from ranvier.random import Key

ALLOW = "Allow several edges between one pair with multapses=True, or ask for fewer."


@dataclasses.dataclass(frozen=True)
class FixedInDegree(RowRule):
    """The same number of sources for every target."""

    fixed = "degrees"
    degree: int
    autapses: bool
    multapses: bool

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        candidates = sources_of(sources, own, self.autapses)
        _check_degree(
            f"fixed_in_degree({self.degree})", self.degree, candidates.sizes(np.arange(targets)), self.multapses, "target", "source"
        )
        return drawn_rows(np.full(targets, self.degree, np.int64), candidates, self.multapses, key)


@dataclasses.dataclass(frozen=True)
class FixedOutDegree(ConnectionRule):
    """The same number of targets for every source."""

    fixed = "number"
    degree: int
    autapses: bool
    multapses: bool

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        candidates = targets_of(targets, own, self.autapses)
        rule = f"fixed_out_degree({self.degree})"
        _check_degree(rule, self.degree, candidates.sizes(np.arange(sources)), self.multapses, "source", "target")
        require_memory(12.0 * sources * self.degree, rule, "Fewer edges take less; fixed_in_degree is built without keeping them.")
        degrees = np.full(sources, self.degree, np.int64)
        whole = by_target(degrees, draw_rows(key, degrees, 0, candidates, self.multapses), targets)
        return kept_rows(whole, targets).block(block)


@dataclasses.dataclass(frozen=True)
class FixedTotalNumber(RowRule):
    """A number of edges, thrown onto all pairs."""

    fixed = "number"
    number: int
    autapses: bool
    multapses: bool

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        candidates = sources_of(sources, own, self.autapses)
        pairs = int(candidates.sizes(np.arange(targets)).sum())
        if self.number > pairs and (pairs == 0 or not self.multapses):
            hint = f" {ALLOW}" if pairs else ""
            raise ParameterError(f"fixed_total_number({self.number}) cannot be met: there are {pairs} pairs to choose from.{hint}")
        require_memory((4.0 if self.multapses else 80.0) * self.number, f"fixed_total_number({self.number})", "Fewer edges take less.")
        if self.multapses:
            degrees = draw_degrees(key.child("degrees"), self.number, targets, candidates)
            return drawn_rows(degrees, candidates, True, key.child("sources"))
        post, pre = np.divmod(_distinct_pairs(key, self.number, pairs, targets, candidates), max(sources, 1))
        return kept_rows(Edges(pre.astype(np.int32), post.astype(np.int32)), targets)


def _distinct_pairs(key: Key, number: int, pairs: int, targets: int, candidates: Candidates) -> np.ndarray:
    """Different allowed pairs, `target · sources + source`, ascending; where more than half are wanted, the others are drawn."""
    if 2 * number <= pairs:
        return _first_distinct(key, number, targets, candidates)
    left = np.ones(targets * candidates.n, bool)
    rows = np.arange(targets)
    own = rows[candidates.left_out(rows)]
    left[own * candidates.n + own + candidates.shift] = False
    left[_first_distinct(key, pairs - number, targets, candidates)] = False
    return np.flatnonzero(left)


def _first_distinct(key: Key, number: int, targets: int, candidates: Candidates) -> np.ndarray:
    """The first different ones among draws of allowed pairs, ascending."""
    if number == 0:
        return np.zeros(0, np.int64)
    draws = number + number // 2 + 8
    while True:
        index = np.arange(draws)
        words = index & 0xFFFFFFFF, index >> 32
        target, source = bounded(key.child("targets"), *words, targets), bounded(key.child("sources"), *words, candidates.n)
        allowed = ~(candidates.left_out(target) & (source == target + candidates.shift))
        pair, first = np.unique((target * candidates.n + source)[allowed], return_index=True)
        if len(pair) >= number:
            return np.sort(pair[np.argsort(first)[:number]])
        draws *= 2


def fixed_in_degree(degree: Any, autapses: bool = True, multapses: bool = True) -> ConnectionRule:
    """For every target `degree` sources, each drawn as likely as any other.

    Args:
        degree: how many; one number, or one for each target, `[targets]`.
        autapses: whether a neuron may be wired to itself.
        multapses: whether one source may be drawn several times for a target.

    Raises:
        ParameterError: it is no whole number of at least 0, or (when drawn) there are too few sources.

    Example:
        >>> fixed_in_degree(2).edges(100, 3, range(3), None, Key(1)).post.tolist()
        [0, 0, 1, 1, 2, 2]
        >>> fixed_in_degree([2, 0, 3]).edges(100, 3, range(3), None, Key(1)).post.tolist()
        [0, 0, 2, 2, 2]
    """
    autapses, multapses = _flags("fixed_in_degree", autapses, multapses)
    if isinstance(degree, list | tuple | np.ndarray) and not (isinstance(degree, np.ndarray) and degree.ndim == 0):
        degrees = doors.indices(degree, "fixed_in_degree: degree")
        if (degrees < 0).any():
            raise ParameterError(
                f"fixed_in_degree: the degree of target {int(np.argmax(degrees < 0))} is {degrees[degrees < 0][0]}, less than 0."
            )
        return InDegrees(np.array(degrees, np.int64), autapses, multapses)
    return FixedInDegree(doors.count(degree, "fixed_in_degree: degree", high=2**62), autapses, multapses)


def fixed_out_degree(
    degree: int, autapses: bool = True, multapses: bool = True, *, by: str | None = None, stored: bool = True
) -> ConnectionRule:
    """For every source `degree` targets, each drawn as likely as any other.

    While they are sorted by target its edges are all in memory, at 12 bytes each.

    Args:
        degree, autapses, multapses: as in `fixed_in_degree`, with the sides changed.
        by, stored: as in `pairwise_bernoulli`.

    Raises:
        ParameterError: as there.

    Example:
        >>> sorted(fixed_out_degree(2).edges(3, 100, range(100), None, Key(1)).pre.tolist())
        [0, 0, 1, 1, 2, 2]
    """
    autapses, multapses = _flags("fixed_out_degree", autapses, multapses)
    kept = drawn_by_source(by, stored, "fixed_out_degree")
    degree = doors.count(degree, "fixed_out_degree: degree", high=2**62)
    return FixedOutDegree(degree, autapses, multapses) if kept is None else OutDegreeBySource(autapses, kept, degree, multapses)


def fixed_total_number(number: int, autapses: bool = True, multapses: bool = True) -> ConnectionRule:
    """So many edges, each between any pair as likely as any other.

    Args:
        number: how many.
        autapses: whether a neuron may be wired to itself.
        multapses: whether there may be several edges between one pair. Without them
            the edges are all in memory while they are drawn, at about 80 bytes each.

    Raises:
        ParameterError: it is no whole number of at least 0, or (when drawn) there are too few pairs.

    Example:
        >>> len(fixed_total_number(7).edges(3, 100, range(100), None, Key(1)))
        7
    """
    return FixedTotalNumber(
        doors.count(number, "fixed_total_number: number", high=2**62), *_flags("fixed_total_number", autapses, multapses)
    )


def _flags(rule: str, autapses: bool, multapses: bool) -> tuple[bool, bool]:
    return doors.flag(autapses, f"{rule}: autapses"), doors.flag(multapses, f"{rule}: multapses")


def _check_degree(rule: str, degree: int, candidates: np.ndarray, multapses: bool, one: str, other: str) -> None:
    least = int(candidates.min(initial=np.iinfo(np.int64).max))
    if degree and (least == 0 or (not multapses and degree > least)):
        hint = f" {ALLOW}" if least else ""
        raise ParameterError(f"{rule} cannot be met: there is a {one} with only {least} {other}s to choose from.{hint}")
