"""From checked columns to the dataset that the other rooms take."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.table.cells import fold
from labelvalue.observe.table.columns import Columns, describe, places
from labelvalue.observe.table.schema import COLUMNS, KEY, MAX_SLICES, Form, Metric
from labelvalue.observe.table.write import csv_parts
from labelvalue.problems import Problem, quote


def check_slices(columns: Columns, *, merge_similar: bool) -> None:
    """Refuse too many slices, and refuse or merge those that look alike (inputs rows 8, 42)."""
    column = columns.values[names.SLICE]
    counts = Counter(column[i] for i in columns.sound())
    if len(counts) > MAX_SLICES:
        why = f"{len(counts)} slices are over the limit of {MAX_SLICES}"
        columns.problems.append(Problem(file=columns.file, column=names.SLICE, why=why, fix="group rare slices"))
        return
    alike: dict[str, list[str]] = defaultdict(list)
    for text in sorted(counts):
        alike[fold(text)].append(text)
    for variants in alike.values():
        if len(variants) == 1:
            continue
        if merge_similar:
            chosen = max(variants, key=lambda text: counts[text])
            columns.values[names.SLICE] = [chosen if s in variants else s for s in column]
            column = columns.values[names.SLICE]
            columns.notes.append(f"merged slices {describe(variants)} into {quote(chosen)}")
            continue
        rows = [column.index(text) for text in variants]
        where = places(columns, rows)
        why = f"slices {describe(variants)} differ only in blanks, case, Unicode form or what is not seen ({where})"
        fix = "spell them alike, or merge them: --merge-similar-slices"
        columns.fault(max(rows), names.SLICE, why, fix)


def drop_repeated(columns: Columns) -> None:
    """Drop rows that repeat another one in every column (inputs row 45)."""
    names_ = list(columns.values)
    seen: set[tuple] = set()
    repeated = []
    for row in columns.sound():
        content = tuple(columns.values[name][row] for name in names_)
        if content in seen:
            repeated.append(row)
        seen.add(content)
    if repeated:
        where = places(columns, repeated)
        columns.notes.append(f"{len(repeated)} repeated rows counted once: {where}")
        gone = set(repeated)
        columns.keep(i for i in range(len(columns)) if i not in gone)


def check_keys(columns: Columns) -> None:
    """Refuse two different results of one run (inputs row 46)."""
    keys = [columns.values[name] for name in KEY]
    first: dict[tuple, int] = {}
    for row in columns.sound():
        key = tuple(column[row] for column in keys)
        if key not in first:
            first[key] = row
            continue
        why = f"two results for one run ({places(columns, [first[key], row])})"
        columns.fault(row, "", why, "number the 'replicate'")


def check_evaluation_sets(columns: Columns) -> None:
    """Refuse an evaluation set of two sizes in one slice and suite (inputs row 47)."""
    if names.TRIALS not in columns.values:
        return
    sizes: dict[tuple[str, str, str], tuple[int, int]] = {}
    reported: set[tuple[tuple[str, str, str], int]] = set()
    ids = columns.values[names.EVALUATION_SET]
    for row in columns.sound():
        trials = columns.values[names.TRIALS][row]
        if not ids[row] or not trials:
            continue
        suite = columns.values[names.SUITE][row]
        key = (columns.values[names.SLICE][row], suite, ids[row])
        known, line = sizes.setdefault(key, (trials, row))
        if known == trials or (key, trials) in reported:
            continue
        reported.add((key, trials))
        where = places(columns, [line, row])
        why = f"evaluation set {quote(ids[row])} has {known} and {trials} trials ({where})"
        fix = "give each evaluation set an id of its own"
        columns.fault(row, names.EVALUATION_SET, why, fix)


def check_values(columns: Columns, metric: Metric) -> None:
    """Refuse values outside the metric's bounds, and guess at percent (inputs rows 29, 30)."""
    values = columns.values[names.VALUE]
    share = (metric.lower, metric.upper) == (0.0, 1.0)
    given = [v for v in values if v is not None]
    percent_column = share and bool(given) and float(np.median(given)) > 1
    for row, value in enumerate(values):
        if value is None or metric.lower <= value <= metric.upper:
            continue
        if share and 1 < value <= 100 and (percent_column or value >= 2):
            why, fix = "looks like percent; divide by 100", f"write {value / 100:g}"
        else:
            why = f"outside {metric.range} for {metric.name!r}"
            fix = "mend the value, or name another metric"
        columns.fault(row, names.VALUE, why, fix)


def check_noise(columns: Columns, metric: Metric) -> None:
    """Refuse trials without a standard error where they do not tell the noise (inputs row 18)."""
    if np.isfinite(metric.error_upper):
        return
    stderr = columns.values.get(names.STDERR, [None] * len(columns))
    for row in columns.sound():
        if stderr[row] is None:
            why = "noise is unknown; add 'stderr'"
            fix = f"'trials' do not tell the noise of {metric.name!r}, which has no upper bound"
            columns.fault(row, names.STDERR, why, fix)


def note_future(columns: Columns) -> None:
    """Note times of measurement that have not come yet (inputs row 37)."""
    now = time.time_ns()
    times = columns.values[names.MEASURED_AT]
    future = [row for row, moment in enumerate(times) if moment > now]
    if future:
        columns.notes.append(f"'measured_at' in the future: {places(columns, future)}")


def note_direction(notes: list[str], slices: np.ndarray, labels: np.ndarray, error: np.ndarray, metric: Metric) -> None:
    """Note an error that rises with labels in every slice to above a half (inputs row 31)."""
    if metric.error_upper != 1.0:
        return
    _, codes = np.unique(slices.astype(str), return_inverse=True)
    last = []
    for code in range(codes.max() + 1):
        n, e = labels[codes == code], error[codes == code]
        if n.min() == n.max():
            continue
        start, end = e[n == n.min()].mean(), e[n == n.max()].mean()
        if end <= start:
            return
        last.append(end)
    if last and np.median(last) > 0.5:
        other = "accuracy" if metric.direction == "lower" else "error rate"
        doubt = f"is {metric.name!r} really an {other}?"
        notes.append(f"error rises with labels in every slice: {doubt}")


DATAFRAME = "DataFrame"  # ``source`` of runs that came from no file


def assemble(columns: Columns, metric: Metric, form: Form, *, source: str, sha256: str | None) -> xr.Dataset:
    """Sort the rows, derive the error, and describe it all in attrs."""
    arrays = _arrays(columns, form)
    codes = [pd.factorize(array, sort=True, use_na_sentinel=False)[0] for array in arrays.values()]
    order = np.lexsort(codes[::-1])  # by the key columns, then by the results
    arrays = {name: array[order] for name, array in arrays.items()}
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
    measures = {"counts": {names.ERRORS, names.TRIALS}, "value": {names.VALUE, names.STDERR, names.TRIALS}}[form]
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


def _error_stderr(arrays: dict[str, np.ndarray], metric: Metric) -> np.ndarray:
    stderr = arrays[names.STDERR]
    trials = arrays.get(names.TRIALS)
    if trials is None or not np.isfinite(metric.error_upper):
        return stderr.copy()
    computed = metric.stderr_from_trials(arrays[names.ERROR], np.maximum(trials, 1))
    return np.where(np.isnan(stderr), computed, stderr)
