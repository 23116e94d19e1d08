"""The hippocampal cell of Traub & Miles."""

from __future__ import annotations

from ranvier.channels import Leak, TraubMilesPotassium, TraubMilesSodium
from ranvier.channels.base import IonChannel
from ranvier.model import PerNeuron, component, parameter
from ranvier.neurons.conductance_based import ConductanceBasedNeuron


class TraubMiles(ConductanceBasedNeuron):
    """The Hodgkin–Huxley-type cell of the COBAHH benchmark: Traub & Miles's sodium and potassium, and a leak.

    The paper gives it per cell of 20 000 µm² (200 pF, leak 10 nS); here it is per area.
    With these parameters the cell fires without input, at 14 Hz.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(TraubMiles(), current=1.0, duration=200.0)
        >>> len(run.spikes)
        10
    """

    equations = "capacitance * dV/dt = I_input - I_sodium - I_potassium - I_leak"
    reference = """Traub & Miles 1991, Neuronal Networks of the Hippocampus
Brette et al. 2007, J Comput Neurosci 23:349, benchmark 3: the parameters"""

    initial_potential: PerNeuron = parameter(-60.0, "mV", text="potential at the start, the gates at rest there", at_start=True)
    sodium: IonChannel = component(TraubMilesSodium())
    potassium: IonChannel = component(TraubMilesPotassium())
    leak: IonChannel = component(Leak(conductance=0.05, reversal=-60.0))
