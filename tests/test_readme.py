"""The README's Python runs as it stands, one block after the other."""

import re
from pathlib import Path

import matplotlib
import pytest

TEXT = (Path(__file__).parent.parent / "README.md").read_text()


def test_every_block_runs(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 9
    names: dict = {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"README.md, block {number}", "exec"), names)
    assert names["run"].spikes.n == 4000 and 5 < names["run"].spikes.rate.mean() < 40
    assert names["run"].spikes.stop == 800.0
    assert names["y"].shape == (16, 8, 10)
    assert names["x"].shape == (4000, 3)


def test_it_opens_with_the_two_commands():
    first = TEXT.split("```")[1]
    assert "make demo" in first and "make test" in first


@pytest.mark.parametrize("word", ["BENCHMARKS_TABLE", "TODO"])
def test_nothing_is_left_to_fill_in(word):
    assert word not in TEXT
