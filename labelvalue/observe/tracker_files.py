"""Dumps of tables whose columns are not known beforehand, as texts: CSV and Parquet."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from labelvalue.observe.schema import MAX_ROWS
from labelvalue.observe.tables import PARQUET_SUFFIXES, TEXT_SUFFIXES, open_checked, too_many_rows
from labelvalue.problems import InputError, Problem

NOTHING = ("", "None", "nan", "NaN", "<NA>")
"""How dumps write that there is nothing."""


def read_texts(path: Path) -> pd.DataFrame:
    """Return a dump with every cell as text, ``""`` where there is nothing; its index is the line, or row, in the file.

    Raises
    ------
    InputError
        If the file is missing, too large, of another kind, or not a table.
    """
    head = open_checked(path, path.name)
    suffix = path.suffix.lower()
    if head.startswith(b"PAR1") or suffix in PARQUET_SUFFIXES:
        table = _from_parquet(path)
    elif suffix in TEXT_SUFFIXES:
        table = _from_csv(path)
    else:
        why = "not a supported format; csv, parquet"
        raise InputError([Problem(file=path.name, why=why, fix="export the runs as CSV or Parquet")])
    return table.replace(dict.fromkeys(NOTHING[1:], ""))


def _from_csv(path: Path) -> pd.DataFrame:
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    why = f"{len(row)} cells, header has {len(header)}"
                    fix = "write the dump again, with cells that hold commas quoted"
                    raise InputError([Problem(file=path.name, line=reader.line_num, why=why, fix=fix)])
                if len(rows) >= MAX_ROWS:
                    raise InputError([too_many_rows(path.name, None)])
                rows.append(row)
                lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        raise InputError(
            [Problem(file=path.name, why=f"not UTF-8 at byte {error.start}", fix="save as UTF-8")]
        ) from None
    except csv.Error as error:
        raise InputError([Problem(file=path.name, why=f"not CSV: {error}", fix="write the dump again")]) from None
    if len(set(header)) < len(header) or not rows:
        why = "a column is there twice" if rows else "0 data rows"
        raise InputError([Problem(file=path.name, why=why, fix="write the dump again")])
    return pd.DataFrame(rows, columns=header, index=lines, dtype=object)


def _from_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from labelvalue.observe.parquet import check_footer

    try:
        footer = pq.read_metadata(path)
        check_footer(footer, path.name)
        rows = footer.num_rows
        found = pq.read_table(path).to_pydict()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        why = "not a readable Parquet file"
        raise InputError([Problem(file=path.name, why=why, fix="write the dump again")]) from error
    cells = {name: [_text(cell) for cell in column] for name, column in found.items()}
    return pd.DataFrame(cells, index=range(1, rows + 1), dtype=object)


def _text(cell: object) -> str:
    if cell is None or cell != cell:  # NaN, and pandas' NaT
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
