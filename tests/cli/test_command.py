"""The command line end to end, on short runs in a temporary folder."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import xarray

from ranvier.cli import main
from ranvier.cli.folder import MADE, Folder
from ranvier.cli.job import integrator_named
from ranvier.errors import ParameterError, UnknownNameError
from ranvier.interop import netcdf
from ranvier.models.catalogue import CATALOGUE, find
from ranvier.network.spec import Network
from ranvier.record import Record
from ranvier.result import Recorded

matplotlib.use("Agg")

CELL = """'''One cell.'''
import ranvier as rv
network = rv.neurons.HodgkinHuxley()
current = rv.stimuli.SquarePulse(10.0, start=1, stop=9)
duration = 10.0
dt = 0.02
"""
PAIR = """
import ranvier as rv
lif = rv.neurons.LeakyIntegrateAndFire(refractory=2.0)
a = rv.Population(3, lif, current=400.0, name="a")
b = rv.Population(2, lif, name="b")
network = rv.Network(a, b, rv.Projection(a, b, rv.synapses.ExponentialConductance(tau=5, reversal=0), rv.connect.all_to_all(), weight=5.0))
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *arguments):
    """What the command says when it refuses; nothing is left behind."""
    before = sorted(Path().rglob("*"))
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert output.out == "" and "Traceback" not in output.err and output.err.startswith("ranvier: ")
    assert sorted(Path().rglob("*")) == before
    return output.err


def test_the_locust_end_to_end(here, capsys):
    assert main(["run", "locust", "--duration", "150", "--dt", "0.05", "--integrator", "exponential-euler", "--seed", "2"]) == 0
    folder = here / "results" / "locust-seed2"
    parameters = json.loads((folder / "parameters.json").read_text())
    assert sorted(parameters["files"]) == sorted(p.name for p in folder.iterdir())
    assert parameters["seed"] == 2 and parameters["integrator"] == "ExponentialEuler" and parameters["duration_ms"] == 150
    assert "jax" in parameters["versions"] and parameters["wall_seconds"] > 0

    with open(folder / "spikes.csv") as file:
        spikes = list(csv.DictReader(file))
    assert len(spikes) == parameters["spikes"] > 0
    assert {s["population"] for s in spikes} <= {"PN", "LN"} and all(0 <= float(s["time"]) < 150 for s in spikes)

    with xarray.open_dataset(folder / "traces-LN.nc", engine="scipy") as traces:
        assert traces.V.shape == (301, 30) and traces.V.attrs["units"] == "mV" and traces.time.attrs["units"] == "ms"
        assert np.isfinite(traces["calcium.concentration"]).all()
        assert float(traces.time[-1]) == 150.0

    for name in ("connectivity", "raster", "voltage", "rate-and-spectrum", "calcium"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")

    report = (folder / "report.html").read_text()
    assert report.count('src="data:image/png;base64,') == 5
    assert not re.search(r'(src|href)="(?!data:)|https?://|<script|<link|@import|url\(', report)
    text = re.sub(r"<[^>]+>", " ", re.sub(r'src="[^"]*"', "", report))
    for word in ("seed 2", "ExponentialEuler", "ProjectionNeuron", "wall time", "numpy", "GradedGABA", "Odor"):
        assert word in text, word

    out = capsys.readouterr().out
    for word in (
        "spikes",
        "mean rate of PN",
        "mean rate of LN",
        "spectrum of mean PN potential",
        "wall time",
        str(Path("results") / "locust-seed2"),
    ):
        assert word in out, word


def test_no_gaba_and_no_plots(here, capsys):
    assert main(["run", "locust", "--duration", "2", "--no-gaba", "--no-plots", "--precision", "single"]) == 0
    folder = here / "results" / "locust-no-gaba-seed0"
    assert sorted(p.name for p in folder.iterdir()) == ["parameters.json", "spikes.csv", "traces-LN.nc", "traces-PN.nc"]
    parameters = json.loads((folder / "parameters.json").read_text())
    assert (
        parameters["options"] == ["--no-gaba"]
        and list(parameters["projections"]) == ["acetylcholine"]
        and parameters["precision"] == "single"
    )


def test_a_file_with_one_cell(here, capsys):
    (here / "cell.py").write_text(CELL)
    assert main(["run", "cell.py", "--out", "here please"]) == 0
    folder = here / "here please"
    with xarray.open_dataset(folder / "traces-hodgkin_huxley.nc", engine="scipy") as traces:
        assert traces["sodium.m"].shape == (501, 1)
    assert (folder / "overview.png").exists() and "One cell." in (folder / "report.html").read_text()
    assert json.loads((folder / "parameters.json").read_text())["dt"] == 0.02


def test_a_file_with_a_network_records_potentials_by_itself(here, capsys):
    (here / "pair.py").write_text(PAIR)
    assert main(["run", "pair.py", "--duration", "30", "--dt", "0.1"]) == 0
    folder = here / "results" / "pair-seed0"
    with xarray.open_dataset(folder / "traces-a.nc", engine="scipy") as traces:
        assert traces.V.shape == (61, 3)
    assert {"overview.png", "connectivity.png", "report.html"} <= {p.name for p in folder.iterdir()}
    with open(folder / "spikes.csv") as file:
        first = next(csv.DictReader(file))
    assert first == {"time": "5.7", "neuron": "0", "population": "a"}  # 20 ms · ln(40/30) = 5.75 ms, in the step from 5.7


def test_the_command_line_comes_before_the_file(here, capsys):
    (here / "cell.py").write_text(CELL + "integrator = rv.Euler()\nseed = 4\nrecord = rv.Record('hodgkin_huxley', 'V', every=1.0)\n")
    assert main(["run", "cell.py", "--dt", "0.01", "--no-plots"]) == 0
    parameters = json.loads((here / "results" / "cell-seed4" / "parameters.json").read_text())
    assert (parameters["dt"], parameters["integrator"], parameters["seed"]) == (0.01, "Euler", 4)


def test_records_of_different_schedules_have_a_file_each(here, capsys):
    (here / "cell.py").write_text(CELL + "record = [rv.Record('hodgkin_huxley', v, every=e) for v, e in (('V', 1.0), ('sodium.m', 2.0))]\n")
    assert main(["run", "cell.py", "--no-plots"]) == 0
    names = {p.name for p in (here / "results" / "cell-seed0").iterdir()}
    assert {"traces-hodgkin_huxley.nc", "traces-hodgkin_huxley-2.nc"} <= names


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_traces_are_read_back_as_they_were_recorded(tmp_path, dtype):
    random = np.random.default_rng(0)
    times, neurons = np.arange(7) * 0.5, np.array([4, 2, 9])
    records = [
        Recorded("exc→inh", f"calcium.{name}", "µA/cm^2", times, random.normal(size=(7, 3)).astype(dtype), neurons, "neuron")
        for name in "ab"
    ]
    records[0].values[2, 1] = -np.inf
    netcdf.write_records(tmp_path / "traces.nc", records, "title")
    with xarray.open_dataset(tmp_path / "traces.nc", engine="scipy") as read:
        assert read.attrs == {"title": "title", "part": "exc→inh"} and read["calcium.a"].attrs["units"] == "µA/cm^2"
        for record in records:
            np.testing.assert_array_equal(read[record.variable], record.values)
            assert read[record.variable].dtype == dtype
        np.testing.assert_array_equal(read.time, times)
        np.testing.assert_array_equal(read.neuron, neurons)


def test_what_a_run_did_not_write_stays(here, capsys):
    (here / "cell.py").write_text(CELL)
    command = ["run", "cell.py", "--out", "out", "--no-plots"]
    assert main(command) == 0
    (here / "out" / "notes.txt").write_text("mine")
    assert main(command) == 0  # its own files are replaced
    assert (here / "out" / "notes.txt").read_text() == "mine"

    (here / "other").mkdir()
    (here / "other" / "spikes.csv").write_text("mine")
    capsys.readouterr()
    assert "was not written by a run" in refused(capsys, "run", "cell.py", "--out", "other")
    assert (here / "other" / "spikes.csv").read_text() == "mine"


def test_pictures_of_an_earlier_run_do_not_outlive_it(here, capsys):
    (here / "cell.py").write_text(CELL)
    assert main(["run", "cell.py", "--out", "out"]) == 0
    assert (here / "out" / "report.html").exists()
    assert main(["run", "cell.py", "--out", "out", "--no-plots"]) == 0
    assert not list((here / "out").glob("*.png")) and not (here / "out" / "report.html").exists()


def test_a_list_of_files_cannot_make_it_delete_others(here):
    (here / "out").mkdir()
    (here / "precious.txt").write_text("mine")
    (here / "out" / "thesis.tex").write_text("mine")
    (here / "out" / "parameters.json").write_text(json.dumps({"written_by": "ranvier", "files": ["../precious.txt", "thesis.tex"]}))
    Folder("out").begin({})
    assert (here / "precious.txt").exists() and (here / "out" / "thesis.tex").exists()
    assert not MADE.match("../spikes.csv")


def test_a_run_that_goes_wrong_leaves_what_it_recorded(here, capsys):
    (here / "wild.py").write_text(CELL.replace("dt = 0.02", "dt = 0.5") + "integrator = rv.Euler()\n")
    assert main(["run", "wild.py", "--duration", "50"]) == 1
    error = capsys.readouterr().err
    assert "went wrong at t =" in error and "Traceback" not in error and "wild-seed0" in error
    folder = here / "results" / "wild-seed0"
    assert json.loads((folder / "parameters.json").read_text())["diverged_at_ms"] > 0
    assert (folder / "traces-hodgkin_huxley.nc").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["locost"], "Did you mean 'locust'"),
        (["nothing.py"], "There is no file nothing.py"),
        (["folder.py"], "is not a file"),
        (["locust", "--duration", "-5"], "--duration is -5 ms"),
        (["locust", "--duration", "nan"], "--duration is nan ms"),
        (["locust", "--dt", "0"], "--dt is 0 ms"),
        (["locust", "--seed", "-1"], "--seed is -1"),
        (["locust", "--integrator", "rk5"], "Did you mean 'rk4'"),
        (["locust", "--out", "a file"], "is a file; the results need a folder"),
        (["locust", "--out", "a file/results"], "is a file, so no folder"),
        (["empty.py"], "defines no `network`"),
        (["wrong.py"], "which cannot be run"),
        (["endless.py"], "does not say how long"),
        (["broken.py"], "broken.py, line 2: ZeroDivisionError"),
        (["unspelt.py"], "unspelt.py, line 1: SyntaxError"),
        (["refused.py"], "refused.py, line 2: Leak.conductance is -1"),
        (["endless.py", "--duration", "1", "--no-gaba"], "--no-gaba is for ready-made models"),
        (["unknown.py"], "Unknown variable of hodgkin_huxley 'W'"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(here, capsys, arguments, message):
    (here / "folder.py").mkdir()
    (here / "a file").write_text("mine")
    (here / "empty.py").write_text("x = 1\n")
    (here / "wrong.py").write_text("network = 3\nduration = 1.0\n")
    (here / "endless.py").write_text("import ranvier as rv\nnetwork = rv.neurons.Passive()\n")
    (here / "broken.py").write_text("\nnetwork = 1 / 0\n")
    (here / "unspelt.py").write_text("network = (\n")
    (here / "refused.py").write_text("import ranvier as rv\nnetwork = rv.channels.Leak(conductance=-1)\n")
    (here / "unknown.py").write_text(CELL + "record = [rv.Record('hodgkin_huxley', 'W')]")
    assert message in refused(capsys, "run", *arguments)


def test_a_folder_that_cannot_be_written(here, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the superuser, who runs tests in containers, may write anywhere
    assert ". cannot be written to" in refused(capsys, "run", "locust", "--out", "locked/out")


def test_a_command_that_is_not_understood(capsys):
    for arguments in (["walk"], ["run"], ["run", "locust", "--precision", "half"], ["run", "locust", "--duration", "long"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
    assert main([]) == 2


def test_models_are_listed_a_line_each(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CATALOGUE) + 1 and "locust" in lines[0] and lines[-1].startswith("train-digits")


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_ready_made_model_is_complete(entry):
    import ranvier.models

    assert getattr(ranvier.models, entry.name) is entry.make and find(entry.name) is entry
    assert entry.summary and entry.title and entry.duration > 0 and entry.dt > 0
    network = entry.network(0)
    assert isinstance(network, Network) and all(isinstance(r, Record) for r in entry.record(network))
    for switch in entry.switches:
        entry.network(0, switch)
    with pytest.raises(ParameterError, match="--nonsense means nothing"):
        entry.network(0, "nonsense")


def test_names_of_models_and_integrators():
    assert find("Antennal-Lobe").name == "antennal_lobe"
    with pytest.raises(UnknownNameError, match="locust"):
        find("locst")
    found = [type(integrator_named(n)).__name__ for n in ("rk4", "exponential-euler", "euler", "heun", "midpoint", "runge_kutta4")]
    assert found == ["RungeKutta4", "ExponentialEuler", "Euler", "Heun", "Midpoint", "RungeKutta4"]
    with pytest.raises(UnknownNameError, match=r"Did you mean .*exponential-euler"):
        integrator_named("exponential")


def test_the_process_keeps_compiled_programs_and_says_nothing_on_the_side(here):
    (here / "cell.py").write_text(CELL)
    environment = {**os.environ, "XDG_CACHE_HOME": str(here / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    for name in ("JAX_COMPILATION_CACHE_DIR", "RANVIER_CACHE"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "ranvier.cli", "run", "cell.py", "--no-plots"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100)
    assert done.returncode == 0, done.stderr
    assert list((here / "cache" / "ranvier" / "compiled").iterdir())
    assert "ms/s" not in done.stderr and "\r" not in done.stderr


def test_a_plan_is_of_the_model_that_run_would_take(here, capsys):
    def planned(*options):
        assert main(["info", "brunel", "--plan", *options]) == 0
        return capsys.readouterr().out

    tenth, part = planned("--scale", "0.1"), planned("--scale", "0.1", "--devices", "2", "--precision", "single")
    assert "edges in all: 156250" in tenth and "on one device" in tenth
    assert "edges in all: 156250" in part and "on each of 2 devices" in part
    assert "edges in all: 15625000" in planned()
    assert main(["info", "brunel", "--explain", "--scale", "0.1"]) == 0
    assert "exc: 1000 " in capsys.readouterr().out
    assert "--scale is for a model" in refused(capsys, "info", "run.zarr", "--scale", "0.1")
    assert "scale" in refused(capsys, "info", "brunel", "--plan", "--scale", "-1")
