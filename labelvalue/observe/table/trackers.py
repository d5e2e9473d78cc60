"""Runs tables from experiment trackers, MLflow and Weights & Biases: their dumps, or their runs where they lie."""

import dataclasses
import datetime as dt
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.exports.judgements import cell_text
from labelvalue.observe.table.delimited import Limits, Table
from labelvalue.observe.table.files import read_table
from labelvalue.observe.table.runs import read_runs
from labelvalue.observe.table.schema import COLUMNS, MAX_ROWS, MEASURES, parse_number, repeated
from labelvalue.printing import as_lines
from labelvalue.problems import InputError, Problem, did_you_mean, input_error, listed, quote
from labelvalue.reading import parse_json, read_text
from labelvalue.server import ask, authorization, is_address, no_answer, page

Record = dict[str, object]

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
    metrics: str  # before those of metrics alone
    identity: tuple[str, ...]  # columns of which the first that is there holds the run's id
    status: str  # column of its state
    parent: str  # column of the id of a run's parent, empty where there is none
    clock: Mapping[str, str]  # columns that tell times, and which of ours each gives
    times: Callable[[pd.DataFrame], dict[str, pd.Series]]  # training seconds and end times of a dump, as texts


# --- times ----------------------------------------------------------------------------------------


def _mlflow_times(dump: pd.DataFrame) -> dict[str, pd.Series]:
    found = {names.MEASURED_AT: dump["end_time"]} if "end_time" in dump else {}
    if {"start_time", "end_time"} <= {*dump}:
        pairs = zip(dump["start_time"].map(_moment), dump["end_time"].map(_moment), strict=True)
        found[names.SECONDS] = pd.Series([_between(a, b) for a, b in pairs], index=dump.index)
    return found


def _wandb_times(dump: pd.DataFrame) -> dict[str, pd.Series]:
    found = {names.SECONDS: dump["Runtime"]} if "Runtime" in dump else {}
    if "Created" in dump:
        runtimes = found.get(names.SECONDS, pd.Series("", index=dump.index))
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
    metrics="metrics.",
    identity=("run_id",),
    status="status",
    parent="tags.mlflow.parentRunId",
    clock={"start_time": names.SECONDS, "end_time": names.MEASURED_AT},
    times=_mlflow_times,
)
WANDB = Tracker(
    name="Weights & Biases",
    prefixes=("", "config.", "summary."),
    metrics="",
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
    options: Mapping[str, Any],
) -> xr.Dataset:
    """Read a dump of a tracker, or records of its runs; ``options`` are those of :func:`labelvalue.read_runs`."""
    asked, limits = dict(columns or {}), Limits(rows=MAX_ROWS, cell=LONGEST, fix="write it in parts")

    chosen: list[_Chosen] = []

    def wanted(header: tuple[str, ...]) -> list[str]:
        chosen.append(_choose_columns(tracker, header, asked, path.name))
        return list(dict.fromkeys(chosen[0].read))

    source = path if records is None else pd.DataFrame(records, dtype=object)
    table = read_table(source, wanted=wanted, limits=limits)
    if records is not None:  # which stand in no file
        table = dataclasses.replace(table, file=path.name, lines=[0] * len(records))
    (found,) = chosen
    dump, taken, notes, identity, state = _texts(table), found.taken, [*found.notes], found.identity, tracker.status
    if dump[identity].duplicated().any():
        notes.append(
            f"several runs share a {identity!r}; export the table with {tracker.identity[0]!r} to tell them apart"
        )
    done = dump[state].str.lower() == FINISHED
    counts = Counter(dump.loc[~done, state].str.lower().replace("", "of unknown state").tolist())
    rows = _rows(tracker, dump[done], identity, taken, path.name)
    lacking_ids = _without_measurement(tracker, dump, done, rows, identity, counts)
    if rows.empty:
        metrics = [name for name in table.header if name.startswith(tracker.metrics) and name[:1].islower()]
        measured = [repr(taken[name]) for name in (names.ERRORS, names.VALUE) if name in taken]
        why = f"no finished run has a measurement in {' or '.join(measured) or MEASURED}"
        raise input_error(why, f"map one of the columns found: {listed(metrics, 30)}", file=path.name)
    if lacking_ids:
        notes.append(f"finished runs without the mapped metric left out: {listed(lacking_ids, SHOWN)}")
    left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    notes.append(f"{rows[names.SOURCE_ID].nunique()} runs taken{', left out: ' if left_out else ''}{left_out}")
    rows, header = _numbered(rows, notes), table.header
    del table, dump
    try:
        runs = read_runs(rows.drop(columns="line"), **options)
    except InputError as error:
        theirs = {ours: name for name, ours in tracker.clock.items() if name in header} | dict(taken)
        raise InputError([_placed(problem, rows, theirs, path.name) for problem in error.problems]) from None
    notes += runs.attrs[names.NOTES].splitlines()
    return runs.assign_attrs({names.SOURCE: path.name, names.NOTES: as_lines(notes)})


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
    results = rows.reindex(columns=[names.ERRORS, names.VALUE], fill_value="")
    return rows[(results != "").any(axis=1)].reset_index(drop=True)


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


# --- MLflow: its REST interface, version 2.0 ------------------------------------------------------

TOKEN = "MLFLOW_TRACKING_TOKEN"  # not every server asks for one
SEARCH = "runs/search"  # the one question that changes nothing on the server
PAGE = 1000  # runs that are asked for at once


def ask_mlflow(address: str, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the server of an experiment, named by its page."""
    base, _ = page(address, "#/experiments")
    token = authorization(TOKEN, "Bearer", needed=False)
    answer = ask(f"{base}/api/2.0/mlflow/{what}", TOKEN, body, token=token, changes=what != SEARCH)
    if not isinstance(answer, dict):
        raise no_answer(base)
    return answer


def mlflow_runs(address: str) -> list[Record]:
    """Runs of an experiment, with the columns that a dump of the run search has."""
    base, experiment = page(address, "#/experiments")
    found: list[Record] = []
    asked: dict[str, Any] = {"experiment_ids": [experiment], "max_results": PAGE}
    while True:
        answer = ask_mlflow(address, SEARCH, asked)
        runs = answer.get("runs", [])
        try:
            found += [_mlflow_run(run["info"], run.get("data", {})) for run in runs]
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            raise no_answer(base) from None
        if len(found) > MAX_ROWS:
            raise InputError([Limits(rows=MAX_ROWS).too_many(experiment)])
        if not runs or not answer.get("next_page_token"):
            break
        asked["page_token"] = answer["next_page_token"]
    if not found:
        fix = "check the number in the address"
        raise input_error("no run in this experiment", fix, column="address", value=experiment)
    return found


def _mlflow_run(info: Mapping[str, Any], data: Mapping[str, Any]) -> Record:
    record: Record = {"run_id": info["run_id"], "status": info["status"]}
    record |= {name: _utc(int(info[name]) / 1000) for name in ("start_time", "end_time") if info.get(name)}
    every = ((kind, one) for kind in ("params", "metrics", "tags") for one in data.get(kind, []))
    return record | {f"{kind}.{one['key']}": one["value"] for kind, one in every}


def _utc(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


# --- Weights & Biases: what a run leaves on disk --------------------------------------------------

_FILE = 16 * 1024**2  # bytes of a file of a run
_PLAIN = re.compile(r"[^][{}&*!|>%@`'#?,-].*|-[\d.][\d.e+-]*")
_VALUE = re.compile(r"^([^\s#:'\"][^:\n]*):\n(?:[ ]+desc:.*\n)?[ ]+value: (\S.*)\n+(?=\S|\Z)", re.MULTILINE)


def wandb_runs(folder: Path) -> list[Record]:
    """Runs in a folder ``wandb``, or that of one run: ``config.…`` and ``summary.…``, times and state."""
    places = [folder] if (folder / "files").is_dir() else sorted(p for p in folder.glob("*run-*") if not p.is_symlink())
    found = [_wandb_run(place) for place in places[: MAX_ROWS + 1] if (place / "files").is_dir()]
    if not any(len(run) > len(("ID", "State")) for run in found):
        why = "no run in it that left a wandb-summary.json, as one that is offline does not before it is synchronised"
        raise input_error(why, "give the folder 'wandb', or a folder 'run-…' in it", file=folder.name)
    return found


def _wandb_run(place: Path) -> Record:
    """One run: finished where its last summary says how long it took, which is written when it ends."""
    summary, config = place / "files" / "wandb-summary.json", place / "files" / "config.yaml"
    try:
        told = parse_json(read_text(summary, _FILE)) if summary.exists() else {}
        if not isinstance(told, dict):
            raise ValueError("no object")
        end = told.get("_wandb", {}).get("runtime") if isinstance(told.get("_wandb", {}), dict) else None
        times: Record = {} if end is None else {"Runtime": end}
        if end is not None and "_timestamp" in told:
            times["Created"] = _utc(told["_timestamp"] - end)
    except (ValueError, TypeError, OverflowError, OSError) as error:
        if isinstance(error, InputError):
            raise
        why = f"not the summary of a run: {error}"
        raise input_error(why, "leave this run out", file=f"{place.name}/{summary.name}") from None
    record: Record = {"ID": place.name.rpartition("-")[2], "State": "" if end is None else "finished"} | times
    record |= {f"summary.{key}": value for key, value in told.items() if isinstance(value, str | int | float)}
    text = read_text(config, _FILE) if config.exists() else ""
    return record | {f"config.{key}": value for key, value in _values(text)}


def _values(text: str) -> Iterator[tuple[str, str]]:
    """Settings of a ``config.yaml`` that are one text or number on one line; nothing else of it is read."""
    for key, line in _VALUE.findall(f"{text}\n"):
        written = line.rstrip()
        if written[0] == "'" and written[-1] == "'" and len(written) > 1:
            yield key, written[1:-1].replace("''", "'")
        elif written[0] == '"':
            try:
                yield key, str(json.loads(written))
            except ValueError:
                continue
        elif _PLAIN.fullmatch(written) and " #" not in written:
            yield key, "" if written in ("null", "~") else written


# --- for people ------------------------------------------------------------------------------------


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
    options = {"metric": metric, "direction": direction, "bounds": bounds, "timezone": timezone}
    return read_dump(MLFLOW, path, records, columns, options)


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
    options = {"metric": metric, "direction": direction, "bounds": bounds, "timezone": timezone}
    return read_dump(WANDB, path, records, columns, options)
