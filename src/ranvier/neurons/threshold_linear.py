"""A firing rate in place of spikes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState
from ranvier.random import Key


class ThresholdLinearRate(NeuronModel):
    """A neuron that is its firing rate, which follows what is above a threshold of its input. It has no spikes.

    Such neurons are coupled by `rv.synapses.GradedCurrent("rate")`.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(ThresholdLinearRate(threshold=1.0), current=[0.5, 3.0], duration=200.0, dt=0.5)
        >>> run["rate"][-1].values.round(3)
        array([0., 2.])
    """

    equations = "tau * drate/dt = -rate + gain * max(0, I_input - threshold)"
    reference = "Dayan & Abbott 2001, Theoretical Neuroscience, eq. 7.11"
    input_unit = "1"
    variable_units: ClassVar[Mapping[str, str]] = {}
    has_spikes = False
    membrane = "rate"

    tau: PerNeuron = parameter(10.0, "ms", (1e-12, float("inf")), "time constant")
    gain: PerNeuron = parameter(1.0, "1", POSITIVE, "rate per input above the threshold")
    threshold: PerNeuron = parameter(0.0, "1", text="input above which it fires")

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"rate": jnp.zeros(n)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        above = jnp.maximum(inputs.current(state["rate"]) - self.threshold, 0.0)
        return {"rate": (self.gain * above - state["rate"]) / self.tau}

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return jnp.zeros(before["rate"].shape, bool)
