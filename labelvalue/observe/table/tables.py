"""What a table is as it was found, how much of one is read, and files that are none."""

from __future__ import annotations

import dataclasses
import io
import pickletools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from labelvalue.problems import InputError, Problem
from labelvalue.reading import open_regular

MAX_BYTES = 1024**3  # largest file that is read, and the most that is unpacked from one
MAX_CELL = 131_072  # characters of a cell
PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", "")
_LOOKED_AT = 64 * 1024
"""Bytes, and a hundredth of that instructions, after which what reads as a pickle is taken for one."""

Wanted = Callable[[tuple[str, ...]], Collection[str]]  # which columns are read, by the header


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of a table is read."""

    rows: int
    cell: int = MAX_CELL  # characters
    size: int = dataclasses.field(default_factory=lambda: MAX_BYTES)  # bytes of the file
    fix: str = "sum replicates, or read the table in parts"

    def too_many(self, file: str, rows: int | None = None) -> Problem:
        """Return the problem of a table with more rows than are read."""
        got = "more rows" if rows is None else f"{rows} rows"
        return Problem(file=file, why=f"{got} than allowed, over the limit of {self.rows} rows", fix=self.fix)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it was found."""

    file: str
    header: tuple[str, ...]
    cells: Mapping[str, Sequence[object]]  # of each wanted column; a repeated one counts once
    lines: Sequence[int]  # the header is line 1; row of a Parquet file from 1, of a DataFrame from 0
    header_line: int | None = None
    decimal: str = "."
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def is_parquet(stream: BinaryIO, path: Path) -> bool:
    """Tell whether a file is Parquet, or says so by its name."""
    head = stream.read(4)
    stream.seek(0)
    return head == b"PAR1" or path.suffix.lower() in PARQUET_SUFFIXES


def open_checked(path: Path, most: int | None = None, fix: str = "sum replicates, or split the file") -> BinaryIO:
    """Open a table, and nothing else: no folder, no pipe, no file over the limit, no pickle, no archive."""
    stream = open_given(path, MAX_BYTES if most is None else most, fix)
    if _is_foreign(stream, path):
        stream.close()
        raise InputError([unsupported(path.name)])
    stream.seek(0)
    return stream


def open_given(path: Path, most: int, fix: str) -> BinaryIO:
    """Open a file that a user gave, told by its name alone; ``fix`` says what to do with one over the limit."""
    try:
        return open_regular(path, most)
    except InputError as error:
        (problem,) = error.problems
        fix = fix if "over the limit" in problem.why else problem.fix
        raise InputError([dataclasses.replace(problem, file=path.name or str(path), fix=fix)]) from None


def unsupported(file: str) -> Problem:
    """Return the problem of a file that is no table that is read."""
    return Problem(file=file, why="not a supported format; csv, parquet", fix="export it as CSV or Parquet")


def _is_foreign(stream: BinaryIO, path: Path) -> bool:
    """Tell whether bytes are a pickle, an archive, HDF5 or NumPy: formats never opened here."""
    head = stream.read(_LOOKED_AT)
    if head.startswith(
        (b"PK\x03\x04", b"\x1f\x8b", b"\x89HDF", b"CDF", b"\x93NUMPY", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
    ):
        return True
    if path.suffix.lower() in (".pkl", ".pickle"):
        return True
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return True
    return _is_old_pickle(io.BytesIO(head), not stream.read(1))


_NAME_PAIR = re.compile(r"[\w.]+ [\w.]+")
"""Module and name, as an old pickle holds them; of lines of a table a separator is part."""


def _is_old_pickle(head: io.BytesIO, whole: bool) -> bool:
    """Tell a pickle of protocol 0 or 1, which looks like text; ``genops`` reads, and never runs."""
    kinds: set[str] = set()
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(head)):
            if not count and operation.stack_before:
                return False  # there is nothing yet that it could take
            if operation.name in ("GLOBAL", "INST") and not _NAME_PAIR.fullmatch(str(argument)):
                return False
            kinds.add(operation.name)
            if count > _LOOKED_AT // 100:
                return not kinds <= {"UNICODE", "PERSID"}  # which a table is, whose lines all begin with V or P
    except Exception:  # anything at all means: not a pickle
        return False
    return whole and not head.read(1)
