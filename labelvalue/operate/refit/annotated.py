"""Annotations as a batch of a project: kept under the name of their content, and what they tell its case."""

from __future__ import annotations

import collections
import functools
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from labelvalue import names
from labelvalue.decisions.case.annotated import told_by
from labelvalue.decisions.case.case import as_text
from labelvalue.observe.exports.annotations import add_annotations, load_annotations, settled, write_annotations
from labelvalue.observe.table.delimited import MAX_BYTES
from labelvalue.operate.store.batches import check_files, store
from labelvalue.operate.store.current_batches import current_annotations
from labelvalue.operate.store.folders import RUNS, digest_bytes, in_force
from labelvalue.operate.store.project_folder import ProjectFolder
from labelvalue.operate.store.records import ANNOTATIONS, BATCH_FILE, CONTENT, NOTED, SUPERSEDES, TOLD, Batch
from labelvalue.reading import open_regular

MARKS = {names.ITEM, names.ANNOTATOR}  # columns that a table of annotations has and one of runs has not


def are_annotations(given: Any) -> bool:
    """Whether a table or the file of one holds annotations; one that cannot be read is not looked at any further."""
    if isinstance(given, pd.DataFrame):
        return {*given.columns} >= MARKS
    if not isinstance(given, str | os.PathLike):
        return False
    try:
        with open_regular(given, MAX_BYTES) as file:
            if Path(given).suffix.lower() in (".parquet", ".pq"):
                return {*pa.parquet.read_schema(file).names} >= MARKS
            header = file.readline(10_000).decode("utf-8", errors="replace")
    except (OSError, ValueError, pa.ArrowException):  # told by whoever reads all of it
        return False
    return {cell.strip().strip('"\ufeff') for cell in header.split(",")} >= MARKS


def annotations_table(given: str | os.PathLike[str] | pd.DataFrame) -> pd.DataFrame:
    """Return annotations as a checked table."""
    return settled(given) if isinstance(given, pd.DataFrame) else load_annotations(given)


def record(project: ProjectFolder, table: pd.DataFrame, name: str, replaced: Batch | None) -> None:
    """Record annotations, with what all that stand tell together: hours, labels a day, wrong labels."""
    content = _packed(table)
    file = f"{digest_bytes(content)}.parquet"
    standing = [batch for batch in current_annotations(project.ledger.records(ANNOTATIONS)) if batch.name != name]
    folder = project.folder / RUNS
    collections.deque(check_files(folder, standing), maxlen=0)
    others = [load_annotations(folder / batch.file) for batch in standing]
    together = functools.reduce(lambda old, new: add_annotations(old, new)[0], [*others, table])
    told, notes = told_by(together, None, 0)
    about = {
        names.BATCH: name,
        CONTENT: content_of(table),
        BATCH_FILE: file,
        SUPERSEDES: getattr(replaced, "number", None),
        "rows": len(table),
        "beside": [batch.number for batch in standing],
        TOLD: as_text(told),
        NOTED: notes,
    }
    store(folder, file, content)
    project.ledger.append(in_force(project.ledger, project.configuration, [(ANNOTATIONS, about)]))


def content_of(table: pd.DataFrame) -> str:
    """Return the SHA-256 of what a table of annotations says."""
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()


def _packed(table: pd.DataFrame) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        return write_annotations(table, Path(place) / "annotations.parquet").read_bytes()
