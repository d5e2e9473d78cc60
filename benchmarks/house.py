"""How large the house is: files, lines of code and of docstrings, functions, classes and names at the front door.

    python -m benchmarks.house                                        # ours, by folder, and ArviZ's statistics
    pip install --no-deps --target peers bambi equinox causalpy       # whoever else is to stand beside it
    PYTHONPATH=peers python -m benchmarks.house --beside bambi equinox causalpy

Packages are read, not imported, but for the names at their doors (`dir` after an import; `?` where that fails).
"""

import argparse
import ast
import importlib
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

OURS = ("labelvalue", "models")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ROWS = (
    "files",
    "lines",
    "code",
    "docstrings",
    "functions: median / 95 % / longest",
    "largest class",
    "names at the door",
)


def modules(folders: Sequence[Path]) -> Iterator[Path]:
    """Files of Python of packages, their tests left out."""
    for folder in folders:
        yield from (path for path in sorted(folder.rglob("*.py")) if "tests" not in path.relative_to(folder).parts)


def docstring_lines(tree: ast.AST) -> set[int]:
    """Numbers of the lines that docstrings take, those below a name among them."""
    alone = (node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    said = [node for node in alone if isinstance(node.value.value, str)]
    return {line for node in said for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def code_lines(text: str, tree: ast.AST) -> set[int]:
    """Numbers of the lines that are neither blank, nor a comment, nor of a docstring."""
    told = (line.strip() for line in text.splitlines())
    full = {place for place, line in enumerate(told, 1) if line and not line.startswith("#")}
    return full - docstring_lines(tree)


def measure(folders: Sequence[Path]) -> dict[str, object]:
    """Count a package's files, lines, functions and classes."""
    total: Counter[str] = Counter()
    functions, classes = [], [0]
    for path in modules(folders):
        text = path.read_text("utf-8")
        tree = ast.parse(text)
        code = code_lines(text, tree)
        total.update(files=1, lines=len(text.splitlines()), code=len(code), docstrings=len(docstring_lines(tree)))
        for node in ast.walk(tree):
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                own = len(code & set(range(node.lineno, (node.end_lineno or node.lineno) + 1)))
                (classes if isinstance(node, ast.ClassDef) else functions).append(own)
    middle = " / ".join(f"{np.quantile(functions or [0], share):.0f}" for share in (0.5, 0.95, 1.0))
    return dict(total) | {ROWS[4]: middle, "largest class": max(classes)}


def door(package: str) -> str:
    """Count the names at the front door of a package."""
    try:
        room = importlib.import_module(package)
    except Exception:  # a package that is here to be read may lack what it imports
        return "?"
    return str(len(getattr(room, "__all__", [name for name in dir(room) if not name.startswith("_")])))


def table(columns: dict[str, dict[str, object]]) -> str:
    """Markdown, a column each."""
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in ROWS:
        cells = (one.get(row, 0) for one in columns.values())
        lines.append(f"| {row} | " + " | ".join(f"{c:,}" if isinstance(c, int) else str(c) for c in cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", nargs="*", default=[], help="packages to measure too")
    given = parser.parse_args(arguments)
    root = Path(__file__).resolve().parents[1]
    columns = {"ours": measure([root / name for name in OURS]) | {ROWS[6]: door(OURS[0])}}
    for package in ("arviz_stats", *given.beside):
        if (found := find_spec(package)) is None or not found.submodule_search_locations:
            print(f"{package}: not installed, left out")
            continue
        columns[package] = measure([Path(found.submodule_search_locations[0])]) | {ROWS[6]: door(package)}
    print(table(columns))
    rooms = sorted(path for path in (root / OURS[0]).iterdir() if path.is_dir() and any(path.glob("*.py")))
    print("\n| room | files | lines | code | docstrings |\n|---|---|---|---|---|")
    for path in [*rooms, root / OURS[1]]:
        one = measure([path])
        print(f"| {path.name} | " + " | ".join(f"{one[key]:,}" for key in ROWS[:4]) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
