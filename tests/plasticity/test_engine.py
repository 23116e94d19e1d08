"""Plastic projections on the engine: the order of events, state, records, stores, other layouts, errors."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.network import learning, loop, transfer
from tests.plasticity.networks import CELLS, DT, HOW, by_hand, network, steps_of

PAIR = rv.plasticity.PairSTDP(high=10.0, potentiation=0.05, depression=0.05)
trace = lambda ages, tau=20.0: np.exp(-ages / tau).sum()


class Generic(rv.PlasticityRule):
    """Pair STDP written as a user would."""

    step: float = rv.parameter(0.5, "1")

    def pre_traces(self):
        return {"x": rv.plasticity.Trace(20.0)}

    def post_traces(self):
        return {"y": rv.plasticity.Trace(20.0)}

    def on_pre(self, edge, pre, post, third):
        return {"weight": edge["weight"] - self.step * post["y"]}

    def on_post(self, edge, pre, post, third):
        return {"weight": edge["weight"] + self.step * pre["x"]}


class Tagged(rv.PlasticityRule):
    """Weights follow a tag that decays, every two milliseconds."""

    update_every = 2.0

    def post_traces(self):
        return {"u": rv.plasticity.LowPass("V", 10.0), "y": rv.plasticity.Trace(20.0, nearest=True)}

    def edge_state(self):
        return {"tag": 50.0}

    def on_pre(self, edge, pre, post, third):
        return {"tag": edge["tag"] + 0.01 * (post["u"] + 70.0)}

    def on_post(self, edge, pre, post, third):
        return {"tag": edge["tag"] - 0.02 * post["y"]}

    def update(self, edge, post, third, total, interval):
        return {"weight": edge["weight"] + 0.01 * edge["tag"] * interval - 1e-4 * total(edge["weight"])}


class Potentials(rv.plasticity.Homeostasis):
    """Every weight is its target's potential."""

    every = DT

    def update(self, edge, post, total, interval):
        return post["V"]


@pytest.fixture(scope="module")
def pair():
    return rv.simulate(network(PAIR), **HOW)


def test_weights_are_what_the_spikes_make_them(pair):
    before = network(PAIR).edges("wire", seed=HOW["seed"], dt=DT)
    wanted = by_hand(pair, before, lambda w, x, y: -0.5 * trace(y), lambda w, x, y: 0.5 * trace(x))
    after = pair.edges("wire")
    np.testing.assert_allclose(after.weight, wanted, rtol=0, atol=1e-12)
    assert np.abs(wanted - before.weight).max() > 1 and (wanted == 10.0).any()
    assert after.weight.shape == after.pre.shape and "2" not in after.unit
    part = after.between(1, 2)
    np.testing.assert_array_equal(part.weight, after.weight[after.post == 1])


def test_the_users_own_form_is_the_native_one(pair):
    own = rv.simulate(network(Generic(high=10.0)), **HOW)
    np.testing.assert_allclose(own.edges("wire").weight, pair.edges("wire").weight, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(own.spikes.steps, pair.spikes.steps)
    assert "edge by edge" in str(rv.explain(network(Generic()))) and "PairSTDP" in str(rv.explain(network(PAIR)))


@pytest.mark.parametrize("rule", [PAIR, Generic(high=10.0), Tagged(high=50.0)], ids=lambda r: type(r).__name__)
def test_going_on_and_resuming_change_no_bit(rule, tmp_path):
    whole = rv.simulate(network(rule), **HOW)
    first = rv.simulate(network(rule), **{**HOW, "duration": 91.3})
    last = rv.simulate(network(rule), duration=200.0 - 91.3, dt=DT, initial=first)
    first.state.save(tmp_path / "state.npz")
    loaded = rv.simulate(network(rule), duration=200.0 - 91.3, dt=DT, initial=rv.SimulationState.load(tmp_path / "state.npz"))
    rv.simulate(network(rule), store=tmp_path / "run.zarr", **{**HOW, "duration": 91.3})
    resumed = rv.resume(tmp_path / "run.zarr", None if rule is PAIR else network(rule), duration=200.0)
    for run in (last, loaded, resumed):
        for name, values in whole.state.synapses["wire"].items():
            np.testing.assert_array_equal(run.state.synapses["wire"][name], values)
        for name, values in whole.state.traces["wire"].items():
            np.testing.assert_array_equal(run.state.traces["wire"][name], values, err_msg=name)


@pytest.mark.parametrize("rule", [PAIR, Tagged(high=50.0)], ids=lambda r: type(r).__name__)
def test_other_parts_change_no_bit(rule):
    alone = rv.simulate(network(rule), **HOW)
    other = rv.Population(7, rv.neurons.LeakyIntegrateAndFire(), current=500.0, name="another")
    third = rv.Population(4, rv.neurons.LeakyIntegrateAndFire(refractory=0.5), current=500.0, name="a third")
    more = (other, third, rv.Projection(other, third, rv.synapses.ExponentialCurrent(tau=3.0), rv.connect.all_to_all(), plasticity=PAIR))
    among = rv.simulate(network(rule, more=more), **HOW)
    for name, values in alone.state.synapses["wire"].items():
        np.testing.assert_array_equal(among.state.synapses["wire"][name], values)
    np.testing.assert_array_equal(alone.spikes["cells"].times, among.spikes["cells"].times)


def test_records_are_in_the_users_order(pair):
    records = [
        rv.Record("wire", "weight", every=50.0),
        rv.Record("wire", "weight", neurons=[3, 0], every=100.0, stop=100.0),
        rv.Record("wire", "weight", every=50.0, reduce="mean"),
    ]
    run = rv.simulate(network(PAIR), record=[records[0], records[2]], **HOW)
    rows = run["wire"]["weight"]
    np.testing.assert_array_equal(rows[-1], pair.edges("wire").weight)
    np.testing.assert_array_equal(rows[0], network(PAIR).edges("wire", seed=HOW["seed"], dt=DT).weight)
    np.testing.assert_allclose(np.ravel(run["wire"]["weight.mean"]), np.asarray(rows).mean(axis=1), rtol=1e-12)
    some = rv.simulate(network(PAIR), record=records[1], **HOW)["wire"]["weight"]
    np.testing.assert_array_equal(some, np.asarray(rows)[[0, 2]][:, [3, 0]])


def test_negative_weights_keep_their_sign(pair):
    positive = network(PAIR).edges("wire", seed=5).weight
    free = {"duration": 200.0, "dt": DT, "seed": 5}
    down = rv.simulate(network(PAIR, weight=-positive), **free)
    before = network(PAIR, weight=-positive).edges("wire", seed=5, dt=DT)
    turned = lambda change: lambda w, x, y: -change(-w, x, y)
    wanted = by_hand(down, before, turned(lambda w, x, y: -0.5 * trace(y)), turned(lambda w, x, y: 0.5 * trace(x)), -10.0, 0.0)
    np.testing.assert_allclose(down.edges("wire").weight, wanted, rtol=0, atol=1e-12)
    own = rv.simulate(network(Generic(high=10.0), weight=-positive), **free)
    np.testing.assert_allclose(own.edges("wire").weight, wanted, rtol=0, atol=1e-12)


def test_other_numbers_compile_nothing():
    sim = rv.prepare(network(PAIR, delay=1.5), dt=DT, seed=5)
    sim.run(20.0)
    before = loop.compilations
    stronger = sim.run(20.0, parameters={"wire.plasticity.potentiation": 0.2})
    sim.run(20.0, parameters={"wire.weight": 3.0})
    sim.run(20.0, seed=6)
    assert loop.compilations == before
    other = rv.plasticity.PairSTDP(high=10.0, potentiation=0.2, depression=0.05)
    alone = rv.simulate(network(other, delay=1.5), **{**HOW, "duration": 20.0})
    np.testing.assert_array_equal(stronger.edges("wire").weight, alone.edges("wire").weight)


@pytest.mark.parametrize("rule", [PAIR, Generic(high=10.0), Tagged(high=50.0)], ids=lambda r: type(r).__name__)
def test_the_pure_function_learns_the_same(rule):
    sim = rv.prepare(network(rule), dt=DT, seed=5)
    with jax.enable_x64(True):
        state, _ = jax.jit(sim.function(steps=300))({}, sim.state())
    np.testing.assert_allclose(state.synapses["wire"]["weight"], sim.run(30.0).edges("wire").weight, rtol=0, atol=1e-12)


ONE = {"dt": DT, "seed": 0}


def one_edge(rule, arrivals, spikes, weight=5.0, delay=0.0, **options):
    """One edge between two sources of given spikes: a cell that fires when it is told."""
    source = rv.Population(1, rv.neurons.SpikeTimes(arrivals), name="source")
    kicked = rv.Population(1, rv.neurons.SpikeTimes(spikes), name="clock")
    cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(refractory=5.0), name="cell")
    kick = rv.Projection(kicked, cell, rv.synapses.ExponentialCurrent(tau=0.1), [[1.0]], weight=60_000.0)
    wire = rv.Projection(source, cell, rv.synapses.ExponentialCurrent(), [[1]], weight=weight, delay=delay, plasticity=rule, **options)
    return rv.Network(source, kicked, cell, kick, wire), wire


@pytest.mark.parametrize("delay", [0.0, 1.5])
def test_the_window(delay):
    """One pair at every distance: the closed form."""
    rule = rv.plasticity.PairSTDP(high=10.0, potentiation=0.01, depression=0.012, tau_plus=16.8, tau_minus=33.7)
    lags = np.array([-40.0, -10.0, -0.2, -0.1, 0.0, 0.1, 0.2, 10.0, 40.0])
    for lag in lags:
        net, wire = one_edge(rule, [50.0], [50.0 + lag + delay], delay=delay)
        # the clock's spike drives the cell over the threshold in the step after it arrives
        run = rv.simulate(net, duration=120.0, **{**ONE, "seed": 0})
        fired = run.spikes["cell"].times
        assert len(fired) == 1
        real = round(float(fired[0]) - 50.0 - delay, 9)
        wanted = 0.1 * np.exp(-real / 16.8) if real >= 0 else -0.12 * np.exp(real / 33.7)
        change = run.edges(wire).weight[0] - 5.0
        assert change == pytest.approx(wanted, abs=1e-12), lag


@pytest.mark.parametrize("rule", [PAIR, Generic(high=10.0)], ids=lambda r: type(r).__name__)
def test_everything_at_once(rule):
    """Autapses, several edges between one pair, delays 0 and more, arrivals in the step of the target's spike."""
    cells = rv.Population(CELLS, rv.neurons.LeakyIntegrateAndFire(refractory=0.5), current=[450.0, 450.0, 500.0], name="cells")
    pre, post = [0, 0, 0, 1, 1, 2, 2, 0, 1], [0, 0, 1, 0, 1, 1, 2, 2, 1]
    listed = rv.connect.edge_list(pre, post)
    delay = [0.0, 0.3, 0.0, 0.0, 3.0, 0.0, 0.1, 5.0, 3.0]
    weight = np.linspace(2.0, 8.0, 9)
    wire = rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(), listed, weight=weight, delay=delay, plasticity=rule, name="wire")
    net = rv.Network(cells, wire)
    run = rv.simulate(net, duration=400.0, dt=DT)
    wanted = by_hand(run, net.edges("wire", dt=DT), lambda w, x, y: -0.5 * trace(y), lambda w, x, y: 0.5 * trace(x), source="cells")
    np.testing.assert_allclose(run.edges("wire").weight, wanted, rtol=0, atol=1e-11)
    assert len(run.spikes) > 30


class Gives(rv.PlasticityRule):
    """What it is told to."""

    what: str = "shape"

    def post_traces(self):
        everything = {"no dict": 20.0, "no trace": {"x": 20.0}, "no variable": {"u": rv.plasticity.LowPass("Vm", 5.0)}}
        return everything.get(self.what, {"post": rv.plasticity.Trace(20.0)})

    def on_pre(self, edge, pre, post, third):
        nan = edge["weight"] / 0 - edge["weight"] / 0
        everything = {
            "shape": lambda: {"weight": edge["weight"][:1]},
            "name": lambda: {"wait": 1.0},
            "nothing": lambda: None,
            "nan": lambda: {"weight": nan},
            "inf": lambda: {"weight": edge["weight"] / 0.0},
            "complex": lambda: {"weight": edge["weight"] * 1j},
            "text": lambda: {"weight": "large"},
            "trace": lambda: {"weight": edge["weight"] - post["psot"]},
            "third": lambda: {"weight": edge["weight"] * third},
            "if": lambda: {"weight": edge["weight"]} if edge["weight"] > 1 else {},
        }
        return everything[self.what]()


class Kept(rv.PlasticityRule):
    """Keeps what it is told to, and looks at the potential."""

    trace: str = "x"
    tau: float = 20.0
    tag: str = "tag"
    tag_tau: float = 50.0

    def post_traces(self):
        return {self.trace: rv.plasticity.Trace(self.tau)}

    def edge_state(self):
        return {self.tag: self.tag_tau}

    def on_pre(self, edge, pre, post, third):
        return {"weight": edge["weight"] + 0.0 * post["V"]}


class Releases(rv.plasticity.Modulator):
    what: str = "shape"

    def release(self, memory, spiked, t):
        if self.what == "nobody":
            return memory, spiked["cell"].sum()
        return {"shape": (memory, jax.numpy.ones(2)), "one": 1.0, "memory": ({"m": 1.0}, 1.0)}[self.what]


class Averages(rv.plasticity.Homeostasis):
    def post_traces(self):
        return {"u": rv.plasticity.LowPass("Vm", 10.0)}

    def update(self, edge, post, total, interval):
        return edge["weight"]


def test_what_a_rule_may_not_keep():
    reward = lambda **how: rv.plasticity.RewardModulatedSTDP(high=10.0, **how)
    for rule, said in (
        (Kept(tau=-5.0), "Trace.tau is -5.0, but it must be one number of ms, at least 0"),
        (Kept(tau=float("nan")), "Trace.tau is nan"),
        (Kept(trace="V"), "names a trace 'V', but the targets have a variable of that name"),
        (Kept(tag="weight"), "edge_state gives 'weight'"),
        (Kept(tag="i"), "the synapse has a variable of that name"),
        (Kept(tag_tau=-1.0), r"edge_state\(\)\['tag'\] is -1.0"),
        (Kept(tag_tau=0.0), "gone at once"),
        (reward(), "no modulator that ever releases anything"),
        (reward(reward=Releases()), "gave the amount an array"),
        (reward(reward=Releases(what="one")), "must give two things"),
        (reward(reward=Releases(what="memory")), "gave the memory 'm'"),
        (reward(reward=Releases(what="nobody")), "asks for 'cell', which is not there. Did you mean 'cells'"),
        (rv.plasticity.PairSTDP(high=10.0, homeostasis=Averages()), "Averages.post_traces averages 'Vm'"),
    ):
        with pytest.raises(rv.ParameterError, match=said):
            rv.prepare(network(rule), dt=DT)
    with pytest.raises(rv.ParameterError, match="sees the targets' variables as they are at the soma"):
        rv.prepare(network(Kept(), dendritic_delay=1.0), dt=DT)
    with pytest.raises(rv.ParameterError, match="dendritic delay of wire is 10000000000 steps"):
        rv.prepare(network(PAIR, dendritic_delay=1e9), dt=DT)


def test_bad_input():
    with pytest.raises(rv.ParameterError, match="goes to one population"):
        a, b = (rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), name=n) for n in "ab")
        rv.Projection(a, [a, b], rv.synapses.ExponentialCurrent(), rv.connect.all_to_all(), plasticity=PAIR)
    with pytest.raises(rv.ParameterError, match="it must be a PlasticityRule"):
        network(rv.plasticity.PairSTDP)
    with pytest.raises(rv.ParameterError, match="has its state at the edges"):
        network(PAIR, site="edge")
    with pytest.raises(rv.ParameterError, match="acts continuously"):
        rv.Projection(a, a, rv.synapses.GapJunction(), rv.connect.all_to_all(), plasticity=PAIR)
    with pytest.raises(rv.ParameterError, match=r"wire: .* of its .* weights begin out of the bounds of PairSTDP"):
        rv.prepare(network(rv.plasticity.PairSTDP(high=3.0)), dt=DT)
    with pytest.raises(rv.ParameterError, match="both signs"):
        rv.prepare(network(PAIR, weight=rv.uniform(-2.0, 2.0)), dt=DT)
    with pytest.raises(rv.ParameterError, match="measured by `high`"):
        rv.plasticity.PairSTDP(potentiation_exponent=1.0)
    with pytest.raises(rv.ParameterError, match="one number for the projection"):
        rv.prepare(network(rv.plasticity.PairSTDP(high=10.0, potentiation=[0.1] * 12)), dt=DT)
    for what, said in (
        ("name", "'weight'"),
        ("nothing", "it must give a dict"),
        ("shape", "one value an edge"),
        ("complex", "it must give real numbers"),
        ("text", "must give one value an edge"),
        ("trace", "on_pre asks for 'psot', which is not there. Did you mean 'post'"),
        ("third", r"`modulator\(\)` gives none"),
        ("if", "jax.numpy.where"),
        ("no dict", "must give a dict such as"),
        ("no trace", "gives 20.0 as 'x'"),
        ("no variable", "Did you mean 'V'"),
    ):
        with pytest.raises(rv.ParameterError, match=said):
            rv.prepare(network(Gives(what=what)), dt=DT)
    for what in ("nan", "inf"):
        with pytest.raises(rv.SimulationDiverged, match=rf"weight of wire \(\d+ → \d+\), edge \d+, became {what}"):
            rv.simulate(network(Gives(what=what)), **HOW)
    with pytest.raises(rv.ParameterError, match="low = 2 is above high = 1"):
        rv.plasticity.PairSTDP(low=2.0, high=1.0)
    with pytest.raises(rv.ParameterError, match="TripletSTDP is a rule for excitatory sources, and these are inhibitory: their weights"):
        rv.prepare(network(rv.plasticity.TripletSTDP(high=10.0), weight=rv.uniform(-3.0, -2.0)), dt=DT)
    with pytest.raises(rv.ParameterError, match="wire: its weights begin at 0, and ExponentialCurrent has no conductance"):
        rv.prepare(network(rv.plasticity.InhibitorySTDP(high=10.0), weight=0.0), dt=DT)
    for times, said in (([60.0, 40.0], "ascend"), ([-5.0, 40.0], "within"), ([[1.0], [2.0]], "one time or a list")):
        with pytest.raises(rv.ParameterError, match=said):
            rv.plasticity.Rewards(times=times)
    run = rv.simulate(network(PAIR), **{**HOW, "duration": 5.0})
    with pytest.raises(rv.ParameterError, match="they are state"):
        rv.prepare(network(PAIR), dt=DT, seed=5).run(5.0, initial=run, parameters={"wire.weight": 3.0})
    with pytest.raises(rv.ParameterError, match="learns by another rule"):
        rv.simulate(network(Generic(high=10.0)), duration=5.0, dt=DT, initial=run)
    with pytest.raises(rv.ParameterError, match="asks for edge 999"):
        rv.simulate(network(PAIR), record=rv.Record("wire", "weight", neurons=[999]), **HOW)
    with pytest.raises(rv.ParameterError, match="Keep dt"):
        rv.simulate(network(PAIR), duration=5.0, dt=0.05, initial=run)


def test_what_sees_the_targets_sees_them_before_the_reset():
    """A rule of traces alone leaves the whole step to one kernel, which resets."""
    assert "one kernel takes the whole step" in str(rv.explain(network(Generic(high=10.0)), dt=DT))
    assert "wire sees its state before the reset" in str(rv.explain(network(Tagged(high=50.0)), dt=DT))
    rule = rv.plasticity.PairSTDP(low=-100.0, high=100.0, homeostasis=Potentials())
    run = rv.simulate(network(rule), record=[rv.Record("wire", "weight"), rv.Record("cells", "V")], **HOW)
    at_spikes = run["wire"]["weight"].values[steps_of(run, "cells", 0) + 1]
    assert (at_spikes.max(axis=1) >= -50.0).all() and run["cells"].V.values.max() < -50.0


def test_a_state_goes_on_with_and_without_learning():
    run = rv.simulate(network(PAIR), **{**HOW, "duration": 50.0})
    fixed = rv.simulate(network(None), duration=5.0, dt=DT, initial=run)
    assert "weight" not in fixed.state.synapses["wire"]
    again = rv.simulate(network(PAIR), duration=5.0, dt=DT, initial=fixed)
    assert again.spikes.stop == 60.0


@pytest.mark.parametrize(("axonal", "dendritic"), [(0.0, 2.0), (3.0, 2.0), (0.5, 7.3)])
@pytest.mark.parametrize("kind", [rv.plasticity.PairSTDP, Generic])
def test_the_window_shifts_by_the_difference_of_the_delays(axonal, dendritic, kind, tmp_path):
    """Arrivals at the synapse, and the target's spikes when they have come back there."""
    rule = PAIR if kind is rv.plasticity.PairSTDP else Generic(high=10.0)
    net = network(rule, delay=axonal, dendritic_delay=dendritic)
    run = rv.simulate(net, **HOW)
    before = net.edges("wire", seed=HOW["seed"], dt=DT)
    shift = round(dendritic / DT)
    wanted = by_hand(run, before, lambda w, x, y: -0.5 * trace(y), lambda w, x, y: 0.5 * trace(x), back=shift)
    np.testing.assert_allclose(run.edges("wire").weight, wanted, rtol=0, atol=1e-11)
    whole = rv.simulate(network(None, delay=axonal + dendritic), **HOW)
    silent = rv.simulate(network(rv.plasticity.PairSTDP(potentiation=0.0, depression=0.0), delay=axonal, dendritic_delay=dendritic), **HOW)
    np.testing.assert_array_equal(whole.spikes.steps, silent.spikes.steps)
    first = rv.simulate(net, **{**HOW, "duration": 91.3})
    last = rv.simulate(net, duration=200.0 - 91.3, dt=DT, initial=first)
    np.testing.assert_array_equal(last.edges("wire").weight, run.edges("wire").weight)


class Fades(rv.PlasticityRule):
    """Adds a tag that fades a thousand times between two updates."""

    update_every = 1000.0

    def edge_state(self):
        return {"tag": 1.0}

    def on_pre(self, edge, pre, post, third):
        return {"tag": edge["tag"] + 1.0}

    def on_post(self, edge, pre, post, third):
        return {"weight": edge["weight"] + edge["tag"]}

    def update(self, edge, post, third, total, interval):
        return {"weight": edge["weight"] + 1.0}


def test_a_tag_that_fades_fast_between_seldom_updates():
    """e^-1.1 + 3 e^-0.1 by four pairs, and one update; in single precision e^400 is no number."""
    arrivals, kicks = ([times] for times in ([10.0, 400.0, 800.0, 950.0], [12.0, 401.0, 801.0, 951.0]))
    source, clock = (
        rv.Population(1, rv.neurons.SpikeTimes.of_trains(x), name=name) for x, name in ((arrivals, "source"), (kicks, "clock"))
    )
    cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(refractory=0.5), name="cell")
    wire = rv.Projection(source, cell, rv.synapses.ExponentialCurrent(), [[1]], weight=1.0, delay=1.0, plasticity=Fades(), name="wire")
    kick = rv.Projection(clock, cell, rv.synapses.Delta(), [[1]], weight=50.0)
    run = rv.simulate(rv.Network(source, clock, cell, kick, wire), duration=1001.0, dt=DT, precision="single")
    assert run.edges(wire).weight[0] == pytest.approx(1.0 + np.exp(-1.1) + 3 * np.exp(-0.1) + 1.0, rel=1e-5)


def test_short_term_and_long_term_together():
    """The rule sees every spike, the target what its resources allow."""
    depressing = rv.synapses.TsodyksMarkram(utilization=0.5, recovery=100.0)
    run = rv.simulate(network(PAIR, short_term_plasticity=depressing), **HOW)
    before = network(PAIR).edges("wire", seed=HOW["seed"], dt=DT)
    wanted = by_hand(run, before, lambda w, x, y: -0.5 * trace(y), lambda w, x, y: 0.5 * trace(x))
    np.testing.assert_allclose(run.edges("wire").weight, wanted, rtol=0, atol=1e-11)
    still = rv.plasticity.PairSTDP(potentiation=0.0, depression=0.0)
    strong = {"weight": 60.0, "short_term_plasticity": depressing}
    learning, fixed = (rv.simulate(network(rule, **strong), **HOW) for rule in (still, None))
    np.testing.assert_array_equal(learning.spikes.steps, fixed.spikes.steps)
    assert len(fixed.spikes["cells"].times) != len(rv.simulate(network(None, weight=60.0), **HOW).spikes["cells"].times)


@pytest.mark.parametrize(("rule", "path"), [(PAIR, "potentiation"), (Generic(high=10.0), "step")], ids=["PairSTDP", "Generic"])
def test_the_gradient_by_a_rules_parameter(rule, path):
    """Of the weights at the spikes there are, by finite differences."""
    sim = rv.prepare(network(rule), dt=DT, seed=5)
    path, at = f"wire.plasticity.{path}", float(getattr(rule, path))
    with jax.enable_x64(True):
        total = jax.jit(
            lambda a: jax.numpy.sum(
                sim.function(steps=200, surrogate=rv.surrogates.FixedSpikes())({path: a}, sim.state())[0].synapses["wire"]["weight"]
            )
        )
        slope = jax.jit(jax.grad(total))(at)
        assert float(slope) == pytest.approx(float(total(at + 1e-5) - total(at - 1e-5)) / 2e-5, rel=1e-6) and abs(slope) > 1


def test_the_gradient_through_seldom_updates():
    """Of weights that follow a tag, and that the potential; by the current, where no spike moves."""
    sim = rv.prepare(network(Tagged(high=50.0)), dt=DT, seed=5)
    with jax.enable_x64(True):
        total = jax.jit(
            lambda a: jax.numpy.sum(
                sim.function(steps=100, surrogate=rv.surrogates.FixedSpikes())({"cells.current": a}, sim.state())[0].synapses["wire"][
                    "weight"
                ]
            )
        )
        slope, h = float(jax.jit(jax.grad(total))(100.0)), 1e-3
        assert slope == pytest.approx(float(total(100.0 + h) - total(100.0 - h)) / (2 * h), rel=1e-5) and slope != 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_weights_begin_in_jaxs_own_memory(dtype, monkeypatch):
    """The same as a few, which NumPy puts in order."""
    rng = np.random.default_rng(0)
    place, drawn, one = rng.permutation(700).astype(np.int32), rng.random(700).astype(dtype), np.broadcast_to(dtype(0.3), (700,))
    few = [transfer.sorted_for_delivery(values, place, 720) for values in (drawn, one)]
    monkeypatch.setattr(transfer, "LARGE", 0)
    for values, wanted in zip((drawn, one), few, strict=True):
        many = transfer.sorted_for_delivery(values, place, 720)
        assert isinstance(many, jax.Array) and many.dtype == dtype
        np.testing.assert_array_equal(many, wanted)


def test_an_average_that_begins_has_a_derivative_by_its_time_constant():
    rule = rv.plasticity.VoltageSTDP()
    averages = tuple((name, trace.variable) for name, trace in rule.post_traces().items() if isinstance(trace, rv.plasticity.LowPass))
    plan = types.SimpleNamespace(pre=(), before=(), post=(), filtered=averages)

    def total(tau):
        own = {"weight": jnp.ones(1), **{f"post {name}": jnp.full(2, jnp.nan) for name, _ in averages}}
        for V in (-60.0, -50.0):
            own = learning.advance_traces(
                plan, rule.with_values({"tau_minus": tau}), own, jnp.int64(0), 0.1, jnp.zeros(1, bool), {"V": jnp.full(2, V)}
            )
        return sum(own[f"post {name}"].sum() for name, _ in averages)

    with jax.enable_x64(True):
        slope = jax.grad(total)(10.0)
        assert float(slope) == pytest.approx(float(total(10.001) - total(9.999)) / 0.002, rel=1e-6) and float(slope) != 0
