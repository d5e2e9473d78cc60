"""Label Studio: JSON, a list of tasks with their annotations; or the address of a project."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelvalue import server
from labelvalue.observe.exports.judgements import (
    CHOICE,
    OTHER,
    REGIONS,
    SPANS,
    TEXT,
    Collector,
    all_texts,
    as_text,
    joined,
)
from labelvalue.observe.exports.streams import CHUNK, beginning, json_records, open_export

EXPORT = "Label Studio JSON export"
LAYOUTS = {
    "Label Studio": frozenset({"id", "data", "annotations", "predictions", "project", "drafts"}),
    "Label Studio (JSON_MIN or CSV)": frozenset({"annotation_id", "annotator", "lead_time", "updated_at"}),
}
REGION_TYPES = ("rectanglelabels", "polygonlabels", "brushlabels", "ellipselabels", "keypointlabels", "videorectangle")
CHOICE_TYPES = ("choices", "taxonomy", "rating", "number", "pairwise")
TOKEN, SCHEME = "LABEL_STUDIO_API_KEY", "Token"


def ask(address: str, what: str, body: object = None) -> bytes:
    """Ask the server of a project, named by its page, with the token in ``LABEL_STUDIO_API_KEY``."""
    base, project = server.page(address, "projects")
    token = server.authorization(TOKEN, SCHEME)
    if (refresh := token["Authorization"].partition(" ")[2]).count(".") == 2:  # a personal one gives one of minutes
        fresh = server.ask(f"{base}/api/token/refresh", TOKEN, {"refresh": refresh})
        access = fresh.get("access") if isinstance(fresh, dict) else None
        if not isinstance(access, str) or re.fullmatch(r"[!-~]+", access) is None:
            raise server.no_answer(base)
        token = {"Authorization": f"Bearer {access}"}
    url = f"{base}/api/projects/{project}/{what}"
    return server.send(url, TOKEN, body, token=token, changes=body is not None)


def pull(address: str) -> tuple[str, bytes]:
    """Name and content of an export of a project's annotated tasks."""
    return f"project-{server.page(address, 'projects')[1]}.json", ask(address, "export?exportType=JSON")


def check(address: str) -> None:
    """Find out before the long work that a project cannot be asked."""
    server.page(address, "projects")
    server.authorization(TOKEN, SCHEME)


def read(path: Path, into: Collector) -> None:
    """Read an export."""
    with open_export(path) as stream:
        head = beginning(stream)
        if head[:1] not in (b"[", b""):
            header = stream.readline(CHUNK).decode(errors="replace").split(",")
            into.refuse(EXPORT, dict.fromkeys(name.strip(' "\r\n') for name in header))
        for place, task in json_records(stream, path.name):
            if not isinstance(task, Mapping) or not isinstance(task.get("annotations"), list) or "data" not in task:
                into.refuse(EXPORT, task)
            _task(place, task, into)


def _task(place: int, task: Mapping[str, Any], into: Collector) -> None:
    item = as_text(task.get("id")) or f"record {place}"
    source = as_text(task.get("project")) or ""
    drafts = task.get("drafts")
    if isinstance(drafts, list) and drafts:
        into.leave_out("draft", len(drafts))
    kept = 0
    for number, annotation in enumerate(task["annotations"]):
        kept += _annotation(place, number, annotation, task, item, source, into)
    if not kept:
        into.leave_out("items without judgement")


def _annotation(
    place: int, number: int, annotation: Any, task: Mapping[str, Any], item: str, source: str, into: Collector
) -> bool:
    field = f"annotations[{number}]"
    if not isinstance(annotation, Mapping):
        into.wrong("no annotation, but something else", "export again", item=place, field=field)
        return False
    if annotation.get("was_cancelled") is True:
        into.leave_out("cancelled")
        return False
    label, kind = _label(annotation.get("result"))
    if label is None:
        into.leave_out("empty")
        return False
    if kind in (TEXT, OTHER):
        into.note("free text and relations: count, time and annotator are used, agreement is not computed")
    when = annotation.get("updated_at") or annotation.get("created_at")
    time = into.time(when, f"{field}.updated_at", {"item": place})
    who = annotation.get("completed_by")
    if isinstance(who, Mapping):
        who = who.get("id") or who.get("email")
    own = as_text(annotation.get("id")) or f"{item}/{number}"
    into.add(
        task,
        item,
        {"item": place},
        source_id=own,
        label=label,
        kind=kind,
        annotator=into.who(who),
        seconds=into.duration(annotation.get("lead_time")),
        time=time,
        reference=annotation.get("ground_truth") is True,
        source=source,
    )
    return True


def _label(result: Any) -> tuple[str | None, str]:
    """Label and kind of an annotation's result; ``None`` where it holds nothing."""
    parts = [part for part in result if isinstance(part, Mapping)] if isinstance(result, list) else []
    if not parts:
        return None, OTHER
    labels: list[str] = []
    kinds: set[str] = set()
    for part in parts:
        kind = str(part.get("type", ""))
        value = part.get("value")
        inside = value.get(kind) if isinstance(value, Mapping) else None
        if kind == "textarea":
            kinds.add(TEXT)
            continue
        if kind in CHOICE_TYPES:
            kinds.add(CHOICE)
        elif kind == "labels" or kind.endswith("labels"):
            kinds.add(REGIONS if kind in REGION_TYPES or kind != "labels" else SPANS)
        else:
            kinds.add(OTHER)
            continue
        texts = _texts(inside)
        if texts is None:
            return "", OTHER
        labels += texts
    kind = next(k for k in (REGIONS, SPANS, CHOICE, TEXT, OTHER) if k in kinds)
    return joined(labels) if labels else "", kind


def _texts(value: Any) -> list[str] | None:
    """Labels as text: a list of texts, of paths in a taxonomy, or one text or number; ``None`` for anything else."""
    if value is None:
        return []
    given = value if isinstance(value, list) else [value]
    paths = [all_texts(one) if isinstance(one, list) else all_texts([one]) for one in given]
    return None if None in paths else [" / ".join(path) for path in paths if path is not None]
