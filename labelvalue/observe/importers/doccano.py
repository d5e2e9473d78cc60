"""doccano: JSONL, or a ZIP with a file for each member."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from labelvalue.observe.exports.judgements import CHOICE, OTHER, SPANS, Collector, as_text, joined
from labelvalue.observe.exports.streams import SIGNATURE, beginning, json_lines, open_export, open_members

EXPORT = "doccano export"
LAYOUTS = {
    "doccano": frozenset({"id", "text", "label", "Comments"}),
    "doccano (combined)": frozenset({"id", "text", "entities", "cats", "Comments"}),
}
SHARED = "all"  # name of the file in which members' labels are merged


def read(path: Path, into: Collector) -> None:
    """Read an export."""
    with open_export(path) as stream:
        if beginning(stream).startswith(SIGNATURE):
            for name, inside in open_members(stream, path.name, lambda name: name.endswith((".jsonl", ".json"))):
                stem = PurePosixPath(name).stem
                _lines(inside, name, "" if stem == SHARED else stem, path.name, into)
        else:
            into.note("labels of several members are merged: several labels of an item only hint at disagreement")
            _lines(stream, path.name, "", path.name, into)


def _lines(stream: BinaryIO, file: str, member: str, source: str, into: Collector) -> None:
    who = into.who(member)
    for line, record in json_lines(stream, file):
        if (
            not isinstance(record, Mapping)
            or not {"label", "entities", "cats"} & set(record)
            or "_input_hash" in record
        ):
            into.refuse(EXPORT, record)
        item = as_text(record.get("id")) or f"line {line}"
        label, kind = _label(record)
        if label is None:
            into.leave_out("unlabelled")
            continue
        into.add(
            record,
            item,
            {"line": line},
            source_id=f"{item}/{who}" if who else item,
            label=label,
            kind=kind,
            annotator=who,
            source=source,
        )


def _label(record: Mapping[str, Any]) -> tuple[str | None, str]:
    """Label and kind of a record; ``None`` where this member did not label it."""
    found: list[str] = []
    spans = False
    for key in ("label", "cats", "entities"):
        given = record.get(key)
        text = as_text(given)
        if text:
            found.append(text)
        for one in given if isinstance(given, list) else []:
            name = one[2] if isinstance(one, list) and len(one) > 2 else one
            name = one.get("label") if isinstance(one, Mapping) else name
            spans |= not isinstance(one, str)
            if (text := as_text(name)) is None:
                return "", OTHER
            found.append(text)
    if not found:
        return None, OTHER
    return joined(found), SPANS if spans else CHOICE
