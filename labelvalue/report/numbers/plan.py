"""A decision in numbers, once: what a plan brings, costs and risks, what it hangs on, and where its money goes."""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision, chance_of_gain, standard_error
from labelvalue.decisions.advice.rules import all_kept
from labelvalue.decisions.case.risk import conditional_value_at_risk, loss_against_nothing, size_reserve, value_at_risk
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.measuring.information import worth_of_knowing
from labelvalue.decisions.outcomes.compare import (
    REGRET,
    WEIGHTS,
    compare_plans,
    gain_under_mix,
    rank_stability,
    scenario_sets,
    score_plans,
)
from labelvalue.decisions.outcomes.errors import drift_notes, error_now
from labelvalue.decisions.outcomes.milestones import STEPS, detection, plan_milestones
from labelvalue.decisions.outcomes.waiting import change_words
from labelvalue.decisions.sensitivity.offers import cost_parts, ladder
from labelvalue.decisions.sensitivity.tornado import MOST_SLICES, stressed, swings, uncertain_inputs, vary_case
from labelvalue.decisions.sensitivity.what_if import (
    CANDIDATE,
    CHOSEN,
    FACTORS,
    PRICE,
    alternative_outcomes,
    stability_of,
    what_if,
)
from labelvalue.forecast.gains.prior_sensitivity import Refits
from labelvalue.numerals import number, significant
from labelvalue.report.numbers.alternatives import frontier_numbers, offer_numbers, quality_numbers, stress_numbers
from labelvalue.report.numbers.tables import (
    INNER_LOWER,
    INNER_UPPER,
    LOWER,
    MEAN,
    P_POSITIVE,
    UPPER,
    plain,
    records,
    spread,
)
from labelvalue.report.words.doubts import reservation
from labelvalue.report.words.wording import decimals, likely


def plan_numbers(plan: Decision, *, ci_prob: float = 0.9) -> dict[str, Any]:
    """Collect what is said of a plan."""
    case = plan.case
    own = plan.outcomes.sel({names.PLAN: names.RECOMMENDED}, drop=True)
    net, level = plan.advantage(), case.score.level
    loss = loss_against_nothing(plan.outcomes).sel({names.PLAN: names.RECOMMENDED}, drop=True)
    weights = volumes(plan.fit, case.value)
    gain = (own[names.GAIN] * weights).sum(names.SLICE)
    error = (plan.outcomes[names.ERROR] * weights).sum(names.SLICE)
    reserve = size_reserve(plan.outcomes, names.RECOMMENDED, p_overrun=case.overrun)
    sides = compare_plans(plan.outcomes, ci_prob=ci_prob)
    scores = score_plans(plan.outcomes, case.score).set_index(names.PLAN)
    sides = sides.join(scores[["cvar", "score", "rank", "efficient"]], on=names.PLAN)
    numbers = {
        "case": case.name,
        "verdict": plan.verdict.advice,
        "published": plan.fit.diagnostics.verdict == "ok",
        "reasons": list(plan.verdict.reasons),
        "pilot": dict(plan.verdict.pilot),
        "plan": {
            names.LABELS: dict(plan.labels),
            "total": plan.total,
            "max_labels": plan.max_labels,
            names.INTERVENTIONS: list(plan.interventions),
        },
        names.GAIN: records(plan.table(ci_prob)),
        "mean_gain": spread(gain, ci_prob) | {P_POSITIVE: float(chance_of_gain(gain, own[names.RETRAINING_WORKS]))},
        "mixes": _mixes(plan, ci_prob),
        "mean_error": {
            "now": spread(error.sel({names.PLAN: names.NOTHING}), ci_prob),
            "then": spread(error.sel({names.PLAN: names.RECOMMENDED}), ci_prob),
        },
        names.COST: spread(own[names.COST], ci_prob)
        | {"reserve": reserve.reserve, "p_overrun": case.overrun, "reserve_mcse": reserve.mcse},
        names.DAYS: spread(own[names.DAYS], ci_prob),
        names.NET_BENEFIT: spread(net, ci_prob)
        | {names.MCSE: standard_error(net), "p_positive": float((net > 0).mean())},
        "risk": {
            names.LEVEL: level,
            names.VALUE_AT_RISK: float(value_at_risk(loss, level)[names.VALUE_AT_RISK]),
            names.CONDITIONAL_VALUE_AT_RISK: float(
                conditional_value_at_risk(loss, level)[names.CONDITIONAL_VALUE_AT_RISK]
            ),
        },
        "plans": records(sides),
        "weights": _by_weight(plan),
        "approvals": [dataclasses.asdict(one) for one in plan.approvals],
        "state": plan.state,
        "rules": records(plan.rules),
        "weighed": records(plan.weighed),
        names.WAITING: dict(plan.waiting),
        "worst_slice": worst_slice(plan),
        names.TARGET_REACHED: _reached(plan),
        "cheapest": None if plan.cheapest.empty else plan.cheapest.attrs | {"rows": records(plan.cheapest)},
        "prices": records(plan.prices),
        "certificate": {key: plain(value) for key, value in vars(plan.certificate).items()},
        "measurements": records(plan.measurements),
        names.TARGET: records(plan.target),
        "notes": list(plan.notes),
        "drift": list(drift_notes(plan.fit, plan.case.value)),
        names.UNIT: plan.outcomes.attrs[names.UNIT],
        names.CI_PROB: ci_prob,
        names.CI_KIND: "eti",
    }
    return numbers | {"reservation": reservation(plan.fit, numbers)}


def _mixes(plan: Decision, ci_prob: float) -> list[dict[str, Any]]:
    """What the plan gains under each mix of slices that the case says may come, from the same draws."""
    rows = []
    for change in plan.case.value.mix_changes:
        shares = {n: plan.case.value.volume.get(n, 1.0) * change.factors.get(n, 1.0) for n in plan.labels}
        if sum(shares.values()) > 0:
            gain = gain_under_mix(plan.outcomes, shares).sel({names.PLAN: names.RECOMMENDED}, drop=True)
            rows.append({"change": change_words(change), names.PROBABILITY: change.probability} | spread(gain, ci_prob))
    return rows


def _by_weight(plan: Decision) -> list[dict[str, Any]]:
    """The best plan by its score at each weight of the risk, that of the case among them, and where the plan stands."""
    own = plan.case.score.weight
    ranked = rank_stability(plan.outcomes, plan.case.score, tuple(sorted({*WEIGHTS, own})))
    rows = []
    for weight, table in ranked.groupby("weight"):
        place = table.set_index(names.PLAN)["rank"]
        best = next(name for name in (names.RECOMMENDED, *place.index) if place[name] == 1)
        rows.append({"weight": weight, "best": best, "rank": int(place[names.RECOMMENDED]), "own": weight == own})
    return rows


def worst_slice(plan: Decision) -> dict[str, Any]:
    """Return the worst slice and its error, now and with the plan."""
    error = plan.outcomes[names.ERROR].mean(names.SAMPLE).drop_vars(names.FLAGS, errors="ignore")
    now, then = (error.sel({names.PLAN: name}).to_series() for name in (names.NOTHING, names.RECOMMENDED))
    return {"now": float(now.max()), "then": float(then.max()), "slice_now": now.idxmax(), "slice_then": then.idxmax()}


def _reached(plan: Decision) -> dict[str, Any] | None:
    """The target of the case, and the probability that it is reached now and with the plan; none where it has none."""
    if (target := plan.case.value.target) is None:
        return None
    chance = plan.outcomes[names.TARGET_REACHED].mean(names.SAMPLE)
    now, then = (float(chance.sel({names.PLAN: name})) for name in (names.NOTHING, names.RECOMMENDED))
    return {"error": target.error, "of": target.of, "now": now, "then": then}


INNER = 0.5


def inner_prob(ci_prob: float) -> float:
    """Return the probability of a band that is narrower than another."""
    return INNER if ci_prob > INNER else ci_prob / 2


def ladder_rows(plan: Decision, *, ci_prob: float = 0.9) -> list[dict[str, Any]]:
    """Return what the plan would cost and bring with more and fewer labels, split as it splits them and evenly."""
    weights, inner = volumes(plan.fit, plan.case.value), inner_prob(ci_prob)
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for split, one in ladder(plan):
        gain, net = spread((one[names.GAIN] * weights).sum(names.SLICE), ci_prob), one[names.NET_BENEFIT]
        labels, within = int(one[names.LABELS].sum()), spread(net, inner)
        row = {"split": split, names.LABELS: labels, names.COST: float(one[names.COST].mean()), names.GAIN: gain[MEAN]}
        row |= {"gain_lower": gain[LOWER], "gain_upper": gain[UPPER], **spread(net, ci_prob)}
        rows.setdefault((split, labels), row | {INNER_LOWER: within[LOWER], INNER_UPPER: within[UPPER]})
    return list(rows.values())


def cost_rows(plan: Decision, *, ci_prob: float = 0.9) -> list[dict[str, Any]]:
    """Return where the money of a plan goes, the largest part first."""
    parts = cost_parts(plan)
    expected = float(sum(part.mean() for part in parts.values()))
    told = {title: spread(money, ci_prob) for title, money in parts.items()}
    told = {title: row for title, row in told.items() if abs(row[MEAN]) > 1e-9 * max(abs(expected), 1.0)}
    ordered = sorted(told.items(), key=lambda one: -one[1][MEAN])
    return [{"part": title, **row, "share": row[MEAN] / expected} for title, row in ordered]


TEMPLATES = "labelvalue.report.templates"
SCRIPT = "what_if.js"
TITLES = ("Labels allowed", "Price of a label", "Worth of an error point")


def what_if_numbers(plan: Decision, *, ci_prob: float = 0.9) -> dict[str, Any]:
    """Collect the grid of :func:`labelvalue.decisions.sensitivity.what_if` as rows."""
    values = FACTORS if plan.case.value.per_error_point is not None else (1.0,)
    grid = what_if(plan, values=values, ci_prob=ci_prob)
    axes = [names.BUDGET, PRICE, names.VALUE]
    taken = sorted(set(grid[CHOSEN].values.ravel().tolist()))
    table = grid.drop_vars([names.LABELS, names.SLICE, names.INTERVENTIONS]).to_dataframe().reset_index()
    table[CHOSEN] = table[CHOSEN].map({old: new for new, old in enumerate(taken)})
    rows = [
        {
            **{axis: row[axis] for axis in axes},
            "plan": row[CHOSEN],
            "verdict": row["verdict"],
            names.NET_BENEFIT: {MEAN: row[names.NET_BENEFIT], LOWER: row[LOWER], UPPER: row[UPPER]},
            P_POSITIVE: row[P_POSITIVE],
            names.COST: row[names.COST],
            names.GAIN: {MEAN: row[names.GAIN], LOWER: row["gain_lower"], UPPER: row["gain_upper"]},
        }
        for row in table.sort_values(axes, kind="stable").to_dict("records")
    ]
    return {
        **{axis: grid[axis].values.tolist() for axis in axes},
        "at": [_place(grid, axis, max(plan.max_labels, 1) if axis == names.BUDGET else 1.0) for axis in axes],
        "slices": [str(name) for name in grid[names.SLICE].values],
        "plans": grid[names.LABELS].isel({CANDIDATE: taken}).values.tolist(),
        "rows": rows,
    }


def _place(grid: xr.Dataset, axis: str, value: float) -> int:
    return int(np.argmin(np.abs(grid[axis].values - value)))


def panel(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Prepare the panel: texts of every point, what shows without a script, and the script with its digest."""
    grid = plan["what_if"]
    unit, rows = plan[names.UNIT], grid["rows"]
    digits = decimals(row[names.GAIN][UPPER] - row[names.GAIN][LOWER] for row in rows)
    texts = [_texts(row, unit, digits) for row in rows]
    sizes = [len(grid[axis]) for axis in (names.BUDGET, PRICE, names.VALUE)]
    steps = {
        names.BUDGET: [f"{step:,} labels" for step in grid[names.BUDGET]],
        PRICE: [f"× {step:g}" for step in grid[PRICE]],
        names.VALUE: [f"× {step:g}" for step in grid[names.VALUE]],
    }
    payload = {"sizes": sizes, "at": grid["at"], "steps": list(steps.values()), "slices": grid["slices"]}
    payload |= {"plans": grid["plans"], "points": [[row["plan"], *text] for row, text in zip(rows, texts, strict=True)]}
    script = (files(TEMPLATES) / SCRIPT).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    budget, price, value = grid["at"]

    def point(b: int, p: int, v: int) -> dict[str, Any]:
        place = (b * sizes[1] + p) * sizes[2] + v
        return dict(zip(("verdict", "cost", "gain", "net", "chance"), texts[place], strict=True))

    return {
        "data": _safe(payload),
        "script": script,
        "digest": f"sha256-{digest}",
        "sliders": [
            {"id": axis, "title": title, "steps": steps[axis], "at": at}
            for axis, title, at in zip(steps, TITLES, grid["at"], strict=True)
        ],
        "matrix": [[point(budget, p, v) for v in range(sizes[2])] for p in range(sizes[1])],
        "ladder": _ladder(grid[names.BUDGET], [point(b, price, value) for b in range(sizes[0])]),
    }


def _ladder(budgets: Sequence[int], points: Sequence[Any]) -> list[tuple[str, Any]]:
    """Name points by their budgets, those in a row that say the same once."""
    found = []
    for _, run in groupby(range(len(points)), key=lambda place: list(points[place].values())):
        first, *rest = run
        title = f"{budgets[first]:,}"
        found.append((f"{title} to {budgets[rest[-1]]:,}" if rest else title, points[first]))
    return found


def _texts(row: Mapping[str, Any], unit: str, digits: int) -> list[str]:
    """Verdict, cost, gain, net benefit and its chance as the page writes them everywhere."""
    net, gain = row[names.NET_BENEFIT], row[names.GAIN]
    return [
        row["verdict"],
        f"{significant(row[names.COST])} {unit}",
        f"{number(gain[MEAN], digits)} ({number(gain[LOWER], digits)} to {number(gain[UPPER], digits)})",
        f"{significant(net[MEAN])} {unit} ({significant(net[LOWER])} to {significant(net[UPPER])})",
        likely(row[P_POSITIVE]),
    ]


def _safe(payload: Mapping[str, Any]) -> str:
    """JSON that no name can break out of, wherever in a page it stands."""
    text = json.dumps(payload, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


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
        details = detail_numbers(plan, ci_prob=ci_prob, inputs=inputs, alternative=alternative)
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


def detail_numbers(
    plan: Decision,
    *,
    ci_prob: float = 0.9,
    refit: bool | Refits = False,
    inputs: Mapping[str, xr.DataArray] | None = None,
    alternative: xr.Dataset | None = None,
) -> dict[str, Any]:
    """Collect what a plan hangs on and how it is carried out; ``refit`` fits again where re-weighting fails."""
    inputs = uncertain_inputs(plan) if inputs is None else inputs
    alternative = alternative_outcomes(plan) if alternative is None else alternative
    refit = Refits() if refit is True else refit  # both tables ask for the same changes of the priors
    stress = stressed(plan)
    sensitive, stable = swings(plan, inputs, stress, refit=refit), stability_of(plan, alternative, refit=refit)
    steps = plan_milestones(plan, ci_prob=ci_prob) if plan.total >= STEPS else pd.DataFrame()
    return {
        "sensitivity": records(sensitive),
        "unexplained": sensitive.attrs["unexplained"],
        "slices_left_out": max(plan.fit.slices.size - MOST_SLICES, 0),
        "stability": {**{key: plain(stable.attrs[key]) for key in ("index", "left_out")}, "rows": records(stable)},
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
