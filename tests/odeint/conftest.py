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


@pytest.fixture(scope="session")
def day1():
    return np.load(pathlib.Path(__file__).parent.parent / "reference" / "day1.npz")


@pytest.fixture(scope="session")
def day2():
    return np.load(pathlib.Path(__file__).parent.parent / "reference" / "day2.npz")
