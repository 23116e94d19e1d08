"""Stores in the formats of other programs: the same as from memory."""

import json
import os

import numpy as np
import pytest

import ranvier as rv
from ranvier.cli import main
from ranvier.interop.formats import ENDINGS
from tests.interop.test_formats import NEEDS

DURATION = 60.0


def network():
    lif = rv.neurons.LeakyIntegrateAndFire(refractory=2.0)
    exc = rv.Population(4, lif, current=[0.0, 400.0, 350.0, 0.0], name="exc")
    inh = rv.Population(2, lif, current=[450.0, 0.0], name="inh")
    fast = rv.Projection(
        exc, [exc, inh], rv.synapses.ExponentialConductance(tau=5, reversal=0), rv.connect.all_to_all(), weight=0.1, name="fast"
    )
    return rv.Network(exc, inh, fast)


RECORDS = [rv.Record("exc", "V", every=0.5), rv.Record("inh", "V", neurons=[1], every=1.0, start=10.0)]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same run in memory and as a store."""
    place = tmp_path_factory.mktemp("stores") / "run.zarr"
    kept = rv.simulate(network(), duration=DURATION, dt=0.1, record=RECORDS)
    rv.simulate(network(), duration=DURATION, dt=0.1, record=RECORDS, store=place)
    assert len(kept.spikes)
    return kept, rv.open_store(place)


def contents(path, to):
    """What a file or folder holds, but for what says when it was made."""
    if to == "npz":
        with np.load(path) as data:
            return {name: data[name].tolist() for name in data.files if name != "description"}
    if to == "csv":
        return {name: (path / name).read_text() for name in os.listdir(path) if name != "description.json"}
    if to == "neo":
        import neo

        io = neo.io.NixIO(str(path), mode="ro")
        segment = io.read_block().segments[0]
        io.close()
        signals = {f"{s.annotations['part']}.{s.name}": (s.magnitude.tolist(), float(s.t_start)) for s in segment.analogsignals}
        return [train.magnitude.tolist() for train in segment.spiketrains], signals
    if to == "netcdf":
        from scipy.io import netcdf_file

        with netcdf_file(path, mmap=False) as file:
            return {name: variable[...].tolist() for name, variable in file.variables.items()}
    if to == "zarr":
        import zarr

        members = zarr.open_group(str(path), mode="r").members(max_depth=None)
        return {name: np.asarray(x[...]).tolist() for name, x in members if isinstance(x, zarr.Array)}
    import h5py

    found = {}
    names = {"nwb": ["units", "acquisition"], "sonata": ["spikes", "report"]}[to]
    for file in [path] if to == "nwb" else sorted(path.iterdir()):
        with h5py.File(file) as opened:
            for name in names:
                if name in opened:
                    opened[name].visititems(
                        lambda key, x, file=file: found.update({(file.name, key): x[()].tolist()} if isinstance(x, h5py.Dataset) else {})
                    )
    return {key[1] if to == "nwb" else key: value for key, value in found.items()}


@pytest.mark.parametrize("to", ENDINGS)
def test_a_store_gives_what_the_run_in_memory_gives(both, to, tmp_path):
    for library in NEEDS.get(to, ()):
        pytest.importorskip(library)
    kept, store = both
    ours, theirs = (rv.interop.export(run, tmp_path / f"{name}{ENDINGS[to]}", to=to) for name, run in (("kept", kept), ("stored", store)))
    assert contents(ours, to) == contents(theirs, to) and contents(ours, to)


def test_where_it_comes_from_is_said(both, tmp_path):
    store = both[1]
    folder = rv.interop.export(store, tmp_path / "run", to="csv")
    said = json.loads((folder / "description.json").read_text())
    assert said["network_hash"] == store.info["network_hash"] and said["jax_version"] == store.info["versions"]["jax"]
    assert "exc: 4 LeakyIntegrateAndFire, inh: 2 LeakyIntegrateAndFire" in said["description"]


def test_a_store_reaches_neo_in_one_call(both):
    pytest.importorskip("neo")
    kept, store = both
    ours, theirs = (run.to_neo().segments[0].spiketrains.multiplexed for run in (kept, store))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_command(both, tmp_path, capsys):
    place = tmp_path / "a run.zarr"
    rv.simulate(network(), duration=5.0, dt=0.1, record=RECORDS[:1], store=place)
    assert main(["export", str(place), "--to", "npz"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "a run.npz")
    with np.load(tmp_path / "a run.npz") as data:
        assert data["exc/V"].shape == (11, 4)
    assert main(["export", str(place), "--to", "csv", "--out", str(tmp_path / "table")]) == 0
    assert (tmp_path / "table" / "spikes.csv").exists()


def test_the_command_refuses(both, tmp_path, capsys):
    place = str(both[1].path)
    (tmp_path / "taken.npz").write_text("mine")
    for arguments, message in (
        ([place, "--to", "npz", "--out", str(tmp_path / "taken.npz")], "nothing is overwritten"),
        ([str(tmp_path / "nothing.zarr"), "--to", "npz"], "nothing.zarr"),
        ([str(tmp_path), "--to", "npz"], str(tmp_path)),
        ([place, "--to", "nbw"], "Did you mean 'nwb'"),
    ):
        assert main(["export", *arguments]) == 1
        said = capsys.readouterr()
        assert message in said.err and "Traceback" not in said.err and said.out == ""
    assert (tmp_path / "taken.npz").read_text() == "mine"
