"""The loop for TensorFlow 2 tensors: a `tf.while_loop` inside a `tf.function`."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np
import tensorflow as tf

from ranvier.errors import UnsupportedError
from ranvier.odeint import march
from ranvier.odeint.problem import NOISE, Equations, Problem
from ranvier.odeint.progress import Bar
from ranvier.odeint.recipe import Recipe
from ranvier.random import Draws, Key

OFFERS = ("interval", "rate", "diffusion", "normal")


def array_library() -> Any:
    return tf


def outside_the_trace(function: Any) -> Any:
    """The function: in a trace of this library Python runs as it is."""
    return function


def floating(leaf: tf.Tensor) -> tf.Tensor:
    """An integer tensor in TensorFlow's own floating dtype."""
    return tf.cast(leaf, tf.float32)


def repeat(start: Any, stop: Any, body: Any, carry: Any) -> Any:
    """`body(k, carry)` for k from `start` up to `stop`."""
    leaves, structure = jax.tree.flatten(carry)

    def flat(k: Any, *leaves: Any) -> Any:
        return (k + 1, *jax.tree.leaves(body(k, jax.tree.unflatten(structure, leaves))))

    _, *leaves = tf.while_loop(lambda k, *_: k < stop, flat, (tf.constant(start), *leaves), parallel_iterations=1)
    return jax.tree.unflatten(structure, leaves)


class Loop:
    """The loop of one problem, as a graph.

    Args:
        report: what is called with the number of a finished row, some hundred times a run; or None.
    """

    def __init__(self, problem: Problem, lengths: Any, report: Any):
        self.problem = problem
        self.lengths = lengths
        self.report = report
        self.part = max(1, problem.rows // 100)

    def step(self, k: Any, state: Any, memory: Any) -> tuple[Any, Any]:
        problem = self.problem
        equations = Equations(problem, tf, problem.args, length=self.lengths[k])
        draws = None if problem.diffusion is None else Draws((problem.seed[0], problem.seed[1]), NOISE.stream, k)
        return equations.step(state, memory, problem.times[k], problem.times[k + 1], draws)

    def saved(self, state: Any, point: Any) -> Any:
        return Equations(self.problem, tf, self.problem.args).saved(state, self.problem.times[point])

    def write(self, buffer: Any, row: Any, state: Any, point: Any) -> Any:
        values = jax.tree.leaves(self.saved(state, point))
        if self.report is not None and not isinstance(row, int):

            def tell() -> Any:
                return tf.py_function(self.report, [row], [])

            tf.cond(row % self.part == 0, tell, lambda: tf.no_op())
        return [array.write(row, value) for array, value in zip(buffer, values, strict=True)]

    def run(self) -> Any:
        problem = self.problem
        y0 = jax.tree.map(tf.convert_to_tensor, problem.y0)
        equations = Equations(problem, tf, problem.args)
        memory = problem.integrator.init(equations, y0, problem.times[0])
        first, structure = jax.tree.flatten(jax.tree.map(tf.convert_to_tensor, self.saved(y0, 0)))
        buffer = [tf.TensorArray(x.dtype, size=problem.rows, element_shape=x.shape).write(0, x) for x in first]
        carry, row = march.begin(problem, self.step, repeat, self.write, (y0, memory, buffer))
        _, _, buffer = march.rows(problem, self.step, repeat, self.write, carry, row, problem.rows)
        return jax.tree.unflatten(structure, [array.stack() for array in buffer])


@functools.lru_cache(maxsize=64)
def _compiled(recipe: Recipe, structure: Any, reporting: bool) -> tuple[Any, list[Any]]:
    """The graph of a recipe, and where to put the bar that it reports to."""
    bar: list[Any] = [None]

    def report(row: Any) -> None:
        bar[0].update(int(row) * recipe.template.save_every)

    def run(leaves: list[Any], times: Any, lengths: Any, values: list[Any], seed: Any) -> Any:
        problem = recipe.problem(jax.tree.unflatten(structure, leaves), times, values, seed)
        return Loop(problem, lengths, report if reporting else None).run()

    return tf.function(run, autograph=False), bar


def integrate(problem: Problem) -> Any:
    """Every point that is kept, by a fixed-step method."""
    recipe = Recipe(problem)
    leaves, structure = jax.tree.flatten(problem.y0)
    real, own = tf.as_dtype(problem.real), leaves[0].dtype
    if any(leaf.dtype != own for leaf in leaves):
        raise UnsupportedError("y0 has both real and complex tensors, which TensorFlow does not mix. Make all of them complex.")
    times = tf.constant(problem.times, real)
    lengths = tf.constant(np.diff(problem.times), own)
    values = [
        tf.constant(v, own if isinstance(v, complex) else real) if isinstance(v, float | complex) else v for v in recipe.values(problem)
    ]
    seed = tf.constant(Key(problem.seed).seed_words, tf.int64)
    if not tf.executing_eagerly():
        return Loop(recipe.problem(problem.y0, times, values, seed), lengths, None).run()
    with Bar(problem.steps, problem.progress) as bar:
        run, target = _compiled(recipe, structure, bar.active)
        target[0] = bar
        try:
            return run(leaves, times, lengths, values, seed)
        finally:
            target[0] = None


def integrate_adaptively(problem: Problem) -> Any:
    raise UnsupportedError(
        "TensorFlow has no adaptive solver for Adaptive to call. Use a fixed step, integrator=rv.RungeKutta4(), "
        "or NumPy, JAX or PyTorch arrays."
    )
