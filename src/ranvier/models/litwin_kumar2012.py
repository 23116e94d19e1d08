"""The clustered network of Litwin-Kumar and Doiron: rates that wander slowly where excitation comes in clusters."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier import doors
from ranvier.connect import by_cluster, pairwise_bernoulli
from ranvier.connect import clustered as clusters_of
from ranvier.models.scaled import checked_scale, scaled
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons import LeakyIntegrateAndFire
from ranvier.random import uniform
from ranvier.synapses import DoubleExponentialCurrent

EXCITATORY, INHIBITORY, CLUSTERS = 4000, 1000, 50
TAU_E, TAU_I = 15.0, 10.0  # ms
RISE, DECAY_E, DECAY_I = 1.0, 3.0, 2.0  # ms
DEGREE = 800  # excitatory synapses onto an excitatory neuron: weights go with the root of it
WEIGHTS = {
    "exc→exc": 10.0 / (TAU_E * np.sqrt(DEGREE)),
    "exc→inh": 4.0 / (TAU_I * np.sqrt(DEGREE)),
    "inh→exc": -1.2 * 16.0 / (TAU_E * np.sqrt(DEGREE)),
    "inh→inh": -16.0 / (TAU_I * np.sqrt(DEGREE)),
}
STRONGER = 1.9  # weights within a cluster


def _ratio(value: Any, what: str) -> float:
    return doors.number(value, what, low=1.0, high=1e3)


def _peak(rise: float, decay: float) -> float:
    """The largest value of a difference of exponentials whose integral is 1 (1/ms)."""
    at = rise * decay / (decay - rise) * np.log(decay / rise)
    return float((np.exp(-at / decay) - np.exp(-at / rise)) / (decay - rise))


@doors.checked(scale=checked_scale, ratio=_ratio)
def clustered(scale: float = 1.0, ratio: float = 2.5) -> Network:
    """A balanced network whose excitatory neurons are wired more within 50 clusters: these become active and silent by turns.

    Spike counts then vary more from one time to another than a Poisson process's (a Fano factor above 1), where a uniform network's
    vary less.

    Args:
        scale: the number of neurons as a share of 5000, in the same 50 clusters. Weights grow as it shrinks, so that each neuron hears
            as much; activity then fluctuates by itself, and clusters are no longer seen at 0.2.
        ratio: how many times the probability between two clusters that within one is; within them weights are 1.9 times as large.
            1 is the uniform network.

    Returns:
        A network with the populations `"exc"` and `"inh"`. Its potentials have no dimension in the paper: 1 is 1 mV here, the distance
        from reset to threshold. Run it with `dt=0.1`. Expect some 3 Hz in `"exc"`.

    Source: Litwin-Kumar & Doiron 2012, Nat Neurosci 15:1498.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.clustered(0.1), duration=200.0, dt=0.1)
        >>> list(run.network.populations), bool(len(run["inh"].spikes))
        (['exc', 'inh'], True)
    """
    n = {"exc": scaled(EXCITATORY, scale), "inh": scaled(INHIBITORY, scale)}
    clusters = min(CLUSTERS, n["exc"])
    drive, tau = {"exc": (1.1, 1.2), "inh": (1.0, 1.05)}, {"exc": TAU_E, "inh": TAU_I}
    cells = {
        name: Population(
            n[name],
            LeakyIntegrateAndFire(
                capacitance=1.0,
                leak=1.0 / tau[name],
                rest=uniform(*drive[name]),
                threshold=1.0,
                reset_potential=0.0,
                refractory=5.0,
            ),
            initial={"V": uniform(0.0, 1.0)},
            name=name,
        )
        for name in n
    }
    wires = []
    for name, weight in WEIGHTS.items():
        source, target = name.split("→")
        decay = DECAY_E if source == "exc" else DECAY_I
        strength: Any = weight * _peak(RISE, decay) * (EXCITATORY / n["exc"] if source == "exc" else INHIBITORY / n["inh"])
        rule = pairwise_bernoulli(0.5, autapses=False)
        if source == target == "exc":
            rule = clusters_of(0.2, clusters, ratio, autapses=False)
            if ratio > 1.0:
                strength = by_cluster(STRONGER * strength, strength, clusters, n["exc"])
        synapse = DoubleExponentialCurrent(rise=RISE, decay=decay)
        wires.append(Projection(cells[source], cells[target], synapse, rule, weight=strength, name=name))
    return Network(*cells.values(), *wires)
