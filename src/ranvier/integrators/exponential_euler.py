"""Exponential Euler: exact for a variable whose equation is linear in itself."""

import functools
from dataclasses import dataclass
from typing import Any

import jax

from ranvier.integrators.base import Integrator, State
from ranvier.kernels.in_order import once
from ranvier.kernels.relaxation import relaxed


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

        def advance(x: Any, rate: Any, slope: Any, phi: Any, h: Any = h) -> Any:
            return x + h * phi(h * slope) * rate

        if not hasattr(system, "relaxation_of"):
            phi = functools.partial(relaxed, exp=xp.exp, where=xp.where)
            return jax.tree.map(lambda x, rate, slope: advance(x, rate, slope, phi), state, rates, slopes), memory
        moved: dict[str, Any] = {}
        for owner, own in state.items():
            phi, first, after = system.relaxation_of(owner), system.first_moved(owner), h
            moved[owner] = {}
            for v in sorted(own, key=lambda v: v != first):
                moved[owner][v] = advance(own[v], rates[owner][v], slopes[owner][v], phi, after)
                if v == first:
                    after = once(moved[owner][v], h)
        return moved, memory
