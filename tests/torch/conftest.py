from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def published():
    """What the LIF project computed at one of its commits, as double-precision tensors."""
    folder = Path(__file__).parent.parent / "reference"
    return lambda commit: {name: torch.from_numpy(array) for name, array in np.load(folder / f"lif_{commit}.npz").items()}


@pytest.fixture
def draws():
    return torch.Generator().manual_seed(0)
