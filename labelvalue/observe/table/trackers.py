"""Runs tables from experiment trackers, MLflow and Weights & Biases: their dumps, or their runs where they lie."""

import dataclasses
import datetime as dt
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.exports.judgements import cell_text
from labelvalue.observe.table.cells import parse_number
from labelvalue.observe.table.delimited import Limits, Table
from labelvalue.observe.table.read import read_table
from labelvalue.observe.table.runs import read_runs
from labelvalue.observe.table.schema import COLUMNS, MAX_ROWS, MEASURES, repeated
from labelvalue.observe.table.tracked import Record, mlflow_runs, wandb_runs
from labelvalue.printing import as_lines
from labelvalue.problems import InputError, Problem, did_you_mean, input_error, listed, quote
from labelvalue.server import is_address

EVERY_SLICE = "{slice}"  # stands in a mapped column's name for the slice: one tracked run then gives a row a slice
NOTHING = ("None", "nan", "NaN", "<NA>")  # how dumps write that there is nothing, beside an empty cell
FINISHED = "finished"  # state of a run, in lower case
LONGEST = 1024**2  # characters of a cell, which may be one that is not taken
SHOWN = 10
MEASURED = "a column mapped to 'errors' or 'value'"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tracker:
    """What a tracker's dump looks like."""

    name: str
    prefixes: tuple[str, ...]  # before the names of parameters and metrics
    identity: tuple[str, ...]  # columns of which the first that is there holds the run's id
    status: str  # column of its state
    parent: str  # column of the id of a run's parent, empty where there is none
    clock: Mapping[str, str]  # columns that tell times, and which of ours each gives
    times: Callable[[pd.DataFrame], dict[str, pd.Series]]  # training seconds and end times of a dump, as texts


# --- times ----------------------------------------------------------------------------------------


def _mlflow_times(dump: pd.DataFrame) -> dict[str, pd.Series]:
    found = {}
    if "end_time" in dump:
        found[names.MEASURED_AT] = dump["end_time"]
        if "start_time" in dump:
            pairs = zip(dump["start_time"].map(_moment), dump["end_time"].map(_moment), strict=True)
            found[names.SECONDS] = pd.Series([_between(a, b) for a, b in pairs], index=dump.index)
    return found


def _wandb_times(dump: pd.DataFrame) -> dict[str, pd.Series]:
    found = {}
    if "Runtime" in dump:
        found[names.SECONDS] = dump["Runtime"]
    if "Created" in dump:
        runtimes = dump["Runtime"] if "Runtime" in dump else pd.Series("", index=dump.index)
        ends = [_end(created, runtime) for created, runtime in zip(dump["Created"], runtimes, strict=True)]
        found[names.MEASURED_AT] = pd.Series(ends, index=dump.index)
    return found


def _end(created: str, runtime: str) -> str:
    """Return when a run ended; empty where it is not known when it began, its begin where not how long it took."""
    start, seconds = _moment(created), parse_number(runtime)
    if start is None:
        return ""
    try:
        return (start + dt.timedelta(seconds=seconds if isinstance(seconds, float) else 0.0)).isoformat()
    except OverflowError:
        return ""


def _moment(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None


def _between(start: dt.datetime | None, end: dt.datetime | None) -> str:
    if start is None or end is None or (start.tzinfo is None) != (end.tzinfo is None):
        return ""
    return repr((end - start).total_seconds())


MLFLOW = Tracker(
    name="MLflow",
    prefixes=("params.", "metrics.", "tags."),
    identity=("run_id",),
    status="status",
    parent="tags.mlflow.parentRunId",
    clock={"start_time": names.SECONDS, "end_time": names.MEASURED_AT},
    times=_mlflow_times,
)
WANDB = Tracker(
    name="Weights & Biases",
    prefixes=("", "config.", "summary."),
    identity=("ID", "Name"),
    status="State",
    parent="",
    clock={"Created": names.MEASURED_AT, "Runtime": names.SECONDS},
    times=_wandb_times,
)


# --- from a dump to rows --------------------------------------------------------------------------


def read_dump(
    tracker: Tracker,
    path: Path,
    records: Sequence[Record] | None,
    columns: Mapping[str, str] | None,
    metric: str | None,
    direction: str | None,
    bounds: tuple[float, float] | None,
    timezone: str | None,
) -> xr.Dataset:
    """Read a dump of a tracker, or records of its runs; the others are those of :func:`labelvalue.read_mlflow`."""
    asked, limits = dict(columns or {}), Limits(rows=MAX_ROWS, cell=LONGEST, fix="write it in parts")

    def wanted(header: tuple[str, ...]) -> list[str]:
        found = _choose_columns(tracker, header, asked, path.name)
        return list(dict.fromkeys(found.read))

    if records is None:
        table = read_table(path, wanted=wanted, limits=limits)
    else:
        table = _table(records, path.name, wanted, limits)
    chosen = _choose_columns(tracker, table.header, asked, path.name)
    dump, taken, notes = _texts(table), chosen.taken, list(chosen.notes)
    identity, state = chosen.identity, tracker.status
    if dump[identity].duplicated().any():
        notes.append(
            f"several runs share a {identity!r}; export the table with {tracker.identity[0]!r} to tell them apart"
        )
    counts: Counter[str] = Counter()
    done = dump[state].str.lower() == FINISHED
    counts.update(dump.loc[~done, state].str.lower().replace("", "of unknown state").tolist())
    rows = _rows(tracker, dump[done], identity, taken, path.name)
    lacking_ids = _without_measurement(tracker, dump, done, rows, identity, counts)
    if rows.empty:
        found = listed([name for name in table.header if _bare(tracker, name)], 30)
        measured = [repr(taken[name]) for name in (names.ERRORS, names.VALUE) if name in taken]
        why = f"no finished run has a measurement in {' or '.join(measured) or MEASURED}"
        raise input_error(why, f"map one of the columns found: {found}", file=path.name)
    if lacking_ids:
        notes.append(f"finished runs without the mapped metric left out: {listed(lacking_ids, SHOWN)}")
    left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    notes.append(f"{rows[names.SOURCE_ID].nunique()} runs taken{', left out: ' if left_out else ''}{left_out}")
    rows, header = _numbered(rows, notes), table.header
    del table, dump
    try:
        runs = read_runs(
            rows.drop(columns="line"), metric=metric, direction=direction, bounds=bounds, timezone=timezone
        )
    except InputError as error:
        theirs = {ours: name for name, ours in tracker.clock.items() if name in header} | dict(taken)
        raise InputError([_placed(problem, rows, theirs, path.name) for problem in error.problems]) from None
    notes += runs.attrs[names.NOTES].splitlines()
    return runs.assign_attrs({names.SOURCE: path.name, names.NOTES: as_lines(notes)})


def _table(records: Sequence[Record], file: str, wanted: Callable[..., list[str]], limits: Limits) -> Table:
    """The wanted columns of records; their line is 0, since they stand in no file."""
    if len(records) > limits.rows:
        raise InputError([limits.too_many(file)])
    header = tuple(dict.fromkeys(name for record in records for name in record))
    cells = {name: [record.get(name) for record in records] for name in (wanted(header) if header else [])}
    return Table(file=file, header=header, cells=cells, lines=[0] * len(records))


def _bare(tracker: Tracker, name: str) -> bool:
    return name.startswith("metrics.") if tracker.name == MLFLOW.name else name[:1].islower()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Chosen:
    """Which columns of a dump are used: ours to theirs, that of the id, all that are read, and notes."""

    identity: str
    taken: Mapping[str, str]
    read: Sequence[str]
    notes: Sequence[str]


def _choose_columns(tracker: Tracker, header: Sequence[str], columns: Mapping[str, str], file: str) -> _Chosen:
    """Choose columns by what is asked for and by their names, before any row is read."""
    if problems := repeated(header, file, 1):
        raise InputError(problems)
    identity = next((name for name in tracker.identity if name in header), None)
    if identity is None or tracker.status not in header:
        lacking = " and ".join(repr(name) for name in (tracker.identity[0], tracker.status) if name not in header)
        why = f"not a runs table of {tracker.name}: no column {lacking}"
        raise input_error(why, "export the table of runs with all of its columns", file=file)
    for ours, theirs in columns.items():
        if ours not in COLUMNS:
            why = f"unknown column {quote(ours)}{did_you_mean(ours, COLUMNS)}"
            problems.append(Problem(file=file, column="--map", value=ours, why=why, fix=f"one of {', '.join(COLUMNS)}"))
        elif theirs not in header and not (EVERY_SLICE in theirs and _matches(header, theirs)):
            why = f"no column {quote(theirs)}{did_you_mean(theirs, header)}"
            problems.append(Problem(file=file, column="--map", value=ours, why=why, fix=f"one of {listed(header, 30)}"))
    if problems:
        raise InputError(problems)
    taken, notes = dict(columns), []
    for ours in COLUMNS:
        same = next((p + ours for p in tracker.prefixes if p + ours in header), None)
        if ours not in taken and same is not None:
            taken[ours] = same
            notes.append(f"{ours!r} taken from {same!r}")
    patterns = (theirs for theirs in taken.values() if EVERY_SLICE in theirs)
    each = [name for pattern in patterns for name in _matches(header, pattern).values()]
    plain = [theirs for theirs in taken.values() if EVERY_SLICE not in theirs]
    others = [name for name in (tracker.parent, *tracker.clock) if name in header]
    return _Chosen(identity=identity, taken=taken, notes=notes, read=(identity, tracker.status, *others, *plain, *each))


def _texts(table: Table) -> pd.DataFrame:
    """Return the columns that were read as texts, ``""`` where there is nothing; the index is the line in the file."""
    if table.problems:
        raise InputError(table.problems)
    if not len(table.lines):
        raise input_error("0 data rows", "write the dump again", file=table.file)
    empty = dict.fromkeys(NOTHING, "")
    cells = {
        name: [empty.get(text := cell_text(cell), text) for cell in column] for name, column in table.cells.items()
    }
    return pd.DataFrame(cells, index=pd.Index(table.lines), dtype=object)


def _matches(header: Sequence[str], pattern: str) -> dict[str, str]:
    """Return slices and the columns that a name with ``{slice}`` stands for."""
    before, _, after = pattern.partition(EVERY_SLICE)
    whole = re.compile(re.escape(before) + "(.+)" + re.escape(after), re.DOTALL)
    found = {name: whole.fullmatch(name) for name in header}
    return {match[1]: name for name, match in found.items() if match}


def _rows(tracker: Tracker, dump: pd.DataFrame, identity: str, taken: Mapping[str, str], file: str) -> pd.DataFrame:
    """One row a run with a measurement, or a run and slice where columns hold several."""
    patterns = {ours: _matches(list(map(str, dump)), theirs) for ours, theirs in taken.items() if EVERY_SLICE in theirs}
    times = {name: cells for name, cells in tracker.times(dump).items() if name not in taken}
    plain = {ours: dump[theirs] for ours, theirs in taken.items() if ours not in patterns}
    table = pd.DataFrame({**times, **plain, names.SOURCE_ID: dump[identity], "line": dump.index})
    if not patterns:
        return _measured(table)
    slices = list(dict.fromkeys(name for found in patterns.values() for name in found))
    parts: list[pd.DataFrame] = []
    for name in slices:
        empty = pd.Series("", index=dump.index)
        cells = {ours: dump[found[name]] if name in found else empty for ours, found in patterns.items()}
        parts.append(_measured(table.assign(**cells, **{names.SLICE: name})))
        if sum(map(len, parts)) > MAX_ROWS:
            raise InputError([Limits(rows=MAX_ROWS).too_many(file)])
    return pd.concat(parts, ignore_index=True)


def _measured(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out rows without errors or value."""
    has = pd.Series(False, index=rows.index)
    for name in (names.ERRORS, names.VALUE):
        if name in rows:
            has |= rows[name] != ""
    return rows[has].reset_index(drop=True)


def _without_measurement(
    tracker: Tracker, dump: pd.DataFrame, done: pd.Series, rows: pd.DataFrame, identity: str, counts: Counter[str]
) -> list[str]:
    """Count finished runs of which no row is left: a parent, or named."""
    gone = set(dump.loc[done, identity]) - set(rows[names.SOURCE_ID])
    parents = set(dump[tracker.parent]) if tracker.parent in dump else set()
    counts["parent"] += len(gone & parents)
    counts["without the metric"] += len(gone - parents)
    counts += Counter()  # drops what is 0
    return sorted(gone - parents)


def _numbered(rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Number runs that differ in nothing but their results, unless replicates are told."""
    if names.REPLICATE in rows:
        return rows
    results = {*MEASURES, names.SECONDS, names.MEASURED_AT, names.SOURCE_ID, names.DIVERSITY, "line"}
    number = rows.groupby([name for name in rows if name not in results], sort=False).cumcount()
    if number.any():
        notes.append(f"runs that are alike were numbered as {names.REPLICATE!r}")
    return rows.assign(**{names.REPLICATE: number.astype(str)})


def _placed(problem: Problem, rows: pd.DataFrame, taken: Mapping[str, str], file: str) -> Problem:
    """Put a problem where it stands in the dump."""
    column = taken.get(problem.column, problem.column)
    if problem.line is None:
        return dataclasses.replace(problem, file=file, column=column)
    row = rows.iloc[problem.line]
    why = f"run {row[names.SOURCE_ID]}: {problem.why}"
    return dataclasses.replace(problem, file=file, line=int(row["line"]) or None, column=column, why=why)


def read_mlflow(
    source: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    metric: str | None = None,
    direction: str | None = None,
    bounds: tuple[float, float] | None = None,
    timezone: str | None = None,
) -> xr.Dataset:
    r"""Read the runs of an experiment of MLflow: a dump of its run search, or from its server.

    A server is asked only where ``source`` is its address, with the token in ``MLFLOW_TRACKING_TOKEN`` if there is one.
    Only finished runs enter. Training time is that between start and end. Where replicates are not mapped, runs that
    are alike are numbered.

    Parameters
    ----------
    source : path or str
        CSV or Parquet, with columns ``run_id``, ``status``, ``metrics.…``, ``params.…``, ``tags.…``; or the address of
        an experiment as a browser shows it, such as ``https://host/#/experiments/5``.
    columns : mapping of str to str, optional
        Ours to theirs, such as ``{"labels": "params.n_labels", "value": "metrics.val_error"}``; columns of our names
        behind a prefix are taken anyway. ``{slice}`` in a name stands for a slice: ``metrics.error_{slice}`` gives a
        row for each that is found.
    metric, direction, bounds, timezone : optional
        As for ``read_runs``.

    Returns
    -------
    xarray.Dataset
        As ``read_runs`` returns it, with ``source_id``; the notes say which columns were taken, and how many runs were
        left out, and why.

    Raises
    ------
    InputError
        With everything that is wrong, and the run it is wrong in; a ``ValueError``.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "runs.csv"
    >>> _ = path.write_text("run_id,status,params.slice,params.labels,metrics.errors,metrics.trials\n"
    ...                     "a1,FINISHED,FR,100,30,100\na2,FAILED,FR,200,,\n")
    >>> read_mlflow(path)["source_id"].values.tolist()
    ['a1']
    """
    records = mlflow_runs(source) if is_address(source) else None
    path = Path(source) if records is None else Path("runs of the server")
    return read_dump(MLFLOW, path, records, columns, metric, direction, bounds, timezone)


def read_wandb(
    source: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    metric: str | None = None,
    direction: str | None = None,
    bounds: tuple[float, float] | None = None,
    timezone: str | None = None,
) -> xr.Dataset:
    r"""Read runs of Weights & Biases: a CSV export of its runs table, or its local folder, without a server.

    Only finished runs enter, each with its id, or else its name, in ``source_id``. ``Runtime`` is the training time,
    and with ``Created`` gives the time of measurement. Local files do not say whether a run that ended had failed.

    Parameters
    ----------
    source : path
        CSV, with columns ``Name``, ``State``, and those of the configuration and the summary; or the folder ``wandb``,
        or that of a run in it, where columns are ``config.…`` and ``summary.…`` and settings of several lines left out.
    columns : mapping of str to str, optional
        As for ``read_mlflow``; columns of our names are taken anyway.
    metric, direction, bounds, timezone : optional
        As for ``read_runs``.

    Returns
    -------
    xarray.Dataset
        As ``read_mlflow`` returns it.

    Raises
    ------
    InputError
        With everything that is wrong, and the run it is wrong in; a ``ValueError``.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "wandb_export.csv"
    >>> _ = path.write_text('"Name","State","slice","labels","errors","trials"\n'
    ...                     '"calm-sea-1","finished","FR","100","30","100"\n')
    >>> int(read_wandb(path)["labels"][0])
    100
    """
    path = Path(source)
    records = wandb_runs(path) if path.is_dir() else None
    return read_dump(WANDB, path, records, columns, metric, direction, bounds, timezone)
