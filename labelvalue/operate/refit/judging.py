"""After a fit: advice and page, each made where it is not there already."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.advice.rules import STATE
from labelvalue.decisions.case.case import Case, parse_case
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.model.fitting.result import Fit
from labelvalue.operate.history import scorecard
from labelvalue.operate.history.assets import assets, case_of, spent, warnings
from labelvalue.operate.history.descriptions import milestone_line, notes as noted
from labelvalue.operate.history.scorecard import KINDS, batches_over_time, both_widths, differences
from labelvalue.operate.refit import advice, refit as fits
from labelvalue.operate.refit.outcome import Refit, advice_line, approvals, calibration_line, last_batch_line
from labelvalue.operate.refit.preflight import case_problems
from labelvalue.operate.store.configuration import CASE_FILE, FILE, Configuration
from labelvalue.operate.store.folders import FITS, REPORTS, RUNS, digest_bytes, digest_file, in_force, published
from labelvalue.operate.store.project_folder import ProjectFolder
from labelvalue.operate.store.records import Record
from labelvalue.printing import WEIGHING, doing
from labelvalue.problems import InputError, StorageError
from labelvalue.report.words.project import Context
from labelvalue.storage import write_whole

ASKED = ("batch", "score", "advice")  # kinds of records that assets and warnings are made from


def _stated(project: ProjectFolder) -> Case | None:
    """The project's case, no fit asked; what is wrong with it is told when advice is made."""
    try:
        text = advice.case_text(project.folder, project.configuration)
        return None if text is None else parse_case(text, file="case")
    except InputError:
        return None


def _spent(project: ProjectFolder, record: Record) -> float | None:
    """Money that the batches cost, where a rule of the case is about it."""
    stated = _stated(project)
    if stated is None or stated.guardrails.maximum_spend is None:
        return None
    fit = fits.load(project.folder / FITS, record)
    case = case_of(project.folder, project.configuration, fit)
    return spent(assets(project.folder / RUNS, project.ledger.records(*ASKED), fit, case))


def _case(project: ProjectFolder, configuration: Configuration, fit: Fit) -> Case | None:
    return case_of(project.folder, configuration, fit)


def _advised(
    project: ProjectFolder, record: Record, factor: float, progress: bool
) -> tuple[Mapping[str, Any] | None, Decision | None]:
    """Return the advice on a published fit by the case as it stands, with the decision where it is made only now."""
    configuration = project.configuration
    text, annotated = advice.case_told(project.folder, configuration)
    if text is None:
        return None, None
    batches = project.ledger.records("batch")
    latest = batches[-1].content.get("learners", []) if batches else []
    name = record.content["fit"]
    settings = advice.settings_of(configuration, latest, factor, _spent(project, record), annotated)
    wanted = advice.inputs_digest(name, text, settings)
    told = [record for record in project.ledger.records("fit", "advice") if record.kind == "advice"]
    old = next((r for r in reversed(told) if r.content[advice.INPUTS] == wanted), None)
    if old is not None:
        return {**old.content, "record": old.number}, None
    fit = fits.load(project.folder / FITS, record)
    there = [str(name) for name in fit.slices], fit.settings["learners"], fit.settings["suites"]
    problems = case_problems(project.folder, configuration, *there, latest)
    if problems:
        raise InputError(problems)
    doing(WEIGHING, show=progress)
    made, decision = advice.advise(name, fit, text, settings)
    order = {} if made["interventions"] else advice.order_items(made["advice"], made["pilot"], made[advice.PLAN])
    cells = scorecard.forecast_plan(fit, order) if order else []
    promised = [("forecast", {"of": advice.PLAN, "fit": name, scorecard.CELLS: cells})] if order else []
    new = project.ledger.append(in_force(project.ledger, configuration, [*promised, ("advice", made)]))[-1]
    return {**new.content, "record": new.number}, decision


def report(
    project: ProjectFolder,
    record: Record,
    card: pd.DataFrame,
    *,
    new: bool,
    reproduced: bool | None,
    fired: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
    progress: bool,
) -> Refit:
    """Advise on a fit where it is published, write its page, and say what the re-fit came to."""
    count = project.ledger.last().number
    current = published(project.ledger.records("fit"))
    content = record.content
    passed, factor = content["published"], float(scorecard.calibration(card)[scorecard.FACTOR])
    advised, decision = _advised(project, record, factor, progress) if passed else (None, None)
    fresh = project.ledger.last().number > count
    page = _page(project, current, advised, decision, card, fresh, progress) if current is not None else None
    return Refit(
        fit=content["fit"],
        new=new,
        verdict=content["verdict"],
        reasons=tuple(content["reasons"]),
        backtest=content.get(names.BACKTEST, ""),
        published=None if current is None else current.content["fit"],
        state=None if not passed else names.PASS if advised is None else advised[STATE],
        triggers=tuple(fired),
        calibration=scorecard.calibration(card),
        reproduced=reproduced,
        page=page,
        notes=(*notes, *_warnings(project, current)),
        advice=advised,
        approvals=() if advised is None else tuple(_approvals(project, advised)),
        head=project.ledger.last().digest,
    )


def _approvals(project: ProjectFolder, advised: Mapping[str, Any]) -> list[dict[str, Any]]:
    return approvals(advised, advised["record"], project.ledger.records("decision"))


def _warnings(project: ProjectFolder, current: Record | None) -> list[str]:
    """Stagnation, and a case that wants something else; or a case that lies there and is not named."""
    if project.configuration.case is None:
        lies = (project.folder / CASE_FILE).is_file()
        return [f'no advice: {CASE_FILE} lies here, and no line case = "{CASE_FILE}" in {FILE}'] if lies else []
    if current is None:
        return []
    records = project.ledger.records(*ASKED)
    return warnings(assets(project.folder / RUNS, records, None, None), records, _stated(project))


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


def _persistence(configuration: Configuration, fit: Fit) -> xr.Dataset | None:
    """What came on each suite of the gain that smaller training sets had promised, where runs are backtested at all."""
    from labelvalue.forecast.gains.learners_and_suites import held_back_persistence

    return held_back_persistence(fit) if configuration.fit.backtest else None


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


def _keep_page(project: ProjectFolder, path: Path, name: str, content: bytes) -> None:
    """Record the digest of a page, then put it in its place: a page that lies there is one that is recorded."""
    digest = digest_bytes(content)
    if not _is_current(project, name, digest):
        project.ledger.append([("page", {"fit": name, "sha256": digest})])
    write_whole(path, content)


def _page(
    project: ProjectFolder,
    record: Record,
    advised: Mapping[str, Any] | None,
    decision: Decision | None,
    card: pd.DataFrame,
    fresh: bool,
    progress: bool,
) -> str | None:
    """Write the page of the published fit, unless it is there and says all; fit and advice stay where that fails."""
    configuration = project.configuration
    if not configuration.report.page:
        return None
    path = project.folder / REPORTS / f"{record.content['fit']}.html"
    there = path.is_file() and not path.is_symlink()
    if fresh or not there or not _is_current(project, record.content["fit"], digest_file(path)):
        doing("writing the page", show=progress)
        factor = float(scorecard.calibration(card)[scorecard.FACTOR])
        header = [calibration_line(scorecard.calibration(card)), last_batch_line(card)]
        reached = [r.content for r in project.ledger.records("check") if r.content["of"] == "milestone"]
        header += [] if advised is None else [*map(milestone_line, reached[-1:]), advice_line(advised)]
        fit = fits.load(project.folder / FITS, record)
        records = project.ledger.records(*KINDS)
        table = assets(project.folder / RUNS, records, fit, _case(project, configuration, fit))
        budgets = configuration.report.budgets
        try:
            from labelvalue.forecast.gains.prior_sensitivity import Refits
            from labelvalue.operate.history.changes import explain_at_hand  # pictures take a second to import
            from labelvalue.operate.history.trail import register
            from labelvalue.report.numbers.plan import detail_numbers
            from labelvalue.report.render.html import write_report

            path.parent.mkdir(exist_ok=True)
            wide = recalibrated(fit, factor)
            of = wide if advised is None else decision or advice.decision_of(fit, advised)
            changed = _changed(project, advised)
            context = Context(
                scorecard=card,
                over_time=tuple(batches_over_time(table, records)),
                kept=_kept(project, record),
                widths=both_widths(project.ledger.records("forecast"), record.content["fit"]),
                assumptions=register(project),
                changes=changed,
                notes=noted(project.ledger.records("note")),
                explained=explain_at_hand(project) if changed else None,
                persistence=_persistence(configuration, fit),
                carried=_carried(project, record.content["fit"]),
                details=detail_numbers(of, refit=Refits(progress=progress))
                if isinstance(of, Decision) and configuration.report.fits_again(of.fit.slices.size)
                else None,
            )
            shown = None if budgets is None else [*budgets]
            with tempfile.TemporaryDirectory() as place:
                page = Path(place) / path.name
                write_report(of, path=page, budgets=shown, header=[*filter(None, header)], context=context)
                _keep_page(project, path, record.content["fit"], page.read_bytes())
        except StorageError:
            raise
        except Exception as error:  # whatever it is, fit and advice are recorded, and the page can be asked for again
            why = f"{type(error).__name__}: {error}"
            raise StorageError(
                f"{path}: the page could not be made ({why}); fit and advice are recorded. "
                "Fix: run 'labelvalue refit DIR' again once that is mended."
            ) from error
    return str(path)
