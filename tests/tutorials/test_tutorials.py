"""Every notebook in tutorials/ runs from top to bottom, and is kept as a lesson should be."""

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
    """The first code cell installs Ranvier where it is missing, and nowhere else."""
    first = code_cells(path)[0].source.split()
    assert first == "try: import ranvier except ImportError: %pip install ranvier".split()


@notebooks
def test_exercises_have_hidden_solutions(path):
    """Every exercise is followed by a solution whose code is folded away and checks itself."""
    cells = nbformat.read(path, as_version=4).cells
    exercises = sum(line.startswith("### Exercise") for c in cells if c.cell_type == "markdown" for line in c.source.splitlines())
    hidden = [c.source for c in cells if "hide-cell" in c.metadata.get("tags", [])]
    assert exercises and len(hidden) >= exercises
    assert sum("assert " in source for source in hidden) >= exercises


@notebooks
def test_it_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
