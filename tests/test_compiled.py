"""Compiled programs on disk: only where the environment asks, and never more than a bound."""

import os
import subprocess
import sys

from ranvier.compiled import bound

PROGRAM = """
import jax, ranvier as rv
rv.simulate(rv.neurons.Passive(), duration=1.0)
print(jax.config.jax_compilation_cache_dir)
"""


def said(**environment):
    inherited = {k: v for k, v in os.environ.items() if k not in ("RANVIER_CACHE", "JAX_COMPILATION_CACHE_DIR")}
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env={**inherited, **paths, **environment}, capture_output=True, text=True, check=True).stdout.strip()


def test_they_are_kept_where_the_environment_asks(tmp_path):
    assert said() == "None"
    assert said(RANVIER_CACHE=str(tmp_path / "programs")) == str(tmp_path / "programs")
    assert list((tmp_path / "programs").glob("*-cache"))


def test_those_used_least_recently_go(tmp_path):
    for age, name in enumerate("abcd"):
        file = tmp_path / f"{name}-cache"
        file.write_bytes(bytes(100))
        os.utime(file, (1e9 - age, 1e9 - age))
    bound(tmp_path, 250)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a-cache", "b-cache"]
