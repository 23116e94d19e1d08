"""What is compiled depends on structure alone: other numbers, seeds, durations and states compile nothing."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.models.catalogue import CATALOGUE
from ranvier.network import loop

EULER = rv.ExponentialEuler()
READY_MADE = {
    "cuba": (lambda: rv.models.cuba(0.05), {"dt": 0.1}),
    "coba": (lambda: rv.models.coba(0.05), {"dt": 0.1, "integrator": EULER}),
    "cobahh": (lambda: rv.models.cobahh(0.05), {"dt": 0.1, "integrator": EULER}),
    "brunel": (lambda: rv.models.brunel(scale=0.1), {"dt": 0.1}),
    "vogels_abbott": (lambda: rv.models.vogels_abbott(0.05), {"dt": 0.1}),
    "izhikevich": (lambda: rv.models.izhikevich(), {"dt": 0.5, "integrator": EULER}),
    "synfire_chain": (lambda: rv.models.synfire_chain(), {"dt": 0.1}),
    "microcircuit": (lambda: rv.models.microcircuit(scale=0.02), {"dt": 0.1, "precision": "single"}),
    "antennal_lobe": (lambda: rv.models.antennal_lobe(seed=1), {"dt": 0.05, "integrator": EULER}),
    "grid_cells": (lambda: rv.models.grid_cells(10, np.ones((3, 2))), {"dt": 0.5, "integrator": EULER}),
    "stellate_cells": (lambda: rv.models.stellate_cells(5), {"dt": 0.1, "integrator": EULER}),
    "clustered": (lambda: rv.models.clustered(0.05), {"dt": 0.1}),
    "wang": (lambda: rv.models.wang(0.05), {"dt": 0.1, "integrator": EULER}),
    "song_miller_abbott": (lambda: rv.models.song_miller_abbott(), {"dt": 0.1, "integrator": EULER}),
    "inhibitory_balance": (lambda: rv.models.inhibitory_balance(0.02), {"dt": 0.1, "integrator": EULER}),
    "distal_reward": (lambda: rv.models.distal_reward(), {"dt": 0.5, "integrator": EULER}),
    "diehl_cook": (lambda: rv.models.diehl_cook(0.5 + np.eye(4), 3), {"dt": 0.5}),
    "homeostatic_growth": (lambda: rv.models.homeostatic_growth(0.05), {"dt": 0.1}),
    "feedforward": (lambda: rv.models.feedforward(), {"dt": 0.1}),
    "dynamic_random_network": (lambda: rv.models.dynamic_random_network(scale=0.1), {"dt": 0.1}),
}


def test_every_ready_made_network_is_among_them():
    assert {entry.name for entry in CATALOGUE} == set(READY_MADE)


@pytest.mark.parametrize("name", READY_MADE)
def test_other_numbers_compile_nothing(name):
    make, how = READY_MADE[name]
    sim = rv.prepare(make(), **how)
    sim.run(2.0)
    compiled = loop.compilations
    sim.run(3.0, seed=7)
    changed = {path: 0.97 * np.asarray(value) for path, value in sim.parameters.items() if _scales(path, value)}
    assert len(changed) > 3
    sim.run(2.0, parameters=changed)
    for path in _one_of_each_part(sim, changed):
        sim.run(1.0, parameters={path: changed[path]})
    zero = next((path for path in changed if path.endswith(".weight")), None)
    if zero is not None:
        sim.run(1.0, parameters={zero: 0.0})
    first = sim.run(1.0)
    sim.run(1.0, initial=first)
    assert loop.compilations == compiled


def _scales(path, value):
    """Whether 0.97 times the value is allowed, and says something."""
    return np.ndim(value) < 2 and np.any(value) and not path.endswith((".neurons", ".times", ".high"))


def _one_of_each_part(sim, paths):
    """A parameter of each part. The kinetics of projections that share their states are one part's affair no more."""
    seen, explained = {}, sim.explain()
    for path in paths:
        part, _, within = path.partition(".")
        shares = getattr(explained[part], "shared", ())
        if "current" not in within and (not shares or within == "weight"):
            seen.setdefault(part, path)
    return list(seen.values())[:6]


@pytest.mark.parametrize("refractory", [0.0, 2.0])
def test_a_refractory_period_of_none_or_some_is_one_program(refractory):
    cells = rv.Population(5, rv.neurons.LeakyIntegrateAndFire(refractory=2.0 - refractory), current=400.0, name="cells")
    sim = rv.prepare(cells, dt=0.1, record=[])
    sim.run(1.0)
    compiled = loop.compilations
    few, many = (len(sim.run(100.0, parameters={"cells.refractory": r}).spikes) for r in (refractory, refractory + 20.0))
    assert few > many > 0 and loop.compilations == compiled


def test_delays_within_the_longest_compile_nothing():
    cells = rv.Population(6, rv.neurons.LeakyIntegrateAndFire(), current=400.0, name="cells")
    wire = rv.Projection(cells, cells, rv.synapses.Delta(), rv.connect.all_to_all(), weight=1.0, delay=1.0)
    sim = rv.prepare(rv.Network(cells, wire), dt=0.1)
    sim.run(1.0)
    compiled = loop.compilations
    counts = {len(sim.run(100.0, parameters={"cells→cells.delay": d}).spikes) for d in (0.5, 1.0, 1.5)}
    assert len(counts) > 1 and loop.compilations == compiled


def test_what_is_changed_is_what_a_network_with_that_number_does():
    cells = rv.Population(6, rv.neurons.LeakyIntegrateAndFire(), current=np.linspace(200, 400, 6), name="cells")

    def net(weight, delay, tau):
        synapse = rv.synapses.ExponentialCurrent(tau=tau)
        return rv.Network(cells, rv.Projection(cells, cells, synapse, rv.connect.pairwise_bernoulli(0.5), weight=weight, delay=delay))

    sim = rv.prepare(net(20.0, 1.0, 5.0), dt=0.1, seed=3)
    changes = {"cells→cells.weight": rv.normal(30.0, 2.0), "cells→cells.delay": 0.7, "cells→cells.tau": 3.0}
    run = sim.run(100.0, parameters=changes)
    other = rv.simulate(net(rv.normal(30.0, 2.0), 0.7, 3.0), duration=100.0, dt=0.1, seed=3)
    np.testing.assert_array_equal(run.spikes.steps, other.spikes.steps)
    np.testing.assert_array_equal(run.state.neurons["cells"]["V"], other.state.neurons["cells"]["V"])
    np.testing.assert_array_equal(run.edges("cells→cells").weight, other.edges("cells→cells").weight)
    again = sim.run(100.0)
    first = rv.simulate(net(20.0, 1.0, 5.0), duration=100.0, dt=0.1, seed=3)
    np.testing.assert_array_equal(again.spikes.steps, first.spikes.steps)


def test_one_number_a_population_may_become_one_a_neuron_and_go_back():
    sim = rv.prepare(rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="cells"), dt=0.1)
    first = sim.run(50.0)
    both = sim.run(50.0, parameters={"cells.leak": [9.0, 10.0]})
    for i, leak in enumerate([9.0, 10.0]):
        other = rv.simulate(rv.neurons.LeakyIntegrateAndFire(leak=leak), current=300.0, duration=50.0, dt=0.1)
        np.testing.assert_array_equal(both.V.values[:, i], other.V.values[:, 0])
    np.testing.assert_array_equal(sim.run(50.0).V.values, first.V.values)


def test_going_back_and_forth_between_kinds_of_numbers_compiles_each_once():
    cells = rv.Population(6, rv.neurons.LeakyIntegrateAndFire(leak=rv.normal(10, 0.5)), current=400.0, name="cells")
    wire = rv.Projection(cells, cells, rv.synapses.Delta(), rv.connect.all_to_all(), weight=1.0, delay=rv.uniform(0.5, 2.0))
    sim = rv.prepare(rv.Network(cells, wire), dt=0.1, record=[])
    first = sim.run(20.0)
    sim.run(1.0, parameters={"cells.leak": 9.0})
    compiled, layout = loop.compilations, sim.layout
    sim.run(1.0, parameters={"cells→cells.delay": 0.5})
    np.testing.assert_array_equal(sim.run(20.0).state.neurons["cells"]["V"], first.state.neurons["cells"]["V"])
    sim.run(1.0, parameters={"cells.leak": 9.0})
    assert loop.compilations == compiled and sim.layout is layout


def test_projections_that_share_their_states_may_come_apart():
    a, b = (rv.Population(4, rv.neurons.LeakyIntegrateAndFire(), current=400.0, name=name) for name in "ab")
    synapse = rv.synapses.ExponentialCurrent(tau=5.0)
    wires = [rv.Projection(p, b, synapse, rv.connect.all_to_all(), weight=10.0, name=f"from {p.name}") for p in (a, b)]
    sim = rv.prepare(rv.Network(a, b, *wires), dt=0.1)
    assert sim.explain()["from a"].shared == ("from b",)
    run = sim.run(50.0, parameters={"from a.tau": 2.0})
    wires[0] = rv.Projection(a, b, rv.synapses.ExponentialCurrent(tau=2.0), rv.connect.all_to_all(), weight=10.0, name="from a")
    other = rv.simulate(rv.Network(a, b, *wires), duration=50.0, dt=0.1)
    np.testing.assert_array_equal(run.spikes.steps, other.spikes.steps)


@pytest.mark.parametrize(
    ("given", "error", "named"),
    [
        ({"cells.leek": 1.0}, rv.UnknownNameError, r"leek.*leak"),
        ({"sells.leak": 1.0}, rv.UnknownNameError, r"cells\.leak"),
        ({"cells": 1.0}, rv.ParameterError, "names a part"),
        ({"cells.leak": -1.0}, rv.ParameterError, "leak is -1"),
        ({"cells.leak": [1.0, 2.0]}, rv.ParameterError, r"shape \(2,\)"),
        ({"cells.current": rv.stimuli.SquarePulse(1.0, start=1, stop=2)}, rv.UnsupportedError, "Constant"),
        ({3: 1.0}, rv.ParameterError, "path"),
        ([("cells.leak", 1.0)], rv.ParameterError, "mapping"),
    ],
)
def test_a_parameter_that_is_not_there_or_cannot_be_is_named(given, error, named):
    sim = rv.prepare(rv.Population(3, rv.neurons.LeakyIntegrateAndFire(), current=1.0, name="cells"), dt=0.1)
    with pytest.raises(error, match=named):
        sim.run(1.0, parameters=given)
    assert len(sim.run(1.0).spikes) == 0  # nothing is lost


def test_ten_populations_compile_as_one():
    lif = rv.neurons.LeakyIntegrateAndFire()
    sim = rv.prepare(rv.Network(*(rv.Population(3, lif, current=400.0 + i, name=f"p{i}") for i in range(10))), dt=0.1)
    assert len(sim.layout.plan.groups) == 1
    run = sim.run(50.0)
    alone = rv.simulate(rv.Population(3, lif, current=404.0, name="p4"), duration=50.0, dt=0.1, record=[])
    np.testing.assert_array_equal(run.spikes["p4"].steps, alone.spikes.steps)
