"""Text that no spreadsheet takes for a formula: the one rule, and its inverse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"(?!-\d+(\.\d+)?\Z)'*[=+\-@\t\r]")
"""What a spreadsheet may run, behind any apostrophes: those that stand there must stay told from the one we put.
A negative number, such as an id that is a hash, runs nothing."""
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
"""What was guarded, or looks so."""


def guard(text: str, *, spreadsheet: bool = True) -> str:
    r"""Put an apostrophe before a text that a spreadsheet would run."""
    return f"'{text}" if (FORMULA if spreadsheet else _GUARDED).match(text) else text


def guard_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table to be written as CSV, each of its texts guarded."""
    return table.map(lambda cell: guard(cell) if isinstance(cell, str) else cell)


def unguard(cell: str) -> str:
    """Take the apostrophe off that :func:`guard` put there."""
    return cell[1:] if cell[:1] == "'" and _GUARDED.match(cell) else cell
