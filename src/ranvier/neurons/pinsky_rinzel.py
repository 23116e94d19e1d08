"""The two-compartment hippocampal cell of Pinsky & Rinzel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ranvier.channels import ratio_to_expm1
from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, crossed_upward
from ranvier.random import Key

REST = -60.0  # mV; the paper's potentials are counted from there


class PinskyRinzel(NeuronModel):
    """A CA3 pyramidal cell in two compartments: sodium spikes in the soma, calcium in the dendrite, and bursts by what flows between them.

    The soma is the share `p` of the membrane. A current given to the population goes into the soma, `dendritic_current` into the
    dendrite, both per area of the whole cell. Synapses reach the soma, or, with `rv.Projection(…, onto="dendrite")`, the dendrite;
    their weights are per area of the whole cell too. `V` is the soma's potential.

    Bursts of a few spikes come at a small current, spikes one by one at a large one.

    Example:
        >>> import numpy as np
        >>> import ranvier as rv
        >>> few, many = (rv.simulate(PinskyRinzel(), current=I, duration=1500.0, dt=0.05).spikes.times for I in (0.75, 2.5))
        >>> bool(np.diff(few).min() < 20.0 < 200.0 < np.diff(few).max()), bool(np.diff(many[5:]).max() < 60.0)
        (True, True)
    """

    equations = """capacitance * dV/dt = -I_leak(V) - I_sodium - I_rectifier + coupling/p * (V_dendrite - V) + I_soma/p
capacitance * dV_dendrite/dt = -I_leak(V_dendrite) - I_calcium - I_ahp - I_c + (coupling * (V - V_dendrite) + I_dendrite)/(1 - p)
I_sodium = sodium * m_inf(V)^2 * h * (V - reversal_sodium),  I_rectifier = rectifier * n * (V - reversal_potassium)
I_calcium = calcium * s^2 * (V_dendrite - reversal_calcium)
I_c = potassium_c * c * min(Ca/250, 1) * (V_dendrite - reversal_potassium),  I_ahp = ahp * q * (V_dendrite - reversal_potassium)
dCa/dt = -0.13 * I_calcium - 0.075 * Ca"""
    reference = "Pinsky & Rinzel 1994, J Comput Neurosci 1:39; erratum 2:275"
    variable_units: ClassVar[Mapping[str, str]] = {"V": "mV", "V_dendrite": "mV"}
    ports: ClassVar[Mapping[str, str]] = {"dendrite": "V_dendrite"}

    capacitance: PerNeuron = parameter(3.0, "uF/cm^2", (1e-12, float("inf")), "membrane capacitance")
    coupling: PerNeuron = parameter(2.1, "mS/cm^2", POSITIVE, "conductance between the compartments (g_c)")
    p: PerNeuron = parameter(0.5, "1", (1e-6, 1.0 - 1e-6), "the soma's share of the membrane")
    leak: PerNeuron = parameter(0.1, "mS/cm^2", POSITIVE, "leak, both compartments")
    sodium: PerNeuron = parameter(30.0, "mS/cm^2", POSITIVE, "sodium, soma")
    rectifier: PerNeuron = parameter(15.0, "mS/cm^2", POSITIVE, "delayed rectifier, soma")
    calcium: PerNeuron = parameter(10.0, "mS/cm^2", POSITIVE, "calcium, dendrite")
    ahp: PerNeuron = parameter(0.8, "mS/cm^2", POSITIVE, "potassium opened by calcium, slow, dendrite")
    potassium_c: PerNeuron = parameter(15.0, "mS/cm^2", POSITIVE, "potassium opened by calcium and potential, dendrite")
    reversal_leak: PerNeuron = parameter(-60.0, "mV", text="reversal potential of the leak")
    reversal_sodium: PerNeuron = parameter(60.0, "mV", text="of sodium")
    reversal_potassium: PerNeuron = parameter(-75.0, "mV", text="of potassium")
    reversal_calcium: PerNeuron = parameter(80.0, "mV", text="of calcium")
    threshold: PerNeuron = parameter(-10.0, "mV", text="the soma's potential at which a spike is counted")
    dendritic_current: PerNeuron = parameter(0.0, "uA/cm^2", text="current into the dendrite")

    def initial_state(self, n: int, key: Key) -> NeuronState:
        at = lambda value: jnp.full(n, value)
        return {
            "V": at(REST - 4.6),
            "V_dendrite": at(REST - 4.5),
            "h": at(0.999),
            "n": at(0.001),
            "s": at(0.009),
            "c": at(0.007),
            "q": at(0.010),
            "Ca": at(0.2),
        }

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V, D, calcium = state["V"], state["V_dendrite"], state["Ca"]
        v, d = V - REST, D - REST
        opening_m, closing_m = 0.32 * 4.0 * ratio_to_expm1((13.1 - v) / 4.0), 0.28 * 5.0 * ratio_to_expm1((v - 40.1) / 5.0)
        m = opening_m / (opening_m + closing_m)
        opens = {
            "h": (0.128 * jnp.exp((17.0 - v) / 18.0), 4.0 / (1.0 + jnp.exp((40.0 - v) / 5.0))),
            "n": (0.016 * 5.0 * ratio_to_expm1((35.1 - v) / 5.0), 0.25 * jnp.exp(0.5 - 0.025 * v)),
            "s": (1.6 / (1.0 + jnp.exp(-0.072 * (d - 65.0))), 0.02 * 5.0 * ratio_to_expm1((d - 51.1) / 5.0)),
            "c": _calcium_potassium(d),
            "q": (jnp.minimum(2e-5 * calcium, 0.01), 0.001),
        }
        gates = {name: opening * (1.0 - state[name]) - closing * state[name] for name, (opening, closing) in opens.items()}
        current = self.calcium * state["s"] ** 2 * (D - self.reversal_calcium)
        potassium = self.ahp * state["q"] + self.potassium_c * state["c"] * jnp.minimum(calcium / 250.0, 1.0)
        soma = self.sodium * m**2 * state["h"] * (V - self.reversal_sodium) + self.rectifier * state["n"] * (V - self.reversal_potassium)
        along, rest = self.coupling * (D - V), 1.0 - self.p
        into_dendrite = inputs["dendrite"].current(D) + self.dendritic_current
        return {
            "V": (-self.leak * (V - self.reversal_leak) - soma + (along + inputs.current(V)) / self.p) / self.capacitance,
            "V_dendrite": (
                -self.leak * (D - self.reversal_leak) - current - potassium * (D - self.reversal_potassium) + (into_dendrite - along) / rest
            )
            / self.capacitance,
            **gates,
            "Ca": -0.13 * current - 0.075 * calcium,
        }

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return crossed_upward(before["V"], after["V"], self.threshold)


def _calcium_potassium(d: jax.Array) -> tuple[Any, Any]:
    """How fast the fast potassium current's gate opens and closes."""
    falls = 2.0 * jnp.exp((6.5 - d) / 27.0)
    below = jnp.exp((jnp.minimum(d, 50.0) - 10.0) / 11.0 - (jnp.minimum(d, 50.0) - 6.5) / 27.0) / 18.975
    opening = jnp.where(d <= 50.0, below, falls)
    return opening, falls - opening
