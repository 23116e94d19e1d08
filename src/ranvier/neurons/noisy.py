"""Integrate-and-fire neurons with white noise on the membrane."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, reached
from ranvier.random import Key

_LARGER_THAN_0 = (1e-12, float("inf"))


class NoisyIntegrateAndFire(NeuronModel):
    """A leaky integrate-and-fire neuron that white noise drives: an Ornstein–Uhlenbeck process with a threshold.

    Stochastic integrators alone take it. Without a threshold `V` has the variance
    `noise² · capacitance / (2 · leak)`. At the ends of steps alone the potential is compared
    with the threshold, so crossings between them are missed: the neuron fires as if the
    threshold were `0.583 · noise · √dt` higher.

    Example:
        >>> import ranvier as rv
        >>> cells = rv.Population(500, NoisyIntegrateAndFire(), current=90.0)  # a sharp threshold is at 100 pA
        >>> run = rv.simulate(cells, duration=300.0, dt=0.1, record=[], seed=1)
        >>> bool(3 < run.spikes.rate.mean() < 20)
        True
    """

    equations = """capacitance * dV/dt = -leak * (V - rest) + I_input + capacitance * noise * white noise(t)
V >= threshold: a spike, V = reset, and V is held there for `refractory`"""
    reference = "Ricciardi & Sacerdote 1979, Biol Cybern 35:1; Brunel & Hakim 1999, Neural Comput 11:1621"
    input_unit = "pA"
    held = ("V",)

    capacitance: PerNeuron = parameter(200.0, "pF", _LARGER_THAN_0, "membrane capacitance")
    leak: PerNeuron = parameter(10.0, "nS", POSITIVE, "leak conductance")
    rest: PerNeuron = parameter(-60.0, "mV", text="resting potential")
    threshold: PerNeuron = parameter(-50.0, "mV", text="firing threshold")
    reset_potential: PerNeuron = parameter(-60.0, "mV", text="potential after a spike", alias="reset")
    noise: PerNeuron = parameter(0.5, "mV/ms**0.5", POSITIVE, "intensity of the white noise")
    refractory: PerNeuron = parameter(2.0, "ms", POSITIVE, "how long the potential stays reset")

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"V": jnp.full(n, self.rest)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V = state["V"]
        return {"V": (inputs.current(V) - self.leak * (V - self.rest)) / self.capacitance}

    def diffusion(self, state: NeuronState) -> dict[str, Any]:
        return {"V": self.noise}

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return reached(before["V"], after["V"], self.threshold)

    def reset(self, state: NeuronState, spiked: jax.Array) -> NeuronState:
        return {"V": jnp.where(spiked, self.reset_potential, state["V"])}
