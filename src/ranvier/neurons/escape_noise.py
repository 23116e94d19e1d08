"""Integrate-and-fire neurons that escape through their threshold at random."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState
from ranvier.random import Key

_LARGER_THAN_0 = (1e-12, float("inf"))


class EscapeNoiseIntegrateAndFire(NeuronModel):
    """A leaky integrate-and-fire neuron with a stochastic threshold: the higher its potential, the likelier a spike.

    Without input it hardly ever fires; at `threshold` it fires at `threshold_rate`. The
    smaller `softness`, the more it is like a neuron with a sharp threshold.

    Example:
        >>> import ranvier as rv
        >>> cells = rv.Population(1000, EscapeNoiseIntegrateAndFire(), current=90.0)  # a sharp threshold is at 100 pA
        >>> run = rv.simulate(cells, duration=300.0, dt=0.1, record=[], seed=1)
        >>> bool(5 < run.spikes.rate.mean() < 30)
        True
    """

    equations = """capacitance * dV/dt = -leak * (V - rest) + I_input
hazard = threshold_rate * exp((V - threshold)/softness)
a spike: V = reset, and V is held there for `refractory`"""
    reference = "Plesser & Gerstner 2000, Neural Comput 12:367; Gerstner & Kistler 2002, Spiking Neuron Models, section 5.3"
    input_unit = "pA"
    held = ("V",)

    capacitance: PerNeuron = parameter(200.0, "pF", _LARGER_THAN_0, "membrane capacitance")
    leak: PerNeuron = parameter(10.0, "nS", POSITIVE, "leak conductance")
    rest: PerNeuron = parameter(-60.0, "mV", text="resting potential")
    threshold: PerNeuron = parameter(-50.0, "mV", text="potential at which the hazard is `threshold_rate`")
    threshold_rate: PerNeuron = parameter(0.1, "1/ms", POSITIVE, "hazard at the threshold")
    softness: PerNeuron = parameter(1.0, "mV", _LARGER_THAN_0, "over which the hazard grows e-fold (Δ)")
    reset_potential: PerNeuron = parameter(-60.0, "mV", text="potential after a spike", alias="reset")
    refractory: PerNeuron = parameter(2.0, "ms", POSITIVE, "how long the potential stays reset and no spike comes")

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"V": jnp.full(n, self.rest)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V = state["V"]
        return {"V": (inputs.current(V) - self.leak * (V - self.rest)) / self.capacitance}

    def spike_hazard(self, state: NeuronState, t: jax.Array) -> jax.Array:
        return self.threshold_rate * jnp.exp((state["V"] - self.threshold) / self.softness)

    def reset(self, state: NeuronState, spiked: jax.Array) -> NeuronState:
        return {"V": jnp.where(spiked, self.reset_potential, state["V"])}
