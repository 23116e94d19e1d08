"""Explicit Runge–Kutta methods of order two to four.

Source: Hairer, Nørsett & Wanner, *Solving Ordinary Differential Equations I*
(2nd edition 1993), section II.1.
"""

from dataclasses import dataclass

from ranvier.integrators.base import ExplicitRungeKutta


@dataclass(frozen=True)
class Midpoint(ExplicitRungeKutta):
    """The slope at the middle of the step (Runge 1895). Second order.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> rv.odeint(lambda x, t: -x, np.array([1.0]), [0.0, 0.1], integrator=rv.Midpoint())[-1].item()
        0.905
    """

    order = 2
    a = ((), (0.5,))
    b = (0.0, 1.0)
    c = (0.0, 0.5)


@dataclass(frozen=True)
class Heun(ExplicitRungeKutta):
    """The mean of the slopes at both ends of the step (explicit trapezoid). Second order.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> rv.odeint(lambda x, t: 2 * t, np.array(0.0), [0.0, 1.0, 3.0], integrator=rv.Heun()).tolist()
        [0.0, 1.0, 9.0]
    """

    order = 2
    a = ((), (1.0,))
    b = (0.5, 0.5)
    c = (0.0, 1.0)


@dataclass(frozen=True)
class Ralston(ExplicitRungeKutta):
    """The two-stage method with the smallest bound on its error. Second order.

    Source: Ralston 1962, "Runge-Kutta methods with minimum error bounds",
    Math. Comp. 16:431, equation 3.5.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> rv.odeint(lambda x, t: -x, np.array([1.0]), [0.0, 0.1], integrator=rv.Ralston())[-1].round(12).item()
        0.905
    """

    order = 2
    a = ((), (2 / 3,))
    b = (1 / 4, 3 / 4)
    c = (0.0, 2 / 3)


@dataclass(frozen=True)
class RungeKutta4(ExplicitRungeKutta):
    """The classical method of Kutta (1901). Fourth order.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> rv.odeint(lambda x, t: -x, np.array([1.0]), [0.0, 0.1], integrator=rv.RungeKutta4())[-1].round(7).item()
        0.9048375
    """

    order = 4
    a = ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0))
    b = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
    c = (0.0, 0.5, 0.5, 1.0)


@dataclass(frozen=True)
class ThreeEighths(ExplicitRungeKutta):
    """Kutta's other method (1901), the 3/8 rule: a smaller error than RK4's for a little more work. Fourth order.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> rv.odeint(lambda x, t: -x, np.array([1.0]), [0.0, 0.1], integrator=rv.ThreeEighths())[-1].round(7).item()
        0.9048375
    """

    order = 4
    a = ((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0))
    b = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
    c = (0.0, 1 / 3, 2 / 3, 1.0)
