"""Tables whose columns are not known beforehand, row by row as texts: CSV and Parquet."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from labelvalue.observe.table.delimited import Rows, notes, open_rows
from labelvalue.observe.table.schema import repeated
from labelvalue.observe.table.spreadsheets import unguard
from labelvalue.observe.table.tables import Limits, is_parquet, open_checked
from labelvalue.problems import InputError, Problem


class TextRows:
    """A table while it is walked."""

    def __init__(self, file: str, header: tuple[str, ...], header_line: int | None):
        self.file, self.header, self.header_line = file, header, header_line
        if problems := repeated(header, file, header_line):
            raise InputError(problems)

    problems: Sequence[Problem] = ()
    """What was wrong with single rows, once all were walked."""
    notes: Sequence[str] = ()
    decimal: str = "."
    """Decimal mark of numbers: the comma where it separates no cells."""

    def cells(self, names: Collection[str]) -> Iterator[tuple[int, list[str]]]:
        """Line, or row of a Parquet file from 1, and the cells of columns, ``""`` where there is nothing."""
        raise NotImplementedError


class _Separated(TextRows):
    def __init__(self, rows: Rows):
        super().__init__(rows.file, rows.header, rows.header_line)
        self.rows = rows
        self.problems = rows.problems
        self.decimal = "." if rows.separator == "," else ","
        self.notes = notes(rows.scan.encoding, rows.separator, self.decimal)

    def cells(self, names: Collection[str]) -> Iterator[tuple[int, list[str]]]:
        places = [self.header.index(name) for name in names]
        for line, row in self.rows:
            yield line, [unguard(row[i]) for i in places]


class _Parquet(TextRows):
    def __init__(self, rows: object):
        super().__init__(rows.file, rows.header, None)  # type: ignore[attr-defined]
        self.rows = rows

    def cells(self, names: Collection[str]) -> Iterator[tuple[int, list[str]]]:
        row = 0
        for batch in self.rows.cells(names):  # type: ignore[attr-defined]
            for cells in zip(*(batch[name] for name in names), strict=True):
                row += 1
                yield row, [cell_text(cell) for cell in cells]


@contextlib.contextmanager
def open_text_rows(path: Path, limits: Limits, fix: str) -> Iterator[TextRows]:
    """Open a table of whatever columns; ``fix`` says what to do with a file over the limit."""
    with open_checked(path, limits.size, fix) as stream:
        if is_parquet(stream, path):
            from labelvalue.observe.table.parquet import ParquetRows

            yield _Parquet(ParquetRows(stream, path.name, limits))
        else:
            with open_rows(stream, path.name, limits) as rows:
                yield _Separated(rows)


def cell_text(cell: object) -> str:
    """Return a cell as text, as it would stand in CSV; ``""`` where there is nothing."""
    if isinstance(cell, str):
        return cell
    if cell is None or cell != cell:  # NaN, and pandas' NaT
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
