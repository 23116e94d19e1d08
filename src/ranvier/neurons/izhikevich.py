"""Izhikevich's neurons: a quadratic onset of the spike, a recovery variable, and a reset of both."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, reached
from ranvier.random import Key


class Izhikevich2003(NeuronModel):
    """The form of 2003, with four parameters and a current in mV/ms.

    The paper's own program takes steps of 1 ms: two half steps for `V`, then one for `u` from
    the new `V`. That is `rv.SplitEuler()` with `dt=1.0`; its spikes are those of that scheme,
    not of the equations, which any other integrator with a short step gives.

    The default parameters, `regular_spiking()`, and the other six named constructors are the
    cells of the paper's figure 2.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(Izhikevich2003.chattering(), current=10.0, duration=100.0, dt=0.1)
        >>> run.spikes.counts
        array([12])
    """

    equations = """dV/dt = 0.04 V^2 + 5 V + 140 - u + I_input
du/dt = a (b V - u)
V >= peak: a spike, V = c, u = u + d"""
    reference = "Izhikevich 2003, IEEE Trans Neural Netw 14:1569"
    input_unit = "mV/ms"
    variable_units: ClassVar[dict[str, str]] = {"V": "mV", "u": "mV/ms"}

    a: PerNeuron = parameter(0.02, "1/ms", POSITIVE, "speed of the recovery")
    b: PerNeuron = parameter(0.2, "1/ms", text="how strongly the recovery follows the potential")
    c: PerNeuron = parameter(-65.0, "mV", text="potential after a spike")
    d: PerNeuron = parameter(8.0, "mV/ms", text="how much a spike adds to the recovery")
    peak: PerNeuron = parameter(30.0, "mV", text="potential at which the spike is cut off")
    initial_potential: PerNeuron = parameter(-65.0, "mV", text="potential at the start, with u = b V", at_start=True)

    @classmethod
    def regular_spiking(cls) -> Izhikevich2003:
        """RS: fires fast at first, then more slowly."""
        return cls()

    @classmethod
    def intrinsically_bursting(cls) -> Izhikevich2003:
        """IB: a burst at first, then single spikes."""
        return cls(c=-55.0, d=4.0)

    @classmethod
    def chattering(cls) -> Izhikevich2003:
        """CH: bursts of spikes in close succession, again and again."""
        return cls(c=-50.0, d=2.0)

    @classmethod
    def fast_spiking(cls) -> Izhikevich2003:
        """FS: fires fast without adaptation."""
        return cls(a=0.1, d=2.0)

    @classmethod
    def low_threshold_spiking(cls) -> Izhikevich2003:
        """LTS: fires fast and adapts, at low currents too."""
        return cls(b=0.25, d=2.0)

    @classmethod
    def thalamo_cortical(cls) -> Izhikevich2003:
        """TC: fires without pause when depolarised, and in a rebound burst after hyperpolarisation."""
        return cls(b=0.25, d=0.05)

    @classmethod
    def resonator(cls) -> Izhikevich2003:
        """RZ: its potential oscillates below the threshold."""
        return cls(a=0.1, b=0.26, d=2.0)

    def initial_state(self, n: int, key: Key) -> NeuronState:
        V = jnp.full(n, self.initial_potential)
        return {"V": V, "u": self.b * V}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V, u = state["V"], state["u"]
        return {"V": 0.04 * V**2 + 5.0 * V + 140.0 - u + inputs.current(V), "u": self.a * (self.b * V - u)}

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return reached(before["V"], after["V"], self.peak)

    def reset(self, state: NeuronState, spiked: jax.Array) -> NeuronState:
        return {"V": jnp.where(spiked, self.c, state["V"]), "u": jnp.where(spiked, state["u"] + self.d, state["u"])}


class Izhikevich2007(NeuronModel):
    """The form of 2007, whose parameters are those of a cell, with a current in pA.

    The default parameters, `regular_spiking()`, and `intrinsically_bursting()` and
    `chattering()` are cells of the book's chapter 8. (Its fast spiking cell has a recovery
    that is cubic in `V`, and so is another model.)

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(Izhikevich2007(), current=[50.0, 70.0, 100.0], duration=500.0, dt=0.1)
        >>> run.spikes.counts
        array([0, 3, 6])
    """

    equations = """capacitance * dV/dt = k (V - rest) (V - threshold) - u + I_input
du/dt = a (b (V - rest) - u)
V >= peak: a spike, V = c, u = u + d"""
    reference = "Izhikevich 2007, Dynamical Systems in Neuroscience, eqs. 8.5 and 8.6"
    input_unit = "pA"
    held = ("V",)
    variable_units: ClassVar[dict[str, str]] = {"V": "mV", "u": "pA"}

    capacitance: PerNeuron = parameter(100.0, "pF", (1e-12, float("inf")), "membrane capacitance")
    k: PerNeuron = parameter(0.7, "nS/mV", POSITIVE, "curvature of the I-V curve")
    rest: PerNeuron = parameter(-60.0, "mV", text="resting potential")
    threshold: PerNeuron = parameter(-40.0, "mV", text="instantaneous threshold")
    a: PerNeuron = parameter(0.03, "1/ms", POSITIVE, "speed of the recovery")
    b: PerNeuron = parameter(-2.0, "nS", text="how strongly the recovery follows the potential")
    c: PerNeuron = parameter(-50.0, "mV", text="potential after a spike")
    d: PerNeuron = parameter(100.0, "pA", text="how much a spike adds to the recovery")
    peak: PerNeuron = parameter(35.0, "mV", text="potential at which the spike is cut off")
    refractory: PerNeuron = parameter(0.0, "ms", POSITIVE, "how long the potential stays reset")

    @classmethod
    def regular_spiking(cls) -> Izhikevich2007:
        """RS: the pyramidal cell of layer 5 of section 8.2.1."""
        return cls()

    @classmethod
    def intrinsically_bursting(cls) -> Izhikevich2007:
        """IB: the cell of section 8.2.2."""
        return cls(capacitance=150.0, k=1.2, rest=-75.0, threshold=-45.0, a=0.01, b=5.0, c=-56.0, d=130.0, peak=50.0)

    @classmethod
    def chattering(cls) -> Izhikevich2007:
        """CH: the cell of section 8.2.3."""
        return cls(capacitance=50.0, k=1.5, a=0.03, b=1.0, c=-40.0, d=150.0, peak=25.0)

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"V": jnp.full(n, self.rest), "u": jnp.zeros(n)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V, u = state["V"], state["u"]
        return {
            "V": (self.k * (V - self.rest) * (V - self.threshold) - u + inputs.current(V)) / self.capacitance,
            "u": self.a * (self.b * (V - self.rest) - u),
        }

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return reached(before["V"], after["V"], self.peak)

    def reset(self, state: NeuronState, spiked: jax.Array) -> NeuronState:
        return {"V": jnp.where(spiked, self.c, state["V"]), "u": jnp.where(spiked, state["u"] + self.d, state["u"])}
