"""CVAT: XML 1.1, its ZIP, or the event log as CSV."""

import codecs
import dataclasses
from array import array
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NoReturn
from xml.parsers import expat

from labelvalue.observe.exports.judgements import (
    CHOICE,
    MAX_JUDGEMENTS,
    PATHS_SHOWN,
    REGIONS,
    WORK,
    Collector,
    as_text,
    closest_layout,
    joined,
    too_many_judgements,
    utc,
)
from labelvalue.observe.exports.streams import CHUNK, SIGNATURE, beginning, decode, open_export, open_members
from labelvalue.observe.table.delimited import MAX_KEPT, Limits, once, open_rows
from labelvalue.observe.table.schema import Fault, parse_count, parse_number, repeated
from labelvalue.problems import InputError, Problem, input_error, listed
from labelvalue.settings import MAX_COUNT

LAYOUTS = {"CVAT event log": frozenset({"scope", "obj_name", "payload", "timestamp", "job_id", "user_id"})}
MARKS = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}


def read(path: Path, into: Collector) -> None:
    """Read an export."""
    with open_export(path) as stream:
        head = beginning(stream)
        if head.startswith(SIGNATURE):
            _zipped(stream, path.name, into)
        elif head.startswith((b"<", *(mark + "<".encode(name) for name, mark in MARKS.items()))):
            read_xml(stream, path.name, into)
        elif head[:1] in (b"{", b"["):
            into.refuse(EXPORT, {})
        else:
            read_events(stream, path.name, into)


def _zipped(stream: BinaryIO, file: str, into: Collector) -> None:
    found = False
    for name, inside in open_members(stream, file, lambda name: PurePosixPath(name).suffix == ".xml"):
        found = True
        read_xml(inside, name, into)
    if not found:
        why = f"not a {EXPORT}: the archive holds no XML"
        raise input_error(why, "export as CVAT for images or video 1.1", file=file)


EXPORT = "CVAT XML 1.1 export"
SHAPES = ("box", "polygon", "polyline", "points", "mask", "cuboid", "ellipse", "skeleton", "tag")
MANUAL = ("manual", "")
OWNERS = ("task", "project", "job")
MAX_DEPTH, MAX_ELEMENT = 64, 16 * 1024**2  # elements within each other, and bytes of the tag of one
MAX_TEXT = 10_000  # characters of a value in ``meta``
KEPT = ("id", "name", "updated", "status")  # what is kept of a task, project or job


@dataclasses.dataclass(slots=True)
class _Image:
    """An image, or a frame of a video, while its shapes are read."""

    number: str
    name: str
    labels: list[str] = dataclasses.field(default_factory=list)
    tags: list[str] = dataclasses.field(default_factory=list)
    automatic: int = 0


class _Reader:
    """Follows the elements of the file; keeps one image at a time, and the frames of tracks."""

    def __init__(self, file: str, into: Collector):
        self.file, self.into = file, into
        self.path: list[str] = []
        self.meta: dict[str, str] = {}
        self.text: list[str] = []
        self.length = 0
        self.image: _Image | None = None
        self.track: dict[str, str] = {}
        self.frames: dict[str, _Image] = {}
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.hear
        self.parser.EntityDeclHandler = self.refuse_entity
        self.parser.ExternalEntityRefHandler = self.refuse_entity

    def refuse_entity(self, *_: Any) -> NoReturn:
        raise InputError([self.wrong("entities are declared in the XML, which an export never does")])

    def wrong(self, why: str) -> Problem:
        line = self.parser.CurrentLineNumber
        return Problem(file=self.file, line=line, why=why, fix="export again, by the tool")

    def hear(self, text: str) -> None:
        """Keep the text of an element of ``meta``, as much of it as a value has."""
        if len(self.path) > 2 and self.path[1] == "meta" and self.length < MAX_TEXT:
            self.text.append(text[:MAX_TEXT])
            self.length += len(text)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.path and name != "annotations":
            why = f"not a {EXPORT}; found element {name!r}; closest: none"
            raise input_error(why, "export as CVAT for images or video 1.1", file=self.file, line=1)
        if len(self.path) >= MAX_DEPTH:
            why = f"elements nested too deeply, over the limit of {MAX_DEPTH}"
            raise InputError([self.wrong(why)])
        self.path.append(name)
        self.text, self.length = [], 0
        if name == "image":
            self.image = _Image(attributes.get("id", ""), attributes.get("name", ""))
        elif name == "track":
            self.track = attributes
        elif name in SHAPES and self.image is not None:
            self.shape(self.image, name, attributes.get("label", ""), attributes.get("source", ""))
        elif name in SHAPES and self.track:
            self.keyframe(name, attributes)

    def shape(self, image: _Image, name: str, label: str, source: str) -> None:
        if source.lower() not in MANUAL:
            image.automatic += 1
        elif name == "tag":
            image.tags.append(label)
        else:
            image.labels.append(label)

    def keyframe(self, name: str, attributes: dict[str, str]) -> None:
        if attributes.get("keyframe") != "1" or attributes.get("outside") == "1":
            return
        number = attributes.get("frame", "")
        frame = self.frames.setdefault(number, _Image(number, f"frame {number}"))
        source = attributes.get("source", self.track.get("source", ""))
        self.shape(frame, name, self.track.get("label", ""), source)

    def end(self, name: str) -> None:
        self.path.pop()
        if len(self.path) > 1 and self.path[1] == "meta" and self.path[-1] in OWNERS and name in KEPT:
            self.meta.setdefault(f"{self.path[-1]}.{name}", "".join(self.text).strip())
        if name == "image" and self.image is not None:
            self.finish(self.image)
            self.image = None
        elif name == "track":
            self.track = {}

    def of(self, key: str) -> str:
        """A value of the task, else of the project, else of the job."""
        return next((self.meta[k] for owner in OWNERS if (k := f"{owner}.{key}") in self.meta), "")

    def finish(self, image: _Image) -> None:
        """Keep an image that somebody labelled; count the others."""
        by_tag = self.into.slice_path == "tag"
        labels = image.labels if by_tag else [*image.labels, *image.tags]
        complete = self.of("status") == "completed"
        if not (image.labels or image.tags) and not (complete and not image.automatic):
            self.into.leave_out("images with automatic shapes only" if image.automatic else "images without shapes")
            return
        self.into.add(
            self.record(image),
            image.name or image.number,
            {"line": self.parser.CurrentLineNumber},
            source_id=image.number or image.name,
            label=joined(sorted(set(labels))) if labels else "",
            kind=CHOICE if image.tags and not image.labels and not by_tag else REGIONS,
            time=self.time(),
            source=self.of("id"),
        )

    def time(self) -> datetime | None:
        return utc(self.of("updated")) if self.of("updated") else None

    def record(self, image: _Image) -> dict[str, Any]:
        """What may tell the slice: a part of the image's path, the task's name, or the image's tag."""
        parts = [*PurePosixPath(image.name).parts]
        record: dict[str, Any] = {"path": {str(i): part for i, part in enumerate(parts)}, "name": image.name}
        record["path"] |= {str(i - len(parts)): part for i, part in enumerate(parts)}
        record["task"] = self.of("name")
        if len(image.tags) == 1:
            record["tag"] = image.tags[0]
        return record


def read_xml(stream: BinaryIO, file: str, into: Collector) -> None:
    """Read annotations from XML."""
    reader = _Reader(file, into)
    given = 0
    try:
        while chunk := stream.read(CHUNK):
            reader.parser.Parse(chunk, False)
            given += len(chunk)
            if given - reader.parser.CurrentByteIndex > MAX_ELEMENT:
                raise InputError([reader.wrong(f"an element over the limit of {MAX_ELEMENT} bytes")])
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        why = f"broken or cut-off XML: {expat.ErrorString(error.code)}, at byte {reader.parser.ErrorByteIndex}"
        raise input_error(why, "export again; nothing was imported", file=file, line=error.lineno) from None
    except (LookupError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        why = f"the encoding that the XML declares cannot be read: {error}"
        raise input_error(why, "save it as UTF-8, and declare that", file=file, line=1) from None
    for frame in reader.frames.values():
        reader.finish(frame)


NEEDED = ("scope", "timestamp", "job_id", "payload")
ANNOTATORS = ("user_id", "user_name", "user_email")
MADE = ("create:shapes", "create:tags", "create:tracks")
KNOWN = (*MADE, "send:working_time", "update:shapes", "update:tags", "update:tracks", "delete:shapes", "delete:tags",
         "delete:tracks", "load:job", "save:job", "change:frame", "update:job")  # fmt: skip
MILLISECONDS = 1000.0
LARGEST_CELL = 1024**2
LONGEST = 20_000_000  # events of a log
SCOPES, SHOWN = 1_000, 1_000  # scopes that are counted apart, and characters of a cell that are told


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
        if problems := repeated(header, file, rows.header_line):
            raise InputError(problems)
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
    row: Mapping[str, str], line: int, work: _Work, homeless: Counter[str], strange: Counter[str], into: Collector
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
        record,
        f"job {job}",
        {"line": line},
        source_id=f"{job}/{annotator}",
        kind=WORK,
        annotator=annotator,
        seconds=each * units,
        time=utc(work.last[place]),
        source=task,
        units=units,
    )
