"""Batches of runs: kept under the name of their content, and put together for a joint fit."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xarray as xr

from labelvalue import names
from labelvalue.observe.table.delimited import MAX_BYTES, Limits
from labelvalue.observe.table.files import ParquetRows, to_csv
from labelvalue.observe.table.runs import read_runs, write_runs
from labelvalue.observe.table.schema import CATALOGUE, COLUMNS, MAX_ROWS
from labelvalue.operate.store.identity import digest_bytes, digest_file
from labelvalue.operate.store.records import BATCH_FILE, CONTENT, COUNTS, SUPERSEDES, Batch
from labelvalue.problems import InputError, Problem, StorageError, input_error, quote
from labelvalue.reading import parse_toml, read_bytes
from labelvalue.storage import write_whole

if TYPE_CHECKING:
    from labelvalue.model.fitting.result import Fit

_ROWS = re.compile(r" ?\(?rows? (\d+(?:, \d+)*)(?: and \d+ more)?\)?")


def content_digest(runs: xr.Dataset) -> str:
    """Return the SHA-256 of what runs say, whatever file they came from and in whatever order."""
    text = to_csv(runs)
    metric = "" if names.ERRORS in runs else str(runs.attrs[names.METRIC])
    return digest_bytes(f"{metric}\n{text}".encode())


def packed(runs: xr.Dataset) -> tuple[str, bytes]:
    """Return runs as Parquet, and the name of their file, which is its SHA-256."""
    with tempfile.TemporaryDirectory() as place:
        content = write_runs(runs, Path(place) / "runs.parquet").read_bytes()
    return f"{digest_bytes(content)}.parquet", content


def store(folder: Path, file: str, content: bytes) -> None:
    """Write the file of a batch, unless it is there."""
    path = folder / file
    if path.is_symlink() or not path.is_file() or digest_file(path) != file.removesuffix(".parquet"):
        write_whole(path, content)


def describe(
    runs: xr.Dataset, name: str, file: str, supersedes: int | None, cost: float | None = None
) -> dict[str, Any]:
    """Return what the record of a batch holds, its cost and its protocol where they are known."""
    return {
        names.BATCH: name,
        CONTENT: content_digest(runs),
        BATCH_FILE: file,
        SUPERSEDES: supersedes,
        names.COST: cost,
        **brought_by(runs),
        "rows": int(runs.sizes[names.RUN]),
        names.SOURCE: str(runs.attrs.get(names.SOURCE, "")),
        names.PROTOCOL: runs.attrs.get(names.PROTOCOL),
        names.TRAINED: {k: str(v) for k, v in parse_toml(str(runs.attrs.get(names.TRAINED, ""))).items()},
        COUNTS: names.ERRORS in runs,
        names.METRIC: str(runs.attrs[names.METRIC]),
        names.DIRECTION: str(runs.attrs[names.DIRECTION]),
        names.BOUNDS: [None if not np.isfinite(b) else float(b) for b in runs.attrs[names.BOUNDS]],
    }


def check_files(folder: Path, batches: Sequence[Batch]) -> Iterator[bytes]:
    """Yield what the files of batches hold; :class:`StorageError` for the first that is not what was recorded."""
    for batch in batches:
        path, why = os.path.join(folder, batch.file), ""
        try:
            content = b"" if os.path.islink(path) else read_bytes(path, MAX_BYTES, ours=True)
        except StorageError as error:
            why = "is missing" if isinstance(error.__cause__, FileNotFoundError) else "cannot be read"
        if not why and digest_bytes(content) != batch.file.removesuffix(".parquet"):
            why = "was altered"
        if why:
            told = f"runs of batch {quote(batch.name)}: the file {why}"
            raise StorageError(f"{path}: {told}. Fix: restore it from a backup.")
        yield content


def brought_by(runs: xr.Dataset) -> dict[str, Any]:
    """Return the ``learners`` of runs, and by slice the most ``labels`` that any of them had, or says there are."""
    counts = [name for name in (names.LABELS, names.LABELS_NOW) if name in runs]
    largest = runs[[names.SLICE, *counts]].to_dataframe().groupby(names.SLICE)[counts].max().max(axis=1)
    labels = {str(name): int(count) for name, count in largest.items()}
    return {"learners": sorted({*runs[names.LEARNER].values.tolist()}), names.LABELS: labels}


@dataclasses.dataclass(frozen=True)
class Joint:
    """Batches that stand, read when they are needed and once; ``recorded`` is their digest, where a fit has it."""

    folder: Path
    batches: Sequence[Batch]
    recorded: str | None = None

    @functools.cached_property
    def runs(self) -> xr.Dataset:
        """One runs table."""
        return joint_runs(self.folder, self.batches)

    @property
    def digest(self) -> str:
        """As :func:`content_digest` gives it."""
        return self.recorded or content_digest(self.runs)


def joint_runs(folder: Path, batches: Sequence[Batch]) -> xr.Dataset:
    """Read batches and put them together into one runs table; runs without a batch get the id of theirs.

    Raises :class:`InputError` where batches do not go together, :class:`StorageError` where a file was altered.
    """
    return joined(tables_of(folder, batches), batches)


def tables_of(
    folder: Path, batches: Sequence[Batch], fit: Fit | None = None, known: Collection[int] = ()
) -> list[pa.Table]:
    """Read batches as tables, those that a fit was made from out of the fit; the files of all are checked."""
    made = [] if fit is None else [_table(packed(fit.runs)[1], "", "posterior.nc")]
    files = zip(check_files(folder, batches), batches, strict=True)
    seen = {*known}
    return made + [table_of(content, batch) for content, batch in files if batch.number not in seen]


def table_of(content: bytes, batch: Batch) -> pa.Table:
    """Return what :func:`packed` packed as a table, each run with the id of its batch."""
    return _table(content, batch.name, batch.file)


def _table(content: bytes, name: str, file: str) -> pa.Table:
    rows = ParquetRows(pa.BufferReader(content), file, Limits(rows=MAX_ROWS), as_dictionary=False)  # not too much
    known = [name for name in COLUMNS if name in rows.header]
    table = rows.parquet.read(columns=known, use_threads=False)
    if names.BATCH not in table.column_names:
        return table.append_column(names.BATCH, pa.array([name] * table.num_rows, type=pa.string()))
    given = [own or name for own in table.column(names.BATCH).to_pylist()]
    return table.set_column(table.column_names.index(names.BATCH), names.BATCH, pa.array(given, type=pa.string()))


def joined(tables: Sequence[pa.Table], batches: Sequence[Batch], *, new: str = "", file: str = "") -> xr.Dataset:
    """Put the tables of batches together."""
    if not batches:
        raise input_error("no batch yet", "add one with 'labelvalue add DIR RUNS'")
    forms = {"counts" if names.ERRORS in table.column_names else "values" for table in tables}
    metrics = {batch.metric[names.METRIC] for batch in batches if not batch.metric[COUNTS]}
    told = f"batch {quote(new)} does not go with the others: " if new else ""
    if len(forms) > 1 or len(metrics) > 1:
        why = f"{told}batches measure different things: {', '.join(sorted(metrics | forms))}"
        raise input_error(why, "keep them in projects of their own", file=file, column=names.METRIC)
    table = frame_of(pa.concat_tables(tables, promote_options="permissive"))
    try:
        return read_stored(table, batches[0].metric)
    except InputError as error:
        raise InputError([_placed(problem, table, told, file) for problem in error.problems]) from None


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return a table with every default filled in that some or all runs leave out."""
    for name in table.column_names:
        default, kind = COLUMNS[name].default, COLUMNS[name].kind
        if kind in ("text", "count") and default is not None:
            place = table.column_names.index(name)
            table = table.set_column(place, name, table.column(name).fill_null(default))
    frame = table.to_pandas()
    missing = {name: COLUMNS[name].default for name in (names.LEARNER, names.SUITE) if name not in frame}
    return frame.assign(**missing)


def _placed(problem: Problem, table: pd.DataFrame, told: str, file: str) -> Problem:
    """Say of rows that lie in no file of the user's which runs of which batches they are."""
    rows = [int(row) for found in _ROWS.findall(problem.why) for row in found.split(", ")]
    rows = rows or ([] if problem.line is None else [problem.line])
    if not rows:
        return dataclasses.replace(problem, file=file, why=f"{told}{problem.why}")
    run, own = table.iloc[rows[-1]], dict.fromkeys(quote(name) for name in table[names.BATCH].iloc[rows])
    place = f"slice {quote(run[names.SLICE])} at {run[names.LABELS]:,} labels, batch {' and '.join(own)}"
    why = f"{told}{_ROWS.sub('', problem.why)}: {place}"
    return dataclasses.replace(problem, file=file, line=None, why=why)


def read_stored(source: os.PathLike[str] | pd.DataFrame, metric: Mapping[str, Any]) -> xr.Dataset:
    """Read runs: counts as they are, values by their metric; one that we do not know by its direction and bounds."""
    if metric[COUNTS]:
        return read_runs(source)
    name = metric[names.METRIC]
    if name in CATALOGUE:
        return read_runs(source, metric=name)
    low, high = (np.inf * sign if b is None else b for b, sign in zip(metric[names.BOUNDS], (-1, 1), strict=True))
    return read_runs(source, metric=name, direction=metric[names.DIRECTION], bounds=(low, high))
