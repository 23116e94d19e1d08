import pathlib

import numpy as np
import pytest

from .libraries import LIBRARIES


@pytest.fixture(params=LIBRARIES)
def library(request):
    """Each array library in turn; PyTorch and TensorFlow are optional extras of the package."""
    if request.param in ("torch", "tensorflow"):
        pytest.importorskip(request.param, reason="an optional extra: pip install ranvier[torch] or ranvier[tensorflow]")
    return LIBRARIES[request.param]


@pytest.fixture(params={"numpy": "scipy", "jax": "diffrax", "torch": "torchdiffeq"}.items(), ids=lambda item: item[0])
def adaptive_library(request):
    """Each array library that has an adaptive solver."""
    name, package = request.param
    pytest.importorskip(package, reason="an optional extra of the package")
    return LIBRARIES[name]


@pytest.fixture(scope="session")
def day1():
    return np.load(pathlib.Path(__file__).parent.parent / "reference" / "day1.npz")


@pytest.fixture(scope="session")
def day2():
    return np.load(pathlib.Path(__file__).parent.parent / "reference" / "day2.npz")
