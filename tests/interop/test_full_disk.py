"""A disk that is full indeed: exports say so, leave nothing, and end no process."""

import gc
import importlib.util
import subprocess
import sys

import pytest

import ranvier as rv
from ranvier.cli import main
from ranvier.interop.formats import ENDINGS

NEEDS = {"nwb": "pynwb", "neo": "nixio", "sonata": "h5py"}


@pytest.fixture
def disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if (
        not sys.platform.startswith("linux")
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)], capture_output=True).returncode
    ):
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)  # SciPy holds what it could not write


@pytest.fixture(scope="module")
def run():
    return long_run()


def long_run():
    """Of spikes as of values there are more than the disk takes."""
    cells = rv.Population(400, rv.neurons.PoissonSource(rate=500.0), name="cells")
    others = rv.Population(40, rv.neurons.LeakyIntegrateAndFire(), current=rv.uniform(100, 500), name="others")
    return rv.simulate(rv.Network(cells, others), duration=400.0, dt=0.1, seed=1, record=rv.Record("others", "V"))


@pytest.fixture(scope="module")
def few():
    """Of few neurons, each of which is an object in NIX."""
    cells = rv.Population(8, rv.neurons.LeakyIntegrateAndFire(), current=rv.uniform(300, 500))
    return rv.simulate(cells, duration=2000.0, dt=0.1, record=rv.Record(cells, "V"))


@pytest.mark.parametrize("to", ENDINGS)
@pytest.mark.filterwarnings("ignore")  # HDF5's, of what it could not write
def test_exports_to_a_full_disk(disk, run, few, to):
    if to in NEEDS and importlib.util.find_spec(NEEDS[to]) is None:
        pytest.skip(f"needs {NEEDS[to]}")
    with pytest.raises(rv.StoreError, match="cannot be written: the disk is full"):
        rv.interop.export(few if to in NEEDS else run, disk / f"run{ENDINGS[to]}", to=to)
    gc.collect()  # what HDF5 still had of it would end the process
    assert not list(disk.iterdir())


@pytest.mark.parametrize("size", [0, 40_000, 400_000])
@pytest.mark.parametrize("to", NEEDS)
@pytest.mark.filterwarnings("ignore")
def test_hdf5_wherever_the_disk_ends(tmp_path, few, to, size):
    resource = pytest.importorskip("resource")
    pytest.importorskip(NEEDS[to])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        with pytest.raises(rv.StoreError, match="cannot be written"):
            rv.interop.export(few, tmp_path / f"run{ENDINGS[to]}", to=to)
        gc.collect()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_the_results_of_the_command_line_are_kept_elsewhere(disk, tmp_path, monkeypatch, capsys):
    (tmp_path / "cells.py").write_text(
        "import ranvier as rv\nnetwork = rv.Population(400, rv.neurons.PoissonSource(rate=500.0), name='cells')\n"
        "duration, dt = 400.0, 0.1\nrecord = [rv.Record('cells', 'last_spike', every=40.0)]\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["run", "cells.py", "--out", str(disk / "out"), "--no-plots"]) == 1
    said = capsys.readouterr().err
    assert "cannot be written" in said and "No space left" in said and "Traceback" not in said
    kept = next(tmp_path.glob("ranvier-*.npz"))
    assert str(kept) in said and kept.stat().st_size > 100_000
