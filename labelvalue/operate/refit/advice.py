"""From a published fit and the project's case to advice: a plan, its worth, its guardrails, and what it hangs on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.deciding import decide
from labelvalue.decisions.advice.decision import WAIT, Decision, standard_error
from labelvalue.decisions.advice.rules import HOLDS, REQUIRED, RULE, STATE, WORDS
from labelvalue.decisions.case.annotated import filled
from labelvalue.decisions.case.case import Case, as_text, chosen_of, parse_case
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.measuring.pilots import PILOT
from labelvalue.decisions.outcomes.errors import of_leader
from labelvalue.decisions.outcomes.milestones import STEPS, plan_milestones
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import TAILS
from labelvalue.operate.store.configuration import Configuration
from labelvalue.operate.store.folders import ProjectFolder, current_batches, inside, unseen
from labelvalue.operate.store.identity import advice_digest, digest_bytes, digest_of
from labelvalue.operate.store.records import ANNOTATIONS, TOLD
from labelvalue.problems import InputError, input_error
from labelvalue.reading import parse_toml, read_text
from labelvalue.report.numbers.tables import records
from labelvalue.report.words.doubts import reservation
from labelvalue.settings import Checks

MILESTONES = "milestones"
PLAN, CASE_TEXT, CASE_SHA, INPUTS = "plan", "case", "case_sha256", "inputs"
SPENT = "spent"  # on all batches, where a rule of the case is about it
WIDTH = "width"  # by which the scorecard multiplied the spread of what is uncertain about curves


def case_text(project: ProjectFolder) -> str | None:
    """Return the case of a project as text, annotations counted; ``None`` where the project names none."""
    return case_told(project)[0]


def case_told(project: ProjectFolder) -> tuple[str | None, dict[str, Any]]:
    """Return the case of a project with what its annotations tell, and which keys these are, from which record."""
    configuration = project.configuration
    if configuration.case is None:
        return None, {}
    text, records = read_text(inside(project.folder, configuration.case)), project.ledger.records(ANNOTATIONS, "batch")
    told = [record for record in records if record.kind == ANNOTATIONS]
    if not told:
        return text, {}
    slices = {name for record in unseen(records, None) for name in record.content.get(names.LABELS, ())}
    stated, found = parse_toml(text, file=configuration.case), parse_toml(told[-1].content[TOLD])
    made, keys = filled(stated, found, configuration.annotations.pay_per_hour, slices)
    if not keys:
        return text, {}
    standing = [batch.name for batch in current_batches(records, ANNOTATIONS)]
    return as_text(made), {"record": told[-1].number, "batches": standing, "keys": keys}


def case_for(text: str, fit: Fit, latest: Sequence[str], spent: float | None = None) -> Case:
    """Read a case, and check it against a fit; where it names no learner, the latest decides."""
    case = with_latest(_after(parse_case(text, file="case"), spent), fit.settings["learners"], latest)
    case.check(fit)
    return case


def with_latest(case: Case, learners: Sequence[str], latest: Sequence[str]) -> Case:
    """Return a case with the latest of several learners, where it names none."""
    if case.learner or len(learners) < 2:
        return case
    there = [name for name in latest if name in learners]
    return dataclasses.replace(case, learner=there[-1] if there else "")


def _after(case: Case, spent: float | None) -> Case:
    """The case with the money that a project's batches cost, where a rule is about it."""
    rule = case.guardrails.maximum_spend
    if rule is None or not spent:
        return case
    more = dataclasses.replace(rule, spent=rule.spent + spent)
    return dataclasses.replace(case, guardrails=dataclasses.replace(case.guardrails, maximum_spend=more))


def settings_of(
    configuration: Configuration,
    latest: Sequence[str],
    factor: float,
    spent: float | None,
    annotated: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what decides an advice beside fit, case and code, as plain values."""
    tested = [dict(item) for item in configuration.assumptions if "key" in item]
    plan = dataclasses.asdict(configuration.plan)
    made = {"plan": plan, "assumptions": tested, "latest_learners": list(latest), WIDTH: factor, SPENT: spent}
    return made | ({ANNOTATIONS: dict(annotated)} if annotated else {})


def inputs_digest(fit_id: str, text: str, settings: Mapping[str, Any]) -> str:
    """Return the digest of everything that decides an advice."""
    return digest_of([fit_id, text, settings, advice_digest()])


def advise(fit_id: str, fit: Fit, text: str, settings: Mapping[str, Any]) -> tuple[dict[str, Any], Decision]:
    """Make the plan that a case asks for, as the content of a record, and as the decision that it was."""
    wide = recalibrated(fit, settings[WIDTH])
    case = case_for(text, fit, settings["latest_learners"], settings[SPENT])
    made = decide(wide, case, **settings["plan"])
    found = {
        "fit": fit_id,
        INPUTS: inputs_digest(fit_id, text, settings),
        CASE_TEXT: text,
        CASE_SHA: digest_bytes(text.encode()),
        "settings": settings,
        "code": advice_digest(),
        **_described(made),
    }
    bought = {"total": made.total, names.INTERVENTIONS: made.interventions}
    doubted = {"plan": bought, "rules": records(made.rules), names.GAIN: records(made.table())}
    found["reservation"] = reservation(wide, doubted | {names.NET_BENEFIT: found[names.NET_BENEFIT]})
    found["assumptions"] = [_other(item, wide, text, settings, found) for item in settings["assumptions"]]
    return found, made


def again(fit: Fit, content: Mapping[str, Any]) -> dict[str, Any]:
    """Make a recorded advice again from its inputs."""
    return _described(decide(*asked_of(fit, content), **content["settings"]["plan"]))


def decision_of(fit: Fit, content: Mapping[str, Any]) -> Decision:
    """Make the decision of a recorded advice again, for the page."""
    return decide(*asked_of(fit, content), **content["settings"]["plan"])


def asked_of(fit: Fit, content: Mapping[str, Any]) -> tuple[Fit, Case]:
    """The fit as wide as a recorded advice took it, and its case."""
    settings = content["settings"]
    wide = recalibrated(fit, settings.get(WIDTH, 1.0))  # the first records say none
    return wide, case_for(content[CASE_TEXT], fit, settings["latest_learners"], settings.get(SPENT))


def order_items(advice: str, pilot: Mapping[str, Any], labels: Mapping[str, int]) -> dict[str, int]:
    """Say how many labels of each slice an advice orders: the pilot's, or the plan's; none where it waits."""
    if pilot:
        counts = {str(pilot["slice"]): int(str(pilot["size"]))} if pilot["kind"] == PILOT else {}
    else:
        counts = {} if advice == WAIT else dict(labels)
    return {name: n for name, n in counts.items() if n}


def _described(made: Decision) -> dict[str, Any]:
    own = made.outcomes.sel({names.PLAN: names.RECOMMENDED}, drop=True)
    net, weights = made.advantage(), volumes(made.fit, made.case.value)
    rules = [
        {
            "rule": row[RULE],
            names.SLICE: row[names.SLICE],
            "promise": row[WORDS],
            "limit": float(row["limit"]),
            "probability": float(row[HOLDS]),
            "needed_probability": float(row[REQUIRED]),
            STATE: row[STATE],
        }
        for row in made.rules.to_dict("records")
    ]
    return {
        "advice": made.verdict.advice,
        "pilot": dict(made.verdict.pilot),
        PLAN: {name: int(count) for name, count in made.labels.items()},
        "interventions": list(made.interventions),
        "total": made.total,
        "reasons": list(made.verdict.reasons),
        names.NET_BENEFIT: summary(net) | {"p_positive": float((net > 0).mean())},
        names.COST: summary(own[names.COST]),
        names.GAIN: summary((own[names.GAIN] * weights).sum(names.SLICE)),
        names.UNIT: made.outcomes.attrs[names.UNIT],
        "learner": made.case.learner,
        "objective": float(made.certificate.objective),
        "solver": made.certificate.status,
        "guardrails": rules,
        STATE: made.state,
        MILESTONES: _milestones(made, weights) if made.total >= STEPS else None,
    }


def _milestones(made: Decision, weights: xr.DataArray) -> dict[str, Any]:
    """The error that is promised after each part of the plan, and all that is needed to judge it once it is there."""
    fit, table = made.fit, plan_milestones(made)
    now = of_leader(fit, made.case, fit.position[names.LABELS_NOW])
    return {
        "now": table.attrs["now"],
        "weights": {str(name): float(share) for name, share in weights.to_series().items()},
        names.LABELS_NOW: {str(name): int(count) for name, count in now.to_series().items()},
        names.LEARNER: made.case.learner or fit.settings["learners"][0],
        names.SUITE: chosen_of(made.case, fit).get(names.SUITE, fit.settings["suites"])[0],
        "rows": records(table),
    }


def summary(draws: xr.DataArray) -> dict[str, float]:
    """Return mean, Monte Carlo error and 90 % interval of draws."""
    low, high = np.quantile(draws.values, TAILS).tolist()
    return {"mean": float(draws.mean()), "mcse": standard_error(draws), "low": low, "high": high}


def with_key(text: str, key: str, value: object) -> Case:
    r"""Return a case with one of its keys set to another value."""
    given = parse_toml(text)
    table: Any = given
    *path, last = key.split(".")
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise input_error(f"{part!r} is no table", "name a key of the case", column=key)
    table[last] = value
    checks = Checks()
    case = checks.section("", Case, given)
    if case is None or checks.problems:
        raise InputError(checks.problems)
    return case


def _other(
    item: Mapping[str, Any], fit: Fit, text: str, settings: Mapping[str, Any], found: Mapping[str, Any]
) -> dict[str, Any]:
    """What becomes of the advice if an assumption is wrong."""
    case = _after(with_key(text, item["key"], item["alternative"]), settings[SPENT])
    if not case.learner and found.get("learner"):
        case = dataclasses.replace(case, learner=found["learner"])
    other = _described(decide(fit, case, **settings["plan"]))
    return {
        "id": item["id"],
        "key": item["key"],
        "alternative": item["alternative"],
        "advice": other["advice"],
        PLAN: other[PLAN],
        names.NET_BENEFIT: other.get(names.NET_BENEFIT, {}).get("mean"),
        "changes": (other["advice"], other[PLAN]) != (found["advice"], found[PLAN]),
    }
