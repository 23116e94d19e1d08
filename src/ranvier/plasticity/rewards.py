"""Rewards at given times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import ParameterError
from ranvier.model import POSITIVE, parameter
from ranvier.plasticity.modulator import Modulator


class Rewards(Modulator):
    """Rewards at given times: each adds to the third factor, which decays.

    Args:
        times: when they come (ms), ascending, from 0 on.
        amount: what each adds.

    Raises:
        ParameterError: times that do not ascend, or are below 0.

    Example:
        >>> import ranvier as rv
        >>> rule = rv.plasticity.RewardModulatedSTDP(reward=Rewards(times=[500.0, 900.0], amount=0.5), high=4.0)
        >>> rule.reward.tau
        200.0
    """

    times: Any = parameter((), "ms", POSITIVE, "when rewards come", per="sample", double=True)
    amount: Any = parameter(0.5, "1", None, "what a reward adds to the third factor")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.times, jax.core.Tracer) and type(self.times) is not object:  # JAX puts bare objects in the place of leaves
            times = np.atleast_1d(np.asarray(self.times, np.float64))
            if times.ndim != 1 or np.any(np.diff(times) < 0):
                raise ParameterError(f"{type(self).__name__}.times must be one time or a list of times that ascend: give np.sort(times).")

    def memory(self) -> Mapping[str, jax.Array]:
        return {"given": jnp.zeros((), jnp.int32)}

    def release(
        self, memory: Mapping[str, jax.Array], spiked: Mapping[str, jax.Array], t: jax.Array
    ) -> tuple[Mapping[str, jax.Array], Any]:
        due = jnp.searchsorted(jnp.atleast_1d(jnp.asarray(self.times)), t, side="right").astype(jnp.int32)
        return {"given": due}, self.amount * (due - memory["given"])
