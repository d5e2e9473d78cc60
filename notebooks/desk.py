"""Texts for the notebooks: first paragraphs of the docstrings of four libraries that are installed here."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pandas as pd

KINDS = {ast.ClassDef: "class", ast.FunctionDef: "function"}


def read_desk(texts: int) -> pd.DataFrame:
    """Return so many texts in a random order: ``text``, the ``team`` it goes to (its library) and its ``kind``."""
    rows = [
        (said.split("\n\n")[0], package, "test" if "tests" in path.parts else KINDS[type(node)])
        for package in ("numpy", "pandas", "scipy", "sklearn")
        for path in sorted((Path(np.__file__).parents[1] / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and (said := ast.get_docstring(node))
    ]
    desk = pd.DataFrame(rows, columns=["text", "team", "kind"]).drop_duplicates("text")
    return desk[desk["text"].str.len().between(20, 160)].sample(texts, random_state=1, ignore_index=True)
