"""From parsed cells to checked columns, and from these to the dataset that the other rooms take."""

import dataclasses
import functools
import hashlib
import time
import zoneinfo
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.table import schema as parsers
from labelvalue.observe.table.delimited import Table
from labelvalue.observe.table.files import csv_parts
from labelvalue.observe.table.schema import COLUMNS, KEY, MAX_SLICES, Fault, Form, Metric, Parser, fold, parse_cells
from labelvalue.printing import as_lines
from labelvalue.problems import Problem, quote, some_of


@dataclasses.dataclass(kw_only=True)
class Columns:
    """Checked columns, still as Python lists, while problems and notes are being collected."""

    file: str
    lines: list[int]
    raw: Mapping[str, Sequence[object]]  # as they were written
    values: dict[str, list]  # ``None`` where a cell is faulty
    faulty: set[int] = dataclasses.field(default_factory=set)  # rows that checks across rows leave out
    problems: list[Problem] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def sound(self) -> list[int]:
        """Return the positions of the rows without a fault."""
        return [i for i in range(len(self)) if i not in self.faulty]

    def fault(self, row: int, column: str, why: str, fix: str) -> None:
        """Record a problem with one cell as it was written, or with a row where ``column`` is empty."""
        self.faulty.add(row)
        cell = self.raw[column][row] if column in self.raw else None
        value = None if cell == "" else cell
        line = self.lines[row]
        problem = Problem(file=self.file, line=line, column=column, value=value, why=why, fix=fix)
        self.problems.append(problem)

    def keep(self, rows: Iterable[int]) -> None:
        """Keep some rows, in the order given."""
        rows = list(rows)
        place = {row: i for i, row in enumerate(rows)}
        self.lines = [self.lines[i] for i in rows]
        self.raw = {name: [cells[i] for i in rows] for name, cells in self.raw.items()}
        self.values = {name: [cells[i] for i in rows] for name, cells in self.values.items()}
        self.faulty = {place[i] for i in self.faulty if i in place}


def places(columns: Columns, rows: Iterable[int]) -> str:
    """Return ``lines 3, 7 and 2 more`` (``rows`` for a DataFrame), at most ten of them."""
    lines = [str(columns.lines[i]) for i in rows]
    word = "line" if columns.file else "row"
    if len(lines) > 1:
        word += "s"
    return f"{word} {some_of(lines)}"


def parse_columns(table: Table, form: Form | None, *, zone: zoneinfo.ZoneInfo | None, drop_missing: bool) -> Columns:
    """Parse every known column of a table (inputs rows 19 to 28, 32, 33, 35, 36, 38, 41, 43)."""
    columns = Columns(
        file=table.file,
        lines=list(table.lines),
        raw=table.cells,
        values={},
        problems=list(table.problems),
        notes=list(table.notes),
    )
    empty: dict[str, set[int]] = {}  # rows by column
    for name, raw in table.cells.items():
        parsed = parse_cells(raw, _parser(name, table.decimal))
        empty[name] = {row for row, value in enumerate(parsed) if value is None}
        for row, value in enumerate(parsed):
            if isinstance(value, Fault):
                columns.fault(row, name, *value)
                parsed[row] = None
        columns.values[name] = parsed
        if name == names.MEASURED_AT:
            _to_utc(columns, zone)
        elif COLUMNS[name].default == 0 and empty[name]:
            columns.notes.append(f"{len(empty[name])} empty cells of {name!r} read as 0")
    _report_missing(columns, empty, NEEDED[form], drop_missing=drop_missing)
    _check_ranges(columns)
    return columns


NEEDED: dict[Form | None, tuple[tuple[str, ...], ...]] = {
    None: ((names.LABELS,),),
    "counts": ((names.LABELS,), (names.ERRORS,), (names.TRIALS,)),
    "value": ((names.LABELS,), (names.VALUE,), (names.STDERR, names.TRIALS)),
}  # of each of these columns, those that are there, a row must fill one


def _report_missing(
    columns: Columns, empty: dict[str, set[int]], needed: tuple[tuple[str, ...], ...], *, drop_missing: bool
) -> None:
    missing: dict[int, list[str]] = {}  # row: columns
    for there in ([name for name in group if name in empty] for group in needed):
        for row in set.intersection(*(empty[name] for name in there)) if there else ():
            missing.setdefault(row, []).append(there[0])
    if drop_missing and missing:
        where = places(columns, sorted(missing))
        columns.notes.append(f"dropped {len(missing)} rows with missing cells: {where}")
        columns.keep(i for i in range(len(columns)) if i not in missing)
        return
    for row, names_ in missing.items():
        for name in names_:
            columns.fault(row, name, "missing", "fill the cell, or leave such rows out: --drop-missing")


def _parser(name: str, decimal: str) -> Parser:
    column = COLUMNS[name]
    if name == names.SLICE:
        return parsers.parse_slice
    if column.kind == "text":
        return parsers.parse_text
    if column.kind == "time":
        return parsers.parse_time
    if column.kind == "count":
        return functools.partial(_count, name=name, decimal=decimal)
    return functools.partial(parsers.parse_number, decimal=decimal)


def _count(cell: object, *, name: str, decimal: str) -> object:
    count = parsers.parse_count(cell, decimal=decimal, mean=name == names.ERRORS)
    negative = isinstance(count, Fault) and count.why == "must be ≥ 0"
    if name == names.TRIALS and (count == 0 or negative):
        return Fault("must be ≥ 1", "give the size of the evaluation set")
    return count


LEGAL: dict[str, tuple[Callable[[float], bool], str, str]] = {
    names.SECONDS: (lambda v: v >= 0, "must be ≥ 0", "give a training time"),
    names.STDERR: (lambda v: v > 0, "must be > 0", "give the standard error of 'value', or 'trials' instead"),
    names.LABEL_NOISE: (
        lambda v: 0 <= v < 1,
        "not a share, 0 ≤ share < 1",
        "give the share of wrong labels, such as 0.05",
    ),
    names.DIVERSITY: (lambda v: v > 0, "must be > 0", "give a ratio to random labels; 1 is as random"),
}  # what numbers of a column must be, what is wrong with others, and what to do


def _check_ranges(columns: Columns) -> None:
    values = columns.values
    for name, (legal, why, fix) in LEGAL.items():
        for row, value in enumerate(values.get(name, ())):
            if value is not None and not legal(value):
                columns.fault(row, name, why, fix)
    if {names.ERRORS, names.TRIALS} <= values.keys():
        pairs = zip(values[names.ERRORS], values[names.TRIALS], strict=True)
        for row, (errors, trials) in enumerate(pairs):
            if errors is not None and trials is not None and errors > trials:
                fix = "count errors among the trials"
                columns.fault(row, names.ERRORS, f"{errors} errors in {trials} trials", fix)


def check_classes(columns: Columns, classes: int | None) -> None:
    """Refuse label noise at which labels of ``classes`` classes carry no information (row 34)."""
    if classes is None:
        return
    for row, noise in enumerate(columns.values.get(names.LABEL_NOISE, ())):
        if noise is not None and (classes - 1) / classes <= noise < 1:
            why = f"labels carry no information: {classes} classes, limit {classes - 1}/{classes}"
            columns.fault(row, names.LABEL_NOISE, why, "leave the run out")


def _to_utc(columns: Columns, zone: zoneinfo.ZoneInfo | None) -> None:
    """Turn parsed times into nanoseconds in UTC; zoned and zone-less times must not mix."""
    times: list[pd.Timestamp | None] = columns.values[names.MEASURED_AT]
    zoned = [i for i, t in enumerate(times) if t is not None and t.tz is not None]
    local = [i for i, t in enumerate(times) if t is not None and t.tz is None]
    if zoned and local and zone is None:
        one, other = places(columns, zoned[:1]), places(columns, local[:1])
        why = f"times with a zone ({one}) and without ({other}) are mixed"
        fix = "say where zone-less times were written: --timezone Europe/Paris"
        columns.fault(local[0], names.MEASURED_AT, why, fix)
    elif local and zone is None:
        columns.notes.append(f"{len(local)} times without a zone read as UTC")
    utc: list[int | None] = []
    for row, told in enumerate(times):
        moment = None if told is None else parsers.to_utc(told, zone)
        if isinstance(moment, Fault):
            columns.fault(row, names.MEASURED_AT, *moment)
            moment = None
        utc.append(moment)
    columns.values[names.MEASURED_AT] = utc


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
            columns.notes.append(f"merged slices {some_of(map(quote, variants))} into {quote(chosen)}")
            continue
        rows = [column.index(text) for text in variants]
        where = places(columns, rows)
        these = some_of(map(quote, variants))
        why = f"slices {these} differ only in blanks, case, Unicode form or what is not seen ({where})"
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
        names.NOTES: as_lines(notes),
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
