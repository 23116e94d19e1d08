"""A projection's share of a set of edges: who may be wired to whom, with which weights and delays."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ranvier.connect.base import ConnectionRule, Edges
from ranvier.errors import ParameterError
from ranvier.random import Distribution, Key
from ranvier.steps import in_steps


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """What a projection adds to a set of edges.

    Attributes:
        name: the projection's name, for errors.
        rule: draws the edges.
        sources: how many neurons it comes from.
        pre_offset: the place of the first of them among all sources of the set.
        targets: of each target population its size and the place of its first neuron
            among all targets of the set, None where it is not among them.
        key: the projection's key; edges, weights and delays each draw from a child of it.
        own: as in `ConnectionRule.edges`.
        weight: a number, an array `[edges]` in the order (post, pre), a column
            `[targets, 1]`, row `[1, sources]` or matrix `[targets, sources]`, or a distribution.
        delay: in ms: a number, an array `[edges]`, or a distribution.
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

    @property
    def size(self) -> int:
        """How many targets it has."""
        return sum(size for size, _ in self.targets)


def given_weight(part: Part, edges: int) -> np.ndarray | Distribution:
    """The part's weight with its shape checked.

    Raises:
        ParameterError: the shape fits neither the edges nor the populations.
    """
    if isinstance(part.weight, Distribution):
        return part.weight
    array = np.asarray(part.weight, np.float64)
    fits = array.ndim == 2 and array.shape[0] in (1, part.size) and array.shape[1] in (1, part.sources)
    if not fits and array.shape not in ((), (edges,)):
        raise ParameterError(
            f"The weight of {part.name} has the shape {array.shape}. It must be one number, one an edge ({edges}), "
            f"a column ({part.size}, 1), a row (1, {part.sources}) or a matrix ({part.size}, {part.sources})."
        )
    return array


def weights(part: Part, given: np.ndarray | Distribution, edges: Edges, start: int = 0) -> np.ndarray:
    """The weights of some of the part's edges.

    Args:
        part: whose they are.
        given: from `given_weight`.
        edges: a stretch of them in the order (post, pre).
        start: the first one's place in that order.

    Returns:
        float64 `[edges]`.

    Raises:
        ParameterError: one is not finite, or is negative and a conductance.
    """
    if isinstance(given, Distribution):
        array = given.draw(part.key.child("weight"), len(edges), start)
    elif given.ndim == 2:
        array = np.broadcast_to(given, (part.size, part.sources))[edges.post, edges.pre]
    else:
        array = given[start : start + len(edges)] if given.ndim else np.broadcast_to(given, len(edges))
    if edges.values is not None:
        array = array * edges.values
    if not np.isfinite(array).all():
        raise ParameterError(f"The weight of {part.name} is not finite for edge {start + int(np.flatnonzero(~np.isfinite(array))[0])}.")
    if part.conductance and len(array) and array.min() < 0:
        raise ParameterError(
            f"The weight of {part.name} is {array.min():g} for edge {start + int(array.argmin())}, but a conductance cannot be negative. "
            "Inhibition comes from the reversal potential."
        )
    return array


def given_delay(part: Part, edges: int, added: np.ndarray | None = None) -> np.ndarray | Distribution:
    """The part's delay: in steps, rounded, where it is not drawn.

    Args:
        part: whose delay.
        edges: how many it has.
        added: what the rule adds to it, in ms, `[edges]`.

    Raises:
        ParameterError: a wrong shape, or a delay that is negative or not finite.
    """
    if isinstance(part.delay, Distribution):
        if added is None:
            return part.delay
        drawn = part.delay.draw(part.key.child("delay"), edges) + added
        _check_delays(part, drawn)
        return _rounded(part, part.delay, drawn)
    delay = np.asarray(part.delay, np.float64)
    if delay.shape not in ((), (edges,)):
        raise ParameterError(f"The delay of {part.name} has the shape {delay.shape}. It must be one number, or one an edge ({edges},).")
    delay = delay if added is None else delay + added
    _check_delays(part, delay)
    return in_steps(delay, part.dt, f"The delay of {part.name}")


def delay_steps(part: Part, given: np.ndarray | Distribution, n: int, start: int = 0) -> np.ndarray:
    """The delays of edges `start` … `start + n − 1` in steps; int64 `[n]`.

    Drawn ones are rounded, but none to less than its distribution's low end.

    Raises:
        ParameterError: one is negative or not finite.
    """
    if not isinstance(given, Distribution):
        return given[start : start + n] if given.ndim else np.broadcast_to(given, n)
    drawn = given.draw(part.key.child("delay"), n, start)
    _check_delays(part, drawn)
    return _rounded(part, given, drawn)


def _rounded(part: Part, distribution: Distribution, drawn: np.ndarray) -> np.ndarray:
    """Drawn delays in steps; `drawn` is overwritten."""
    steps = np.divide(drawn, part.dt, out=drawn)
    np.rint(steps, out=steps)
    low = getattr(distribution, "low", 0.0)
    if low > 0:
        np.maximum(steps, np.ceil(low / part.dt - 1e-6), out=steps)
    return steps.astype(np.int64)


def _check_delays(part: Part, delay: np.ndarray) -> None:
    if delay.size and not (np.isfinite(delay).all() and delay.min() >= 0):
        hint = f" A distribution needs a low end: rv.normal(mean, sd, low={part.dt:g})." if isinstance(part.delay, Distribution) else ""
        raise ParameterError(f"The delay of {part.name} must be finite and not negative; it is {np.min(delay):g} ms.{hint}")
