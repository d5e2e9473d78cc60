"""Batches of runs: kept under the name of their content, and put together for a joint fit."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe import read_runs, write_runs
from labelvalue.observe.metrics import CATALOGUE
from labelvalue.observe.schema import COLUMNS
from labelvalue.observe.text import to_csv
from labelvalue.operate.folders import digest_file
from labelvalue.operate.records import Record
from labelvalue.problems import InputError, Problem, StorageError
from labelvalue.storage import write_whole

CONTENT = "content"
"""SHA-256 of a batch's runs as canonical text: what makes two batches the same."""
FILE = "file"
SUPERSEDES = "supersedes"
"""Number of the record that a batch replaces; null where it replaces none."""
COUNTS = "counts"
"""Whether runs are counts, which need no metric to be read."""
KNOWN_METRICS = (names.METRIC, names.DIRECTION, names.BOUNDS, COUNTS)


@dataclasses.dataclass(frozen=True)
class Batch:
    """A batch in the ledger: its record's number, its id, its content and the file that holds it."""

    number: int
    name: str
    content: str
    file: str
    metric: Mapping[str, Any]

    @classmethod
    def of(cls, record: Record) -> Batch:
        """Read a batch off its record."""
        known = record.content
        metric = {key: known[key] for key in KNOWN_METRICS}
        return cls(record.number, known[names.BATCH], known[CONTENT], known[FILE], metric)


def content_digest(runs: xr.Dataset) -> str:
    """Return the SHA-256 of what runs say, whatever file they came from and in whatever order."""
    text = to_csv(runs)
    metric = "" if names.ERRORS in runs else str(runs.attrs[names.METRIC])
    return hashlib.sha256(f"{metric}\n{text}".encode()).hexdigest()


def store(folder: Path, runs: xr.Dataset) -> str:
    """Write runs to a file named by its own SHA-256, unless it is there; return the file's name."""
    with tempfile.TemporaryDirectory() as place:
        content = write_runs(runs, Path(place) / "runs.parquet").read_bytes()
    name = f"{hashlib.sha256(content).hexdigest()}.parquet"
    if not (folder / name).is_file() or digest_file(folder / name) != name.removesuffix(".parquet"):
        write_whole(folder / name, content)
    return name


def describe(
    runs: xr.Dataset, name: str, file: str, supersedes: int | None, cost: float | None = None
) -> dict[str, Any]:
    """Return what the record of a batch holds, its cost and its protocol where they are known."""
    return {
        names.BATCH: name,
        CONTENT: content_digest(runs),
        FILE: file,
        SUPERSEDES: supersedes,
        names.COST: cost,
        "learners": sorted({*runs[names.LEARNER].values.tolist()}),
        "rows": int(runs.sizes[names.RUN]),
        names.SOURCE: str(runs.attrs.get(names.SOURCE, "")),
        names.PROTOCOL: runs.attrs.get(names.PROTOCOL),
        COUNTS: names.ERRORS in runs,
        names.METRIC: str(runs.attrs[names.METRIC]),
        names.DIRECTION: str(runs.attrs[names.DIRECTION]),
        names.BOUNDS: [None if not np.isfinite(b) else float(b) for b in runs.attrs[names.BOUNDS]],
    }


def standing(records: Sequence[Record]) -> list[Batch]:
    """Return the batches that count, in their order: those that no later one replaces, at their first place."""
    place: dict[str, Batch] = {}
    for record in records:
        if record.kind == "batch":
            batch = Batch.of(record)
            place[batch.name] = batch  # a dict keeps the place of the first
    return list(place.values())


def check_files(folder: Path, batches: Sequence[Batch]) -> None:
    """Raise :class:`StorageError` for the first batch whose file is missing or is not what was recorded."""
    for batch in batches:
        path = folder / batch.file
        if path.is_symlink() or not path.is_file() or digest_file(path) != batch.file.removesuffix(".parquet"):
            what = "was altered" if path.exists() else "is missing"
            raise StorageError(f"{path}: runs of batch {batch.name!r}: the file {what}. Fix: restore it from a backup.")


def joint_runs(folder: Path, batches: Sequence[Batch]) -> xr.Dataset:
    """Read batches and put them together into one runs table; runs without a batch get the id of theirs.

    Raises :class:`InputError` where batches do not go together, :class:`StorageError` where a file was altered.
    """
    return joined(read_tables(folder, batches), batches)


def read_tables(folder: Path, batches: Sequence[Batch]) -> list[pd.DataFrame]:
    """Read batches, each as a table of its own; raises :class:`StorageError` where a file was altered."""
    check_files(folder, batches)
    return [_table(folder, batch) for batch in batches]


def joined(tables: Sequence[pd.DataFrame], batches: Sequence[Batch]) -> xr.Dataset:
    """Put the tables of batches together; raises :class:`InputError` where they do not go together."""
    if not batches:
        raise InputError([Problem(why="no batch yet", fix="add one with 'labelvalue add DIR RUNS'")])
    forms = {"counts" if names.ERRORS in table else "values" for table in tables}
    metrics = {batch.metric[names.METRIC] for batch in batches if not batch.metric[COUNTS]}
    if len(forms) > 1 or len(metrics) > 1:
        why = f"batches measure different things: {', '.join(sorted(metrics | forms))}"
        raise InputError([Problem(column=names.METRIC, why=why, fix="keep them in projects of their own")])
    table = pd.concat(tables, ignore_index=True)
    return _read(table, batches[0].metric)


def _table(folder: Path, batch: Batch) -> pd.DataFrame:
    runs = read_stored(folder / batch.file, batch.metric)
    table = runs.to_dataframe()[[name for name in COLUMNS if name in runs]]
    table[names.BATCH] = table[names.BATCH].where(table[names.BATCH] != "", batch.name)
    return table


def read_stored(path: Path, metric: Mapping[str, Any]) -> xr.Dataset:
    """Read a file that :func:`store` wrote."""
    return _read(path, metric)


def _read(source: os.PathLike[str] | pd.DataFrame, metric: Mapping[str, Any]) -> xr.Dataset:
    """Read counts as they are, values by their metric; one that we do not know by its direction and bounds."""
    if metric[COUNTS]:
        return read_runs(source)
    name = metric[names.METRIC]
    if name in CATALOGUE:
        return read_runs(source, metric=name)
    low, high = (np.inf * sign if b is None else b for b, sign in zip(metric[names.BOUNDS], (-1, 1), strict=True))
    return read_runs(source, metric=name, direction=metric[names.DIRECTION], bounds=(low, high))
