"""CVAT's event log as CSV: who worked how long on which job, and what came of it."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelvalue.observe.exports.judgements import WORK, Collector, utc
from labelvalue.observe.exports.layouts import closest_layout
from labelvalue.observe.exports.streams import DECODER
from labelvalue.problems import InputError, Problem

NEEDED = ("scope", "timestamp", "job_id", "payload")
ANNOTATORS = ("user_id", "user_name", "user_email")
MADE = ("create:shapes", "create:tags", "create:tracks")
KNOWN = (*MADE, "send:working_time", "update:shapes", "update:tags", "update:tracks", "delete:shapes", "delete:tags",
         "delete:tracks", "load:job", "save:job", "change:frame", "update:job")  # fmt: skip
MILLISECONDS = 1000.0
LARGEST_CELL = 16 * 1024**2


class _Work:
    """Work of one annotator on one job."""

    def __init__(self) -> None:
        self.seconds, self.units, self.last = 0.0, 0, ""
        self.row: Mapping[str, str] = {}


def read_events(path: Path, into: Collector) -> None:
    """Read an event log.

    Parameters
    ----------
    path : pathlib.Path
        CSV file.
    into : Collector
        Takes one row an annotator and job, with the units made and the seconds they took together.

    Raises
    ------
    InputError
        If columns are missing or a cell is broken.

    Examples
    --------
    See :func:`labelvalue.read_annotations`.
    """
    before = csv.field_size_limit(LARGEST_CELL)
    try:
        _read(path, into)
    finally:
        csv.field_size_limit(before)  # the limit is the whole process's


def _read(path: Path, into: Collector) -> None:
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        header = list(reader.fieldnames or [])
        _check_header(header, path.name)
        work: dict[tuple[str, str], _Work] = {}
        homeless: Counter[str] = Counter()
        strange: Counter[str] = Counter()
        try:
            for row in reader:
                _event(row, reader.line_num, work, homeless, strange, into)
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(
                [Problem(file=path.name, line=reader.line_num, why=f"broken CSV: {error}", fix="export again")]
            ) from None
    _note(homeless, strange, into)
    for (who, job), done in work.items():
        _keep(who, job, done, into)


def _check_header(header: list[str], file: str) -> None:
    missing = [name for name in NEEDED if name not in header]
    if not set(ANNOTATORS) & set(header):
        missing.append("user_id")
    if missing:
        why = (
            f"not a CVAT event log: no column {', '.join(missing)}; found {', '.join(header[:12])}; "
            f"closest: {closest_layout(header)}"
        )
        raise InputError(
            [Problem(file=file, line=1, why=why, fix="download the event log again, with all its columns")]
        )


def _event(
    row: Mapping[str, str],
    line: int,
    work: dict[tuple[str, str], _Work],
    homeless: Counter[str],
    strange: Counter[str],
    into: Collector,
) -> None:
    scope, job = row.get("scope") or "", (row.get("job_id") or "").strip()
    who = next((row[name].strip() for name in ANNOTATORS if (row.get(name) or "").strip()), "")
    if scope not in KNOWN:
        strange[scope] += 1
    seconds = _working_time(row.get("payload") or "", line, into)
    units = _count(row.get("count") or "1", line, into) if scope in MADE else 0
    if not seconds and not units:
        return
    if not job:
        homeless["seconds"] += round(seconds)
        homeless["units made"] += units
        return
    done = work.setdefault((who, job), _Work())
    done.seconds += seconds
    done.units += units
    done.last = max(done.last, row.get("timestamp") or "")
    done.row = done.row or row


def _working_time(payload: str, line: int, into: Collector) -> float:
    """Seconds of work that an event tells, 0 for none."""
    if not payload.strip():
        return 0.0
    try:
        found: Any = DECODER.decode(payload)
        return max(float(found.get("working_time") or 0.0), 0.0) / MILLISECONDS if isinstance(found, Mapping) else 0.0
    except (json.JSONDecodeError, ValueError, TypeError):
        into.wrong("broken JSON", "export again", line=line, field="payload", value=payload)
        return 0.0


def _count(text: str, line: int, into: Collector) -> int:
    if text.strip().isdecimal():
        return int(text)
    into.wrong("not a whole number", "export again", line=line, field="count", value=text)
    return 0


def _note(homeless: Counter[str], strange: Counter[str], into: Collector) -> None:
    for what, count in homeless.items():
        if count:
            unit = " s of working time" if what == "seconds" else f" {what}"
            into.note(f"{count}{unit} without a job, left out")
    if strange:
        shown = ", ".join(f"{scope or 'none'} ({count})" for scope, count in strange.most_common(10))
        into.note(f"events of scopes that are not used: {shown}")


def _keep(who: str, job: str, done: _Work, into: Collector) -> None:
    if not done.units:
        into.leave_out("jobs with working time and nothing made")
        return
    annotator = into.who(who)
    each = into.duration(done.seconds / done.units) if done.seconds else float("nan")
    task = (done.row.get("task_id") or "").strip()
    record = {key: value for key, value in done.row.items() if value} | {"job": job, "task": task}
    into.add(
        item=f"job {job}",
        slice=into.slice_of(record, f"job {job}", {}),
        source_id=f"{job}/{annotator}",
        kind=WORK,
        annotator=annotator,
        seconds=each * done.units,
        time=utc(done.last),
        source=task,
        units=done.units,
    )
