"""Steps chosen by the error, through the solvers that the array libraries have."""

from dataclasses import dataclass

from ranvier import doors


@dataclass(frozen=True)
class Adaptive:
    """Steps as long as the tolerances allow; the result is interpolated to the times asked for.

    The solver is SciPy's `solve_ivp` for NumPy (`DOP853`, stiff `Radau`), diffrax's
    for JAX (`Tsit5`, stiff `Kvaerno5`) and torchdiffeq's for PyTorch (`dopri5`; it has
    none for stiff equations). TensorFlow has no such solver.

    Attributes:
        rtol: the error allowed in a step, relative to the state.
        atol: the error allowed in a step, in the state's unit.
        stiff: whether to use an implicit method.
        max_steps: after how many steps to give up (diffrax and torchdiffeq).

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = rv.odeint(lambda x, t: -x, np.array([1.0]), [0.0, 1.0, 5.0], integrator=rv.Adaptive(rtol=1e-9, atol=1e-12))
        >>> bool(abs(x[-1].item() - np.exp(-5)) < 1e-9)
        True
    """

    rtol: float = 1e-6
    atol: float = 1e-9
    stiff: bool = False
    max_steps: int = 100_000

    def __post_init__(self) -> None:
        for name in ("rtol", "atol"):
            given = doors.number(getattr(self, name), f"Adaptive.{name}", low=0.0, above=True, hint="A tolerance is such as 1e-6.")
            object.__setattr__(self, name, given)
        doors.flag(self.stiff, "Adaptive.stiff")
        object.__setattr__(self, "max_steps", doors.count(self.max_steps, "Adaptive.max_steps", low=1))
