"""Models from text against the same equations in Brian2: every spike in its step, the variables at the end to rounding."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.equations.models import MODELS

KEPT = json.loads(Path(__file__).with_name("brian2.json").read_text())


@pytest.mark.parametrize("name", MODELS)
def test_models_are_brian2s(name):
    kept, found = KEPT[name], MODELS[name]()
    assert found.keys() == kept.keys()
    assert len(kept["steps"]) > 10
    assert found["steps"] == kept["steps"] and found["neurons"] == kept["neurons"]
    for variable in found.keys() - {"steps", "neurons"}:
        np.testing.assert_allclose(found[variable], kept[variable], rtol=0, atol=1e-9 * max(1.0, np.abs(kept[variable]).max()))
