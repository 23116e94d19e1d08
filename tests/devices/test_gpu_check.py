"""The check on a GPU, without one: what it compares, and that it says so."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu" / "check.py"


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("gpu_check", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(any(d.platform == "gpu" for d in jax.devices()), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_fails():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no GPU here" in done.stderr


def test_the_processor_in_the_gpus_place_agrees_with_itself(tmp_path):
    out = tmp_path / "check.json"
    words = ["--device", "cpu", "--quick", "--only", "agreement", "--models", "feedforward", "--out", str(out)]
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(out.read_text())
    model = found["items"]["agreement"]["models"]["feedforward"]
    assert model["passed"] and model["states apart"] == 0.0 and model["first other spike (ms)"] is None
    assert sum(a for a, _ in model["spikes"].values()) > 0
    assert found["versions"]["jax"] == jax.__version__


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({}, True),
        ({"state V": np.array([-65.0, -60.0 + 1e-12])}, True),
        ({"state V": np.array([-65.0, -59.9])}, False),
        ({"state V": np.array([-65.0, np.nan])}, False),
        ({"neurons": np.zeros(400, int)}, False),
        ({"steps": np.arange(400) + 1}, True),
    ],
)
def test_what_is_apart_does_not_pass(check, tmp_path, change, passes):
    said = {"precision": "double", "dt": 0.1, "same bits": True, "populations": {"a": [0, 1], "b": [1, 1]}}
    theirs = {"steps": np.arange(400), "neurons": np.arange(400) % 2, "state V": np.array([-65.0, -60.0])}
    files = []
    for name, of in (("mine", {**theirs, **change}), ("theirs", theirs)):
        np.savez(tmp_path / f"{name}.npz", **of)
        files.append(np.load(tmp_path / f"{name}.npz"))
    found = check.compared(said, *files)
    assert found["passed"] is passes
    assert (found["first other spike (ms)"] is None) == (not {"steps", "neurons"} & set(change))
    assert not check.compared({**said, "same bits": False}, *files)["passed"]


def test_kernels_that_add_something_else_do_not_pass(check, monkeypatch):
    from ranvier import kernels

    assert check.kernels()["passed"]
    whole = kernels.deliver_events
    monkeypatch.setattr(
        kernels, "deliver_events", lambda history, step, edges, weights, out: whole(history, step, edges, weights * 1.001, out)
    )
    assert not check.kernels()["passed"]
