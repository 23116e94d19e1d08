"""Vogels and Abbott's network, set going by a short stimulus."""

from __future__ import annotations

from typing import Any

from ranvier import doors
from ranvier.connect import pairwise_bernoulli
from ranvier.models.brette2007 import LEAK, balanced
from ranvier.models.scaled import checked_scale
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons import InhomogeneousPoissonSource, LeakyIntegrateAndFire
from ranvier.random import uniform
from ranvier.stimuli import SquarePulse
from ranvier.synapses import ExponentialConductance

SOURCES, RATE, UNTIL = 100, 100.0, 50.0  # Hz, ms
PROBABILITY = 0.02


def _conductance(value: Any, what: str) -> float:
    return doors.number(value, what, low=0.0, unit="nS")


@doors.checked(scale=checked_scale, excitation=_conductance, inhibition=_conductance)
def vogels_abbott(scale: float = 1.0, *, excitation: float = 6.0, inhibition: float = 67.0) -> Network:
    """Integrate-and-fire neurons with conductances: a stimulus of 50 ms sets them going, and they go on by themselves.

    Args:
        scale: the number of neurons as a share of 4000. Each keeps 80 inputs on average.
        excitation, inhibition: the conductance of one spike (nS). With 4 and 51 the
            activity is metastable: it lasts for a while, then stops at once.

    Returns:
        A network with the populations `"exc"`, `"inh"` and `"stimulus"`: 100 Poisson
        sources that fire at 100 Hz during the first 50 ms. Run it with `dt=0.1` and
        `rv.ExponentialEuler()`. Expect it to go on at about 20 Hz.

    Size and conductances are those of Brette et al. 2007 (benchmark 1), who follow
    the paper; its own network has 10 000 neurons. The stimulus is ours.

    Source: Vogels & Abbott 2005, J Neurosci 25:10786.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.vogels_abbott(scale=0.1), duration=40.0, dt=0.1, seed=1, integrator=rv.ExponentialEuler())
        >>> len(run["exc"].spikes) > 10
        True
    """
    cell = LeakyIntegrateAndFire(capacitance=200.0, leak=LEAK, rest=-60.0, threshold=-50.0, reset_potential=-60.0, refractory=5.0)
    ampa = ExponentialConductance(tau=5.0, reversal=0.0)
    gaba = ExponentialConductance(tau=10.0, reversal=-80.0)
    net = balanced(scale, cell, uniform(-60.0, -50.0), ampa, gaba, (excitation, inhibition))
    exc, inh = net.populations.values()
    stimulus = Population(SOURCES, InhomogeneousPoissonSource(SquarePulse(RATE, start=0.0, stop=UNTIL)), name="stimulus")
    onset = Projection(stimulus, [exc, inh], ampa, pairwise_bernoulli(PROBABILITY), weight=excitation, name="onset")
    return Network(exc, inh, stimulus, *net.projections.values(), onset)
