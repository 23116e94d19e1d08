"""Neurapse's networks as ready-made models: what they do with its mistakes left out (with them: `tests/agreement/test_neurapse.py`)."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError
from ranvier.models.neurapse import PEAK
from tests.reproduces import record_reproduction

SOURCE = "Neurapse (github.com/udion/Neurapse), {}, run again"


@pytest.mark.parametrize(("onset", "fires", "theirs"), [((0.0, 4.0, 8.0), 1, 225), ((7.0, 3.0, 0.0), 0, 221)], ids=["README", "other"])
def test_one_order_of_spikes_is_answered_by_one_neuron(onset, fires, theirs):
    """Neurapse marks a spike at the end of its step, and most of its delays lose a sample."""
    run = rv.simulate(rv.models.feedforward(onset=onset), duration=100.0, dt=0.1)
    np.testing.assert_allclose(run["pre"].spikes.trains, np.array(onset)[:, None] + 0.5)
    spikes = run["post"].spikes
    assert spikes.neurons.tolist() == [fires]
    record_reproduction(
        "Neurapse: feed-forward network (ready-made)",
        SOURCE.format("example_NNetwork_const.py"),
        f"spike of neuron {fires}, onsets {', '.join(f'{t:g}' for t in onset)} ms",
        (theirs - 1) / 10,
        spikes.times[0],
        0.15,
        "ms",
    )


def test_a_spike_makes_neurapses_current():
    """`w (exp(-t/15) - exp(-4t/15))` from its arrival on, a step after the one that it is detected in, plus the delay."""
    net = rv.models.feedforward(fanout=[[0]], weight=[[500.0]], delay=[[5.0]], onset=[0.0])
    current = -rv.simulate(net, duration=60.0, dt=0.1, record=rv.Record("post", "synaptic_current"))["post"].synaptic_current
    since = np.maximum(current.time.values - 5.6, 0.0)
    np.testing.assert_allclose(current.values[:, 0], 500.0 * (np.exp(-since / 15) - np.exp(-4 * since / 15)), atol=1e-9)


def test_the_wiring_of_the_random_network():
    net = rv.models.dynamic_random_network(gamma=0.77, seed=1)
    within, onto, inhibition = (net.edges(name, dt=0.1) for name in ("exc→exc", "exc→inh", "inh→exc"))
    both = np.append(within.pre, onto.pre), np.append(within.post, 160 + onto.post)
    for (pre, post), n in ((both, 160), ((inhibition.pre, inhibition.post), 40)):
        assert (np.bincount(pre, minlength=n) == 20).all()
        assert len(set(zip(pre.tolist(), post.tolist(), strict=True))) == 20 * n  # no pair twice
    assert (within.pre != within.post).all()
    delay = np.append(within.delay, onto.delay)
    assert delay.min() >= 1 and delay.max() <= 20 and abs(delay.mean() - 10.5) < 0.5
    assert set(inhibition.delay.tolist()) == {1.0}
    assert within.weight[0] == onto.weight[0] == pytest.approx(-0.77 * inhibition.weight[0])
    assert (net.poisson["drive"].rate[:25] == 100).all() and not net.poisson["drive"].rate[25:].any()


@pytest.mark.parametrize(
    ("gamma", "exc", "inh"), [(0.4, (6.0, 14.0), (14.0, 36.0)), (0.77, (6.0, 17.0), (48.0, 110.0))], ids=["gamma 0.4", "gamma 0.77"]
)
def test_the_random_network_stays_active(gamma, exc, inh):
    run = rv.simulate(rv.models.dynamic_random_network(gamma=gamma), duration=1000.0, dt=0.1, seed=3)
    assert exc[0] < run["exc"].spikes.rate.mean() < exc[1] and inh[0] < run["inh"].spikes.rate.mean() < inh[1]
    rate = run["exc"].spikes.rate
    assert rate[:25].mean() > 2 * rate[25:].mean() > 0


def test_the_plastic_random_network():
    """Its rule weakens more than it strengthens: weights fall. The published code's rise: it takes the first spike ever for the last."""
    net = rv.models.dynamic_random_network(gamma=0.4, plastic=True)
    rule = net.projections["exc→exc"].plasticity
    assert (rule.potentiation, rule.depression, rule.tau) == (pytest.approx(0.004), pytest.approx(0.028), 20.0)
    mean = [rv.Record(name, "weight", reduce="mean", every=50.0) for name in ("exc→exc", "exc→inh")]
    run = rv.simulate(net, duration=500.0, dt=0.1, record=mean)
    for name in ("exc→exc", "exc→inh"):
        edges, over_time = run.edges(name), run[name]["weight.mean"].values.ravel()
        assert over_time[0] == pytest.approx(1200 * PEAK) and (np.diff(over_time[1:]) < 0).all()
        assert 0 < edges.weight.min() < 0.9 * over_time[0] < over_time[-1] < over_time[0] < edges.weight.max()
        assert run.state.time == 500.0 and abs(edges.weight.mean() - over_time[-1]) < 3.0
    assert net.projections["inh→exc"].plasticity is None


def test_the_random_network_is_as_large_as_one_likes():
    small, large = rv.models.dynamic_random_network(scale=0.05), rv.models.dynamic_random_network(scale=10.0)
    assert [p.n for p in small.populations.values()] == [8, 2] and [p.n for p in large.populations.values()] == [1600, 400]
    assert rv.simulate(small, duration=5.0, dt=0.1).spikes.n == 10
    assert len(large.edges("exc→exc")) + len(large.edges("exc→inh")) == 20 * 1600


def test_bad_input():
    with pytest.raises(ParameterError, match="onset has 2 times and fanout 3 sources"):
        rv.models.feedforward(onset=[0.0, 1.0])
    with pytest.raises(ParameterError, match="a list for each source"):
        rv.models.feedforward(fanout=[0, 1, 2])
    with pytest.raises(ParameterError, match="gamma"):
        rv.models.dynamic_random_network(gamma=-1.0)
