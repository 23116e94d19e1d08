"""Runs that go to a store: the same as in memory, readable by anyone at any moment."""

import numpy as np
import pytest
import xarray
import zarr

import ranvier as rv
from ranvier.store import layout, sink
from tests.store.runs import assert_same_run, records, small_network

HOW = {"duration": 30.0, "dt": 0.1, "seed": 3, "integrator": rv.ExponentialEuler()}


@pytest.fixture(scope="module")
def in_memory():
    return rv.simulate(small_network(), record=records(), **HOW)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "run.zarr"
    return rv.simulate(small_network(), record=records(), store=path, checkpoint_every=7.0, **HOW), path


def test_a_store_holds_what_a_run_in_memory_gives(in_memory, stored):
    run, path = stored
    assert len(run.spikes) > 60
    assert_same_run(in_memory, run)
    for part in in_memory:
        for variable in in_memory[part].variables:
            xarray.testing.assert_identical(in_memory[part][variable], run[part][variable].load())
    assert_same_run_but_state = rv.open_store(path)
    np.testing.assert_array_equal(assert_same_run_but_state.spikes.steps, in_memory.spikes.steps)
    assert assert_same_run_but_state.info["status"] == "complete"


def test_plain_zarr_and_xarray_read_it(in_memory, stored):
    _, path = stored
    for consolidated in (None, False):
        table = xarray.open_zarr(path, group="records/cells", consolidated=consolidated, chunks=None)
        xarray.testing.assert_equal(table.V, in_memory["cells"].V)
        assert table.V.attrs["units"] == "mV" and table.time.attrs["units"] == "ms"
    steps = zarr.open_group(path, mode="r")["spikes/time_step"]
    assert steps.dtype == np.int64 and steps.metadata.zarr_format == 3
    np.testing.assert_array_equal(steps[:], in_memory.spikes.steps)
    assert set(xarray.open_datatree(path, engine="zarr", chunks=None).groups) >= {"/spikes", "/records/cells", "/spike_counts"}


def test_records_in_a_store_are_read_when_they_are_asked_for(stored):
    run, _ = stored
    record = next(r for r in run.records if (r.part, r.variable) == ("cells", "V"))
    assert not isinstance(record.values, np.ndarray) and record.values.shape == (61, 40)
    np.testing.assert_array_equal(record.values[10:20], np.asarray(record.values)[10:20])
    np.testing.assert_array_equal(record.values[-1], run["cells"].V.values[-1])
    assert record.first_step == 0 and record.every_steps == 5
    assert run["cells"].V._in_memory is False


def test_a_window_of_spikes(in_memory, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "SPIKES_PER_CHUNK", 16)
    run = rv.simulate(small_network(), store=tmp_path / "run.zarr", **HOW)
    firsts = zarr.open_group(tmp_path / "run.zarr", mode="r")["spikes/chunk_first_step"][:]
    np.testing.assert_array_equal(firsts, in_memory.spikes.steps[::16])
    for start, stop in ((0, 30), (3.3, 12.1), (12, 12), (0, 2), (29.9, 30), (17.0, 17.2)):
        for spikes, reference in ((run.spikes, in_memory.spikes), (run.spikes["others"], in_memory.spikes["others"])):
            part = spikes.between(start, stop)
            inside = (reference.times >= start - 1e-9) & (reference.times < stop - 1e-9)
            np.testing.assert_array_equal(part.steps, reference.steps[inside])
            np.testing.assert_array_equal(part.neurons, reference.neurons[inside])
    assert max(len(steps) for steps, _ in run.spikes.pieces()) <= 16
    np.testing.assert_array_equal(np.concatenate([n for _, n in run.spikes.pieces()]), in_memory.spikes.neurons)
    np.testing.assert_array_equal(run.spikes.counts, in_memory.spikes.counts)


def test_counts_for_zooming(in_memory, stored):
    _, path = stored
    group = zarr.open_group(path, mode="r")["spike_counts"]
    spikes = in_memory.spikes
    assert group["0"].shape == (3, 50) and group["1"].shape[0] == 0  # 10 ms; 40 ms are not over
    expected = np.histogram2d(spikes.steps, spikes.neurons, bins=[[0, 100, 200, 300], np.arange(51)])[0]
    np.testing.assert_array_equal(group["0"][:], expected)


def test_what_is_there_while_the_run_goes_on(tmp_path, monkeypatch, in_memory):
    """A reader finds whole arrays of equal length at every moment, and what it finds stays as it is."""
    monkeypatch.setattr(sink, "VISIBLE_EVERY", 0.0)
    monkeypatch.setattr(sink, "SHARE", 1e9)
    path = tmp_path / "run.zarr"
    seen = []

    def look(progress):
        table = xarray.open_zarr(path, group="records/cells", chunks=None).load()
        np.testing.assert_array_equal(table.V, in_memory["cells"].V[: table.sizes["time"]])
        store = rv.open_store(path)
        n = len(store.spikes)
        np.testing.assert_array_equal(store.spikes.steps, in_memory.spikes.steps[:n])
        np.testing.assert_array_equal(store.spikes.neurons, in_memory.spikes.neurons[:n])
        seen.append((table.sizes["time"], n, store.info["status"], progress.size))

    rv.simulate(small_network(), record=records(), store=path, checkpoint_every=2.0, progress=look, **HOW)
    assert len({rows for rows, *_ in seen}) > 3 and {status for *_, status, _ in seen} <= {"running", "complete"}
    assert all(size > 0 for *_, size in seen)


def test_several_chunks_in_time_and_neurons(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "chunk_rows", lambda width, itemsize: 16)
    monkeypatch.setattr(layout, "chunk_width", lambda width, itemsize, rows: 7)
    memory = rv.simulate(small_network(), record=records(), **HOW)
    run = rv.simulate(small_network(), record=records(), store=tmp_path / "run.zarr", checkpoint_every=3.0, **HOW)
    assert (tmp_path / "run.zarr" / "records" / "cells" / "V" / "c" / "3" / "5").exists()
    assert_same_run(memory, run)


def test_a_single_neuron_and_a_population_without_neurons(tmp_path):
    cell = rv.neurons.HodgkinHuxley()
    how = {"current": 10.0, "duration": 30.0}
    assert_same_run(rv.simulate(cell, **how), rv.simulate(cell, store=tmp_path / "one.zarr", **how))
    nobody = rv.Population(0, cell, name="nobody")
    run = rv.simulate(nobody, duration=1.0, record=rv.Record("nobody", "V"), store=tmp_path / "none.zarr")
    assert run.V.shape == (101, 0) and len(run.spikes) == 0
