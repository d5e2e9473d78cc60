"""A table of judgements as CSV or Parquet, with our columns or with names mapped to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.observe.exports.judgements import CHOICE, Collector, utc
from labelvalue.observe.exports.streams import open_export
from labelvalue.problems import InputError, Problem, did_you_mean

COLUMNS = (names.ITEM, names.ANNOTATOR, names.LABEL, names.SECONDS, names.TIME, names.REFERENCE, names.SOURCE,
           names.SOURCE_ID, names.KIND, names.QUESTION)  # fmt: skip
TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no", "")


def read_mapped(path: Path, into: Collector, columns: Mapping[str, str]) -> None:
    """Read a table.

    Parameters
    ----------
    path : pathlib.Path
        CSV (comma) or Parquet file.
    into : Collector
        Takes the judgements.
    columns : mapping of str to str
        Their names of our columns, where they differ.

    Raises
    ------
    InputError
        If a column that is asked for is missing, or the file is broken.

    Examples
    --------
    See :func:`labelvalue.read_annotations`.
    """
    frame = _frame(path)
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        why = f"unknown column {unknown[0]!r}{did_you_mean(unknown[0], COLUMNS)}"
        raise InputError([Problem(column="--map", why=why, fix=f"one of {', '.join(COLUMNS)}")])
    theirs = {name: columns.get(name, name) for name in COLUMNS}
    absent = [t for name, t in theirs.items() if t not in frame and (name in columns or name == names.ITEM)]
    if absent:
        why = f"no column {', '.join(map(repr, absent))}; found {', '.join(map(str, frame.columns[:12]))}"
        raise InputError([Problem(file=path.name, line=1, why=why, fix="map it, such as --map item=task_id")])
    for place, record in enumerate(frame.to_dict("records")):
        _row(place + 2, {str(k): v for k, v in record.items()}, theirs, path.name, into)


def _frame(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    from labelvalue.observe.parquet import check_footer

    open_export(path).close()
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            check_footer(pq.read_metadata(path), path.name)
            return pd.read_parquet(path).astype("string").fillna("").astype(object)
        # whatever the file is called, it is not unpacked: that may come to anything
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", compression=None)
    except InputError:
        raise
    except (ValueError, OSError) as error:
        raise InputError(
            [Problem(file=path.name, why=f"cannot be read: {error}", fix="save it as UTF-8 CSV")]
        ) from None


def _row(line: int, record: Mapping[str, Any], theirs: Mapping[str, str], file: str, into: Collector) -> None:
    def of(name: str) -> str:
        return str(record.get(theirs[name], "")).strip()

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
    )
