"""Statistics of intervals and of synchrony against Elephant and against what is known by hand."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError
from ranvier.result import Spikes


def poisson_spikes(n=40, steps=20_000, chance=0.004, seed=0, dt=0.1):
    fired = np.random.default_rng(seed).random((steps, n)) < chance
    at, who = np.nonzero(fired)
    return Spikes(at.astype(np.int64), who.astype(np.int32), n=n, dt=dt, start=0.0, stop=steps * dt, populations={"all": (0, n)})


def test_intervals_are_those_of_each_train():
    spikes = poisson_spikes()
    found, neurons = rv.analysis.intervals(spikes)
    for neuron, train in enumerate(spikes.trains):
        np.testing.assert_allclose(found[neurons == neuron], np.diff(train), rtol=0, atol=1e-9)


def test_variation_against_elephant():
    statistics = pytest.importorskip("elephant.statistics")
    spikes = poisson_spikes()
    expected = [statistics.cv(np.diff(train)) for train in spikes.trains]
    np.testing.assert_allclose(rv.analysis.coefficient_of_variation(spikes), expected, rtol=1e-9)


def test_variation_of_known_processes():
    assert np.nanmean(rv.analysis.coefficient_of_variation(poisson_spikes(steps=200_000))) == pytest.approx(1.0, abs=0.03)
    clock = Spikes(np.arange(0, 1000, 10), np.zeros(100, np.int32), n=2, dt=0.1, start=0.0, stop=100.0, populations={"all": (0, 2)})
    np.testing.assert_array_equal(rv.analysis.coefficient_of_variation(clock), [0.0, np.nan])


def test_too_few_intervals_have_no_variation():
    spikes = Spikes(np.array([0, 10, 30, 60]), np.zeros(4, np.int32), n=1, dt=0.1, start=0.0, stop=10.0, populations={"all": (0, 1)})
    assert np.isfinite(rv.analysis.coefficient_of_variation(spikes, least=3)).all()
    assert np.isnan(rv.analysis.coefficient_of_variation(spikes, least=4)).all()


def test_synchrony():
    assert rv.analysis.synchrony(poisson_spikes(steps=200_000)) == pytest.approx(1.0, abs=0.05)
    # all 20 neurons at once in every second bin: counts are 20 and 0, their mean 10, their variance 100
    at = np.repeat(np.arange(0, 600, 60), 20)
    together = Spikes(at, np.tile(np.arange(20, dtype=np.int32), 10), n=20, dt=0.1, start=0.0, stop=60.0, populations={"all": (0, 20)})
    assert rv.analysis.synchrony(together) == pytest.approx(10.0)
    assert np.isnan(rv.analysis.synchrony(together.between(0.0, 0.0)))
    with pytest.raises(ParameterError, match="bin_width is 0 ms"):
        rv.analysis.synchrony(together, 0)


def test_bins_hold_what_is_within_them():
    # 0.3 is not a whole number of steps of 0.1 in binary: a spike at the edge of a bin belongs to the next
    at = np.array([0, 3, 3, 6, 9, 9, 9, 12])
    spikes = Spikes(at, np.arange(8, dtype=np.int32), n=8, dt=0.1, start=0.0, stop=1.5, populations={"all": (0, 8)})
    counts = np.array([1, 2, 1, 3, 1])
    assert rv.analysis.synchrony(spikes, 0.3) == pytest.approx(counts.var() / counts.mean())


def test_a_span_of_a_run():
    spikes = poisson_spikes()
    some = spikes.between(500.0, 700.0)
    assert (some.start, some.stop) == (500.0, 700.0) and (some.times >= 500 - 1e-9).all() and (some.times < 700 - 1e-9).all()
    assert len(spikes.between(0.0, 500.0)) + len(some) + len(spikes.between(700.0, 2000.0)) == len(spikes)
    assert some.rate.mean() == pytest.approx(len(some) / 40 / 0.2)
    for span in ((-1.0, 5.0), (5.0, 1.0), (0.0, 2001.0)):
        with pytest.raises(ParameterError, match="is not a span of it"):
            spikes.between(*span)
