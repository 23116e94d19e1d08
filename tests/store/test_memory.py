"""Memory stays flat, however long a run is."""

import tracemalloc

import ranvier as rv
from ranvier.record import plan
from tests.store.runs import small_network


def test_a_run_a_hundred_times_longer_has_the_same_peak(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "BUFFER_BYTES", 2**18)
    peaks = []
    for i, duration in enumerate((20.0, 40.0, 4000.0)):  # the first one compiles and imports
        tracemalloc.start()
        record = rv.Record("cells", "V", every=0.1)
        path = tmp_path / f"{i}.zarr"
        run = rv.simulate(
            small_network(), duration=duration, dt=0.1, integrator=rv.ExponentialEuler(), record=record, store=path, checkpoint_every=500.0
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    recorded = next(r for r in run.records).values.nbytes
    assert recorded > 12e6 and len(run.spikes) > 20_000
    assert peaks[2] < peaks[1] + 0.4 * recorded
