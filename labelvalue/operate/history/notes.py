"""Notes of people who know the domain, on a slice or a batch: records of the ledger like any other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labelvalue import names
from labelvalue.operate.store.current_batches import brought, current_batches, unseen
from labelvalue.operate.store.folders import RUNS
from labelvalue.operate.store.records import Record
from labelvalue.problems import InputError, Problem, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from labelvalue.operate.store.project_folder import ProjectFolder

COLUMNS = ("number", "time", "author", "of", "name", "text")
LONGEST = 2000  # characters of a note: a remark, not a document


def record_note(project: ProjectFolder, text: str, slice_: str | None, batch: str | None, author: str) -> None:
    """Put a note down."""
    problems = []
    if not 0 < len(text.strip()) <= LONGEST:
        why = "empty" if not text.strip() else f"{len(text):,} characters"
        problems.append(Problem(column="text", why=why, fix=f"say it in 1 to {LONGEST:,} characters"))
    if (slice_ is None) == (batch is None):
        problems.append(Problem(column="slice", why="a note is on a slice or on a batch", fix="give one of the two"))
    of, name = (names.SLICE, slice_) if slice_ is not None else (names.BATCH, batch)
    if not problems:
        records = project.ledger.records("batch")
        known = [one.name for one in current_batches(records)]
        if of == names.SLICE:
            stands = unseen(records, None)
            known = sorted({s for r in stands for s in brought(project.folder / RUNS, r)[names.LABELS]})
        if name not in known:
            why = f"no such {of}{did_you_mean(str(name), known)}"
            fix = f"one of {', '.join(known)}" if known else f"{project.folder} has no batch yet; add one first"
            problems.append(Problem(column=of, value=name, why=why, fix=fix))
    if problems:
        raise InputError(problems)
    content = {"of": of, "name": name, "text": text.strip(), "author": author.strip()}
    project.ledger.append([("note", content)])


def notes(records: Sequence[Record]) -> pd.DataFrame:
    """Lay the notes out."""
    import pandas as pd  # writing a note needs none of it

    rows = [
        (r.number, r.time, r.content["author"] or r.content["by"], *(r.content[key] for key in ("of", "name", "text")))
        for r in records
        if r.kind == "note"
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
