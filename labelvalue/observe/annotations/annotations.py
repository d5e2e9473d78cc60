"""The annotations table: judgements of people from a tool's export, with what they took and when."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd

from labelvalue import names
from labelvalue.observe.annotations.tables import settled, without_repeats
from labelvalue.observe.exports import plain
from labelvalue.observe.exports.judgements import CHOICE, TEXT, WORK, Collector, Judgements, utc
from labelvalue.observe.importers import importer, layouts
from labelvalue.problems import InputError, Problem, input_error

TABLE = "csv"
"""Format of tables of judgements; all others are files of ``observe/importers``."""
MOST_CLASSES = 50
"""Distinct labels of a question from which on most answers being distinct means free text."""
REPLACED = "replaced by a later version"


def read_annotations(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    format: str,
    *,
    slice: str | None = None,
    batch: str | None = None,
    batch_date: str | None = None,
    columns: Mapping[str, str] | None = None,
    keep_annotators: bool = False,
    salt: str | None = None,
) -> pd.DataFrame:
    r"""Read one or several exports of an annotation tool into one table of judgements.

    Files are read as streams and nothing leaves the machine. What is cancelled, skipped, a draft or discarded is
    counted and left out. Where exports overlap, one judgement stays, the latest. Annotators are replaced by salted
    hashes.

    Parameters
    ----------
    source : path, or sequence of paths
        Exports of one format.
    format : {"label-studio", "argilla", "doccano", "prodigy", "cvat", "csv"}
        Tool that made them; ``csv`` is a table of judgements as CSV or Parquet.
    slice : str, optional
        Where the slice stands: a dotted path such as ``data.meta.country``; for CVAT ``path.0`` (part of the image's
        path), ``task`` or ``tag``. Without it, all items are of slice ``all``.
    batch : str, optional
        Batch they belong to; the first file's digest by default.
    batch_date : str, optional
        Time of judgements whose export does not tell any (ISO 8601).
    columns : mapping of str to str, optional
        For ``csv``: their names of our columns, such as ``{"item": "task_id"}``.
    keep_annotators : bool
        Whether names stay as they are.
    salt : str, optional
        Salt of the hashes; the same one gives one annotator the same hash in every import. A new one where none is
        given.

    Returns
    -------
    pandas.DataFrame
        One row a judgement: ``item``, ``slice``, ``annotator``, ``label``, ``seconds`` (NaN where unknown), ``time``
        (UTC), ``batch``, ``reference``, ``source``, ``source_id``, ``kind``, ``question``, ``units``, ``seconds_from``.
        Attributes: ``counts`` of what was left out by reason, ``notes``, ``labels`` by slice (items with a judgement
        that is no reference), ``sha256`` of the files.

    Raises
    ------
    InputError
        With everything that is wrong, and its place: another layout, broken or cut-off files, slices that are
        missing or no text, unsafe archives, no usable label.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "labels.csv"
    ...     _ = file.write_text("item,label,country\n1,yes,FR\n2,no,DE\n")
    ...     read_annotations(file, "csv", slice="country").attrs["labels"]
    {'FR': 1, 'DE': 1}
    """
    paths = [Path(source)] if isinstance(source, (str, os.PathLike)) else [Path(one) for one in source]
    reader = _reader(format, columns)
    date = _date(batch_date)
    salt = secrets.token_hex(16) if salt is None else salt
    if not salt.strip():
        why = "is empty: anybody could undo hashes without one"
        raise input_error(why, "give a long random text, or none", column="salt")
    kept = Judgements()
    counts: dict[str, int] = {}
    notes: dict[str, None] = {}
    problems: list[Problem] = []
    digests: dict[str, str] = {}
    for path in paths:
        into = Collector(path.name, kept, slice_path=slice, salt=salt, keep_annotators=keep_annotators, layouts=layouts)
        try:
            reader(path, into)
            into.finish()
        except InputError as error:
            problems += error.problems
            continue
        digests[into.name_of(path.name)] = _digest(path)
        notes |= into.notes
        for reason, count in into.counts.items():
            counts[reason] = counts.get(reason, 0) + count
    if problems:
        raise InputError(problems)
    table = settled(kept.frame(), batch or next(iter(digests.values()))[:12], date)
    table, replaced = without_repeats(table)
    if replaced:
        counts[REPLACED] = replaced
    table, more = _free_text_apart(table)
    named = ["names of annotators are kept as the tool gave them"] if keep_annotators else []
    table.attrs = {
        "counts": counts,
        names.NOTES: [*notes, *more, *named],
        names.LABELS: labels_of(table),
        names.SHA256: digests,
    }
    return table


def _reader(format: str, columns: Mapping[str, str] | None) -> Callable[[Path, Collector], None]:
    if format == TABLE:
        return partial(plain.read_mapped, columns=dict(columns or {}))
    return importer(format).read


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    date = utc(text)
    if date is None:
        raise input_error("not a time", "write 2026-03-02", column="--batch-date", value=text)
    return date.astimezone(UTC)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def labels_of(table: pd.DataFrame) -> dict[str, int]:
    """Count the labels of every slice: items with at least one judgement that is no reference."""
    items = table.loc[table[names.KIND] != WORK, [names.SOURCE, names.ITEM, names.SLICE, names.REFERENCE]]
    pairs = items[~items[names.REFERENCE].astype(bool)].drop_duplicates([names.SOURCE, names.ITEM])
    counts = pairs[names.SLICE].value_counts()
    return {str(name): int(counts.get(name, 0)) for name in dict.fromkeys(items[names.SLICE])}


def _free_text_apart(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Questions whose answers are mostly distinct are answered in free words: no agreement is computed."""
    choices = table[table[names.KIND] == CHOICE]
    answers = choices.groupby([names.SOURCE, names.QUESTION])[names.LABEL].agg(["nunique", "size"])
    free = answers[(answers["nunique"] > MOST_CLASSES) & (answers["nunique"] > 0.5 * answers["size"])].index
    if not len(free):
        return table, []
    of = pd.MultiIndex.from_frame(table[[names.SOURCE, names.QUESTION]])
    inside = of.isin(free) & (table[names.KIND] == CHOICE)
    table.loc[inside, names.KIND] = TEXT
    table.loc[inside, names.LABEL] = ""
    return table, [f"{int(inside.sum())} answers in free words: count, time and annotator are used, no agreement"]
