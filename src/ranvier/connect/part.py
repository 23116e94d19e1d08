"""A projection's share of a set of edges: who may be wired to whom, with which weights and delays."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ranvier.connect.base import ConnectionRule, Edges, Rows
from ranvier.connect.by_source import BySource
from ranvier.connect.pairs import evaluated
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.kernels.edges import number_delays
from ranvier.random import Distribution, Key, Normal, Uniform
from ranvier.steps import in_steps

Given = np.ndarray | Distribution | Callable[[np.ndarray, np.ndarray], Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """What a projection adds to a set of edges.

    Attributes:
        name: the projection's name, for errors.
        rule: draws the edges.
        sources: how many neurons it comes from.
        pre_offset: the place of the first of them among all sources of the set.
        pre_places: the place of each, int32 `[sources]`, where they do not stand there one after the other.
        targets: of each target population its size and the place of its first neuron
            among all targets of the set, None where it is not among them.
        key: the projection's key; edges, weights and delays each draw from a child of it.
        own: as in `ConnectionRule.edges`.
        weight: a number, an array `[edges]` in the order of the user's list or else by target and source, a column
            `[targets, 1]`, row `[1, sources]` or matrix `[targets, sources]`, a distribution, or a function of
            the source's and the target's numbers (int64 `[some edges]` each) that gives one for each pair.
        delay: in ms, likewise.
        dt: in ms.
        conductance: whether weights are conductances, which cannot be negative.
    """

    name: str
    rule: ConnectionRule
    sources: int
    pre_offset: int
    targets: tuple[tuple[int, int | None], ...]
    key: Key
    own: int | None = None
    weight: Any = 1.0
    delay: Any = 0.0
    dt: float = 0.1
    conductance: bool = False
    pre_places: np.ndarray | None = None

    @property
    def size(self) -> int:
        """How many targets it has."""
        return sum(size for size, _ in self.targets)


@dataclasses.dataclass(frozen=True, eq=False)
class DrawnPart:
    """A part whose numbers of edges are known, in the order of target, then source; the edges are drawn whenever they are asked for.

    Attributes:
        part: whose they are.
        rows: the rule's edges, target by target.
        begins: the place of each target's first edge, int64 `[targets + 1]`.
        weight, delay: as given, checked in shape.
    """

    part: Part
    rows: Rows
    begins: np.ndarray
    weight: Given
    delay: Given

    def __len__(self) -> int:
        return int(self.begins[-1])

    @property
    def wanted(self) -> int:
        """How many of them go to targets that are in the set."""
        if all(onto is not None for _, onto in self.part.targets):
            return len(self)
        ends = itertools.accumulate((size for size, _ in self.part.targets), initial=0)
        stretches = zip(itertools.pairwise(ends), self.part.targets, strict=True)
        return sum(int(self.begins[end] - self.begins[begin]) for (begin, end), (_, onto) in stretches if onto is not None)

    @property
    def one_weight(self) -> float | None:
        """The weight that all of its edges have, if it was given as one number."""
        if (
            not isinstance(self.weight, np.ndarray)
            or self.weight.ndim
            or (self.rows.kept is not None and self.rows.kept.values is not None)
        ):
            return None
        return float(self.weight)

    def blocks(self, edges: int) -> Iterator[range]:
        """All targets in stretches with about so many edges each."""
        begin = 0
        while begin < self.part.size:
            end = int(np.searchsorted(self.begins, self.begins[begin] + edges, side="right")) - 1
            end = min(self.part.size, max(begin + 1, end))
            yield range(begin, end)
            begin = end

    def edges(self, block: range) -> Edges:
        """The edges onto some of the targets."""
        edges = self.rows.block(block)
        if self.rows.kept is None and not (edges.values is None and edges.delays is None and edges.listed is None):
            raise UnsupportedError(
                f"{self.part.name}: {type(self.part.rule).__name__} gives its edges weights or delays of their own, row by row. "
                "Such a rule overrides `edges` and leaves `rows` as ConnectionRule has it."
            )
        return edges

    def weights(self, edges: Edges, start: int = 0) -> np.ndarray:
        """The weights of some edges.

        Args:
            edges: a stretch of the part's edges, as `edges` gives them.
            start: the first one's place among all of the part.

        Returns:
            float64 `[edges]`.

        Raises:
            ParameterError: one is not finite, or is negative and a conductance.
        """
        part = self.part
        array = self._values(self.weight, "weight", edges, start)
        if edges.values is not None:
            array = array * edges.values
        if not _all_within(array, -np.inf):
            first = int(np.flatnonzero(~np.isfinite(array))[0])
            raise ParameterError(f"The weight of {part.name} is not finite for {_edge(edges, first, start)}.")
        if part.conductance and len(array) and array.min() < 0:
            raise ParameterError(
                f"The weight of {part.name} is {array.min():g} for {_edge(edges, int(array.argmin()), start)}, but a conductance cannot "
                "be negative. Inhibition comes from the reversal potential."
            )
        return array

    def delays(self, edges: Edges, start: int = 0) -> np.ndarray:
        """Their delays in ms as given or drawn, not rounded to steps; float64 `[edges]`.

        Raises:
            ParameterError: one is negative or not finite.
        """
        array = self._values(self.delay, "delay", edges, start)
        if edges.delays is not None:
            array = array + edges.delays
        if not _all_within(array, 0.0):
            first = int(np.flatnonzero(~(np.isfinite(array) & (array >= 0)))[0])
            drawn = isinstance(self.delay, Distribution)
            hint = f" A distribution needs a low end: rv.normal(mean, sd, low={self.part.dt:g})." if drawn else ""
            raise ParameterError(
                f"The delay of {self.part.name} must be finite and not negative; it is {array[first]:g} ms for "
                f"{_edge(edges, first, start)}.{hint}"
            )
        return array

    def steps(self, edges: Edges, start: int = 0) -> np.ndarray:
        """Their delays in steps; int64 `[edges]`.

        What is drawn or computed for a pair is rounded, drawn ones to no less than their distribution's low end. Numbers
        that were given are rounded too, and that is said where they are no multiples of the step.
        """
        whole = self.given_steps
        if whole is not None:  # sorted already
            return whole[start : start + len(edges)] if whole.ndim else np.broadcast_to(whole, len(edges))
        return self._rounded(self.delays(edges, start))

    def number_delays(self, edges: Edges, start: int, number: np.ndarray, out: np.ndarray) -> None:
        """The number of each one's delay, by the table `number` of delays in steps; into `out`, int32 `[edges]`."""
        if self.given_steps is not None:
            np.take(number, self.steps(edges, start), out=out)
        else:
            number_delays(self.delays(edges, start), self.part.dt, self._least_steps, number, out)

    def steps_between(self) -> tuple[int, int]:
        """Between what all delays are, in steps, as far as their distribution tells; (0, −1) where it does not."""
        if not isinstance(self.delay, Distribution) or not np.isfinite(self.delay.ends()).all():
            return 0, -1
        low, high = (float(end) / self.part.dt for end in self.delay.ends())
        return max(0, int(np.floor(low)) - 1), max(0, int(np.ceil(high)) + 1)

    @functools.cached_property
    def given_steps(self) -> np.ndarray | None:
        """All delays in steps, `[]` or `[edges]`, where given as numbers or where the rule adds some; else None."""
        kept = self.rows.kept
        found = self.delay if isinstance(self.delay, np.ndarray) and self.delay.ndim < 2 else None
        if kept is not None and kept.delays is not None:
            delays = self.delays(kept)
            return self._rounded(delays) if found is None else self._in_steps(delays)
        if found is None:
            if isinstance(self.delay, np.ndarray):  # [targets, sources], of which pairs without an edge may have anything
                self._in_steps(self.delay[np.isfinite(self.delay)])  # says what is no multiple
            return None
        if found.ndim:
            return self._in_steps(self.delays(kept) if kept is not None else self.delays(numbered(len(self))))
        self.delays(numbered(1))  # is it allowed?
        return self._in_steps(found)

    def _in_steps(self, delay: np.ndarray) -> np.ndarray:
        return in_steps(delay, self.part.dt, f"The delay of {self.part.name}")

    def _rounded(self, delay: np.ndarray) -> np.ndarray:
        """Delays in steps; `delay` may be overwritten."""
        steps = delay / self.part.dt
        np.rint(steps, out=steps)
        np.maximum(steps, self._least_steps, out=steps)
        return steps.astype(np.int64)

    @property
    def _least_steps(self) -> float:
        """No delay that is drawn is rounded to less."""
        return max(0.0, float(np.ceil(getattr(self.delay, "low", 0.0) / self.part.dt - 1e-6)))

    def _values(self, given: Given, kind: str, edges: Edges, start: int) -> np.ndarray:
        """What was given, for a stretch of the edges; float64 `[edges]`."""
        if isinstance(given, Distribution) and isinstance(self.part.rule, BySource) and edges.listed is not None:
            return _drawn_at(given, self.part.key.child(kind), edges.listed, len(self))
        if isinstance(given, Distribution):
            return given.draw(self.part.key.child(kind), len(edges), start)
        if not isinstance(given, np.ndarray):
            return evaluated(given, edges.pre, edges.post, f"The {kind} of {self.part.name}")
        if given.ndim == 2:
            return np.broadcast_to(given, (self.part.size, self.part.sources))[edges.post, edges.pre]
        return edges.sorted_like(given, start) if given.ndim else np.broadcast_to(given, len(edges))


def draw(part: Part) -> DrawnPart:
    """Draws how many edges each target has.

    Raises:
        ParameterError: weights or delays whose shape fits neither the edges nor the populations.

    Example:
        >>> from ranvier.connect import one_to_one
        >>> drawn = draw(Part("it", one_to_one(), 3, 0, ((3, 0),), Key(1), weight=lambda pre, post: 10.0 * pre))
        >>> edges = drawn.edges(range(1, 3))
        >>> len(drawn), drawn.weights(edges, start=1).tolist()
        (3, [10.0, 20.0])
    """
    rows = part.rule.rows(part.sources, part.size, part.own, part.key.child("edges"))
    begins = np.zeros(part.size + 1, np.int64)
    np.cumsum(rows.degrees, out=begins[1:])
    edges = int(begins[-1])
    drawn = DrawnPart(part, rows, begins, _given(part, part.weight, "weight", edges), _given(part, part.delay, "delay", edges))
    if isinstance(drawn.weight, np.ndarray) and drawn.weight.ndim == 0:
        drawn.weights(numbered(1))  # is it allowed?
    return drawn


def _drawn_at(given: Distribution, key: Key, index: np.ndarray, edges: int) -> np.ndarray:
    """Draws for edges in any order, of so many in all."""
    if isinstance(given, Uniform):
        return given.low + (given.high - given.low) * key.uniform_at(index)
    if isinstance(given, Normal) and not given.redraw:
        return np.clip(key.normal_at(index) * given.sd + given.mean, given.low, given.high)
    return given.draw(key, edges)[index]


def _given(part: Part, given: Any, kind: str, edges: int) -> Given:
    """A weight or a delay with its shape checked."""
    if isinstance(given, Distribution) or callable(given):
        return given
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise ParameterError(
            f"The {kind} of {part.name} must be a number, an array, a distribution such as rv.normal(mean, sd), or a function of "
            f"the source's and the target's numbers; {type(given).__name__} was given."
        ) from None
    fits = array.ndim == 2 and array.shape[0] in (1, part.size) and array.shape[1] in (1, part.sources)
    if not fits and array.shape not in ((), (edges,)):
        raise ParameterError(
            f"The {kind} of {part.name} has the shape {array.shape}. It must be one number, one an edge ({edges}), "
            f"a column ({part.size}, 1), a row (1, {part.sources}) or a matrix ({part.size}, {part.sources})."
        )
    return array


def _all_within(array: np.ndarray, low: float) -> bool:
    """Whether all numbers are finite, and not below `low`; without arrays of flags, since it is asked of every edge."""
    if not array.size:
        return True
    least, most = array.min(), array.max()  # NaN where one is
    return bool(np.isfinite(least) and np.isfinite(most) and least >= low)


def numbered(edges: int) -> Edges:
    """Edges that join nobody in particular."""
    nobody = np.broadcast_to(np.int32(-1), edges)
    return Edges(nobody, nobody)


def _edge(edges: Edges, which: int, start: int) -> str:
    """An edge, for errors: its number in the list, where there is one, and whom it joins."""
    number = start + which if edges.listed is None else edges.listed[which]
    return f"edge {number} (from {edges.pre[which]} to {edges.post[which]})" if edges.pre[which] >= 0 else f"edge {number}"
