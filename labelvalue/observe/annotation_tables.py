"""Annotations tables put in order, put together, written and read again."""

from __future__ import annotations

import io
import os
from datetime import datetime
from pathlib import Path

import pandas as pd

from labelvalue import names
from labelvalue.problems import InputError, Problem, quote
from labelvalue.storage import write_whole

COLUMNS = (
    *(names.ITEM, names.SLICE, names.ANNOTATOR, names.LABEL, names.SECONDS, names.TIME, names.BATCH, names.REFERENCE),
    *(names.SOURCE, names.SOURCE_ID, names.KIND, names.QUESTION, names.UNITS, names.SECONDS_FROM),
)
"""Columns of an annotations table, in order."""
KEY = [names.SOURCE, names.ITEM, names.SOURCE_ID]
"""What makes a judgement the same one in two exports."""
TEXTS = [c for c in COLUMNS if c not in (names.SECONDS, names.TIME, names.REFERENCE, names.UNITS)]
CONTENT = [c for c in COLUMNS if c != names.BATCH]
PARQUET, CSV = (".parquet", ".pq"), (".csv",)


def settled(table: pd.DataFrame, batch: str | None = None, date: datetime | None = None) -> pd.DataFrame:
    """Give a table its columns, each of its own kind.

    Parameters
    ----------
    table : pandas.DataFrame
        Judgements.
    batch : str, optional
        Batch of all of them, where they do not say.
    date : datetime, optional
        Time of those without one.

    Returns
    -------
    pandas.DataFrame
        Text as Python text, ``seconds`` float, ``time`` UTC, ``reference`` bool, ``units`` int.

    Examples
    --------
    >>> settled(pd.DataFrame({"item": ["1"], "slice": ["FR"]}), batch="b1")["units"].tolist()
    [1]
    """
    table = table.copy()
    if batch is not None:
        table[names.BATCH] = batch
    for name in TEXTS:
        column = table[name] if name in table else pd.Series("", index=table.index)
        table[name] = (
            column.fillna("").map(lambda text: str.__str__(text) if isinstance(text, str) else str(text)).astype(object)
        )
    seconds = table[names.SECONDS] if names.SECONDS in table else pd.Series(float("nan"), index=table.index)
    table[names.SECONDS] = pd.to_numeric(seconds).astype(float)
    time = table[names.TIME] if names.TIME in table else pd.Series(None, index=table.index, dtype=object)
    table[names.TIME] = pd.to_datetime(time, utc=True).astype("datetime64[us, UTC]")
    if date is not None:
        table[names.TIME] = table[names.TIME].fillna(pd.Timestamp(date))
    reference = table[names.REFERENCE] if names.REFERENCE in table else pd.Series(False, index=table.index)
    table[names.REFERENCE] = reference.map(lambda value: str(value).lower() == "true").astype(bool)
    units = table[names.UNITS] if names.UNITS in table else pd.Series(1, index=table.index)
    table[names.UNITS] = pd.to_numeric(units).astype(int)
    return table[list(COLUMNS)]


def without_repeats(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Keep one row a judgement: the latest by time, of those without time the last read.

    Parameters
    ----------
    table : pandas.DataFrame
        Annotations table.

    Returns
    -------
    table : pandas.DataFrame
        In the order of first occurrence.
    replaced : int
        Rows that gave way.

    Examples
    --------
    >>> two = settled(pd.DataFrame({"item": ["1", "1"], "source_id": ["7", "7"], "label": ["a", "b"]}), batch="x")
    >>> without_repeats(two)[0]["label"].tolist()
    ['b']
    """
    order = table.assign(_first=table.groupby(KEY, sort=False).ngroup())
    order = order.sort_values(names.TIME, kind="stable", na_position="first")
    kept = order.drop_duplicates(KEY, keep="last").sort_values("_first", kind="stable").drop(columns="_first")
    return kept.reset_index(drop=True), len(table) - len(kept)


def add_annotations(old: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Add judgements to a table; those it holds already stay, or give way to a later version.

    Parameters
    ----------
    old, new : pandas.DataFrame
        Annotations tables; annotators hashed with the same salt.

    Returns
    -------
    table : pandas.DataFrame
        Both together.
    counts : dict of str to int
        ``added``, ``replaced`` and ``unchanged`` judgements of the new table.

    Examples
    --------
    >>> one = settled(pd.DataFrame({"item": ["1"], "source_id": ["7"], "label": ["a"]}), batch="x")
    >>> add_annotations(one, one)[1]
    {'added': 0, 'replaced': 0, 'unchanged': 1}
    """
    together, _ = without_repeats(pd.concat([settled(old), settled(new)], ignore_index=True))
    fresh = len(_rows(new, KEY) - _rows(old, KEY))
    changed = len(_rows(together, CONTENT) - _rows(old, CONTENT)) - fresh
    return together, {"added": fresh, "replaced": changed, "unchanged": len(_rows(new, KEY)) - fresh - changed}


def _rows(table: pd.DataFrame, columns: list[str]) -> set[tuple]:
    return set(
        settled(table)[columns].astype(object).where(lambda f: f.notna(), None).itertuples(index=False, name=None)
    )


def write_annotations(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write an annotations table as Parquet or CSV, whole or not at all.

    Parameters
    ----------
    table : pandas.DataFrame
        Annotations table.
    path : path
        Ends in ``.parquet`` or ``.csv``.

    Returns
    -------
    pathlib.Path
        ``path``.

    Raises
    ------
    InputError
        If the suffix is another one.
    StorageError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> one = settled(pd.DataFrame({"item": ["007"], "slice": ["NA"]}), batch="x")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_annotations(write_annotations(one, Path(folder) / "a.csv"))["slice"].tolist()
    ['NA']
    """
    path = Path(path)
    table = settled(table)
    buffer = io.BytesIO()
    if path.suffix.lower() in PARQUET:
        table.to_parquet(buffer, index=False)
    elif path.suffix.lower() in CSV:
        table.to_csv(buffer, index=False)
    else:
        raise InputError([_foreign(path)])
    write_whole(path, buffer.getvalue())
    return path


def load_annotations(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read an annotations table that ``write_annotations`` wrote.

    Parameters
    ----------
    path : path
        Parquet or CSV file.

    Returns
    -------
    pandas.DataFrame
        Annotations table.

    Raises
    ------
    InputError
        If there is none, or it is another kind of table.

    Examples
    --------
    >>> import tempfile
    >>> one = settled(pd.DataFrame({"item": ["007"], "slice": ["FR"]}), batch="x")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_annotations(write_annotations(one, Path(folder) / "a.parquet"))["item"].tolist()
    ['007']
    """
    import pyarrow.parquet as pq

    from labelvalue.observe.parquet import check_footer

    path = Path(path)
    if not path.is_file():
        why = f"no such file {quote(str(path), 200)}"
        raise InputError([Problem(file=path.name, why=why, fix="check the path")])
    try:
        if path.suffix.lower() in PARQUET:
            check_footer(pq.read_metadata(path), path.name)
            table = pd.read_parquet(path)
        elif path.suffix.lower() in CSV:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            table[names.SECONDS] = table.get(names.SECONDS, pd.Series(dtype=str)).replace("", None)
            table[names.TIME] = table.get(names.TIME, pd.Series(dtype=str)).replace("", None)
        else:
            raise InputError([_foreign(path)])
    except InputError:
        raise
    except (ValueError, OSError) as error:
        raise InputError([Problem(file=path.name, why=f"cannot be read: {error}", fix="import again")]) from None
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        why = f"not an annotations table: no column {', '.join(missing)}"
        raise InputError([Problem(file=path.name, why=why, fix="give what 'labelvalue import' wrote")])
    return settled(table)


def _foreign(path: Path) -> Problem:
    return Problem(file=path.name, why="not a supported format; csv, parquet", fix="name a .parquet or .csv file")
