"""Explicit Runge–Kutta methods of order two to four.

Source: Hairer, Nørsett & Wanner, *Solving Ordinary Differential Equations I*
(2nd edition 1993), section II.1.
"""

from dataclasses import dataclass

from ranvier.integrators.base import ExplicitRungeKutta


@dataclass(frozen=True)
class Midpoint(ExplicitRungeKutta):
    """The slope at the middle of the step (Runge 1895). Second order."""

    order = 2
    a = ((), (0.5,))
    b = (0.0, 1.0)
    c = (0.0, 0.5)


@dataclass(frozen=True)
class Heun(ExplicitRungeKutta):
    """The mean of the slopes at both ends of the step (explicit trapezoid). Second order."""

    order = 2
    a = ((), (1.0,))
    b = (0.5, 0.5)
    c = (0.0, 1.0)


@dataclass(frozen=True)
class RungeKutta4(ExplicitRungeKutta):
    """The classical method of Kutta (1901). Fourth order."""

    order = 4
    a = ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0))
    b = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
    c = (0.0, 0.5, 0.5, 1.0)
