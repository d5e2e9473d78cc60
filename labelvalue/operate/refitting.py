"""One re-fit from beginning to end: what is new, the fit, the ledger, the guardrails, the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.decide import Case
from labelvalue.model import Fit
from labelvalue.operate import advice, apart, guardrails, scorecard, triggers
from labelvalue.operate import refit as fits
from labelvalue.operate.apart import FitStoppedError
from labelvalue.operate.assets import assets, spent, warnings
from labelvalue.operate.batches import joint_runs, standing
from labelvalue.operate.configuration import Configuration
from labelvalue.operate.folders import digest_file
from labelvalue.operate.identity import digest_of
from labelvalue.operate.learners import carried_over, runs_of
from labelvalue.operate.lock import leave_trace
from labelvalue.operate.places import FITS, REPORTS, RUNS, inside, published
from labelvalue.operate.project import Project
from labelvalue.operate.records import Record
from labelvalue.operate.worth import case_of, training_pays
from labelvalue.problems import StorageError
from labelvalue.report import write_report
from labelvalue.storage import check_room

DONE, NOT_PUBLISHED, STOPPED = 0, 2, 3
"""How the command ends, for a scheduler to act on."""


@dataclasses.dataclass(frozen=True)
class Refit:
    """What a re-fit came to.

    Parameters
    ----------
    fit : str
        Id of the fit of all batches that stand.
    new : bool
        Whether it was made now; ``False`` where nothing had changed.
    verdict : {"ok", "flagged", "refused"}
        Of the convergence gate.
    reasons : tuple of str
        Why, unless the verdict is ``ok``.
    published : str or None
        Id of the fit that is published now: this one, or where it did not pass, the one before.
    state : {"PASS", "STOP", "INCONCLUSIVE"} or None
        Of all guardrails together, those of the case included; ``None`` where this fit is not published.
    guardrails : tuple of mapping
        Each rule with its state, and the labels that would decide it.
    triggers : tuple of mapping
        What called for the fit.
    calibration : mapping
        How past forecasts did, and the factor on the width of intervals.
    reproduced : bool or None
        Whether a fit made again has the same draws; ``None`` where none was.
    page : str or None
        The report.
    notes : tuple of str
        What else to know.
    advice : mapping or None
        Plan, worth and state by the project's case; ``None`` without a case, and where this fit is not published.

    Examples
    --------
    >>> Refit("A", True, "flagged", ("divergences",), None, None, (), (), {}, None, None, ()).exit_code
    2
    """

    fit: str
    new: bool
    verdict: str
    reasons: tuple[str, ...]
    published: str | None
    state: str | None
    guardrails: tuple[Mapping[str, Any], ...]
    triggers: tuple[Mapping[str, Any], ...]
    calibration: Mapping[str, Any]
    reproduced: bool | None
    page: str | None
    notes: tuple[str, ...]
    advice: Mapping[str, Any] | None = None

    @property
    def exit_code(self) -> int:
        """0 done, or nothing new; 2 this fit is not published; 3 a guardrail says stop."""
        if self.verdict != fits.OK:
            return NOT_PUBLISHED
        return STOPPED if self.state == guardrails.STOP else DONE

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain values, for one line of JSON.

        Returns
        -------
        dict
            One key a field, and ``exit_code``.
        """
        return {**dataclasses.asdict(self), "exit_code": self.exit_code}


def refit(project: Project, *, again: bool, progress: bool) -> Refit:
    """Fit again where something has changed; the caller holds the lock."""
    ledger, configuration = project.ledger, project.configuration
    notes = ledger.clock_notes()
    records = ledger.records()
    batches = standing(records)
    runs = joint_runs(project.folder / RUNS, batches)
    inputs = fits.gather(runs, batches, configuration)
    last = published(records)
    fired = triggers.evaluate(runs, configuration.triggers, last, _scores(records))
    fired += training_pays(project.folder, configuration, last, runs)
    every = [record for record in records if record.kind == "fit"]
    same = next((record for record in every if record.content[fits.KEY] == inputs.key), None)
    reproduced = None
    if same is not None and same.content["fit"] != every[-1].content["fit"]:  # back to what was fitted before
        same = ledger.append([("fit", {**same.content, "triggers": fired})])[0]
    elif same is None:
        try:
            same = _fit(project, inputs, records, configuration, fired, progress)
        except FitStoppedError as error:
            return _stopped(project, inputs, str(error), fired, notes)
    elif again:
        reproduced = _again(project, inputs, same, progress)
    return _report(project, same, new=same.number > records[-1].number, reproduced=reproduced, fired=fired, notes=notes)


def _scores(records: Sequence[Record]) -> list[Record]:
    last = published(records)
    return [r for r in records if r.kind == "score" and (last is None or r.number > last.number)]


def _fit(
    project: Project,
    inputs: fits.Inputs,
    records: Sequence[Record],
    configuration: Configuration,
    fired: Sequence[Mapping[str, Any]],
    progress: bool,
) -> Record:
    """Sample, keep, and record; whatever goes wrong is recorded too, and leaves the published fit as it was."""
    folder = project.folder / FITS
    known = {record.content["fit"] for record in records if record.kind == "fit"}
    try:
        found = fits.adopt(folder, inputs.key, known)
        if found is None:
            check_room(folder, apart.posterior_bytes(inputs.spec, inputs.runs))
        made = _sampled(project, inputs.runs, inputs.spec, progress) if found is None else found
        name = fits.id_of(inputs.key) if found is not None else fits.keep(folder, inputs, made)
        content = fits.fit_record(folder, name, inputs, made, adopted=found is not None)
        entries: list[tuple[str, Mapping[str, Any]]] = [("fit", {**content, "triggers": list(fired)})]
        if content["published"]:
            factor = scorecard.calibration(project.scorecard())[scorecard.FACTOR]
            promised = fits.gain_forecast(made, configuration.report.budgets, factor)
            entries += [("forecast", {"fit": name, **promised}), _check(project, name, made, configuration)]
            entries += _carried_over(project, inputs, name, made, published(records), configuration, progress)
        return project.ledger.append(entries)[0]
    except BaseException as error:
        _record_failure(project, inputs.key, error)
        raise


def _sampled(project: Project, runs: xr.Dataset, spec: Mapping[str, Any], progress: bool) -> Fit:
    """Fit in a process of its own."""
    memory = project.configuration.limits.memory_gb
    return apart.fit_apart(project.folder / FITS, runs, spec, memory_gb=memory, progress=progress)


def _carried_over(
    project: Project,
    inputs: fits.Inputs,
    name: str,
    made: Fit,
    before: Record | None,
    configuration: Configuration,
    progress: bool,
) -> list[tuple[str, Mapping[str, Any]]]:
    """Where a learner is new, fit its own runs alone too: what the old ones still count for."""
    known = None if before is None else before.content.get("learners")
    new = [] if known is None else sorted({*made.settings["learners"]} - {*known})
    found: list[tuple[str, Mapping[str, Any]]] = []
    for learner in new:
        about = {"of": "learner", "fit": name, "learner": learner, "before": list(known or ())}
        try:
            alone = _sampled(project, runs_of(inputs.runs, [learner]), inputs.spec, progress)
        except (FitStoppedError, ValueError) as error:
            found.append(("check", {**about, "slices": [], "why": str(error)[:500]}))
            continue
        rows = carried_over(made, alone, learner, configuration.guardrails.batch_labels)
        found.append(("check", {**about, "slices": rows, "alone": alone.diagnostics.verdict}))
    return found


def _stopped(
    project: Project, inputs: fits.Inputs, why: str, fired: Sequence[Mapping[str, Any]], notes: Sequence[str]
) -> Refit:
    """What a re-fit came to whose fit came to nothing: refused, and what was published stays so."""
    current = published(project.ledger.records())
    return Refit(
        fit=fits.id_of(inputs.key),
        new=False,
        verdict="refused",
        reasons=(why,),
        published=None if current is None else current.content["fit"],
        state=None,
        guardrails=(),
        triggers=tuple(fired),
        calibration=scorecard.calibration(project.scorecard()),
        reproduced=None,
        page=None,
        notes=tuple(notes),
    )


def _record_failure(project: Project, key: str, error: BaseException) -> None:
    """Put down what went wrong, unless the ledger is what went wrong."""
    why = f"{type(error).__name__}: {error}"[:500]
    try:
        project.ledger.append([("failure", {"why": why, fits.KEY: key})])
    except StorageError:
        leave_trace(error)


def _again(project: Project, inputs: fits.Inputs, record: Record, progress: bool) -> bool:
    """Fit once more and compare the draws with the recorded ones."""
    made = _sampled(project, inputs.runs, inputs.spec, progress)
    same = fits.draws_digest(made) == record.content["draws_sha256"]
    project.ledger.append([("check", {"of": "reproduction", "fit": record.content["fit"], "same": same})])
    return same


def _rules_digest(project: Project, configuration: Configuration) -> str:
    """Digest of what guardrails are judged by, beside the fit: the rules, the case, the scorecard's factor."""
    case = configuration.case
    named = None if case is None else digest_file(inside(project.folder, case))
    factor = scorecard.calibration(project.scorecard())[scorecard.FACTOR]
    costs = [r.content.get(names.COST) for r in project.ledger.records("batch")]
    return digest_of([dataclasses.asdict(configuration.guardrails), named, factor, costs])


def _check(project: Project, name: str, fit: Fit, configuration: Configuration) -> tuple[str, dict[str, Any]]:
    """Judge a fit by the guardrails, as a record."""
    factor = scorecard.calibration(project.scorecard())[scorecard.FACTOR]
    paid = None
    if configuration.guardrails.maximum_spend is not None:
        paid = spent(assets(project.folder / RUNS, project.ledger.records(), fit, _case(project, configuration, fit)))
    states = guardrails.evaluate(fit, configuration.guardrails, factor, paid)
    found = {"of": "guardrails", "fit": name, "rules": _rules_digest(project, configuration), "guardrails": states}
    return "check", found | {guardrails.STATE: guardrails.overall(states)}


def _case(project: Project, configuration: Configuration, fit: Fit) -> Case | None:
    return case_of(project.folder, configuration, fit)


def _advised(project: Project, record: Record) -> Mapping[str, Any] | None:
    """Return the advice on a published fit by the case as it stands, made where it is not in the ledger."""
    configuration = project.configuration
    text = advice.case_text(project.folder, configuration)
    if text is None:
        return None
    batches = project.ledger.records("batch")
    latest = batches[-1].content.get("learners", []) if batches else []
    name = record.content["fit"]
    wanted = advice.inputs_digest(name, text, configuration, latest)
    old = next((r for r in reversed(project.ledger.records("advice")) if r.content[advice.INPUTS] == wanted), None)
    if old is not None:
        return {**old.content, "record": old.number}
    made = advice.advise(name, fits.load(project.folder / FITS, record), text, configuration, latest)
    new = project.ledger.append([("advice", made)])[0]
    return {**new.content, "record": new.number}


def _judged(project: Project, record: Record) -> Mapping[str, Any]:
    """Return the guardrails of a published fit, judged anew where rules or case have changed."""
    configuration = project.configuration
    wanted = (record.content["fit"], _rules_digest(project, configuration))
    for old in reversed(project.ledger.records("check")):
        if old.content["of"] == "guardrails" and (old.content["fit"], old.content["rules"]) == wanted:
            return old.content
    fit = fits.load(project.folder / FITS, record)
    return project.ledger.append([_check(project, record.content["fit"], fit, configuration)])[0].content


def _report(
    project: Project,
    record: Record,
    *,
    new: bool,
    reproduced: bool | None,
    fired: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
) -> Refit:
    current = published(project.ledger.records())
    content = record.content
    passed = content["published"]
    judged: Mapping[str, Any] = _judged(project, record) if passed else {}
    advised = _advised(project, record) if passed else None
    states = [judged, *([] if advised is None else [advised])]
    page = _page(project, current) if current is not None else None
    return Refit(
        fit=content["fit"],
        new=new,
        verdict=content["verdict"],
        reasons=tuple(content["reasons"]),
        published=None if current is None else current.content["fit"],
        state=guardrails.overall(states) if passed else None,
        guardrails=tuple(judged.get("guardrails", ())),
        triggers=tuple(fired),
        calibration=scorecard.calibration(project.scorecard()),
        reproduced=reproduced,
        page=page,
        notes=(*notes, *_warnings(project, current)),
        advice=advised,
    )


def _warnings(project: Project, current: Record | None) -> list[str]:
    """Stagnation, and a case that wants something else."""
    configuration = project.configuration
    if current is None or (configuration.case is None and configuration.guardrails.minimum_gain_per_1000 is None):
        return []
    records = project.ledger.records()
    table = assets(project.folder / RUNS, records, None, None)
    return warnings(table, records, configuration.guardrails)


def _page(project: Project, record: Record) -> str | None:
    """Write the page of the published fit, unless it is there; the fit stays recorded where that fails."""
    configuration = project.configuration
    if not configuration.report.page:
        return None
    path = project.folder / REPORTS / f"{record.content['fit']}.html"
    if not path.is_file():
        fit = fits.load(project.folder / FITS, record)
        budgets = configuration.report.budgets
        try:
            path.parent.mkdir(exist_ok=True)
            write_report(fit, path=path, budgets=None if budgets is None else [*budgets])
        except StorageError:
            raise
        except Exception as error:  # whatever it is, fit and advice are recorded, and the page can be asked for again
            why = f"{type(error).__name__}: {error}"
            raise StorageError(
                f"{path}: the page could not be made ({why}); fit and advice are recorded. "
                "Fix: run 'labelvalue refit DIR' again once that is mended."
            ) from error
    return str(path)
