"""From a file or a DataFrame to columns of raw cells, with the line each came from."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from labelvalue.observe.table.delimited import read_delimited
from labelvalue.observe.table.parquet import read_parquet
from labelvalue.observe.table.schema import COLUMNS, MAX_ROWS
from labelvalue.observe.table.tables import (
    PARQUET_SUFFIXES,
    TEXT_SUFFIXES,
    Limits,
    Table,
    Wanted,
    is_parquet,
    open_checked,
    unsupported,
)
from labelvalue.problems import InputError


def known_runs(header: tuple[str, ...]) -> list[str]:
    """Return the columns of a runs table among those of a header."""
    return [name for name in dict.fromkeys(header) if name in COLUMNS]


def read_table(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    wanted: Wanted = known_runs,
    limits: Limits | None = None,
    encoding: str | None = None,
    suffixes: Collection[str] = (*TEXT_SUFFIXES, *PARQUET_SUFFIXES),
) -> Table:
    """Read the wanted columns of a CSV or Parquet file or a DataFrame; raise what makes it unreadable as a whole."""
    limits = limits or Limits(rows=MAX_ROWS)
    if isinstance(source, pd.DataFrame):
        return _from_frame(source, wanted, limits)
    path = Path(source)
    file = path.name or str(path)
    with open_checked(path, limits.size) as stream:
        packed = is_parquet(stream, path)
        if path.suffix.lower() not in suffixes and not packed:
            raise InputError([unsupported(file)])
        if packed:
            table = read_parquet(stream, file, wanted, limits)
            stream.seek(0)
            return dataclasses.replace(table, sha256=hashlib.file_digest(stream, "sha256").hexdigest())  # type: ignore[arg-type]
        return read_delimited(stream, file, wanted, limits, encoding)


def _from_frame(frame: pd.DataFrame, wanted: Wanted, limits: Limits) -> Table:
    if len(frame) > limits.rows:
        raise InputError([limits.too_many("", len(frame))])
    header = tuple(str(name) for name in frame.columns)
    known = wanted(header)
    cells: dict[str, Sequence[object]] = {}
    for i, name in enumerate(header):
        if name in known and name not in cells:
            cells[name] = _objects(frame.iloc[:, i])
    return Table(file="", header=header, cells=cells, lines=range(len(frame)))


def _objects(series: pd.Series) -> list[object]:
    """Return Python objects, ``None`` where pandas knows a missing value."""
    missing = series.isna().tolist()
    return [None if gone else cell for cell, gone in zip(series.tolist(), missing, strict=True)]
