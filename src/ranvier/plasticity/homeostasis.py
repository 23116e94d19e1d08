"""What keeps all weights onto a target in order: seldom, and for every edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ranvier.errors import not_written
from ranvier.model import INPUT, POSITIVE, parameter
from ranvier.plasticity.numbers import OfProjection
from ranvier.plasticity.traces import LowPass, Trace


class Homeostasis(OfProjection):
    """Base of what changes every weight of a projection now and then, beside its rule. `every` may be a parameter of a subclass."""

    every: ClassVar[Any] = 1000.0
    """time between two changes (ms)"""

    def post_traces(self) -> Mapping[str, Trace | LowPass]:
        """What it must know of the targets."""
        return {}

    def update(
        self, edge: Mapping[str, jax.Array], post: Mapping[str, jax.Array], total: Callable[[jax.Array], jax.Array], interval: Any
    ) -> jax.Array:
        """The new weights.

        Args:
            edge: the edges' weight and own variables, each `[edges]`.
            post: the targets' traces and state, at each edge.
            total: gives each edge the sum of a value over all edges of the projection onto its target.
            interval: the time since the last call (ms).
        """
        raise not_written(self, Homeostasis.update)


class NoHomeostasis(Homeostasis):
    """Weights change by their rule alone."""


class Normalization(Homeostasis):
    """The weights onto each target are scaled so that their sum is `total`.

    Example:
        >>> import ranvier as rv
        >>> rule = rv.plasticity.PairSTDP(high=1.0, homeostasis=rv.plasticity.Normalization(total=20.0, every=350.0))
    """

    equations = "w = w * total / (sum of w onto the target)"
    reference = "Diehl & Cook 2015, Front Comput Neurosci 9:99"

    every: Any = parameter(1000.0, "ms", POSITIVE, "time between two changes")  # type: ignore[misc]
    total: Any = parameter(1.0, INPUT, POSITIVE, "sum of the weights onto a target")

    def update(
        self, edge: Mapping[str, jax.Array], post: Mapping[str, jax.Array], total: Callable[[jax.Array], jax.Array], interval: Any
    ) -> jax.Array:
        found = total(edge["weight"])
        return edge["weight"] * jnp.where(found > 0, self.total / jnp.where(found > 0, found, 1.0), 1.0)


class SynapticScaling(Homeostasis):
    """The weights onto each target grow or shrink by the same share until it fires at the wanted rate.

    Example:
        >>> import ranvier as rv
        >>> rule = rv.plasticity.PairSTDP(high=1.0, homeostasis=rv.plasticity.SynapticScaling(target_rate=5.0))
    """

    equations = "tau dw/dt = w * (1 - rate / target_rate),  rate: the target's spikes, averaged over tau_rate"
    reference = "Turrigiano, Leslie, Desai, Rutherford & Nelson 1998, Nature 391:892; van Rossum, Bi & Turrigiano 2000, J Neurosci 20:8812"

    every: Any = parameter(1000.0, "ms", POSITIVE, "time between two changes")  # type: ignore[misc]
    target_rate: Any = parameter(5.0, "Hz", POSITIVE, "rate that the targets are to have")
    tau: Any = parameter(100_000.0, "ms", POSITIVE, "time constant of the scaling")
    tau_rate: Any = parameter(10_000.0, "ms", POSITIVE, "over how long the rate is averaged")

    def post_traces(self) -> Mapping[str, Trace | LowPass]:
        return {"rate": Trace(self.tau_rate, jump=1000.0 / self.tau_rate)}

    def update(
        self, edge: Mapping[str, jax.Array], post: Mapping[str, jax.Array], total: Callable[[jax.Array], jax.Array], interval: Any
    ) -> jax.Array:
        return edge["weight"] * (1.0 + interval / self.tau * (1.0 - post["rate"] / self.target_rate))
