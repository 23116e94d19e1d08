"""Electrical synapses."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ranvier.synapses.base import Presynaptic, SynapseModel, SynapseState


class GapJunction(SynapseModel):
    """An electrical synapse: a current in proportion to the difference of the potentials.

    It acts from the source to the target; for a junction that conducts both
    ways, as they do, the connection matrix must be symmetric. With a projection's `delay` it is the potential of so long ago that
    acts, as after conduction along a dendrite.

    Example:
        >>> import ranvier as rv
        >>> cells = rv.Population(2, rv.neurons.HodgkinHuxley(), current=[10.0, 0.0], name="cells")
        >>> both = rv.Projection(cells, cells, rv.synapses.GapJunction(), [[0, 1], [1, 0]], weight=0.2, delay=0.5)
        >>> times = rv.simulate(rv.Network(cells, both), duration=20.0).spikes.times
        >>> bool(0.5 < times[1] - times[0] < 3.0)
        True
    """

    equations = "I = weight * (V - V_pre)"
    reference = "Bennett 1966, Ann N Y Acad Sci 137:509"
    site = "source"

    def transmit(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> dict[str, jax.Array]:
        assert pre is not None
        return {"one": jnp.ones_like(pre["V"]), "V": pre["V"]}

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        return transmitted["one"], transmitted["V"]
