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
    r"""Put an apostrophe before a text that a spreadsheet would run.

    Parameters
    ----------
    text : str
        Cell.
    spreadsheet : bool
        Whether a spreadsheet will read it; otherwise only texts that :func:`unguard` would change are guarded.

    Returns
    -------
    str
        The cell to write; :func:`unguard` gives the text back.

    Examples
    --------
    >>> guard("=1+1"), guard("plain"), guard("-102"), guard("=1+1", spreadsheet=False), guard("'=1", spreadsheet=False)
    ("'=1+1", 'plain', '-102', '=1+1', "''=1")
    """
    return f"'{text}" if (FORMULA if spreadsheet else _GUARDED).match(text) else text


def guard_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table to be written as CSV, each of its texts guarded.

    Parameters
    ----------
    table : pandas.DataFrame
        Any; its index is left aside.

    Returns
    -------
    pandas.DataFrame

    Examples
    --------
    >>> import pandas as pd
    >>> guard_cells(pd.DataFrame({"slice": ["=1+1", "a"], "n": [-1, 2]})).to_csv(index=False).splitlines()
    ['slice,n', "'=1+1,-1", 'a,2']
    """
    return table.map(lambda cell: guard(cell) if isinstance(cell, str) else cell)


def unguard(cell: str) -> str:
    """Take the apostrophe off that :func:`guard` put there.

    Parameters
    ----------
    cell : str
        Cell as it was read.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> unguard("'=1+1"), unguard("'tis")
    ('=1+1', "'tis")
    """
    return cell[1:] if cell[:1] == "'" and _GUARDED.match(cell) else cell
