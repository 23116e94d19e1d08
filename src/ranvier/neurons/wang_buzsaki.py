"""The hippocampal interneuron of Wang & Buzsáki."""

from __future__ import annotations

from ranvier.channels import Leak, WangBuzsakiPotassium, WangBuzsakiSodium
from ranvier.channels.base import IonChannel
from ranvier.model import PerNeuron, component, parameter
from ranvier.neurons.conductance_based import ConductanceBasedNeuron


class WangBuzsaki(ConductanceBasedNeuron):
    """A fast-spiking interneuron: fires up to hundreds of Hz, and hardly hyperpolarises after a spike.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(WangBuzsaki(), current=1.0, duration=500.0)
        >>> run.spikes.rate.round()
        array([60.])
    """

    equations = "capacitance * dV/dt = I_input - I_sodium - I_potassium - I_leak"
    reference = "Wang & Buzsáki 1996, J Neurosci 16:6402, eqs. 1-4"

    initial_potential: PerNeuron = parameter(-64.0, "mV", text="potential at the start, the gates at rest there", at_start=True)
    sodium: IonChannel = component(WangBuzsakiSodium())
    potassium: IonChannel = component(WangBuzsakiPotassium())
    leak: IonChannel = component(Leak(conductance=0.1, reversal=-65.0))
