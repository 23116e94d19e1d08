"""The squid giant axon."""

from __future__ import annotations

from ranvier.channels import HodgkinHuxleyPotassium, HodgkinHuxleySodium, Leak
from ranvier.channels.base import IonChannel
from ranvier.model import component
from ranvier.neurons.conductance_based import ConductanceBasedNeuron


class HodgkinHuxley(ConductanceBasedNeuron):
    """The model of Hodgkin & Huxley, with rest at −65 mV.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(HodgkinHuxley(), current=10.0, duration=200.0)
        >>> round(1000 / float(run.spikes.times[-1] - run.spikes.times[-2]), 1)
        68.3
    """

    equations = "capacitance * dV/dt = I_input - I_sodium - I_potassium - I_leak"
    reference = "Hodgkin & Huxley 1952, J Physiol 117:500"

    sodium: IonChannel = component(HodgkinHuxleySodium())
    potassium: IonChannel = component(HodgkinHuxleyPotassium())
    leak: IonChannel = component(Leak())
