"""Spikes of one step, appended to a list."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch, on_gpu


def compact_spikes(
    flags: jax.Array, step: jax.Array, buffer_step: jax.Array, buffer_neuron: jax.Array, count: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Append `(step, i)` for every set flag `i`, in ascending order, to a list of spikes.

    Args:
        flags: who spiked, bool `[n]`.
        step: the step they spiked in, int64 scalar.
        buffer_step: the list's steps, int64 `[capacity]`; updated in place where XLA can.
        buffer_neuron: the list's neurons, int32 `[capacity]`; likewise.
        count: how many entries the list has, int64 scalar.

    Returns:
        The new `(buffer_step, buffer_neuron, count)`. What does not fit is
        counted and dropped, so `count > capacity` tells that spikes were lost.

    Raises:
        ParameterError: a wrong shape or type; int64 needs `jax.enable_x64`.

    Example:
        >>> with jax.enable_x64(True):
        ...     empty = jnp.zeros(4, jnp.int64), jnp.zeros(4, jnp.int32), jnp.int64(0)
        ...     steps, neurons, count = compact_spikes(jnp.array([True, False, True]), jnp.int64(7), *empty)
        >>> steps[:2].tolist(), neurons[:2].tolist(), int(count)
        ([7, 7], [0, 2], 2)
    """
    flags, buffer_step, buffer_neuron = jnp.asarray(flags), jnp.asarray(buffer_step), jnp.asarray(buffer_neuron)
    if flags.dtype != jnp.bool_ or flags.ndim != 1:
        raise ParameterError(f"compact_spikes: flags must be bool [n], not {flags.dtype} {list(flags.shape)}.")
    if buffer_step.dtype != jnp.int64 or buffer_neuron.dtype != jnp.int32 or not buffer_step.ndim == buffer_neuron.ndim == 1:
        raise ParameterError(
            f"compact_spikes: the buffers must be int64 [capacity] and int32 [capacity], not {buffer_step.dtype} "
            f"{list(buffer_step.shape)} and {buffer_neuron.dtype} {list(buffer_neuron.shape)}. int64 needs jax.enable_x64(True)."
        )
    if buffer_step.shape != buffer_neuron.shape:
        raise ParameterError(f"compact_spikes: the buffers' lengths differ: {buffer_step.shape[0]} and {buffer_neuron.shape[0]}.")
    append = dispatch.updating(functools.partial(dispatch.choose, _native, _reference, gpu=on_gpu.append), 2, 3, 4)
    return append(flags, dispatch.as_step(step, "compact_spikes"), buffer_step, buffer_neuron, dispatch.as_step(count, "compact_spikes"))


def _native(flags, step, buffer_step, buffer_neuron, count):
    results = tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in (buffer_step, buffer_neuron, count))
    return dispatch.native_call("compact_spikes", results, flags, step, buffer_step, buffer_neuron, count, aliases={2: 0, 3: 1, 4: 2})


def _reference(flags, step, buffer_step, buffer_neuron, count):
    capacity = buffer_step.shape[0]

    def append(buffer_step, buffer_neuron, count):
        position = count + jnp.cumsum(flags, dtype=jnp.int64) - 1
        neuron = jnp.arange(flags.shape[0], dtype=jnp.int32)
        # No place comes twice, outside the list neither: a GPU would sort them to settle which is written last.
        position = jnp.where(flags & (position >= 0) & (position < capacity), position, capacity + neuron)
        return (
            buffer_step.at[position].set(step, mode="drop", unique_indices=True),
            buffer_neuron.at[position].set(neuron, mode="drop", unique_indices=True),
            count + jnp.sum(flags, dtype=jnp.int64),
        )

    return dispatch.if_any(flags, append, buffer_step, buffer_neuron, count)
