"""Write a runs table so that a reader gets the same runs back, whatever happens half-way."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.observe.protocol_file import beside, is_of
from labelvalue.observe.schema import COLUMNS
from labelvalue.observe.tables import PARQUET_SUFFIXES, TEXT_SUFFIXES
from labelvalue.observe.text import csv_parts, written_columns
from labelvalue.problems import InputError, Problem
from labelvalue.storage import write_whole


def write_runs(runs: xr.Dataset, path: str | os.PathLike[str], *, spreadsheet: bool = True) -> Path:
    """Write runs as CSV or Parquet, by the suffix of ``path``.

    ``read_runs`` of the file gives the same variables, with the same ``metric``, ``direction`` and
    ``bounds`` where the runs hold values. Columns that hold nothing but their default are left out.
    The file appears whole or not at all: it is written beside ``path``, synced, and renamed. Where the runs carry
    their protocol (attribute ``protocol``, as ``simulate_runs`` sets it), it is written to ``<path>.protocol.toml``,
    from where ``read_runs`` takes it up again.

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
        why = f"cannot write {suffix!r}"
        raise InputError([Problem(file=path.name, why=why, fix="end the name in .csv or .parquet")])
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
