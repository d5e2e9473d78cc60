"""The arrival of a batch, of runs or annotations: checked, kept, and set against what was forecast for it; or tried."""

from __future__ import annotations

import collections
import functools
import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.annotated import told_by
from labelvalue.decisions.case.case import as_text
from labelvalue.forecast.backtesting.scores import add_truth_noise
from labelvalue.forecast.gains.gains import predict_gain
from labelvalue.model.fitting.result import Fit
from labelvalue.observe.exports.annotations import add_annotations, load_annotations, settled, write_annotations
from labelvalue.observe.simulate.protocol import read_protocol
from labelvalue.observe.table.delimited import MAX_BYTES
from labelvalue.observe.table.runs import read_runs
from labelvalue.operate.history import scorecard
from labelvalue.operate.history.assets import triggered, unit_worth
from labelvalue.operate.refit.advice import MILESTONES, PLAN
from labelvalue.operate.refit.refit import fit_spec, gather
from labelvalue.operate.store.batches import (
    Joint,
    check_files,
    content_digest,
    describe,
    joined,
    packed,
    store,
    table_of,
    tables_of,
)
from labelvalue.operate.store.configuration import Configuration
from labelvalue.operate.store.folders import (
    FITS,
    RUNS,
    ProjectFolder,
    brought,
    check_trained,
    current_batches,
    inside,
    load,
    published,
    scores_since_published,
    unseen,
)
from labelvalue.operate.store.identity import digest_bytes
from labelvalue.operate.store.records import ANNOTATIONS, BATCH_FILE, CONTENT, NOTED, SUPERSEDES, TOLD, Batch, Record
from labelvalue.problems import StorageError, input_error, quote
from labelvalue.reading import open_regular
from labelvalue.report.numbers.tables import default_budgets

type Runs = str | os.PathLike[str] | pd.DataFrame | xr.Dataset

FROZEN = "frozen"  # the record that froze what is forecast: of a plan, or of the fit
MARKS = {names.ITEM, names.ANNOTATOR}  # columns that a table of annotations has and one of runs has not


def are_annotations(given: Any) -> bool:
    """Whether a table or the file of one holds annotations; one that cannot be read is not looked at any further."""
    if isinstance(given, pd.DataFrame):
        return {*given.columns} >= MARKS
    if not isinstance(given, str | os.PathLike):
        return False
    try:
        with open_regular(given, MAX_BYTES) as file:
            if Path(given).suffix.lower() in (".parquet", ".pq"):
                return {*pa.parquet.read_schema(file).names} >= MARKS
            header = file.readline(10_000).decode("utf-8", errors="replace")
    except (OSError, ValueError, pa.ArrowException):  # told by whoever reads all of it
        return False
    return {cell.strip().strip('"\ufeff') for cell in header.split(",")} >= MARKS


def add_batch(project: ProjectFolder, runs: Runs, name: str | None, supersede: bool, cost: float | None = None) -> None:
    """Record a batch with its forecast, its scores and the triggers it fires; all of them or none."""
    if are_annotations(runs):
        _add_annotations(project, runs, name, supersede, cost)
        return
    configuration = project.configuration
    table = runs if isinstance(runs, xr.Dataset) else read_runs(runs, metric=configuration.runs.metric)
    chosen = _name(runs, name)
    _check_protocol(project, table)
    records = project.ledger.records("batch", "fit", "score", "advice", "forecast")
    batches = current_batches(records)
    replaced = _replaced(batches, chosen, content_digest(table), supersede)
    if replaced == "same":
        return
    if cost is not None and not (isinstance(cost, int | float) and 0 <= cost < float("inf")):
        raise input_error("no amount of money", "give what was paid, ≥ 0", column="cost", value=cost)
    file, content = packed(table)
    about = describe(table, chosen, file, getattr(replaced, "number", None), cost)
    check_trained([r for r in records if r.content.get(names.BATCH) != chosen], about[names.TRAINED])
    made = Batch(0, chosen, about["content"], file, about)
    others = [batch for batch in batches if batch.name != chosen]
    last = published(records)
    fit = None if last is None else load(project.folder / FITS, last)
    _joined(project, records, others, fit, made, content, str(runs) if isinstance(runs, str | os.PathLike) else "")
    entries: list[tuple[str, Mapping[str, Any]]] = [("batch", about)]
    factor = scorecard.calibration(scorecard.scorecard(records))[scorecard.FACTOR]
    entries += _scores(project, records, fit, configuration, table, about, factor)
    fresh = scores_since_published(records) + [
        Record(0, "", kind, content, "", "") for kind, content in entries if kind == "score"
    ]
    new = [brought(project.folder / RUNS, r) for r in unseen(records, last) if r.content[names.BATCH] != chosen]
    found, inputs = triggered(project, last, [*new, about], fresh, factor)
    entries.append(("check", {"of": "triggers", names.BATCH: chosen, "inputs": inputs, "triggers": found}))
    store(project.folder / RUNS, file, content)
    project.append(configuration, entries)


def _add_annotations(project: ProjectFolder, given: Any, name: str | None, supersede: bool, cost: float | None) -> None:
    """Record a batch of annotations, unless it is in already, with what all that stand tell together."""
    chosen = _name(given, name)
    if cost is not None:
        raise input_error("annotations have no cost here", "give it with the batch of runs", column="cost", value=cost)
    table = settled(given) if isinstance(given, pd.DataFrame) else load_annotations(given)
    digest = digest_bytes(table.to_csv(index=False).encode())  # of what it says
    standing = current_batches(project.ledger.records(ANNOTATIONS), ANNOTATIONS)
    replaced = _replaced(standing, chosen, digest, supersede)
    if replaced == "same":
        return
    with tempfile.TemporaryDirectory() as place:
        packed_table = write_annotations(table, Path(place) / "annotations.parquet").read_bytes()
    file, folder = f"{digest_bytes(packed_table)}.parquet", project.folder / RUNS
    beside = [batch for batch in standing if batch.name != chosen]
    collections.deque(check_files(folder, beside), maxlen=0)
    others = [load_annotations(folder / batch.file) for batch in beside]
    every = functools.reduce(lambda old, new: add_annotations(old, new)[0], [*others, table])
    told, notes = told_by(every, None, 0)
    about = {
        names.BATCH: chosen,
        CONTENT: digest,
        BATCH_FILE: file,
        SUPERSEDES: getattr(replaced, "number", None),
        "rows": len(table),
        "beside": [batch.number for batch in beside],
        TOLD: as_text(told),
        NOTED: notes,
    }
    store(folder, file, packed_table)
    project.append(project.configuration, [(ANNOTATIONS, about)])


def _joined(
    project: ProjectFolder,
    records: Sequence[Record],
    others: Sequence[Batch],
    last: Fit | None,
    made: Batch,
    content: bytes,
    file: str,
) -> xr.Dataset:
    tables = tables_of(project.folder / RUNS, others, *_joint(project, records, others, last))
    return joined([*tables, table_of(content, made)], [*others, made], new=made.name, file=file)


def _name(runs: Runs, given: str | None) -> str:
    if given is None and isinstance(runs, str | os.PathLike):
        given = Path(runs).stem
    if not given or not given.strip() or len(given) > 200 or not given.isprintable():
        why = "a batch needs an id of at most 200 printable characters"
        raise input_error(why, "give batch='2026-11'", column=names.BATCH, value=given)
    return given


def _check_protocol(project: ProjectFolder, runs: xr.Dataset) -> None:
    if project.configuration.protocol is None:
        return
    wanted = read_protocol(inside(project.folder, project.configuration.protocol)).id
    others = sorted({*runs[names.PROTOCOL].values.tolist()} - {wanted})
    if others:
        found = ", ".join(quote(other) for other in others)
        why = f"runs of protocol {found}, the project's is {quote(wanted)}"
        raise input_error(why, "measure them by the project's protocol", column=names.PROTOCOL)


def _replaced(batches: Sequence[Batch], name: str, content: str, supersede: bool) -> Batch | str | None:
    """Return the batch to replace; ``"same"`` where the content is in already; ``None`` where the id is free."""
    if any(batch.content == content for batch in batches):
        return "same"
    old = next((batch for batch in batches if batch.name == name), None)
    if old is not None and not supersede:
        why = f"batch {quote(name)} is in the ledger with other content (record {old.number})"
        fix = "give it another id, or --supersede to put it in that one's place"
        raise input_error(why, fix, column=names.BATCH, value=name)
    return old


def _joint(
    project: ProjectFolder, records: Sequence[Record], others: Sequence[Batch], last: Fit | None
) -> tuple[Fit | None, Collection[int]]:
    """Return the newest fit of batches that all stand, and their numbers: published or not, it holds their runs."""
    there = {batch.number for batch in others}
    made = next((r for r in reversed(records) if r.kind == "fit" and there.issuperset(r.content["batches"])), None)
    if made is None:
        return None, ()
    if made == published(records):
        return last, made.content["batches"]
    try:
        return load(project.folder / FITS, made), made.content["batches"]
    except StorageError:  # told by whoever needs the fit; runs can be read again
        return None, ()


def _scores(
    project: ProjectFolder,
    records: Sequence[Record],
    last: Fit | None,
    configuration: Configuration,
    runs: xr.Dataset,
    about: Mapping[str, Any],
    factor: float,
) -> list[tuple[str, Mapping[str, Any]]]:
    """Score the forecast and the milestones of the last published fit that saw no version of this batch.

    The forecast was frozen when that fit was made: its draws are sealed by the digest in its record, and where a plan
    was advised on it, those at the plan's labels stand in the ledger. The batch says at how many labels they are read.
    """
    versions = {r.number for r in records if r.kind == "batch" and r.content[names.BATCH] == about[names.BATCH]}
    fits = [r for r in records if r.kind == "fit" and r.content["published"]]
    without = [record for record in fits if not versions & {*record.content["batches"]}]
    if not without:
        return []
    fit = last if last is not None and without[-1] == fits[-1] else load(project.folder / FITS, without[-1])
    if (names.ERRORS in fit.runs) != (names.ERRORS in runs):
        return []
    origin = scorecard.origin_of(fit, runs)
    link = {"fit": without[-1].content["fit"], names.BATCH: about[names.BATCH], "content": about["content"]}
    told = [r.content for r in records if r.kind == "advice" and r.content["fit"] == link["fit"]]
    promised = told[-1].get(MILESTONES) if told else None
    step = promised and scorecard.milestone(promised, runs)
    judged: list[tuple[str, Mapping[str, Any]]] = [("check", {"of": "milestone", **link, **step})] if step else []
    if origin.future.empty:
        return judged
    plans = [r for r in records if r.kind == "forecast" and (r.content["of"], r.content["fit"]) == (PLAN, link["fit"])]
    cells, samples = scorecard.forecast_batch(fit, origin, plans[-1].content[scorecard.CELLS] if plans else ())
    by = [plans[-1].number if planned else without[-1].number for planned in cells.pop("planned")]
    kept = [cell | {FROZEN: number} for cell, number in zip(scorecard.frozen(cells, samples), by, strict=True)]
    made = {"of": names.BATCH, **link, scorecard.CELLS: kept}
    samples = add_truth_noise(samples, cells[names.TRUTH_STDERR].to_numpy(), fit.settings["random_seed"])
    now, money = scorecard.expected_now(fit), unit_worth(project, fit)
    scored = scorecard.scored(origin, cells, samples, factor, now, money)
    return [("forecast", made), ("score", {**link, **scored}), *judged]


BEFORE, AFTER = "before", "after"
SD_BEFORE, SD_AFTER = "sd_before", "sd_after"
NEW = "the batch that is previewed"
UNREAD = "unread"  # stands for the digest of runs where nothing hangs on it


def preview(project: ProjectFolder, runs: Runs, *, progress: bool = True) -> pd.DataFrame:
    """Fit all batches that stand and one more."""
    records, configuration = project.ledger.records("batch", "fit"), project.configuration
    before = project.published if published(records) is not None else None
    if before is None:
        raise input_error("no fit is published to start from", "run 'labelvalue refit DIR'")
    table = runs if isinstance(runs, xr.Dataset) else read_runs(runs, metric=configuration.runs.metric)
    batches = current_batches(records)
    if same := next((batch.name for batch in batches if batch.content == content_digest(table)), None):
        raise input_error(f"these runs are in already, as batch {quote(same)}", "preview runs that are not")
    spec = gather(Joint(project.folder / RUNS, batches, UNREAD), configuration).spec
    file, content = packed(table)
    about = describe(table, NEW, file, None)
    more = Batch(0, NEW, about["content"], file, about)
    after = fit_spec(_joined(project, records, batches, before, more, content, ""), spec, progress=progress)
    labels = max(default_budgets(before))
    found = pd.concat([_moments(before, labels), _moments(after, labels)], axis=1)
    found.columns = [BEFORE, SD_BEFORE, AFTER, SD_AFTER]
    made = found[[BEFORE, AFTER, SD_BEFORE, SD_AFTER]].reset_index()
    made.attrs = {
        names.BUDGET: labels,
        "verdict": after.diagnostics.verdict,
        "reasons": list(after.diagnostics.reasons),
    }
    return made


def _moments(fit: Fit, labels: int) -> pd.DataFrame:
    """Means and standard deviations of gain and elasticity, by quantity and curve."""
    gain = predict_gain(fit, [labels]).isel({names.BUDGET: 0}, drop=True)
    parts = {}
    for quantity, draws in ((names.GAIN, gain), (names.ELASTICITY, fit.posterior[names.ELASTICITY])):
        whole = scorecard.by_curve(fit, draws).reset_coords(drop=True)
        moments = {"mean": whole.mean(names.SAMPLE), "sd": whole.std(names.SAMPLE)}
        parts[quantity] = xr.Dataset(moments).to_dataframe()[["mean", "sd"]]
    return pd.concat(parts, names=["quantity"])
