"""The quadratic integrate-and-fire neuron."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, reached
from ranvier.random import Key

_LARGER_THAN_0 = (1e-12, float("inf"))


class QuadraticIntegrateAndFire(NeuronModel):
    """The simplest neuron that makes its own spikes: what remains of any type I neuron near the onset of firing.

    A constant current above `curvature · (threshold − rest)² / 4` makes it fire.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(QuadraticIntegrateAndFire(), current=[69.0, 71.0, 200.0], duration=500.0, dt=0.1)
        >>> run.spikes.counts
        array([ 0,  1, 33])
    """

    equations = """capacitance * dV/dt = curvature * (V - rest) * (V - threshold) + I_input
V >= peak: a spike, V = reset, and V is held there for `refractory`"""
    reference = """Ermentrout & Kopell 1986, SIAM J Appl Math 46:233
Izhikevich 2007, Dynamical Systems in Neuroscience, chapter 8: the form, and the values of its regular spiking cell"""
    input_unit = "pA"
    held = ("V",)

    capacitance: PerNeuron = parameter(100.0, "pF", _LARGER_THAN_0, "membrane capacitance")
    curvature: PerNeuron = parameter(0.7, "nS/mV", _LARGER_THAN_0, "curvature of the I-V curve (k)")
    rest: PerNeuron = parameter(-60.0, "mV", text="resting potential")
    threshold: PerNeuron = parameter(-40.0, "mV", text="potential above which it fires without current")
    peak: PerNeuron = parameter(35.0, "mV", text="potential at which the spike is cut off")
    reset_potential: PerNeuron = parameter(-50.0, "mV", text="potential after a spike", alias="reset")
    refractory: PerNeuron = parameter(0.0, "ms", POSITIVE, "how long the potential stays reset")

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"V": jnp.full(n, self.rest)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V = state["V"]
        return {"V": (inputs.current(V) + self.curvature * (V - self.rest) * (V - self.threshold)) / self.capacitance}

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return reached(before["V"], after["V"], self.peak)

    def reset(self, state: NeuronState, spiked: jax.Array) -> NeuronState:
        return {"V": jnp.where(spiked, self.reset_potential, state["V"])}
