"""The code of the page on training runs."""

import re
from pathlib import Path


def test_the_pages_code_runs():
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "training.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {})
