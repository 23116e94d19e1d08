"""Who spikes in a step, of a list of given spikes."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch


def given_spikes(steps: jax.Array, neurons: jax.Array, step: jax.Array, n: int, most: int) -> jax.Array:
    """Whether each neuron spikes in `step`, bool `[n]`.

    Args:
        steps: of the spikes, ascending, int64 `[spikes]`; the last `most` of them are later than any step.
        neurons: of the same spikes, int32 `[spikes]`; what is no neuron's number is passed over.
        step: int64 scalar.
        n: how many neurons there are.
        most: the most spikes of one step.

    Raises:
        ParameterError: a wrong shape or type.

    Example:
        >>> with jax.enable_x64(True):
        ...     steps, neurons = jnp.array([3, 7, 7, 1000, 1000]), jnp.array([0, 2, 1, 0, 0], jnp.int32)
        ...     given_spikes(steps, neurons, jnp.int64(7), 3, most=2).tolist()
        [False, True, True]
    """
    steps, neurons, step = jnp.asarray(steps), jnp.asarray(neurons), dispatch.as_step(step, "given_spikes")
    if steps.ndim != 1 or neurons.shape != steps.shape or steps.dtype != jnp.int64 or neurons.dtype != jnp.int32:
        raise ParameterError(
            "given_spikes: steps must be int64 and neurons int32, [spikes] both, not "
            f"{steps.dtype} {list(steps.shape)} and {neurons.dtype} {list(neurons.shape)}."
        )
    return dispatch.choose(functools.partial(_native, n), functools.partial(_reference, n, most), steps, neurons, step)


def _native(n: int, steps: jax.Array, neurons: jax.Array, step: jax.Array) -> jax.Array:
    return dispatch.native_call("given_spikes", jax.ShapeDtypeStruct((n,), jnp.bool_), steps, neurons, step)


def _reference(n: int, most: int, steps: jax.Array, neurons: jax.Array, step: jax.Array) -> jax.Array:
    at = dispatch.place_among(steps, step, side="left") + jnp.arange(most)
    due = steps.at[at].get(mode="clip") == step
    return jnp.zeros(n, bool).at[jnp.where(due, neurons.at[at].get(mode="clip"), n)].set(True, mode="drop")
