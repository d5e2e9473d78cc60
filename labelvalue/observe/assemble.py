"""From checked columns to the dataset that the other rooms take."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.checks import note_direction
from labelvalue.observe.columns import Columns
from labelvalue.observe.metrics import Metric
from labelvalue.observe.schema import COLUMNS, Form
from labelvalue.observe.text import csv_parts

DATAFRAME = "DataFrame"
"""``source`` of runs that came from no file."""


def assemble(columns: Columns, metric: Metric, form: Form, *, source: str, sha256: str | None) -> xr.Dataset:
    """Sort the rows, derive the error, and describe it all in attrs."""
    arrays = _arrays(columns, form)
    arrays = _sorted(arrays)
    if form == "counts":
        arrays[names.ERROR] = arrays[names.ERRORS] / arrays[names.TRIALS]
        arrays[names.ERROR_STDERR] = np.full(len(columns), np.nan)
    else:
        arrays[names.ERROR] = metric.error(arrays[names.VALUE])
        arrays[names.ERROR_STDERR] = _error_stderr(arrays, metric)
    notes = list(columns.notes)
    slices, labels = arrays[names.SLICE], arrays[names.LABELS]
    note_direction(notes, slices, labels, arrays[names.ERROR], metric)
    runs = xr.Dataset({name: (names.RUN, array) for name, array in arrays.items()})
    runs.attrs = {
        names.METRIC: metric.name,
        names.DIRECTION: metric.direction,
        names.BOUNDS: [metric.lower, metric.upper],
        names.UPPER: metric.error_upper,
        names.SOURCE: source or DATAFRAME,
        names.SHA256: sha256 or _digest(runs),
        names.NOTES: json.dumps(notes, ensure_ascii=False),
    }
    return runs


def _digest(runs: xr.Dataset) -> str:
    digest = hashlib.sha256()
    for part in csv_parts(runs):
        digest.update(part.encode())
    return digest.hexdigest()


def _arrays(columns: Columns, form: Form) -> dict[str, np.ndarray]:
    measures = {
        "counts": {names.ERRORS, names.TRIALS},
        "value": {names.VALUE, names.STDERR, names.TRIALS},
    }[form]
    arrays: dict[str, np.ndarray] = {}
    for name, column in COLUMNS.items():
        optional = column.default is not None or name in (names.SLICE, names.LABELS)
        if not optional and name not in measures:
            continue
        cells = columns.values.get(name)
        if cells is None:
            if name != names.STDERR:
                continue
            cells = [None] * len(columns)
        arrays[name] = _array(cells, column.kind)
    if form == "value" and names.TRIALS in arrays and not arrays[names.TRIALS].any():
        del arrays[names.TRIALS]
    return arrays


def _array(cells: list[Any], kind: str) -> np.ndarray:
    if kind == "text":
        return np.array(cells, dtype=object)
    if kind == "count":
        return np.array([0 if v is None else v for v in cells], dtype=np.int64)
    if kind == "time":
        return np.array(cells, dtype=np.int64).view("datetime64[ns]")
    numbers = np.array([np.nan if v is None else v for v in cells], dtype=np.float64)
    return numbers + 0.0  # no negative zero


def _sorted(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sort rows by the key columns, then by the results."""
    codes = [pd.factorize(array, sort=True, use_na_sentinel=False)[0] for array in arrays.values()]
    order = np.lexsort(codes[::-1])
    return {name: array[order] for name, array in arrays.items()}


def _error_stderr(arrays: dict[str, np.ndarray], metric: Metric) -> np.ndarray:
    stderr = arrays[names.STDERR]
    trials = arrays.get(names.TRIALS)
    if trials is None or not np.isfinite(metric.error_upper):
        return stderr.copy()
    computed = metric.stderr_from_trials(arrays[names.ERROR], np.maximum(trials, 1))
    return np.where(np.isnan(stderr), computed, stderr)
