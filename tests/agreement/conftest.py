from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def published():
    """Loads what the published code computed."""
    folder = Path(__file__).parent.parent / "reference"
    return lambda name: np.load(folder / f"{name}.npz")
