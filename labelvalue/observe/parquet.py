"""Parquet files: sizes are read from the footer before any data."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labelvalue.observe.schema import COLUMNS, MAX_ROWS
from labelvalue.observe.tables import MAX_BYTES, Table, too_many_rows
from labelvalue.problems import InputError, Problem


def check_footer(footer: pq.FileMetaData, file: str) -> None:
    """Refuse a file of which more would be unpacked than is allowed, before anything is.

    Parameters
    ----------
    footer : pyarrow.parquet.FileMetaData
        Of the file.
    file : str
        Its name, for the error.

    Raises
    ------
    InputError
        If it has too many rows or bytes.
    """
    if footer.num_rows > MAX_ROWS:
        raise InputError([too_many_rows(file, footer.num_rows)])
    unpacked = sum(footer.row_group(i).total_byte_size for i in range(footer.num_row_groups))
    if unpacked > MAX_BYTES:
        why = f"{unpacked} bytes unpacked are over the limit of {MAX_BYTES} bytes (1 GiB)"
        raise InputError([Problem(file=file, why=why, fix="split the file")])


def read_parquet(path: Path, file: str) -> Table:
    """Read the known columns of a Parquet file; rows count from 1."""
    try:
        with pq.ParquetFile(path) as parquet:
            footer = parquet.metadata
            check_footer(footer, file)
            header = tuple(parquet.schema_arrow.names)
            known = [name for name in dict.fromkeys(header) if name in COLUMNS]
            once = [name for name in known if header.count(name) == 1]
            table = parquet.read(columns=once)
            cells = {name: table.column(name).to_pylist() for name in once}
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        why = "not a readable Parquet file"
        fix = "write it again; it may be cut off or of another kind"
        raise InputError([Problem(file=file, why=why, fix=fix)]) from error
    return Table(
        file=file,
        header=header,
        cells=cells,
        lines=range(1, footer.num_rows + 1),
        sha256=digest,
    )
