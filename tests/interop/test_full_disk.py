"""A disk that is full indeed: exports say so, leave nothing, and end no process."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

import ranvier as rv
from ranvier.cli import main
from ranvier.interop.formats import ENDINGS

NEEDS = {"nwb": "pynwb", "neo": "nixio", "sonata": "h5py"}

# HDF5 keeps what it could not write, and the process crashes when that is closed: at its end, or when garbage is collected.
CRASHING = ("neo", "sonata")
CHILD = """
import os, pathlib, sys, warnings
warnings.simplefilter("ignore")
import ranvier as rv
from tests.interop.test_full_disk import long_run
try:
    rv.interop.export(long_run(), pathlib.Path(sys.argv[1]), to=sys.argv[2])
except rv.StoreError as error:
    print(error, flush=True)
os._exit(0)
"""


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


@pytest.mark.parametrize("to", ENDINGS)
@pytest.mark.filterwarnings("ignore")  # HDF5's, of what it could not write
def test_exports_to_a_full_disk(disk, run, to):
    if to in NEEDS and importlib.util.find_spec(NEEDS[to]) is None:
        pytest.skip(f"needs {NEEDS[to]}")
    if to in CRASHING:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        root = pathlib.Path(__file__).parents[2]
        command = [sys.executable, "-c", CHILD, str(disk / f"run{ENDINGS[to]}"), to]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "cannot be written: the disk is full" in done.stdout, done.stderr
        assert not list(disk.iterdir())
        return
    with pytest.raises(rv.StoreError, match="cannot be written: the disk is full"):
        rv.interop.export(run, disk / f"run{ENDINGS[to]}", to=to)
    assert not list(disk.iterdir())


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
