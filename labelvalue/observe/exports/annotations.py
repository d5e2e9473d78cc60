"""The annotations table: judgements of people from a tool's export, with what they took and when."""

import contextlib
import dataclasses
import hashlib
import io
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.observe.exports import judgements
from labelvalue.observe.exports.judgements import (
    CHOICE,
    MAX_CHARACTERS,
    MAX_JUDGEMENTS,
    TEXT,
    WORK,
    Collector,
    Judgements,
    too_many_judgements,
    utc,
)
from labelvalue.observe.importers import importer, layouts
from labelvalue.observe.table.delimited import MAX_BYTES, Limits, Table
from labelvalue.observe.table.files import AT_ONCE, read_table
from labelvalue.observe.table.schema import Fault, Parser, guard, parse_count, parse_number, parse_time, repeated
from labelvalue.problems import InputError, Problem, input_error
from labelvalue.server import is_address
from labelvalue.storage import write_whole

COLUMNS = (
    *(names.ITEM, names.SLICE, names.ANNOTATOR, names.LABEL, names.SECONDS, names.TIME, names.BATCH, names.REFERENCE),
    *(names.SOURCE, names.SOURCE_ID, names.KIND, names.QUESTION, names.UNITS, names.SECONDS_FROM),
)  # columns of an annotations table, in order
KEY = [names.SOURCE, names.ITEM, names.SOURCE_ID]  # what makes a judgement the same one in two exports
TEXTS = [c for c in COLUMNS if c not in (names.SECONDS, names.TIME, names.REFERENCE, names.UNITS)]
CONTENT = [c for c in COLUMNS if c != names.BATCH]
PARQUET, CSV = (".parquet", ".pq"), (".csv",)
LINES_AT_ONCE = 8_192  # the same of CSV, whose text is there twice until it is bytes


def settled(table: pd.DataFrame, batch: str | None = None, date: datetime | None = None) -> pd.DataFrame:
    """Give a table its columns, each of its own kind."""
    nothing = pd.Series(None, index=table.index, dtype=object)
    found = {name: table.get(name, nothing) for name in COLUMNS}
    if batch is not None:
        found[names.BATCH] = pd.Series(batch, index=table.index, dtype=object)
    for name in TEXTS:
        found[name] = _texts(found[name])
    found[names.SECONDS] = pd.to_numeric(found[names.SECONDS]).astype(float)
    found[names.TIME] = pd.to_datetime(found[names.TIME], utc=True).astype("datetime64[us, UTC]")
    if date is not None:
        found[names.TIME] = found[names.TIME].fillna(pd.Timestamp(date))
    if found[names.REFERENCE].dtype != bool:
        found[names.REFERENCE] = found[names.REFERENCE].map(lambda value: str(value).lower() == "true").astype(bool)
    found[names.UNITS] = pd.to_numeric(found[names.UNITS]).fillna(1).astype(int)
    return pd.DataFrame(found, copy=False)


def _texts(column: pd.Series) -> pd.Series:
    """Return a column of Python text, empty where there is nothing."""
    if column.dtype == object and all(type(cell) is str for cell in column):
        return column
    return column.astype(object).where(column.notna(), "").map(str).astype(object)


def without_repeats(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Keep one row a judgement: the latest by time, of those without time the last read."""
    if not table.duplicated(KEY).any():
        return table.reset_index(drop=True), 0
    kept = _latest(_judgement(table), table)
    return table.iloc[kept].reset_index(drop=True), len(table) - len(kept)


def _judgement(table: pd.DataFrame) -> np.ndarray:
    """Number the judgements of a table: the same number for all versions of one, in the order of the first."""
    return table.groupby(KEY, sort=False).ngroup().to_numpy()


def _latest(judgement: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Positions of the rows that stay, in the order in which their judgements occur first."""
    order = np.lexsort((table[names.TIME].astype("int64").to_numpy(), judgement))  # no time is the smallest number
    return order[np.flatnonzero(np.diff(judgement[order], append=-1))]


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
        ``added``, ``replaced`` and ``unchanged`` judgements of the new table; ``repeated`` of the old one, where a
        judgement stood in it more than once, of which the latest stays.

    Raises
    ------
    InputError
        If they are more than a table may hold.

    Examples
    --------
    >>> one = settled(pd.DataFrame({"item": ["1"], "source_id": ["7"], "label": ["a"]}), batch="x")
    >>> add_annotations(one, one)[1]
    {'added': 0, 'replaced': 0, 'unchanged': 1}
    """
    both, first = pd.concat([settled(old), settled(new)], ignore_index=True), len(old)
    judgement = _judgement(both)
    kept = _latest(judgement, both)
    if len(kept) > MAX_JUDGEMENTS:
        raise InputError([too_many_judgements(len(kept))])
    version = np.full(len(kept), -1)
    version[judgement[:first]] = np.arange(first)
    newer = kept[kept >= first]
    before = version[judgement[newer]]
    fresh = int((before < 0).sum())
    again = before >= 0
    changed = int(_differ(both.iloc[before[again]], both.iloc[newer[again]]).sum())
    unchanged = len(np.unique(judgement[first:])) - fresh - changed
    together = both.iloc[kept].reset_index(drop=True)
    counts = {"added": fresh, "replaced": changed, "unchanged": unchanged}
    repeated = first - len(np.unique(judgement[:first]))
    return together, counts | ({"repeated": repeated} if repeated else {})


def _differ(one: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Tell row by row whether two tables differ in anything but the batch."""
    one, other = (table[CONTENT].reset_index(drop=True) for table in (one, other))
    return ((one != other) & ~(one.isna() & other.isna())).any(axis=1).to_numpy()


def write_annotations(table: pd.DataFrame, path: str | os.PathLike[str], *, spreadsheet: bool = True) -> Path:
    """Write an annotations table as Parquet or CSV, whole or not at all.

    What is written can be read again: a table over the limits of ``load_annotations`` is refused here.

    Parameters
    ----------
    table : pandas.DataFrame
        Annotations table.
    path : path
        Ends in ``.parquet`` or ``.csv``.
    spreadsheet : bool
        CSV only: put an apostrophe before text that a spreadsheet would run as a formula, which ``load_annotations``
        removes. Without it the texts are exactly what they are, for other readers.

    Returns
    -------
    pathlib.Path
        ``path``.

    Raises
    ------
    InputError
        If the suffix is another one, or the table is larger than what is read.
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
    check_suffix(path)
    table = settled(table)
    if len(table) > MAX_JUDGEMENTS:
        raise InputError([dataclasses.replace(too_many_judgements(len(table)), file=path.name)])
    long = [name for name in TEXTS if max(map(len, table[name]), default=0) > MAX_CHARACTERS]
    if long:
        why = f"holds a text over the limit of {MAX_CHARACTERS} characters"
        raise InputError([Problem(file=path.name, column=name, why=why, fix="shorten it") for name in long])
    buffer = io.BytesIO()
    if path.suffix.lower() in PARQUET:
        size = _to_parquet(table, buffer)
    else:
        size = _to_csv(table, buffer, partial(guard, spreadsheet=spreadsheet))
    if size > MAX_BYTES:
        why = f"{size} bytes are over the limit of {MAX_BYTES} bytes that a table may have"
        raise input_error(why, "keep the judgements in several tables", file=path.name)
    write_whole(path, buffer.getbuffer())
    return path


def _to_csv(table: pd.DataFrame, buffer: io.BytesIO, guarded: Callable[[str], str]) -> int:
    """Write part by part; return the bytes of all of it."""
    for start in range(0, max(len(table), 1), LINES_AT_ONCE):
        part = table.iloc[start : start + LINES_AT_ONCE]
        part = part.assign(**{name: part[name].map(guarded).astype(object) for name in TEXTS})
        buffer.write(part.to_csv(index=False, header=not start, lineterminator="\n").encode())
    return buffer.tell()


def _to_parquet(table: pd.DataFrame, buffer: io.BytesIO) -> int:
    """Write part by part; return the bytes of all cells."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {names.SECONDS: pa.float64(), names.TIME: pa.timestamp("us", "UTC"), names.REFERENCE: pa.bool_(),
             names.UNITS: pa.int64()}  # fmt: skip
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    size = 0
    with pq.ParquetWriter(buffer, schema) as writer:
        for start in range(0, max(len(table), 1), AT_ONCE):
            part = pa.Table.from_pandas(table.iloc[start : start + AT_ONCE], schema=schema, preserve_index=False)
            size += part.nbytes
            writer.write_table(part.replace_schema_metadata(None))
    return size


def load_annotations(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read an annotations table that ``write_annotations`` wrote.

    Parameters
    ----------
    path : path
        Parquet or CSV file, of at most a million judgements.

    Returns
    -------
    pandas.DataFrame
        Annotations table.

    Raises
    ------
    InputError
        If there is none, or it is another kind of table; with every cell that is wrong.

    Examples
    --------
    >>> import tempfile
    >>> one = settled(pd.DataFrame({"item": ["007"], "slice": ["FR"]}), batch="x")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_annotations(write_annotations(one, Path(folder) / "a.parquet"))["item"].tolist()
    ['007']
    """
    path = Path(path)
    limits = Limits(rows=MAX_JUDGEMENTS, fix="keep the judgements in several tables")
    table = read_table(path, wanted=lambda header: [name for name in COLUMNS if name in header], limits=limits)
    check_suffix(path)
    problems = [*repeated(table.header, table.file, table.header_line), *table.problems]
    missing = [name for name in COLUMNS if name not in table.header]
    if missing:
        why = f"not an annotations table: no column {', '.join(missing)}"
        problems = [Problem(file=path.name, why=why, fix="give what 'labelvalue import' wrote")]
    if problems:
        raise InputError(problems)
    return settled(pd.DataFrame(_values(table)))


def _values(table: Table) -> dict[str, pd.Series]:
    """Return the columns of a table that was read, each of its own kind; raise every cell that is none."""
    kinds: Mapping[str, Parser] = {
        names.SECONDS: parse_number, names.TIME: parse_time, names.REFERENCE: _parse_truth, names.UNITS: parse_count,
    }  # fmt: skip
    found: dict[str, pd.Series] = {}
    problems: list[Problem] = []
    for name, parse in kinds.items():
        values = list(map(lru_cache(maxsize=10_000, typed=True)(parse), table.cells[name]))
        for row, value in enumerate(values):
            if isinstance(value, Fault):
                cell, line = table.cells[name][row], table.lines[row]
                problems.append(
                    Problem(file=table.file, line=line, column=name, value=cell, why=value.why, fix=value.fix)
                )
                values[row] = None
        found[name] = pd.Series(values, dtype=object)
    if problems:
        raise InputError(problems)
    return {
        name: found[name] if name in found else pd.Series(list(table.cells[name]), dtype=object) for name in COLUMNS
    }


def _parse_truth(cell: object) -> object:
    text = str(cell or "").lower()
    return text == "true" if text in ("true", "false", "") else Fault("not true or false", "write true or false")


def check_suffix(path: Path) -> None:
    """Refuse a file of whose kind no annotations table is."""
    if path.suffix.lower() not in (*PARQUET, *CSV):
        raise input_error("not a supported format; csv, parquet", "name a .parquet or .csv file", file=path.name)


TABLE = "csv"  # format of tables of judgements; all others are files of ``observe/importers``
MOST_CLASSES = 50  # distinct labels of a question from which on most answers being distinct means free text
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

    Files are read as streams; only an address is asked, with the token in ``LABEL_STUDIO_API_KEY``. What is cancelled,
    skipped, a draft or discarded is counted and left out. Where exports overlap, the latest judgement stays. Annotators
    become salted hashes.

    Parameters
    ----------
    source : path, or sequence of paths
        Exports of one format; of Label Studio also a project's address, such as ``https://host/projects/7``.
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
    given = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    reader = partial(judgements.read_mapped, columns=columns or {}) if format == TABLE else importer(format).read
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
    collector = partial(Collector, slice_path=slice, salt=salt, keep_annotators=keep_annotators, layouts=layouts)
    for one in given:
        try:
            with _at_hand(one, format) as path:
                into = collector(path.name, kept)
                reader(path, into)
                into.finish()
                digests[into.name_of(path.name)] = _digest(path)
        except InputError as error:
            problems += error.problems
            continue
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


@contextlib.contextmanager
def _at_hand(source: str | os.PathLike[str], format: str) -> Iterator[Path]:
    """Give a file, or for as long as it is read what a server exports into one."""
    if not is_address(source):
        yield Path(source)
        return
    pull = None if format == TABLE else getattr(importer(format), "pull", None)
    if pull is None:
        raise input_error(f"no server is asked for {format}", "export to a file, and give that", column="source")
    with tempfile.TemporaryDirectory() as folder:
        name, content = pull(source)
        path = Path(folder, name)
        path.write_bytes(content)
        yield path


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
