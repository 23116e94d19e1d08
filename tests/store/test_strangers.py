"""Stores, states and arrays that a stranger made to do harm: nothing in them runs, takes memory or blocks."""

import json
import os
import pickle
import shutil
import subprocess
import tracemalloc
import zipfile

import numpy as np
import pytest

import ranvier as rv
from ranvier.cli import main
from ranvier.interop.psst.arrays import read_array, read_arrays
from ranvier.store import layout, provenance
from ranvier.store.documents import sealed_root, text_of
from ranvier.store.npy import array_in
from ranvier.store.repair import check, repair

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


class Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def innocent(tmp_path_factory):
    path = tmp_path_factory.mktemp("innocent") / "run.zarr"
    cells = rv.Population(3, rv.neurons.LeakyIntegrateAndFire(), current=rv.uniform(300, 500), name="cells")
    rv.simulate(cells, duration=20.0, dt=0.1, store=path, record=rv.Record("cells", "V"))
    return path


@pytest.fixture
def store(innocent, tmp_path):
    return shutil.copytree(innocent, tmp_path / "hostile.zarr")


def rewritten(path, change):
    """Changes what the root says, under a checksum that is right."""
    root = layout.root_of(path)
    change(root.described, root.facts)
    content = text_of(sealed_root("ranvier", root.facts, root.described))
    (path / "zarr.json").write_bytes(content)
    (path / "manifest.json").write_bytes(content)


def uses(path):
    """Everything that reads a store."""
    return [
        lambda: rv.open_store(path)["cells"].V.values,
        lambda: rv.open_store(path).spikes.steps,
        lambda: rv.open_store(path, damaged="skip"),
        lambda: rv.resume(path),
        lambda: rv.resume(path, branch=True, into=path.with_name("branch.zarr")),
        lambda: check(path),
        lambda: repair(path),
    ]


def pickled_codec(described, facts):
    """An entry of Zarr 2 whose codec is pickle: zarr reads its chunk by unpickling it."""
    described["records/cells/V"] = {
        "zarr_format": 2,
        "node_type": "array",
        "shape": [1],
        "chunks": [1],
        "dtype": "|O",
        "compressor": None,
        "filters": [{"id": "pickle"}],
        "fill_value": None,
        "order": "C",
        "attributes": {"variable": "V", "units": "mV"},
    }


@pytest.mark.parametrize("consolidated", [True, False])
def test_a_codec_that_unpickles(store, tmp_path, consolidated):
    came = tmp_path / "came"
    chunk = store / "records" / "cells" / "V"
    (chunk / "0").write_bytes(pickle.dumps(np.array([Harm(came)], object)))
    rewritten(store, pickled_codec)
    if not consolidated:  # the older form of metadata, and that of the array alone
        (chunk / "zarr.json").unlink()
        (chunk / ".zarray").write_text(json.dumps({}))
    for use in uses(store):
        with pytest.raises(rv.StoreError, match=r"its root describes 'records/cells/V' as something that Ranvier writes in no store"):
            use()
    assert main(["info", str(store)]) == 1 and main(["check", str(store)]) == 1
    assert not came.exists()


def changed(**entries):
    def change(described, facts):
        described["records/cells/V"].update(entries)

    return change


def moved_to(place):
    def change(described, facts):
        described[place] = described.pop("records/cells/V")

    return change


@pytest.mark.parametrize(
    "change",
    [
        changed(codecs=[{"name": "bytes"}, {"name": "numcodecs.pickle"}]),
        changed(codecs=[{"name": "numcodecs.pickle"}]),
        changed(codecs=[{"name": "bytes"}, {"name": "gzip", "configuration": {"level": 1}}]),
        changed(codecs=[{"name": "sharding_indexed", "configuration": {}}]),
        changed(data_type="object"),
        changed(data_type="|O"),
        changed(data_type={"name": "numpy.datetime64"}),
        changed(data_type="string"),
        changed(zarr_format=2),
        changed(storage_transformers=[{"name": "x"}]),
        changed(chunk_key_encoding={"name": "v2", "configuration": {"separator": "."}}),
        changed(shape=[201]),
        changed(shape=[-1, 3]),
        changed(shape=["a", 3]),
        changed(shape=[1.5, 3]),
        changed(shape=[201, 3, 1]),
        changed(chunk_grid={"name": "regular", "configuration": {"chunk_shape": [0, 3]}}),
        changed(chunk_grid={"name": "regular", "configuration": {"chunk_shape": [2**40, 2**40]}}),
        changed(node_type="something"),
        changed(attributes=3),
        moved_to("records/cells/../../../V"),
        moved_to("/etc/V"),
        moved_to("records/cells/V/deeper"),
        moved_to("elsewhere/V"),
        moved_to("records/cells/.."),
    ],
)
def test_only_what_ranvier_writes_is_read(store, change):
    rewritten(store, change)
    for use in uses(store)[:3]:
        with pytest.raises(rv.StoreError, match=r"is not read|is damaged"):
            use()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("n", value) for value in (2**40, -1, "3")),
        *(("dt", value) for value in (0, float("inf"), "x")),
        *(("written_step", value) for value in (2**70, -5)),
        *(("populations", value) for value in ({"cells": {"first": 0, "n": 10**9}}, 3)),
        ("projections", []),
        ("versions", 1),
        ("status", None),
    ],
)
def test_facts_that_cannot_be(store, name, value):
    rewritten(store, lambda described, facts: facts.update({name: value}))
    with pytest.raises(rv.StoreError, match=r"damaged|cannot be read"):
        rv.open_store(store)


def test_no_memory_is_taken_for_what_is_only_said(store):
    def large(described, facts):
        for name in ("V", "time"):
            described[f"records/cells/{name}"]["shape"][0] = 2**50

    rewritten(store, large)
    tracemalloc.start()
    with pytest.raises(rv.StoreError, match="is damaged: it is missing"):
        _ = rv.open_store(store).records[0].values[:]
    assert any("chunks are missing" in found.why for found in check(store))
    chunk = store / "records/cells/V/c/0/0"
    content = bytearray(chunk.read_bytes())
    content[4:8] = b"\xff\xff\xff\x7f"  # what Blosc says that it comes to
    chunk.write_bytes(content)
    with pytest.raises(rv.StoreError, match="is damaged"):
        _ = rv.open_store(store).records[0].values[:10]
    assert tracemalloc.get_traced_memory()[1] < 2e7
    tracemalloc.stop()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
@pytest.mark.parametrize(
    "name", ["zarr.json", "provenance.json", "network.npz", ".lock", "spikes/neuron/c/0", "checkpoints/step-000000000200.npz"]
)
def test_a_pipe_blocks_nobody(store, name):
    (store / name).unlink()
    os.mkfifo(store / name)
    for use in uses(store)[:5]:
        with pytest.raises(rv.StoreError):
            use()
    assert check(store) or name == ".lock"
    with pytest.raises(rv.StoreError):
        rv.simulate(rv.neurons.LeakyIntegrateAndFire(), duration=1.0, dt=0.1, store=store, overwrite=name == ".lock")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_a_pipe_in_place_of_a_state_or_an_array(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(rv.StoreError, match="is a named pipe, not a file"):
        rv.SimulationState.load(tmp_path / "pipe.npz")
    for read in (read_array, read_arrays):
        with pytest.raises(rv.ParameterError, match="is a named pipe, not a file"):
            read(tmp_path / "pipe.npz")
    with pytest.raises(rv.RanvierError, match="is a named pipe, not a file"):
        rv.connect.from_file(tmp_path / "pipe.npz")


def header(shape, dtype="<f8"):
    """A `.npy` file that claims a shape, and has eight bytes."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(8)


@pytest.mark.parametrize("shape", ["(1000000000,)", "(2, 10000000000)", "(-1,)", "(0, 5)"])
def test_an_array_that_says_it_is_larger_than_its_file(tmp_path, shape):
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"says that it holds|bytes"):
        array_in(header(shape))
    with zipfile.ZipFile(tmp_path / "state.npz", "w") as archive:
        archive.writestr("description.npy", header(shape, "|u1"))
        archive.writestr("pre.npy", header(shape, "<i8"))
    with pytest.raises(rv.StoreError):
        rv.SimulationState.load(tmp_path / "state.npz")
    with pytest.raises(rv.RanvierError):
        rv.connect.from_file(tmp_path / "state.npz")
    (tmp_path / "time.npy").write_bytes(header(shape))
    for read in (read_array, read_arrays):
        try:
            read(tmp_path / "time.npy")
        except rv.ParameterError:
            continue
        assert shape == "(0, 5)"
    assert tracemalloc.get_traced_memory()[1] < 2e7
    tracemalloc.stop()


@pytest.mark.parametrize(
    "codes",
    [
        b"\x80\x04]r\x00\x00\x00\x06.",  # a list, noted as the hundred-millionth object: a table of as many
        b"\x80\x05\x96\x00\x00\x00\x70\x00\x00\x00\x00.",  # a bytearray of two gigabytes
        b"\x80\x04\x8e\x00\x00\x00\x70\x00\x00\x00\x00.",
        b"\x80\x04\x95\x00\x00\x00\x70\x00\x00\x00\x00.",
    ],
)
def test_a_pickle_that_asks_for_memory(tmp_path, codes):
    text = "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }".ljust(117) + "\n"
    path = tmp_path / "time.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + codes)
    assert path.stat().st_size < 150
    before = highest_memory()
    with pytest.raises(rv.ParameterError, match=r"time\.npy"):
        read_arrays(path)
    assert highest_memory() - before < 2**26


def highest_memory():
    """Bytes that this process has held at most."""
    resource = pytest.importorskip("resource")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_a_terminal_stays_as_it_is(store, capsys):
    rewritten(store, lambda described, facts: facts.update(integrator="\x1b]0;mine\x07\x1b[2J"))
    document = provenance.documents.read_document(store / "provenance.json")
    document["integrator"] = "\x1b]0;mine\x07\x1b[2J"
    (store / "provenance.json").write_bytes(text_of(provenance.documents.sealed(document)))
    main(["info", str(store)])
    assert "\x1b" not in capsys.readouterr().out


@needs_git
@pytest.mark.parametrize("way", ["fsmonitor", "filter", "process", "hook", "required"])
def test_git_runs_none_of_a_repositorys_programs(tmp_path, monkeypatch, way):
    came, folder = tmp_path / "came", tmp_path / "repository"
    folder.mkdir()
    program = tmp_path / "program.sh"
    program.write_text(f"#!/bin/sh\ntouch {came}\ncat\n")
    program.chmod(0o755)
    git = lambda *words: subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    git("init", "-q")
    (folder / "file").write_text("one")
    if way in ("filter", "process", "required"):
        (folder / ".gitattributes").write_text("* filter=evil.name\n")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "first")
    settings = {
        "fsmonitor": ["core.fsmonitor", str(program)],
        "filter": ["filter.evil.name.clean", str(program)],
        "process": ["filter.evil.name.process", str(program)],
        "required": ["filter.evil.name.clean", str(program)],
        "hook": ["core.hooksPath", str(folder / "hooks")],
    }
    git("config", *settings[way])
    if way == "required":
        git("config", "filter.evil.name.required", "true")
    (folder / "hooks").mkdir()
    shutil.copy(program, folder / "hooks" / "post-index-change")
    (folder / "file").write_text("two")
    monkeypatch.chdir(folder)
    found = provenance._git()
    assert found is not None and len(found["commit"]) == 40 and found["changed"] is True
    assert not came.exists()
    rv.simulate(rv.neurons.LeakyIntegrateAndFire(), duration=0.1, dt=0.1, store=tmp_path / "run.zarr")
    assert rv.open_store(tmp_path / "run.zarr").provenance["git"] == found and not came.exists()
    subprocess.run(["git", "status"], cwd=folder, capture_output=True, input=b"")
    if way in ("fsmonitor", "filter"):
        assert came.exists()  # the repository is one that runs it
