"""CVAT's annotations as XML 1.1, alone or in the exported ZIP."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NoReturn
from xml.parsers import expat

from labelvalue.observe.exports.judgements import CHOICE, REGIONS, Collector, joined, utc
from labelvalue.observe.exports.streams import CHUNK
from labelvalue.problems import InputError, Problem, input_error

EXPORT = "CVAT XML 1.1 export"
SHAPES = ("box", "polygon", "polyline", "points", "mask", "cuboid", "ellipse", "skeleton", "tag")
MANUAL = ("manual", "")
OWNERS = ("task", "project", "job")
MAX_DEPTH, MAX_ELEMENT = 64, 16 * 1024**2
"""Elements within each other, and bytes of the tag of one."""
MAX_TEXT = 10_000
"""Characters of a value in ``meta``."""
KEPT = ("id", "name", "updated", "status")
"""What is kept of a task, project or job."""


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
            item=image.name or image.number,
            slice=self.slice_of(image),
            source_id=image.number or image.name,
            label=joined(sorted(set(labels))) if labels else "",
            kind=CHOICE if image.tags and not image.labels and not by_tag else REGIONS,
            time=self.time(),
            source=self.of("id"),
            place={"line": self.parser.CurrentLineNumber},
        )

    def time(self) -> datetime | None:
        return utc(self.of("updated")) if self.of("updated") else None

    def slice_of(self, image: _Image) -> str:
        """Slice by a part of the image's path, by the task's name, or by the image's tag."""
        parts = [*PurePosixPath(image.name).parts]
        record: dict[str, Any] = {"path": {str(i): part for i, part in enumerate(parts)}, "name": image.name}
        record["path"] |= {str(i - len(parts)): part for i, part in enumerate(parts)}
        record["task"] = self.of("name")
        if len(image.tags) == 1:
            record["tag"] = image.tags[0]
        return self.into.slice_of(record, image.name or image.number, {"line": self.parser.CurrentLineNumber})


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
