"""What an integrator is: one step of any system of differential equations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import jax

from ranvier.errors import not_written

State = Any
"""An array, or a pytree of arrays."""


class System(Protocol):
    """The equations, as an integrator sees them. Which methods it has says what can integrate it."""

    array_library: Any
    """NumPy, `jax.numpy` or what offers the same `exp` and `where`."""

    def interval(self, t: Any, t_next: Any) -> Any:
        """`t_next − t`, in the precision of the state."""
        ...

    def rate(self, state: State, t: Any) -> State:
        """The time derivative of every variable."""
        ...

    def rate_and_slope(self, state: State, t: Any) -> tuple[State, State]:
        """The derivative of every variable, and the derivative of that by the variable itself (1/ms)."""
        ...


class StochasticSystem(System, Protocol):
    """A system with noise."""

    def diffusion(self, state: State, t: Any) -> State:
        """How strongly each variable's own Wiener process drives it (diagonal noise; unit/√ms)."""
        ...


class Integrator:
    """Advances any system by one step. Subclass as a frozen dataclass; see `Euler`.

    Attributes:
        order: the order of its global error in the step.
        needs: the methods of `System` and the functions of the array library it
            uses beyond arithmetic; what lacks one is refused by name. `"normal"`
            stands for a `key` to draw from.
        startup_steps: for how many first steps the memory still grows, so that
            its structure differs from that of the steps after. A compiled loop
            runs these before it begins (or refuses a method that has any).
        holds_current: whether it asks for the equations at the start of a step alone. Currents are then held over
            the step at their means.
        by_name: whether it treats variables by their names, so that a network's
            state comes as the dict of them and not packed into fewer arrays.
    """

    order: ClassVar[int]
    needs: ClassVar[tuple[str, ...]] = ()
    startup_steps: ClassVar[int] = 0
    holds_current: ClassVar[bool] = False
    by_name: ClassVar[bool] = False

    def init(self, system: Any, state: State, t: Any) -> Any:
        """What the integrator remembers between steps (a pytree; nothing by default)."""
        return ()

    def step(self, system: Any, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        """The state at `t_next`, and the memory for the next step.

        Args:
            system: the equations.
            state: the state at `t`.
            memory: what `init` or the step before returned.
            t, t_next: the ends of the step. A stage at the end of the step
                must be at `t_next` itself, not at `t + h`, which can differ in
                the last bit.
            key: where a stochastic method draws from (`ranvier.random.Draws`).
        """
        raise not_written(self, Integrator.step)


Groups = tuple[tuple[float, int, tuple[int, ...]], ...]
"""For each distinct weight: itself, the first slope that has it, the others."""


def _grouped(weights: Sequence[float]) -> Groups:
    """Equal weights together: their slopes are added first and multiplied once."""
    members = {w: [i for i, v in enumerate(weights) if v == w] for w in dict.fromkeys(weights) if w}
    return tuple((w, first, tuple(others)) for w, (first, *others) in members.items())


def _moved(y: Any, h: Any, groups: Groups, slopes: Sequence[Any]) -> Any:
    """One array of the state, moved by its slopes."""
    total = None
    for w, first, others in groups:
        slope = slopes[first]
        for i in others:
            slope = slope + slopes[i]
        term = (h * w) * slope  # h · w first: two numbers, where w · slope would be one more array
        total = term if total is None else total + term
    return y if total is None else y + total


def weighted(state: State, h: Any, weights: Sequence[Any], slopes: Sequence[State]) -> State:
    """`state + h · Σ weight · slope`, over arrays or pytrees of them. Weights may be numbers or scalars of the array library."""

    def move(y: Any, *ks: Any) -> Any:
        total = (h * weights[0]) * ks[0]
        for w, k in zip(weights[1:], ks[1:], strict=True):
            total = total + (h * w) * k
        return y + total

    if hasattr(state, "dtype"):
        return move(state, *slopes)
    return jax.tree.map(move, state, *slopes)


class ExplicitRungeKutta(Integrator):
    """Base of the explicit Runge–Kutta methods: a subclass is its tableau.

    Attributes:
        a: for each stage the weights of the slopes before it.
        b: the weights of the slopes in the step.
        c: where in the step each stage is (0 … 1).
    """

    a: ClassVar[tuple[tuple[float, ...], ...]]
    b: ClassVar[tuple[float, ...]]
    c: ClassVar[tuple[float, ...]]
    _stages: ClassVar[tuple[tuple[float, Groups], ...]]
    _end: ClassVar[Groups]

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        cls._stages = tuple((c, _grouped(weights)) for c, weights in zip(cls.c, cls.a, strict=True))
        cls._end = _grouped(cls.b)

    def step(self, system: Any, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        h = system.interval(t, t_next)
        if hasattr(state, "dtype"):
            moved = _moved  # a bare array: mapping over a tree would cost 5 µs
        else:

            def moved(y: State, h: Any, groups: Groups, slopes: Sequence[State]) -> State:
                return jax.tree.map(lambda leaf, *ks: _moved(leaf, h, groups, ks), y, *slopes)

        rate = system.rate
        slopes: list[State] = []
        time, at = t, 0.0
        for c, groups in self._stages:
            if c != at:
                time, at = (t if c == 0 else t_next if c == 1 else t + c * (t_next - t)), c
            slopes.append(rate(moved(state, h, groups, slopes) if groups else state, time))
        return moved(state, h, self._end, slopes), memory
