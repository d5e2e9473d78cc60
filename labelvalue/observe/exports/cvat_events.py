"""CVAT's event log as CSV: who worked how long on which job, and what came of it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from typing import BinaryIO

from labelvalue.observe.exports.judgements import (
    MAX_JUDGEMENTS,
    PATHS_SHOWN,
    WORK,
    Collector,
    as_text,
    too_many_judgements,
    utc,
)
from labelvalue.observe.exports.layouts import closest_layout
from labelvalue.observe.exports.streams import decode
from labelvalue.observe.table.cells import Fault, parse_count, parse_number
from labelvalue.observe.table.delimited import MAX_KEPT, once, open_rows
from labelvalue.observe.table.tables import Limits
from labelvalue.problems import InputError, input_error, listed
from labelvalue.settings import MAX_COUNT

NEEDED = ("scope", "timestamp", "job_id", "payload")
ANNOTATORS = ("user_id", "user_name", "user_email")
MADE = ("create:shapes", "create:tags", "create:tracks")
KNOWN = (*MADE, "send:working_time", "update:shapes", "update:tags", "update:tracks", "delete:shapes", "delete:tags",
         "delete:tracks", "load:job", "save:job", "change:frame", "update:job")  # fmt: skip
MILLISECONDS = 1000.0
LARGEST_CELL = 1024**2
LONGEST = 20_000_000
"""Events of a log."""
SCOPES, SHOWN = 1_000, 1_000
"""Scopes that are counted apart, and characters of a cell that are told."""


class _Work:
    """Work by annotator and job, column by column: there may be as many jobs as judgements."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, str], int] = {}
        self.seconds, self.units, self.lines = array("d"), array("q"), array("q")
        self.last: list[str] = []
        self.told: list[tuple[str, ...]] = []
        self._known: dict[str, str] = {}
        self._known_rows: dict[tuple[str, ...], tuple[str, ...]] = {}

    def place(self, who: str, job: str, line: int, row: Mapping[str, str], path: str | None) -> int:
        """Where the work of one on a job stands; its first row gives task and slice, the first jobs all columns."""
        place = self.places.get((who, job))
        if place is None:
            if len(self.places) >= MAX_JUDGEMENTS:
                raise InputError([too_many_judgements()])
            names = row if len(self.places) < PATHS_SHOWN else ("task_id", path or "")
            told = tuple(text for name in names if name != "payload" and row.get(name) for text in (name, row[name]))
            if len(self._known_rows) < MAX_KEPT:
                told = self._known_rows.setdefault(told, told)
            place = self.places[once([who], self._known)[0], job] = len(self.places)
            for column in (self.seconds, self.units):
                column.append(0)
            self.lines.append(line)
            self.last.append("")
            self.told.append(told)
        return place

    def add(self, place: int, seconds: float, units: int, time: str) -> None:
        """Add what an event tells."""
        self.seconds[place] += seconds
        self.units[place] += units
        if time > self.last[place]:
            (self.last[place],) = once([time], self._known)


def read_events(stream: BinaryIO, file: str, into: Collector) -> None:
    """Read an event log."""
    with open_rows(stream, file, Limits(rows=LONGEST, cell=LARGEST_CELL, fix="download it in parts")) as rows:
        header = list(rows.header)
        _check_header(header, file, into)
        rows.need_distinct()
        work = _Work()
        homeless: Counter[str] = Counter()
        strange: Counter[str] = Counter()
        for line, cells in rows:
            _event(dict(zip(header, cells, strict=True)), line, work, homeless, strange, into)
        into.problems += rows.problems
    _note(homeless, strange, into)
    for (who, job), place in work.places.items():
        _keep(who, job, work, place, into)


def _check_header(header: list[str], file: str, into: Collector) -> None:
    missing = [name for name in NEEDED if name not in header]
    if not set(ANNOTATORS) & set(header):
        missing.append("user_id")
    if missing:
        why = (
            f"not a CVAT event log: no column {', '.join(missing)}; found {listed(header)}; "
            f"closest: {closest_layout(header, into.layouts())}"
        )
        raise input_error(why, "download the event log again, with all its columns", file=file, line=1)


def _event(
    row: Mapping[str, str],
    line: int,
    work: _Work,
    homeless: Counter[str],
    strange: Counter[str],
    into: Collector,
) -> None:
    scope, job = row["scope"], row["job_id"].strip()
    who = next((row[name].strip() for name in ANNOTATORS if row.get(name, "").strip()), "")
    if scope not in KNOWN:
        strange[scope[:80] if scope[:80] in strange or len(strange) < SCOPES else "others"] += 1
    seconds = _working_time(row["payload"], line, into)
    units = _count(row.get("count") or "1", line, into) if scope in MADE else 0
    if not seconds and not units:
        return
    if not job:
        homeless["seconds"] += round(seconds)
        homeless["units made"] += units
        return
    work.add(work.place(who, job, line, row, into.slice_path), seconds, units, row["timestamp"][:80])


def _working_time(payload: str, line: int, into: Collector) -> float:
    """Seconds of work that an event tells, 0 for none."""
    if not payload.strip():
        return 0.0
    try:
        found, end = decode(payload.strip())
        if end < len(payload.strip()):
            raise ValueError("more follows")
    except ValueError:
        into.wrong("broken JSON", "export again", line=line, field="payload", value=payload[:SHOWN])
        return 0.0
    told = found.get("working_time") if isinstance(found, Mapping) else None
    if told is None:
        return 0.0
    milliseconds = parse_number(as_text(told))
    if not isinstance(milliseconds, float) or milliseconds > MAX_COUNT:
        into.wrong("no working time", "export again", line=line, field="payload", value=payload[:SHOWN])
        return 0.0
    return max(milliseconds, 0.0) / MILLISECONDS


def _count(text: str, line: int, into: Collector) -> int:
    count = parse_count(text)
    if isinstance(count, int):
        return count
    why, fix = count if isinstance(count, Fault) else ("not a whole number", "export again")
    into.wrong(why, fix, line=line, field="count", value=text[:SHOWN])
    return 0


def _note(homeless: Counter[str], strange: Counter[str], into: Collector) -> None:
    for what, count in homeless.items():
        if count:
            unit = " s of working time" if what == "seconds" else f" {what}"
            into.note(f"{count}{unit} without a job, left out")
    if strange:
        shown = ", ".join(f"{scope or 'none'} ({count})" for scope, count in strange.most_common(10))
        into.note(f"events of scopes that are not used: {shown}")


def _keep(who: str, job: str, work: _Work, place: int, into: Collector) -> None:
    seconds, units, line = work.seconds[place], work.units[place], work.lines[place]
    if not units:
        into.leave_out("jobs with working time and nothing made")
        return
    annotator = into.who(who)
    each = into.duration(seconds / units) if seconds else float("nan")
    told = work.told[place]
    row = dict(zip(told[::2], told[1::2], strict=True))
    task = row.get("task_id", "").strip()
    record = {**row, "job": job, "task": task}
    into.add(
        item=f"job {job}",
        slice=into.slice_of(record, f"job {job}", {"line": line}),
        source_id=f"{job}/{annotator}",
        kind=WORK,
        annotator=annotator,
        seconds=each * units,
        time=utc(work.last[place]),
        source=task,
        units=units,
        place={"line": line},
    )
