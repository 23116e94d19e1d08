"""Days 1 and 2 run from top to bottom, with the solutions of their exercises checked in them."""

import pathlib

import pytest

TUTORIALS = pathlib.Path(__file__).parent.parent.parent / "tutorials"


@pytest.mark.parametrize(("name", "packages"), [("day1", ()), ("day2", ("torch", "tensorflow"))])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_tutorial(name, packages):
    nbformat = pytest.importorskip("nbformat", reason="runs notebooks: pip install nbclient ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="runs notebooks: pip install nbclient ipykernel")
    for package in packages:
        pytest.importorskip(package, reason="an optional extra of the package, which the tutorial shows")
    notebook = nbformat.read(TUTORIALS / f"{name}.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
