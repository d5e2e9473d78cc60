"""The runs table as text that the reader gives back exactly."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.observe.schema import COLUMNS, NOT_A_TIME
from labelvalue.spreadsheets import guard

AT_ONCE = 10_000
"""Rows that are text at once."""


def written_columns(runs: xr.Dataset) -> list[str]:
    """Return the columns worth writing: those that are not the default in every row."""
    return [name for name in COLUMNS if name in runs and not _is_default(runs[name].values, name)]


def to_csv(runs: xr.Dataset, *, spreadsheet: bool = False) -> str:
    """Return the table as CSV: commas, line feeds, shortest exact numbers, UTC times with ``Z``."""
    return "".join(csv_parts(runs, spreadsheet=spreadsheet))


def csv_parts(runs: xr.Dataset, *, spreadsheet: bool = False) -> Iterator[str]:
    """Yield the same part by part, so that a long table is never all text at once."""
    columns = written_columns(runs)
    values = {name: runs[name].values for name in columns}
    for start in range(0, max(runs.sizes[names.RUN], 1), AT_ONCE):
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if not start:
            writer.writerow(columns)
        cells = [_texts(values[name][start : start + AT_ONCE], name, spreadsheet) for name in columns]
        writer.writerows(zip(*cells, strict=True))
        yield out.getvalue()


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
