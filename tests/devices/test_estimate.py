"""The estimate of networks on many devices: its arithmetic, and that the page has what it says."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def estimate():
    spec = importlib.util.spec_from_file_location("exchange_estimate", ROOT / "benchmarks" / "exchange_estimate.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_chance_it_is_what_a_formula_says(estimate):
    busy = estimate.stretch(estimate.GPU, 1000.0, np.array([0.0, 1e6]), 10)
    launches = 10 * (16 * 1.0 + 3.0)
    assert busy == pytest.approx([launches + 10 * 1000 * 96 / 4.8e6, launches + (10 * 1000 * 96 + 1e6 * 72) / 4.8e6])
    # A ring of eight: seven hops, seven times the bytes of one.
    assert estimate.exchange(estimate.NVLINK, 8, 1e6) == pytest.approx(3.6 + 7 * (0.47 + 1e6 / (370e3 / 3)))
    assert estimate.exchange(estimate.NVLINK, 1, 1e6) == 0.0
    found = estimate.second(estimate.LARGE, estimate.GPU, estimate.INFINIBAND, 64, "bits")
    assert found["seconds"] == pytest.approx(found["worked"] + found["waited"] + found["told"], rel=1e-9)
    assert 0 < found["waited"] < 0.01 * found["worked"]


def test_the_page_has_its_rows(estimate):
    page = estimate.PAGE.read_text(encoding="utf-8")
    for way in estimate.WAYS:
        found = estimate.second(estimate.LARGE, estimate.GPU, estimate.INFINIBAND, 64, way)
        assert estimate.row(estimate.LARGE.title, 64, way, found, "").removesuffix("  |") in page
