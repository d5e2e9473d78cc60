"""One re-fit from beginning to end: what is new, the fit, the ledger, the guardrails, the page."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from labelvalue.model import Fit
from labelvalue.operate import guardrails, scorecard, triggers
from labelvalue.operate import refit as fits
from labelvalue.operate.batches import joint_runs, standing
from labelvalue.operate.configuration import Configuration
from labelvalue.operate.folders import digest_file
from labelvalue.operate.identity import digest_of
from labelvalue.operate.places import FITS, REPORTS, RUNS, inside, published
from labelvalue.operate.project import Project
from labelvalue.operate.records import Record
from labelvalue.problems import StorageError
from labelvalue.report import write_report

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
        Of all guardrails together; ``None`` where this fit is not published.
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
    fired = triggers.evaluate(runs, configuration.triggers, published(records), _scores(records))
    every = [record for record in records if record.kind == "fit"]
    same = next((record for record in every if record.content[fits.KEY] == inputs.key), None)
    reproduced = None
    if same is not None and same.content["fit"] != every[-1].content["fit"]:  # back to what was fitted before
        same = ledger.append([("fit", {**same.content, "triggers": fired})])[0]
    elif same is None:
        same = _fit(project, inputs, records, configuration, fired, progress)
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
        made = fits.run_fit(inputs, progress=progress) if found is None else found
        name = fits.id_of(inputs.key) if found is not None else fits.keep(folder, inputs, made)
        content = fits.fit_record(folder, name, inputs, made, adopted=found is not None)
        entries: list[tuple[str, Mapping[str, Any]]] = [("fit", {**content, "triggers": list(fired)})]
        if content["published"]:
            factor = scorecard.calibration(project.scorecard())[scorecard.FACTOR]
            promised = fits.gain_forecast(made, configuration.report.budgets, factor)
            entries += [("forecast", {"fit": name, **promised}), _check(project, name, made, configuration)]
        return project.ledger.append(entries)[0]
    except BaseException as error:
        _record_failure(project, inputs.key, error)
        raise


def _record_failure(project: Project, key: str, error: BaseException) -> None:
    """Put down what went wrong, unless the ledger is what went wrong."""
    why = f"{type(error).__name__}: {error}"[:500]
    with contextlib.suppress(StorageError):
        project.ledger.append([("failure", {"why": why, fits.KEY: key})])


def _again(project: Project, inputs: fits.Inputs, record: Record, progress: bool) -> bool:
    """Fit once more and compare the draws with the recorded ones."""
    same = fits.draws_digest(fits.run_fit(inputs, progress=progress)) == record.content["draws_sha256"]
    project.ledger.append([("check", {"of": "reproduction", "fit": record.content["fit"], "same": same})])
    return same


def _rules_digest(project: Project, configuration: Configuration) -> str:
    """Digest of what guardrails are judged by, beside the fit: the rules, the case, the scorecard's factor."""
    case = configuration.case
    named = None if case is None else digest_file(inside(project.folder, case))
    factor = scorecard.calibration(project.scorecard())[scorecard.FACTOR]
    return digest_of([dataclasses.asdict(configuration.guardrails), named, factor])


def _check(project: Project, name: str, fit: Fit, configuration: Configuration) -> tuple[str, dict[str, Any]]:
    """Judge a fit by the guardrails, as a record."""
    factor = scorecard.calibration(project.scorecard())[scorecard.FACTOR]
    states = guardrails.evaluate(fit, configuration.guardrails, factor)
    found = {"of": "guardrails", "fit": name, "rules": _rules_digest(project, configuration), "guardrails": states}
    return "check", found | {guardrails.STATE: guardrails.overall(states)}


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
    page = _page(project, current) if current is not None else None
    return Refit(
        fit=content["fit"],
        new=new,
        verdict=content["verdict"],
        reasons=tuple(content["reasons"]),
        published=None if current is None else current.content["fit"],
        state=judged.get(guardrails.STATE),
        guardrails=tuple(judged.get("guardrails", ())),
        triggers=tuple(fired),
        calibration=scorecard.calibration(project.scorecard()),
        reproduced=reproduced,
        page=page,
        notes=tuple(notes),
    )


def _page(project: Project, record: Record) -> str | None:
    """Write the page of the published fit, unless it is there; the fit stays recorded where that fails."""
    configuration = project.configuration
    if not configuration.report.page:
        return None
    path = project.folder / REPORTS / f"{record.content['fit']}.html"
    if not path.is_file():
        budgets = configuration.report.budgets
        write_report(
            fits.load(project.folder / FITS, record), path=path, budgets=None if budgets is None else [*budgets]
        )
    return str(path)
