"""One re-fit from beginning to end: what is new, the fit, the ledger, the advice, the page."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.trust import attach_backtest
from labelvalue.model.fitting.result import Fit, draws_digest
from labelvalue.operate.history import scorecard
from labelvalue.operate.history.assets import digest_of_case, training_pays
from labelvalue.operate.refit import refit as fits, subprocess_fit, triggers
from labelvalue.operate.refit.judging import report
from labelvalue.operate.refit.learners import carried_over, counted, runs_of
from labelvalue.operate.refit.outcome import Refit
from labelvalue.operate.refit.preflight import check_settings
from labelvalue.operate.refit.subprocess_fit import FitStoppedError
from labelvalue.operate.store.batches import Joint, check_files
from labelvalue.operate.store.configuration import Configuration
from labelvalue.operate.store.current_batches import brought, current_batches, unseen
from labelvalue.operate.store.folders import (
    CHAINS,
    FITS,
    RUNS,
    in_force,
    published,
    scores_since_published,
    sweep_chains,
)
from labelvalue.operate.store.lock import leave_trace
from labelvalue.operate.store.project_folder import ProjectFolder
from labelvalue.operate.store.records import SUPERSEDES, Record
from labelvalue.problems import InputError, StorageError, input_error
from labelvalue.report.numbers.tables import default_budgets
from labelvalue.storage import check_room

TRIGGERED_BY = "trigger_inputs"  # what the triggers in the record of a fit were judged by


def refit(project: ProjectFolder, *, again: bool, progress: bool, backtest: bool) -> Refit:
    """Fit again where something has changed; the caller holds the lock."""
    ledger, configuration = project.ledger, project.configuration
    notes = ledger.clock_notes()
    before = ledger.last().number
    records = ledger.records("batch", "fit", "score", "advice", "decision", "page")  # what they name is looked at
    batches, last = current_batches(records), published(records)
    if not batches:
        raise input_error("no batch yet", "add one with 'labelvalue add DIR RUNS'")
    collections.deque(check_files(project.folder / RUNS, batches), maxlen=0)
    recorded = fits.recorded_digest(project.folder / FITS, records, batches)
    joint, latest = Joint(project.folder / RUNS, batches, recorded), _latest(project, records)
    try:
        inputs = fits.gather(joint, configuration, backtest=backtest)
    except InputError:  # told with everything else that is wrong
        check_settings(project.folder, configuration, joint.runs, latest)
        raise
    new = [brought(project.folder / RUNS, record) for record in unseen(records, last)]
    scores = scores_since_published(records)
    fired = triggers.evaluate(new, configuration.triggers, last, scores)
    card = scorecard.scorecard(records)
    factor = scorecard.calibration(card)[scorecard.FACTOR]
    fired += training_pays(project.folder, configuration, last, new, factor)
    called = {
        "triggers": fired,
        TRIGGERED_BY: triggers.inputs_of(last, scores, factor, digest_of_case(project.folder, configuration)),
    }
    every = [record for record in records if record.kind == "fit"]
    fitting = [record for record in every if record.content[fits.KEY] in inputs.keys]
    in_place = [record for record in fitting if record.content["fit"] == every[-1].content["fit"]]
    same = next(iter([*in_place, *fitting]), None)
    reproduced = None
    if (
        same is None
        and last is not None
        and not again
        and _can_wait(project, inputs, last, unseen(records, last), fired)
    ):
        more = f"{fired[0]['value']:,} new labels, fewer than triggers.new_labels = {fired[0]['limit']:,}"
        same, notes = last, [*notes, f"not fitted yet: {more}, and no other trigger fired"]
    sweep_chains(project.folder / FITS, _chains(project, inputs) if same is None else None)
    if same is not None and same.content["fit"] != every[-1].content["fit"]:  # back to what was fitted before
        same = ledger.append(in_force(ledger, configuration, [("fit", {**same.content, **called})]))[-1]
    elif same is None:
        check_settings(project.folder, configuration, inputs.runs, latest)
        try:
            same = _fit(project, inputs, records, configuration, called, card, progress)
        except FitStoppedError as error:
            return _stopped(project, inputs, str(error), fired, card, notes)
    elif again:
        reproduced = _again(project, inputs, same, progress)
    return report(
        project,
        same,
        card,
        new=same.number > before,
        reproduced=reproduced,
        fired=fired,
        notes=notes,
        progress=progress,
    )


def _can_wait(
    project: ProjectFolder,
    inputs: fits.Inputs,
    last: Record,
    new: Sequence[Record],
    fired: Sequence[Mapping[str, Any]],
) -> bool:
    """Whether nothing but batches is new since the published fit, none of them in place of another, and none fired."""
    if not new or any(one["fired"] for one in fired) or any(record.content[SUPERSEDES] for record in new):
        return False
    old = fits.read_spec(project.folder / FITS, last)
    return all(old[part] == inputs.spec[part] for part in ("model", "fit", names.LABELS_NOW, "code"))


def _latest(project: ProjectFolder, records: Sequence[Record]) -> Sequence[str]:
    """Learners of the latest batch."""
    newest = next(record for record in reversed(records) if record.kind == "batch")
    learners: Sequence[str] = brought(project.folder / RUNS, newest)["learners"]
    return learners


def _fit(
    project: ProjectFolder,
    inputs: fits.Inputs,
    records: Sequence[Record],
    configuration: Configuration,
    called: Mapping[str, Any],
    card: pd.DataFrame,
    progress: bool,
) -> Record:
    """Sample, keep, and record; whatever goes wrong is recorded too, and leaves the published fit as it was."""
    folder = project.folder / FITS
    known = {record.content["fit"] for record in records if record.kind == "fit"}
    try:
        found = fits.adopt(folder, inputs.key, known)
        if found is None:
            check_room(folder, subprocess_fit.posterior_bytes(inputs.spec, inputs.runs))
        made = found or _made(project, inputs, records, progress)
        name = fits.id_of(inputs.key) if found is not None else fits.keep(folder, inputs, made)
        content = fits.fit_record(folder, name, inputs, made, adopted=found is not None)
        entries: list[tuple[str, Mapping[str, Any]]] = [("fit", {**content, **called})]
        if content["published"]:
            factor = scorecard.calibration(card)[scorecard.FACTOR]
            promised = fits.gain_forecast(made, configuration.report.budgets, factor)
            entries += [("forecast", {"fit": name, **promised})]
            entries += _carried_over(project, inputs, name, made, published(records), progress)
        made_of = project.ledger.append(in_force(project.ledger, configuration, entries))
        sweep_chains(folder)
        return next(record for record in made_of if record.kind == "fit")
    except BaseException as error:
        _record_failure(project, inputs.key, error)
        raise


def _made(project: ProjectFolder, inputs: fits.Inputs, records: Sequence[Record], progress: bool) -> Fit:
    """Sample, and backtest unless the backtest of an earlier fit still says it."""
    known = fits.backtest_at_hand(project.folder / FITS, records, inputs.spec)
    if known is None:
        return _sampled(project, inputs.spec, inputs.runs, progress, _chains(project, inputs))
    spec = fits.without_backtest(inputs.spec)
    return attach_backtest(_sampled(project, spec, inputs.runs, progress, _chains(project, inputs)), known)


def _chains(project: ProjectFolder, inputs: fits.Inputs) -> Path:
    """Where the finished draws of a fit lie until it is recorded."""
    return project.folder / FITS / f"{CHAINS}{fits.id_of(inputs.key)}"


def _sampled(
    project: ProjectFolder, spec: Mapping[str, Any], runs: xr.Dataset, progress: bool, chains: Path | None
) -> Fit:
    """Fit in a process of its own, going on from chains that one before it finished, unless it is to be made anew."""
    limits = project.configuration.limits
    return subprocess_fit.fit_in_subprocess(
        project.folder / FITS,
        runs,
        spec,
        memory_gb=limits.memory_gb,
        minutes=limits.minutes,
        progress=progress,
        checkpoint=chains,
    )


def _carried_over(
    project: ProjectFolder,
    inputs: fits.Inputs,
    name: str,
    made: Fit,
    before: Record | None,
    progress: bool,
) -> list[tuple[str, Mapping[str, Any]]]:
    """Where a learner is new, fit its own runs alone too: what the old ones still count for."""
    known = None if before is None else before.content.get("learners")
    new = [] if known is None else sorted({*made.settings["learners"]} - {*known})
    found: list[tuple[str, Mapping[str, Any]]] = []
    spec = fits.without_backtest(inputs.spec)
    for learner in new:
        labels = max(default_budgets(made))
        about = {"of": "learner", "fit": name, "learner": learner, "before": list(known or ()), names.LABELS: labels}
        about[names.CARRY_OVER] = counted(made)
        try:
            alone = _sampled(project, spec, runs_of(inputs.runs, [learner]), progress, _chains(project, inputs))
        except (FitStoppedError, ValueError) as error:
            found.append(("check", {**about, "slices": [], "why": str(error)[:500]}))
            continue
        rows = carried_over(made, alone, learner, labels)
        found.append(("check", {**about, "slices": rows, "alone": alone.diagnostics.verdict}))
    return found


def _stopped(
    project: ProjectFolder,
    inputs: fits.Inputs,
    why: str,
    fired: Sequence[Mapping[str, Any]],
    card: pd.DataFrame,
    notes: Sequence[str],
) -> Refit:
    """What a re-fit came to whose fit came to nothing: refused, and what was published stays so."""
    current = published(project.ledger.records("fit"))
    return Refit(
        fit=fits.id_of(inputs.key),
        new=False,
        verdict="refused",
        reasons=(why,),
        published=None if current is None else current.content["fit"],
        state=None,
        triggers=tuple(fired),
        calibration=scorecard.calibration(card),
        reproduced=None,
        page=None,
        notes=tuple(notes),
        head=project.ledger.last().digest,
    )


def _record_failure(project: ProjectFolder, key: str, error: BaseException) -> None:
    """Put down what went wrong, unless the ledger is what went wrong."""
    why = f"{type(error).__name__}: {error}"[:500]
    try:
        project.ledger.append([("failure", {"why": why, fits.KEY: key})])
    except StorageError:
        leave_trace(error)


def _again(project: ProjectFolder, inputs: fits.Inputs, record: Record, progress: bool) -> bool:
    """Fit once more and compare the draws with the recorded ones."""
    made = _sampled(project, fits.without_backtest(inputs.spec), inputs.runs, progress, None)
    same = draws_digest(made) == record.content["draws_sha256"]
    project.ledger.append([("check", {"of": "reproduction", "fit": record.content["fit"], "same": same})])
    return same
