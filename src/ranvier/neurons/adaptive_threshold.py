"""Integrate-and-fire neurons whose threshold moves."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, beyond, reached
from ranvier.random import Key

_LARGER_THAN_0 = (1e-12, float("inf"))


class AdaptiveThresholdIntegrateAndFire(NeuronModel):
    """A leaky integrate-and-fire neuron that is harder to fire after each spike.

    `shift` is how far the threshold is above `threshold`; it decays during the refractory
    period too. The cell fires ever more slowly until its jumps and its decay balance.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(AdaptiveThresholdIntegrateAndFire(), current=300.0, duration=200.0, dt=0.1)
        >>> run.spikes.times[:5].round(1)
        array([ 8.1, 20.1, 33.9, 49.2, 65.8])
    """

    equations = """capacitance * dV/dt = -leak * (V - rest) + I_input
d shift/dt = -shift / threshold_tau
V >= threshold + shift: a spike, V = reset, shift = shift + threshold_jump, and V is held for `refractory`"""
    reference = """Geisler & Goldberg 1966, Biophys J 6:53: a threshold that jumps and decays
Teeter et al. 2018, Nat Commun 9:709: with a leaky membrane, their GLIF2"""
    input_unit = "pA"
    held = ("V",)
    variable_units: ClassVar[dict[str, str]] = {"V": "mV", "shift": "mV"}

    capacitance: PerNeuron = parameter(200.0, "pF", _LARGER_THAN_0, "membrane capacitance")
    leak: PerNeuron = parameter(10.0, "nS", POSITIVE, "leak conductance")
    rest: PerNeuron = parameter(-60.0, "mV", text="resting potential")
    threshold: PerNeuron = parameter(-50.0, "mV", text="firing threshold of a neuron that has long been silent")
    reset_potential: PerNeuron = parameter(-60.0, "mV", text="potential after a spike", alias="reset")
    threshold_jump: PerNeuron = parameter(2.0, "mV", text="how much a spike raises the threshold")
    threshold_tau: PerNeuron = parameter(100.0, "ms", _LARGER_THAN_0, "time constant with which the threshold returns")
    refractory: PerNeuron = parameter(2.0, "ms", POSITIVE, "how long the potential stays reset")

    @property
    def largest_potential(self) -> float:
        return beyond(self.rest, self.threshold, self.reset_potential)

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"V": jnp.full(n, self.rest), "shift": jnp.zeros(n)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V = state["V"]
        return {
            "V": (inputs.current(V) - self.leak * (V - self.rest)) / self.capacitance,
            "shift": -state["shift"] / self.threshold_tau,
        }

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return reached(before["V"] - before["shift"], after["V"] - after["shift"], self.threshold)

    def reset(self, state: NeuronState, spiked: jax.Array) -> NeuronState:
        return {
            "V": jnp.where(spiked, self.reset_potential, state["V"]),
            "shift": jnp.where(spiked, state["shift"] + self.threshold_jump, state["shift"]),
        }
