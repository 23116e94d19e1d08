"""The crustacean axon of Connor & Stevens."""

from __future__ import annotations

from ranvier.channels import ConnorStevensPotassium, ConnorStevensSodium, ConnorStevensTransientPotassium, Leak
from ranvier.channels.base import IonChannel
from ranvier.model import PerNeuron, component, parameter
from ranvier.neurons.conductance_based import ConductanceBasedNeuron


class ConnorStevens(ConductanceBasedNeuron):
    """A cell whose A current makes it type I: just above threshold it fires as slowly as one likes.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(ConnorStevens(), current=[8.0, 9.0], duration=500.0)
        >>> run.spikes.counts
        array([0, 9])
    """

    equations = "capacitance * dV/dt = I_input - I_sodium - I_potassium - I_transient - I_leak"
    reference = "Connor, Walter & McKown 1977, Biophys J 18:81; parameters of Dayan & Abbott 2001, Theoretical Neuroscience, section 6.7"

    initial_potential: PerNeuron = parameter(-68.0, "mV", text="potential at the start, the gates at rest there", at_start=True)
    sodium: IonChannel = component(ConnorStevensSodium())
    potassium: IonChannel = component(ConnorStevensPotassium())
    transient: IonChannel = component(ConnorStevensTransientPotassium())
    leak: IonChannel = component(Leak(conductance=0.3, reversal=-17.0))
