"""Files of tables: columns of raw cells with the line each came from, Parquet a batch at a time; and runs as CSV."""

import contextlib
import csv
import hashlib
import io
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xarray as xr

from labelvalue import names
from labelvalue.observe.table.delimited import (
    MAX_BYTES,
    TEXT_SUFFIXES,
    Limits,
    Rows,
    Table,
    Wanted,
    is_parquet,
    open_checked,
    open_rows,
    unsupported,
)
from labelvalue.observe.table.schema import COLUMNS, MAX_ROWS, NOT_A_TIME, guard
from labelvalue.problems import InputError, Problem, input_error

AT_ONCE = 65_536  # rows that are unpacked at once
_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls the names of rows where it writes them
_NUMBERS = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_temporal)
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


PART = 2**22  # bytes that are copied at a time


def _in_arrow(stream: BinaryIO) -> pa.Buffer:
    """Return what a stream holds as Arrow's own memory: its thread would abort a process that ends meanwhile."""
    content = pa.allocate_buffer(stream.seek(0, os.SEEK_END))
    stream.seek(0)
    done = 0
    with memoryview(content).cast("B") as room:
        while part := stream.read(PART):
            room[done : done + len(part)] = part
            done += len(part)
    return content


class ParquetRows:
    """A Parquet file while it is read; text is held as a dictionary, which is all that a repeated text costs."""

    def __init__(self, stream: BinaryIO, file: str, limits: Limits, *, as_dictionary: bool = True):
        self.file, self.limits, self.header_line, self.problems = file, limits, None, ()
        with self.told():
            content = self.content = _in_arrow(stream)
            self.parquet = pq.ParquetFile(pa.BufferReader(content))
            self.schema = self.parquet.schema_arrow
            texts = [field.name for field in self.schema if _is(field.type, _TEXTS)]
            if as_dictionary and texts:
                self.parquet = pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts)
            self.header = tuple(self.parquet.schema_arrow.names)
        self._check_footer(self.parquet.metadata)

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        return hashlib.sha256(self.content).hexdigest()

    def decimal(self, columns: object) -> str:
        """Numbers are no texts."""
        return "."

    def notes(self, decimal: str) -> tuple[str, ...]:
        """There is nothing to choose in how it is read."""
        return ()

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Say of whatever the library finds that the file cannot be read."""
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            why = "not a readable Parquet file"
            raise input_error(why, "write it again; it may be cut off or of another kind", file=self.file) from error

    def _check_footer(self, footer: pq.FileMetaData) -> None:
        """Refuse what says itself that more would be unpacked than is allowed, before anything is."""
        if footer.num_rows > self.limits.rows:
            raise InputError([self.limits.too_many(self.file, footer.num_rows)])
        self._check_size(sum(footer.row_group(i).total_byte_size for i in range(footer.num_row_groups)))

    def _check_size(self, unpacked: int) -> None:
        if unpacked > MAX_BYTES:
            why = f"{unpacked} bytes unpacked are over the limit of {MAX_BYTES} bytes"
            raise input_error(why, "split the file, or leave columns out", file=self.file)

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Unpack columns batch by batch; a name that is there twice, or holds no cells, is refused."""
        kinds = (*_NUMBERS, *_TEXTS, pa.types.is_null)
        strange = [name for name in names if not _is(_values(self.schema.field(name).type), kinds)]
        if strange:
            raise InputError([self._no_cells(name, self.schema.field(name).type) for name in strange])
        unpacked = row = 0
        walk = self.parquet.iter_batches(batch_size=AT_ONCE, columns=list(names), use_threads=False)
        while (batch := self._next(walk)) is not None:
            unpacked += sum(self._bytes_of(name, batch.column(name), row) for name in names)
            self._check_size(unpacked)
            yield batch
            row += batch.num_rows
        if row != self.parquet.metadata.num_rows and names:
            with self.told():
                raise ValueError("the footer says another number of rows")

    def _next(self, walk: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
        with self.told():
            batch = next(walk, None)
            if batch is not None:
                batch.validate(full=True)  # a flipped bit may point beside the dictionary, or into a letter
            return batch

    def _no_cells(self, name: str, type: pa.DataType) -> Problem:
        why = f"the column holds {str(type)[:80]}, not text, numbers or times"
        return Problem(file=self.file, column=name, why=why, fix="write it as text, or leave it out")

    def _bytes_of(self, name: str, column: pa.Array, row: int) -> int:
        """What the cells would take if each of a repeated text were one of its own."""
        if not pa.types.is_dictionary(column.type) or not len(column.dictionary):
            return column.nbytes
        lengths = pc.fill_null(pc.binary_length(column.dictionary.cast(pa.large_binary())), 0).to_numpy()
        each = lengths[pc.fill_null(column.indices, 0).to_numpy()]
        if (longest := int(each.argmax())) >= 0 and each[longest] > self.limits.cell:
            why = f"a cell is over the limit of {self.limits.cell} characters"
            place = row + longest + 1
            raise input_error(why, "shorten the cell", file=self.file, line=place, column=name)
        return int(each.sum()) + column.indices.nbytes

    def parts(self, names: Collection[str]) -> Iterator[tuple[Sequence[int], Mapping[str, Sequence[object]]]]:
        """Unpack columns batch by batch into Python's objects, ``None`` where there is nothing; rows count from 1."""
        row = 1
        for batch in self.batches(names):
            with self.told():
                columns = {name: _objects(batch.column(name)) for name in names}
            yield range(row, row + batch.num_rows), columns
            row += batch.num_rows


def _is(type: pa.DataType, kinds: Collection) -> bool:
    return any(kind(type) for kind in kinds)


def _values(type: pa.DataType) -> pa.DataType:
    return type.value_type if pa.types.is_dictionary(type) else type


def _objects(column: pa.Array) -> list[object]:
    """Python's objects, one for each text, however often it occurs."""
    if not pa.types.is_dictionary(column.type):
        return column.to_pylist()
    gone = column.is_null().to_numpy(zero_copy_only=False)
    used, places = np.unique(pc.fill_null(column.indices, 0).to_numpy(), return_inverse=True)
    values = column.dictionary.take(pa.array(used)) if len(column.dictionary) else pa.nulls(len(used))
    texts = values.cast(pa.large_string()).to_pylist() if _is(values.type, _TEXTS) else values.to_pylist()
    return [None if none else texts[i] for i, none in zip(places.tolist(), gone.tolist(), strict=True)]


def read_frame(rows: ParquetRows) -> pd.DataFrame:
    """Read all columns of a Parquet file, each of the kind that it has there."""
    shown = [name for name in rows.header if not _INDEX.fullmatch(name)]
    batches = list(rows.batches(shown))
    with rows.told():
        table = pa.Table.from_batches(batches, None if batches else pa.schema([rows.schema.field(n) for n in shown]))
        texts = {name: "str" for name in shown if _is(rows.schema.field(name).type, _TEXTS)}
        return table.replace_schema_metadata(None).to_pandas().astype(texts)


def known_runs(header: tuple[str, ...]) -> list[str]:
    """Return the columns of a runs table among those of a header."""
    return [name for name in dict.fromkeys(header) if name in COLUMNS]


@contextlib.contextmanager
def open_table(
    path: Path, limits: Limits, encoding: str | None = None, suffixes: Collection[str] | None = None
) -> Iterator[Rows | ParquetRows]:
    """Open a file of a table, CSV or Parquet, which is read part by part; ``encoding`` is what the user named."""
    file = path.name or str(path)
    with open_checked(path, limits.size, limits.fix) as stream:
        if is_parquet(stream, path):
            yield ParquetRows(stream, file, limits)
            return
        if suffixes is not None and path.suffix.lower() not in suffixes:
            raise InputError([unsupported(file)])
        with open_rows(stream, file, limits, encoding) as rows:
            yield rows


def read_table(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    wanted: Wanted = known_runs,
    limits: Limits | None = None,
    encoding: str | None = None,
) -> Table:
    """Read the wanted columns of a CSV or Parquet file or a DataFrame; raise what makes it unreadable as a whole."""
    limits = limits or Limits(rows=MAX_ROWS)
    if isinstance(source, pd.DataFrame):
        return _from_frame(source, wanted, limits)
    lines: list[int] = []
    with open_table(Path(source), limits, encoding, TEXT_SUFFIXES) as rows:
        packed = isinstance(rows, ParquetRows)  # whose columns go by name, which must be that of one
        cells: dict[str, list[object]] = {
            name: [] for name in wanted(rows.header) if not packed or rows.header.count(name) == 1
        }
        for some, part in rows.parts(cells):
            lines += some
            for name, column in part.items():
                cells[name] += column
    decimal = rows.decimal([cells[n] for n in cells if n in COLUMNS and COLUMNS[n].kind in ("count", "number")])
    return Table(
        file=rows.file,
        header=rows.header,
        cells=cells,
        lines=lines,
        header_line=rows.header_line,
        decimal=decimal,
        sha256=rows.sha256,
        notes=rows.notes(decimal),
        problems=tuple(rows.problems),
    )


def _from_frame(frame: pd.DataFrame, wanted: Wanted, limits: Limits) -> Table:
    if len(frame) > limits.rows:
        raise InputError([limits.too_many("", len(frame))])
    header = tuple(str(name) for name in frame.columns)
    known = wanted(header)
    cells: dict[str, Sequence[object]] = {}
    for i, name in enumerate(header):
        if name in known and name not in cells:
            cells[name] = _cells(frame.iloc[:, i])
    return Table(file="", header=header, cells=cells, lines=range(len(frame)))


def _cells(series: pd.Series) -> list[object]:
    """Return Python objects, ``None`` where pandas knows a missing value."""
    missing = series.isna().tolist()
    return [None if gone else cell for cell, gone in zip(series.tolist(), missing, strict=True)]


TEXT_AT_ONCE = 10_000  # rows that are text at once


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
    for start in range(0, max(runs.sizes[names.RUN], 1), TEXT_AT_ONCE):
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if not start:
            writer.writerow(columns)
        cells = [_texts(values[name][start : start + TEXT_AT_ONCE], name, spreadsheet) for name in columns]
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
