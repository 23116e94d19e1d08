"""A set of a sweep has the numbers of a single run, bit for bit, however it is computed."""

import dataclasses

import jax
import numpy as np
import pytest

import ranvier as rv
from ranvier.model import parameters
from ranvier.network import loop
from ranvier.sweeps.sets import as_sets
from ranvier.testing.common import varied
from tests.conformance.walk import ARGUMENTS, classes

LIF = rv.neurons.LeakyIntegrateAndFire(refractory=2.0)


def everything(run):
    """All that a run ends with, and all its spikes and records, as one array; of the last steps' spikes as many as any layout keeps."""
    state = dataclasses.replace(run.state, in_flight={name: rows[:4] for name, rows in run.state.in_flight.items()})
    parts = [np.ravel(x).astype(np.float64) for x in jax.tree.leaves(state)]
    for population in run.spikes.populations:
        spikes = run.spikes[population]
        parts += [spikes.counts.astype(np.float64), [np.dot(spikes.steps + 1.0, spikes.neurons + 1.0)]]
    parts += [np.ravel(np.asarray(r.values, np.float64)) for r in run.records]
    return np.concatenate(parts)


def assert_as_single(sim, sets, duration, side_by_side=True, **how):
    """Runs a sweep and each of its sets alone. Side by side, one by one, or (None) either."""
    sets = as_sets(sets)
    swept = rv.sweep(sim, sets, duration, functions={"all": everything}, **how)
    if side_by_side is not None:
        assert swept.attrs["computed"].endswith("side by side") == side_by_side, swept.attrs
    assert swept.finished.all() and not swept.message.values.astype(bool).any()
    seen = swept["all"].values.reshape(len(sets), -1)
    for i, values in enumerate(sets):
        given = {path: v for path, v in values.items() if path not in ("seed", "initial")}
        run = sim.run(duration, parameters=given, seed=values.get("seed"), initial=values.get("initial"))
        np.testing.assert_array_equal(seen[i], everything(run), err_msg=str(values))
    return swept


NEURONS = [cls for cls in classes(rv.NeuronModel) if cls.__name__ != "ConductanceBased"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n", [1, 20])
@pytest.mark.parametrize("cls", NEURONS, ids=lambda cls: cls.__name__)
def test_every_neuron_with_all_its_parameters_swept(cls, n):
    model = cls(**ARGUMENTS.get(cls.__name__, [{}])[0])
    many, _ = varied(model, 3)
    values = {f"cells.{path}": list(map(float, v)) for path, info, v in parameters(many) if info.per != "sample" and np.shape(v) == (3,)}
    if model.takes_input:
        values["cells.current"] = [5.0, 6.0, 7.0]
    if not values:
        pytest.skip("it has no parameters")
    cells = rv.Population(n, model, current=5.0 if model.takes_input else None, name="cells")
    record = [rv.Record("cells", "V", every=1.0)] if "V" in model.initial_state(1, rv.random.Key(0)) else []
    sim = rv.prepare(cells, dt=0.02, record=record)
    if sim.drawn.populations["cells"].facts.alone:
        pytest.skip("its neurons see each other")
    assert_as_single(sim, rv.zipped(values), 10.0, side_by_side=None, batch=3)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("integrator", [rv.ExponentialEuler(), rv.RungeKutta4()], ids=lambda x: type(x).__name__)
def test_many_single_cells_have_the_bits_of_runs_that_compute_many_steps_as_one_function(integrator, precision):
    cell = rv.Population(1, rv.neurons.HodgkinHuxley(), current=0.0, name="cell")
    sim = rv.prepare(cell, dt=0.02, record=[], integrator=integrator, precision=precision)
    assert_as_single(sim, {"cell.current": np.linspace(5.0, 20.0, 64)}, 60.0, batch=64)


def spiking(n=40, short_term=False, noise=False):
    """Two populations with random edges, weights and delays, one projection onto both."""
    drive = rv.stimuli.WhiteNoise(mean=350.0, intensity=100.0) if noise else rv.normal(350.0, 50.0)
    exc = rv.Population(n, LIF, initial={"V": rv.uniform(-65, -50)}, current=drive, name="exc")
    inh = rv.Population(n // 4, LIF, initial={"V": rv.uniform(-65, -50)}, current=300.0, name="inh")
    scaled = rv.synapses.TsodyksMarkram() if short_term else None
    some, fast, slow = rv.connect.pairwise_bernoulli(0.2), rv.synapses.ExponentialCurrent(tau=3.0), rv.synapses.ExponentialCurrent(tau=8.0)
    wires = [
        rv.Projection(exc, [inh, exc], fast, some, weight=rv.normal(20.0, 2.0), delay=rv.uniform(0.5, 3.0), name="out"),
        rv.Projection(inh, exc, slow, some, weight=-30.0, delay=1.0, short_term_plasticity=scaled, name="back"),
    ]
    return rv.Network(exc, inh, *wires)


RECORD = [rv.Record("inh", "V", every=5.0, neurons=[7, 2]), rv.Record("out", "current", every=5.0)]


def test_a_network_with_numbers_of_populations_and_projections_swept():
    sim = rv.prepare(spiking(), dt=0.1, record=RECORD)
    compiled = loop.compilations
    assert_as_single(sim, {"exc.refractory": [1.0, 3.0], "out.weight": [10.0, 40.0], "out.delay": [0.5, 2.0]}, 60.0, batch=3)
    assert loop.compilations == compiled + 2  # one set, and several side by side


def test_delays_that_need_less_room_than_the_network_was_prepared_for():
    sim = rv.prepare(spiking(), dt=0.1, record=RECORD)
    sim.run(0.0, parameters={"out.delay": 6.0})
    assert_as_single(sim, {"out.delay": [0.5, 2.0, 6.0, 0.7]}, 60.0, batch=2)


def test_a_network_with_seeds_currents_and_states_swept():
    sim = rv.prepare(spiking(), dt=0.1, record=RECORD)
    assert_as_single(sim, {"seed": range(5), "inh.current": [250.0, rv.normal(400.0, 10.0)]}, 60.0, batch=4)
    warm = [sim.run(20.0, parameters={"exc.current": current}).state for current in (300.0, 500.0)]
    assert_as_single(sim, {"initial": warm, "out.tau": [3.0, 5.0]}, 30.0)


def test_seeds_with_noise_run_one_by_one_or_seed_by_seed():
    sim = rv.prepare(spiking(noise=True), dt=0.1, record=RECORD)
    assert_as_single(sim, {"seed": range(3)}, 40.0, side_by_side=False, batch=3)
    assert_as_single(sim, {"out.weight": [10.0, 20.0, 30.0], "seed": [1, 2]}, 40.0, side_by_side=None, batch=3)


def test_short_term_plasticity_swept():
    sim = rv.prepare(spiking(short_term=True), dt=0.1, record=RECORD)
    sets = {"back.short_term_plasticity.recovery": [200.0, 800.0], "back.tau": [4.0, 8.0]}
    assert_as_single(sim, sets, 60.0, side_by_side=None)


def test_a_network_that_only_runs_one_by_one():
    cells = rv.Population(3, rv.neurons.BazhenovNeuron(), current=rv.uniform(2, 8), name="cells")
    wire = rv.Projection(cells, cells, rv.synapses.GradedGABA(), rv.connect.all_to_all(), weight=0.02, name="wire")
    sim = rv.prepare(rv.Network(cells, wire), dt=0.05, record=[rv.Record("cells", "V", reduce="mean", every=1.0)])
    assert_as_single(sim, {"wire.weight": [0.0, 0.1], "seed": [1, 2]}, 20.0, side_by_side=False)


def test_spikes_within_the_step_run_one_by_one():
    cells = rv.Population(3, rv.neurons.ExponentialIntegrateAndFire(), current=600.0, name="cells")
    sim = rv.prepare(cells, dt=0.1, record=[], spike_timing="interpolated", integrator=rv.RungeKutta4())
    seen = assert_as_single(sim, {"cells.current": [600.0, 900.0]}, 40.0, side_by_side=False, measure="first_spike")
    steps = seen["cells.first_spike"].values / 0.1
    assert (np.abs(steps - np.rint(steps)) > 1e-6).any()


def test_a_network_that_learns_runs_one_by_one():
    cells = rv.Population(5, LIF, current=rv.uniform(250, 400), name="cells")
    wire = rv.Projection(
        cells,
        cells,
        rv.synapses.ExponentialCurrent(tau=3.0),
        rv.connect.all_to_all(),
        weight=20.0,
        delay=1.0,
        plasticity=rv.plasticity.PairSTDP(),
        name="wire",
    )
    sim = rv.prepare(rv.Network(cells, wire), dt=0.1, record=[])
    assert_as_single(sim, {"seed": [1, 2], "wire.weight": [10.0, 30.0]}, 40.0, side_by_side=False)


def test_what_need_not_be_exact_is_close():
    sim = rv.prepare(
        rv.Population(1, rv.neurons.WangBuzsaki(), current=1.0, name="cell"), dt=0.02, record=rv.Record("cell", "V", every=1.0)
    )
    sets = {"cell.current": np.linspace(0.5, 2.0, 20), "cell.sodium.reversal": [50.0, 55.0]}
    loose, exact = (rv.sweep(sim, sets, 20.0, exact=exact) for exact in (False, True))
    assert loose.computed.endswith("side by side")
    np.testing.assert_allclose(loose["cell.V"].values, exact["cell.V"].values, rtol=1e-8)
