"""Random release, and short-term plasticity at each edge: mean, variance and independence by formula."""

import jax
import numpy as np
import pytest

import ranvier as rv
from ranvier.kernels.release import released
from tests.reproduces import record_reproduction

TIMES = [0.0, 10.0, 20.0, 30.0]
DEPRESSED = rv.synapses.TsodyksMarkram(utilization=0.4, recovery=100.0, facilitation=50.0)


def network(n=2000, sources=1, weight=1.0, **options):
    """Cells that add up what reaches them."""
    given = rv.neurons.SpikeTimes.of_trains([TIMES] * sources)
    source = rv.Population(sources, given, name="source")
    cells = rv.Population(n, rv.neurons.Passive(leak=0.0, capacitance=1.0), initial={"V": 0.0}, name="cells")
    return rv.Network(
        source,
        cells,
        rv.Projection(source, cells, rv.synapses.Delta(), rv.connect.all_to_all(), weight=weight, name="fibres", **options),
    )


def jumps(net, **options):
    """What each spike brought to each cell, `[spikes, cells]`."""
    run = rv.simulate(net, duration=40.0, dt=0.1, record=rv.Record("cells", "V", every=10.0), **{"seed": 1, **options})
    return np.diff(run["cells"].V.values, axis=0)


@pytest.mark.parametrize(("sites", "probability"), [(1, 0.25), (5, 0.3)])
def test_mean_and_variance_are_those_of_the_binomial_and_spikes_are_independent(sites, probability):
    brought = jumps(network(release=rv.synapses.VesicleRelease(sites=sites, probability=probability), weight=2.0))
    variance = 4 * probability * (1 - probability) / sites
    measured = [brought.mean(), brought.var()]
    name, source = f"random release from {sites} site{'s' * (sites > 1)}", "the binomial distribution"
    # 8000 draws: 4 standard errors of the mean, and of the variance of what is near to normal.
    record_reproduction(name, source, "mean and variance of 8000 amplitudes", [2 * probability, variance], measured, 4 * variance**0.5 / 89)
    assert set(np.unique(np.round(brought * sites / 2, 9))) <= set(range(sites + 1))
    pairs = np.corrcoef(brought)[np.triu_indices(4, 1)]
    assert np.abs(pairs).max() < 4 / np.sqrt(2000)


def test_words_are_compared_right_at_the_ends():
    with jax.enable_x64(True):
        edge = np.arange(1000, dtype=np.int32)
        count = lambda p: np.asarray(released(3, p, (0, 0), 7, 11, edge))
        assert (count(0.0) == 0).all()
        assert (count(1.0) == 3).all()
        assert (np.asarray(released(3, np.repeat([0.0, 0.5, 1.0], [400, 200, 400]), (0, 0), 7, 11, edge))[[0, -1]] == [0, 3]).all()


def test_with_short_term_plasticity_each_spike_has_the_share_u_x():
    """By the binomial of p u x, at the source and at the edge alike; that which always releases is the plasticity alone."""
    plain = jumps(network(short_term_plasticity=DEPRESSED))[:, 0]
    release = rv.synapses.VesicleRelease(sites=4, probability=1.0)
    brought = jumps(network(short_term_plasticity=DEPRESSED, release=release))
    variance = plain * (1 - plain) / 4
    np.testing.assert_allclose(brought.mean(axis=1), plain, atol=4 * np.sqrt(variance.max() / 2000))
    np.testing.assert_allclose(brought.var(axis=1), variance, rtol=0.15)
    at_edges = jumps(network(short_term_plasticity=DEPRESSED, short_term_site="edge", release=release))
    np.testing.assert_array_equal(at_edges, brought)


def test_what_an_edge_draws_is_its_own():
    """Neither another projection, nor edges of other targets, nor the order of delivery changes it."""
    release = rv.synapses.VesicleRelease(sites=2, probability=0.4)
    alone = jumps(network(n=50, sources=2, release=release))
    net = network(n=50, sources=2, release=release)
    source, cells = net.populations["source"], net.populations["cells"]
    beside = rv.Projection(source, cells, rv.synapses.Delta(), rv.connect.all_to_all(), weight=0.0, delay=3.0, name="beside")
    np.testing.assert_array_equal(jumps(rv.Network(*net.populations.values(), beside, *net.projections.values())), alone)
    # The same edges, each with a delay of its own, lie in another order.
    late = jumps(network(n=50, sources=2, release=release, delay=np.arange(100) // 2 * 0.1))
    assert late.sum() == pytest.approx(alone.sum(), rel=0.2)
    assert (jumps(network(n=50, sources=2, release=release), seed=2) != alone).any()
    each = jumps(network(n=50, sources=2, release=rv.synapses.VesicleRelease(probability=np.repeat([0.0, 1.0], 50))))
    assert (each[:, :25] == 0).all()
    assert (each[:, 25:] == 2.0).all()


def test_parameters_of_edges_that_are_drawn_are_those_of_the_edges_that_there_are():
    """A sparse rule, a distribution with a draw an edge: every synapse's first spike brings its own U."""
    source = rv.Population(30, rv.neurons.SpikeTimes.of_trains([[0.3 * i] for i in range(30)]), name="source")
    cells = rv.Population(40, rv.neurons.Passive(leak=0.0, capacitance=1.0), initial={"V": 0.0}, name="cells")
    rule = rv.synapses.TsodyksMarkram(utilization=rv.uniform(0.1, 0.9))
    options = {"delay": rv.uniform(0.1, 3.0), "short_term_plasticity": rule, "short_term_site": "edge", "name": "fibres"}
    fibres = rv.Projection(source, cells, rv.synapses.Delta(), rv.connect.pairwise_bernoulli(0.3), **options)
    run = rv.simulate(rv.Network(source, cells, fibres), duration=20.0, dt=0.1, seed=5)
    edges = run.edges("fibres")
    use = edges.parameter("short_term_plasticity.utilization")
    assert 0.1 < use.min() < 0.15
    np.testing.assert_allclose(run.state.neurons["cells"]["V"], np.bincount(edges.post, use, 40), rtol=1e-12)
    np.testing.assert_allclose(run.state.synapses["fibres"]["u"], use, rtol=1e-12)


def test_what_cannot_be_is_refused_by_name():
    release = rv.synapses.VesicleRelease()
    with pytest.raises(rv.ParameterError, match="a whole number of at least 1"):
        rv.synapses.VesicleRelease(sites=0)
    with pytest.raises(rv.ParameterError, match=r"Projection 'fibres'\.release and PairSTDP cannot go together"):
        network(release=release, plasticity=rv.plasticity.PairSTDP(high=1.0))
    with pytest.raises(rv.ParameterError, match="short_term_site says where short_term_plasticity has its states, and there is none"):
        network(short_term_site="edge")
    cells = rv.Population(2, rv.neurons.HodgkinHuxley())
    with pytest.raises(rv.ParameterError, match=r"release is of spikes that are delivered[\s\S]*GapJunction acts continuously"):
        rv.Projection(cells, cells, rv.synapses.GapJunction(), rv.connect.all_to_all(), release=release)
    sim = rv.prepare(network(n=2, release=release), dt=0.1)
    with pytest.raises(rv.UnsupportedError, match="No gradient passes through the spikes of fibres, as its synapses release at random"):
        sim.function(steps=3, surrogate=rv.surrogates.FastSigmoid())
    with jax.enable_x64(True):
        step = sim.function(steps=3, surrogate=rv.surrogates.FixedSpikes())
        end = lambda w: step({**sim.parameters, "fibres.weight": w}, sim.state())[0].neurons["cells"]["V"].sum()
        with pytest.raises(rv.UnsupportedError, match="No gradient passes through the spikes of fibres"):
            jax.grad(end)(np.float64(1.0))
