"""Every notebook in tutorials/ is kept as a lesson should be. That each runs, `make docs` demands, which shows what they print."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "tutorials").glob("*.ipynb"))
SECONDS = 600  # a cell that takes longer hangs

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert NOTEBOOKS


@notebooks
def test_no_outputs_are_kept(path):
    """Outputs are made anew when the notebook runs; kept, they go stale and hide it."""
    for cell in code_cells(path):
        assert cell.outputs == [] and cell.execution_count is None


@notebooks
def test_it_installs_in_colab(path):
    """The first code cell installs Ranvier where it is missing, and nowhere else: the sources around it, or what is published."""
    before, missing, after = code_cells(path)[0].source.partition("except ImportError:")
    assert before.startswith("try:\n    import ranvier") and missing
    assert 'where = ".." if Path("../pyproject.toml").exists() else "ranvier"' in after and "    %pip install {where}" in after


@notebooks
def test_solutions_are_folded_and_check_themselves(path):
    """Every exercise has a solution whose code is folded away and asserts what it claims."""
    cells = nbformat.read(path, as_version=4).cells
    exercises = sum(line.startswith("### Exercise") for c in cells if c.cell_type == "markdown" for line in c.source.splitlines())
    hidden = [c for c in cells if {"hide-cell", "hide-input"} & set(c.metadata.get("tags", []))]
    for c in hidden:  # on the site by the tag, in JupyterLab and in Colab by these
        assert c.metadata["jupyter"]["source_hidden"] and c.metadata["cellView"] == "form" and c.source.startswith("# @title Solution")
    folded = [c.source for c in hidden]
    assert folded and len(folded) >= exercises
    assert sum("assert " in source for source in folded) >= max(exercises, 1)


def test_a_figure_is_shown_once():
    """`run.plot()` as the value of a cell, as in the lessons; a figure of an earlier cell is shown again when asked for."""
    cells = [
        "import ranvier as rv\nrun = rv.simulate(rv.neurons.Passive(), current=1.0, duration=1.0)",
        "figure = run.plot()\nfigure",
        "figure",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3").execute()
    pictures = [sum("image/png" in output.get("data", {}) for output in cell.outputs) for cell in notebook.cells]
    assert pictures == [0, 1, 1]
