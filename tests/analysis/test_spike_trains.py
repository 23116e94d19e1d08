"""Measures of spike trains equal Elephant's; trains made by themselves have the statistics they are made for."""

import warnings

import numpy as np
import pytest

import ranvier as rv
from ranvier.analysis import trains as made
from ranvier.errors import ParameterError

elephant = pytest.importorskip("elephant")
neo = pytest.importorskip("neo")
pq = pytest.importorskip("quantities")

SECONDS = 4000.0  # ms
pytestmark = pytest.mark.filterwarnings("ignore")  # of Elephant and what it imports


@pytest.fixture(scope="module")
def spikes():
    """Trains on whole ms of unlike rates, one of them silent, one with a single spike."""
    busy = made.gamma_trains([5.0, 20.0, 40.0, 60.0], 1.5, duration=SECONDS, n=4, seed=3, dt=1.0)
    return made.from_trains([*busy.trains, [], [123.0]], duration=SECONDS, dt=1.0)


@pytest.fixture(scope="module")
def theirs(spikes):
    return [neo.SpikeTrain(train * pq.ms, t_start=0 * pq.ms, t_stop=SECONDS * pq.ms) for train in spikes.trains]


def test_intervals_and_their_variation(spikes, theirs):
    from elephant.statistics import cv, cv2, isi, lv

    found, neurons = rv.analysis.intervals(spikes)
    for i in range(4):
        own = found[neurons == i]
        np.testing.assert_allclose(own, isi(theirs[i]).rescale("ms").magnitude)
        np.testing.assert_allclose(rv.analysis.coefficient_of_variation(spikes)[i], cv(own))
        np.testing.assert_allclose(rv.analysis.cv2(spikes)[i], cv2(own))
        np.testing.assert_allclose(rv.analysis.local_variation(spikes)[i], lv(own))
    for measure in (rv.analysis.cv2, rv.analysis.local_variation):
        assert np.isnan(measure(spikes)[4:]).all()


def test_the_fano_factor(spikes, theirs):
    from elephant.statistics import fanofactor

    own = rv.analysis.fano_factor(spikes, 250.0)
    for i in range(4):
        windows = [theirs[i].time_slice(t * pq.ms, (t + 249.5) * pq.ms) for t in np.arange(0, SECONDS, 250.0)]
        np.testing.assert_allclose(own[i], fanofactor(windows))
    assert np.isnan(own[4])


def test_correlation_coefficients(spikes, theirs):
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import correlation_coefficient

    expected = correlation_coefficient(BinnedSpikeTrain(theirs, bin_size=10 * pq.ms))
    np.testing.assert_allclose(rv.analysis.correlation(spikes, 10.0), expected, atol=1e-12)


@pytest.mark.parametrize("first, second", [(1, 2), (2, 3), (0, 1)])
def test_cross_correlograms(spikes, theirs, first, second):
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import cross_correlation_histogram

    binned = [BinnedSpikeTrain(theirs[i], bin_size=1 * pq.ms) for i in (first, second)]
    expected, lags = cross_correlation_histogram(*binned, window=[-30, 30])
    own = rv.analysis.correlogram(spikes, first, second, longest=30.0)
    np.testing.assert_array_equal(own.lag.values, lags)
    np.testing.assert_array_equal(own.values, expected.magnitude.ravel())


def test_correlograms_by_brute_force(spikes):
    """Wide bins, all neurons against all, and the pieces that pairs are counted in."""
    times, neurons = spikes.times, spikes.neurons
    i, j = np.meshgrid(np.arange(len(times)), np.arange(len(times)), indexing="ij")
    lag = (times[j] - times[i])[i != j]
    expected = np.histogram(np.floor(lag / 5.0 + 0.5), np.arange(-6, 8) - 0.5)[0][:13]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ranvier.analysis.correlograms.PAIRS_AT_ONCE", 1000)
        with pytest.raises(ParameterError, match="multiple of the spikes' time step"):
            rv.analysis.correlogram(spikes, bin_width=2.5)
        own = rv.analysis.correlogram(spikes, bin_width=5.0, longest=30.0)
    middle = np.floor((np.round(lag) + 2) / 5)
    np.testing.assert_array_equal(own.values, [(middle == k).sum() for k in range(-6, 7)])
    assert own.values.sum() > 0.9 * expected.sum() and set(neurons) == {0, 1, 2, 3, 5}


def test_the_spectrum_of_a_train(spikes, theirs):
    from elephant.conversion import BinnedSpikeTrain
    from scipy.signal import welch

    counts = BinnedSpikeTrain(theirs[3], bin_size=1 * pq.ms).to_array()[0]
    frequency, power = welch(counts * 1000.0, fs=1000.0, nperseg=250, nfft=1000, detrend="linear")
    own = rv.analysis.power_spectrum(rv.analysis.rate_over_time(spikes, 1.0).sel(neuron=3))
    np.testing.assert_allclose(own.values, power, rtol=1e-9)
    np.testing.assert_allclose(own.frequency.values, frequency)


@pytest.mark.parametrize("tau", [1.0, 20.0, 500.0])
def test_van_rossum_distance(spikes, theirs, tau):
    from elephant.spike_train_dissimilarity import van_rossum_distance

    expected = van_rossum_distance(theirs, time_constant=tau * pq.ms)
    np.testing.assert_allclose(rv.analysis.van_rossum_distance(spikes, tau), expected, atol=1e-5)  # roots of rounded differences


@pytest.mark.parametrize("cost", [0.0, 0.01, 0.1, 2.0])
def test_victor_purpura_distance(spikes, theirs, cost):
    from elephant.spike_train_dissimilarity import victor_purpura_distance

    expected = victor_purpura_distance(theirs, cost_factor=cost / pq.ms)
    np.testing.assert_allclose(rv.analysis.victor_purpura_distance(spikes, cost), expected, atol=1e-9)


def test_rates_over_time(spikes):
    rate = rv.analysis.rate_over_time(spikes, 10.0)
    np.testing.assert_allclose(rate.mean("time").values, spikes.rate)
    smooth = rv.analysis.rate_over_time(spikes, 10.0, smoothing=30.0)
    assert float(smooth.std()) < float(rate.std())
    flat = rv.analysis.rate_over_time(made.regular_trains(100.0, duration=500.0, phase=0.5), 10.0, smoothing=30.0)
    np.testing.assert_allclose(flat.values, 100.0)  # no dip at the ends


def test_a_psth_is_the_mean_over_events(spikes):
    events = np.arange(200.0, 3800.0, 100.0)
    own = rv.analysis.psth(spikes, events, before=20.0, after=40.0, bin_width=4.0)
    windows = [np.histogram(spikes.times - e, np.arange(-20.0, 41.0, 4.0) - 1e-6)[0] for e in events]
    np.testing.assert_allclose(own.values, np.mean(windows, axis=0) / spikes.n / 0.004)
    with pytest.raises(ParameterError, match="None of events has 20 ms before"):
        rv.analysis.psth(spikes, [5.0])


def test_the_steady_rate_leaves_the_first_spike_out():
    trains = made.from_trains([[1.0], np.arange(5.0, 100.0, 10.0), []], duration=100.0)
    np.testing.assert_allclose(rv.analysis.steady_rate(trains), [0.0, 100.0, 0.0])


# -- trains that are made ---------------------------------------------------------------------------


def test_poisson_trains_have_exponential_intervals():
    from scipy.stats import kstest

    trains = made.poisson_trains(40.0, duration=20_000.0, n=20, seed=7, dt=0.001)
    assert kstest(rv.analysis.intervals(trains)[0], "expon", args=(0, 25.0)).pvalue > 0.01
    assert abs(trains.rate.mean() - 40) < 4 * np.sqrt(40 / 400)


def test_refractory_poisson_trains_have_the_interval_distribution_of_theirs():
    from scipy.stats import kstest

    trains = made.poisson_trains(60.0, duration=20_000.0, n=20, refractory=4.0, seed=8, dt=0.001)
    assert abs(trains.rate.mean() - 60) < 1.0
    assert kstest(rv.analysis.intervals(trains)[0], "expon", args=(4.0, 1000 / 60 - 4.0)).pvalue > 0.01
    with pytest.raises(ParameterError, match="no room"):
        made.poisson_trains(300.0, duration=10.0, refractory=4.0)


@pytest.mark.parametrize("refractory", [0.0, 3.0])
def test_inhomogeneous_trains_follow_their_rate(refractory):
    rate = lambda t: 40 + 30 * np.sin(2 * np.pi * t / 200.0)
    trains = made.poisson_trains(rate, duration=2000.0, n=1000, refractory=refractory, seed=9)
    measured = trains.population_rate(10.0)
    expected = np.array([rate(np.linspace(t - 5, t + 5, 100)).mean() for t in measured.time.values])
    away = (measured.values - expected)[5:] / np.sqrt(expected[5:] / (1000 * 0.01))
    assert np.abs(away).max() < 5  # standard errors, of 195 bins
    if refractory:
        assert rv.analysis.intervals(trains)[0].min() >= refractory - 0.1


def test_gamma_and_regular_trains():
    for shape in (0.5, 1.0, 4.0, 25.0):
        trains = made.gamma_trains(20.0, shape, duration=100_000.0, n=5, seed=1, dt=0.001)
        assert abs(rv.analysis.coefficient_of_variation(trains).mean() - shape**-0.5) < 0.03
    clocks = made.regular_trains([10.0, 0.0, 25.0], duration=1000.0, n=3, seed=1)
    assert clocks.counts.tolist() == [10, 0, 25] and np.isnan(rv.analysis.coefficient_of_variation(clocks)[1])


@pytest.mark.parametrize("kind", ["pairwise", "common"])
@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.6, 1.0])
def test_correlated_trains_have_their_rate_and_correlation(kind, correlation):
    trains = made.correlated_trains(15.0, correlation, kind=kind, duration=200_000.0, n=4, seed=4)
    pairs = rv.analysis.correlation(trains, 20.0)[np.triu_indices(4, 1)]
    assert abs(pairs.mean() - correlation) < 0.02
    assert abs(trains.rate.mean() - 15) < 0.7


def test_jitter_keeps_every_spike_and_spreads_pairs():
    together = made.correlated_trains(1.0, 1.0, duration=1_000_000.0, n=2, seed=5)
    apart = made.jittered_trains(together, 3.0, seed=6)
    assert apart.stop == together.stop and abs(len(apart) - len(together)) < 0.01 * len(together)
    lags = rv.analysis.correlogram(apart, 0, 1, longest=15.0)
    spread = np.sqrt(float((lags * lags.lag**2).sum() / lags.sum()))
    assert abs(spread - 3.0 * np.sqrt(2)) < 0.3  # of some thousand pairs


def test_trains_drive_a_network_at_their_times():
    trains = made.poisson_trains(50.0, duration=100.0, n=10, seed=2)
    source = rv.Population(10, rv.neurons.SpikeTimes.of_trains(trains.trains), name="source")
    run = rv.simulate(rv.Network(source), duration=100.0, dt=0.1)
    np.testing.assert_array_equal(run.spikes.steps, trains.steps)
    np.testing.assert_array_equal(run.spikes.neurons, trains.neurons)


def test_bad_trains_are_named():
    with pytest.raises(ParameterError, match="times: a spike at 12 ms is not in a recording with a duration of 10 ms"):
        made.from_trains([[12.0]], duration=10.0)
    with pytest.raises(ParameterError, match="at least 0"):
        made.poisson_trains(-1.0, duration=10.0)
    with pytest.raises(ParameterError, match=r"correlation is 1.5, but it must be within \[0, 1\]"):
        made.correlated_trains(10.0, 1.5, duration=10.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(made.poisson_trains(0.0, duration=10.0, n=3)) == 0 and len(made.from_trains([], duration=5.0)) == 0
        assert len(made.poisson_trains(10.0, duration=10.0, n=0)) == 0
