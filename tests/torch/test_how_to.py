"""The code of the how-to page runs."""

import re
from pathlib import Path


def test_the_pages_code_runs():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "torch.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        names = {}
        exec(block, names)
        assert "state" in names
