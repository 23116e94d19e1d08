"""Fitting a mean of squares by the method of Levenberg and Marquardt, from several starts at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.fitting.method import Found, Method
from ranvier.fitting.problem import Problem
from ranvier.fitting.progress import Told

EASE, PRESS = 0.3, 4.0  # by which the damping falls where a step was good, and rises where it was not
MOST_DAMPING = 1e12
NOTHING = 1e-20  # of the first loss: what rounding leaves


@dataclasses.dataclass(frozen=True)
class LevenbergMarquardt(Method):
    """Damped Gauss–Newton steps: few iterations where the loss is a mean of squares of few parameters.

    Each iteration runs the network once, with the derivatives by all parameters beside it. A step that makes the loss larger
    is not taken, and a shorter one is tried.

    Args:
        damping: how short the first step is.
        tolerance: it ends when every start's loss fell by less than this part of itself in three good steps.

    Source: Marquardt 1963, J Soc Indust Appl Math 11:431.

    Example:
        >>> import ranvier as rv
        >>> sim = rv.prepare(rv.Population(1, rv.neurons.Passive(), current=1.0, name="cell"), dt=0.1)
        >>> data = sim.run(50.0, parameters={"cell.leak": 0.2, "cell.capacitance": 1.5}).V
        >>> fit = rv.fit(sim, data, ["cell.leak", "cell.capacitance"], method=LevenbergMarquardt())
        >>> bool(fit.loss < 1e-12), len(fit.losses) < 20
        (True, True)
    """

    needs = "residuals"
    iterations = 100

    damping: float = 1e-2
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        object.__setattr__(self, "damping", doors.positive(self.damping, "damping"))
        object.__setattr__(self, "tolerance", doors.positive(self.tolerance, "tolerance"))

    def __str__(self) -> str:
        return "Levenberg–Marquardt"

    def search(self, problem: Problem, starts: np.ndarray, iterations: int, seed: int, told: Told) -> Found:
        @jax.jit
        def looked_at(places: Any, numbers: Any) -> Any:
            def one(u: Any) -> Any:
                residuals, slopes = problem.residuals_and_slopes(u, numbers)
                loss, good = jnp.sum(residuals**2), jnp.isfinite(slopes).all()
                return jnp.where(jnp.isfinite(loss) & good, loss, jnp.inf), slopes @ residuals, slopes @ slopes.T

            return jax.vmap(one)(places)

        here = starts.copy()
        least, slope, curvature = (np.array(x) for x in looked_at(here, problem.numbers))
        damping, small = np.full(len(starts), self.damping), np.zeros(len(starts), int)
        curve = [least.copy()]
        for _ in range(iterations):
            step = [_step(s, c, d) for s, c, d in zip(slope, curvature, damping, strict=True)]
            there = here - np.stack(step)
            losses, *more = (np.asarray(x) for x in looked_at(there, problem.numbers))
            better = losses < least
            little = losses >= least * (1.0 - self.tolerance)  # also where both are infinite
            small = np.where(better, np.where(little, small + 1, 0), np.where(damping >= MOST_DAMPING, 3, small))
            here[better], least[better] = there[better], losses[better]
            slope[better], curvature[better] = more[0][better], more[1][better]
            damping = np.where(better, damping * EASE, np.minimum(damping * PRESS, MOST_DAMPING))
            curve.append(least.copy())
            told(float(least.min()))
            if (small >= 3).all() or (least <= NOTHING * curve[0]).all() or not np.isfinite(least).any():
                break
        return Found(here, least, np.array(curve))


def _step(slope: np.ndarray, curvature: np.ndarray, damping: float) -> np.ndarray:
    """A damped step; none where the run went wrong."""
    if not (np.isfinite(slope).all() and np.isfinite(curvature).all()):
        return np.zeros_like(slope)
    own = np.diag(curvature)
    damped = curvature + damping * np.diag(np.where(own > 0, own, 1.0))
    return np.linalg.lstsq(damped, slope, rcond=None)[0]
