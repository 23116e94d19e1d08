"""The edges of a projection as they are shown, against what arrives in a run."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.network import edges as edges_module

DT = 0.1


def cells(n, name="cells", **options):
    return rv.Population(n, rv.neurons.Passive(leak=0.0), initial={"V": 0.0}, name=name, **options)


RULES = {
    "bernoulli": rv.connect.pairwise_bernoulli(0.6),
    "multapses": rv.connect.fixed_in_degree(4),
    "out": rv.connect.fixed_out_degree(3),
    "matrix": [[0, 2, 0, 1], [1, 0, 0, 3], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 5, 0], [2, 0, 0, 0]],
    "list": rv.connect.edge_list([3, 0, 1, 3], [0, 5, 2, 0], weights=[1.0, 2.0, 3.0, 4.0], delays=[0.0, 0.2, 0.1, 0.5]),
}
WEIGHTS = {
    "number": 2.5,
    "drawn": rv.normal(3.0, 0.5),
    "column": np.arange(1.0, 7.0)[:, None],
    "function": lambda pre, post: 1.0 + pre + 10.0 * post,
}
DELAYS = {
    "number": 0.3,
    "drawn": rv.uniform(0.1, 0.9),
    "function": lambda pre, post: 0.1 * (pre + post),
    "matrix": 0.1 * np.arange(24.0).reshape(6, 4),
}


def arriving(weight, delay, rule, seed):
    """What each source's single spike does to each target, and when: `[sources, targets, steps]`. And the edges as shown."""
    sent, apart = np.zeros((4, 6, 30)), 3.0
    before = rv.Population(4, rv.neurons.SpikeTimes(apart * np.arange(4), np.arange(4)), name="before")
    after, third = cells(2, "after"), cells(4, "third")
    wires = rv.Projection(before, [after, third], rv.synapses.Delta(), rule, weight=weight, delay=delay, name="it")
    run = rv.simulate(
        rv.Network(before, after, third, wires), duration=12.0, dt=DT, seed=seed, record=[rv.Record(after, "V"), rv.Record(third, "V")]
    )
    moved = np.diff(np.concatenate([run["after"].V.values, run["third"].V.values], axis=1), axis=0)
    for source in range(4):
        sent[source] = moved[30 * source : 30 * (source + 1)].T
    return sent, run.edges("it")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("weight", "delay"), [("number", "drawn"), ("drawn", "function"), ("column", "matrix"), ("function", "number")])
def test_what_is_shown_is_what_arrives(rule, weight, delay):
    sent, edges = arriving(WEIGHTS[weight], DELAYS[delay], RULES[rule], seed=5)
    shown = np.zeros_like(sent)
    np.add.at(shown, (edges.pre, edges.post, np.rint(edges.delay / DT).astype(int)), edges.weight)
    np.testing.assert_allclose(sent, shown, atol=1e-9)
    assert len(edges) == len(edges.pre) > 3 and edges.unit == "mV"
    np.testing.assert_allclose(edges.to_sparse().toarray(), sent.sum(axis=2).T, atol=1e-9)


def test_gap_junctions_show_what_flows():
    net_cells = cells(5)
    wires = rv.Projection(
        net_cells, net_cells, rv.synapses.GapJunction(), rv.connect.pairwise_bernoulli(0.5, autapses=False), weight=rv.uniform(0.1, 1.0)
    )
    net = rv.Network(net_cells, wires)
    shown = net.edges(wires, seed=2).to_sparse().toarray()
    flows = np.zeros((5, 5))
    for source in range(5):
        initial = np.zeros(5)
        initial[source] = 1.0
        start = rv.Population(5, net_cells.model, initial={"V": initial}, name="cells")
        same = rv.Network(start, rv.Projection(start, start, wires.synapse, wires.rule, weight=wires.weight))
        run = rv.simulate(same, duration=1e-6, dt=1e-6, seed=2, integrator=rv.Euler(), record=[rv.Record(start, "V")])
        flows[:, source] = run.V.values[1] - initial
        flows[source, source] = 0.0
    np.testing.assert_allclose(flows / 1e-6, shown, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("synapse", [rv.synapses.GradedGABA(), rv.synapses.NMDA(), rv.synapses.ExponentialConductance(reversal=0.0)])
def test_columns_do_not_depend_on_the_piece_they_are_read_in(synapse, monkeypatch):
    source = rv.Population(30, rv.neurons.HodgkinHuxley(), name="source")
    target = rv.Population(20, rv.neurons.HodgkinHuxley(), name="target")
    wires = rv.Projection(source, [source, target], synapse, rv.connect.pairwise_bernoulli(0.3), weight=rv.uniform(0, 1), name="it")
    net = rv.Network(source, target, wires)
    whole = net.edges("it", seed=4)
    columns = {name: getattr(whole, name) for name in ("pre", "post", "weight", "delay")}
    for targets_at_once in (None, 1, 7, 100):
        pieces = list(whole.pieces(targets_at_once))
        for name, column in columns.items():
            np.testing.assert_array_equal(np.concatenate([getattr(p, name) for p in pieces]), column)
    monkeypatch.setattr(edges_module, "KEPT", 0)
    monkeypatch.setattr(edges_module, "EDGES_AT_ONCE", 10)
    assert len(list(whole.pieces())) > 20
    for name, column in columns.items():
        np.testing.assert_array_equal(getattr(net.edges("it", seed=4), name), column, strict=True)
    some = whole.between(25, 40)
    mine = (columns["post"] >= 25) & (columns["post"] < 40)
    for name, column in columns.items():
        np.testing.assert_array_equal(getattr(some, name), column[mine])
    assert some.to_sparse().shape == (50, 30) and some.to_sparse().nnz == len(some) == mine.sum()
    assert len(whole.onto("target")) == (columns["post"] >= 30).sum() and whole.onto("target").post.min() >= 30
    np.testing.assert_array_equal(whole.to_pandas()["weight"], columns["weight"])
    assert not np.array_equal(net.edges("it", seed=5).weight[:50], columns["weight"][:50])


def test_the_order_is_by_target_then_source_then_the_list():
    few = cells(3)
    wires = rv.Projection(
        few, few, rv.synapses.Delta(), rv.connect.edge_list([2, 1, 2, 0], [0, 1, 0, 0]), weight=[1, 2, 3, 4], delay=[4, 3, 2, 1]
    )
    edges = rv.Network(few, wires).edges(wires)
    assert edges.to_pandas().to_numpy().tolist() == [[0, 0, 4, 1], [2, 0, 1, 4], [2, 0, 3, 2], [1, 1, 2, 3]]
    assert "4 edges" in repr(edges) and "weight 1 … 4 mV" in repr(edges)


def test_delays_are_those_of_the_steps_or_as_they_were_given():
    few = cells(40)
    wires = rv.Projection(few, few, rv.synapses.Delta(), rv.connect.one_to_one(), delay=rv.uniform(0.2, 0.9))
    net = rv.Network(few, wires)
    exact, rounded = net.edges(wires).delay, net.edges(wires, dt=0.1).delay
    assert len(set(exact.tolist())) == 40
    np.testing.assert_allclose(rounded, np.round(exact, 1))


class TestParameters:
    def shown(self, synapse, rule=None, n=3, **options):
        source, target = rv.Population(n, rv.neurons.HodgkinHuxley(), name="source"), cells(4, "target")
        wires = rv.Projection(source, target, synapse, rule or rv.connect.all_to_all(), name="it", **options)
        return rv.Network(source, target, wires).edges("it", seed=1)

    def test_one_number(self):
        edges = self.shown(rv.synapses.ExponentialCurrent(tau=4.0))
        assert edges.parameters == ("tau",) and edges.parameter("tau").tolist() == [4.0] * 12

    def test_one_a_target(self):
        edges = self.shown(rv.synapses.ExponentialCurrent(tau=rv.uniform(1, 2)))
        tau = edges.parameter("tau")
        assert len(set(tau.tolist())) == 4 and tau[:3].tolist() == [tau[0]] * 3
        np.testing.assert_array_equal(edges.between(2, 3).parameter("tau"), tau[6:9])

    def test_one_an_edge(self):
        edges = self.shown(rv.synapses.ExponentialCurrent(tau=rv.uniform(1, 2)), site="edge")
        tau = edges.parameter("tau")
        assert len(set(tau.tolist())) == 12
        np.testing.assert_array_equal(edges.between(2, 3).parameter("tau"), tau[6:9])

    def test_one_an_edge_of_a_list(self):
        rule = rv.connect.edge_list([2, 0], [3, 1])
        assert self.shown(rv.synapses.ExponentialCurrent(tau=[7.0, 8.0]), rule, site="edge").parameter("tau").tolist() == [8.0, 7.0]

    def test_short_term_plasticity(self):
        plastic = rv.synapses.TsodyksMarkram(utilization=[0.1, 0.2, 0.3])
        edges = self.shown(rv.synapses.ExponentialCurrent(), short_term_plasticity=plastic)
        assert edges.parameter("short_term_plasticity.utilization").tolist() == [0.1, 0.2, 0.3] * 4

    def test_unknown(self):
        with pytest.raises(rv.UnknownNameError, match="tau"):
            self.shown(rv.synapses.ExponentialCurrent()).parameter("tua")


def test_what_cannot_be_shown():
    few = cells(3)
    net = rv.Network(few, rv.Projection(few, few, rv.synapses.Delta(), rv.connect.all_to_all(), name="wires"))
    with pytest.raises(rv.UnknownNameError, match="wires"):
        net.edges("wirse")
    with pytest.raises(rv.ParameterError, match=r"cells is a population.*wires"):
        net.edges(few)
    edges = net.edges("wires")
    for call in (
        lambda: edges.between(0, 4),
        lambda: edges.between(2, 1),
        lambda: edges.between(-1, 2),
        lambda: edges.between(1, 2).between(0, 2),
    ):
        with pytest.raises(rv.ParameterError, match="wires: the targets here are"):
            call()
    with pytest.raises(rv.ParameterError, match="targets_at_once"):
        next(edges.pieces(0))
    with pytest.raises(rv.UnknownNameError, match="cells"):
        edges.onto("cell")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"weight": lambda pre, post: np.ones(3)},
            r"weight of it is a function .* for 16 pairs it must give 16 numbers, or one, not .*\(3,\)",
        ),
        ({"weight": lambda pre, post: "much"}, "weight of it is a function"),
        ({"weight": lambda pre, post: np.where(post == 2, np.nan, 1.0)}, r"weight of it is not finite for edge 8 \(from 0 to 2\)"),
        ({"weight": lambda pre, post: 1.0 - pre}, r"weight of it is -2 for edge 3 \(from 3 to 0\), but a conductance"),
        ({"delay": lambda pre, post: 0.5 * (pre - post)}, r"delay of it .* it is -0.5 ms for edge 4 \(from 0 to 1\)"),
        ({"delay": lambda pre, post: np.full(len(pre), np.inf)}, r"delay of it .* it is inf ms for edge 0 \(from 0 to 0\)"),
        ({"delay": np.ones((3, 4))}, r"delay of it has the shape \(3, 4\).*matrix \(4, 4\)"),
        (
            {"weight": rv.connect.by_distance(lambda d: d, np.arange(3.0))},
            "by_distance: there are 3 source positions, but a source has the number 3",
        ),
    ],
)
def test_values_that_cannot_be_used_are_refused_with_the_pair(changes, message):
    few = cells(4)
    wires = rv.Projection(few, few, rv.synapses.ExponentialConductance(reversal=0.0), rv.connect.all_to_all(), name="it", **changes)
    for draw in (lambda: rv.simulate(rv.Network(few, wires), duration=1.0), lambda: rv.Network(few, wires).edges("it").to_pandas()):
        with pytest.raises(rv.ParameterError, match=message):
            draw()


def test_an_error_inside_a_function_says_whose_it_is():
    few = cells(4)
    wires = rv.Projection(few, few, rv.synapses.Delta(), rv.connect.all_to_all(), name="it", weight=lambda pre: 1.0)
    with pytest.raises(TypeError) as error:
        rv.simulate(rv.Network(few, wires), duration=1.0)
    assert "The weight of it is a function" in error.value.__notes__[0]


def test_a_function_may_give_quantities():
    pint = pytest.importorskip("pint")
    volt = pint.UnitRegistry().volt
    few = cells(2)
    wires = rv.Projection(few, few, rv.synapses.Delta(), rv.connect.one_to_one(), weight=lambda pre, post: 0.001 * pre * volt)
    assert rv.Network(few, wires).edges(wires).weight.tolist() == [0.0, 1.0]
