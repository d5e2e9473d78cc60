"""One re-fit from beginning to end: what is new, the fit, the ledger, the advice, the page."""

from __future__ import annotations

import collections
import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.advice.rules import STATE
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.forecast.backtesting.trust import attach_backtest
from labelvalue.model.fitting.result import Fit, draws_digest
from labelvalue.operate.history import scorecard
from labelvalue.operate.history.assets import assets, case_of, spent, triggered, warnings
from labelvalue.operate.history.descriptions import milestone_line, notes as noted
from labelvalue.operate.history.scorecard import KINDS, batches_over_time, both_widths, differences
from labelvalue.operate.refit import advice, refit as fits, subprocess_fit
from labelvalue.operate.refit.outcome import Refit, advice_line, approvals, calibration_line, last_batch_line
from labelvalue.operate.refit.preflight import case_problems, check_settings
from labelvalue.operate.refit.refit import carried_over, counted, runs_of
from labelvalue.operate.refit.subprocess_fit import FitStoppedError
from labelvalue.operate.store.batches import Joint, check_files
from labelvalue.operate.store.configuration import CASE_FILE, FILE, Configuration
from labelvalue.operate.store.folders import (
    CHAINS,
    FITS,
    REPORTS,
    RUNS,
    ProjectFolder,
    brought,
    current_batches,
    load,
    published,
    scores_since_published,
    sweep_chains,
    unseen,
)
from labelvalue.operate.store.identity import digest_bytes, digest_file
from labelvalue.operate.store.lock import leave_trace
from labelvalue.operate.store.records import SUPERSEDES, Record
from labelvalue.printing import WEIGHING, doing
from labelvalue.problems import InputError, StorageError, input_error
from labelvalue.report.numbers.tables import default_budgets
from labelvalue.report.words.project import Context
from labelvalue.storage import check_room, write_whole

ASKED = ("batch", "score", "advice")  # kinds of records that assets and warnings are made from


TRIGGERED_BY = "trigger_inputs"  # what the triggers in the record of a fit were judged by


@dataclasses.dataclass(frozen=True)
class Work:
    """One re-fit: what its fit is made from, past forecasts, what called for it, whether to say what is done."""

    project: ProjectFolder
    configuration: Configuration
    inputs: fits.Inputs
    card: pd.DataFrame
    fired: Sequence[Mapping[str, Any]]
    progress: bool

    @property
    def factor(self) -> float:
        """By which past forecasts widen intervals."""
        return float(scorecard.calibration(self.card)[scorecard.FACTOR])

    @property
    def chains(self) -> Path:
        """Where the finished draws of the fit lie until it is recorded."""
        return self.project.folder / FITS / f"{CHAINS}{fits.id_of(self.inputs.key)}"

    def sampled(self, *, backtest: bool = False, runs: xr.Dataset | None = None, anew: bool = False) -> Fit:
        """Fit in a process of its own, going on from what one before it finished, unless it is to be made anew."""
        return subprocess_fit.fit_in_subprocess(
            self.project.folder / FITS,
            self.inputs.runs if runs is None else runs,
            self.inputs.spec if backtest else fits.without_backtest(self.inputs.spec),
            **dataclasses.asdict(self.configuration.limits),
            progress=self.progress,
            checkpoint=None if anew else self.chains,
        )

    def came_to(self, **what: Any) -> Refit:
        """Say what the re-fit came to, beside what is the same however it ends."""
        ledger = self.project.ledger
        current = published(ledger.records("fit"))
        return Refit(
            published=None if current is None else current.content["fit"],
            triggers=tuple(self.fired),
            calibration=scorecard.calibration(self.card),
            head=ledger.last().digest,
            **what,
        )


def _spent(project: ProjectFolder, record: Record) -> float | None:
    """Money that the batches cost, where a rule of the case is about it."""
    stated = case_of(project)
    if stated is None or stated.guardrails.maximum_spend is None:
        return None
    fit = load(project.folder / FITS, record)
    return spent(assets(project.folder / RUNS, project.ledger.records(*ASKED), fit, case_of(project, fit)))


def _advised(work: Work, record: Record) -> tuple[Mapping[str, Any] | None, Decision | None]:
    """Return the advice on a published fit by the case as it stands, with the decision where it is made only now."""
    project, configuration = work.project, work.configuration
    text, annotated = advice.case_told(project)
    if text is None:
        return None, None
    batches = project.ledger.records("batch")
    latest = batches[-1].content.get("learners", []) if batches else []
    name = record.content["fit"]
    settings = advice.settings_of(configuration, latest, work.factor, _spent(project, record), annotated)
    wanted = advice.inputs_digest(name, text, settings)
    told = [record for record in project.ledger.records("fit", "advice") if record.kind == "advice"]
    old = next((r for r in reversed(told) if r.content[advice.INPUTS] == wanted), None)
    if old is not None:
        return {**old.content, "record": old.number}, None
    fit = load(project.folder / FITS, record)
    there = [str(name) for name in fit.slices], fit.settings["learners"], fit.settings["suites"]
    problems = case_problems(project, *there, latest)
    if problems:
        raise InputError(problems)
    doing(WEIGHING, show=work.progress)
    made, decision = advice.advise(name, fit, text, settings)
    order = {} if made["interventions"] else advice.order_items(made["advice"], made["pilot"], made[advice.PLAN])
    cells = scorecard.forecast_plan(fit, order) if order else []
    promised = [("forecast", {"of": advice.PLAN, "fit": name, scorecard.CELLS: cells})] if order else []
    new = project.append(configuration, [*promised, ("advice", made)])[-1]
    return {**new.content, "record": new.number}, decision


def _report(work: Work, record: Record, notes: Sequence[str], **how: bool | None) -> Refit:
    """Advise on a fit where it is published, write its page, and say what the re-fit came to."""
    project, content = work.project, record.content
    count = project.ledger.last().number
    current = published(project.ledger.records("fit"))
    passed = content["published"]
    advised, decision = _advised(work, record) if passed else (None, None)
    fresh = project.ledger.last().number > count
    page = _page(work, current, advised, decision, fresh) if current is not None else None
    given = project.ledger.records("decision")
    return work.came_to(
        fit=content["fit"],
        verdict=content["verdict"],
        reasons=tuple(content["reasons"]),
        backtest=content.get(names.BACKTEST, ""),
        state=None if not passed else names.PASS if advised is None else advised[STATE],
        page=page,
        notes=(*notes, *_warnings(project, current)),
        advice=advised,
        approvals=() if advised is None else tuple(approvals(advised, advised["record"], given)),
        **how,
    )


def _warnings(project: ProjectFolder, current: Record | None) -> list[str]:
    """Stagnation, and a case that wants something else; or a case that lies there and is not named."""
    if project.configuration.case is None:
        lies = (project.folder / CASE_FILE).is_file()
        return [f'no advice: {CASE_FILE} lies here, and no line case = "{CASE_FILE}" in {FILE}'] if lies else []
    if current is None:
        return []
    records = project.ledger.records(*ASKED)
    return warnings(assets(project.folder / RUNS, records, None, None), records, case_of(project))


def _changed(project: ProjectFolder, advised: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What differs from the advice before this one; nothing where there is none."""
    if advised is None:
        return ()
    told = [record for record in project.ledger.records("advice") if record.number < advised["record"]]
    return differences(told[-1].content, advised) if told else ()


def _carried(project: ProjectFolder, name: str) -> tuple[Mapping[str, Any], ...]:
    """What runs of old learners still say of those that this fit was the first to know."""
    found = (record.content for record in project.ledger.records("check"))
    return tuple(content for content in found if content["of"] == "learner" and content["fit"] == name)


def _kept(project: ProjectFolder, record: Record) -> dict[str, str]:
    """Where the fit of a page is kept, and the code that made it."""
    content = record.content
    source = fits.read_spec(project.folder / FITS, record)["code"]
    return {
        "Fit": f"{content['fit']} of project {project.folder.resolve().name}",
        "Record in the ledger": f"{record.number}, digest {record.digest}; 'labelvalue verify' recomputes every digest",
        "Draws as recorded": f"SHA-256 {content['draws_sha256']}",
        "Code that made it": f"SHA-256 of its source {source.get('source', 'not recorded')}",
    }


def _is_current(project: ProjectFolder, name: str, digest: str) -> bool:
    """Whether a page is the last that was recorded of its fit, and no note came after it."""
    made = [r for r in project.ledger.records("page") if r.content["fit"] == name]
    return (
        bool(made)
        and made[-1].content["sha256"] == digest
        and not project.ledger.records("note", after=made[-1].number)
    )


def _page(
    work: Work, record: Record, advised: Mapping[str, Any] | None, decision: Decision | None, fresh: bool
) -> str | None:
    """Write the page of the published fit, unless it is there and says all; fit and advice stay where that fails."""
    project, configuration, card = work.project, work.configuration, work.card
    if not configuration.report.page:
        return None
    path = project.folder / REPORTS / f"{record.content['fit']}.html"
    there = path.is_file() and not path.is_symlink()
    if fresh or not there or not _is_current(project, record.content["fit"], digest_file(path)):
        doing("writing the page", show=work.progress)
        header = [calibration_line(scorecard.calibration(card)), last_batch_line(card)]
        reached = [r.content for r in project.ledger.records("check") if r.content["of"] == "milestone"]
        header += [] if advised is None else [*map(milestone_line, reached[-1:]), advice_line(advised)]
        fit = load(project.folder / FITS, record)
        records = project.ledger.records(*KINDS)
        table = assets(project.folder / RUNS, records, fit, case_of(project, fit))
        budgets = configuration.report.budgets
        try:
            from labelvalue.decisions.sensitivity.what_if import MOST
            from labelvalue.forecast.gains.learners_and_suites import held_back_persistence
            from labelvalue.forecast.gains.prior_sensitivity import Refits
            from labelvalue.operate.history.changes import explain_at_hand  # pictures take a second to import
            from labelvalue.operate.history.trail import register
            from labelvalue.report.numbers.plan import detail_numbers
            from labelvalue.report.render.html import write_report

            path.parent.mkdir(exist_ok=True)
            wide = recalibrated(fit, work.factor)
            of = wide if advised is None else decision or advice.decision_of(fit, advised)
            changed, again = _changed(project, advised), configuration.report.refits
            again = fit.slices.size <= MOST if again is None else again
            context = Context(
                scorecard=card,
                over_time=tuple(batches_over_time(table, records)),
                kept=_kept(project, record),
                widths=both_widths(project.ledger.records("forecast"), record.content["fit"]),
                assumptions=register(project),
                changes=changed,
                notes=noted(project.ledger.records("note")),
                explained=explain_at_hand(project) if changed else None,
                persistence=held_back_persistence(fit) if configuration.fit.backtest else None,
                carried=_carried(project, record.content["fit"]),
                details=detail_numbers(of, refit=Refits(progress=work.progress))
                if again and isinstance(of, Decision)
                else None,
            )
            shown = None if budgets is None else [*budgets]
            with tempfile.TemporaryDirectory() as place:
                page = Path(place) / path.name
                write_report(of, path=page, budgets=shown, header=[*filter(None, header)], context=context)
                made, name = page.read_bytes(), record.content["fit"]
            if not _is_current(project, name, digest_bytes(made)):  # a page that lies there is one that is recorded
                project.ledger.append([("page", {"fit": name, "sha256": digest_bytes(made)})])
            write_whole(path, made)
        except StorageError:
            raise
        except Exception as error:  # whatever it is, fit and advice are recorded, and the page can be asked for again
            why = f"{type(error).__name__}: {error}"
            raise StorageError(
                f"{path}: the page could not be made ({why}); fit and advice are recorded. "
                "Fix: run 'labelvalue refit DIR' again once that is mended."
            ) from error
    return str(path)


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
    newest = next(record for record in reversed(records) if record.kind == "batch")
    joint = Joint(project.folder / RUNS, batches, recorded)
    latest = brought(project.folder / RUNS, newest)["learners"]
    try:
        inputs = fits.gather(joint, configuration, backtest=backtest)
    except InputError:  # told with everything else that is wrong
        check_settings(project, joint.runs, latest)
        raise
    unfitted, card = unseen(records, last), scorecard.scorecard(records)
    new = [brought(project.folder / RUNS, record) for record in unfitted]
    factor = scorecard.calibration(card)[scorecard.FACTOR]
    fired, judged_by = triggered(project, last, new, scores_since_published(records), factor)
    work = Work(project, configuration, inputs, card, fired, progress)
    called = {"triggers": fired, TRIGGERED_BY: judged_by}
    every = [record for record in records if record.kind == "fit"]
    fitting = [record for record in every if record.content[fits.KEY] in inputs.keys]
    in_place = [record for record in fitting if record.content["fit"] == every[-1].content["fit"]]
    same = next(iter([*in_place, *fitting]), None)
    reproduced = None
    if same is None and last is not None and not again and _can_wait(work, last, unfitted):
        more = f"{fired[0]['value']:,} new labels, fewer than triggers.new_labels = {fired[0]['limit']:,}"
        same, notes = last, [*notes, f"not fitted yet: {more}, and no other trigger fired"]
    sweep_chains(project.folder / FITS, work.chains if same is None else None)
    if same is not None and same.content["fit"] != every[-1].content["fit"]:  # back to what was fitted before
        same = project.append(configuration, [("fit", {**same.content, **called})])[-1]
    elif same is None:
        check_settings(project, inputs.runs, latest)
        try:
            same = _fit(work, records, called)
        except FitStoppedError as error:  # refused, and what was published stays so
            told = {"fit": fits.id_of(inputs.key), "verdict": "refused", "reasons": (str(error),)}
            return work.came_to(new=False, **told, notes=tuple(notes))
    elif again:
        reproduced = draws_digest(work.sampled(anew=True)) == same.content["draws_sha256"]
        ledger.append([("check", {"of": "reproduction", "fit": same.content["fit"], "same": reproduced})])
    return _report(work, same, notes, new=same.number > before, reproduced=reproduced)


def _can_wait(work: Work, last: Record, new: Sequence[Record]) -> bool:
    """Whether nothing but batches is new since the published fit, none of them in place of another, and none fired."""
    if not new or any(one["fired"] for one in work.fired) or any(record.content[SUPERSEDES] for record in new):
        return False
    old = fits.read_spec(work.project.folder / FITS, last)
    return all(old[part] == work.inputs.spec[part] for part in ("model", "fit", names.LABELS_NOW, "code"))


def _fit(work: Work, records: Sequence[Record], called: Mapping[str, Any]) -> Record:
    """Sample, keep, and record; whatever goes wrong is recorded too, and leaves the published fit as it was."""
    project, inputs = work.project, work.inputs
    folder = project.folder / FITS
    known = {record.content["fit"] for record in records if record.kind == "fit"}
    try:
        found = fits.adopt(folder, inputs.key, known)
        if found is None:
            check_room(folder, subprocess_fit.posterior_bytes(inputs.spec, inputs.runs))
        made = found or _made(work, records)
        name = fits.id_of(inputs.key) if found is not None else fits.keep(folder, inputs, made)
        content = fits.fit_record(folder, name, inputs, made, adopted=found is not None)
        entries: list[tuple[str, Mapping[str, Any]]] = [("fit", {**content, **called})]
        if content["published"]:
            promised = fits.gain_forecast(made, work.configuration.report.budgets, work.factor)
            entries += [("forecast", {"fit": name, **promised})]
            entries += _carried_over(work, name, made, published(records))
        made_of = project.append(work.configuration, entries)
        sweep_chains(folder)
        return next(record for record in made_of if record.kind == "fit")
    except BaseException as error:
        why = f"{type(error).__name__}: {error}"[:500]
        try:
            project.ledger.append([("failure", {"why": why, fits.KEY: inputs.key})])
        except StorageError:  # the ledger is what went wrong
            leave_trace(error)
        raise


def _made(work: Work, records: Sequence[Record]) -> Fit:
    """Sample, and backtest unless the backtest of an earlier fit still says it."""
    known = fits.backtest_at_hand(work.project.folder / FITS, records, work.inputs.spec)
    return work.sampled(backtest=True) if known is None else attach_backtest(work.sampled(), known)


def _carried_over(work: Work, name: str, made: Fit, before: Record | None) -> list[tuple[str, Mapping[str, Any]]]:
    """Where a learner is new, fit its own runs alone too: what the old ones still count for."""
    known = None if before is None else before.content.get("learners")
    new = [] if known is None else sorted({*made.settings["learners"]} - {*known})
    found: list[tuple[str, Mapping[str, Any]]] = []
    for learner in new:
        labels = max(default_budgets(made))
        about = {"of": "learner", "fit": name, "learner": learner, "before": list(known or ()), names.LABELS: labels}
        about[names.CARRY_OVER] = counted(made)
        try:
            alone = work.sampled(runs=runs_of(work.inputs.runs, [learner]))
        except (FitStoppedError, ValueError) as error:
            found.append(("check", {**about, "slices": [], "why": str(error)[:500]}))
            continue
        rows = carried_over(made, alone, learner, labels)
        found.append(("check", {**about, "slices": rows, "alone": alone.diagnostics.verdict}))
    return found
