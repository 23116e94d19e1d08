"""Arrays whose neurons belong to several parts, one behind the other."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ranvier.kernels import dispatch

_COMPARED_UP_TO = 16  # segments; among more, it is searched


def segment_of(ends: jax.Array, n: int) -> jax.Array:
    """Which segment each neuron is in.

    Args:
        ends: segment `s` has the neurons `ends[s - 1]` … `ends[s] - 1`, the last one all that follow; ascending, int32
            `[segments]`. May be traced.
        n: how many neurons.

    Returns:
        int32 `[n]`.

    Example:
        >>> segment_of(jnp.array([2, 2, 3]), 5).tolist()
        [0, 0, 2, 2, 2]
    """
    neurons = jnp.arange(n, dtype=ends.dtype)
    if ends.shape[0] <= _COMPARED_UP_TO:
        return jnp.searchsorted(ends[:-1], neurons, side="right", method="compare_all").astype(jnp.int32)
    return dispatch.place_among(ends[:-1], neurons, side="right").astype(jnp.int32)
