"""Diesmann's synfire chain (1999): what a packet of spikes needs to run through it."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError
from tests.reproduces import record_reproduction

PAPER = "Diesmann, Gewaltig & Aertsen 1999, Nature 402:529, figure 1"


def volleys(spikes, seed):
    """How many spikes each group has within 4 ms of its busiest millisecond, and their standard deviation (ms)."""
    run = rv.simulate(rv.models.synfire_chain(spikes, seed=seed), duration=150.0, dt=0.1, seed=seed)
    sizes, spreads = [], []
    for group in range(1, 11):
        times = run[f"group {group}"].spikes.between(45.0, 150.0).times
        counts, edges = np.histogram(times, np.arange(45.0, 151.0))
        volley = times[np.abs(times - edges[np.argmax(counts)] - 0.5) < 4.0]
        sizes.append(len(volley))
        spreads.append(volley.std())
    return np.array(sizes), np.array(spreads)


@pytest.mark.parametrize("seed", [1, 2])
def test_eighty_five_spikes_run_through_and_sharpen(seed):
    """All 100 neurons of every group take part, but for a few that just fired; background spikes add a few."""
    sizes, spreads = volleys(85, seed)
    if seed == 1:
        record_reproduction("Synfire chain, Diesmann 1999", PAPER, "spikes of group 10, packet of 85", 100, sizes[-1], 5)
    assert (sizes[1:] >= 90).all()
    assert np.median(spreads[5:]) < 0.8 * spreads[0] < 1.0


@pytest.mark.parametrize("seed", [1, 2])
def test_forty_five_spikes_die_out(seed):
    """What is left are spikes of the background, which fires at about 2 Hz: two in 8 ms, a few more at its busiest."""
    sizes, _ = volleys(45, seed)
    if seed == 1:
        record_reproduction("Synfire chain, Diesmann 1999", PAPER, "spikes of group 10, packet of 45", 0, sizes[-1], 8)
    assert (sizes[-4:] <= 8).all()


def test_the_background_is_the_papers():
    """In the diffusion limit: 25.27 mV/ms and 39.24 mV/√ms, the numbers that other implementations have."""
    inputs = rv.models.synfire_chain().poisson.values()
    jump = [p.weight / 25.0 * np.e for p in inputs]  # mV
    per_ms = [p.sources * p.rate / 1000.0 for p in inputs]
    assert np.dot(per_ms, jump) == pytest.approx(25.27, abs=0.005)
    assert np.sqrt(np.dot(per_ms, np.square(jump))) == pytest.approx(39.24, abs=0.005)


def test_bad_input():
    for wrong in ({"spikes": -1}, {"spikes": 8.5}, {"groups": 0}, {"groups": True}):
        with pytest.raises(ParameterError, match="must be a whole number of at least"):
            rv.models.synfire_chain(**wrong)
    with pytest.raises(ParameterError, match="spread is nan ms"):
        rv.models.synfire_chain(spread=float("nan"))
