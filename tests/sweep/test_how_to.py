"""The code of the how-to page runs."""

import re
from pathlib import Path

import matplotlib
import pytest


def test_how_to_sweep():
    matplotlib.use("agg")
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "sweeps.md").read_text()
    scope = {}
    for code in re.findall(r"```\{code-cell\} ipython3\n(.*?)```", page, re.S):
        exec(code, scope)
    assert scope["curve"]["cell.mean_rate"].max() > 50
    assert scope["curve"].computed.endswith("side by side") and scope["seen"].computed.startswith("one by one")
    with pytest.raises(KeyError, match=r"cell\.current"):
        scope["rv"].plot.sweep(scope["curve"], x="cell.curent")
