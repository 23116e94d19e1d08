import importlib.util
from pathlib import Path

import numpy as np
import pytest

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["*"]


@pytest.fixture(scope="session")
def published():
    """What the LIF project computed at one of its commits, as double-precision tensors."""
    import torch

    folder = Path(__file__).parent.parent / "reference"
    return lambda commit: {name: torch.from_numpy(array) for name, array in np.load(folder / f"lif_{commit}.npz").items()}


@pytest.fixture
def draws():
    import torch

    return torch.Generator().manual_seed(0)
