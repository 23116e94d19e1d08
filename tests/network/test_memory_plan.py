"""What a network will take, told before it is built, beside what it takes."""

import jax
import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError

MODELS = {
    "coba": (lambda: rv.models.coba(scale=0.5), "double"),
    "microcircuit": (lambda: rv.models.microcircuit(scale=0.02), "single"),
    "inhibitory_balance": (lambda: rv.models.inhibitory_balance(scale=0.1), "double"),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_plan_is_near_what_a_prepared_network_has(name):
    make, precision = MODELS[name]
    plan = rv.plan_memory(make(), precision=precision)
    sim = rv.prepare(make(), dt=0.1, precision=precision, record=[])
    edges = sum(p.edges for p in sim.explain().projections if p.coupling == "events")
    assert plan.many_edges == edges
    taken = sim.bytes + sum(np.asarray(x).nbytes for x in jax.tree.leaves(sim.state()))
    assert taken / 1.4 < plan.device < 1.4 * taken


def test_devices_share_neurons_and_edges_and_each_has_all_spikes():
    net = rv.models.coba()
    one, four = rv.plan_memory(net), rv.plan_memory(net, devices=4)
    assert four.history == one.history and abs(4 * four.neurons - one.neurons) < 8 and four.edges < one.edges / 2


def test_what_does_not_fit_is_refused_with_numbers_and_how_many_devices_would_do():
    net = rv.models.coba()
    whole = rv.plan_memory(net).device
    plan = rv.plan_memory(net, memory=int(0.7 * whole))
    assert not plan.fits and plan.devices_needed > 1
    with pytest.raises(ParameterError, match=f"{plan.devices_needed} devices would do"):
        plan.require()
    rv.plan_memory(net, devices=plan.devices_needed, memory=int(0.7 * whole)).require()
    assert not rv.plan_memory(net, devices=plan.devices_needed - 1, memory=int(0.7 * whole)).fits
    with pytest.raises(ParameterError, match="no number of devices would"):
        rv.plan_memory(net, memory=1000).require()
    with pytest.raises(ParameterError, match="at most devices=3200"):
        rv.plan_memory(net, devices=3201)


def test_a_network_that_no_machine_holds_is_planned_without_drawing_an_edge():
    cells = rv.Population(1_000_000, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    wire = lambda **how: rv.Projection(
        cells, cells, rv.synapses.ExponentialCurrent(), rv.connect.fixed_out_degree(10_000, **how), weight=1.0, delay=1.5
    )
    stored = rv.plan_memory(rv.Network(cells, wire()), precision="single", memory=16 * 2**30)
    assert stored.many_edges == 10**10 and stored.edges > 4e10 and 3 <= stored.devices_needed <= 6
    drawn = rv.plan_memory(rv.Network(cells, wire(stored=False)), precision="single", memory=2**30)
    assert drawn.fits and drawn.many_edges == 10**10


def test_records_count_for_as_long_as_the_run():
    cells = rv.Population(100, rv.neurons.HodgkinHuxley(), name="cells")
    record = rv.Record("cells", ["V", "m"], every=1.0)
    assert rv.plan_memory(cells, duration=1000.0, record=record).records == 1001 * 100 * 2 * 8
    assert rv.plan_memory(cells, record=record).records == 0
