"""Judgements as they are collected from an export: checked, hashed, counted."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from labelvalue import names
from labelvalue.observe.exports.streams import Written
from labelvalue.problems import InputError, Problem

LONGEST = 3600.0
"""Seconds above which a duration is that of a forgotten page."""
CHOICE, SPANS, REGIONS, TEXT, WORK, OTHER = "choice", "spans", "regions", "text", "work", "other"
RECORDED, GAPS = "recorded", "gaps"
PATHS_SHOWN, ITEMS_SHOWN = 30, 20
EVERYTHING = "all"
"""Slice of all items where no path is given."""
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*?(?=\.\w+$|$|[^\w.-])")
"""An address of e-mail in the name of a file, without the file's suffix."""
LONG_LEFT_OUT = "durations of 0, negative or above 1 hour, labels kept"


def as_text(value: Any) -> str | None:
    """Return text or a number or truth value as it is written; ``None`` for anything else.

    Parameters
    ----------
    value : object
        From JSON.

    Returns
    -------
    str or None

    Examples
    --------
    >>> as_text(Written("1.50")), as_text(True), as_text(["FR"]), as_text(None)
    ('1.50', 'true', None, None)
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else None


def joined(labels: Iterable[str]) -> str:
    """Return one text for the labels of a judgement: a JSON list where they are several.

    Parameters
    ----------
    labels : iterable of str
        Labels.

    Returns
    -------
    str

    Examples
    --------
    >>> joined(["delivery"]), joined(["b", "a"])
    ('delivery', '["a", "b"]')
    """
    found = sorted(labels)
    return found[0] if len(found) == 1 else json.dumps(found, ensure_ascii=False)


def find(record: Any, path: str) -> tuple[bool, Any]:
    """Follow a dotted path into a record; keys may hold dots themselves.

    Parameters
    ----------
    record : object
        From JSON.
    path : str
        Such as ``data.meta.country``.

    Returns
    -------
    found : bool
        Whether the path exists.
    value : object
        What is there.

    Examples
    --------
    >>> find({"data": {"meta.x": {"country": "FR"}}}, "data.meta.x.country")
    (True, 'FR')
    """
    if not isinstance(record, Mapping):
        return False, None
    if path in record:
        return True, record[path]
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        key = ".".join(parts[:cut])
        if key in record:
            found, value = find(record[key], ".".join(parts[cut:]))
            if found:
                return found, value
    return False, None


def paths_in(record: Any, prefix: str = "", depth: int = 4) -> list[str]:
    """Return the dotted paths of a record that lead to text or a number.

    Parameters
    ----------
    record : object
        From JSON.
    prefix : str
        Path of the record.
    depth : int
        Levels to descend.

    Returns
    -------
    list of str

    Examples
    --------
    >>> paths_in({"id": "1", "data": {"country": "FR", "tags": []}})
    ['id', 'data.country']
    """
    found = []
    for key, value in record.items() if isinstance(record, Mapping) else ():
        if as_text(value) is not None:
            found.append(f"{prefix}{key}")
        elif isinstance(value, Mapping) and depth > 1:
            found += paths_in(value, f"{prefix}{key}.", depth - 1)
    return found


def utc(value: Any) -> datetime | None:
    """Read a time with or without zone, as UTC in whole seconds; ``None`` where it is none.

    Parameters
    ----------
    value : object
        ISO 8601 text.

    Returns
    -------
    datetime or None
        With zone UTC; text without a zone is taken as UTC.

    Examples
    --------
    >>> utc("2026-03-02 11:38:27.301183+03:00").isoformat()
    '2026-03-02T08:38:27+00:00'
    """
    try:
        time = datetime.fromisoformat(str(value).strip())
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time.replace(microsecond=0)


class Collector:
    """Collects the judgements of one import, with what was left out and why.

    Examples
    --------
    >>> collector = Collector("export.json", slice_path="country", salt="s", keep_annotators=False)
    >>> collector.leave_out("cancelled")
    >>> collector.counts["cancelled"]
    1
    """

    def __init__(self, file: str, *, slice_path: str | None, salt: str, keep_annotators: bool):
        self.file, self.slice_path = file, slice_path
        self.salt, self.keep_annotators = salt, keep_annotators
        self.rows: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()
        self.notes: dict[str, None] = {}
        self.problems: list[Problem] = []
        self.without_slice: dict[str, None] = {}
        self.paths: dict[str, None] = {}

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Count what is not kept."""
        self.counts[reason] += count

    def note(self, text: str) -> None:
        """Say something once."""
        self.notes[text] = None

    def wrong(self, why: str, fix: str, *, item: int | None = None, line: int | None = None, field: str = "",
              value: object = None) -> None:  # fmt: skip
        """Note a problem with its place."""
        place = {"item": item, "line": line, "column": field, "value": value}
        self.problems.append(Problem(file=self.file, why=why, fix=fix, **place))  # type: ignore[arg-type]

    def who(self, name: Any) -> str:
        """Return the salted hash of an annotator's name, or the name where names are kept."""
        text = as_text(name)
        if not text:
            return ""
        if self.keep_annotators:
            return text
        return hmac.new(self.salt.encode(), text.encode(), hashlib.sha256).hexdigest()[:16]

    def name_of(self, file: str) -> str:
        """Return the name of a file; where it holds the address of a person, its hash in place of that."""
        if self.keep_annotators or not _ADDRESS.search(file):
            return file
        return _ADDRESS.sub(lambda found: self.who(found[0]), file)

    def duration(self, value: Any) -> float:
        """Return seconds, NaN where they are unknown or are no time that anybody worked."""
        if value is None or value == "":
            return math.nan
        try:
            seconds = float(value)
        except (TypeError, ValueError):
            seconds = math.nan
        if not 0 < seconds <= LONGEST:
            self.leave_out(LONG_LEFT_OUT)
            return math.nan
        return seconds

    def slice_of(self, record: Any, item: str, place: Mapping[str, int | None]) -> str:
        """Return the text at the path of slices; what is wrong with it is noted."""
        if self.slice_path is None:
            return EVERYTHING
        found, value = find(record, self.slice_path)
        text = as_text(value)
        if not found:
            self.without_slice[item] = None
            if len(self.paths) < PATHS_SHOWN:
                self.paths |= dict.fromkeys(paths_in(record))
        elif text is None:
            fix = "give the path of a text or a number"
            shown = json.dumps(value, ensure_ascii=False)
            self.problems.append(
                Problem(file=self.file, why="not text or number", fix=fix, column=self.slice_path, value=shown, **place)
            )
        return text or ""

    def add(self, *, item: str, slice: str, source_id: str, label: str = "", kind: str = CHOICE, annotator: str = "",
            seconds: float = math.nan, seconds_from: str = RECORDED, time: datetime | None = None,
            reference: bool = False, source: str = "", question: str = "", units: int = 1) -> None:  # fmt: skip
        """Keep a judgement."""
        known = not math.isnan(seconds)
        self.rows.append({
            names.ITEM: item, names.SLICE: slice, names.ANNOTATOR: annotator, names.LABEL: label,
            names.SECONDS: seconds, names.TIME: time, names.REFERENCE: reference, names.SOURCE: self.name_of(source),
            names.SOURCE_ID: source_id, names.KIND: kind, names.QUESTION: question, names.UNITS: units,
            names.SECONDS_FROM: seconds_from if known else "",
        })  # fmt: skip

    def finish(self) -> None:
        """Raise what is wrong.

        Raises
        ------
        InputError
            For every problem; for slices that are missing; where nothing is left.
        """
        problems = list(self.problems)
        if self.without_slice:
            problems.append(self._missing_slices())
        if not problems and not self.rows:
            left = ", ".join(f"{count} {reason}" for reason, count in self.counts.items()) or "no judgement at all"
            why = f"0 usable labels: {left}"
            problems.append(Problem(file=self.file, why=why, fix="export labels that were submitted"))
        if problems:
            raise InputError(problems)

    def _missing_slices(self) -> Problem:
        items = list(self.without_slice)
        if all(row[names.SLICE] == "" for row in self.rows):
            there = ", ".join(list(self.paths)[:PATHS_SHOWN]) or "none"
            why = f"no item has a value at {self.slice_path!r}; paths that exist: {there}"
        else:
            more = f" … and {len(items) - ITEMS_SHOWN} more" if len(items) > ITEMS_SHOWN else ""
            why = f"no value at {self.slice_path!r} in items {', '.join(items[:ITEMS_SHOWN])}{more}"
        return Problem(
            file=self.file, why=why, fix="give another --slice, or mend the items", column=self.slice_path or ""
        )


def settle(value: str) -> str:
    """Return text without the mark of a number."""
    return str.__str__(value) if isinstance(value, Written) else value
