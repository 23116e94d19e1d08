"""Memory stays flat, however long a run is."""

import tracemalloc

import pytest

import ranvier as rv
from ranvier.record import plan
from ranvier.store import growing, layout
from ranvier.store.sink import StoreSink
from tests.store.runs import small_network

SHORT = 40.0  # ms: it too fills several chunks and the queue to the writer
SHARE = 0.05  # of what a run records, at most, comes to its peak


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces so small that what is held of each at a time is little beside the run."""
    monkeypatch.setattr(plan, "BUFFER_BYTES", 2**15)
    monkeypatch.setattr(layout, "SPIKES_PER_CHUNK", 2**7)
    monkeypatch.setattr(layout, "chunk_rows", lambda *args: growing.chunk_rows(*args, most=2**7))


def peak_of(duration, path):
    """Bytes held at most, and bytes recorded."""
    how = {"dt": 0.1, "integrator": rv.ExponentialEuler(), "record": rv.Record("cells", "V", every=0.1)}
    tracemalloc.start()
    run = rv.simulate(small_network(), duration=duration, store=path, checkpoint_every=duration / 8, **how)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    values = run["cells"].V
    assert values.sizes["time"] == round(10 * duration) + 1 and len(run.spikes) > 5 * duration
    return peak, values.nbytes


def test_a_run_a_hundred_times_longer_has_the_same_peak(tmp_path, small_pieces):
    peak_of(SHORT, tmp_path / "first.zarr")  # compiles and imports
    short, _ = peak_of(SHORT, tmp_path / "short.zarr")
    long, recorded = peak_of(100 * SHORT, tmp_path / "long.zarr")
    assert recorded > 12e6
    assert long < short + SHARE * recorded


def test_ten_times_is_too_much_already_where_rows_are_kept(tmp_path, small_pieces, monkeypatch):
    kept = []
    take = StoreSink.take

    def keeping(self, steps, neurons, rows, reached):
        rows = list(rows)
        kept.extend(rows)
        take(self, steps, neurons, rows, reached)

    peak_of(SHORT, tmp_path / "first.zarr")
    short, _ = peak_of(SHORT, tmp_path / "short.zarr")
    monkeypatch.setattr(StoreSink, "take", keeping)
    long, recorded = peak_of(10 * SHORT, tmp_path / "long.zarr")
    assert long > short + SHARE * 10 * recorded
