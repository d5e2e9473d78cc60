"""Texts for the notebooks: first paragraphs of the docstrings of three libraries that are installed here."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

KINDS = {ast.ClassDef: "class", ast.FunctionDef: "function"}
BODIES = ("body", "handlers", "orelse", "finalbody", "cases")


def definitions(module: ast.Module) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    """Classes and functions, the outer ones first; only statements hold any, so that no expression is looked at."""
    level: list[ast.AST] = [module]
    while level:
        level = [inner for node in level for body in BODIES for inner in getattr(node, body, ())]
        yield from (node for node in level if isinstance(node, ast.ClassDef | ast.FunctionDef))


@functools.cache
def collected() -> pd.DataFrame:
    """All texts, each once."""
    rows = [
        (said.split("\n\n")[0], package, "test" if "tests" in path.parts else KINDS[type(node)])
        for package in ("numpy", "scipy", "sklearn")
        for path in sorted((Path(np.__file__).parents[1] / package).rglob("*.py"))
        for node in definitions(ast.parse(path.read_text(encoding="utf-8")))
        if (said := ast.get_docstring(node))
    ]
    desk = pd.DataFrame(rows, columns=["text", "team", "kind"]).drop_duplicates("text")
    return desk[desk["text"].str.len().between(20, 160)]


def read_desk(texts: int) -> pd.DataFrame:
    """Return so many texts in a random order: ``text``, the ``team`` it goes to (its library) and its ``kind``."""
    return collected().sample(texts, random_state=1, ignore_index=True)
