"""Synapses that move the membrane potential at once."""

from __future__ import annotations

import jax

from ranvier.synapses.base import SynapseModel


class Delta(SynapseModel):
    """Each spike that arrives moves the potential by the weight (mV).

    A kick into a refractory neuron, or into one that spikes in the same step,
    is lost, as in NEST and Brian2.
    """

    equations = "a spike that arrives: V = V + weight"
    reference = "Brunel 2000, J Comput Neurosci 8:183, eq. 2"
    weight = "potential"

    def kick(self, arriving: jax.Array) -> jax.Array:
        return arriving
