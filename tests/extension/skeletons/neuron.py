"""A neuron of your own: its state, its equations, and when it spikes."""

from typing import ClassVar

import jax.numpy as jnp

import ranvier as rv


class QuadraticIntegrateAndFire(rv.NeuronModel):
    """The normal form of a neuron at a saddle-node: it fires above a current of `rheobase`."""

    equations = """dV/dt = V^2 - rheobase + I_input
V >= peak: a spike, V = -peak"""
    reference = "Ermentrout & Kopell 1986, SIAM J Appl Math 46:233"
    input_unit = "1/ms"
    variable_units: ClassVar = {"V": "1"}

    rheobase: rv.PerNeuron = rv.parameter(1.0, "1/ms")
    peak: rv.PerNeuron = rv.parameter(10.0, "1")

    def initial_state(self, n, key):
        return {"V": jnp.zeros(n)}

    def derivatives(self, state, inputs, t):
        return {"V": state["V"] ** 2 - self.rheobase + inputs.current(state["V"])}

    def spiked(self, before, after):
        return after["V"] >= self.peak

    def reset(self, state, spiked):
        return {"V": jnp.where(spiked, -self.peak, state["V"])}
