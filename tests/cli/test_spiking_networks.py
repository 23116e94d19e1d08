"""Ready-made spiking networks on the command line, small and short."""

import json
import re

import matplotlib
import pytest

from ranvier.cli import main
from ranvier.models.catalogue import find

matplotlib.use("Agg")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_brunel_end_to_end(here, capsys):
    assert main(["run", "brunel", "--scale", "0.1", "--regime", "B", "--duration", "750", "--seed", "3"]) == 0
    folder = here / "results" / "brunel-scale-0.1-regime-B-seed3"
    parameters = json.loads((folder / "parameters.json").read_text())
    assert parameters["options"] == ["--scale 0.1", "--regime B"] and parameters["integrator"] == "ExactLinear"
    assert parameters["populations"]["exc"]["neurons"] == 1000
    for name in ("raster", "rate", "cv", "spectrum"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    report = (folder / "report.html").read_text()
    text = re.sub(r"<[^>]+>", " ", re.sub(r'src="[^"]*"', "", report))
    for word in ("Brunel 2000", "Irregularity", "Spectra", "CV of intervals", "synchrony"):
        assert word in text, word
    assert "activity of exc" in capsys.readouterr().out


def test_the_microcircuit_has_a_panel_for_each_population(here, capsys):
    assert main(["run", "microcircuit", "--scale", "0.02", "--duration", "60"]) == 0
    folder = here / "results" / "microcircuit-scale-0.02-seed0"
    parameters = json.loads((folder / "parameters.json").read_text())
    assert parameters["precision"] == "single" and list(parameters["populations"])[:2] == ["L23E", "L23I"]
    assert {"raster.png", "rate.png", "connectivity.png", "report.html"} <= set(parameters["files"])
    assert "spectrum.png" not in parameters["files"]  # too short for one


def test_neurapses_networks(here, capsys):
    assert main(["run", "feedforward"]) == 0
    folder = here / "results" / "feedforward-seed0"
    assert {"overview.png", "raster.png", "connectivity.png", "report.html", "traces-post.nc"} <= {f.name for f in folder.iterdir()}
    printed = " ".join(capsys.readouterr().out.split())
    assert "post 0 no spike" in printed and "post 1 spikes at 22.4 ms" in printed
    assert main(["run", "drn", "--gamma", "0.77", "--scale", "0.5", "--duration", "300"]) == 0
    folder = here / "results" / "drn-scale-0.5-gamma-0.77-seed0"
    assert {"raster.png", "rate.png", "connectivity.png", "report.html"} <= {f.name for f in folder.iterdir()}
    assert json.loads((folder / "parameters.json").read_text())["populations"]["exc"]["neurons"] == 80
    assert main(["run", "drn", "--plastic", "--gamma", "0.4", "--scale", "0.25", "--duration", "100"]) == 0
    folder = here / "results" / "drn-plastic-scale-0.25-gamma-0.4-seed0"
    assert {"weights.png", "rate.png"} <= {f.name for f in folder.iterdir()}
    assert main(["run", "cuba", "--gamma", "0.5"]) == 1
    assert "--gamma means nothing to cuba" in capsys.readouterr().err


def test_grid_cells(here, capsys):
    assert main(["run", "grid_cells", "--duration", "1500", "--seed", "1"]) == 0
    folder = here / "results" / "grid-cells-seed1"
    assert {"sheet.png", "map.png", "path.png", "report.html"} <= {f.name for f in folder.iterdir()}
    printed = " ".join(capsys.readouterr().out.split())
    assert re.search(r"the pattern moves \d+(\.\d)? neurons a metre", printed) and "error of the path" in printed
    assert "rate of sheet 0.1" in printed and "mean rate" not in printed and "neurons without spikes" in printed


def test_a_network_without_options_of_that_name(here, capsys):
    for arguments, message in (
        (["coba", "--regime", "A"], "--regime means nothing to coba: it knows --scale"),
        (["synfire", "--scale", "2"], "--scale means nothing to synfire_chain: it has none"),
        (["coba", "--scale", "-1"], "scale is -1, but it must be within"),
        (["microcircuit", "--scale", "2"], "it can be made smaller, not larger"),
    ):
        assert main(["run", *arguments]) == 1
        assert message in capsys.readouterr().err
    assert not (here / "results").exists()


def test_a_network_too_large_for_the_memory_is_refused_before_it_is_built(here, capsys, monkeypatch):
    monkeypatch.setattr("ranvier.memory.available_memory", lambda: 1e8)
    assert main(["run", "microcircuit", "--scale", "0.5", "--no-plots"]) == 1
    error = capsys.readouterr().err
    assert "GiB of memory are free" in error and "Traceback" not in error
    assert not (here / "results").exists()


def test_each_model_says_how_it_is_run():
    assert type(find("coba").integrator).__name__ == "ExponentialEuler"
    assert find("microcircuit").precision == "single" and find("synfire").name == "synfire_chain"
