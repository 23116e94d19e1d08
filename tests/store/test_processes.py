"""Several processes and one store; processes that are told to end."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import ranvier as rv
from ranvier.cli import main
from ranvier.interruption import Interruption
from ranvier.store.repair import check
from tests.store.runs import assert_same_run, records, small_network
from tests.store.test_resume import HOW, stopped

WAITING = """
import sys, time, pathlib
sys.path.insert(0, {root!r})
import ranvier as rv
from {module} import {name} as real
import {module} as module
from tests.store.runs import records, small_network
from tests.store.test_resume import HOW

def waits(*arguments, **options):
    print("waiting", flush=True)
    while not pathlib.Path({go!r}).exists():
        time.sleep(0.02)
    return real(*arguments, **options)

module.{name} = waits
try:
    {what}
    print("done", flush=True)
except rv.StoreError as error:
    print("refused", error, flush=True)
"""


def process_that_waits_in(module, name, what, go):
    """A process that does something, and in a function of a module waits until a file is there."""
    program = WAITING.format(root=os.getcwd(), module=module, name=name, what=what, go=str(go))
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said == "waiting\n", process.communicate()[1]
    return process


@pytest.fixture(scope="module")
def unbroken():
    return rv.simulate(small_network(), record=records(), **HOW)


@pytest.mark.parametrize("overwrite", [False, True])
def test_another_run_has_finished_where_one_is_about_to_begin(tmp_path, unbroken, overwrite):
    """It is refused, or replaced where that was asked for; never removed by the one that comes too late."""
    path, go = tmp_path / "run.zarr", tmp_path / "go"
    what = f"rv.simulate(small_network(), record=records(), store={str(path)!r}, overwrite={overwrite}, **{{**HOW, 'duration': 12.0}})"
    late = process_that_waits_in("ranvier.store.start", "check_disk", what, go)
    rv.simulate(small_network(), record=records(), store=path, **HOW)
    go.touch()
    said, errors = late.communicate(timeout=300)
    assert late.returncode == 0, errors
    if overwrite:
        assert "done" in said and rv.open_store(path).spikes.stop == 12.0
    else:
        assert "refused There is a store at" in said
        assert_same_run(unbroken, rv.resume(path))
    assert check(path) == [] and [entry.name for entry in tmp_path.iterdir() if ".zarr" in entry.name] == ["run.zarr"]


def test_another_run_has_gone_on_where_one_is_about_to(tmp_path, unbroken):
    """The one that comes late goes on from where the other has come to: nothing is cut back."""
    path, go = tmp_path / "run.zarr", tmp_path / "go"
    stopped(path, small_network(), 16.0, record=records(), checkpoint_every=3.0, **HOW)
    late = process_that_waits_in("ranvier.store.resume", "Lock", f"print(rv.resume({str(path)!r}).info['steps'])", go)
    rv.resume(path)
    written = {file: file.read_bytes() for file in path.rglob("c/**/*") if file.is_file()}
    go.touch()
    said, errors = late.communicate(timeout=300)
    assert late.returncode == 0 and said.split() == ["0", "done"], errors
    assert {file: file.read_bytes() for file in path.rglob("c/**/*") if file.is_file()}.keys() == written.keys()
    assert check(path) == []
    assert_same_run(unbroken, rv.resume(path))


def test_two_at_once(tmp_path, unbroken):
    """While one goes on, the other is refused at once, and what the first writes is whole."""
    path, go = tmp_path / "run.zarr", tmp_path / "go"
    stopped(path, small_network(), 16.0, record=records(), checkpoint_every=3.0, **HOW)
    first = process_that_waits_in("ranvier.store.resume", "made", f"rv.resume({str(path)!r})", go)
    for use in (rv.resume, lambda path: rv.simulate(small_network(), store=path, overwrite=True, **HOW)):
        with pytest.raises(rv.StoreError, match=r"is being written by process \d+"):
            use(path)
    go.touch()
    assert "done" in first.communicate(timeout=300)[0]
    assert_same_run(unbroken, rv.resume(path))


def test_an_older_store_is_there_until_the_new_one_stands(tmp_path, unbroken, monkeypatch):
    path = tmp_path / "run.zarr"
    rv.simulate(small_network(), record=records(), store=path, **HOW)
    (path / "notes.txt").write_text("mine")

    def fails(progress):
        assert (path / "notes.txt").exists()
        older = rv.open_store(tmp_path / "run.zarr.replaced")
        np.testing.assert_array_equal(older.spikes.steps, unbroken.spikes.steps)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        rv.simulate(small_network(), record=records(), store=path, overwrite=True, progress=fails, **HOW)
    assert check(tmp_path / "run.zarr.replaced") == []
    assert rv.open_store(path).info["status"] == "failed"
    rv.resume(path)  # it stands: the older one goes
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run.zarr"]
    assert (path / "notes.txt").read_text() == "mine"

    from ranvier.store import start

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(start, "save_tree", full)
    with pytest.raises(rv.StoreError, match="the disk is full"):
        rv.simulate(small_network(), store=path, overwrite=True, **{**HOW, "duration": 3.0})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run.zarr"] and check(path) == []
    assert_same_run(unbroken, rv.resume(path))


FILE = """
import ranvier as rv
network = rv.Network(rv.Population(4, rv.neurons.LeakyIntegrateAndFire(), current=400.0, name="cells"))
duration, dt = 1e7, 0.1
"""


def running(folder, *before):
    """The command line, with a run that has come some way into its store."""
    (folder / "cells.py").write_text(FILE)
    command = [*before, sys.executable, "-m", "ranvier.cli", "run", "cells.py", "--store", "run.zarr"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "XDG_CACHE_HOME": str(folder / "cache")}
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        try:
            if rv.open_store(folder / "run.zarr").info["written_step"] > 0:
                break
        except rv.StoreError:
            pass
        time.sleep(0.2)
    return process


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_process_that_is_told_to_end_leaves_a_place_to_go_on_from(tmp_path, number):
    process = running(tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + number and "Stopped at t =" in said and "ranvier resume run.zarr" in said and "Traceback" not in said
    store = rv.open_store(tmp_path / "run.zarr")
    assert store.status == "interrupted" and store.checkpoints[0].step == store.info["written_step"] > 0


@pytest.mark.skipif(os.name == "nt" or shutil.which("nohup") is None, reason="needs nohup")
def test_whoever_says_nohup_wants_none(tmp_path):
    process = running(tmp_path, "nohup")
    process.send_signal(signal.SIGHUP)
    time.sleep(1.0)
    assert process.poll() is None and rv.open_store(tmp_path / "run.zarr").status == "running"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_that_comes_at_the_very_end_is_not_swallowed():
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append(1))
    try:
        with Interruption(True) as interruption:
            signal.raise_signal(signal.SIGTERM)
            assert interruption.came == signal.SIGTERM and not came
        assert came == [1]
        with Interruption(False):
            signal.raise_signal(signal.SIGTERM)
        assert came == [1, 1]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(os.name == "nt", reason="a shell's pipe")
def test_whoever_has_read_enough(tmp_path):
    rv.simulate(rv.neurons.LeakyIntegrateAndFire(), duration=1.0, dt=0.1, store=tmp_path / "run.zarr")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "ranvier.cli", "info", str(tmp_path / "run.zarr")], stdout=write, stderr=subprocess.PIPE, env=environment
    )
    os.close(write)
    assert not done.stderr and done.returncode == 141


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--store", ""], "must be a path with a name in it"),
        (["--checkpoint-every", "10"], "--checkpoint-every is for a run with a store"),
        (["--overwrite"], "--overwrite is for a run with a store"),
        (["--store", "run.zarr", "--out", "results"], "--out"),
    ],
)
def test_options_that_would_do_nothing(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.py").write_text(FILE.replace("1e7", "1.0"))
    assert main(["run", "cells.py", *arguments]) == 1
    assert said in capsys.readouterr().err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["cells.py"]
