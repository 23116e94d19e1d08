"""Edges given one by one: in arrays, in lists, in files."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ranvier as rv
from ranvier.connect.part import Part, draw
from ranvier.random import Key


def edges_of(rule, sources, targets):
    return rule.edges(sources, targets, range(targets), None, Key(0))


def as_set(edges):
    return sorted(zip(edges.post.tolist(), edges.pre.tolist(), edges.values.tolist(), edges.delays.tolist(), strict=True))


fanouts = st.lists(st.lists(st.tuples(st.integers(0, 4), st.floats(-2, 2), st.floats(0, 9)), max_size=5), min_size=1, max_size=4)


@given(fanouts)
def test_fanout_and_edge_list_say_the_same(rows):
    columns = [[list(column) for column in zip(*row, strict=True)] or [[], [], []] for row in rows]
    lists = [[row[i] for row in columns] for i in range(3)]
    flat = [(source, *edge) for source, row in enumerate(rows) for edge in row]
    arrays = [np.array([edge[i] for edge in flat]) for i in range(4)]
    one = edges_of(rv.connect.fanout(*lists), len(rows), 5)
    other = edges_of(rv.connect.edge_list(*arrays), len(rows), 5)
    assert as_set(one) == as_set(other) == sorted((t, s, w, d) for s, t, w, d in flat)
    order = one.post.astype(int) * len(rows) + one.pre
    assert (np.diff(order) >= 0).all()


@pytest.mark.parametrize("kind", ["csv", "npz"])
@pytest.mark.parametrize("optional", [(), ("weight",), ("delay", "weight")])
def test_a_file(tmp_path, kind, optional):
    columns = {"pre": [2, 0, 1], "post": [0, 1, 1], "weight": [0.5, 1.5, -2.0], "delay": [1.0, 0.1, 0.0]}
    columns = {name: columns[name] for name in (*optional, "pre", "post")}
    path = tmp_path / f"edges.{kind}"
    if kind == "npz":
        np.savez(path, **columns)
    else:
        path.write_text("\n".join([", ".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)), ""]))
    edges = edges_of(rv.connect.from_file(path), 3, 2)
    assert edges.pre.tolist() == [2, 0, 1] and edges.post.tolist() == [0, 1, 1]
    assert (edges.values is None) == ("weight" not in optional) and (edges.delays is None) == ("delay" not in optional)
    if "delay" in optional:
        assert edges.delays.tolist() == [1.0, 0.1, 0.0] and edges.values.tolist() == [0.5, 1.5, -2.0]


LISTS = {
    "edge_list": lambda path: rv.connect.edge_list([0, 1, 0], [1, 0, 0]),
    "fanout": lambda path: rv.connect.fanout([[1, 0], [0]]),
    "csv": lambda path: rv.connect.from_file(_written(path / "edges.csv", "pre,post\n0,1\n1,0\n0,0\n")),
}


def _written(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("edge_list", {(0, 1): (10, 0), (1, 0): (20, 1), (0, 0): (40, 2)}),
        ("csv", {(0, 1): (10, 0), (1, 0): (20, 1), (0, 0): (40, 2)}),
        ("fanout", {(0, 1): (10, 0), (0, 0): (20, 1), (1, 0): (40, 2)}),
    ],
)
def test_one_weight_and_delay_an_edge_are_in_the_order_of_the_list(kind, wanted, tmp_path):
    """By what arrives: each source spikes alone, and each target says how much came when."""
    for source in (0, 1):
        before = rv.Population(2, rv.neurons.SpikeTimes([0.0], [source]), name="before")
        after = rv.Population(2, rv.neurons.Passive(leak=0.0), initial={"V": 0.0}, name="after")
        given = {"weight": [10.0, 20.0, 40.0], "delay": [0, 1, 2]}
        projection = rv.Projection(before, after, rv.synapses.Delta(), LISTS[kind](tmp_path), **given)
        run = rv.simulate(rv.Network(before, after, projection), duration=4.0, dt=1.0, record=[rv.Record(after, "V")])
        moved = np.diff(run["after"].V.values, axis=0)
        for target in (0, 1):
            weight, delay = wanted.get((source, target), (0, 0))
            expected = np.zeros(4)
            expected[delay] = weight
            np.testing.assert_allclose(moved[:, target], expected, atol=1e-9)


class TestEverywhere:
    """The list's order in every place where one value an edge is given: two edges that do not stand by target."""

    def network(self, synapse=None, **options):
        before = rv.Population(2, rv.neurons.SpikeTimes([1.0, 1.0], [0, 1]), name="before")
        after = rv.Population(2, rv.neurons.Passive(leak=0.0), initial={"V": 0.0}, name="after")
        rule = rv.connect.edge_list([0, 1], [1, 0])
        return rv.Network(before, after, rv.Projection(before, after, synapse or rv.synapses.Delta(), rule, name="it", **options))

    def moved(self, run):
        return (run.state.neurons["after"]["V"] - 0.0).tolist()

    def test_new_weights_and_delays_of_a_prepared_network(self):
        sim = rv.prepare(self.network(weight=[1.0, 2.0]), dt=1.0, record=[])
        assert self.moved(sim.run(3.0)) == [2.0, 1.0]
        assert sim.parameters["it.weight"].tolist() == [1.0, 2.0]
        assert self.moved(sim.run(3.0, parameters={"it.weight": [10.0, 20.0]})) == [20.0, 10.0]
        late = sim.run(3.0, parameters={"it.delay": [5.0, 0.0]})
        assert self.moved(late) == [2.0, 0.0] and late.edges("it").delay.tolist() == [0.0, 5.0]

    def test_as_a_function(self):
        with jax.enable_x64(True):
            for synapse, site in ((rv.synapses.Delta(), None), (rv.synapses.ExponentialCurrent(tau=2.0), "edge")):
                sim = rv.prepare(self.network(synapse, weight=[1.0, 2.0], **({"site": site} if site else {})), dt=1.0, record=[])
                function, state = sim.function(steps=3), sim.state()
                last = lambda w, f=function, s=state: f({"it.weight": w}, s)[0].neurons["after"]["V"]
                one, other = last(jnp.array([1.0, 2.0])), last(jnp.array([1.0, 5.0]))
                assert (
                    float(one[0]) > 1.5 * float(one[1]) > 0 and float(other[0]) == pytest.approx(2.5 * float(one[0])) and other[1] == one[1]
                )
                slope = jax.jacobian(last)(jnp.array([1.0, 2.0]))
                assert slope[0, 0] == slope[1, 1] == 0 and slope[0, 1] > 0 and slope[1, 0] > 0

    def test_kinetics_and_initial_values_at_the_edges(self):
        net = self.network(rv.synapses.ExponentialCurrent(tau=[2.0, 50.0]), site="edge", initial={"i": [3.0, 4.0]})
        assert net.edges("it").parameter("tau").tolist() == [50.0, 2.0]
        sim = rv.prepare(net, dt=0.1, record=[])
        assert sim.state().synapses["it"]["i"].tolist() == [4.0, 3.0] and sim.parameters["it.tau"].tolist() == [2.0, 50.0]
        left = sim.run(1.0).state.synapses["it"]["i"]
        np.testing.assert_allclose(left, [4.0 * np.exp(-1 / 50), 3.0 * np.exp(-1 / 2)], rtol=1e-6)
        left = sim.run(1.0, parameters={"it.tau": [50.0, 2.0]}).state.synapses["it"]["i"]
        np.testing.assert_allclose(left, [4.0 * np.exp(-1 / 2), 3.0 * np.exp(-1 / 50)], rtol=1e-6)

    def test_a_function_may_give_quantities(self):
        pint = pytest.importorskip("pint")
        volt = pint.UnitRegistry().volt
        run = rv.simulate(self.network(weight=lambda pre, post: 0.001 * (1 + pre) * volt), duration=3.0, dt=1.0, record=[])
        np.testing.assert_allclose(self.moved(run), [2.0, 1.0])
        assert run.edges("it").weight.tolist() == [2.0, 1.0]


def test_a_matrix_has_its_weights_row_by_row():
    part = Part("it", rv.connect.matrix([[0, 1], [2, 1]]), 2, 0, ((2, 0),), Key(0), weight=[10.0, 20.0, 30.0])
    edges = draw(part).edges(range(2))
    assert list(zip(edges.post, edges.pre, draw(part).weights(edges), strict=True)) == [(0, 1, 10), (1, 0, 40), (1, 1, 30)]


def test_several_edges_of_a_pair_stay_in_the_order_of_the_list():
    part = Part("it", rv.connect.edge_list([1, 0, 1], [0, 0, 0]), 2, 0, ((1, 0),), Key(0), weight=[1.0, 2.0, 3.0], delay=[0.3, 0.2, 0.1])
    edges = draw(part).edges(range(1))
    assert edges.pre.tolist() == [0, 1, 1] and draw(part).weights(edges).tolist() == [2, 1, 3]
    assert draw(part).steps(edges).tolist() == [2, 3, 1] and draw(part).delays(edges).tolist() == [0.2, 0.3, 0.1]


def test_a_file_without_edges(tmp_path):
    (tmp_path / "none.csv").write_text("pre,post\n")
    assert len(edges_of(rv.connect.from_file(tmp_path / "none.csv"), 3, 2)) == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("edges.csv", b"pre,post\n0,1\n0\n", "edges.csv cannot be read"),
        ("edges.csv", b"pre,post\n0,1,2\n", "2 names and the others 3 numbers"),
        ("edges.csv", b"pre,post\n0,one\n", "edges.csv cannot be read: could not convert string 'one'"),
        ("edges.csv", b"\xff\xfe\x00", "edges.csv cannot be read"),
        ("edges.csv", b"", "Unknown column of edges.csv ''"),
        ("edges.csv", b"pre,pre\n0,1\n", "a column stands twice"),
        ("edges.csv", b"pre,post,wieght\n0,1,2\n", "Unknown column of edges.csv 'wieght'. Did you mean 'weight'?"),
        ("edges.csv", b"pre,weight\n0,1\n", "has no column 'post'; it has pre, weight"),
        ("edges.csv", b"pre,post\n0,1.5\n", "edges.csv: post is 1.5 for edge 0; a neuron's number is whole"),
        ("edges.csv", b"pre,post\n0,nan\n", "edges.csv: post is nan for edge 0"),
        ("edges.csv", b"pre,post,delay\n0,1,-1\n", "delays has -1 ms for edge 0; it cannot be negative"),
        ("edges.csv", b"pre,post,weight\n0,1,inf\n", "weights has a value that is not finite for edge 0"),
        ("edges.npz", b"no archive", "edges.npz cannot be read"),
        ("edges.npz", b"PK\x03\x04 cut off", "edges.npz cannot be read"),
        ("edges.hdf5", b"", "must end in .csv or .npz"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises((rv.ParameterError, rv.errors.UnknownNameError), match=message):
        rv.connect.from_file(tmp_path / name)


def test_a_file_with_objects_in_it_is_not_opened(tmp_path):
    np.savez(tmp_path / "edges.npz", pre=np.array([object()]), post=np.array([0]))
    with pytest.raises(rv.ParameterError, match=r"edges.npz cannot be read: Object arrays"):
        rv.connect.from_file(tmp_path / "edges.npz")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        rv.connect.from_file(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (rv.connect.edge_list([0, 3], [0, 1]), "edge_list: pre is 3 for edge 1, but neurons count from 0 to 2"),
        (rv.connect.edge_list([0, -1, -1], [0, 1, 1]), r"pre is -1 for edge 1, .* \(2 edges are wrong\)"),
        (rv.connect.edge_list([0], [2**40]), "post is 1099511627776 for edge 0"),
        (rv.connect.fanout([[0], [1]]), "fanout has targets of 2 sources, but there are 3"),
    ],
)
def test_neurons_that_do_not_exist(rule, message):
    with pytest.raises(rv.ParameterError, match=message):
        edges_of(rule, 3, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rv.connect.edge_list([0, 1], [0]), "pre has 2 entries and post 1"),
        (lambda: rv.connect.edge_list([[0]], [[0]]), "pre must be whole numbers"),
        (lambda: rv.connect.edge_list(["a"], [0]), r"pre is \['a'\], but it must be whole numbers"),
        (lambda: rv.connect.edge_list([0], [0], weights=[1.0, 2.0]), r"weights has the shape \(2,\); there must be one for each of the 1"),
        (lambda: rv.connect.edge_list([0], [0], delays=[-1.0]), "delays has -1 ms"),
        (lambda: rv.connect.fanout([[0, 1], [1]], weights=[[1.0, 2.0], [1.0, 2.0]]), r"source 1 has 1 targets, but its weights .*\(2,\)"),
        (lambda: rv.connect.fanout([[0]], delays=[[1.0], [2.0]]), "delays of 2 sources, but targets of 1"),
        (lambda: rv.connect.fanout([[[0, 1]]]), r"targets\[0\] must be whole numbers"),
        (lambda: rv.connect.fanout([[0.5]]), r"fanout: targets\[0\] is 0.5"),
    ],
)
def test_lists_that_do_not_fit(make, message):
    with pytest.raises(rv.ParameterError, match=message):
        make()


def test_the_network_has_the_weights_and_delays_of_the_lists():
    """A kick of weight 2 · 3 mV after 0.2 + 0.3 ms, and one of 2 · 1 mV after 0.2 ms."""
    before = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), initial={"V": -49.0}, name="before")
    after = rv.Population(2, rv.neurons.Passive(leak=0.0), initial={"V": -65.0}, name="after")
    rule = rv.connect.fanout([[1, 0]], weights=[[3.0, 1.0]], delays=[[0.3, 0.0]])
    projection = rv.Projection(before, after, rv.synapses.Delta(), rule, weight=2.0, delay=0.2)
    run = rv.simulate(rv.Network(before, after, projection), duration=1.0, dt=0.1, record=[rv.Record(after, "V")])
    V = run["after"].V.values
    np.testing.assert_allclose(V[[2, 3, 5, 6]], [[-65, -65], [-63, -65], [-63, -65], [-63, -59]])
