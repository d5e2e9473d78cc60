"""Tables as a workbook for spreadsheets: a sheet each, texts as texts and numbers as numbers."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from labelvalue.problems import InputError, Problem

LONGEST = 32_767
"""Characters that a cell can hold."""
MADE = datetime(1980, 1, 1)
"""Time that every workbook is said to be made at, so that the same tables give the same bytes."""
WIDEST = 60
"""Characters that a column shows at most; longer texts are broken into lines."""


def workbook(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """Make a workbook of tables.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By name of the sheet.

    Returns
    -------
    bytes
        Content of an ``.xlsx`` file. No cell is a formula or a link, whatever its text; a number without a value is an
        empty cell; a text longer than a cell can hold ends with how many characters are missing.

    Raises
    ------
    InputError
        If XlsxWriter is not installed.

    Examples
    --------
    >>> workbook({"gains": pd.DataFrame({"slice": ["=1+1"], "gain": [0.5]})})[:2]
    b'PK'
    """
    try:
        import xlsxwriter
    except ImportError:
        fix = "pip install 'labelvalue[excel]', or write csv or parquet"
        raise InputError([Problem(why="XlsxWriter is not installed", fix=fix)]) from None
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        book.set_properties({"created": MADE})
        head = book.add_format({"bold": True, "bottom": 1})
        plain = book.add_format({"text_wrap": True, "valign": "top"})
        for name, table in tables.items():
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 0)
            for place, column in enumerate(table.columns):
                sheet.write_string(0, place, str(column), head)
                for line, value in enumerate(table[column].tolist(), 1):
                    _write(sheet, line, place, value, plain)
                wide = max([len(str(column)), *(len(_text(v)) for v in table[column].tolist())])
                sheet.set_column(place, place, min(wide, WIDEST) + 2)
            sheet.autofilter(0, 0, len(table), max(len(table.columns) - 1, 0))
    return content.getvalue()


def _write(sheet: Any, line: int, place: int, value: Any, plain: Any) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(line, place, value, plain)
    elif isinstance(value, int | float) and math.isfinite(value):
        sheet.write_number(line, place, value, plain)
    elif _text(value):
        text = _text(value)
        if len(text) > LONGEST:
            missing = f" … and {len(text) - LONGEST + 60:,} characters more"
            text = text[: LONGEST - 60] + missing
        sheet.write_string(line, place, text, plain)


def _text(value: Any) -> str:
    nothing = value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
    return "" if nothing else f"{value:.6g}" if isinstance(value, float) else str(value)
