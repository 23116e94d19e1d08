"""Poisson inputs whose rate changes in time, or whose spikes several neurons have in common."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import ParameterError
from ranvier.kernels.draws import Streams, add_poisson, poisson_counts
from ranvier.words import MASK

if TYPE_CHECKING:
    from ranvier.network.draw import DrawnInput

THRESHOLDS = 64
MOST = 20.0
"""The largest mean count of a step: what is more than `THRESHOLDS` then happens less than once in 2³³ draws."""

TIMES_AT_ONCE = 100_000


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ChangingCounts:
    """One such input onto a receptor.

    Attributes:
        rate: a stimulus (Hz): one number, or one a row.
        per: how many spikes a step there are for each Hz, float64 `[rows]`.
        row: each neuron's row, int32 `[neurons]`, −1 for none.
        weight: `[neurons]` or a number.
        streams: where the counts draw from.
        common: where the count draws from that all neurons have in common.
        correlation: which share of a neuron's spikes is common.
    """

    rate: Any
    per: Any
    row: Any
    weight: Any
    streams: Streams
    common: Streams
    correlation: Any


def thresholds(mean: jax.Array) -> jax.Array:
    """`poisson_table` of means that are traced, up to `MOST`: uint32 `[R, THRESHOLDS]`.

    Example:
        >>> from ranvier.kernels.draws import poisson_table
        >>> with jax.enable_x64(True):
        ...     words = np.asarray(thresholds(jnp.array([0.0, 0.5, 20.0])), np.int64)
        >>> int(abs(words - poisson_table([0.0, 0.5, 20.0], THRESHOLDS)).max()) <= 1
        True
    """
    k = jnp.arange(THRESHOLDS, dtype=jnp.float64)[None, :]
    some = jnp.maximum(mean, 1e-300)[:, None]
    cumulative = jnp.cumsum(jnp.exp(k * jnp.log(some) - some - jax.scipy.special.gammaln(k + 1.0)), axis=1)
    return jnp.minimum(jnp.rint(cumulative * 2.0**32), float(MASK)).astype(jnp.uint32)


def add_changing(arriving: jax.Array, seed: Any, counts: ChangingCounts, k: Any, t: Any) -> jax.Array:
    """What arrives in a step, with such an input's spikes."""
    rate = jnp.maximum(jnp.asarray(counts.rate(t), jnp.float64), 0.0)
    mean = jnp.broadcast_to(rate * counts.per, counts.per.shape)
    own = thresholds(mean * (1.0 - counts.correlation))
    arriving = add_poisson(arriving, seed, counts.streams, k, own, counts.weight, counts.row)
    together = poisson_counts(seed, counts.common, k, thresholds(mean.max(keepdims=True) * counts.correlation), 1)
    weight = jnp.asarray(counts.weight, arriving.dtype)
    return arriving + jnp.where(counts.row >= 0, weight * together[0].astype(arriving.dtype), 0.0)


def check_rates(name: str, drawn: DrawnInput, begin: int, end: int, dt: float) -> None:
    """Checks a changing rate at the steps of a run, or at many of them.

    Raises:
        ParameterError: it is not a number, or more than can be drawn.
    """
    if drawn.changing is None:
        return
    steps = np.linspace(begin, max(end - 1, begin), min(max(end - begin, 1), TIMES_AT_ONCE)).astype(np.int64)
    rates = np.asarray(jax.vmap(drawn.changing)(jnp.asarray(steps * dt)))
    if np.isnan(rates).any():
        at = steps[np.argwhere(np.isnan(rates))[0][0]] * dt
        raise ParameterError(f"The rate of {name} is NaN at t = {at:g} ms, but it must be a number (Hz) at all times of the run.")
    highest = float((rates.reshape(len(steps), -1) * drawn.mean).max(initial=0.0))
    if highest > MOST:
        raise ParameterError(
            f"{name} brings {highest:.3g} spikes a step to a neuron at some time; of a rate that changes, at most {MOST:g} can be drawn. "
            "Take a smaller dt, or a current with white noise: rv.stimuli.WhiteNoise."
        )
