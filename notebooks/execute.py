"""Execute every notebook beside this file and keep what it shows: ``make notebooks``."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Execute a notebook in place, in a kernel that works in a folder; an error in a cell is raised."""
    NotebookClient(
        notebook,
        timeout=600,
        startup_timeout=600,  # a kernel takes minutes to start where others keep the machine busy
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    ).execute()


def execute(path: Path) -> nbformat.NotebookNode:
    """Return a notebook executed from its own folder, without times and machine in its metadata."""
    notebook = nbformat.read(path, as_version=4)
    run(notebook, path.parent)
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return notebook


if __name__ == "__main__":
    for found in sorted(HERE.glob("*.ipynb")):
        nbformat.write(execute(found), found)
        print(found.relative_to(HERE.parent))
