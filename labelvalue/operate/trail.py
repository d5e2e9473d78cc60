"""The trail: the ledger in words, checked from end to end, and as one document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from labelvalue import names
from labelvalue.operate.batches import Batch, check_files, standing
from labelvalue.operate.folders import check_folder, manifest_digest
from labelvalue.operate.ledger import Ledger
from labelvalue.operate.places import FITS, RUNS, published
from labelvalue.operate.records import FIRST, Record
from labelvalue.operate.scorecard import CELLS, SURPRISE, calibration
from labelvalue.problems import InputError, Problem, StorageError

if TYPE_CHECKING:
    from labelvalue.operate.project import Project


def history(records: Sequence[Record]) -> pd.DataFrame:
    """Lay records out as a table: number, time, kind, who, and what in a few words."""
    rows = [(r.number, r.time, r.kind, r.content.get("by", ""), _WORDS[r.kind](r.content)) for r in records]
    return pd.DataFrame(rows, columns=["number", "time", "kind", "by", "what"])


def _batch(content: Mapping[str, Any]) -> str:
    instead = f" instead of record {content['supersedes']}" if content["supersedes"] else ""
    return f"batch {content[names.BATCH]!r}, {content['rows']} runs{instead}"


def _fit(content: Mapping[str, Any]) -> str:
    state = "published" if content["published"] else "not published: " + "; ".join(content["reasons"])
    return f"fit {content['fit']} of {len(content['batches'])} batches, {content['verdict']}, {state}"


def _forecast(content: Mapping[str, Any]) -> str:
    what = f"batch {content[names.BATCH]!r}" if content["of"] == names.BATCH else "budgets"
    return f"forecast of {what} by fit {content['fit']}, {len(content[CELLS])} cells"


def _score(content: Mapping[str, Any]) -> str:
    cells = content[CELLS]
    held = int(sum(cell[names.COVERS_90] for cell in cells))
    inside = f"{held} of {len(cells)} in their 90 % interval"
    return f"batch {content[names.BATCH]!r}: {inside}, surprise {content[SURPRISE]:.3g}"


def _check(content: Mapping[str, Any]) -> str:
    if content["of"] == "triggers":
        fired = [found["trigger"] for found in content["triggers"] if found["fired"]]
        return f"triggers after batch {content[names.BATCH]!r}: {', '.join(fired) or 'none'}"
    if content["of"] == "guardrails":
        rules = ", ".join(f"{rule['rule']} {rule['state']}" for rule in content["guardrails"])
        return f"guardrails of fit {content['fit']}: {rules or 'none set'}"
    return f"fit {content['fit']} made again: draws {'the same' if content['same'] else 'differ'}"


def _decision(content: Mapping[str, Any]) -> str:
    why = f": {content['comment']}" if content["comment"] else ""
    return f"{content['verdict']} on fit {content['fit']}, approved by {content['approver']}{why}"


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "project": lambda content: f"project {content['folder']!r} made",
    "batch": _batch,
    "fit": _fit,
    "forecast": _forecast,
    "score": _score,
    "check": _check,
    "decision": _decision,
    "failure": lambda content: str(content["why"]),
    "migration": lambda content: f"schema {content['to']}",
}


def record_decision(ledger: Ledger, verdict: str, approver: str, comment: str) -> None:
    """Record a decision on the published fit."""
    empty = [name for name, text in (("verdict", verdict), ("approver", approver)) if not text.strip()]
    if empty:
        raise InputError([Problem(column=name, why="empty", fix="say it") for name in empty])
    record = published(ledger.records())
    if record is None:
        raise InputError([Problem(why="no fit is published to decide on", fix="run 'labelvalue refit DIR'")])
    about = {"fit": record.content["fit"], "fit_record": record.number}
    given = {"verdict": verdict, "approver": approver, "comment": comment}
    ledger.append([("decision", about | given)])


def verify(project: Project, head: str | None) -> str:
    """Check chain, runs and fits; return the digest of the last record."""
    records = project.ledger.check()
    digests = [record.digest for record in records]
    if head is not None and head not in digests:
        raise StorageError(
            f"{project.ledger.path}: no record has the digest {head}: records were cut off or written anew. "
            "Fix: restore the ledger from a backup."
        )
    check_files(project.folder / RUNS, [Batch.of(record) for record in records if record.kind == "batch"])
    for record in records:
        if record.kind == "fit":
            folder = project.folder / FITS / record.content["fit"]
            check_folder(folder)
            if manifest_digest(folder) != record.content["manifest"]:
                raise StorageError(f"{folder}: is not the folder that record {record.number} names. Fix: restore it.")
    return digests[-1] if digests else FIRST


def export(project: Project) -> dict[str, Any]:
    """Return the whole trail as plain values, after verifying it."""
    head = project.verify()
    records = project.ledger.records()
    card = project.scorecard()
    return {
        "head": head,
        "records": [record.as_dict() for record in records],
        "configuration": (project.folder / "labelvalue.toml").read_text(encoding="utf-8"),
        "standing": [batch.name for batch in standing(records)],
        "calibration": dict(calibration(card)),
        "assumptions": [dict(item) for item in project.configuration.assumptions],
    }
