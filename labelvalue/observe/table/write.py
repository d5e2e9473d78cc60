"""Write a runs table so that a reader gets the same runs back, whatever happens half-way."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.observe.simulate.protocol import beside, is_of
from labelvalue.observe.table.cells import guard
from labelvalue.observe.table.delimited import PARQUET_SUFFIXES, TEXT_SUFFIXES
from labelvalue.observe.table.schema import COLUMNS, NOT_A_TIME
from labelvalue.problems import input_error
from labelvalue.storage import write_whole

AT_ONCE = 10_000  # rows that are text at once


def written_columns(runs: xr.Dataset) -> list[str]:
    """Return the columns worth writing: those that are not the default in every row."""
    return [name for name in COLUMNS if name in runs and not is_default(runs[name].values, name)]


def to_csv(runs: xr.Dataset, *, spreadsheet: bool = False) -> str:
    """Return the table as CSV: commas, line feeds, shortest exact numbers, UTC times with ``Z``."""
    return "".join(csv_parts(runs, spreadsheet=spreadsheet))


def csv_parts(runs: xr.Dataset, *, spreadsheet: bool = False) -> Iterator[str]:
    """Yield the same part by part, so that a long table is never all text at once."""
    columns = written_columns(runs)
    values = {name: runs[name].values for name in columns}
    for start in range(0, max(runs.sizes[names.RUN], 1), AT_ONCE):
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if not start:
            writer.writerow(columns)
        cells = [_texts(values[name][start : start + AT_ONCE], name, spreadsheet) for name in columns]
        writer.writerows(zip(*cells, strict=True))
        yield out.getvalue()


def is_default(values: np.ndarray, name: str) -> bool:
    """Whether a column holds its default in every row."""
    column = COLUMNS[name]
    if column.kind == "time":
        return bool(np.isnat(values).all())
    if column.kind == "number":
        return bool(np.isnan(values).all())
    return column.default is not None and bool((values == column.default).all())


def _texts(values: np.ndarray, name: str, spreadsheet: bool) -> list[str]:
    kind = COLUMNS[name].kind
    if kind == "text":
        return [guard(text, spreadsheet=spreadsheet) for text in values.tolist()]
    if kind == "time":
        moments = np.datetime_as_string(values, unit="ns")
        gone = values.view(np.int64) == NOT_A_TIME
        return ["" if g else f"{m}Z" for m, g in zip(moments.tolist(), gone.tolist(), strict=True)]
    if kind == "number":
        return ["" if np.isnan(v) else repr(v) for v in values.tolist()]
    return ["" if name == names.TRIALS and v == 0 else str(v) for v in values.tolist()]


def write_runs(runs: xr.Dataset, path: str | os.PathLike[str], *, spreadsheet: bool = True) -> Path:
    """Write runs as CSV or Parquet, by the suffix of ``path``.

    ``read_runs`` of the file gives the same variables; columns of nothing but their default are left out. The file
    appears whole or not at all. The protocol that runs carry is written to ``<path>.protocol.toml``.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs as ``read_runs`` returns them, dim ``run``.
    path : path
        A file that ends in ``.csv`` or ``.parquet``; replaced where it exists.
    spreadsheet : bool
        CSV only: put an apostrophe before text that a spreadsheet would run as a formula, which ``read_runs`` removes.
        Without it the texts are exactly what they are, for other readers.

    Returns
    -------
    pathlib.Path
        ``path``.

    Raises
    ------
    InputError
        If the suffix is another one.
    StorageError
        If the file cannot be written; an older file of that name is left as it was.
    TypeError
        If ``runs`` is no dataset of runs.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from labelvalue import read_runs
    >>> table = pd.DataFrame({"slice": ["FR"], "labels": [100], "errors": [30], "trials": [100]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(write_runs(read_runs(table), Path(folder) / "runs.csv").read_text())
    slice,labels,errors,trials
    FR,100,30,100
    <BLANKLINE>
    """
    if not isinstance(runs, xr.Dataset) or not {names.SLICE, names.LABELS} <= set(runs):
        raise TypeError(f"runs must be a dataset as read_runs returns it, not {type(runs).__name__}")
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in PARQUET_SUFFIXES:
        content = _to_parquet(runs)
    elif suffix in TEXT_SUFFIXES and suffix not in (".tsv", ".tab"):
        content = b"".join(part.encode() for part in csv_parts(runs, spreadsheet=spreadsheet))
    else:
        raise input_error(f"cannot write {suffix!r}", "end the name in .csv or .parquet", file=path.name)
    protocol = str(runs.attrs.get(names.PROTOCOL, ""))
    if names.PROTOCOL in runs and is_of(protocol, runs[names.PROTOCOL].values.tolist()):
        write_whole(beside(path), protocol.encode())
    write_whole(path, content)
    return path


def _to_parquet(runs: xr.Dataset) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name in written_columns(runs):
        values = runs[name].values
        if COLUMNS[name].kind == "text":
            arrays[name] = pa.array(values.tolist(), type=pa.string())
        elif COLUMNS[name].kind == "time":
            arrays[name] = pa.array(values, type=pa.timestamp("ns", tz="UTC"))
        elif COLUMNS[name].kind == "number":
            arrays[name] = pa.array(values, mask=np.isnan(values))
        else:
            optional = name == names.TRIALS
            arrays[name] = pa.array(values, mask=(values == 0) if optional else None)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays), sink)
    return sink.getvalue().to_pybytes()
