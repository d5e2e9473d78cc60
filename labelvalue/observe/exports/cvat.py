"""CVAT's exports: annotations as XML, in a ZIP or alone, and the event log."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from labelvalue.observe.exports.archives import SIGNATURE, open_members, safe_members
from labelvalue.observe.exports.cvat_events import read_events
from labelvalue.observe.exports.cvat_xml import EXPORT, read_xml
from labelvalue.observe.exports.judgements import Collector
from labelvalue.observe.exports.layouts import refuse
from labelvalue.observe.exports.streams import open_export
from labelvalue.problems import InputError, Problem


def read(path: Path, into: Collector) -> None:
    """Read an export.

    Parameters
    ----------
    path : pathlib.Path
        XML, ZIP or CSV file.
    into : Collector
        Takes the judgements.

    Raises
    ------
    InputError
        If it is of another layout, broken, or an unsafe archive.

    Examples
    --------
    See :func:`labelvalue.read_annotations`.
    """
    with open_export(path) as stream:
        start = stream.tell()
        head = stream.read(64)
        if head.lstrip()[:1] == b"<":
            stream.seek(start)
            read_xml(stream, path.name, into)
            return
    if head.startswith(SIGNATURE):
        members = [m for m in safe_members(path) if PurePosixPath(m.filename).suffix == ".xml"]
        if not members:
            why = f"not a {EXPORT}: the archive holds no XML"
            raise InputError([Problem(file=path.name, why=why, fix="export as CVAT for images or video 1.1")])
        for name, inside in open_members(path, members):
            read_xml(inside, name, into)
    elif head.lstrip()[:1] in (b"{", b"["):
        refuse(path.name, EXPORT, {})
    else:
        read_events(path, into)
