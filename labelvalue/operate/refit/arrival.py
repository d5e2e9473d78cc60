"""The arrival of a batch: checked, kept, and set against what was forecast for it, in one stroke."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.simulate.protocol import read_protocol
from labelvalue.observe.table.runs import read_runs
from labelvalue.operate.history import scorecard
from labelvalue.operate.history.assets import digest_of_case, training_pays, unit_worth
from labelvalue.operate.refit import annotated, triggers
from labelvalue.operate.refit.advice import MILESTONES, PLAN
from labelvalue.operate.refit.refit import load
from labelvalue.operate.store.batches import content_digest, describe, joined, packed, store, table_of, tables_of
from labelvalue.operate.store.configuration import Configuration
from labelvalue.operate.store.current_batches import (
    brought,
    check_trained,
    current_annotations,
    current_batches,
    unseen,
)
from labelvalue.operate.store.folders import FITS, RUNS, in_force, inside, published, scores_since_published
from labelvalue.operate.store.project_folder import ProjectFolder
from labelvalue.operate.store.records import ANNOTATIONS, Batch, Record
from labelvalue.problems import StorageError, input_error, quote

FROZEN = "frozen"  # the record that froze what is forecast: of a plan, or of the fit

if TYPE_CHECKING:
    from labelvalue.model.fitting.result import Fit
    from labelvalue.operate.store.project_folder import ProjectFolder

    Runs = str | os.PathLike[str] | pd.DataFrame | xr.Dataset


def add_batch(project: ProjectFolder, runs: Runs, name: str | None, supersede: bool, cost: float | None = None) -> None:
    """Record a batch with its forecast, its scores and the triggers it fires; all of them or none."""
    if annotated.are_annotations(runs):
        _add_annotations(project, runs, name, supersede, cost)
        return
    configuration = project.configuration
    table = runs if isinstance(runs, xr.Dataset) else read_runs(runs, metric=configuration.runs.metric)
    chosen = _name(runs, name)
    _check_protocol(project.folder, configuration, table)
    records = project.ledger.records("batch", "fit", "score", "advice", "forecast")
    batches = current_batches(records)
    replaced = _replaced(batches, chosen, content_digest(table), supersede)
    if replaced == "same":
        return
    _check_cost(cost)
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
    found = triggers.evaluate([*new, about], configuration.triggers, last, fresh)
    found += training_pays(project.folder, configuration, last, [*new, about], factor)
    inputs = triggers.inputs_of(last, fresh, factor, digest_of_case(project.folder, configuration))
    entries.append(("check", {"of": "triggers", names.BATCH: chosen, "inputs": inputs, "triggers": found}))
    store(project.folder / RUNS, file, content)
    project.ledger.append(in_force(project.ledger, configuration, entries))


def _add_annotations(project: ProjectFolder, given: Any, name: str | None, supersede: bool, cost: float | None) -> None:
    """Record a batch of annotations, unless it is in already."""
    chosen = _name(given, name)
    if cost is not None:
        raise input_error("annotations have no cost here", "give it with the batch of runs", column="cost", value=cost)
    table = annotated.annotations_table(given)
    standing = current_annotations(project.ledger.records(ANNOTATIONS))
    replaced = _replaced(standing, chosen, annotated.content_of(table), supersede)
    if not isinstance(replaced, str):
        annotated.record(project, table, chosen, replaced)


def together(
    project: ProjectFolder,
    records: Sequence[Record],
    others: Sequence[Batch],
    last: Fit | None,
    runs: xr.Dataset,
    name: str,
) -> xr.Dataset:
    """Put one more batch of runs beside those that stand, under a name; nothing is written."""
    file, content = packed(runs)
    about = describe(runs, name, file, None)
    return _joined(project, records, others, last, Batch(0, name, about["content"], file, about), content, "")


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


def _check_cost(cost: float | None) -> None:
    if cost is not None and not (isinstance(cost, int | float) and 0 <= cost < float("inf")):
        raise input_error("no amount of money", "give what was paid, ≥ 0", column="cost", value=cost)


def _check_protocol(folder: Path, configuration: Configuration, runs: xr.Dataset) -> None:
    if configuration.protocol is None:
        return
    wanted = read_protocol(inside(folder, configuration.protocol)).id
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
    samples = scorecard.measured_samples(cells, samples, fit.settings["random_seed"])
    now, money = scorecard.expected_now(fit), unit_worth(project.folder, configuration, fit)
    scored = scorecard.scored(origin, cells, samples, factor, now, money)
    return [("forecast", made), ("score", {**link, **scored}), *judged]
