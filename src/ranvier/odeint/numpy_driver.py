"""The loop for NumPy arrays: plain Python."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ranvier.odeint.problem import NOISE, Equations, Problem
from ranvier.odeint.progress import Bar
from ranvier.random import Key

OFFERS = ("interval", "rate", "diffusion", "normal")


def array_library() -> Any:
    return np


def floating(leaf: np.ndarray) -> np.ndarray:
    """An integer array in NumPy's own floating dtype."""
    return leaf.astype(np.float64)


def integrate(problem: Problem) -> Any:
    """Every point that is kept, by a fixed-step method."""
    times = problem.times.tolist()
    cast = None if problem.real == "float64" else np.dtype(problem.real).type
    equations = Equations(problem, np, problem.args, cast=cast)
    state, memory = problem.y0, problem.integrator.init(equations, problem.y0, times[0])  # type: ignore[union-attr]
    first = equations.saved(state, times[0])
    result = jax.tree.map(lambda row: np.empty((problem.rows, *np.shape(row)), np.asarray(row).dtype), first)
    kept, structure = jax.tree.flatten(result)
    bare = hasattr(result, "dtype") and problem.save is None

    def keep(row: int, state: Any, t: float) -> None:
        if bare:
            result[row] = state
            return
        leaves, given = jax.tree.flatten(equations.saved(state, t))
        assert given == structure, "save must return the same structure for every state"
        for array, leaf in zip(kept, leaves, strict=True):
            array[row] = leaf

    keep(0, state, times[0])
    step = equations.step
    draws = Key(problem.seed, NOISE.stream) if problem.diffusion is not None else None
    with Bar(problem.steps, problem.progress) as bar:
        for k in range(problem.steps):
            state, memory = step(state, memory, times[k], times[k + 1], None if draws is None else draws.at(k))
            if k == 0:
                # The first step has looked at what f returns; the others need not.
                equations = Equations(problem, np, problem.args, cast=cast, check=False)
                step = equations.step
            if (k + 1) % problem.save_every == 0:
                keep((k + 1) // problem.save_every, state, times[k + 1])
            if bar.active:
                bar.update(k + 1)
    return result


def integrate_adaptively(problem: Problem) -> Any:
    """The same points from SciPy's `solve_ivp`."""
    raise NotImplementedError
