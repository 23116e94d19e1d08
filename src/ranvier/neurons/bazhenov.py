"""The cells of PSST and of the locust antennal lobe."""

from __future__ import annotations

from ranvier.channels import (
    BazhenovCalcium,
    BazhenovPotassium,
    BazhenovSodium,
    CalciumActivatedPotassium,
    CalciumPool,
    Leak,
    TransientPotassium,
)
from ranvier.channels.base import IonChannel, IonPool
from ranvier.model import PerNeuron, component, parameter
from ranvier.neurons.conductance_based import ConductanceBasedNeuron

_SOURCE = "Bazhenov et al. 2001, Neuron 30:553; parameters as in Mohanta & Assisi 2019 (PSST)"


class BazhenovNeuron(ConductanceBasedNeuron):
    """The Hodgkin–Huxley cell of PSST's Days 3 to 5: fast sodium, potassium and a leak."""

    equations = "capacitance * dV/dt = I_input - I_sodium - I_potassium - I_leak"
    reference = _SOURCE

    sodium: IonChannel = component(BazhenovSodium())
    potassium: IonChannel = component(BazhenovPotassium())
    leak: IonChannel = component(Leak(conductance=0.15, reversal=-55.0))


class ProjectionNeuron(ConductanceBasedNeuron):
    """A projection neuron of the locust antennal lobe: sodium spikes and an A current."""

    equations = "capacitance * dV/dt = I_input - I_sodium - I_potassium - I_transient - I_leak - I_potassium_leak"
    reference = _SOURCE

    initial_potential: PerNeuron = parameter(-70.0, "mV", text="potential at the start, the gates at rest there", at_start=True)
    sodium: IonChannel = component(BazhenovSodium())
    potassium: IonChannel = component(BazhenovPotassium())
    transient: IonChannel = component(TransientPotassium())
    leak: IonChannel = component(Leak(conductance=0.15, reversal=-55.0))
    potassium_leak: IonChannel = component(Leak(conductance=0.05, reversal=-95.0))


class LocalNeuron(ConductanceBasedNeuron):
    """A local inhibitory neuron of the locust antennal lobe: calcium spikes, no sodium."""

    equations = "capacitance * dV/dt = I_input - I_calcium_current - I_calcium_potassium - I_potassium - I_leak - I_potassium_leak"
    reference = _SOURCE

    initial_potential: PerNeuron = parameter(-70.0, "mV", text="potential at the start, the gates at rest there", at_start=True)
    potassium: IonChannel = component(BazhenovPotassium())
    calcium_current: IonChannel = component(BazhenovCalcium())
    calcium_potassium: IonChannel = component(CalciumActivatedPotassium())
    leak: IonChannel = component(Leak(conductance=0.15, reversal=-50.0))
    potassium_leak: IonChannel = component(Leak(conductance=0.02, reversal=-95.0))
    calcium: IonPool = component(CalciumPool())
