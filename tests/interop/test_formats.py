"""Runs in the formats of other programs, read back by those programs."""

import dataclasses
import gc
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tracemalloc
import types
import warnings

import numpy as np
import pandas
import pytest

import ranvier as rv
from ranvier.interop import source
from ranvier.interop.formats import ENDINGS, export
from ranvier.result import Recorded, Spikes

DT = 0.1
PIECE = 2**10


@pytest.fixture(scope="module")
def run():
    """Two populations, records of several schedules, a projection's state, silent neurons at both ends."""
    lif = rv.neurons.LeakyIntegrateAndFire(refractory=2.0)
    exc = rv.Population(6, lif, current=[0.0, 400.0, 0.0, 350.0, 500.0, 0.0], name="exc")
    inh = rv.Population(3, lif, current=[450.0, 300.0, 0.0], name="inh")
    fast = rv.Projection(
        exc, [exc, inh], rv.synapses.ExponentialConductance(tau=5, reversal=0), rv.connect.all_to_all(), weight=0.1, name="fast"
    )
    records = [
        rv.Record(exc, "V", every=0.5),
        rv.Record(inh, ["V", "injected_current"], neurons=[2, 0], every=1.0, start=10.0),
        rv.Record(fast, "g", every=2.0),
    ]
    result = rv.simulate(rv.Network(exc, inh, fast), duration=100.0, dt=DT, record=records)
    assert len(result.spikes["exc"]) > 10 and len(result.spikes["inh"]) > 5
    return result


def trains(run, population):
    return run.spikes[population].trains


# -- NumPy, CSV ---------------------------------------------------------------------------------------


def test_npz(run, tmp_path):
    with np.load(export(run, tmp_path / "run.npz", to="npz"), allow_pickle=False) as data:
        said = json.loads(str(data["description"]))
        assert said["units"] == {"exc/V": "mV", "inh/V": "mV", "inh/injected_current": "pA", "fast/g": "1"}
        assert said["time"] == "ms" and "the start of the step" in said["spike_times"] and said["seed"] == 0
        np.testing.assert_array_equal(data["spikes/time_step"], run.spikes.steps)
        np.testing.assert_array_equal(data["spikes/time"], run.spikes.times)
        for index, name in enumerate(said["populations"]):
            mine = data["spikes/population"] == index
            np.testing.assert_array_equal(data["spikes/neuron"][mine], run.spikes[name].neurons)
        np.testing.assert_array_equal(data["exc/V"], run["exc"].V.values)
        np.testing.assert_array_equal(data["inh/V/time"], run["inh"].V.time)
        assert data["inh/V/neuron"].tolist() == [2, 0]


def test_csv(run, tmp_path):
    folder = export(run, tmp_path / "run", to="csv")
    spikes = pandas.read_csv(folder / "spikes.csv")
    expected = run.spikes.to_pandas()
    np.testing.assert_allclose(spikes.time, expected.time, rtol=0, atol=1e-9)
    assert spikes.neuron.tolist() == expected.neuron.tolist() and spikes.population.tolist() == expected.population.tolist()
    V = pandas.read_csv(folder / "inh-V.csv", index_col="time")
    assert V.columns.tolist() == ["2", "0"]
    np.testing.assert_array_equal(V.values, run["inh"].V.values)
    said = json.loads((folder / "description.json").read_text())
    assert sorted([*said["files"], "description.json"]) == sorted(os.listdir(folder))
    assert "(pA)" in said["files"]["inh-injected_current.csv"]["each other column"]
    assert "0.30000000000000004" not in (folder / "spikes.csv").read_text()


def test_single_precision_has_its_own_digits(tmp_path):
    run = rv.simulate(rv.neurons.Passive(), current=1.0, duration=1.0, dt=DT, precision="single", record=rv.Record("passive", "V"))
    folder = export(run, tmp_path / "run", to="csv")
    V = pandas.read_csv(folder / "passive-V.csv", index_col="time", dtype=np.float32).values
    np.testing.assert_array_equal(V, run.V.values)
    assert max(len(line) for line in (folder / "passive-V.csv").read_text().splitlines()) < 20


# -- Neo and Elephant ---------------------------------------------------------------------------------


@pytest.fixture
def neo():
    return pytest.importorskip("neo")


def test_neo(run, neo):
    block = run.to_neo()
    segment = block.segments[0]
    ids, times = segment.spiketrains.multiplexed
    np.testing.assert_array_equal(ids, run.spikes.neurons)
    np.testing.assert_array_equal(times.rescale("ms").magnitude, run.spikes.times)
    assert len(segment.spiketrains) == 9 and float(segment.spiketrains.t_stop) == 100.0
    assert block.annotations["dt_ms"] == DT and "the start of the step" in block.annotations["spike_times"]

    every = trains(run, "exc") + trains(run, "inh")
    for i, (train, expected) in enumerate(zip(segment.spiketrains, every, strict=True)):
        np.testing.assert_array_equal(train.magnitude, expected)
        assert train.annotations["channel_id"] == i
        assert (train.annotations["population"], train.annotations["neuron"]) == (("exc", i) if i < 6 else ("inh", i - 6))

    names = [(s.name, str(s.units.dimensionality), s.annotations["part"]) for s in segment.analogsignals]
    assert names == [("V", "mV", "exc"), ("V", "mV", "inh"), ("injected_current", "pA", "inh"), ("g", "dimensionless", "fast")]
    V = segment.analogsignals[1]
    np.testing.assert_array_equal(V.magnitude, run["inh"].V.values)
    assert (float(V.t_start), float(V.sampling_period)) == (10.0, 1.0)
    assert V.array_annotations["channel_index"].tolist() == [2, 0]
    assert [group.name for group in block.groups] == ["exc", "inh", "fast"]
    assert [s.name for s in block.groups[1].analogsignals] == ["V", "injected_current"]


def test_a_result_reaches_elephant_in_one_call(run, neo):
    statistics = pytest.importorskip("elephant.statistics")
    import quantities as pq

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Elephant 1.2 uses what quantities 0.16 has deprecated
        warnings.simplefilter("ignore", UserWarning)
        counts = statistics.time_histogram(run.to_neo().segments[0].spiketrains, 5 * pq.ms).magnitude[:, 0]
    expected = run.spikes.population_rate(5.0) * 9 * 5e-3
    np.testing.assert_allclose(counts, expected, atol=1e-9)


def test_many_silent_neurons_cost_nothing(neo):
    """Neo makes its objects when one is asked for, and `to_neo` asks for none."""
    none = np.zeros(0, np.int64)
    spikes = Spikes(none, none, n=100_000, dt=DT, start=0.0, stop=10.0, populations={"many": (0, 100_000)})
    from ranvier.interop.neo import to_neo

    block = to_neo(types.SimpleNamespace(spikes=spikes, records=[], info={"populations": {"many": {"model": "X()"}}}))
    assert block.segments[0].spiketrains._items is None


def test_nix(run, neo, tmp_path):
    pytest.importorskip("nixio")
    io = neo.io.NixIO(str(export(run, tmp_path / "run.nix", to="neo")), mode="ro")
    read, direct = io.read_block(), run.to_neo()
    io.close()
    assert read.annotations["seed"] == 0 and read.description == direct.description
    for ours, theirs in zip(direct.segments[0].spiketrains, read.segments[0].spiketrains, strict=True):
        np.testing.assert_array_equal(ours.magnitude, theirs.magnitude)
        assert ours.t_stop == theirs.t_stop and ours.annotations["population"] == theirs.annotations["population"]
    for ours, theirs in zip(direct.segments[0].analogsignals, read.segments[0].analogsignals, strict=True):
        np.testing.assert_array_equal(ours.magnitude, theirs.magnitude)
        assert ours.units == theirs.units and ours.t_start == theirs.t_start and ours.sampling_period == theirs.sampling_period
        np.testing.assert_array_equal(ours.array_annotations["channel_index"], theirs.array_annotations["channel_index"])


# -- NWB ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nwb(run, tmp_path_factory):
    pytest.importorskip("pynwb")
    return export(run, tmp_path_factory.mktemp("nwb") / "run.nwb", to="nwb")


def test_nwb_is_valid(nwb):
    import pynwb

    assert pynwb.validate(path=str(nwb)) == []


@pytest.mark.filterwarnings("ignore")  # of what the inspector imports
def test_nwb_passes_its_inspector(nwb):
    """It only misses who experimented where on which animal. Nobody did."""
    nwbinspector = pytest.importorskip("nwbinspector")
    said = {message.check_function_name for message in nwbinspector.inspect_nwbfile(nwbfile_path=str(nwb))}
    assert said <= {"check_experimenter_exists", "check_institution", "check_subject_exists"}


def test_nwb_holds_the_run(run, nwb):
    import pynwb

    with pynwb.NWBHDF5IO(str(nwb), "r") as io:
        file = io.read()
        assert "Simulation by Ranvier, not a recording" in file.session_description and file.keywords[:] == ["simulation"]
        assert "the start of the step" in file.notes and file.was_generated_by[0][0] == "ranvier" and file.subject is None
        assert file.units.resolution == pytest.approx(DT / 1e3)
        for i, expected in enumerate(trains(run, "exc") + trains(run, "inh")):
            np.testing.assert_allclose(file.units["spike_times"][i], expected / 1e3, rtol=1e-14)  # seconds
            assert file.units["obs_intervals"][i].tolist() == [[0.0, 0.1]]
        assert file.units["population"][:].tolist() == ["exc"] * 6 + ["inh"] * 3
        assert file.units["neuron_index"][:].tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]
        V = file.acquisition["inh_V"]
        np.testing.assert_array_equal(V.data[:], run["inh"].V.values)
        assert (V.unit, V.conversion, V.rate, V.starting_time) == ("volts", 1e-3, 1000.0, 0.01)
        assert V.comments == "columns are the neurons 2, 0 of inh"
        assert file.stimulus["inh_injected_current"].unit == "amperes"
        assert file.acquisition["fast_g"].unit == "unitless"


# -- SONATA -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sonata(run, tmp_path_factory):
    pytest.importorskip("h5py")
    with pytest.warns(UserWarning, match="g of fast is not in the SONATA files: it is of a projection"):
        return export(run, tmp_path_factory.mktemp("sonata") / "run", to="sonata")


def test_sonata_layout(run, sonata):
    import h5py

    assert sorted(os.listdir(sonata)) == ["V_report.h5", "injected_current_report.h5", "spikes.h5"]
    with h5py.File(sonata / "spikes.h5") as file:
        assert file.attrs["magic"] == 0x0A7A and file.attrs["version"].tolist() == [0, 1]
        group = file["spikes/inh"]
        assert h5py.check_enum_dtype(group.attrs.get_id("sorting").dtype) == {"none": 0, "by_id": 1, "by_time": 2}
        assert group.attrs["sorting"] == 2 and group["timestamps"].attrs["units"] == "ms"
        assert (group["timestamps"].dtype, group["node_ids"].dtype) == (np.float64, np.uint64)
        np.testing.assert_array_equal(group["timestamps"][:], run.spikes["inh"].times)
        np.testing.assert_array_equal(group["node_ids"][:], run.spikes["inh"].neurons)
    with h5py.File(sonata / "V_report.h5") as file:
        report = file["report/exc"]
        assert report["data"].dtype == np.float32 and report["data"].attrs["units"] == "mV"
        np.testing.assert_array_equal(report["data"][:], run["exc"].V.values.astype(np.float32))
        assert report["mapping/time"][:].tolist() == pytest.approx([0.0, 100.5, 0.5])  # open on the right
        assert report["mapping/node_ids"].dtype == np.uint64 and report["mapping/node_ids"].attrs["sorted"] == 1
        assert file["report/inh/mapping/node_ids"].attrs["sorted"] == 0


def test_sonata_is_read_by_another_reader(run, sonata):
    libsonata = pytest.importorskip("libsonata")
    spikes = libsonata.SpikeReader(str(sonata / "spikes.h5"))
    assert spikes.get_population_names() == ["exc", "inh"]
    for name in ("exc", "inh"):
        assert spikes[name].sorting == "by_time"
        ids, times = zip(*spikes[name].get(), strict=True)
        np.testing.assert_array_equal(ids, run.spikes[name].neurons)
        np.testing.assert_array_equal(times, run.spikes[name].times)
    for reader in (libsonata.SomaReportReader, libsonata.ElementReportReader):
        report = reader(str(sonata / "V_report.h5"))["inh"]
        assert (report.time_units, report.data_units, report.times) == ("ms", "mV", pytest.approx((10.0, 101.0, 1.0)))
        values = report.get(node_ids=[2]).data
        np.testing.assert_array_equal(values[:, 0], run["inh"].V.values[:, 0].astype(np.float32))


# -- all of them --------------------------------------------------------------------------------------


class Lazy:
    """Values that are made when they are read, as a store's are read from disk."""

    def __init__(self, rows, columns):
        self.shape = (rows, columns) if columns else (rows,)
        self.dtype = np.dtype(np.float64)

    def __getitem__(self, key):
        first, stop, _ = key.indices(self.shape[0])
        rows = np.arange(first, stop, dtype=np.float64)
        return rows[:, None] + np.zeros(self.shape[1]) if len(self.shape) == 2 else rows * DT


def long_run(steps):
    """A run of that many steps that is nowhere in memory: a spike of one of 8 neurons in each, 8 columns of V."""

    def pieces():
        for first in range(0, steps, PIECE):
            k = np.arange(first, min(first + PIECE, steps))
            yield k, (k * 5 % 8).astype(np.int32)

    spikes = types.SimpleNamespace(n=8, dt=DT, start=0.0, stop=steps * DT, populations={"cells": (0, 8)}, pieces=pieces)
    record = Recorded("cells", "V", "mV", Lazy(steps, 0), Lazy(steps, 8), np.arange(8), "neuron")
    regular = dataclasses.replace(record, every_steps=1, first_step=0)
    return types.SimpleNamespace(spikes=spikes, records=[regular], info={"populations": {"cells": {"model": "ranvier.X()"}}}, provenance={})


NEEDS = {"nwb": ["pynwb"], "neo": ["neo", "nixio"], "sonata": ["h5py"], "csv": [], "npz": [], "netcdf": [], "zarr": []}


STREAMED = [to for to in ENDINGS if to != "netcdf"]  # whose writer wants whole arrays


def print_peaks(folder):
    """For each format the most memory taken while a short run is written, and a long one. In a process of its own."""
    source.BLOCK_BYTES = 2**16
    for to in STREAMED:
        if any(importlib.util.find_spec(library) is None for library in NEEDS[to]):
            continue
        export(long_run(100), folder / f"{to} warm{ENDINGS[to]}", to=to)  # imports, caches
        peaks = []
        for steps in (1_000, 20_000):
            gc.collect()
            tracemalloc.start()
            export(long_run(steps), folder / f"{to} {steps}{ENDINGS[to]}", to=to)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        print(to, *peaks)


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peaks")
    program = f"import pathlib; from tests.interop.test_formats import print_peaks; print_peaks(pathlib.Path({str(folder)!r}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    root = pathlib.Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: (int(row[1]), int(row[2])) for row in rows if len(row) == 3 and row[0] in STREAMED}


@pytest.mark.parametrize("to", STREAMED)
def test_memory_does_not_grow_with_the_run(to, peaks):
    for library in NEEDS[to]:
        pytest.importorskip(library)
    short, long = peaks[to]
    assert long < short + 800_000  # the larger run has 1.3 MB of V, the smaller 0.06


@pytest.mark.parametrize("to", ENDINGS)
def test_nothing_is_overwritten_and_failures_leave_nothing(to, run, tmp_path, monkeypatch):
    for library in NEEDS[to]:
        pytest.importorskip(library)
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(rv.ParameterError, match="mine exists already, and nothing is overwritten"):
        export(run, tmp_path / "mine", to=to)
    with pytest.raises(rv.ParameterError, match="cannot be written: No such file"):
        export(run, tmp_path / "no folder" / "run", to=to)

    def fails(self):
        yield self.run.spikes.steps[:2], self.run.spikes.neurons[:2]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(source.Source, "pieces", fails)
    with pytest.raises(rv.StoreError, match="the disk is full"):
        export(run, tmp_path / "new", to=to)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"] and (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("to", ENDINGS)
@pytest.mark.filterwarnings("ignore:Casting:UserWarning")
def test_a_run_without_spikes_or_records(to, tmp_path):
    for library in NEEDS[to]:
        pytest.importorskip(library)
    cells = rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    run = rv.simulate(rv.Network(cells), duration=1.0, dt=DT)
    assert export(run, tmp_path / f"run{ENDINGS[to]}", to=to).exists()


def test_an_unknown_format(run, tmp_path):
    with pytest.raises(rv.UnknownNameError, match="Did you mean 'nwb'"):
        export(run, tmp_path / "run", to="nbw")


@pytest.mark.parametrize(("to", "library", "extra"), [("nwb", "pynwb", "nwb"), ("neo", "neo", "neo"), ("sonata", "h5py", "sonata")])
def test_a_missing_library_is_named(run, tmp_path, monkeypatch, to, library, extra):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(rv.UnsupportedError, match=rf"pip install 'ranvier\[{extra}\]'"):
        export(run, tmp_path / "run", to=to)
    assert list(tmp_path.iterdir()) == []


def test_importing_ranvier_imports_none_of_them():
    code = "import ranvier.interop.formats, sys; assert not {'neo', 'pynwb', 'h5py', 'quantities', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def unevenly_spaced():
    """A run whose one record has gaps in time."""
    times, values = np.array([1.0, 2.0, 3.0, 7.0, 8.0]), np.arange(10.0).reshape(5, 2)
    record = types.SimpleNamespace(**vars(Recorded("cells", "V", "mV", times, values, np.array([0, 1]), "neuron")))
    record.every_steps = record.first_step = None
    run = long_run(100)
    run.records = [record]
    return run, times, values


def test_uneven_times_in_neo(neo, tmp_path):
    from ranvier.interop.neo import to_neo

    run, times, values = unevenly_spaced()
    blocks = [to_neo(run)]
    pytest.importorskip("nixio")
    io = neo.io.NixIO(str(export(run, tmp_path / "run.nix", to="neo")), mode="ro")
    blocks.append(io.read_block())
    io.close()
    for block in blocks:
        signal = block.segments[0].irregularlysampledsignals[0]
        np.testing.assert_array_equal(signal.times.rescale("ms").magnitude, times)
        np.testing.assert_array_equal(signal.magnitude, values)


def test_uneven_times_in_nwb(tmp_path):
    pynwb = pytest.importorskip("pynwb")
    run, times, values = unevenly_spaced()
    with pynwb.NWBHDF5IO(str(export(run, tmp_path / "run.nwb", to="nwb")), "r") as io:
        V = io.read().acquisition["cells_V"]
        np.testing.assert_allclose(V.timestamps[:], times / 1e3)
        np.testing.assert_array_equal(V.data[:], values)


def test_what_a_sonata_report_cannot_hold(tmp_path):
    pytest.importorskip("h5py")
    with pytest.warns(UserWarning, match="V of cells is not in the SONATA files: its times are not evenly spaced"):
        export(unevenly_spaced()[0], tmp_path / "uneven", to="sonata")
    run = long_run(100)
    run.records = [dataclasses.replace(run.records[0], label="value")]
    with pytest.warns(UserWarning, match="computed from all nodes"):
        export(run, tmp_path / "mean", to="sonata")


# -- NetCDF and Zarr, for xarray ------------------------------------------------------------------------


def test_arrays_for_xarray(run, tmp_path):
    import xarray

    opened = [
        xarray.open_dataset(run.to_netcdf(tmp_path / "run.nc"), engine="scipy"),
        xarray.open_zarr(run.save(tmp_path / "run.zarr"), consolidated=False),
    ]
    for read in opened:
        with read:
            assert "Simulation by Ranvier" in read.attrs["title"] and "the start of the step" in read.attrs["spike_times"]
            for name in ("exc", "inh"):
                np.testing.assert_array_equal(read[f"{name}_spike_time"], run.spikes[name].times)
                np.testing.assert_array_equal(read[f"{name}_spike_neuron"], run.spikes[name].neurons)
            for part, variable in (("exc", "V"), ("inh", "V"), ("inh", "injected_current"), ("fast", "g")):
                own, theirs = run[part][variable], read[f"{part}_{variable}"]
                np.testing.assert_array_equal(theirs, own)
                assert theirs.attrs["units"] == own.attrs["units"] and theirs.dims[0] == f"{part}_time"
                np.testing.assert_array_equal(read[theirs.dims[0]], own.time)
            np.testing.assert_array_equal(read.inh_neuron, [2, 0])


def test_a_silent_run_and_a_second_schedule_in_netcdf(tmp_path):
    import xarray

    cell = rv.Population(2, rv.neurons.Passive(), name="a cell")
    records = [rv.Record(cell, "V", every=1.0), rv.Record(cell, "injected_current", every=2.0)]
    run = rv.simulate(rv.Network(cell), duration=10.0, dt=0.1, record=records)
    with xarray.open_dataset(run.to_netcdf(tmp_path / "run.nc"), engine="scipy") as read:
        assert dict(read.sizes) == {"a_cell_time": 11, "a_cell_neuron": 2, "a_cell_time_2": 6}


def test_saving_goes_by_the_ending(run, tmp_path):
    assert run.save(tmp_path / "a-csv").is_dir() and run.save(tmp_path / "a.npz").is_file()
    with pytest.raises(rv.UnknownNameError, match=r"ending, in the name 'a.hdf'"):
        run.save(tmp_path / "a.hdf")
    with pytest.raises(rv.ParameterError, match="exists already"):
        run.save(tmp_path / "a.npz")


def test_what_a_nix_file_of_many_neurons_costs_is_said(tmp_path, monkeypatch):
    from ranvier.interop import neo

    monkeypatch.setattr(neo, "MANY", 2)
    run = rv.simulate(rv.Population(3, rv.neurons.Passive(), name="p"), duration=1.0, dt=0.1, record=[])
    with pytest.warns(UserWarning, match=r"some 0 minutes and 0 MB\. NWB takes seconds"):
        run.save(tmp_path / "run.nix")
