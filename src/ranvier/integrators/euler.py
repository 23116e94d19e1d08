"""The method of Euler (1768)."""

from dataclasses import dataclass

from ranvier.integrators.base import ExplicitRungeKutta


@dataclass(frozen=True)
class Euler(ExplicitRungeKutta):
    """One slope, at the start of the step. First order.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> rv.odeint(lambda x, t: -x, np.array([1.0]), [0.0, 0.1, 0.2], integrator=rv.Euler())[-1].item()
        0.81
    """

    order = 1
    holds_current = True
    a = ((),)
    b = (1.0,)
    c = (0.0,)
