"""The papers that docstrings name."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

REFERENCES = re.compile(r"^References\n-+\n(.*?)(?=\n\n\S[^\n]*\n-+\n|\Z)", re.DOTALL | re.MULTILINE)


def listed(root: Path) -> str:
    """Return every section of references, by module and name."""
    lines = []
    for path in sorted([*(root / "labelvalue").rglob("*.py"), *(root / "models").glob("*.py")]):
        module = path.relative_to(root).with_suffix("").as_posix().replace("/", ".")
        found = [(name, said) for name, text in _docstrings(path) for said in REFERENCES.findall(text)]
        if found:
            lines += [f"\n## `{module}`\n"]
            lines += [f"- {f'`{name}`: ' if name else ''}{' '.join(said.split())}" for name, said in found]
    return "\n".join(lines)


def _docstrings(path: Path) -> list[tuple[str, str]]:
    """Docstrings of a module, its functions and its classes, with their names; the module's own name is empty."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef, ast.Module)
    nodes = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return [(getattr(node, "name", ""), inspect.cleandoc(ast.get_docstring(node) or "")) for node in nodes]
