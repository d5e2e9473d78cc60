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
"""Seconds of the processor that all of them may take, in which a slow machine compiles their models too."""
LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.While, ast.If, ast.Try)
"""What belongs into the library, where it is tested."""


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


def test_notebooks_run(monkeypatch):
    """One after the other in one kernel, which forgets all names between two; as in Jupyter, pictures are shown."""
    spec = importlib.util.spec_from_file_location("execute_notebooks", FOLDER / "execute.py")
    execute = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(execute)
    monkeypatch.delenv("MPLBACKEND", raising=False)  # a quiet one, for all other tests
    books = {path.name: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    for book in books.values():
        book.cells.append(nbformat.v4.new_code_cell("%reset -f"))
        for cell in book.cells:
            cell.id = nbformat.v4.new_raw_cell().id  # which two notebooks may share
    joint = nbformat.v4.new_notebook(cells=[cell for book in books.values() for cell in book.cells])
    before = spent()
    execute.run(joint, FOLDER)
    assert 0 < spent() - before < LONGEST
    for name, book in books.items():
        said = "".join(o.get("text", "") for o in outputs(book) if o.output_type == "stream")
        assert "Warning" not in said, name
        assert sum("image/png" in o.get("data", {}) for o in outputs(book)) >= 2, f"{name}: pictures carry the story"
