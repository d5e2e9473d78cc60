"""CVAT: XML 1.1, its ZIP, or the event log as CSV."""

from __future__ import annotations

import codecs
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from labelvalue.observe.exports.archives import SIGNATURE, open_members
from labelvalue.observe.exports.cvat_events import read_events
from labelvalue.observe.exports.cvat_xml import EXPORT, read_xml
from labelvalue.observe.exports.judgements import Collector
from labelvalue.observe.exports.streams import beginning, open_export
from labelvalue.problems import input_error

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
