"""Adams–Bashforth methods: one new slope a step, the rest remembered.

Source: Hairer, Nørsett & Wanner, *Solving Ordinary Differential Equations I*
(2nd edition 1993), sections III.1 (equal steps) and III.5 (unequal steps).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ranvier.integrators.base import Integrator, State, weighted
from ranvier.integrators.runge_kutta import Heun, RungeKutta4


def adams_weights(h: Any, earlier: tuple[Any, ...]) -> list[Any]:
    """The weight of each remembered slope, newest first, as a part of the step `h`.

    The polynomial through the slopes, integrated over the step. For equal
    steps these are the classical 3/2, −1/2 and 55/24, −59/24, 37/24, −9/24.

    Args:
        h: the length of this step.
        earlier: the lengths of the steps before it, newest first.

    Example:
        >>> [24 * w for w in adams_weights(1.0, (1.0, 1.0, 1.0))]
        [55.0, -59.0, 37.0, -9.0]
    """
    nodes = [0.0 * h]  # where the slopes are, in steps from the start of this one
    for length in earlier:
        nodes.append(nodes[-1] - length / h)
    weights = []
    for j, node in enumerate(nodes):
        others = [s for m, s in enumerate(nodes) if m != j]
        coefficients = [1.0]  # of the product of (s − other), highest power first
        scale = 1.0
        for other in others:
            coefficients = [a - other * b for a, b in zip([*coefficients, 0.0], [0.0, *coefficients], strict=True)]
            scale = scale * (node - other)
        degree = len(others)
        weights.append(sum(c / (degree - i + 1) for i, c in enumerate(coefficients)) / scale)
    return weights


class AdamsBashforth(Integrator):
    """Base of the Adams–Bashforth methods.

    The memory is a tuple of (length of the step, slope at its start), newest
    first. It grows during the first `order − 1` steps, which a Runge–Kutta
    method of the same order takes.

    Attributes:
        starter: the method of the first steps.
    """

    starter: ClassVar[Integrator]

    def step(self, system: Any, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        h = system.interval(t, t_next)
        slope = system.rate(state, t)
        if len(memory) < self.startup_steps:
            after, _ = self.starter.step(system, state, (), t, t_next)
        else:
            weights = adams_weights(h, tuple(length for length, _ in memory))
            after = weighted(state, h, weights, (slope, *(k for _, k in memory)))
        return after, ((h, slope), *memory)[: self.startup_steps]


@dataclass(frozen=True)
class AdamsBashforth2(AdamsBashforth):
    """Two slopes, of which one is new. Second order at the price of Euler's method.

    Steps may be unequal, but not zero. The first is Heun's.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = rv.odeint(lambda x, t: -x, np.array([1.0]), np.linspace(0, 1, 101), integrator=rv.AdamsBashforth2())
        >>> bool(abs(x[-1].item() - np.exp(-1)) < 2e-5)
        True
    """

    order = 2
    startup_steps = 1
    starter = Heun()


@dataclass(frozen=True)
class AdamsBashforth4(AdamsBashforth):
    """Four slopes, of which one is new. Fourth order at a quarter of RK4's price, and less stable.

    Steps may be unequal, but not zero. The first three are RK4's.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = rv.odeint(lambda x, t: -x, np.array([1.0]), np.linspace(0, 1, 101), integrator=rv.AdamsBashforth4())
        >>> bool(abs(x[-1].item() - np.exp(-1)) < 2e-9)
        True
    """

    order = 4
    startup_steps = 3
    starter = RungeKutta4()
