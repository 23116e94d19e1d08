"""Strict flags for every test: a warning is an error, and arrays of different rank never meet by accident."""

import ast
import gc
import importlib.util
import pathlib
import sys

import hypothesis
import jax
import psutil
import pytest

from ranvier import *  # noqa: F403  loaded before pytest loads the files of its docstrings, so that no class is there twice

jax.config.update("jax_numpy_rank_promotion", "raise")

hypothesis.settings.register_profile("ranvier", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ranvier")

MISSING_EXTRAS = [name for name in ("torch", "tensorflow", "triton") if importlib.util.find_spec(name) is None]


class WithoutMissingExtras:
    """Leaves out the docstrings of modules that are made of an optional library that is not installed."""

    def pytest_ignore_collect(self, collection_path: pathlib.Path):
        if "torch" in MISSING_EXTRAS and collection_path.match("src/ranvier/torch"):
            return True
        if collection_path.suffix != ".py" or "src" not in collection_path.parts:
            return None
        body = ast.parse(collection_path.read_text()).body
        imported = {name.name for node in body if isinstance(node, ast.Import) for name in node.names}
        return True if imported & set(MISSING_EXTRAS) else None


def pytest_configure(config):
    config.pluginmanager.register(WithoutMissingExtras())


MOST_MEMORY = 2**31


@pytest.fixture(autouse=True, scope="module")
def compiled_programs_are_given_back():
    """JAX keeps every program that it ever compiled: of the whole suite that is 6 GB a process, and memory maps by the ten thousand."""
    yield
    if psutil.Process().memory_info().rss > MOST_MEMORY:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(autouse=True)
def figures_are_closed():
    """Examples in docstrings draw; twenty that nobody closes are a warning of matplotlib's."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True)
def double_precision_stays_off():
    """Users' processes run with JAX's 64-bit flag off; nothing may turn it on and leave it on."""
    assert not jax.config.jax_enable_x64
    yield
    assert not jax.config.jax_enable_x64
