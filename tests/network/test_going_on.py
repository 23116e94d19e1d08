"""Going on from a state: its time, its seed, and what is on its way."""

import gc

import numpy as np
import pytest

import ranvier as rv
from ranvier import simulation
from ranvier.run import Run

LIF = rv.neurons.LeakyIntegrateAndFire(refractory=2.0)


def recurrent():
    cells = rv.Population(20, LIF, initial={"V": rv.normal(-55, 3)}, current=450.0, name="cells")
    wire = rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(tau=3), rv.connect.pairwise_bernoulli(0.2), weight=20.0, delay=1.5)
    return rv.Network(cells, wire)


def test_another_step_leaves_the_time():
    """50 ms at 0.1, then 10 ms at 0.05: the time axis begins at 50."""
    cell = rv.Population(1, LIF, current=300.0, name="cell")
    first = rv.simulate(cell, duration=50.0, dt=0.1)
    run = rv.simulate(cell, duration=10.0, dt=0.05, initial=first.state)
    assert run.V.time.values[0] == 50.0 and run.V.time.values[-1] == pytest.approx(60.0)
    assert (run.spikes.start, run.spikes.stop) == (50.0, 60.0)


def test_a_time_that_is_no_multiple_of_the_step_is_refused_with_both():
    cell = LIF.replace(refractory=0.0)
    first = rv.simulate(cell, duration=50.0, dt=0.1)
    with pytest.raises(rv.ParameterError, match=r"50 ms.*0\.1 ms.*0\.03 ms"):
        rv.simulate(cell, duration=9.0, dt=0.03, initial=first.state)


@pytest.mark.parametrize("dt", [0.05, 0.2, 0.025])
def test_refractoriness_and_the_last_spike_keep_their_times(dt):
    """The state holds them in steps; another step must not stretch them."""
    cell = rv.Population(1, LIF.replace(refractory=5.0), current=1000.0, name="cell")
    first = rv.simulate(cell, duration=4.0, dt=0.1)
    (spike,) = first.spikes.times[-1:]
    run = rv.simulate(cell, duration=8.0, dt=dt, initial=first.state, record=rv.Record("cell", ["V", "last_spike"]))
    assert run.last_spike.values[0, 0] == pytest.approx(spike, abs=dt / 2 + 1e-9)
    following = run.spikes.times[0]
    assert following - spike > 5.0 and following - spike < 9.0


def test_spikes_on_their_way_arrive_at_their_time():
    source = rv.Population(1, rv.neurons.SpikeTimes(times=[5.0], neurons=0), name="source")
    cell = rv.Population(1, LIF, name="cell")
    wire = rv.Projection(source, cell, rv.synapses.ExponentialCurrent(tau=3.0), [[1.0]], weight=5.0, delay=3.0, name="wire")
    net = rv.Network(source, cell, wire)
    first = rv.simulate(net, duration=6.0, dt=0.1)
    for dt in (0.1, 0.05, 0.2):
        run = rv.simulate(net, duration=6.0, dt=dt, initial=first, record=rv.Record("wire", "i"))
        current = run["wire"].i
        begins = float(current.time[np.flatnonzero(current.values[:, 0])[0]])
        assert begins == pytest.approx(8.1, abs=dt)


def test_the_seed_goes_on_with_the_state():
    whole = rv.simulate(recurrent(), duration=60.0, dt=0.1, seed=5)
    first = rv.simulate(recurrent(), duration=30.0, dt=0.1, seed=5)
    rest = rv.simulate(recurrent(), duration=30.0, dt=0.1, initial=first.state)
    assert rest.info["seed"] == 5
    np.testing.assert_array_equal(np.concatenate([first.spikes.steps, rest.spikes.steps]), whole.spikes.steps)
    with pytest.raises(rv.ParameterError, match=r"seed 5.*seed=6.*with_seed\(6\)"):
        rv.simulate(recurrent(), duration=30.0, dt=0.1, initial=first.state, seed=6)
    other = rv.simulate(recurrent(), duration=30.0, dt=0.1, initial=first.state.with_seed(6))
    assert other.info["seed"] == 6


def test_a_result_means_its_state():
    first = rv.simulate(recurrent(), duration=30.0, dt=0.1)
    one, two = (rv.simulate(recurrent(), duration=10.0, dt=0.1, initial=given) for given in (first, first.state))
    assert one.spikes.start == 30.0
    np.testing.assert_array_equal(one.spikes.steps, two.spikes.steps)


@pytest.mark.parametrize("initial", [3.0, float("nan"), "run.npz", rv.SimulationState, [1, 2]])
def test_what_is_no_state_is_refused(initial):
    with pytest.raises(rv.ParameterError, match="initial"):
        rv.simulate(recurrent(), duration=1.0, dt=0.1, initial=initial)


def test_a_kick_over_the_threshold_of_a_model_without_a_reset_is_a_spike():
    """Weight 70 mV at 5 and 30 ms into Hodgkin–Huxley: two spikes, at 5.01 and 30.01 (Brian2 2.9)."""
    source = rv.Population(1, rv.neurons.SpikeTimes(times=[5.0, 30.0], neurons=0), name="source")
    cell = rv.Population(1, rv.neurons.HodgkinHuxley(), name="cell")
    net = rv.Network(source, cell, rv.Projection(source, cell, rv.synapses.Delta(), [[1.0]], weight=70.0))
    run = rv.simulate(net, duration=50.0, dt=0.01)
    np.testing.assert_allclose(run.spikes["cell"].times, [5.01, 30.01], atol=1e-9)
    # and where the run is cut in two between the kick and the spike
    first = rv.simulate(net, duration=5.01, dt=0.01)
    assert len(first.spikes["cell"]) == 0
    rest = rv.simulate(net, duration=44.99, dt=0.01, initial=first)
    np.testing.assert_allclose(rest.spikes["cell"].times, [5.01, 30.01], atol=1e-9)


def test_a_kick_up_and_down_within_a_step_is_none():
    source = rv.Population(2, rv.neurons.SpikeTimes(times=[5.0, 5.0], neurons=[0, 1]), name="source")
    cell = rv.Population(1, rv.neurons.HodgkinHuxley(), name="cell")
    wire = rv.Projection(source, cell, rv.synapses.Delta(), [[1.0, 1.0]], weight=[70.0, -70.0])
    assert len(rv.simulate(rv.Network(source, cell, wire), duration=20.0, dt=0.01).spikes["cell"]) == 0


@pytest.mark.parametrize("precision", ["double", "single"])
def test_rare_events_have_their_probability(precision):
    """0.005 Hz at dt 0.01: 100 of 10^5 sources in 200 ms."""
    run = rv.simulate(
        rv.Population(100_000, rv.neurons.PoissonSource(rate=0.005)), duration=200.0, dt=0.01, precision=precision, record=[], seed=1
    )
    assert 60 < len(run.spikes) < 140


def test_a_result_holds_no_run_with_its_edges(monkeypatch):
    """Its state is made when somebody asks; the network's arrays, gigabytes of a large one, are not kept for that."""
    monkeypatch.setattr(simulation, "KEPT_BYTES", 0)
    cells = rv.Population(50, rv.neurons.LeakyIntegrateAndFire(), current=400.0, initial={"V": rv.normal(-60, 5)}, name="cells")
    net = rv.Network(cells, rv.Projection(cells, cells, rv.synapses.Delta(), rv.connect.pairwise_bernoulli(0.2), weight=0.1))
    result = rv.simulate(net, duration=20.0, dt=0.1)
    gc.collect()
    assert not [x for x in gc.get_objects() if issubclass(type(x), Run) and x.network is net]
    assert result.state.step == 200
