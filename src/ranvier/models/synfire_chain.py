"""Diesmann's synfire chain."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ranvier import doors
from ranvier.connect import all_to_all
from ranvier.errors import ParameterError
from ranvier.network.spec import Network, PoissonInput, Population, Projection
from ranvier.neurons import LeakyIntegrateAndFire, SpikeTimes
from ranvier.random import Key, uniform
from ranvier.synapses import AlphaCurrent

NEURONS = 100  # of a group
REST, THRESHOLD = -70.0, -55.0  # mV
TIME_CONSTANT, RISE = 10.0, 0.325  # ms
LEAK = 25.0  # nS
JUMP = 4.86  # mV
EXCITATORY, INHIBITORY = (17_600, 2.0), (2_400, 12.5)  # how many sources in the background, and their rate (Hz)
ARRIVAL = 50.0  # ms
GRID = 0.1  # ms: the packet's times are multiples of it, as those of spikes in a run with that step are


@doors.checked(spikes=doors.at_least(0), spread=doors.duration, groups=doors.at_least(1), delay=doors.duration, seed=doors.seed)
def synfire_chain(spikes: int = 85, *, spread: float = 1.0, groups: int = 10, delay: float = 5.0, seed: int = 0) -> Network:
    """Groups of neurons in a row, each wired to the next: a volley of spikes that is strong enough runs through, and sharpens.

    Args:
        spikes: how many are in the packet that reaches the first group, around 50 ms.
        spread: the standard deviation of their times (ms).
        groups: how many groups of 100 neurons there are.
        delay: from a group's spikes to their arrival at the next (ms).
        seed: the packet's times are drawn from this.

    Returns:
        A network with the populations `"packet"` and `"group 1"` to `"group 10"`. Run
        it with `dt=0.1` for 150 ms; it is linear, so it is advanced exactly. 85 spikes
        reach the last group, within half a millisecond of each other; 45 die out.

    The background is the paper's cortical one: 17 600 excitatory sources at 2 Hz and
    2400 inhibitory ones at 12.5 Hz for every neuron, as Poisson spikes. (Its mean and
    variance are the 25.27 mV/ms and 39.24 mV/√ms of the diffusion that other
    implementations use.) Synaptic currents are alpha functions.

    Source: Diesmann, Gewaltig & Aertsen 1999, Nature 402:529.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.synfire_chain(groups=2, seed=1), duration=80.0, dt=0.1, seed=1)
        >>> len(run["group 2"].spikes) > 50
        True
    """
    if not 0 <= spread <= ARRIVAL / 10:
        raise ParameterError(
            f"spread is {spread} ms, but it must be at least 0, and small against the {ARRIVAL:g} ms at which they arrive."
        )
    cell = LeakyIntegrateAndFire(
        capacitance=LEAK * TIME_CONSTANT, leak=LEAK, rest=REST, threshold=THRESHOLD, reset_potential=REST, refractory=1.0
    )
    synapse, weight = AlphaCurrent(tau=RISE), JUMP / math.e * LEAK  # pA at the peak of the alpha function
    times = np.rint((ARRIVAL + spread * Key(seed).child("packet").normal(spikes)) / GRID) * GRID
    packet = Population(spikes, SpikeTimes(times=times, neurons=np.arange(float(spikes))), name="packet")
    chain = [Population(NEURONS, cell, initial={"V": uniform(REST, THRESHOLD)}, name=f"group {i + 1}") for i in range(groups)]
    backgrounds = (("excitation", EXCITATORY, weight), ("inhibition", INHIBITORY, -weight))
    return Network(
        packet,
        *chain,
        Projection(packet, chain[0], synapse, all_to_all(), weight=weight, name="packet to group 1"),
        *(
            Projection(source, target, synapse, all_to_all(), weight=weight, delay=delay, name=f"{source.name} to {target.name}")
            for source, target in itertools.pairwise(chain)
        ),
        *(PoissonInput(chain, synapse, sources=n, rate=rate, weight=w, name=name) for name, (n, rate), w in backgrounds),
    )
