"""From raw cells to checked columns: every fault of every cell, with its place."""

from __future__ import annotations

import dataclasses
import functools
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence

from labelvalue import names
from labelvalue.observe.table import cells as cell_parsers
from labelvalue.observe.table.cells import Fault, Parser, Time, parse_cells
from labelvalue.observe.table.schema import COLUMNS, Form
from labelvalue.observe.table.tables import Table
from labelvalue.problems import Problem, quote


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
    more = f" and {len(lines) - 10} more" if len(lines) > 10 else ""
    return f"{word} {', '.join(lines[:10])}{more}"


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
    missing: dict[int, list[str]] = {}  # row: columns
    for name, raw in table.cells.items():
        parsed = parse_cells(raw, _parser(name, table.decimal))
        empty = [row for row, value in enumerate(parsed) if value is None]
        for row, value in enumerate(parsed):
            if isinstance(value, Fault):
                columns.fault(row, name, *value)
                parsed[row] = None
        columns.values[name] = parsed
        if name == names.MEASURED_AT:
            _to_utc(columns, zone)
        elif name in _required(form, table.cells):
            for row in empty:
                missing.setdefault(row, []).append(name)
        elif COLUMNS[name].default == 0 and empty:
            columns.notes.append(f"{len(empty)} empty cells of {name!r} read as 0")
    _missing_noise(columns, form, missing)
    _report_missing(columns, missing, drop_missing=drop_missing)
    _check_ranges(columns)
    return columns


def _required(form: Form | None, present: Iterable[str]) -> set[str]:
    required = {names.LABELS}
    if form == "counts":
        required |= {names.ERRORS, names.TRIALS}
    elif form == "value":
        required |= {names.VALUE}
        noise = {names.STDERR, names.TRIALS} & set(present)
        required |= noise if len(noise) == 1 else set()
    return required


def _parser(name: str, decimal: str) -> Parser:
    column = COLUMNS[name]
    if name == names.SLICE:
        return cell_parsers.parse_slice
    if column.kind == "text":
        return cell_parsers.parse_text
    if column.kind == "time":
        return cell_parsers.parse_time
    if column.kind == "count":
        return functools.partial(_count, name=name, decimal=decimal)
    return functools.partial(cell_parsers.parse_number, decimal=decimal)


def _count(cell: object, *, name: str, decimal: str) -> object:
    count = cell_parsers.parse_count(cell, decimal=decimal, mean=name == names.ERRORS)
    negative = isinstance(count, Fault) and count.why == "must be ≥ 0"
    if name == names.TRIALS and (count == 0 or negative):
        return Fault("must be ≥ 1", "give the size of the evaluation set")
    return count


def _missing_noise(columns: Columns, form: Form | None, missing: dict[int, list[str]]) -> None:
    """Find rows of the value form that have neither a standard error nor trials."""
    if form != "value" or not {names.STDERR, names.TRIALS} <= columns.values.keys():
        return
    pairs = zip(columns.values[names.STDERR], columns.values[names.TRIALS], strict=True)
    for row, (stderr, trials) in enumerate(pairs):
        if stderr is None and trials is None and row not in columns.faulty:
            missing.setdefault(row, []).append(names.STDERR)


def _report_missing(columns: Columns, missing: dict[int, list[str]], *, drop_missing: bool) -> None:
    if not missing:
        return
    if drop_missing:
        where = places(columns, sorted(missing))
        columns.notes.append(f"dropped {len(missing)} rows with missing cells: {where}")
        columns.keep(i for i in range(len(columns)) if i not in missing)
        return
    for row, empty in missing.items():
        for name in empty:
            fix = "fill the cell, or leave such rows out: --drop-missing"
            columns.fault(row, name, "missing", fix)


def _check_ranges(columns: Columns) -> None:
    values = columns.values
    for row, seconds in enumerate(values.get(names.SECONDS, ())):
        if seconds is not None and seconds < 0:
            columns.fault(row, names.SECONDS, "must be ≥ 0", "give a training time")
    for row, stderr in enumerate(values.get(names.STDERR, ())):
        if stderr is not None and stderr <= 0:
            fix = "give the standard error of 'value', or 'trials' instead"
            columns.fault(row, names.STDERR, "must be > 0", fix)
    for row, noise in enumerate(values.get(names.LABEL_NOISE, ())):
        if noise is not None and not 0 <= noise < 1:
            fix = "give the share of wrong labels, such as 0.05"
            columns.fault(row, names.LABEL_NOISE, "not a share, 0 ≤ share < 1", fix)
    for row, diversity in enumerate(values.get(names.DIVERSITY, ())):
        if diversity is not None and diversity <= 0:
            columns.fault(row, names.DIVERSITY, "must be > 0", "give a ratio to random labels; 1 is as random")
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
    times: list[Time | None] = columns.values[names.MEASURED_AT]
    zoned = [i for i, t in enumerate(times) if t is not None and t.zoned]
    local = [i for i, t in enumerate(times) if t is not None and not t.zoned]
    if zoned and local and zone is None:
        one, other = places(columns, zoned[:1]), places(columns, local[:1])
        why = f"times with a zone ({one}) and without ({other}) are mixed"
        fix = "say where zone-less times were written: --timezone Europe/Paris"
        columns.fault(local[0], names.MEASURED_AT, why, fix)
    elif local and zone is None:
        columns.notes.append(f"{len(local)} times without a zone read as UTC")
    utc: list[int | None] = []
    for row, time in enumerate(times):
        moment = None if time is None else cell_parsers.to_utc(time, zone)
        if isinstance(moment, Fault):
            columns.fault(row, names.MEASURED_AT, *moment)
            moment = None
        utc.append(moment)
    columns.values[names.MEASURED_AT] = utc


def describe(values: Iterable[object], limit: int = 10) -> str:
    """Return quoted values joined by commas, at most ``limit`` of them."""
    shown = list(values)
    more = f" and {len(shown) - limit} more" if len(shown) > limit else ""
    return ", ".join(quote(v) for v in shown[:limit]) + more
