"""The notebooks run from top to bottom within minutes, hold no logic, and what they store is small and theirs."""

import ast
import importlib.util
import resource
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 600_000  # bytes a notebook may take with its outputs
LONGEST = 360
"""Seconds of the processor a notebook may take: two minutes of two processors, and half as much again for slow ones."""
LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.While, ast.If, ast.Try)
"""What belongs into the library, where it is tested."""


@pytest.fixture(scope="module")
def execute():
    """As it is in Jupyter, where every picture is shown."""
    spec = importlib.util.spec_from_file_location("execute_notebooks", FOLDER / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MPLBACKEND", raising=False)  # a quiet one, for all other tests
        yield module.execute


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_stored_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "stored out of order: 'make notebooks'"
    assert not [o for o in outputs(notebook) if o.output_type == "error"]
    pictures = [o["data"]["image/png"] for o in outputs(notebook) if "image/png" in o.get("data", {})]
    assert len(set(pictures)) == len(pictures), "one picture stored twice"
    assert path.stat().st_size < LARGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_calls_and_shows_in_sixty_lines_and_holds_no_logic(path):
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    found = [ast.unparse(node) for cell in cells for node in ast.walk(ast.parse(cell)) if isinstance(node, LOGIC)]
    assert found == []
    assert sum(bool(line.strip()) for cell in cells for line in cell.splitlines()) <= 60


def spent():
    """Seconds of the processor of processes that ended, such as the kernel of a notebook, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebook_runs(path, execute):
    before = spent()
    shown = outputs(execute(path))
    assert 0 < spent() - before < LONGEST
    said = "".join(o.get("text", "") for o in shown if o.output_type == "stream")
    assert "Warning" not in said
    assert sum("image/png" in o.get("data", {}) for o in shown) >= 2, "pictures carry the story"
