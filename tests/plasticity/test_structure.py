"""Synapses that come and go: what happens when, state, stores, room, records, composition with learning, bad input."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.network import loop
from ranvier.plasticity import Rewiring

DT = 0.5
SYNAPSE = rv.synapses.ExponentialCurrent(tau=2.0)


class Script(rv.StructuralRule):
    """What a test says: at the n-th time these synapses come, and those from source 0 go."""

    script: tuple = ()

    def source_state(self):
        return {"times": 0.0}

    def rewire(self, synapses, source, target, draws, interval):
        n = int(source["times"][0])
        pre, post = self.script[n] if n < len(self.script) else ((), ())
        keep = np.ones(len(synapses), bool) if n < 2 else synapses.pre != 0
        return Rewiring(keep, pre, post, outgoing={"times": source["times"] + 1})


class Busy(rv.StructuralRule):
    """Many come, at random; some go. It looks at spikes on both sides."""

    each: int = 40

    def source_traces(self):
        return {"spikes": rv.plasticity.Trace(50.0)}

    def target_traces(self):
        return {"spikes": rv.plasticity.Trace(20.0, jump=2.0)}

    def rewire(self, synapses, source, target, draws, interval):
        keep = draws.random(len(synapses)) < 0.9
        pre = draws.choice(synapses.sources, self.each, p=(source["spikes"] + 0.1) / (source["spikes"] + 0.1).sum())
        return Rewiring(keep, pre, draws.integers(synapses.targets, size=self.each))


def network(structure, connect=None, plasticity=None, **options):
    source = rv.Population(3, rv.neurons.SpikeTimes.of_trains([[12.0, 25.0, 41.0], [3.0, 33.0], [18.0]]), name="source")
    cells = rv.Population(4, rv.neurons.LeakyIntegrateAndFire(), current=150.0, name="cells")
    wire = {"weight": 50.0, "delay": 1.0, **options}
    connect = rv.connect.edge_list([], []) if connect is None else connect
    return rv.Network(
        source, cells, rv.Projection(source, cells, SYNAPSE, connect, structure=structure, plasticity=plasticity, name="wire", **wire)
    )


def recurrent(structure, plasticity=None):
    cells = rv.Population(30, rv.neurons.LeakyIntegrateAndFire(), current=rv.uniform(80.0, 130.0), name="cells")
    wire = rv.Projection(
        cells, cells, SYNAPSE, rv.connect.pairwise_bernoulli(0.1), weight=rv.uniform(5.0, 15.0), delay=rv.uniform(0.5, 3.0),
        structure=structure, plasticity=plasticity, name="wire",
    )  # fmt: skip
    return rv.Network(cells, wire)


HOW = {"duration": 400.0, "dt": DT, "seed": 4}
STDP = rv.plasticity.PairSTDP(high=20.0, potentiation=0.05, depression=0.05)


def test_a_synapse_carries_from_the_step_after_it_came_until_it_goes():
    """Synapses come at 10 and 20 ms, and go from source 0 at 30 ms; each stretch is as a network that has those edges."""
    run = rv.simulate(
        network(Script(every=10.0, script=(([0], [1]), ([1, 2], [2, 2])))), duration=60.0, dt=DT, record=rv.Record("cells", "V")
    )
    state = None
    for pre, post, duration in (([], [], 10.0), ([0], [1], 10.0), ([0, 1, 2], [1, 2, 2], 10.0), ([1, 2], [2, 2], 30.0)):
        listed = rv.connect.edge_list([*pre, 2], [*post, 3], [1.0] * len(pre) + [0.0])  # one of no weight, for the delay's sake
        state = rv.simulate(network(None, listed), duration=duration, dt=DT, initial=state).state
    np.testing.assert_array_equal(run["cells"]["V"].values[-1], state.neurons["cells"]["V"])
    edges = run.edges("wire")
    assert (edges.pre.tolist(), edges.post.tolist(), edges.delay.tolist(), edges.weight.tolist()) == (
        [1, 2],
        [2, 2],
        [1.0, 1.0],
        [50.0, 50.0],
    )
    assert edges.to_sparse().sum() == 100.0 and len(edges.between(0, 2)) == 0


RECORD = rv.Record("wire", ["edges", "mean_weight", "outgoing spikes"], every=20.0)


def learns(duration, **more):
    return rv.simulate(recurrent(Busy(every=20.0), STDP), duration=duration, dt=DT, record=RECORD, **more)


@pytest.fixture(scope="module")
def learnt():
    return learns(400.0, seed=4)


def same(one, other):
    for column in ("pre", "post", "weight", "delay"):
        np.testing.assert_array_equal(getattr(one.edges("wire"), column), getattr(other.edges("wire"), column))
    np.testing.assert_array_equal(one.state.neurons["cells"]["V"], other.state.neurons["cells"]["V"])


def test_going_on_resuming_and_saving_change_no_bit(learnt, tmp_path):
    learns(215.0, seed=4).state.save(tmp_path / "state.npz")
    same(learnt, learns(185.0, initial=rv.SimulationState.load(tmp_path / "state.npz")))
    again = learns(200.0, initial=learns(200.0, seed=4))  # parted where edges change
    same(learnt, again)
    np.testing.assert_array_equal(again["wire"]["edges"].values[:, 0], learnt["wire"]["edges"].values[10:, 0])
    stop = lambda now: now.time >= 250
    stored = learns(400.0, seed=4, store=tmp_path / "run.zarr", checkpoint_every=90.0, until=rv.Until(stop, every=50.0))
    same(learnt, learns(150.0, initial=stored))
    assert rv.plot.connectivity(stored).get_legend().texts[0].get_text() == f"wire: {len(stored.edges('wire'))}"


def test_it_grows_out_of_its_room_and_compiles_no_more_often(learnt):
    edges = learnt["wire"]["edges"].values[:, 0]
    assert edges[-1] == len(learnt.edges("wire")) and (np.diff(edges) != 0).all()
    net = recurrent(Busy(every=20.0, each=400))  # beyond the room of 1024
    first = rv.simulate(net, **HOW)
    assert len(first.edges("wire")) > 2000
    before = loop.compilations
    same(first, rv.simulate(net, **HOW))
    assert loop.compilations == before


def test_what_is_recorded(learnt):
    weight = learnt.edges("wire").weight
    assert learnt["wire"]["mean_weight"].values[-1, 0] == pytest.approx(weight.mean(), rel=1e-12)
    spikes = learnt["cells"].spikes
    trace = [np.exp(-(400.0 - DT - spikes.times[spikes.neurons == j]) / 50.0).sum() for j in range(30)]
    np.testing.assert_allclose(learnt["wire"]["outgoing spikes"].values[-1], trace, rtol=1e-10)
    with pytest.raises(UnsupportedError, match="mean_weight"):
        rv.simulate(recurrent(Busy()), **HOW, record=rv.Record("wire", "weight"))


def test_weights_and_tags_of_synapses_that_stay_are_kept():
    """Where nothing goes and what comes has weight 0, learning is as without."""

    class Adds(rv.StructuralRule):
        def rewire(self, synapses, source, target, draws, interval):
            return Rewiring(np.ones(len(synapses), bool), draws.integers(30, size=20), draws.integers(30, size=20), weight=0.0)

    class Tagged(rv.PlasticityRule):
        def post_traces(self):
            return {"y": rv.plasticity.Trace(20.0)}

        def edge_state(self):
            return {"tag": 50.0}

        def on_pre(self, edge, pre, post, third):
            return {"tag": edge["tag"] + post["y"], "weight": edge["weight"] * (1 + 0.01 * edge["tag"])}

    plain = rv.simulate(recurrent(None, Tagged()), **HOW)
    grown = rv.simulate(recurrent(Adds(every=25.0), Tagged()), **HOW)
    np.testing.assert_array_equal(plain.spikes.steps, grown.spikes.steps)
    kept = grown.edges("wire").weight != 0
    np.testing.assert_allclose(grown.edges("wire").weight[kept], plain.edges("wire").weight, rtol=1e-12)
    tags = {name: run.state.synapses["wire"]["tag"] for name, run in (("plain", plain), ("grown", grown))}
    assert np.abs(tags["plain"]).max() > 0.1
    now = lambda run: np.exp(-(run.state.step - run.state.traces["wire"]["reference"]) * DT / 50.0)
    np.testing.assert_allclose(tags["grown"][kept] * now(grown), tags["plain"] * now(plain), rtol=1e-12)


def test_rules_that_are_shipped():
    turnover = rv.simulate(recurrent(rv.plasticity.Turnover(below=8.0, every=20.0)), **HOW)
    edges, before = turnover.edges("wire"), recurrent(None).edges("wire", seed=4)
    assert (before.weight < 8).mean() > 0 and (edges.weight < 8).mean() < 0.3 * (before.weight < 8).mean()
    assert 0.8 * len(before) < len(edges) <= len(before)
    assert len(set(zip(edges.pre, edges.post, strict=True))) == len(edges)
    assert (edges.pre == edges.post).sum() <= (before.pre == before.post).sum()


def test_elements_are_counted():
    """Neurons that do not spike: the curve at no calcium is what grows, and each synapse takes one element of either side."""
    grows = rv.plasticity.LinearGrowth(rate=0.01)
    rule = rv.plasticity.SynapticElements(every=50.0, axonal=grows, dendritic=rv.plasticity.LinearGrowth(rate=0.02), autapses=True)
    cells = rv.Population(10, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    wire = rv.Projection(cells[:4], cells[2:], SYNAPSE, rv.connect.edge_list([], []), structure=rule, name="wire")
    run = rv.simulate(rv.Network(cells, wire), duration=500.0, dt=DT)
    edges = run.edges("wire")
    np.testing.assert_allclose(run.state.traces["wire"]["outgoing elements"], [5.0] * 4 + [-1.0] * 6)
    assert np.bincount(edges.pre, minlength=10).tolist() == [5] * 4 + [0] * 6  # axons are what there is less of
    assert set(edges.post) <= set(range(2, 10))
    np.testing.assert_allclose(run.state.traces["wire"]["incoming elements"][2:], 10.0)


class Wrong(rv.StructuralRule):
    def rewire(self, synapses, source, target, draws, interval):
        return GIVES[0](len(synapses))


GIVES = [None]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda n: None, "Rewiring"),
        (lambda n: Rewiring(np.ones(n)), "True or False"),
        (lambda n: Rewiring(np.ones(n + 1, bool)), "keep"),
        (lambda n: Rewiring(np.ones(n, bool), [0.5], [0]), "whole numbers"),
        (lambda n: Rewiring(np.ones(n, bool), [3], [0]), "from 0 to 2"),
        (lambda n: Rewiring(np.ones(n, bool), [0, 1], [0]), "one of each"),
        (lambda n: Rewiring(np.ones(n, bool), [0], [0], np.nan), "finite"),
        (lambda n: Rewiring(np.ones(n, bool), [0], [0], 30.0), "bounds of PairSTDP"),
        (lambda n: Rewiring(np.ones(n, bool), outgoing={"elements": 1.0}), "no state"),
    ],
)
def test_what_a_rule_may_not_give(what, said):
    GIVES[0] = what
    with pytest.raises(ParameterError, match=said):
        rv.simulate(network(Wrong(every=5.0), plasticity=STDP, weight=1.0), duration=5.0, dt=DT)


def test_bad_input():
    with pytest.raises(ParameterError, match="structure"):
        network(STDP)
    with pytest.raises(ParameterError, match="one population"):
        cells = rv.Population(3, rv.neurons.LeakyIntegrateAndFire())
        rv.Projection(
            cells, [cells, rv.Population(2, rv.neurons.LeakyIntegrateAndFire())], SYNAPSE, rv.connect.all_to_all(), structure=Busy()
        )
    with pytest.raises(ParameterError, match="for each of the edges at the start"):
        rv.prepare(network(Busy(), rv.connect.edge_list([0, 1], [1, 2]), weight=[1.0, 2.0]), dt=DT)
    with pytest.raises(ParameterError, match="bounds"):
        rv.prepare(network(Busy(), plasticity=STDP, weight=50.0), dt=DT)
    sim = rv.prepare(network(Busy(every=5.0)), dt=DT)
    with pytest.raises(UnsupportedError, match="come and go"):
        sim.function(steps=3)
    with pytest.raises(ParameterError, match="came and went"):
        rv.simulate(network(None, plasticity=rv.plasticity.FixedWeights()), duration=5.0, dt=DT, initial=sim.run(10.0))
    assert "come and go by Busy" in str(rv.explain(sim)) and "room for" in str(rv.explain(sim))
    swept = rv.sweep(network(Busy(every=5.0)), {"wire.structure.every": [5.0, 20.0]}, duration=20.0, dt=DT)
    assert swept is not None
