"""Exponential Euler: exact for a variable whose equation is linear in itself."""

from dataclasses import dataclass
from typing import Any

import jax

from ranvier.integrators.base import Integrator, State


@dataclass(frozen=True)
class ExponentialEuler(Integrator):
    """Each variable as if its own equation were linear over the step. First order, very stable.

    `x ← x + h · φ(h·s) · dx/dt` with `φ(z) = (exp(z) − 1)/z` and the slope
    `s = ∂(dx/dt)/∂x`. For gates and the membrane this is the method of Rush &
    Larsen (1978, IEEE Trans Biomed Eng 25:389); steps may be five to ten times
    longer than a Runge–Kutta method needs to stay stable.
    """

    order = 1
    holds_current = True
    needs = ("rate_and_slope", "exp", "where")
    by_name = True

    def step(self, system: Any, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        h = system.interval(t, t_next)
        xp = system.array_library
        rates, slopes = system.rate_and_slope(state, t)

        def advance(x: Any, rate: Any, slope: Any, exp: Any) -> Any:
            z = h * slope
            near_zero = abs(z) < 1e-4
            safe = xp.where(near_zero, 1.0, z)
            phi = xp.where(near_zero, 1 + z / 2 + z * z / 6, (exp(safe) - 1) / safe)
            return x + h * phi * rate

        if not hasattr(system, "exponential_of"):
            return jax.tree.map(lambda x, rate, slope: advance(x, rate, slope, xp.exp), state, rates, slopes), memory
        moved = {}
        for owner, own in state.items():
            exp = system.exponential_of(owner)
            moved[owner] = {v: advance(x, rates[owner][v], slopes[owner][v], exp) for v, x in own.items()}
        return moved, memory
