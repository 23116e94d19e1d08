"""Looking on while a run goes on: `watch=` of `simulate`, `sim.run` and `resume`."""

import time

import numpy as np
import pytest

import ranvier as rv


@pytest.fixture(scope="module")
def sim():
    drive = rv.random.uniform(200.0, 400.0)
    cells = rv.Population(20, rv.neurons.LeakyIntegrateAndFire(), current=drive, name="cells")
    shown = rv.Record(cells, "V", every=0.3, neurons=[1, 3])
    return rv.prepare(cells, dt=0.1, record=[shown])


def joined(chunks, what):
    return np.concatenate([what(chunk) for chunk in chunks])


def test_who_looks_on_sees_each_spike_and_row_once(sim):
    chunks, states = [], []

    def look(chunk):
        chunks.append(chunk)
        states.append(chunk.state)
        return "go on"  # only True ends a run

    run = sim.run(20_000.0, watch=look, watch_every=1e-3)
    assert len(chunks) > 2
    assert np.array_equal(joined(chunks, lambda c: c.steps), run.spikes.steps)
    assert np.array_equal(joined(chunks, lambda c: c.neurons), run.spikes.neurons)
    assert np.array_equal(joined(chunks, lambda c: c.rows[0].times if c.rows else []), run.records[0].times)
    assert np.array_equal(joined([c for c in chunks if c.rows], lambda c: c.rows[0].values), run.records[0].values)
    assert [c.reached for c in chunks] == sorted({c.reached for c in chunks})
    assert chunks[-1].time == pytest.approx(20_000.0)
    assert [s.step for s in states] == [c.reached for c in chunks]
    assert all((c.steps < c.reached).all() for c in chunks)


def test_true_ends_the_run_and_it_goes_on_from_there(sim):
    first = sim.run(1e6, watch=lambda chunk: chunk.time > 100.0)
    assert 100.0 < first.spikes.stop < 1e6
    rest = sim.run(50.0, initial=first.state)
    whole = sim.run(rest.spikes.stop)
    steps = np.concatenate([first.spikes.steps, rest.spikes.steps])
    assert np.array_equal(steps, whole.spikes.steps)
    assert first.records[0].times[-1] == whole.records[0].times[len(first.records[0].times) - 1]


def test_a_store_that_is_left_can_be_resumed_and_watched(sim, tmp_path):
    place, seen = tmp_path / "run.zarr", []
    part = sim.run(20_000.0, store=place, watch=lambda chunk: chunk.time > 50.0, watch_every=1e-3)
    assert rv.open_store(place).status == "interrupted"
    assert 50.0 < part.spikes.stop < 20_000.0
    run = rv.resume(place, watch=seen.append)
    assert rv.open_store(place).status == "complete"
    whole = sim.run(20_000.0)
    assert np.array_equal(run.spikes.steps, whole.spikes.steps)
    assert np.array_equal(run.records[0].values[:], whole.records[0].values)
    assert np.array_equal(joined(seen, lambda c: c.steps), whole.spikes.steps[whole.spikes.steps * 0.1 >= part.spikes.stop - 1e-9])


def test_a_slow_look_is_called_less_often_and_misses_nothing(sim):
    seen = []

    def slow(chunk):
        seen.append(chunk)
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass

    began = time.perf_counter()
    run = sim.run(50_000.0, watch=slow, watch_every=1e-3)
    took = time.perf_counter() - began
    assert len(seen) <= 2 + took / (0.02 / 0.03)
    assert sum(len(c.steps) for c in seen) == len(run.spikes)


def test_what_raises_while_it_looks_ends_the_run_with_its_own_error(sim):
    with pytest.raises(ZeroDivisionError):
        sim.run(100.0, watch=lambda chunk: 1 / 0)


def test_a_run_that_diverges_shows_what_came_before():
    seen = []
    with pytest.raises(rv.SimulationDiverged) as error:
        cell = rv.neurons.HodgkinHuxley()
        rv.simulate(cell, current=10.0, duration=20.0, dt=0.2, integrator=rv.Euler(), watch=seen.append)
    assert joined([c for c in seen if c.rows], lambda c: c.rows[0].times).max() == error.value.result.records[0].times[-1]
