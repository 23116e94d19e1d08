"""The showcase page runs: its network learns, its figures are drawn."""

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "torch_showcase.md"


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_the_page_runs_its_network_learns_and_its_figures_are_pictures(tmp_path):
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE.read_text(), re.DOTALL)
    plt.close("all")
    names = {}
    for cell in cells:
        exec(cell, names)
        assert "spikes" not in names or names["spikes"].sum() > 0
    assert names["losses"][-1] < 0.3 * names["losses"][0] and names["right"] == 10

    numbers = plt.get_fignums()
    assert len(numbers) == 5
    for number in numbers:
        plt.figure(number).savefig(tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").read_bytes().startswith(b"\x89PNG")
    plt.close("all")
