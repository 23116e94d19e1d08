"""The showcase page runs: its network learns, its figures are drawn."""

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "torch_showcase.md"


def test_the_page_runs_and_its_network_learns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {}
    for cell in cells:
        exec(cell, names)
        assert "spikes" not in names or names["spikes"].sum() > 0
    assert names["losses"][-1] < 0.3 * names["losses"][0] and names["right"] == 10
    assert (tmp_path / "membrane.png").read_bytes().startswith(b"\x89PNG")

    import matplotlib.pyplot as plt

    assert len(plt.get_fignums()) >= 5
    plt.close("all")
