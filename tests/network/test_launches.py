"""What XLA launches on a GPU for one step, counted without one. Needs the folder with JAX's CUDA plugin (benchmarks/gpu/launches.py)."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

PLUGIN = os.environ.get("RANVIER_CUDA_PLUGIN", "")
SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks" / "gpu" / "launches.py"
MOST = {"antennal_lobe": 32, "cuba": 15, "coba": 15, "cobahh": 19, "brunel": 15, "microcircuit": 16, "inhibitory_balance": 28}
"""As of JAX 0.10.2."""
LEARNS = {"inhibitory_balance"}
"""Their edges are visited in loops within a step, which come on top."""


@pytest.mark.skipif(not PLUGIN, reason="RANVIER_CUDA_PLUGIN names no folder with jax-cuda13-plugin")
def test_a_step_launches_no_more_than_it_did():
    path = os.pathsep.join(filter(None, [PLUGIN, os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, SCRIPT, *MOST], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout.splitlines()[-1])
    assert {name: model["step"] for name, model in counted.items() if model["step"] > MOST[name]} == {}
    assert {name for name, model in counted.items() if model["turns"]} <= LEARNS, "a loop within the step"
    assert all(model["nested"] == 0 for model in counted.values()), "a loop within a loop of the step"
