"""Which tool's export a record looks like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labelvalue.problems import InputError, Problem, listed

SIGNATURES: Mapping[str, frozenset[str]] = {
    "Label Studio": frozenset({"id", "data", "annotations", "predictions", "project", "drafts"}),
    "Label Studio (JSON_MIN or CSV)": frozenset({"annotation_id", "annotator", "lead_time", "updated_at"}),
    "Argilla": frozenset({"id", "fields", "metadata", "responses", "suggestions", "vectors", "_server_id"}),
    "doccano": frozenset({"id", "text", "label", "Comments"}),
    "doccano (combined)": frozenset({"id", "text", "entities", "cats", "Comments"}),
    "Prodigy": frozenset({"_input_hash", "_task_hash", "answer", "_session_id", "_view_id"}),
    "CVAT event log": frozenset({"scope", "obj_name", "payload", "timestamp", "job_id", "user_id"}),
}
FLATTENED = (".responses", ".responses.users", ".responses.status", ".suggestion")


def closest_layout(keys: Iterable[str]) -> str:
    """Return the name of the layout that keys fit best."""
    found = set(keys)
    if any(key.endswith(FLATTENED) for key in found):
        return "Argilla"
    scores = {name: len(found & keys) / len(keys) for name, keys in SIGNATURES.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0.3 else "none"


def refuse(file: str, expected: str, record: Any, fix: str = "name the tool that made the export") -> None:
    """Refuse a record of another layout."""
    keys = list(record) if isinstance(record, Mapping) else []
    shown = listed(keys) if keys else type(record).__name__
    closest = closest_layout(keys)
    if closest.startswith("Label Studio ("):
        fix = "these exports lose what several annotators did: export as JSON"
    article = "an" if expected[0] in "AEIOU" else "a"
    why = f"not {article} {expected}; found keys {shown}; closest: {closest}"
    raise InputError([Problem(file=file, why=why, fix=fix)])
