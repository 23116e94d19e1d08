"""What can go wrong: full disks, damaged files, killed processes, bad input. Nothing is lost, nothing is silently wrong."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import jax.numpy as jnp
import numpy as np
import pytest
import xarray

import ranvier as rv
from ranvier.cli import main
from ranvier.store import checkpoint, files, growing, layout, provenance, sink
from ranvier.store.checkpoint import load_tree, save_tree
from ranvier.store.documents import sealed_root, text_of
from ranvier.store.lock import Lock, is_written
from ranvier.store.sink import StoreSink
from tests.store.runs import assert_same_run, assert_same_state, records, small_network
from tests.store.test_resume import HOW, Stop, stopped


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
    return shutil.copytree(left, tmp_path / "copy.zarr")


# -- a full disk ------------------------------------------------------------------------------------


@pytest.mark.parametrize("writes", [3, 40, 90, 110, 130, 160, "the last", "the last but one", "the last but two"])
def test_a_full_disk(tmp_path, monkeypatch, unbroken, writes):
    """Whichever write fails: a clear error, a store that can be read, and a run that goes on once there is room."""
    path = tmp_path / "run.zarr"
    whole, done = files.write_whole, []
    if isinstance(writes, str):  # while the run is finished
        counted = []
        with monkeypatch.context() as patch:
            for module in (growing, checkpoint, sink, provenance):
                patch.setattr(module, "write_whole", lambda *a, **k: counted.append(1) or whole(*a, **k))
            rv.simulate(small_network(), record=records(), store=tmp_path / "other.zarr", checkpoint_every=3.0, **HOW)
        writes = len(counted) - ["the last", "the last but one", "the last but two"].index(writes) - 1

    def write(*arguments, **options):
        done.append(1)
        if len(done) > writes:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(*arguments, **options)

    for module in (growing, checkpoint, sink, provenance):
        monkeypatch.setattr(module, "write_whole", write)
    with pytest.raises(rv.StoreError, match=r"disk is full|cannot be written: No space left"):
        rv.simulate(small_network(), record=records(), store=path, checkpoint_every=3.0, **HOW)
    monkeypatch.undo()
    assert not is_written(path)  # nobody holds it
    if not path.exists():  # it was full before the run began
        run = rv.simulate(small_network(), record=records(), store=path, **HOW)
    else:
        seen = rv.open_store(path).spikes
        np.testing.assert_array_equal(seen.steps, unbroken.spikes.steps[: len(seen)])
        run = rv.resume(path)
    assert_same_run(unbroken, run)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tmpfs is Linux's")
def test_a_disk_that_is_full_indeed(tmp_path, unbroken):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (disk / "filler").write_bytes(bytes(200_000))
        with pytest.raises(rv.StoreError, match=r"disk is full|No space left"):
            how = {**HOW, "duration": 3000.0, "check_disk": False}
            rv.simulate(small_network(), record=records(), store=disk / "run.zarr", checkpoint_every=5.0, **how)
        (disk / "filler").unlink()
        if (disk / "run.zarr").exists():
            seen = rv.open_store(disk / "run.zarr").spikes
            n = min(len(seen), len(unbroken.spikes))
            np.testing.assert_array_equal(seen.steps[:n], unbroken.spikes.steps[:n])
            shutil.copytree(disk / "run.zarr", tmp_path / "roomy.zarr")
            run = rv.resume(tmp_path / "roomy.zarr")
            assert run.spikes.stop == 3000.0 and rv.open_store(tmp_path / "roomy.zarr").info["status"] == "complete"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_run_that_will_not_fit_asks_to_be_told(tmp_path, monkeypatch):
    from ranvier.store import estimate

    monkeypatch.setattr(estimate, "free_space", lambda path: 10_000)
    with pytest.raises(rv.StoreError, match=r"may take .* MiB.*check_disk=False"):
        rv.simulate(small_network(), record=records(), store=tmp_path / "run.zarr", **HOW)
    assert not (tmp_path / "run.zarr").exists()
    rv.simulate(small_network(), store=tmp_path / "run.zarr", check_disk=False, **{**HOW, "duration": 1.0})


# -- damaged files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "gone"])
def test_a_damaged_checkpoint(copy, unbroken, damage):
    newest = rv.open_store(copy).checkpoints[0].path
    content = bytearray(newest.read_bytes())
    if damage == "gone":
        newest.unlink()
        with pytest.warns(UserWarning, match=r"The checkpoint of t = 15 ms is missing.*of t = 12 ms is used"):
            run = rv.resume(copy)
        assert_same_run(unbroken, run)
        return
    content[content.index(np.asarray(rv.open_store(copy).state.neurons["cells"]["V"]).tobytes()) + 17] ^= 4
    newest.write_bytes({"truncated": content[: len(content) // 3], "flipped": content, "empty": b""}[damage])
    with pytest.warns(UserWarning, match=r"is damaged.*The checkpoint of t = 12 ms is used: what came after is computed again"):
        run = rv.resume(copy)
    assert_same_run(unbroken, run)


def test_when_all_checkpoints_are_damaged(copy):
    for found in rv.open_store(copy).checkpoints:
        found.path.write_bytes(b"PK")
    with pytest.raises(rv.StoreError, match="what it would go on from is damaged"):
        rv.resume(copy)
    assert len(rv.open_store(copy).spikes) > 0


def test_no_flipped_bit_passes_unseen(tmp_path):
    """Every bit of a file of a state, flipped: it is refused, or what is read is what was written."""
    state = rv.simulate(rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), name="c"), duration=1.0, dt=0.1, seed=1).state
    path = tmp_path / "state.npz"
    save_tree(path, {"V": state.neurons["c"]["V"], "step": state.step}, {"step": 10})
    content = path.read_bytes()
    tree, facts = load_tree(path)
    damaged = tmp_path / "damaged.npz"
    refused = 0
    for i in range(0, 8 * len(content), 13):
        flipped = bytearray(content)
        flipped[i // 8] ^= 1 << (i % 8)
        damaged.write_bytes(flipped)
        try:
            found, said = load_tree(damaged)
        except rv.StoreError:
            refused += 1
            continue
        assert said == facts and set(found) == set(tree)
        assert all(np.asarray(found[key]).tobytes() == np.asarray(tree[key]).tobytes() for key in tree)
    assert refused > len(content) / 4


def test_a_state_is_saved_and_loaded(tmp_path, unbroken):
    unbroken.state.save(tmp_path / "state.npz")
    state = rv.SimulationState.load(tmp_path / "state.npz")
    assert_same_state(unbroken.state, state)
    more = [rv.simulate(small_network(), initial=s, **HOW) for s in (state, unbroken.state)]
    assert_same_run(*more)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["neurons/cells/V"], state.neurons["cells"]["V"])
    with pytest.raises(rv.StoreError, match="There is no file"):
        rv.SimulationState.load(tmp_path / "nothing.npz")
    save_tree(tmp_path / "other.npz", {"x": np.zeros(1)}, {})
    with pytest.raises(rv.StoreError, match="holds no state"):
        rv.SimulationState.load(tmp_path / "other.npz")


def test_a_file_names_no_class_to_call(tmp_path):
    """A hostile file cannot have anything called or imported by a name."""
    for name in ("os:system", "ranvier.cli.__main__:main", "ranvier.store.checkpoint:save_tree", "ranvier.model:Model"):
        text = json.dumps({"format": "ranvier-tree", "version": 1, "tree": {"class": name, "fields": {}}})
        np.savez(tmp_path / "bad.npz", description=np.frombuffer(text.encode(), np.uint8))
        with pytest.raises(rv.StoreError, match="which this version of Ranvier does not have"):
            load_tree(tmp_path / "bad.npz")
    np.savez(tmp_path / "pickled.npz", description=np.array([print], object))
    with pytest.raises(rv.StoreError, match="Object arrays cannot be loaded"):
        load_tree(tmp_path / "pickled.npz")


# -- processes that end -----------------------------------------------------------------------------

PROGRAM = """
import sys
sys.path.insert(0, {root!r})
import ranvier as rv
from ranvier.store import sink
from tests.store.runs import records, small_network
from tests.store.test_resume import HOW
sink.VISIBLE_EVERY = 0.0
sink.SHARE = 1e9
rv.simulate(small_network(), record=records(), store={store!r}, checkpoint_every=0.5, progress=lambda p: print(p.time, flush=True), **HOW)
print("done", flush=True)
"""


def test_a_killed_process(tmp_path, unbroken):
    """Killed at random moments: the store is read by xarray at once, and the resumed run is the unbroken one."""
    random = np.random.default_rng()
    root = os.getcwd()
    for i in range(3):
        path = tmp_path / f"run-{i}.zarr"
        program = PROGRAM.format(root=root, store=str(path))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.6))
        process.kill()
        process.communicate()
        table = xarray.open_zarr(path, group="records/cells", chunks=None).load()
        np.testing.assert_array_equal(table.V, unbroken["cells"].V[: table.sizes["time"]])
        before = rv.open_store(path)
        assert before.info["status"] == "complete" or (before.info["status"], before.status) == ("running", "stopped")
        assert_same_run(unbroken, rv.resume(path))
        assert rv.open_store(path).status == "complete" and not list(path.rglob("*.partial"))


def test_who_writes_a_store_is_known(copy, capsys):
    root = layout.root_of(copy)
    (copy / "zarr.json").write_bytes(text_of(sealed_root("ranvier", {**root.facts, "status": "running"}, root.described)))
    lock = Lock(copy)
    assert rv.open_store(copy).status == "running" and "running" in repr(rv.open_store(copy))
    main(["info", str(copy)])
    assert "to go on" not in capsys.readouterr().out
    lock.release()
    assert rv.open_store(copy).status == "stopped"
    main(["info", str(copy)])
    out = capsys.readouterr().out
    assert f"{copy}, stopped" in out and f"ranvier resume {copy}\n" in out


FILE = """
import ranvier as rv
network = rv.Network(rv.Population(4, rv.neurons.LeakyIntegrateAndFire(), current=lambda t: 400.0 + 1e-4 * t, name="cells"))
duration = {duration}
dt = 0.1
integrator = rv.RungeKutta4()
record = [rv.Record("cells", "V", every=1.0)]
"""


def test_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.py").write_text(FILE.format(duration=40.0))
    assert main(["run", "cells.py", "--store", "run.zarr", "--checkpoint-every", "10"]) == 0
    assert "mean rate of cells" in capsys.readouterr().out and not (tmp_path / "results").exists()
    assert main(["run", "cells.py", "--store", "run.zarr"]) == 1
    assert "overwrite=True" in capsys.readouterr().err
    assert main(["resume", "run.zarr", "--duration", "60"]) == 1
    assert "ranvier resume run.zarr --file my_model.py" in capsys.readouterr().err
    assert main(["resume", "run.zarr", "--duration", "60", "--file", "cells.py"]) == 0
    said = capsys.readouterr()
    assert "60 of 60 ms" in said.out and "only the name and the code were compared" in said.err
    (tmp_path / "other.py").write_text(FILE.format(duration=40.0).replace("400.0 + 1e-4", "300.0 + 1e-4"))
    assert main(["resume", "run.zarr", "--duration", "80", "--file", "other.py"]) == 1
    assert "is not the one of run.zarr" in capsys.readouterr().err
    assert main(["info", "run.zarr"]) == 0
    out = capsys.readouterr().out
    for word in (
        "complete",
        "60 of 60 ms",
        "V of cells",
        "61 times × 4 neurons",
        "checkpoint",
        "t = 60 ms",
        "whole",
        "jax",
        "seed 0",
        "session",
    ):
        assert word in out, word
    assert main(["info", "nothing.zarr"]) == 1


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_on_the_command_line(tmp_path):
    (tmp_path / "cells.py").write_text(FILE.format(duration=1e8))
    command = [sys.executable, "-m", "ranvier.cli", "run", "cells.py", "--store", "run.zarr"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if rv.open_store(tmp_path / "run.zarr").info["written_step"] > 0:
                break
        except rv.StoreError:
            pass
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and "Stopped at t =" in said and "ranvier resume run.zarr" in said and "Traceback" not in said
    store = rv.open_store(tmp_path / "run.zarr")
    assert store.info["status"] == "interrupted" and store.checkpoints[0].step == store.info["written_step"] > 0


# -- bad input --------------------------------------------------------------------------------------


def tiny(path, **how):
    return rv.simulate(rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), name="c"), duration=1.0, dt=0.1, store=path, **how)


def test_nothing_of_the_users_is_overwritten(tmp_path):
    path = tmp_path / "run.zarr"
    tiny(path)
    with pytest.raises(rv.StoreError, match=r"There is a store at .* already.*overwrite=True"):
        tiny(path)
    (path / "notes.txt").write_text("mine")
    tiny(path, overwrite=True)
    assert (path / "notes.txt").read_text() == "mine" and rv.open_store(path).info["status"] == "complete"

    (tmp_path / "file").write_text("mine")
    with pytest.raises(rv.StoreError, match="is a file"):
        tiny(tmp_path / "file", overwrite=True)
    with pytest.raises(rv.StoreError, match="is a file, so no store"):
        tiny(tmp_path / "file" / "run.zarr")

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    with pytest.raises(rv.StoreError, match="no store: Ranvier did not write it"):
        tiny(tmp_path / "folder", overwrite=True)

    xarray.Dataset({"x": ("i", np.arange(3))}).to_zarr(tmp_path / "other.zarr", zarr_format=2)
    with pytest.raises(rv.StoreError, match="a Zarr of another program"):
        tiny(tmp_path / "other.zarr", overwrite=True)
    with pytest.raises(rv.StoreError, match="a Zarr of another program"):
        rv.open_store(tmp_path / "other.zarr")
    assert (tmp_path / "file").read_text() == "mine" and (tmp_path / "folder" / "thesis.tex").exists()
    assert int(xarray.open_zarr(tmp_path / "other.zarr").x[2]) == 2


def test_other_stores_that_are_refused(tmp_path, monkeypatch):
    with pytest.raises(rv.StoreError, match="There is no store"):
        rv.resume(tmp_path / "nothing.zarr")
    path = tmp_path / "run.zarr"
    tiny(path)
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"]["ranvier"]["store_version"] = layout.STORE_VERSION + 1
    shutil.copytree(path, tmp_path / "newer.zarr")
    (tmp_path / "newer.zarr" / "zarr.json").write_text(json.dumps(root))
    for use in (rv.open_store, rv.resume):
        with pytest.raises(rv.StoreError, match="written by a newer one"):
            use(tmp_path / "newer.zarr")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the superuser may write anywhere
    with pytest.raises(rv.StoreError, match="cannot be written to"):
        tiny(tmp_path / "locked.zarr")


def test_one_writer_at_a_time(copy):
    lock = Lock(copy)
    with pytest.raises(rv.StoreError, match=r"is being written by process \d+"):
        rv.resume(copy)
    lock.release()


def test_links_lead_nowhere(copy, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "0").write_bytes(b"mine")
    shutil.rmtree(copy / "spikes" / "neuron" / "c")
    (copy / "spikes" / "neuron" / "c").symlink_to(secret)
    for use in (rv.open_store, rv.resume):
        with pytest.raises(rv.StoreError, match="is a link"):
            use(copy)
    assert (secret / "0").read_bytes() == b"mine"


def test_names_stay_in_the_folder():
    for name in ("../../etc/passwd", "/etc/passwd", "..", "a/b", "", "c", "zarr.json", "→"):
        plain = layout.plain_name(name)
        assert plain and "/" not in plain and not plain.startswith(".") and plain not in ("c", "zarr.json")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"checkpoint_every": 1.0}, "checkpoint_every is for a run with a store"),
        ({"overwrite": True}, "overwrite is for a run with a store"),
        ({"store": ""}, "store is .., but it must be a path"),
        ({"store": 3}, "store is 3, but it must be a path"),
        ({"store": "x\0.zarr"}, "store is .* must be a path"),
        ({"store": "x.zarr", "checkpoint_every": -1.0}, "checkpoint_every is -1 ms"),
        ({"until": 3}, "but it must be a function"),
        ({"record": rv.Record("c", lambda c: jnp.outer(c["V"], c["V"]), name="square")}, "must be a number or a vector"),
        ({"record": rv.Record("c", lambda c: c["W"], name="w")}, "'w' cannot be computed: KeyError"),
        ({"record": rv.Record("c", "last_spike", reduce="mean")}, "is a time"),
    ],
)
def test_bad_options(tmp_path, monkeypatch, how, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rv.RanvierError, match=message):
        rv.simulate(rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), name="c"), duration=1.0, dt=0.1, **how)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("c", "V"), {"reduce": "middle"}, "Unknown Record.reduce 'middle'"),
        (("c", "V"), {"reduce": ("percentile", 101)}, r"it must be within \[0, 100\]"),
        (("c", "V"), {"reduce": lambda V: V.sum()}, "needs one"),
        (("c", "V"), {"every": 1.0, "every_steps": 2}, "give one of them"),
        (("c", "V"), {"every_steps": 0}, "every_steps is 0"),
        (("c", "V"), {"windows": [(0, 5), (4, 8)]}, "must follow each other"),
        (("c", "V"), {"windows": [3]}, "must be pairs"),
        (("c", "V"), {"keep": 0.0}, "must be positive"),
        (("c", lambda c: c["V"]), {}, "needs a name"),
        ((None, "V"), {}, "belong to a population"),
    ],
)
def test_bad_records(arguments, options, message):
    with pytest.raises(rv.RanvierError, match=message):
        rv.Record(*arguments, **options)


@pytest.mark.parametrize("left_behind", [(), (".lock",), (".lock", ".zarr.json.partial")])
def test_a_run_that_was_killed_before_it_had_a_store(tmp_path, left_behind):
    """What is left of it stands in nobody's way."""
    path = tmp_path / "run.zarr"
    path.mkdir()
    for name in left_behind:
        (path / name).write_text("process 1")
    for use in (rv.open_store, rv.resume):
        with pytest.raises(rv.StoreError, match="There is no store"):
            use(path)
    tiny(path)
    assert rv.open_store(path).status == "complete"


@pytest.mark.parametrize(("moment", "refused"), [("begin", (rv.open_store, rv.resume)), ("_write_checkpoint", (rv.resume,))])
def test_a_run_that_was_killed_while_its_store_was_made(tmp_path, monkeypatch, moment, refused):
    path = tmp_path / "run.zarr"

    def killed(sink, *_, **__):
        shutil.copytree(sink.path, path)
        raise Stop

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(StoreSink, moment, killed)
        tiny(tmp_path / "other.zarr")
    for use in refused:
        with pytest.raises(rv.StoreError, match=r"holds nothing.*overwrite=True"):
            use(path)
    with pytest.raises(rv.StoreError, match="There is a store"):
        tiny(path)
    tiny(path, overwrite=True)
    assert rv.open_store(path).status == "complete"
