"""A network that wires itself until its neurons fire as they want to, after Butz and van Ooyen."""

from __future__ import annotations

import numpy as np

from ranvier import doors
from ranvier.connect import all_to_all, edge_list
from ranvier.models.scaled import checked_scale, scaled
from ranvier.network.spec import Network, PoissonInput, Population, Projection
from ranvier.neurons import LeakyIntegrateAndFire
from ranvier.plasticity import GaussianGrowth, SynapticElements
from ranvier.synapses import ExponentialCurrent

EXCITATORY, INHIBITORY = 80, 20
CURRENT, SILENT = 60.0, -500.0  # pA
DRIVE, EXCITATION, INHIBITION = 80.0, 16.0, -64.0  # pA, a spike
CALCIUM_PER_RATE = 0.01  # at 1 Hz, so that 0.05 stands for 5 Hz
GROWTH, TAU = 1e-4, 10_000.0  # elements per ms; ms


@doors.checked(
    scale=checked_scale,
    target_rate=lambda value, what: doors.number(value, what, low=1e-3, high=1e3, unit="Hz"),
    pace=doors.positive,
    lesion=doors.probability,
)
def homeostatic_growth(scale: float = 1.0, *, target_rate: float = 5.0, pace: float = 60.0, lesion: float = 0.0) -> Network:
    """A network without excitatory synapses grows them until each of its neurons fires at the rate that it wants, and again after a lesion.

    Neurons grow axonal and dendritic elements where their calcium, which follows their rate, is below its set point, and lose them above.
    Free elements meet at random. Inhibition is there from the start, and stays.

    Args:
        scale: the number of neurons as a share of 100.
        target_rate: the excitatory neurons' set point (Hz).
        pace: how much faster than 10⁻⁴ elements per ms neurons grow, so that half a minute shows what takes a quarter of an hour; the
            calcium keeps up with it.
        lesion: which share of the excitatory neurons is silent: go on with it from the state of a run without one.

    Returns:
        A network with the populations `"exc"` and `"inh"`; the projection `"grown"` has `rv.plasticity.SynapticElements`. Run it with
        `dt=0.5`. Expect neurons to begin below 2 Hz, to overshoot, and to settle.

    Source: Butz & van Ooyen 2013, PLoS Comput Biol 9:e1003259: its growth curves and its experiment, with neurons that integrate and fire
    and a smaller network; with the set point of NEST's example of structural plasticity.

    Example:
        >>> import ranvier as rv
        >>> net = rv.models.homeostatic_growth(scale=0.2)
        >>> run = rv.simulate(net, duration=3000.0, dt=0.5, seed=1)
        >>> len(run.edges("grown")) > 0
        True
    """
    cell = LeakyIntegrateAndFire(capacitance=250.0, leak=25.0, rest=-65.0, threshold=-50.0, reset_potential=-65.0, refractory=2.0)
    synapse = ExponentialCurrent(tau=5.0)
    n = scaled(EXCITATORY, scale)
    current = np.where(np.arange(n) < round(lesion * n), SILENT, CURRENT)
    exc, inh = Population(n, cell, current=current, name="exc"), Population(scaled(INHIBITORY, scale), cell, current=CURRENT, name="inh")
    grows = GaussianGrowth(rate=pace * GROWTH, target=CALCIUM_PER_RATE * target_rate)
    tau = TAU / max(1.0, pace / 12.0)
    rule = SynapticElements(axonal=grows, dendritic=grows, tau=tau, calcium_per_spike=1000.0 * CALCIUM_PER_RATE / tau)
    return Network(
        exc,
        inh,
        PoissonInput([exc, inh], synapse, rate=10.0, sources=50, weight=DRIVE, name="drive"),
        Projection(exc, exc, synapse, edge_list([], []), weight=35.0, delay=1.0, structure=rule, name="grown"),
        Projection(exc, inh, synapse, all_to_all(), weight=EXCITATION * EXCITATORY / exc.n, delay=1.0, name="exc→inh"),
        Projection(inh, exc, synapse, all_to_all(), weight=INHIBITION * INHIBITORY / inh.n, delay=1.0, name="inh→exc"),
    )
