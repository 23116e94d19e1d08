"""The loop for NumPy arrays: plain Python."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ranvier.errors import SimulationDiverged
from ranvier.odeint.problem import NOISE, Equations, Problem
from ranvier.odeint.progress import Bar
from ranvier.random import Key

OFFERS = ("interval", "rate", "diffusion", "normal")


def array_library() -> Any:
    return np


def outside_the_trace(function: Any) -> Any:
    """The function: in a trace of this library Python runs as it is."""
    return function


def floating(leaf: np.ndarray) -> np.ndarray:
    """An integer array in NumPy's own floating dtype."""
    return leaf.astype(np.float64)


def integrate(problem: Problem) -> Any:
    """Every point that is kept, by a fixed-step method."""
    times = problem.times.tolist()
    cast = None if problem.real == "float64" else np.dtype(problem.real).type
    equations = Equations(problem, np, problem.args, cast=cast)
    state, memory = problem.y0, problem.integrator.init(equations, problem.y0, times[0])
    first = equations.saved(state, times[0])
    result = jax.tree.map(lambda row: np.empty((problem.rows, *np.shape(row)), np.asarray(row).dtype), first)
    kept = jax.tree.leaves(result)
    bare = hasattr(result, "dtype") and problem.save is None

    def keep(row: int, state: Any, t: float) -> None:
        if bare:
            result[row] = state
            return
        leaves = jax.tree.leaves(equations.saved(state, t))
        for array, leaf in zip(kept, leaves, strict=True):
            array[row] = leaf

    keep(0, state, times[0])
    step = equations.step
    draws = Key(problem.seed, NOISE.stream) if problem.diffusion is not None else None
    with Bar(problem.steps, problem.progress) as bar:
        for k in range(problem.steps):
            state, memory = step(state, memory, times[k], times[k + 1], None if draws is None else draws.at(k))
            if k == 1:
                # The first two steps have looked at what f returns; the others need not.
                equations = Equations(problem, np, problem.args, cast=cast, check=False, reuses=equations.reuses)
                step = equations.step
            if (k + 1) % problem.save_every == 0:
                keep((k + 1) // problem.save_every, state, times[k + 1])
            if bar.active:
                bar.update(k + 1)
    return result


def integrate_adaptively(problem: Problem) -> Any:
    """The same points from SciPy's `solve_ivp`."""
    from scipy.integrate import solve_ivp

    times, which = problem.distinct_times
    method: Any = problem.integrator
    leaves, structure = jax.tree.flatten(problem.y0)
    ends = np.cumsum([leaf.size for leaf in leaves])
    cast = None if problem.real == "float64" else np.dtype(problem.real).type
    equations = Equations(problem, np, problem.args, cast=cast)

    def state(vector: np.ndarray) -> Any:
        parts = np.split(vector, ends[:-1])
        return jax.tree.unflatten(structure, [p.astype(leaf.dtype).reshape(leaf.shape) for p, leaf in zip(parts, leaves, strict=True)])

    def vector(state: Any) -> np.ndarray:
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state)])

    start = vector(problem.y0)
    if len(times) == 1:
        points = start[:, None]
    else:
        solution = solve_ivp(
            lambda t, v: vector(equations.rate(state(v), t)),
            (times[0], times[-1]),
            start,
            "Radau" if method.stiff else "DOP853",
            t_eval=times,
            rtol=method.rtol,
            atol=method.atol,
        )
        if not solution.success:
            raise SimulationDiverged(
                f"SciPy's solve_ivp gave up: {solution.message} Adaptive(stiff=True) helps where f has very different time scales."
            )
        points = solution.y
    kept = [equations.saved(state(points[:, i]), problem.times[k * problem.save_every]) for k, i in enumerate(which)]
    return jax.tree.map(lambda *rows: np.stack(rows), *kept)
