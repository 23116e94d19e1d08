"""NMDA receptors: slow, and blocked by magnesium at rest."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.random import Key
from ranvier.synapses.base import Presynaptic, SynapseModel, SynapseState
from ranvier.synapses.double_exponential import DoubleExponential

_POSITIVE_TIME = (1e-12, float("inf"))


def unblocked(V: Any, magnesium: Any) -> Any:
    """The share of NMDA receptors that magnesium (mM) leaves open at the potential `V` (Jahr & Stevens 1990).

    Example:
        >>> round(float(unblocked(-70.0, 1.0)), 3), round(float(unblocked(0.0, 1.0)), 3)
        (0.044, 0.781)
    """
    return 1.0 / (1.0 + magnesium / 3.57 * jnp.exp(-0.062 * V))


class NMDA(DoubleExponential):
    """An NMDA conductance: the difference of two exponentials, times what magnesium leaves open.

    Before the block one spike's conductance is at most its weight. The block depends on the
    target's potential at every instant; exponential integrators hold it over a step.

    Example:
        >>> import ranvier as rv
        >>> source = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), initial={"V": -50.0})  # spikes at once
        >>> cells = rv.Population(2, rv.neurons.Passive(rest=[-80.0, -40.0]), initial={"V": [-80.0, -40.0]}, name="cells")
        >>> fibre = rv.Projection(source, cells, rv.synapses.NMDA(), [[1], [1]], weight=0.01)
        >>> V = rv.simulate(rv.Network(source, cells, fibre), duration=50.0, record=rv.Record(cells, "V"))["cells"].V
        >>> (V.max("time") - V[0]).values.round(1)  # mV, of a driving force of 80 and of 40
        array([0.2, 0.8])
    """

    equations = """I = g * B(V) * (V - reversal),  B(V) = 1 / (1 + magnesium / 3.57 mM * exp(-0.062 V / mV))
dg/dt = k * rising - g / decay,  d rising/dt = -rising / rise;  a spike that arrives: rising = rising + weight
k = r^(r/(r - 1)) / decay,  r = decay / rise: one spike's g is at most its weight"""
    reference = "Jahr & Stevens 1990, J Neurosci 10:3178: the block"
    response = "g"

    rise: PerNeuron = parameter(2.0, "ms", _POSITIVE_TIME, "time constant of the rise")
    decay: PerNeuron = parameter(100.0, "ms", _POSITIVE_TIME, "time constant of the decay")
    magnesium: PerNeuron = parameter(1.0, "mM", POSITIVE, "concentration of magnesium outside", per="target")
    reversal: PerNeuron = parameter(0.0, "mV", text="reversal potential", per="target")

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        conductance = transmitted * unblocked(V, self.magnesium)
        return conductance, conductance * self.reversal


class SaturatingNMDA(SynapseModel):
    """An NMDA synapse whose receptors saturate: however often its source fires, no more than all of them are open.

    Its gate belongs to the presynaptic neuron, so all its targets share one.
    """

    equations = """I = weight * open * B(V) * (V - reversal),  B(V) = 1 / (1 + magnesium / 3.57 mM * exp(-0.062 V / mV))
d open/dt = opening * rising * (1 - open) - open / decay
d rising/dt = -rising / rise;  a presynaptic spike: rising = rising + 1"""
    reference = """Wang 2002, Neuron 36:955: the kinetics and their parameters
Jahr & Stevens 1990, J Neurosci 10:3178: the block"""
    site = "source"

    rise: PerNeuron = parameter(2.0, "ms", _POSITIVE_TIME, "time constant of the rise")
    decay: PerNeuron = parameter(100.0, "ms", _POSITIVE_TIME, "time constant of the decay")
    opening: PerNeuron = parameter(0.5, "1/ms", POSITIVE, "opening rate after one spike (α)")
    magnesium: PerNeuron = parameter(1.0, "mM", POSITIVE, "concentration of magnesium outside", per="target")
    reversal: PerNeuron = parameter(0.0, "mV", text="reversal potential", per="target")

    def initial_state(self, n: int, key: Key) -> SynapseState:
        return {"rising": jnp.zeros(n), "open": jnp.zeros(n)}

    def emit(self, state: SynapseState, spiked: jax.Array, t: jax.Array) -> tuple[SynapseState, Any]:
        amplitude = spiked.astype(state["rising"].dtype)
        return {**state, "rising": state["rising"] + amplitude}, amplitude

    def derivatives(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> SynapseState:
        rising, opened = state["rising"], state["open"]
        return {"rising": -rising / self.rise, "open": self.opening * rising * (1.0 - opened) - opened / self.decay}

    def transmit(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> jax.Array:
        return state["open"]

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        conductance = transmitted * unblocked(V, self.magnesium)
        return conductance, conductance * self.reversal
