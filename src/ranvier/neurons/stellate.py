"""The stellate cell of the entorhinal cortex."""

from __future__ import annotations

from ranvier.channels import AckerHCurrent, AckerPersistentSodium, AckerPotassium, AckerSodium, Leak
from ranvier.channels.base import IonChannel
from ranvier.model import PerNeuron, component, parameter
from ranvier.neurons.conductance_based import ConductanceBasedNeuron


class Stellate(ConductanceBasedNeuron):
    """A stellate cell of layer II of the medial entorhinal cortex.

    Persistent sodium and the current that hyperpolarisation opens make its potential ring below the threshold of spikes, and keep its
    spikes at the rates of theta.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(Stellate(), current=[-3.0, -2.25, -2.0], duration=1000.0, dt=0.05)
        >>> run.spikes.between(200.0, 1000.0).rate.round()
        array([ 0.,  9., 10.])
    """

    equations = "capacitance * dV/dt = I_input - I_sodium - I_potassium - I_persistent - I_h - I_leak"
    reference = "Acker, Kopell & White 2003, J Comput Neurosci 15:71"

    capacitance: PerNeuron = parameter(1.5, "uF/cm^2", (1e-12, float("inf")), "membrane capacitance")
    initial_potential: PerNeuron = parameter(-60.0, "mV", text="potential at the start, the gates at rest there", at_start=True)
    sodium: IonChannel = component(AckerSodium())
    potassium: IonChannel = component(AckerPotassium())
    persistent: IonChannel = component(AckerPersistentSodium())
    h: IonChannel = component(AckerHCurrent())
    leak: IonChannel = component(Leak(conductance=0.5, reversal=-65.0))
