"""Synapses of programs that add weights to the input current of a step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ranvier.random import Key
from ranvier.synapses.base import Presynaptic, SynapseModel, SynapseState


class StepCurrent(SynapseModel):
    """A current of the weight that lasts one step: the one after the step in which a spike arrives.

    The charge of a spike is the weight times `dt`, so the network is another at another step.
    It is what programs do that add weights to the input of their next step, such as the one of
    Izhikevich 2003, and is here to follow them; in a model of time `Delta` or an exponential
    says what is meant.

    Example:
        >>> import ranvier as rv
        >>> source = rv.Population(1, rv.neurons.SpikeTimes(times=[2.0]))
        >>> target = rv.Population(1, rv.neurons.Passive(leak=0.0, capacitance=1.0), initial={"V": 0.0}, name="target")
        >>> fibre = rv.Projection(source, target, StepCurrent(), [[1]], weight=3.0)
        >>> run = rv.simulate(rv.Network(source, target, fibre), duration=6.0, dt=1.0, record=rv.Record(target, "V"))
        >>> run["target"].V.values[:, 0].round(6).tolist()
        [0.0, 0.0, 0.0, 0.0, 3.0, 3.0, 3.0]
    """

    equations = """I = -i
i = the weights of the spikes that arrived in the step before"""
    reference = "Izhikevich 2003, IEEE Trans Neural Netw 14:1569, the program"
    weight = "current"

    def initial_state(self, n: int, key: Key) -> SynapseState:
        return {"i": jnp.zeros(n)}

    def receive(self, state: SynapseState, arriving: jax.Array) -> SynapseState:
        return {"i": arriving}

    def transmit(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> jax.Array:
        return state["i"]

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        return 0.0, transmitted
