"""Stores and states of version 1 of the random streams, as Ranvier 0.1.0 wrote them: read for ever, never gone on with other numbers.

`data/old_streams.tar.xz` holds a run of 60 ms of `network()` (step .1 ms, seed 7, checkpoints every 25 ms), the same stopped at
50 ms, a single Hodgkin–Huxley neuron (10 µA/cm², 20 ms, step .05 ms), the network's last state, and what was in them as arrays.
"""

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

import ranvier as rv
from ranvier import random
from ranvier.cli import main
from ranvier.store import checkpoint, resume

DATA = Path(__file__).parent / "data" / "old_streams.tar.xz"


def network():
    """The network of the stores."""
    lif = rv.neurons.LeakyIntegrateAndFire(capacitance=200, leak=10, rest=-60, threshold=-50, reset=-60, refractory=2.0)
    exc = rv.Population(12, lif, initial={"V": rv.normal(-55, 5)}, current=rv.uniform(50, 250), name="exc")
    inh = rv.Population(4, rv.neurons.LeakyIntegrateAndFire(refractory=1.0), initial={"V": rv.normal(-60, 5)}, current=150.0, name="inh")
    fast = rv.synapses.ExponentialConductance(tau=5, reversal=0)
    slow = rv.synapses.ExponentialConductance(tau=10, reversal=-80)
    plastic = {"delay": 0.7, "short_term_plasticity": rv.synapses.TsodyksMarkram()}
    drawn = {"weight": rv.uniform(0.5, 1.5), "delay": 1.5}
    others = rv.connect.all_to_all(autapses=False)
    return rv.Network(
        exc,
        inh,
        rv.Projection(exc, [exc, inh], fast, rv.connect.pairwise_bernoulli(0.3), **drawn, name="excitation"),
        rv.Projection(inh, exc, slow, rv.connect.all_to_all(), weight=0.8, delay=rv.uniform(0.5, 2.0), name="inhibition"),
        rv.Projection(inh, inh, slow, others, weight=0.4, name="mutual"),
        rv.Projection(exc, inh, fast, rv.connect.all_to_all(), weight=0.5, name="plastic", **plastic),
        rv.PoissonInput(exc, fast, rate=rv.uniform(10, 30), sources=20, weight=1.0, name="background"),
    )


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(DATA) as archive:
        archive.extractall(folder, filter="data")
    return folder / "old_streams"


@pytest.fixture
def old(unpacked, tmp_path):
    return shutil.copytree(unpacked, tmp_path / "old_streams")


@pytest.mark.parametrize(("name", "until"), [("network", 60.0), ("stopped", 50.0)])
def test_they_are_read(old, capsys, name, until):
    expected = np.load(old / "expected.npz")
    store = rv.open_store(old / f"{name}.zarr")
    assert store.info.get("streams_version", 1) == 1 and store.spikes.stop == pytest.approx(until, abs=0.01)
    there = expected["steps"] < round(store.spikes.stop / 0.1)
    np.testing.assert_array_equal(store.spikes.steps, expected["steps"][there])
    np.testing.assert_array_equal(store.spikes.neurons, expected["neurons"][there])
    for part, variable in (("exc", "V"), ("inh", "V"), ("inh", "last_spike")):
        values = np.asarray({(r.part, r.variable): r for r in store.records}[part, variable].values)
        expected_values = expected[f"{variable.removesuffix('_spike')}_{part}"]
        assert len(values) > 15
        np.testing.assert_array_equal(values, expected_values[: len(values)])
    assert main(["info", str(old / f"{name}.zarr")]) == 0 and "seed 7" in capsys.readouterr().out


def test_a_single_neuron_is_read_and_exported(old):
    expected, path = np.load(old / "expected.npz"), old / "cell.zarr"
    store = rv.open_store(path)
    np.testing.assert_array_equal(store.spikes.steps, expected["cell_steps"])
    np.testing.assert_array_equal(np.asarray(store.V)[::20], expected["cell_V"])
    assert main(["export", str(path), "--to", "csv", "--out", str(old / "out")]) == 0


@pytest.mark.parametrize("name", ["network", "stopped", "cell"])
def test_they_are_not_gone_on_with(old, name, capsys):
    words = rf"version 1 of the random streams, and this Ranvier draws version {random.STREAMS_VERSION}"
    assert random.STREAMS_VERSION > 1
    before = sorted((p, p.stat().st_mtime_ns) for p in old.rglob("*"))
    for how in ({}, {"duration": 100.0}, {"network": network()}):
        with pytest.raises(rv.StoreError, match=words):
            rv.resume(old / f"{name}.zarr", **how)
    assert main(["resume", str(old / f"{name}.zarr")]) == 1 and "random streams" in capsys.readouterr().err
    with pytest.raises(rv.StoreError, match=r"SimulationState, not in this form"):
        rv.resume(old / f"{name}.zarr", branch=True)
    assert before == sorted((p, p.stat().st_mtime_ns) for p in old.rglob("*"))


def test_an_old_state_is_refused_by_name(old):
    with pytest.raises(rv.StoreError, match="SimulationState, not in this form"):
        rv.SimulationState.load(old / "state.npz")


def test_states_of_other_streams_are_gone_on_with_by_word_alone(tmp_path, monkeypatch):
    run = rv.simulate(rv.neurons.LeakyIntegrateAndFire(), duration=1.0, dt=0.1, store=tmp_path / "run.zarr")
    run.state.save(tmp_path / "state.npz")
    for module in (checkpoint, resume):
        monkeypatch.setattr(module, "STREAMS_VERSION", random.STREAMS_VERSION + 1)
    with pytest.raises(rv.StoreError, match=r"draws version 3.*any_streams=True"):
        rv.SimulationState.load(tmp_path / "state.npz")
    assert rv.SimulationState.load(tmp_path / "state.npz", any_streams=True).time == 1.0
    with pytest.raises(rv.StoreError, match=r"version 2 of the random streams.*branch=True"):
        rv.resume(tmp_path / "run.zarr", duration=2.0)
    assert rv.resume(tmp_path / "run.zarr", branch=True, duration=2.0).spikes.start == 1.0


def test_what_is_written_names_its_streams(tmp_path):
    run = rv.simulate(rv.neurons.LeakyIntegrateAndFire(), duration=1.0, dt=0.1, store=tmp_path / "run.zarr")
    run.state.save(tmp_path / "state.npz")
    store = rv.open_store(tmp_path / "run.zarr")
    assert store.info["streams_version"] == random.STREAMS_VERSION
    _, facts = store.checkpoints[0].load()
    assert facts["streams_version"] == random.STREAMS_VERSION
    assert b'"streams_version": %d' % random.STREAMS_VERSION in (tmp_path / "state.npz").read_bytes()
