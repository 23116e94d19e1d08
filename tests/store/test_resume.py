"""A run that was stopped and resumed is the run that was never stopped, bit for bit."""

import shutil
import signal

import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.interruption import RunInterrupted
from ranvier.store import sink
from tests.store.runs import assert_same_run, records, small_network


class Stop(Exception):
    """What stops a run in these tests, without warning to the store."""


def stopping_at(time):
    """A progress callback that stops the run when it has come so far (ms)."""

    def look(progress):
        if progress.time >= time:
            raise Stop

    return look


def stopped(path, network, time, **how):
    """A store that a run left when it stopped."""
    with pytest.raises(Stop):
        rv.simulate(network, store=path, progress=stopping_at(time), **how)
    assert rv.open_store(path).info["status"] == "failed"


def cholinergic_pair():
    cells = rv.Population(3, rv.neurons.BazhenovNeuron(), current=[12.0, 0.0, 3.0], initial={"V": rv.normal(-65, 3)}, name="cells")
    return rv.Network(
        cells,
        rv.Projection(cells, cells, rv.synapses.Cholinergic(), [[0, 0, 1], [1, 0, 0], [0, 1, 0]], weight=0.35),
        rv.Projection(cells, cells, rv.synapses.GradedGABA(), rv.connect.all_to_all(), weight=0.1),
    )


def driven_at_random():
    lif = rv.neurons.LeakyIntegrateAndFire()
    cells = rv.Population(20, lif, current=rv.uniform(200, 500), name="cells")
    synapse = rv.synapses.ExponentialCurrent(tau=5.0)
    return rv.Network(
        cells,
        rv.Projection(
            cells, cells, synapse, rv.connect.all_to_all(), weight=20.0, delay=0.7, short_term_plasticity=rv.synapses.TsodyksMarkram()
        ),
        rv.PoissonInput(cells, synapse, rate=rv.uniform(10, 30), sources=50, weight=30.0),
    )


def firing_at_random():
    noisy = rv.Population(12, rv.neurons.NoisyIntegrateAndFire(), current=300.0, name="cells")
    escaping = rv.Population(12, rv.neurons.EscapeNoiseIntegrateAndFire(), current=200.0, name="escaping")
    source = rv.Population(5, rv.neurons.PoissonSource(rate=80.0), name="source")
    synapse = rv.synapses.ExponentialCurrent(tau=5.0)
    return rv.Network(noisy, escaping, source, rv.Projection(source, [noisy, escaping], synapse, rv.connect.all_to_all(), weight=80.0))


def coupled_by_gap_junctions():
    cells = rv.Population(4, rv.neurons.HodgkinHuxley(), current=rv.uniform(5, 15), name="cells")
    return rv.Network(cells, rv.Projection(cells, cells, rv.synapses.GapJunction(), rv.connect.all_to_all(autapses=False), weight=0.05))


KINDS = {
    "integrate-and-fire, conductances, delays": (small_network, {"dt": 0.1, "integrator": rv.ExponentialEuler()}),
    "exact, Poisson inputs, short-term plasticity": (driven_at_random, {"dt": 0.1}),
    "kinetic and graded synapses, RK4": (cholinergic_pair, {"dt": 0.05}),
    "white noise, hazards, sources": (firing_at_random, {"dt": 0.1}),
    "gap junctions, single precision": (coupled_by_gap_junctions, {"dt": 0.05, "precision": "single"}),
    "a single neuron": (lambda: rv.Population(2, rv.neurons.HodgkinHuxley(), current=10.0), {"dt": 0.05}),
    "the antennal lobe": (lambda: rv.models.antennal_lobe(seed=1), {"dt": 0.05, "integrator": rv.ExponentialEuler()}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model(kind, tmp_path):
    make, how = KINDS[kind]
    how = {"duration": 24.0, "seed": 5, **how}
    if "a single" not in kind:
        first = next(iter(make().populations))
        how["record"] = [rv.Record(first, "V", every=0.5), rv.Record(first, "V", reduce="mean", every_steps=7)]
    unbroken = rv.simulate(make(), **how)
    path = tmp_path / "run.zarr"
    stopped(path, make(), 13.0, checkpoint_every=5.0, **how)
    assert_same_run(unbroken, rv.resume(path))
    assert_same_run(unbroken, rv.resume(path))  # complete: nothing is left to do


HOW = {"duration": 30.0, "dt": 0.1, "seed": 3, "integrator": rv.ExponentialEuler()}


@pytest.fixture(scope="module")
def unbroken():
    return rv.simulate(small_network(), record=records(), **HOW)


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    path = tmp_path_factory.mktemp("left") / "run.zarr"
    stopped(path, small_network(), 16.0, record=records(), checkpoint_every=3.0, **HOW)
    return path


@pytest.fixture
def copy(left, tmp_path):
    """A store that was moved after the run had stopped."""
    return shutil.copytree(left, tmp_path / "moved" / "elsewhere.zarr")


def test_stopped_again_and_again(copy, unbroken):
    for time in (0.0, 2.9, 3.1, 8.0):  # of each session
        with pytest.raises(Stop):
            rv.resume(copy, progress=stopping_at(time))
    run = rv.resume(copy)
    assert_same_run(unbroken, run)
    assert run.info["bit_identical"] and not run.info["not_verified"]
    sessions = rv.open_store(copy).provenance["sessions"]
    assert len(sessions) == 6 and sessions[-1]["status"] == "complete" and sessions[-1]["to_step"] == 300


def test_checkpoints_by_the_clock(tmp_path, monkeypatch, unbroken):
    path = tmp_path / "run.zarr"
    monkeypatch.setattr(sink, "SHARE", 1e9)
    stopped(path, small_network(), 5.0, record=records(), **HOW)
    assert [c.step for c in rv.open_store(path).checkpoints] == [0]  # it is not time yet
    monkeypatch.setattr(sink, "CHECKPOINT_EVERY", 0.0)
    with pytest.raises(Stop):
        rv.resume(path, progress=stopping_at(16.0))
    assert rv.open_store(path).checkpoints[0].step > 100
    assert_same_run(unbroken, rv.resume(path))


def test_a_longer_duration(tmp_path, unbroken):
    path = tmp_path / "run.zarr"
    rv.simulate(small_network(), record=records(), store=path, **{**HOW, "duration": 12.4})
    assert_same_run(unbroken, rv.resume(path, duration=30.0))
    with pytest.raises(rv.StoreError, match="has come to t = 30 ms already"):
        rv.resume(path, duration=20.0)


def test_a_result_from_before_is_read_after_the_run_has_gone_on(tmp_path):
    cells = rv.Population(10, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="c")
    record = rv.Record(cells, "V", every=1.0)
    before = rv.simulate(cells, duration=50.0, dt=0.1, store=tmp_path / "a.zarr", record=record)
    after = rv.resume(tmp_path / "a.zarr", duration=100.0)
    whole = rv.simulate(cells, duration=50.0, dt=0.1, record=record)
    np.testing.assert_array_equal(before.spikes.times, whole.spikes.times)
    np.testing.assert_array_equal(before["c"].V.values, whole["c"].V.values)
    assert len(after.spikes) > len(before.spikes)


def test_ctrl_c_finishes_what_it_does_and_says_how_to_go_on(tmp_path, unbroken):
    path = tmp_path / "run.zarr"

    def press(progress):
        if progress.time > 10:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RunInterrupted, match=r"Stopped at t = \d+.* of 30 ms\. Go on with rv\.resume\('.*run\.zarr'\), or: ranvier resume"):
        rv.simulate(small_network(), record=records(), store=path, checkpoint_every=4.0, progress=press, **HOW)
    assert signal.getsignal(signal.SIGINT) is before
    store = rv.open_store(path)
    assert store.info["status"] == "interrupted" and store.checkpoints[0].step == store.info["written_step"] > 100
    assert_same_run(unbroken, rv.resume(path))


def test_it_goes_on_only_as_what_it_was(copy):
    other = small_network()
    other.projections["others→cells"].weight = 2.5
    with pytest.raises(rv.StoreError, match=r"projections\.others→cells\.weight is 0\.3 in the store, 2\.5 now"):
        rv.resume(copy, other)
    for name, value in (("dt", 0.05), ("seed", 4), ("precision", "single"), ("integrator", rv.RungeKutta4())):
        with pytest.raises(rv.StoreError, match=name):
            rv.resume(copy, **{name: value})
    with pytest.raises(rv.StoreError, match="What is recorded"):
        rv.resume(copy, record=[rv.Record("cells", "V", every=0.4)])
    rv.resume(copy, small_network(), record=records(), dt=0.1, seed=3, precision="double", integrator=rv.ExponentialEuler())


def test_a_branch_leaves_the_old_store_as_it_is(copy, unbroken, tmp_path):
    before = {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()}
    same = rv.resume(copy, branch=True)
    place = copy.with_name("elsewhere-branch.zarr")
    assert rv.open_store(place).provenance["branch_of"]["step"] == 150
    inside = unbroken.spikes.steps >= 150
    np.testing.assert_array_equal(same.spikes.steps, unbroken.spikes.steps[inside])
    np.testing.assert_array_equal(same["cells"].V, unbroken["cells"].V[30:])
    other = small_network()
    other.projections["others→cells"].weight = 20.0
    changed = rv.resume(copy, other, branch=True, into=tmp_path / "other.zarr", duration=24.0)
    assert changed.spikes.stop == 24.0 and not np.array_equal(changed["cells"].V, unbroken["cells"].V[30:49])
    assert {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()} == before


def test_a_branch_with_another_step(tmp_path):
    cell = rv.Population(2, rv.neurons.HodgkinHuxley(), current=10.0, name="cells")
    path = tmp_path / "run.zarr"
    rv.simulate(cell, duration=20.0, dt=0.02, store=path, record=rv.Record("cells", ["V", "last_spike"], every=0.2))
    run = rv.resume(path, branch=True, dt=0.01, duration=40.0)
    assert (run.spikes.start, run.spikes.stop) == (20.0, 40.0)
    reference = rv.simulate(cell, duration=40.0, dt=0.01, record=rv.Record("cells", ["V", "last_spike"], every=0.2))
    np.testing.assert_allclose(run.V, reference.V[100:], atol=0.01)
    np.testing.assert_allclose(run["last_spike"], reference["last_spike"][100:], atol=0.021)
    with pytest.raises(rv.StoreError, match="no multiple of dt"):
        rv.resume(path, branch=True, dt=0.03, into=tmp_path / "b.zarr", duration=39.99)


def test_spikes_on_their_way_arrive_at_their_time_in_other_steps(tmp_path):
    """One spike at 5 ms, a delay of 3 ms; the branch goes on from 6 ms in half the step."""
    source = rv.Population(1, rv.neurons.SpikeTimes(times=[5.0], neurons=[0]), name="source")
    cells = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    wire = rv.Projection(source, cells, rv.synapses.ExponentialCurrent(tau=2.0), [[1.0]], weight=10.0, delay=3.0)
    path = tmp_path / "run.zarr"
    rv.simulate(rv.Network(source, cells, wire), duration=6.0, dt=0.1, store=path, record=rv.Record(wire, "i"))
    run = rv.resume(path, branch=True, dt=0.05, duration=10.0)
    i = run[run.network.projections and next(iter(run.network.projections))].i
    begins = float(i.time[np.flatnonzero(i.values[:, 0])[0]])
    assert run.spikes.start == 6.0 and begins == pytest.approx(8.1, abs=0.051)  # the spike's step ended at 5.1


def highest(everything):
    return jnp.max(everything["cells"]["V"])


class TwiceAsLeaky(rv.neurons.LeakyIntegrateAndFire):
    """A class of the user's own."""


def test_functions_and_classes_of_the_users_own_are_passed_again(tmp_path):
    def make(current=lambda t: 300.0 + t):
        return rv.Network(rv.Population(3, TwiceAsLeaky(), current=current, name="cells"))

    how = {"duration": 20.0, "dt": 0.1, "record": [rv.Record(None, highest, every=1.0, unit="mV")], "integrator": rv.RungeKutta4()}
    unbroken = rv.simulate(make(), **how)
    path = tmp_path / "run.zarr"
    stopped(path, make(), 10.0, checkpoint_every=4.0, **how)
    with pytest.raises(rv.StoreError, match=r"TwiceAsLeaky.*Pass the network again"):
        rv.resume(path)
    with pytest.raises(rv.StoreError, match="pass the records again"):
        rv.resume(path, make())
    with pytest.raises(rv.StoreError, match=r"current.*code"):
        rv.resume(path, make(lambda t: 300.0 + 2 * t), record=how["record"])
    run = rv.resume(path, make(), record=how["record"])
    assert_same_run(unbroken, run)
    assert any("TwiceAsLeaky" in name for name in run.info["not_verified"])


def test_a_stop_condition_is_asked_as_in_the_unbroken_run(tmp_path):
    busy = rv.Until(lambda now: now.rates["cells"] > 20 and now.time > 12, every=2.5)
    how = {**HOW, "record": records()}
    unbroken = rv.simulate(small_network(), until=busy, **how)
    assert 12 < unbroken.spikes.stop < 30
    path = tmp_path / "run.zarr"
    stopped(path, small_network(), 8.0, checkpoint_every=4.0, until=busy, **how)
    with pytest.raises(rv.StoreError, match="pass it again, until="):
        rv.resume(path)
    assert_same_run(unbroken, rv.resume(path, until=busy))


def test_what_is_kept_in_memory_goes_on_too(tmp_path):
    how = {**HOW, "record": [rv.Record("cells", "V", keep=4.0), rv.Record("others", "V", keep=100.0, every=0.5)]}
    unbroken = rv.simulate(small_network(), **how)
    assert float(unbroken["cells"].V.time[0]) == pytest.approx(26.1) and unbroken["others"].V.shape[0] == 61
    path = tmp_path / "run.zarr"
    stopped(path, small_network(), 16.0, checkpoint_every=3.0, **how)
    assert_same_run(unbroken, rv.resume(path))
    longer = rv.resume(path, duration=31.0)
    np.testing.assert_array_equal(longer["cells"].V.time, np.arange(271, 311) * 0.1)


def of(model, *, n=40, delay=1.5, cells="cells"):
    """Like `small_network`, but for what is said."""
    synapse, lif = rv.synapses.ExponentialConductance(tau=5, reversal=0), rv.neurons.LeakyIntegrateAndFire()
    first, others = rv.Population(n, model or lif, current=300.0, name=cells), rv.Population(10, lif, name="others")
    return rv.Network(first, others, rv.Projection(first, first, synapse, rv.connect.pairwise_bernoulli(0.2), weight=1.0, delay=delay))


@pytest.mark.parametrize(
    ("network", "how", "named"),
    [
        (of(None, n=80), {}, "cells has 80 neurons in this network and 40 in the state"),
        (of(rv.neurons.QuadraticIntegrateAndFire(), delay=30.0), {}, "delays no longer fit"),
        (of(rv.neurons.Izhikevich2003()), {}, "it is of another model"),
        (rv.Population(3, rv.neurons.HodgkinHuxley(), name="x"), {}, "it has the populations cells, others, this network x"),
        (None, {"dt": 0.07, "duration": 40.04}, r"t = 15 ms, in steps of 0\.1 ms; that is no multiple of dt = 0\.07 ms"),
    ],
)
def test_what_keeps_a_branch_from_its_state_is_named(copy, tmp_path, network, how, named):
    with pytest.raises(rv.RanvierError, match=named):
        rv.resume(copy, network, branch=True, into=tmp_path / "branch.zarr", record=[], **how)
    assert not (tmp_path / "branch.zarr").exists()


def test_a_branch_may_have_another_seed_and_another_step(copy, tmp_path):
    run = rv.resume(copy, branch=True, into=tmp_path / "seed.zarr", seed=9)
    assert run.info["seed"] == 9 and run.state.seed_number == 9 and (run.spikes.start, run.spikes.stop) == (15.0, 30.0)
    finer = rv.resume(copy, branch=True, into=tmp_path / "finer.zarr", dt=0.05)
    assert (finer.spikes.start, finer.spikes.stop, finer.info["dt"]) == (15.0, 30.0, 0.05)
    assert rv.open_store(tmp_path / "finer.zarr").info["start_step"] == 300
    assert_same_run(finer, rv.resume(tmp_path / "finer.zarr"))


def test_nothing_that_is_said_of_a_complete_run_is_ignored(tmp_path):
    path = tmp_path / "run.zarr"
    how = {**HOW, "duration": 5.0, "record": [rv.Record("cells", "V", keep=2.0), rv.Record("others", "V", every=1.0)]}
    unbroken = rv.simulate(small_network(), store=path, **how)
    for name, value in (("dt", 0.05), ("seed", 4), ("precision", "single"), ("integrator", rv.RungeKutta4())):
        with pytest.raises(rv.StoreError, match=name):
            rv.resume(path, **{name: value})
    with pytest.raises(rv.StoreError, match="What is recorded"):
        rv.resume(path, record=[rv.Record("cells", "V", every=0.4)])
    run = rv.resume(path, dt=0.1, seed=3, precision="double", integrator=rv.ExponentialEuler())
    assert run.info["steps"] == 0
    assert_same_run(unbroken, run)  # what was kept in memory too
    assert run["cells"].V.shape == (20, 40)


def test_xlas_flags_are_part_of_the_conditions(tmp_path, monkeypatch):
    from ranvier.store import build

    path = tmp_path / "run.zarr"
    rv.simulate(small_network(), store=path, **{**HOW, "duration": 5.0})
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=1 --xla_cpu_enable_fast_math=true")
    build.this_build.cache_clear()
    with pytest.warns(UserWarning, match=r"XLA's flags are others \(none before, --xla_cpu_enable_fast_math=true now\)"):
        assert rv.resume(path, duration=6.0).info["bit_identical"] is False
    monkeypatch.undo()
    build.this_build.cache_clear()
