"""Edges that a spike draws again: the same network as the one that keeps them."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError, UnknownNameError, UnsupportedError

RULES = {
    "bernoulli": lambda **how: rv.connect.pairwise_bernoulli(0.1, autapses=False, **how),
    "out degree": lambda **how: rv.connect.fixed_out_degree(8, **how),
    "different": lambda **how: rv.connect.fixed_out_degree(8, multapses=False, **how),
    "all": lambda **how: rv.connect.all_to_all(autapses=False, **how),
}


def network(rule, weight=3.0, delay=1.5, synapse=None, **how):
    model = rv.neurons.LeakyIntegrateAndFire(refractory=2.0)
    first = rv.Population(60, model, current=rv.uniform(150, 400), initial={"V": rv.normal(-65, 5)}, name="first")
    other = rv.Population(30, model, initial={"V": rv.normal(-65, 5)}, name="other")
    synapse = synapse or rv.synapses.ExponentialCurrent(tau=5.0)
    return rv.Network(other, first, rv.Projection(first, [first, other], synapse, rule, weight=weight, delay=delay, name="wire", **how))


@pytest.mark.parametrize(
    ("rule", "weight", "delay", "precision"),
    [
        ("bernoulli", rv.uniform(-20, 40), 1.5, "single"),
        ("out degree", rv.normal(20, 10), rv.uniform(0.15, 0.84), "double"),
        ("different", 25.0, rv.normal(1.0, 0.5, low=0.2), "single"),
        ("all", 3.0, 1.5, "double"),
    ],
)
def test_it_is_the_stored_network_edge_for_edge_and_bit_for_bit(rule, weight, delay, precision):
    kept, drawn = (network(RULES[rule](**how), weight, delay) for how in ({"by": "source"}, {"stored": False}))
    one, two = (rv.simulate(net, duration=60.0, dt=0.1, seed=5, precision=precision) for net in (kept, drawn))
    assert len(one.spikes) > 100
    assert one.spikes.times.tolist() == two.spikes.times.tolist() and one.spikes.neurons.tolist() == two.spikes.neurons.tolist()
    for name in ("first", "other"):
        assert one.state.neurons[name]["V"].tobytes() == two.state.neurons[name]["V"].tobytes()
    mine, theirs = kept.edges("wire", seed=5, dt=0.1), two.edges("wire")
    for what in ("pre", "post", "weight", "delay"):
        assert getattr(mine, what).tolist() == getattr(theirs, what).tolist()


def test_short_term_plasticity_scales_what_is_drawn():
    how = {"short_term_plasticity": rv.synapses.TsodyksMarkram()}
    one, two = (
        rv.simulate(network(RULES["bernoulli"](**by), 30.0, **how), duration=60.0, dt=0.1) for by in ({"by": "source"}, {"stored": False})
    )
    assert one.state.neurons["other"]["V"].tobytes() == two.state.neurons["other"]["V"].tobytes()


def test_explain_says_that_edges_are_drawn_and_they_take_memory_by_neurons():
    kept, drawn = (rv.explain(network(RULES["out degree"](**how)), dt=0.1)["wire"] for how in ({"by": "source"}, {"stored": False}))
    assert "drawn at each spike" in drawn.coupling and drawn.edges == kept.edges == 480
    many = rv.explain(network(rv.connect.fixed_out_degree(10_000, stored=False)), dt=0.1)["wire"]
    assert many.edges == 600_000 and many.bytes == drawn.bytes


def test_a_run_with_another_weight_compiles_nothing_and_a_state_goes_on():
    sim = rv.prepare(network(RULES["bernoulli"](stored=False)), dt=0.1)
    whole = sim.run(40.0, parameters={"wire.weight": 20.0})
    before = rv.network.loop.compilations
    half = sim.run(20.0, parameters={"wire.weight": 20.0})
    rest = sim.run(20.0, parameters={"wire.weight": 20.0}, initial=half.state)
    assert rv.network.loop.compilations == before
    assert rest.state.neurons["first"]["V"].tobytes() == whole.state.neurons["first"]["V"].tobytes()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"weight": rv.lognormal(1.0, 0.5)}, "one weight, or weights drawn"),
        ({"weight": lambda pre, post: 1.0 * pre}, "one weight, or weights drawn"),
        ({"delay": rv.lognormal(1.0, 0.5)}, "one delay, or delays drawn"),
    ],
)
def test_what_needs_stored_edges_is_refused_by_name(how, says):
    with pytest.raises(UnsupportedError, match=says):
        rv.prepare(network(RULES["bernoulli"](stored=False), **how), dt=0.1)


def test_a_projection_that_learns_keeps_its_edges():
    cells = rv.Population(4, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    rule = RULES["bernoulli"](stored=False)
    wire = rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(), rule, weight=1.0, plasticity=rv.plasticity.PairSTDP())
    with pytest.raises(UnsupportedError, match="no weights to change"):
        rv.prepare(rv.Network(cells, wire), dt=0.1)


def test_a_conductance_that_may_be_negative_is_refused():
    synapse = rv.synapses.ExponentialConductance(tau=5.0, reversal=0.0)
    with pytest.raises(ParameterError, match="cannot be negative"):
        rv.prepare(network(RULES["bernoulli"](stored=False), rv.normal(1.0, 1.0), synapse=synapse), dt=0.1)
    rv.prepare(network(RULES["bernoulli"](stored=False), rv.normal(1.0, 1.0, low=0.0), synapse=synapse), dt=0.1)


def test_edges_drawn_by_target_cannot_be_left_out():
    with pytest.raises(ParameterError, match="by='source'"):
        rv.connect.pairwise_bernoulli(0.1, by="target", stored=False)
    with pytest.raises(UnknownNameError, match="source, target"):
        rv.connect.all_to_all(by="neuron")


def test_given_weights_go_by_source():
    rule = rv.connect.fixed_out_degree(2, by="source")
    sim = rv.prepare(network(rule, weight=np.arange(120.0)), dt=0.1)
    edges = sim.network.edges("wire", dt=0.1)
    assert (edges.weight // 2 == edges.pre).all()
