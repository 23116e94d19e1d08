"""Rewards at given times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ranvier.model import parameter
from ranvier.plasticity.modulator import Modulator


class Rewards(Modulator):
    """Rewards at given times: each adds to the third factor, which decays.

    Args:
        times: when they come (ms), ascending.
        amount: what each adds.

    Example:
        >>> import ranvier as rv
        >>> rule = rv.plasticity.RewardModulatedSTDP(reward=Rewards(times=[500.0, 900.0], amount=0.5), high=4.0)
        >>> rule.reward.tau
        200.0
    """

    times: Any = parameter((), "ms", None, "when rewards come", per="sample", double=True)
    amount: Any = parameter(0.5, "1", None, "what a reward adds to the third factor")

    def memory(self) -> Mapping[str, jax.Array]:
        return {"given": jnp.zeros((), jnp.int32)}

    def release(
        self, memory: Mapping[str, jax.Array], spiked: Mapping[str, jax.Array], t: jax.Array
    ) -> tuple[Mapping[str, jax.Array], Any]:
        due = jnp.searchsorted(jnp.atleast_1d(jnp.asarray(self.times)), t, side="right").astype(jnp.int32)
        return {"given": due}, self.amount * (due - memory["given"])
