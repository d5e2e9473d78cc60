"""From a file or a DataFrame to columns of raw cells, with the line each came from."""

from __future__ import annotations

import dataclasses
import os
import pickletools
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from labelvalue.observe.schema import COLUMNS, MAX_ROWS
from labelvalue.problems import InputError, Problem, quote

MAX_BYTES = 1024**3
"""Largest file that is read."""

PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", "")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it was found.

    Parameters
    ----------
    file : str
        File name, empty for a DataFrame.
    header : tuple of str
        Every column name, in order.
    cells : mapping of str to sequence
        The cells of each known column; a repeated column counts once.
    lines : sequence of int
        Line in the file (the header is line 1), row of a Parquet file from 1, or position in a
        DataFrame from 0.
    header_line : int or None
        Line of the header.
    decimal : str
        Decimal mark of the numbers.
    sha256 : str or None
        Of the file's bytes; ``None`` for a DataFrame.
    notes : tuple of str
        What was accepted on the way.
    problems : tuple of Problem
        What was wrong with single rows.
    """

    file: str
    header: tuple[str, ...]
    cells: Mapping[str, Sequence[object]]
    lines: Sequence[int]
    header_line: int | None = None
    decimal: str = "."
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_table(source: str | os.PathLike[str] | pd.DataFrame, encoding: str) -> Table:
    """Read a CSV or Parquet file or a DataFrame; raise what makes it unreadable as a whole."""
    if isinstance(source, pd.DataFrame):
        return _from_frame(source)
    path = Path(source)
    file = path.name or str(path)
    head = open_checked(path, file)
    suffix = path.suffix.lower()
    if head.startswith(b"PAR1") or suffix in PARQUET_SUFFIXES:
        from labelvalue.observe.parquet import read_parquet

        return read_parquet(path, file)
    if suffix not in TEXT_SUFFIXES:
        raise InputError([_unsupported(file)])
    from labelvalue.observe.delimited import read_delimited

    return read_delimited(path, file, encoding)


def too_many_rows(file: str, rows: int | None) -> Problem:
    """Return the problem of a table with more rows than are read."""
    got = "more rows" if rows is None else f"{rows} rows"
    why = f"{got} than allowed, over the limit of {MAX_ROWS} rows"
    return Problem(file=file, why=why, fix="sum replicates, or read the table in parts")


def open_checked(path: Path, file: str) -> bytes:
    """Return the first bytes of a file that may be read, without reading more."""
    fix = "give the path of a CSV or Parquet file"
    try:
        if path.is_dir():
            raise InputError([Problem(file=file, why="is a folder", fix=fix)])
        if path.exists() and not path.is_file():
            why = "cannot be read (a pipe or a device)"
            raise InputError([Problem(file=file, why=why, fix=fix)])
        size = path.stat().st_size
        if size > MAX_BYTES:
            why = f"{size} bytes are over the limit of {MAX_BYTES} bytes (1 GiB)"
            raise InputError([Problem(file=file, why=why, fix="sum replicates, or split the file")])
        with path.open("rb") as stream:
            head = stream.read(8)
            if size:
                stream.seek(-1, os.SEEK_END)
            last = stream.read(1)
    except InputError:
        raise
    except FileNotFoundError:
        why = f"no such file {quote(str(path), 200)}"
        raise InputError([Problem(file=file, why=why, fix="check the path")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        why = f"cannot be read ({reason})"
        raise InputError([Problem(file=file, why=why, fix="check its permissions")]) from None
    if _is_foreign(path, head, last):
        raise InputError([_unsupported(file)])
    return head


def _unsupported(file: str) -> Problem:
    why = "not a supported format; csv, parquet"
    return Problem(file=file, why=why, fix="export the runs as CSV or Parquet")


def _is_foreign(path: Path, head: bytes, last: bytes) -> bool:
    """Tell whether bytes are a pickle, an archive, HDF5 or NumPy: formats never opened here."""
    if head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"\x89HDF", b"CDF", b"\x93NUMPY", b"BZh")):
        return True
    if path.suffix.lower() in (".pkl", ".pickle"):
        return True
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return True
    if last != b".":
        return False
    with path.open("rb") as stream:  # protocols 0 and 1 look like text; genops reads, never runs
        try:
            for _ in pickletools.genops(stream):
                pass
        except Exception:  # anything at all means: not a pickle
            return False
        return not stream.read(1)


def _from_frame(frame: pd.DataFrame) -> Table:
    if len(frame) > MAX_ROWS:
        raise InputError([too_many_rows("", len(frame))])
    header = tuple(str(name) for name in frame.columns)
    cells: dict[str, Sequence[object]] = {}
    for i, name in enumerate(header):
        if name in COLUMNS and name not in cells:
            cells[name] = _objects(frame.iloc[:, i])
    return Table(file="", header=header, cells=cells, lines=range(len(frame)))


def _objects(series: pd.Series) -> list[object]:
    """Return Python objects, ``None`` where pandas knows a missing value."""
    missing = series.isna().tolist()
    return [None if gone else cell for cell, gone in zip(series.tolist(), missing, strict=True)]
