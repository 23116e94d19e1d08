"""Checks of stimuli."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import UnsupportedError
from ranvier.network.spec import Population
from ranvier.neurons.conductance_based import Passive
from ranvier.stimuli.base import Constant, Stimulus
from ranvier.testing.common import (
    check_close,
    check_description,
    check_finite,
    check_gradient,
    check_units,
    check_value_semantics,
    is_a,
    require,
    varied,
)
from ranvier.testing.runs import run

N = 3
TIMES = np.array([0.0, 0.005, 0.1, 20.0, 123.456, 9999.99])
STEP = 0.01
IRREGULAR_TIMES = np.array([0.00713, 7.3137, 19.9173, 61.8031])  # no stimulus jumps just there


def _has_a_derivative(current: Callable[[Stimulus], jax.Array], stimulus: Stimulus, number: int) -> bool:
    """Whether a current has one by a stimulus' number, or refuses it."""
    leaves, tree = jax.tree.flatten(stimulus)
    by = lambda x: current(jax.tree.unflatten(tree, [*leaves[:number], x, *leaves[number + 1 :]]))
    one = jax.ShapeDtypeStruct(jnp.shape(leaves[number]), "float64")
    try:
        jax.eval_shape(lambda x, d: jax.jvp(by, (x,), (d,)), one, one)
    except UnsupportedError:
        return False
    return True


def _check_gradient(current: Callable[[Stimulus], jax.Array], stimulus: Stimulus, what: str) -> bool:
    """Checks the derivatives by those numbers that have one; whether all have."""
    leaves, tree = jax.tree.flatten(stimulus)
    smooth = [i for i in range(len(leaves)) if _has_a_derivative(current, stimulus, i)]
    given = lambda values: jax.tree.unflatten(tree, [values[smooth.index(i)] if i in smooth else x for i, x in enumerate(leaves)])
    check_gradient(lambda values: current(given(values)), [leaves[i] for i in smooth], what)
    return len(smooth) == len(leaves)


def _at(current: Callable[..., jax.Array], t: float, stimulus: Stimulus) -> jax.Array:
    return current(stimulus, t)


def _held(t: float, stimulus: Stimulus) -> jax.Array:
    return jnp.asarray(stimulus.average(t, t + STEP), float)


def check_stimulus(stimulus: Stimulus, *, published: bool = False) -> None:
    """Checks a stimulus.

    Its description and units; its shape, the same at all times; that it is finite, at
    mid-step times too, and the same when asked again; that sums and multiples are; that
    `vmap` over parameters is a loop; gradients against finite differences (of the mean
    over a step where it has none at a time); and that a run
    injects it at the times it is asked for, in both precisions.

    Args:
        stimulus: the stimulus, for one neuron or for three.
        published: whether equations and a source must be stated.

    Raises:
        ConformanceError: something does not hold.

    Example:
        >>> import ranvier as rv
        >>> check_stimulus(rv.stimuli.SquarePulse(10.0, start=20, stop=80))
    """
    is_a(stimulus, Stimulus, "stimulus")
    name = type(stimulus).__name__
    check_description(stimulus, published)
    check_units(stimulus)
    check_value_semantics(stimulus)
    with jax.enable_x64(True):
        shape = jax.eval_shape(lambda t: jnp.asarray(stimulus(t)), jax.ShapeDtypeStruct((), "float64"))
        require(shape.shape in ((), (N,)), f"{name} has the shape {shape.shape}; it must be one number, or one a neuron ({N},).")
        at = jax.jit(lambda s, t: jnp.asarray(s(t), float))
        values = [at(stimulus, t) for t in TIMES]
        for t in IRREGULAR_TIMES:
            smooth = _check_gradient(functools.partial(_at, at, t), stimulus, f"{name} at t = {t} ms")
            if not smooth:  # by when it jumps, its mean over a step has one
                _check_gradient(functools.partial(_held, t), stimulus, f"{name} from t = {t} to {t + STEP} ms")
        for t, value in zip(TIMES, values, strict=True):
            check_finite(value, f"{name} at t = {t} ms")
            require(np.array_equal(value, at(stimulus, t)), f"{name} gives another value when it is asked for t = {t} ms again.")
            check_close(at(2.0 * stimulus + Constant(1.0), t), 2.0 * value + 1.0, f"2·{name} + 1 at t = {t} ms")
        if shape.shape == ():
            many, single = varied(stimulus, N)
            mapped = bool(jax.tree.leaves(many)) and all(np.shape(x) == (N,) for x in jax.tree.leaves(many))
            for t in TIMES:
                together = jnp.broadcast_to(at(many, t), (N,))
                alone = jnp.stack([at(one, t) for one in single])
                check_close(together, alone, f"{name} at t = {t} ms, parameters as an array and one by one")
                if mapped:
                    check_close(
                        jax.vmap(lambda s, t=t: jnp.asarray(s(t), float))(many),
                        alone,
                        f"{name} at t = {t} ms, vmap over parameters and a loop",
                    )
    for precision, dtype in (("double", "float64"), ("single", "float32")):
        result = run(Population(N, Passive(), current=stimulus), record=None, precision=precision)
        injected = result["passive"]["injected_current"].values
        require(injected.dtype == dtype, f"{name} in {precision} precision is injected as {injected.dtype}.")
        with jax.enable_x64(True):
            expected = np.stack([np.broadcast_to(np.asarray(stimulus(t), dtype), (N,)) for t in result.V.time.values])
        check_close(injected, expected, f"{name}, injected in a run ({precision})", rtol=1e-6 if precision == "single" else 1e-12)
