"""Synapses that answer a spike with an alpha function; state shared per target."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ranvier.model import PerNeuron, parameter
from ranvier.random import Key
from ranvier.synapses.base import Presynaptic, SynapseModel, SynapseState

_SOURCE = "Rall 1967, J Neurophysiol 30:1138"


class _Alpha(SynapseModel):
    """Base of the synapses with an alpha function: two variables, of which a spike moves the first."""

    response: ClassVar[str]

    tau: PerNeuron = parameter(2.0, "ms", (1e-12, float("inf")), "from a spike's arrival to the peak of its response")

    def initial_state(self, n: int, key: Key) -> SynapseState:
        return {"rise": jnp.zeros(n), self.response: jnp.zeros(n)}

    def derivatives(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> SynapseState:
        rise, response = state["rise"], state[self.response]
        return {"rise": -rise / self.tau, self.response: (math.e * rise - response) / self.tau}

    def receive(self, state: SynapseState, arriving: jax.Array) -> SynapseState:
        return {"rise": state["rise"] + arriving}

    def transmit(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> jax.Array:
        return state[self.response]


class AlphaConductance(_Alpha):
    """A conductance that rises to the weight within `tau` of a spike and then falls: `weight · t/tau · exp(1 − t/tau)`.

    Example:
        >>> import ranvier as rv
        >>> source = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), initial={"V": -50.0})  # spikes at once
        >>> target = rv.Population(1, rv.neurons.Passive())
        >>> fibre = rv.Projection(source, target, rv.synapses.AlphaConductance(tau=2.0), [[1]], weight=0.1, name="fibre")
        >>> g = rv.simulate(rv.Network(source, target, fibre), duration=10.0, record=rv.Record(fibre, "g"))["fibre"].g
        >>> round(float(g.max()), 4), float(g.idxmax("time").round(2)[0])
        (0.1, 2.01)
    """

    equations = """I = g * (V - reversal)
dg/dt = (e * rise - g) / tau,  d rise/dt = -rise / tau;  a spike that arrives: rise = rise + weight"""
    reference = _SOURCE
    response = "g"

    reversal: PerNeuron = parameter(0.0, "mV", text="reversal potential", per="target")

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        return transmitted, transmitted * self.reversal


class AlphaCurrent(_Alpha):
    """A current that rises to the weight within `tau` of a spike and then falls: `weight · t/tau · exp(1 − t/tau)`."""

    equations = """I = -i
di/dt = (e * rise - i) / tau,  d rise/dt = -rise / tau;  a spike that arrives: rise = rise + weight"""
    reference = _SOURCE
    weight = "current"
    response = "i"

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        return 0.0, transmitted
