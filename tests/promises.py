"""Tables that say which tests show which promise: every test they name is there, and no promise is left out."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from pathlib import Path


@functools.cache
def functions_in(module: Path) -> frozenset[str]:
    """Names of the functions at the top of a module."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def not_there(table: str, tests: Iterable[str]) -> list[str]:
    """Tests that a table names and nobody wrote; names are ``module::function``, seen from the table's own folder."""
    named = (test.split("::") for test in tests)
    place = Path(table).parent
    return [f"{module}::{name}" for module, name in named if name not in functions_in(place / f"{module}.py")]


def promised(letter: str, last: int) -> list[str]:
    """Ids of a room's promises, which are numbered from 1 without a gap."""
    return [f"{letter}{number}" for number in range(1, last + 1)]
