"""Synapses that jump with each spike and decay exponentially; state shared per target."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ranvier.model import PerNeuron, parameter
from ranvier.random import Key
from ranvier.synapses.base import Presynaptic, SynapseModel, SynapseState

_POSITIVE_TIME = (1e-12, float("inf"))


class ExponentialConductance(SynapseModel):
    """A conductance that jumps by the weight at each spike and decays."""

    equations = """I = g * (V - reversal)
dg/dt = -g / tau;  a spike that arrives: g = g + weight"""
    reference = "Brette et al. 2007, J Comput Neurosci 23:349, benchmark 1"

    tau: PerNeuron = parameter(5.0, "ms", _POSITIVE_TIME, "time constant of the decay")
    reversal: PerNeuron = parameter(0.0, "mV", text="reversal potential", per="target")

    def initial_state(self, n: int, key: Key) -> SynapseState:
        return {"g": jnp.zeros(n)}

    def derivatives(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> SynapseState:
        return {"g": -state["g"] / self.tau}

    def receive(self, state: SynapseState, arriving: jax.Array) -> SynapseState:
        return {"g": state["g"] + arriving}

    def transmit(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> jax.Array:
        return state["g"]

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        return transmitted, transmitted * self.reversal


class ExponentialCurrent(SynapseModel):
    """A current that jumps by the weight at each spike and decays."""

    equations = """I = -i
di/dt = -i / tau;  a spike that arrives: i = i + weight"""
    reference = "Brette et al. 2007, J Comput Neurosci 23:349, benchmark 2"
    weight = "current"

    tau: PerNeuron = parameter(5.0, "ms", _POSITIVE_TIME, "time constant of the decay")

    def initial_state(self, n: int, key: Key) -> SynapseState:
        return {"i": jnp.zeros(n)}

    def derivatives(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> SynapseState:
        return {"i": -state["i"] / self.tau}

    def receive(self, state: SynapseState, arriving: jax.Array) -> SynapseState:
        return {"i": state["i"] + arriving}

    def transmit(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> jax.Array:
        return state["i"]

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        return 0.0, transmitted
