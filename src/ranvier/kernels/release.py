"""How many sites of a synapse release at a spike: counter-based draws, by edge and step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.kernels.dispatch import as_step
from ranvier.random import Draws, threefry2x32
from ranvier.words import MASK

_NEXT = 0x9E3779B9  # between the streams of two pairs of sites


def released(sites: int, probability: Any, seed: tuple[Any, Any], stream: Any, step: Any, edge: jax.Array) -> jax.Array:
    """How many of its sites release at each of some edges, int32 `[edges]`.

    Args:
        sites: of each edge.
        probability: that one does, a number or `[edges]`, right to 2⁻³².
        seed, stream: where the draws are from.
        step: of the simulation.
        edge: the edges' numbers, int32 `[edges]`.

    Example:
        >>> import jax
        >>> with jax.enable_x64(True):
        ...     count = released(4, 0.5, (0, 0), 7, 11, jnp.arange(10_000, dtype=jnp.int32))
        >>> bool(abs(count.mean() - 2.0) < 0.05), bool(abs(count.var() - 1.0) < 0.05)
        (True, True)
    """
    probability = jnp.asarray(probability)
    some = (probability > 0) & (probability < 1)
    threshold = (jnp.where(some, probability, 0) * 2.0**32).astype(jnp.uint32)
    count, always = jnp.zeros(edge.shape, jnp.int32), probability >= 1
    step = as_step(step, "released")
    low = step.astype(jnp.uint32)
    for pair in range(-(-sites // 2)):
        draws = Draws(seed, jnp.asarray(stream, jnp.uint32) + np.uint32(pair * _NEXT & MASK), step)
        words = threefry2x32(draws.key, (edge.astype(jnp.uint32), low))
        for word in words[: sites - 2 * pair]:
            count += ((word < threshold) | always).astype(jnp.int32)
    return count
