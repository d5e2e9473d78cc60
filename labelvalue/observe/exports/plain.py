"""A table of judgements as CSV or Parquet, with our columns or with names mapped to them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from labelvalue import names
from labelvalue.observe.exports import streams
from labelvalue.observe.exports.judgements import CHOICE, Collector, utc
from labelvalue.observe.exports.streams import open_export
from labelvalue.observe.table.cells import unguard
from labelvalue.observe.table.delimited import notes, open_rows
from labelvalue.observe.table.schema import repeated
from labelvalue.observe.table.tables import Limits, is_parquet, open_checked
from labelvalue.problems import InputError, did_you_mean, input_error, listed

COLUMNS = (names.ITEM, names.ANNOTATOR, names.LABEL, names.SECONDS, names.TIME, names.REFERENCE, names.SOURCE,
           names.SOURCE_ID, names.KIND, names.QUESTION)  # fmt: skip
MAX_ROWS, MAX_CELL = 5_000_000, 1024**2
"""Rows that are walked, not all of which are judgements, and characters of a cell, which may be none of ours."""
TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no", "")


def read_mapped(path: Path, into: Collector, columns: Mapping[str, str]) -> None:
    """Read a table."""
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        why = f"unknown column {unknown[0]!r}{did_you_mean(unknown[0], COLUMNS)}"
        raise input_error(why, f"one of {', '.join(COLUMNS)}", column="--map")
    theirs = {name: columns.get(name, name) for name in COLUMNS}
    open_export(path).close()
    limits = Limits(rows=MAX_ROWS, cell=MAX_CELL, size=streams.MAX_BYTES, fix="import it in parts")
    with open_checked(path, limits.size, limits.fix) as stream:
        if is_parquet(stream, path):
            from labelvalue.observe.table.read import ParquetRows

            packed = ParquetRows(stream, path.name, limits)
            read = _columns(packed.header, path.name, None, theirs, columns, into)
            batches = (zip(*(batch[name] for name in read), strict=True) for batch in packed.cells(read))
            for number, row in enumerate(itertools.chain.from_iterable(batches), start=1):
                _row(number, dict(zip(read, map(cell_text, row), strict=True)), theirs, path.name, into)
            return
        with open_rows(stream, path.name, limits) as rows:
            read = _columns(rows.header, path.name, rows.header_line, theirs, columns, into)
            places = {name: rows.header.index(name) for name in read}
            decimal = "." if rows.separator == "," else ","
            for line, cells in rows:
                record = {name: unguard(cells[place]) for name, place in places.items()}
                if decimal != "." and theirs[names.SECONDS] in record:
                    record[theirs[names.SECONDS]] = record[theirs[names.SECONDS]].replace(decimal, ".")
                _row(line, record, theirs, path.name, into)
            into.problems += rows.problems
            for note in notes(rows.scan.encoding, rows.separator, decimal):
                into.note(note)


def _columns(
    header: Sequence[str],
    file: str,
    line: int | None,
    theirs: Mapping[str, str],
    columns: Mapping[str, str],
    into: Collector,
) -> list[str]:
    """Return which columns are read: those of ours that are there, and that of the slices."""
    if problems := repeated(header, file, line):
        raise InputError(problems)
    absent = [t for name, t in theirs.items() if t not in header and (name in columns or name == names.ITEM)]
    if absent:
        why = f"no column {', '.join(map(repr, absent))}; found {listed(header)}"
        raise input_error(why, "map it, such as --map item=task_id", file=file, line=line)
    if into.slice_path is not None and into.slice_path not in header:
        why = f"no column {into.slice_path!r}{did_you_mean(into.slice_path, header)}; found {listed(header)}"
        raise input_error(why, "give another --slice", file=file, line=line)
    return [name for name in header if name == into.slice_path or name in theirs.values()]


def _row(line: int, record: Mapping[str, str], theirs: Mapping[str, str], file: str, into: Collector) -> None:
    def of(name: str) -> str:
        return record.get(theirs[name], "").strip()

    item = of(names.ITEM)
    if not item:
        into.wrong("is empty", "name the item that was judged", line=line, field=theirs[names.ITEM])
        return
    if not of(names.LABEL) and theirs[names.LABEL] in record:
        into.leave_out("unlabelled")
        return
    time = utc(of(names.TIME)) if of(names.TIME) else None
    if of(names.TIME) and time is None:
        into.wrong(
            "not a time", "write 2026-03-02T09:00:00Z", line=line, field=theirs[names.TIME], value=of(names.TIME)
        )
    reference = of(names.REFERENCE).lower()
    if reference not in (*TRUE, *FALSE):
        into.wrong(
            "not true or false", "write true or false", line=line, field=theirs[names.REFERENCE], value=reference
        )
    who = into.who(of(names.ANNOTATOR))
    into.add(
        item=item,
        slice=into.slice_of(record, item, {"line": line}),
        source_id=of(names.SOURCE_ID) or f"line {line}",
        label=of(names.LABEL),
        kind=of(names.KIND) or CHOICE,
        annotator=who,
        seconds=into.duration(of(names.SECONDS)),
        time=time,
        reference=reference in TRUE,
        source=of(names.SOURCE) or file,
        question=of(names.QUESTION),
        place={"line": line},
    )


def cell_text(cell: object) -> str:
    """Return a cell as text, as it would stand in CSV; ``""`` where there is nothing."""
    if isinstance(cell, str):
        return cell
    if cell is None or cell != cell:  # NaN, and pandas' NaT
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
