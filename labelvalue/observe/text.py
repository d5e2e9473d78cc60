"""The runs table as text that the reader gives back exactly."""

from __future__ import annotations

import csv
import io

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.observe.schema import COLUMNS, NOT_A_TIME
from labelvalue.spreadsheets import guard


def written_columns(runs: xr.Dataset) -> list[str]:
    """Return the columns worth writing: those that are not the default in every row."""
    return [name for name in COLUMNS if name in runs and not _is_default(runs[name].values, name)]


def to_csv(runs: xr.Dataset, *, spreadsheet: bool = False) -> str:
    """Return the table as CSV: commas, line feeds, shortest exact numbers, UTC times with ``Z``."""
    columns = written_columns(runs)
    cells = [_texts(runs[name].values, name, spreadsheet) for name in columns]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*cells, strict=True))
    return out.getvalue()


def _is_default(values: np.ndarray, name: str) -> bool:
    column = COLUMNS[name]
    if column.kind == "time":
        return bool(np.isnat(values).all())
    if column.kind == "number":
        return bool(np.isnan(values).all())
    return column.default is not None and bool((values == column.default).all())


def _texts(values: np.ndarray, name: str, spreadsheet: bool) -> list[str]:
    kind = COLUMNS[name].kind
    if kind == "text":
        return [guard(text, spreadsheet=spreadsheet) for text in values.tolist()]
    if kind == "time":
        moments = np.datetime_as_string(values, unit="ns")
        gone = values.view(np.int64) == NOT_A_TIME
        return ["" if g else f"{m}Z" for m, g in zip(moments.tolist(), gone.tolist(), strict=True)]
    if kind == "number":
        return ["" if np.isnan(v) else repr(v) for v in values.tolist()]
    return ["" if name == names.TRIALS and v == 0 else str(v) for v in values.tolist()]
