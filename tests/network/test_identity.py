"""What a part is, it is by its own name and numbers: no other part, no layout and no number of cores changes a bit of it."""

import sys

import jax
import numpy as np
import pytest

import ranvier as rv
from ranvier.network import receptors

LIF = rv.neurons.LeakyIntegrateAndFire(capacitance=250, leak=rv.normal(25, 1, low=5), rest=-65, threshold=-50, reset=-65, refractory=2)
FAST, SLOW = rv.synapses.ExponentialCurrent(tau=2.0), rv.synapses.ExponentialCurrent(tau=6.0)
SOME = rv.connect.pairwise_bernoulli(0.3)


def island(names="abcd", **changes):
    """Populations with everything that draws: parameters, initial values, edges, weights, delays, noise, hazards, Poisson input."""
    a, b, c, d = (f"{name}" for name in names)
    own = {"refractory": 2.0, "tau": 2.0, "weight": 40.0, "n": 20, **changes}
    lif = LIF.replace(refractory=own["refractory"])
    e = rv.Population(own["n"], lif, initial={"V": rv.normal(-60, 5)}, current=rv.stimuli.WhiteNoise(mean=350.0, intensity=100.0), name=a)
    i = rv.Population(10, lif, initial={"V": rv.normal(-60, 5)}, current=380.0, name=b)
    h = rv.Population(8, rv.neurons.EscapeNoiseIntegrateAndFire(), current=400.0, name=c)
    s = rv.Population(12, rv.neurons.PoissonSource(rate=40.0), name=d)
    fast = FAST.replace(tau=own["tau"])
    wires = [
        rv.Projection(e, [e, i], fast, SOME, weight=rv.normal(own["weight"], 4.0), delay=rv.uniform(0.5, 2.0), name=f"{a} out"),
        rv.Projection(i, [e, i], SLOW, SOME, weight=-60.0, delay=1.0, name=f"{b} out"),
        rv.Projection(s, e, fast, SOME, weight=80.0, short_term_plasticity=rv.synapses.TsodyksMarkram(), delay=1.0, name=f"{d} out"),
        rv.Projection(s, h, SLOW, SOME, weight=30.0, delay=0.5, name=f"{d} to {c}"),
        rv.PoissonInput([e, h], fast, rate=20.0, sources=10, weight=20.0, name=f"to {a} and {c}"),
    ]
    return [e, i, h, s, *wires]


def outcome(parts, names="abcd", **how):
    """All that is seen of one island: spikes, potentials, the final state."""
    net = rv.Network(*parts)
    options = {"duration": 60.0, "dt": 0.1, "seed": 3, **how}
    run = rv.simulate(net, record=[rv.Record(n, "V") for n in names if "V" in _variables(net, n)], **options)
    seen = {}
    for n in names:
        seen[f"{n} steps"], seen[f"{n} neurons"] = run.spikes[n].steps, run.spikes[n].neurons
        seen.update({f"{n} {v}": x for v, x in run.state.neurons[n].items()})
        if "V" in _variables(net, n):
            seen[f"{n} V over time"] = run[n].V.values
    mine = [p for p in net.projections.values() if p.source.name in names]
    for p in mine:
        seen.update({f"{p.name} {v}": x for v, x in run.state.synapses[p.name].items()})
        edges = run.edges(p.name)
        seen.update({f"{p.name} pre": edges.pre, f"{p.name} post": edges.post, f"{p.name} weight": edges.weight})
    return seen


def _variables(net, name):
    return net.populations[name].model.initial_state(1, rv.random.Key(0)) if name != "d" else {}


@pytest.fixture(scope="module")
def alone():
    seen = outcome(island())
    assert all(len(seen[f"{n} steps"]) > 3 for n in "abcd")
    return seen


OTHERS = {
    "another island": lambda names: island(names),
    "one of another size": lambda names: island(names, n=33),
    "a population": lambda names: [rv.Population(5, LIF, current=500.0, name=names[0])],
    "one neuron": lambda names: [rv.Population(1, LIF, current=500.0, name=names[0])],
    "a population of another model": lambda names: [rv.Population(7, rv.neurons.HodgkinHuxley(), current=10.0, name=names[0])],
    "an island under other names": lambda names: island([name.upper() for name in names]),
    "without refractoriness": lambda names: island(names, refractory=0.0),
    "another tau": lambda names: island(names, tau=4.0),
    "the weight 0": lambda names: island(names, weight=0.0),
}


HOW = {"a population of another model": rv.ExponentialEuler()}


@pytest.mark.parametrize(("before", "behind"), list(zip(OTHERS, [*list(OTHERS)[1:], "another island"], strict=True)))
def test_what_touches_it_not_changes_no_bit(alone, before, behind):
    parts = [*OTHERS[before]("efgh"), *island(), *OTHERS[behind]("ijkl")]
    methods = {name: HOW[other] for name, other in (("e", before), ("i", behind)) if other in HOW}
    assert_same(outcome(parts, **({"integrator": methods} if methods else {})), alone)


def test_neither_does_an_input_or_a_projection_onto_others(alone):
    one, two = rv.Population(9, LIF, name="e"), rv.Population(4, LIF, name="f")
    more = [
        rv.Projection(one, two, FAST, SOME, weight=30.0, delay=7.0),
        rv.PoissonInput([two, one], FAST, rate=50.0, sources=20, weight=30.0),
    ]
    assert_same(outcome([one, *island(), two, *more]), alone)


def test_neither_does_another_method_for_others(alone):
    e = rv.Population(5, LIF, current=500.0, name="e")
    assert_same(outcome([e, *island()], integrator={"e": rv.RungeKutta4()}), alone)


def test_together_or_apart_the_draws_are_the_same(alone, monkeypatch):
    monkeypatch.setattr(sys.modules["ranvier.simulation"], "MERGE", False)
    apart = outcome(island())
    for name in ("a", "b", "c", "d"):
        np.testing.assert_array_equal(apart[f"{name} steps"], alone[f"{name} steps"])


@pytest.mark.parametrize("cores", [1, 2, 4])
def test_any_number_of_cores_and_blocks_gives_the_same(cores, monkeypatch):
    net = island(n=60)
    before = outcome(net)
    monkeypatch.setattr(receptors, "BLOCKS_FROM", 1)
    monkeypatch.setattr(receptors, "usable_cores", lambda: cores)
    assert_same(outcome(island(n=60)), before)


def test_a_state_is_by_names_and_goes_on_where_others_are_added():
    first = rv.simulate(rv.Network(*island()), duration=30.0, dt=0.1, seed=3)
    alone = rv.simulate(rv.Network(*island()), duration=30.0, dt=0.1, initial=first)
    more = rv.Network(rv.Population(6, LIF, current=500.0, name="e"), *island())
    both = rv.simulate(more, duration=30.0, dt=0.1, initial=first)
    for name in "abcd":
        np.testing.assert_array_equal(both.spikes[name].steps, alone.spikes[name].steps)
        for v, x in alone.state.neurons[name].items():
            np.testing.assert_array_equal(both.state.neurons[name][v], x)
    whole = rv.simulate(rv.Network(*island()), duration=60.0, dt=0.1, seed=3)
    for mine, theirs in zip(jax.tree.leaves(alone.state), jax.tree.leaves(whole.state), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_state_goes_on_with_other_taus_weights_and_currents():
    first = rv.simulate(rv.Network(*island()), duration=30.0, dt=0.1, seed=3)
    sim = rv.prepare(rv.Network(*island()), dt=0.1, seed=3)
    for changes in ({"a out.tau": 3.0}, {"b out.weight": -20.0}, {"b.current": 500.0}, {"a.refractory": 0.0}, {"b out.delay": 0.4}):
        run = sim.run(10.0, parameters=changes, initial=first)
        assert (run.spikes.start, run.spikes.stop) == (30.0, 40.0)
        assert run.state.seed_number == 3


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda: island(n=21), r"a has 21 neurons in this network and 20 in the state"),
        (lambda: [rv.Population(20, rv.neurons.HodgkinHuxley(), name="a")], "a has the variables .*another model"),
        (lambda: [rv.Population(20, LIF, name="nobody")], "another network"),
    ],
)
def test_a_difference_that_forbids_it_is_named(change, named):
    first = rv.simulate(rv.Network(*island()), duration=5.0, dt=0.1)
    with pytest.raises(rv.ParameterError, match=named):
        rv.simulate(rv.Network(*change()), duration=5.0, dt=0.1, initial=first)


def test_delays_that_no_longer_fit_are_named():
    cells = rv.Population(5, LIF, current=400.0, name="cells")
    net = lambda delay: rv.Network(cells, rv.Projection(cells, cells, FAST, rv.connect.all_to_all(), weight=1.0, delay=delay))
    first = rv.simulate(net(1.0), duration=50.0, dt=0.1)
    rv.simulate(net(1.5), duration=1.0, dt=0.1, initial=first)  # within the steps that it knows
    with pytest.raises(rv.ParameterError, match=r"delays no longer fit.*last 16 steps"):
        rv.simulate(net(20.0), duration=1.0, dt=0.1, initial=first)


def assert_same(seen, expected):
    assert seen.keys() >= expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(seen[name], values, err_msg=name)


@pytest.mark.parametrize("method", [rv.RungeKutta4(), rv.ExponentialEuler()], ids=lambda m: type(m).__name__)
def test_conductances_neither(method):
    """But for the last bits: how XLA fuses, and so rounds, products and sums depends on all that is in the step."""
    cells = rv.Population(3, rv.neurons.HodgkinHuxley(), current=rv.uniform(5.0, 15.0), initial={"V": rv.normal(-65, 3)}, name="cells")
    fast = rv.Population(5, rv.neurons.WangBuzsaki(), current=rv.uniform(0.5, 3.0), name="fast")
    coupled = [
        rv.Projection(cells, fast, rv.synapses.GradedGABA(), rv.connect.all_to_all(), weight=0.02, name="graded"),
        rv.Projection(fast, fast, rv.synapses.GapJunction(), rv.connect.all_to_all(autapses=False), weight=0.01, name="gap"),
    ]
    names = ("cells", "fast")
    how = {"dt": 0.02, "duration": 30.0}
    integrator = dict.fromkeys(names, method)
    alone = outcome([cells, fast, *coupled], names, integrator=integrator, **how)
    for e in (rv.Population(7, LIF, current=500.0, name="e"), rv.Population(6, rv.neurons.MorrisLecar(), current=1.0, name="e")):
        other = {} if e.model is LIF else {"e": method}
        among = outcome([e, cells, fast, *coupled], names, integrator={**integrator, **other}, **how)
        for key, values in alone.items():
            np.testing.assert_allclose(among[key], values, rtol=0, atol=1e-9, err_msg=key)
