"""A decision in numbers, once: what a plan brings, costs and risks, what it hangs on, and what to doubt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.advice.rules import all_kept
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.measuring.information import worth_of_knowing
from labelvalue.decisions.outcomes.compare import REGRET, scenario_sets
from labelvalue.decisions.outcomes.errors import error_now
from labelvalue.decisions.outcomes.milestones import STEPS, detection, plan_milestones
from labelvalue.decisions.sensitivity.tornado import MOST_SLICES, stressed, swings, uncertain_inputs, vary_case
from labelvalue.decisions.sensitivity.what_if import alternative_outcomes, stability_of
from labelvalue.forecast.gains.prior_sensitivity import Refits
from labelvalue.report.numbers.alternatives import frontier_numbers, offer_numbers, quality_numbers, stress_numbers
from labelvalue.report.numbers.plan import (
    cost_rows,
    finite,
    ladder_rows,
    plan_numbers,
    records,
    spread,
    what_if_numbers,
)
from labelvalue.report.numbers.tables import MEAN

DRIVERS = 2  # inputs that are named as what makes a bad or a good case
NOTICED = 0.3  # standard deviations by which an input must lie off its mean in a case to be named


def decision_numbers(
    plan: Decision, *, ci_prob: float = 0.9, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Collect everything that the page says of a plan."""
    case = plan.case
    own = plan.outcomes.sel({names.PLAN: names.RECOMMENDED}, drop=True)
    inputs, alternative = uncertain_inputs(plan), alternative_outcomes(plan)
    gain = (own[names.GAIN] * volumes(plan.fit, case.value)).sum(names.SLICE)
    if details is None:
        details = _details(plan, inputs, alternative, ci_prob, refit=False)
    known = worth_of_knowing(plan, inputs, alternative)
    return {**plan_numbers(plan, ci_prob=ci_prob), **details} | {
        "planned": _planned(own, plan, ci_prob),
        "today": _today(plan, ci_prob),
        "kept_together": _together(plan),
        "scenarios": _scenarios(plan, gain, inputs),
        "regret": regret_numbers(plan) if case.scenarios else [],
        "stated": [one.name for one in case.scenarios],
        "ladder": ladder_rows(plan, ci_prob=ci_prob),
        "cost_parts": cost_rows(plan, ci_prob=ci_prob),
        "varied": records(vary_case(plan)),
        "information": known | {"rows": records(pd.DataFrame(known["rows"]))},
        "learner": case.learner,
        "what_if": what_if_numbers(plan, ci_prob=ci_prob),
        "offers": offer_numbers(plan, ci_prob=ci_prob),
        "frontiers": frontier_numbers(plan, ci_prob=ci_prob),
        "label_quality": quality_numbers(plan, ci_prob=ci_prob),
    }


def detail_numbers(plan: Decision, *, ci_prob: float = 0.9, refit: bool | Refits = False) -> dict[str, Any]:
    """Collect what a plan hangs on and how it is carried out; ``refit`` fits again where re-weighting fails."""
    return _details(plan, uncertain_inputs(plan), alternative_outcomes(plan), ci_prob, refit)


def _details(
    plan: Decision, inputs: Mapping[str, xr.DataArray], alternative: xr.Dataset, ci_prob: float, refit: bool | Refits
) -> dict[str, Any]:
    refit = Refits() if refit is True else refit  # both tables ask for the same changes of the priors
    stress = stressed(plan)
    sensitive, stable = swings(plan, inputs, stress, refit=refit), stability_of(plan, alternative, refit=refit)
    steps = plan_milestones(plan, ci_prob=ci_prob) if plan.total >= STEPS else pd.DataFrame()
    return {
        "sensitivity": records(sensitive),
        "unexplained": sensitive.attrs["unexplained"],
        "slices_left_out": max(plan.fit.slices.size - MOST_SLICES, 0),
        "stability": {**{key: finite(stable.attrs[key]) for key in ("index", "left_out")}, "rows": records(stable)},
        "milestones": records(steps),
        "detection": records(detection(plan)),
        "stress": stress_numbers(plan, stress),
    }


def _planned(own: xr.Dataset, plan: Decision, ci_prob: float) -> list[dict[str, Any]]:
    """The error of each slice after the plan, where it buys any labels."""
    rows = []
    for name, labels in plan.labels.items():
        if labels:
            error = own[names.ERROR].sel({names.SLICE: name})
            rows.append({names.SLICE: name, names.LABELS: labels} | spread(error, ci_prob))
    return rows


def _today(plan: Decision, ci_prob: float) -> list[dict[str, Any]]:
    """The error of each slice now, by the learners of the case."""
    now = error_now(plan.fit, plan.case)
    return [{names.SLICE: n, names.ERROR_NOW: spread(now.sel({names.SLICE: n}), ci_prob)} for n in plan.labels]


def _together(plan: Decision) -> float | None:
    kept = all_kept(plan.fit, plan.case, plan.outcomes.sel({names.PLAN: [names.RECOMMENDED]}))
    return None if kept is None else float(kept.mean())


def _scenarios(plan: Decision, gain: xr.DataArray, inputs: dict[str, xr.DataArray]) -> list[dict[str, Any]]:
    """Means over whole draws of the worst tenth, the middle and the best tenth, and what sets them apart."""
    net = plan.outcomes[names.NET_BENEFIT]
    against = plan.outcomes.assign(
        {
            names.NET_BENEFIT: net - net.sel({names.PLAN: names.NOTHING}, drop=True),
            "mean_gain": gain.reset_coords(drop=True),
            **{f"input/{name}": draws for name, draws in inputs.items()},
        }
    )
    sets = scenario_sets(against, names.RECOMMENDED)
    rows = []
    for scenario in sets[names.SCENARIO].values:
        at = sets.sel({names.SCENARIO: scenario})
        own = at.sel({names.PLAN: names.RECOMMENDED})
        rows.append(
            {names.SCENARIO: str(scenario), names.PROBABILITY: float(at[names.PROBABILITY])}
            | {key: float(own[key]) for key in (names.NET_BENEFIT, names.VALUE, names.COST, names.DAYS)}
            | {"mean_gain": float(at["mean_gain"]), names.P_BEST: float(own[names.P_BEST])}
            | {"drivers": _drivers(at, inputs)}
        )
    return rows


def regret_numbers(plan: Decision) -> list[dict[str, Any]]:
    """What each plan falls short of the best one, draw by draw, in bad, middling and good draws and in all."""
    net = plan.outcomes[names.NET_BENEFIT]
    short = plan.outcomes[[names.NET_BENEFIT, names.LABELS]].assign({REGRET: net.max(names.PLAN) - net})
    regret = scenario_sets(short, names.RECOMMENDED)[REGRET].transpose(names.PLAN, names.SCENARIO)
    table = pd.DataFrame(regret.values, columns=regret[names.SCENARIO].values.tolist())
    table.insert(0, names.PLAN, regret[names.PLAN].values)
    table["all"] = short[REGRET].mean(names.SAMPLE).values
    return records(table.sort_values("all", kind="stable"))


def _drivers(at: xr.Dataset, inputs: dict[str, xr.DataArray]) -> list[dict[str, Any]]:
    """Inputs that lie farthest off their means in a set of draws."""
    found: list[dict[str, Any]] = []
    for name, draws in inputs.items():
        off = float((at[f"input/{name}"] - draws.mean()) / draws.std())
        if abs(off) >= NOTICED:
            found.append({"what": name, "off": off, MEAN: float(at[f"input/{name}"]), "usual": float(draws.mean())})
    return sorted(found, key=lambda one: -abs(one["off"]))[:DRIVERS]
