"""Judgements as they are collected from an export; a plain table of them."""

import hashlib
import hmac
import json
import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.observe.exports import streams
from labelvalue.observe.exports.streams import open_export
from labelvalue.observe.table.delimited import MAX_PROBLEMS, Limits, Rows, once
from labelvalue.observe.table.files import open_table
from labelvalue.observe.table.schema import NOT_A_TIME, YEARS, Fault, parse_text, repeated
from labelvalue.problems import InputError, Problem, did_you_mean, input_error, listed

LONGEST = 3600.0  # seconds above which a duration is that of a forgotten page
CHOICE, SPANS, REGIONS, TEXT, WORK, OTHER = "choice", "spans", "regions", "text", "work", "other"
RECORDED, GAPS = "recorded", "gaps"
PATHS_SHOWN, ITEMS_SHOWN, REASONS = 30, 20, 50
MAX_JUDGEMENTS = 1_000_000  # rows of an annotations table, whether read, put together or written
MAX_CHARACTERS = 131_072  # characters of a text that is kept, so that every table can be read again
MANY = (names.ITEM, names.SOURCE_ID)  # columns in which hardly any text is there twice
FEW = (names.SLICE, names.ANNOTATOR, names.LABEL, names.SOURCE, names.KIND, names.QUESTION, names.SECONDS_FROM)
"""Columns of few texts, of which one copy is kept."""
EVERYTHING = "all"  # slice of all items where no path is given
_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]+(?:\.[\w-]+)*?(?=\.\w+$|$|[^\w.-])")
"""An address of e-mail in the name of a file, without the file's suffix."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONG_LEFT_OUT = "durations of 0, negative or above 1 hour, labels kept"


def as_text(value: Any) -> str | None:
    """Return text or a number or truth value as it is written; ``None`` for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str.__str__(value) if isinstance(value, str) else None


def all_texts(values: Iterable[Any]) -> list[str] | None:
    """Return texts, numbers and truth values as they are written; ``None`` where anything else is among them."""
    found = [as_text(value) for value in values]
    return None if None in found else [text for text in found if text is not None]


def joined(labels: Iterable[str]) -> str:
    """Return one text for the labels of a judgement: a JSON list where they are several."""
    found = sorted(labels)
    return found[0] if len(found) == 1 else json.dumps(found, ensure_ascii=False)


def find(record: Any, path: str) -> tuple[bool, Any]:
    """Follow a dotted path of keys, and places in lists, into a record; keys may hold dots themselves."""
    if isinstance(record, list):
        record = {str(place): one for place, one in enumerate(record)}
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
    """Return the dotted paths of a record that lead to text or a number."""
    found = []
    for key, value in record.items() if isinstance(record, Mapping) else ():
        if as_text(value) is not None:
            found.append(f"{prefix}{key}")
        elif isinstance(value, Mapping) and depth > 1:
            found += paths_in(value, f"{prefix}{key}.", depth - 1)
    return found


def utc(value: Any) -> datetime | None:
    """Read a time with or without zone, as UTC in whole seconds; ``None`` where it is none."""
    try:
        time = datetime.fromisoformat(str(value).strip())
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time.replace(microsecond=0) if time.year in YEARS else None


def too_many_judgements(rows: int | None = None) -> Problem:
    """Return the problem of more judgements than a table may hold."""
    got = "more judgements" if rows is None else f"{rows} judgements"
    why = f"{got} than a table may hold, over the limit of {MAX_JUDGEMENTS}"
    return Problem(why=why, fix="keep them in several tables, such as one for each year")


class Judgements:
    """Judgements column by column, in as little room as they need."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {name: [] for name in (*MANY, *FEW)}
        self.seconds, self.times, self.units, self.reference = array("d"), array("q"), array("q"), bytearray()
        self._known: dict[str, dict[str, str]] = {name: {} for name in FEW}

    def __len__(self) -> int:
        return len(self.seconds)

    def append(
        self, texts: Mapping[str, str], seconds: float, time: datetime | None, reference: bool, units: int
    ) -> None:
        """Keep one; texts that are not given are empty."""
        if len(self) >= MAX_JUDGEMENTS:
            raise InputError([too_many_judgements()])
        for name in MANY:
            self.texts[name].append(texts.get(name, ""))
        for name, known in self._known.items():
            self.texts[name] += once([texts.get(name, "")], known)
        self.seconds.append(seconds)
        self.times.append(NOT_A_TIME if time is None else (time - EPOCH) // timedelta(microseconds=1))
        self.reference.append(reference)
        self.units.append(units)

    def took(self, place: int, seconds: float, seconds_from: str) -> None:
        """Say afterwards what one took."""
        self.seconds[place] = seconds
        self.texts[names.SECONDS_FROM][place] = seconds_from

    def frame(self) -> pd.DataFrame:
        """Return them as a table, and forget them."""
        columns: dict[str, Any] = {}
        for name in (*MANY, *FEW):
            columns[name] = pd.Series(self.texts.pop(name), dtype=object)  # by and by, and never all of them twice
        columns[names.SECONDS] = np.frombuffer(self.seconds) if len(self) else np.empty(0)
        times = np.frombuffer(self.times, dtype="int64") if len(self) else np.empty(0, dtype="int64")
        columns[names.TIME] = pd.Series(times.view("datetime64[us]")).dt.tz_localize("UTC")
        columns[names.REFERENCE] = np.frombuffer(self.reference, dtype=bool) if len(self) else np.empty(0, dtype=bool)
        columns[names.UNITS] = np.frombuffer(self.units, dtype="int64") if len(self) else np.empty(0, dtype="int64")
        return pd.DataFrame(columns, copy=False)


class Collector:
    """Collects the judgements of one file, with what was left out and why."""

    def __init__(self, file: str, kept: Judgements, *, slice_path: str | None, salt: str, keep_annotators: bool,
                 layouts: Callable[[], Mapping[str, frozenset[str]]] = dict):  # fmt: skip
        self.file, self.slice_path, self.layouts = file, slice_path, layouts
        self.salt, self.keep_annotators = salt, keep_annotators
        self.kept, self.first = kept, len(kept)
        self.counts: Counter[str] = Counter()
        self.notes: dict[str, None] = {}
        self.problems: list[Problem] = []
        self.with_slice = False
        self.without_slice: dict[str, None] = {}
        self.paths: dict[str, None] = {}
        self._checked_slices: dict[str, object] = {}

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Count what is not kept; a reason out of the file is shortened, and one of many counted with others."""
        reason = reason if len(reason) <= ITEMS_SHOWN * 4 else f"{reason[: ITEMS_SHOWN * 4]}…"
        self.counts[reason if reason in self.counts or len(self.counts) < REASONS else "for other reasons"] += count

    def note(self, text: str) -> None:
        """Say something once."""
        self.notes[text] = None

    def wrong(self, why: str, fix: str, *, item: int | None = None, line: int | None = None, field: str = "",
              value: object = None) -> None:  # fmt: skip
        """Note a problem with its place."""
        place = {"item": item, "line": line, "column": field, "value": value}
        self.problems.append(Problem(file=self.file, why=why, fix=fix, **place))  # type: ignore[arg-type]
        if len(self.problems) >= MAX_PROBLEMS:
            raise InputError(self.problems)

    def refuse(self, expected: str, record: Any, fix: str = "name the tool that made the export") -> NoReturn:
        """Refuse a record of another layout."""
        keys = list(record) if isinstance(record, Mapping) else []
        closest = closest_layout(keys, self.layouts())
        if closest.startswith("Label Studio ("):
            fix = "these exports lose what several annotators did: export as JSON"
        article = "an" if expected[0] in "AEIOU" else "a"
        why = f"not {article} {expected}; found keys {listed(keys) if keys else type(record).__name__}"
        raise input_error(f"{why}; closest: {closest}", fix, file=self.file)

    def who(self, name: Any) -> str:
        """Return the salted hash of an annotator's name, or the name where names are kept."""
        text = as_text(name)
        if not text:
            return ""
        if self.keep_annotators:
            return text
        whole = text.encode(errors="surrogatepass")
        return hmac.new(self.salt.encode(), whole, hashlib.sha256).hexdigest()[:16]

    def name_of(self, file: str) -> str:
        """Return the name of a file; where it holds the address of a person, its hash in place of that."""
        if self.keep_annotators or "@" not in file:
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
        if not found or (text is not None and not text.strip()):
            self.without_slice[item] = None
            if len(self.paths) < PATHS_SHOWN:
                self.paths |= dict.fromkeys(paths_in(record))
        elif text is None:
            shown = json.dumps(value, ensure_ascii=False)[:1000]
            self._wrong_slice("not text or number", "give the path of a text or a number", shown, place)
        else:
            self.with_slice = True
            fault = self._checked_slices.get(text)
            if fault is None:
                fault = self._checked_slices[text] = (
                    parse_text(text) if len(self._checked_slices) < MAX_PROBLEMS else text
                )
            if isinstance(fault, Fault):
                self._wrong_slice(*fault, text, place)
        return text or ""

    def _wrong_slice(self, why: str, fix: str, value: str, place: Mapping[str, int | None]) -> None:
        self.wrong(why, fix, field=self.slice_path or "", value=value, **place)

    def time(self, value: Any, field: str, place: Mapping[str, int | None]) -> datetime | None:
        """Return a time in UTC, if one is given; what is wrong with it is noted."""
        time = utc(value) if value else None
        if value and time is None:
            self.wrong("not a time", "write 2026-03-02T09:00:00Z", field=field, value=value, **place)
        return time

    def add(self, record: Any, item: str, place: Mapping[str, int | None], *, source_id: str, label: str = "",
            kind: str = CHOICE, annotator: str = "", seconds: float = math.nan, seconds_from: str = RECORDED,
            time: datetime | None = None, reference: bool = False, source: str = "", question: str = "",
            units: int = 1) -> None:  # fmt: skip
        """Keep a judgement of an item; its slice stands in the record, and ``place`` says where that stands."""
        texts = {
            names.ITEM: item, names.SLICE: self.slice_of(record, item, place), names.ANNOTATOR: annotator,
            names.LABEL: label, names.SOURCE: self.name_of(source), names.SOURCE_ID: source_id, names.KIND: kind,
            names.QUESTION: question, names.SECONDS_FROM: "" if math.isnan(seconds) else seconds_from,
        }  # fmt: skip
        for name, text in texts.items():
            if not text.isascii() or len(text) > MAX_CHARACTERS:
                self._check_text(name, text, place)
        self.kept.append(texts, seconds, time, reference, units)

    def _check_text(self, name: str, text: str, place: Mapping[str, int | None]) -> None:
        """Find half characters, which no file can hold, and texts that would not be read again."""
        half = next((c for c in text if "\ud800" <= c <= "\udfff"), "")
        if half:
            self.wrong(
                f"contains U+{ord(half):04X}, half of a character", "export again", field=name, value=text, **place
            )
        elif len(text) > MAX_CHARACTERS:
            why = f"longer than {MAX_CHARACTERS} characters"
            self.wrong(why, "export labels, not documents", field=name, value=text[:MAX_CHARACTERS], **place)

    def finish(self) -> None:
        """Raise what is wrong."""
        problems = list(self.problems)
        if self.without_slice:
            problems.append(self._missing_slices())
        if not problems and len(self.kept) == self.first:
            left = ", ".join(f"{count} {reason}" for reason, count in self.counts.items()) or "no judgement at all"
            why = f"0 usable labels: {left}"
            problems.append(Problem(file=self.file, why=why, fix="export labels that were submitted"))
        if problems:
            raise InputError(problems)

    def _missing_slices(self) -> Problem:
        if not self.with_slice:
            why = f"no item has a value at {self.slice_path!r}; paths that exist: {listed(self.paths, PATHS_SHOWN)}"
        else:
            why = f"no value at {self.slice_path!r} in items {listed(self.without_slice, ITEMS_SHOWN)}"
        return Problem(
            file=self.file, why=why, fix="give another --slice, or mend the items", column=self.slice_path or ""
        )


def closest_layout(keys: Iterable[str], layouts: Mapping[str, frozenset[str]]) -> str:
    """Return the name of the layout that keys fit best."""
    found = set(keys)
    scores = {}
    for name, known in layouts.items():
        ends = tuple(key for key in known if key.startswith("."))
        plain = known - {*ends}
        told = any(key.endswith(ends) for key in found) if ends else False
        scores[name] = 1.0 + told if told else len(found & plain) / len(plain)
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0.3 else "none"


COLUMNS = (names.ITEM, names.ANNOTATOR, names.LABEL, names.SECONDS, names.TIME, names.REFERENCE, names.SOURCE,
           names.SOURCE_ID, names.KIND, names.QUESTION)  # fmt: skip
MAX_ROWS, MAX_CELL = 5_000_000, 1024**2
"""Rows that are walked, not all of which are judgements, and characters of a cell, which may be none of ours."""
TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no", "")


def read_mapped(path: Path, into: Collector, columns: Mapping[str, str]) -> None:
    """Read a table."""
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        why = f"unknown column {unknown[0]!r}{did_you_mean(unknown[0], COLUMNS)}"
        raise input_error(why, f"one of {', '.join(COLUMNS)}", column="--map")
    theirs = {name: columns.get(name, name) for name in COLUMNS}
    open_export(path).close()
    limits = Limits(rows=MAX_ROWS, cell=MAX_CELL, size=streams.MAX_BYTES, fix="import it in parts")
    with open_table(path, limits) as rows:
        read = _columns(rows.header, path.name, rows.header_line, theirs, columns, into)
        commas = isinstance(rows, Rows) and rows.separator != ","
        for lines, part in rows.parts(read):
            for line, cells in zip(lines, zip(*part.values(), strict=True), strict=True):
                record = dict(zip(read, map(cell_text, cells), strict=True))
                if commas and theirs[names.SECONDS] in record:
                    record[theirs[names.SECONDS]] = record[theirs[names.SECONDS]].replace(",", ".")
                _row(line, record, theirs, path.name, into)
        into.problems += rows.problems
        for note in rows.notes("," if commas else "."):
            into.note(note)


def _columns(
    header: Sequence[str],
    file: str,
    line: int | None,
    theirs: Mapping[str, str],
    columns: Mapping[str, str],
    into: Collector,
) -> list[str]:
    """Return which columns are read: those of ours that are there, and that of the slices."""
    if problems := repeated(header, file, line):
        raise InputError(problems)
    absent = [t for name, t in theirs.items() if t not in header and (name in columns or name == names.ITEM)]
    if absent:
        why = f"no column {', '.join(map(repr, absent))}; found {listed(header)}"
        raise input_error(why, "map it, such as --map item=task_id", file=file, line=line)
    if into.slice_path is not None and into.slice_path not in header:
        why = f"no column {into.slice_path!r}{did_you_mean(into.slice_path, header)}; found {listed(header)}"
        raise input_error(why, "give another --slice", file=file, line=line)
    return [name for name in header if name == into.slice_path or name in theirs.values()]


def _row(line: int, record: Mapping[str, str], theirs: Mapping[str, str], file: str, into: Collector) -> None:
    def of(name: str) -> str:
        return record.get(theirs[name], "").strip()

    item = of(names.ITEM)
    if not item:
        into.wrong("is empty", "name the item that was judged", line=line, field=theirs[names.ITEM])
        return
    if not of(names.LABEL) and theirs[names.LABEL] in record:
        into.leave_out("unlabelled")
        return
    time = into.time(of(names.TIME), theirs[names.TIME], {"line": line})
    reference = of(names.REFERENCE).lower()
    if reference not in (*TRUE, *FALSE):
        into.wrong(
            "not true or false", "write true or false", line=line, field=theirs[names.REFERENCE], value=reference
        )
    who = into.who(of(names.ANNOTATOR))
    into.add(
        record,
        item,
        {"line": line},
        source_id=of(names.SOURCE_ID) or f"line {line}",
        label=of(names.LABEL),
        kind=of(names.KIND) or CHOICE,
        annotator=who,
        seconds=into.duration(of(names.SECONDS)),
        time=time,
        reference=reference in TRUE,
        source=of(names.SOURCE) or file,
        question=of(names.QUESTION),
    )


def cell_text(cell: object) -> str:
    """Return a cell as text, as it would stand in CSV; ``""`` where there is nothing."""
    if isinstance(cell, str):
        return cell
    if cell is None or cell != cell:  # NaN, and pandas' NaT
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
