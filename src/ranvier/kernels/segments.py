"""Arrays whose neurons belong to several parts, one behind the other."""

from __future__ import annotations

import jax
import jax.numpy as jnp

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
    method = "compare_all" if ends.shape[0] <= _COMPARED_UP_TO else "scan"
    return jnp.searchsorted(ends[:-1], jnp.arange(n, dtype=ends.dtype), side="right", method=method).astype(jnp.int32)
