"""From the dump of an experiment tracker to runs: which columns are taken, which runs count, where a fault lies."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.runs import read_runs
from labelvalue.observe.schema import COLUMNS, MEASURES
from labelvalue.observe.tracker_files import read_texts
from labelvalue.problems import InputError, Problem, did_you_mean, quote

EVERY_SLICE = "{slice}"
"""Stands in a mapped column's name for the slice: one tracked run then gives a row a slice."""
SHOWN = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tracker:
    """What a tracker's dump looks like.

    Parameters
    ----------
    name : str
        Of the tracker.
    prefixes : tuple of str
        What stands before the names of parameters and metrics.
    identity : tuple of str
        Columns of which the first that is there holds the run's id.
    status : tuple of str
        Likewise for its state.
    finished : str
        State of a run that counts, in lower case.
    parent : str
        Column that holds the id of a run's parent, empty where there is none.
    times : callable
        From a dump to training seconds and end times, as texts.
    """

    name: str
    prefixes: tuple[str, ...]
    identity: tuple[str, ...]
    status: tuple[str, ...]
    finished: str
    parent: str
    times: Callable[[pd.DataFrame], dict[str, pd.Series]]


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
        created = dump["Created"].map(_moment)
        seconds = pd.to_numeric(dump["Runtime"], errors="coerce").fillna(0.0) if "Runtime" in dump else 0.0 * dump.index
        ends = [
            "" if start is None else (start + dt.timedelta(seconds=float(s))).isoformat()
            for start, s in zip(created, seconds, strict=True)
        ]
        found[names.MEASURED_AT] = pd.Series(ends, index=dump.index)
    return found


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
    status=("status",),
    finished="finished",
    parent="tags.mlflow.parentRunId",
    times=_mlflow_times,
)
WANDB = Tracker(
    name="Weights & Biases",
    prefixes=("", "config.", "summary."),
    identity=("ID", "Name"),
    status=("State",),
    finished="finished",
    parent="",
    times=_wandb_times,
)


# --- from a dump to rows --------------------------------------------------------------------------


def read_dump(
    tracker: Tracker,
    path: Path,
    columns: Mapping[str, str] | None,
    metric: str | None,
    direction: str | None,
    bounds: tuple[float, float] | None,
    timezone: str | None,
) -> xr.Dataset:
    """Read a dump of a tracker; the arguments are those of :func:`labelvalue.read_mlflow`."""
    dump = read_texts(path)
    identity = next((name for name in tracker.identity if name in dump), None)
    state = next((name for name in tracker.status if name in dump), None)
    if identity is None or state is None:
        lacking = " and ".join(
            repr(wanted[0]) for wanted in (tracker.identity, tracker.status) if wanted[0] not in dump
        )
        why = f"not a runs table of {tracker.name}: no column {lacking}"
        raise InputError([Problem(file=path.name, why=why, fix="export the table of runs with all of its columns")])
    taken, notes = _choose_columns(tracker, dump, dict(columns or {}), path.name)
    if dump[identity].duplicated().any():
        notes.append(
            f"several runs share a {identity!r}; export the table with {tracker.identity[0]!r} to tell them apart"
        )
    counts: Counter[str] = Counter()
    done = dump[state].str.lower() == tracker.finished
    counts.update(dump.loc[~done, state].str.lower().replace("", "of unknown state").tolist())
    rows = _rows(tracker, dump[done], identity, taken)
    rows, lacking_ids = _with_measurement(tracker, dump, rows, identity, counts)
    if rows.empty:
        found = ", ".join(name for name in map(str, dump) if _bare(tracker, name)) or "none"
        why = f"no finished run has a measurement in {_measured_in(taken)}"
        raise InputError([Problem(file=path.name, why=why, fix=f"map one of the columns found: {found}")])
    if lacking_ids:
        notes.append(f"finished runs without the mapped metric left out: {', '.join(lacking_ids)}")
    left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    notes.append(f"{rows[names.SOURCE_ID].nunique()} runs taken{', left out: ' if left_out else ''}{left_out}")
    rows = _numbered(rows, notes)
    try:
        runs = read_runs(
            rows.drop(columns="line"), metric=metric, direction=direction, bounds=bounds, timezone=timezone
        )
    except InputError as error:
        raise InputError([_placed(problem, rows, taken, path.name) for problem in error.problems]) from None
    notes += json.loads(runs.attrs[names.NOTES])
    return runs.assign_attrs({names.SOURCE: path.name, names.NOTES: json.dumps(notes, ensure_ascii=False)})


def _bare(tracker: Tracker, name: str) -> bool:
    return name.startswith("metrics.") if tracker.name == MLFLOW.name else name[:1].islower()


def _choose_columns(
    tracker: Tracker, dump: pd.DataFrame, columns: dict[str, str], file: str
) -> tuple[dict[str, str], list[str]]:
    """Return ours to theirs, and which were taken because of their names."""
    problems = []
    for ours, theirs in columns.items():
        if ours not in COLUMNS:
            why = f"unknown column {quote(ours)}{did_you_mean(ours, COLUMNS)}"
            problems.append(Problem(file=file, column="--map", value=ours, why=why, fix=f"one of {', '.join(COLUMNS)}"))
        elif theirs not in dump and not (EVERY_SLICE in theirs and _matches(dump, theirs)):
            why = f"no column {quote(theirs)}{did_you_mean(theirs, dump.columns)}"
            found = ", ".join(list(dump.columns)[:30])
            problems.append(Problem(file=file, column="--map", value=ours, why=why, fix=f"one of {found}"))
    if problems:
        raise InputError(problems)
    taken, notes = dict(columns), []
    for ours in COLUMNS:
        same = next((p + ours for p in tracker.prefixes if p + ours in dump), None)
        if ours not in taken and same is not None:
            taken[ours] = same
            notes.append(f"{ours!r} taken from {same!r}")
    return taken, notes


def _matches(dump: pd.DataFrame, pattern: str) -> dict[str, str]:
    """Return slices and the columns that a name with ``{slice}`` stands for."""
    before, _, after = pattern.partition(EVERY_SLICE)
    whole = re.compile(re.escape(before) + "(.+)" + re.escape(after), re.DOTALL)
    found = {name: whole.fullmatch(str(name)) for name in dump.columns}
    return {match[1]: name for name, match in found.items() if match}


def _rows(tracker: Tracker, dump: pd.DataFrame, identity: str, taken: Mapping[str, str]) -> pd.DataFrame:
    """One row a run, or a run and slice where columns hold several."""
    patterns = {ours: _matches(dump, theirs) for ours, theirs in taken.items() if EVERY_SLICE in theirs}
    times = {name: cells for name, cells in tracker.times(dump).items() if name not in taken}
    plain = {ours: dump[theirs] for ours, theirs in taken.items() if ours not in patterns}
    table = pd.DataFrame({**times, **plain, names.SOURCE_ID: dump[identity], "line": dump.index})
    if not patterns:
        return table
    slices = list(dict.fromkeys(name for found in patterns.values() for name in found))
    parts = []
    for name in slices:
        empty = pd.Series("", index=dump.index)
        cells = {ours: dump[found[name]] if name in found else empty for ours, found in patterns.items()}
        parts.append(table.assign(**cells, **{names.SLICE: name}))
    return pd.concat(parts, ignore_index=True)


def _with_measurement(
    tracker: Tracker, dump: pd.DataFrame, rows: pd.DataFrame, identity: str, counts: Counter[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows without errors or value; a run of which no row is left is a parent, or named."""
    measured = [name for name in (names.ERRORS, names.VALUE) if name in rows]
    has = pd.Series(False, index=rows.index)
    for name in measured:
        has |= rows[name] != ""
    gone = set(rows[names.SOURCE_ID]) - set(rows.loc[has, names.SOURCE_ID])
    parents = set(dump[tracker.parent]) if tracker.parent in dump else set()
    counts["parent"] += len(gone & parents)
    counts["without the metric"] += len(gone - parents)
    counts += Counter()  # drops what is 0
    return rows[has].reset_index(drop=True), sorted(gone - parents)[:SHOWN]


def _numbered(rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Number runs that differ in nothing but their results, unless replicates are told."""
    if names.REPLICATE in rows:
        return rows
    results = {*MEASURES, names.SECONDS, names.MEASURED_AT, names.SOURCE_ID, names.DIVERSITY, "line"}
    number = rows.groupby([name for name in rows if name not in results], sort=False).cumcount()
    if number.any():
        notes.append(f"runs that are alike were numbered as {names.REPLICATE!r}")
    return rows.assign(**{names.REPLICATE: number.astype(str)})


def _measured_in(taken: Mapping[str, str]) -> str:
    found = [repr(taken[name]) for name in (names.ERRORS, names.VALUE) if name in taken]
    return " or ".join(found) or "a column mapped to 'errors' or 'value'"


def _placed(problem: Problem, rows: pd.DataFrame, taken: Mapping[str, str], file: str) -> Problem:
    """Put a problem where it stands in the dump."""
    column = taken.get(problem.column, problem.column)
    if problem.line is None:
        return dataclasses.replace(problem, file=file, column=column)
    row = rows.iloc[problem.line]
    why = f"run {row[names.SOURCE_ID]}: {problem.why}"
    return dataclasses.replace(problem, file=file, line=int(row["line"]), column=column, why=why)
