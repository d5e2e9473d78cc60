"""Argilla: records as JSON, flattened or nested."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelvalue.observe.exports.judgements import CHOICE, OTHER, SPANS, Collector, all_texts, as_text, joined
from labelvalue.observe.exports.streams import json_records, open_export

EXPORT = "Argilla JSON export"
ENDS = (".responses", ".responses.users", ".responses.status", ".suggestion")  # of keys of flattened records
LAYOUTS = {
    "Argilla": frozenset({"id", "fields", "metadata", "responses", "suggestions", "vectors", "_server_id", *ENDS})
}
RESPONSES, USERS, STATUS = ".responses", ".responses.users", ".responses.status"
SUBMITTED = "submitted"


def read(path: Path, into: Collector) -> None:
    """Read an export."""
    with open_export(path) as stream:
        for place, record in json_records(stream, path.name):
            if not isinstance(record, Mapping):
                into.refuse(EXPORT, record)
            if isinstance(record.get("responses"), Mapping) and "fields" in record:
                into.note(
                    "nested records do not tell drafts from answers: export flattened records to leave drafts out"
                )
                answers = _nested(record)
            elif any(key.endswith(RESPONSES) for key in record):
                answers = _flattened(place, record, into)
            else:
                into.refuse(EXPORT, record)
            _record(place, record, answers, path.name, into)


def _nested(record: Mapping[str, Any]) -> list[tuple[str, Any, Any, Any]]:
    """Question, value, user and status of every response."""
    return [
        (question, one.get("value"), one.get("user_id"), one.get("status", SUBMITTED))
        for question, given in record["responses"].items()
        for one in (given if isinstance(given, list) else [])
        if isinstance(one, Mapping)
    ]


def _flattened(place: int, record: Mapping[str, Any], into: Collector) -> list[tuple[str, Any, Any, Any]]:
    found = []
    for key, values in record.items():
        if not key.endswith(RESPONSES) or not isinstance(values, list):
            continue
        question = key.removesuffix(RESPONSES)
        users, status = record.get(question + USERS), record.get(question + STATUS)
        if users is None:
            users = [None] * len(values)
        if status is None:
            status = [SUBMITTED] * len(values)
            into.note("no status of responses: drafts count as answers")
        lengths = {len(part) if isinstance(part, list) else -1 for part in (values, users, status)}
        if len(lengths) > 1:
            why = "responses, users and status are lists of unequal length"
            into.wrong(why, "export again", item=place, field=key)
            continue
        found += [(question, *one) for one in zip(values, users, status, strict=True)]
    return found


def _record(
    place: int, record: Mapping[str, Any], answers: list[tuple[str, Any, Any, Any]], file: str, into: Collector
) -> None:
    item = as_text(record.get("id")) or f"record {place}"
    if not answers:
        into.leave_out("records without response")
    for number, (question, value, user, status) in enumerate(answers):
        if status != SUBMITTED:
            into.leave_out(str(status))
            continue
        label, kind = _label(value)
        if label is None:
            into.leave_out("empty")
            continue
        who = into.who(user)
        into.add(
            record,
            item,
            {"item": place},
            source_id=f"{question}/{who or number}",
            label=label,
            kind=kind,
            annotator=who,
            source=file,
            question=question,
        )


def _label(value: Any) -> tuple[str | None, str]:
    text = as_text(value)
    if text is not None:
        return text, CHOICE
    if not isinstance(value, list) or not value:
        return None, OTHER
    if (texts := all_texts(value)) is not None:
        return joined(texts), CHOICE
    spans = all_texts(v.get("label") if isinstance(v, Mapping) else None for v in value)
    return ("", OTHER) if spans is None else (joined(spans), SPANS)
