"""The third factor: a signal that all synapses of a projection see, such as dopamine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, parameter
from ranvier.plasticity.numbers import OfProjection


class Modulator(OfProjection):
    """Base of what gives a third factor: a number that decays exactly, and that `release` adds to.

    A subclass may look at who spikes in the network, and remember what it likes in arrays of its own.

    Example:
        >>> import ranvier as rv
        >>> class RewardForSpikes(rv.plasticity.Modulator):
        ...     amount: float = rv.parameter(0.1, "1")
        ...     def release(self, memory, spiked, t):
        ...         return memory, self.amount * spiked["cells"].sum()
    """

    tau: Any = parameter(200.0, "ms", POSITIVE, "time constant with which it decays")
    baseline: Any = parameter(0.0, "1", None, "where it decays to")

    def memory(self) -> Mapping[str, jax.Array]:
        """What it remembers, at the start: arrays by name."""
        return {}

    def release(
        self, memory: Mapping[str, jax.Array], spiked: Mapping[str, jax.Array], t: jax.Array
    ) -> tuple[Mapping[str, jax.Array], Any]:
        """What is added in one step.

        Args:
            memory: what it remembers.
            spiked: who spikes in this step, bool `[n]` by population.
            t: the time at the end of the step (ms).

        Returns:
            The new memory, and the amount.
        """
        return memory, jnp.zeros(())
