"""What an integrator is: one step of any system of differential equations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import jax

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


class Integrator:
    """Advances any system by one step. Subclass as a frozen dataclass; see `Euler`.

    Attributes:
        order: the order of its global error in the step.
        needs: the methods of `System` and the functions of the array library it
            uses beyond arithmetic; what lacks one is refused by name.
    """

    order: ClassVar[int]
    needs: ClassVar[tuple[str, ...]] = ()

    def init(self, system: System, state: State, t: Any) -> Any:
        """What the integrator remembers between steps (a pytree; nothing by default)."""
        return ()

    def step(self, system: System, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        """The state at `t_next`, and the memory for the next step.

        Args:
            system: the equations.
            state: the state at `t`.
            memory: what `init` or the step before returned.
            t, t_next: the ends of the step. A stage at the end of the step
                must be at `t_next` itself, not at `t + h`, which can differ in
                the last bit.
            key: where a stochastic method draws from.
        """
        raise NotImplementedError


def weighted(state: State, h: Any, weights: Sequence[float], slopes: Sequence[State]) -> State:
    """`state + h · Σ weight · slope`, over arrays or pytrees of them."""
    used = [(w, k) for w, k in zip(weights, slopes, strict=False) if w]
    if not used:
        return state

    def combine(y: Any, *ks: Any) -> Any:
        total = None
        for (w, _), k in zip(used, ks, strict=True):
            term = k if w == 1 else w * k
            total = term if total is None else total + term
        return y + h * total

    if isinstance(state, dict | list | tuple):
        return jax.tree.map(combine, state, *(k for _, k in used))
    return combine(state, *(k for _, k in used))  # a bare array: mapping over a tree would cost 5 µs


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

    def step(self, system: System, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        h = system.interval(t, t_next)
        slopes: list[State] = []
        for weights, c in zip(self.a, self.c, strict=True):
            time = t if c == 0 else t_next if c == 1 else t + c * (t_next - t)
            slopes.append(system.rate(weighted(state, h, weights, slopes), time))
        return weighted(state, h, self.b, slopes), memory
