"""Integrate-and-fire neurons."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, beyond, reached
from ranvier.random import Key


class LeakyIntegrateAndFire(NeuronModel):
    """A leaky membrane with a threshold, a reset and a refractory period.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(LeakyIntegrateAndFire(refractory=2.0), current=300.0, duration=100.0, dt=0.1)
        >>> run.spikes.times[:3].round(1)
        array([ 8.1, 18.3, 28.5])
    """

    equations = """capacitance * dV/dt = -leak * (V - rest) + I_input
V >= threshold: a spike, V = reset, and V is held there for `refractory`"""
    reference = "Lapicque 1907, J Physiol Pathol Gen 9:620; Stein 1967, Proc R Soc B 167:64"
    input_unit = "pA"
    held = ("V",)

    capacitance: PerNeuron = parameter(200.0, "pF", (1e-12, float("inf")), "membrane capacitance")
    leak: PerNeuron = parameter(10.0, "nS", POSITIVE, "leak conductance")
    rest: PerNeuron = parameter(-60.0, "mV", text="resting potential")
    threshold: PerNeuron = parameter(-50.0, "mV", text="firing threshold")
    reset_potential: PerNeuron = parameter(-60.0, "mV", text="potential after a spike", alias="reset")
    refractory: PerNeuron = parameter(0.0, "ms", POSITIVE, "how long the potential stays reset")

    @property
    def largest_potential(self) -> float:
        return beyond(self.rest, self.threshold, self.reset_potential)

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"V": jnp.full(n, self.rest)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V = state["V"]
        return {"V": (inputs.current(V) - self.leak * (V - self.rest)) * (1 / self.capacitance)}

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return reached(before["V"], after["V"], self.threshold)

    def reset(self, state: NeuronState, spiked: jax.Array) -> NeuronState:
        return {"V": jnp.where(spiked, self.reset_potential, state["V"])}
