"""The README's Python runs as it stands, one block after the other."""

import re
from pathlib import Path

import matplotlib
import pytest

TEXT = (Path(__file__).parent.parent / "README.md").read_text()


def test_every_block_runs(monkeypatch):
    matplotlib.use("Agg")
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 4
    names: dict = {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"README.md, block {number}", "exec"), names)
    assert names["run"].spikes.n == 120
    assert names["x"].shape == (4000, 3)


def test_it_opens_with_the_two_commands():
    first = TEXT.split("```")[1]
    assert "make demo" in first and "make test" in first


@pytest.mark.parametrize("word", ["BENCHMARKS_TABLE", "TODO"])
def test_nothing_is_left_to_fill_in(word):
    assert word not in TEXT
