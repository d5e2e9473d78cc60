"""A table of judgements as CSV or Parquet, with our columns or with names mapped to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labelvalue import names
from labelvalue.observe.annotations.text_rows import TextRows, open_text_rows
from labelvalue.observe.exports import streams
from labelvalue.observe.exports.judgements import CHOICE, Collector, utc
from labelvalue.observe.exports.streams import open_export
from labelvalue.observe.table.tables import Limits
from labelvalue.problems import did_you_mean, input_error, listed

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
    open_export(path).close()
    limits = Limits(rows=MAX_ROWS, cell=MAX_CELL, size=streams.MAX_BYTES, fix="import it in parts")
    with open_text_rows(path, limits, "import it in parts") as rows:
        read = _columns(rows, columns, into)
        theirs = {name: columns.get(name, name) for name in COLUMNS}
        for line, cells in rows.cells(read):
            record = dict(zip(read, cells, strict=True))
            if rows.decimal != "." and theirs[names.SECONDS] in record:
                record[theirs[names.SECONDS]] = record[theirs[names.SECONDS]].replace(rows.decimal, ".")
            _row(line, record, theirs, path.name, into)
        into.problems += rows.problems
        for note in rows.notes:
            into.note(note)


def _columns(rows: TextRows, columns: Mapping[str, str], into: Collector) -> list[str]:
    """Return which columns are read: those of ours that are there, and that of the slices."""
    theirs = {name: columns.get(name, name) for name in COLUMNS}
    absent = [t for name, t in theirs.items() if t not in rows.header and (name in columns or name == names.ITEM)]
    found = listed(rows.header)
    if absent:
        why = f"no column {', '.join(map(repr, absent))}; found {found}"
        raise input_error(why, "map it, such as --map item=task_id", file=rows.file, line=rows.header_line)
    if into.slice_path is not None and into.slice_path not in rows.header:
        why = f"no column {into.slice_path!r}{did_you_mean(into.slice_path, rows.header)}; found {found}"
        raise input_error(why, "give another --slice", file=rows.file, line=rows.header_line)
    return [name for name in rows.header if name == into.slice_path or name in theirs.values()]


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
