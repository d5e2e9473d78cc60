"""A decision in numbers, once: what a plan brings, costs and risks, what it hangs on, and where its money goes."""

import base64
import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision, chance_of_gain, standard_error
from labelvalue.decisions.case.risk import conditional_value_at_risk, loss_against_nothing, size_reserve, value_at_risk
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.outcomes.compare import WEIGHTS, compare_plans, gain_under_mix, rank_stability, score_plans
from labelvalue.decisions.outcomes.idle import drift_notes
from labelvalue.decisions.outcomes.portfolio import KEPT
from labelvalue.decisions.outcomes.waiting import change_words
from labelvalue.decisions.sensitivity.money import cost_parts, ladder
from labelvalue.decisions.sensitivity.what_if import CANDIDATE, CHOSEN, FACTORS, PRICE, what_if
from labelvalue.forecast.gains.prior_sensitivity import REFIT, REFITTED
from labelvalue.numerals import number, significant, tails
from labelvalue.report.numbers.tables import INNER_LOWER, INNER_UPPER, LOWER, MEAN, P_POSITIVE, UPPER
from labelvalue.report.render.terminal import STANDS, Rows, Sheet, bought_rows, otherwise_text
from labelvalue.report.words.doubts import reservation
from labelvalue.report.words.verdicts import decision_sentence, not_perturbed
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
        "certificate": {key: finite(value) for key, value in vars(plan.certificate).items()},
        "measurements": records(plan.measurements),
        names.TARGET: records(plan.target),
        "notes": list(plan.notes),
        "drift": list(drift_notes(plan.fit, plan.case.value)),
        names.UNIT: plan.outcomes.attrs[names.UNIT],
        names.CI_PROB: ci_prob,
        names.CI_KIND: "eti",
    }
    return numbers | {"reservation": reservation(plan.fit, numbers)}


NAMED = 5  # slices that a decision names when it is printed


def decision_text(decision: Decision) -> str:
    """Say a decision in a dozen lines: what to do, what is bought and brings, what else there was, how the rules stand.

    It is what ``print(decision)`` writes; the page of :func:`labelvalue.write_report` says all of it.

    Parameters
    ----------
    decision : Decision
        From :func:`labelvalue.decide`.

    Returns
    -------
    str
        Lines of at most 80 columns.

    Examples
    --------
    >>> import labelvalue as lv
    >>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> decision = lv.decide(lv.testing.fake_fit(seed=1), case, max_labels=2000, measure=False)
    >>> lv.report.decision_text(decision).partition(":")[0]
    'Buy now'
    """
    numbers, sheet = plan_numbers(decision), Sheet()
    sheet.write(decision_sentence(numbers), numbers["reservation"])
    bought = sorted((row for row in numbers[names.GAIN] if row[names.LABELS]), key=lambda row: -row[names.LABELS])
    if bought:
        sheet.write("")
        sheet.lay(bought_rows(bought[:NAMED]))
        sheet.write(*([f"{len(bought) - NAMED} more slices: decision.table()"] if len(bought) > NAMED else []))
    sheet.write(*otherwise_text(numbers))
    unkept = [f"{STANDS[row['state']]}: {row['words']}" for row in numbers["rules"] if row["state"] != names.PASS]
    if numbers["rules"]:
        sheet.write(f"Rules: {'; '.join(unkept) or 'kept'}")
    sheet.write(*(f"Note: {note}" for note in decision.notes if note.startswith(KEPT)))
    return sheet.text().rstrip()


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


def spread(draws: xr.DataArray, ci_prob: float) -> dict[str, float]:
    """Return mean and equal-tailed interval of draws."""
    lower, upper = draws.quantile(tails(ci_prob), names.SAMPLE).values
    return {"mean": float(draws.mean()), "lower": float(lower), "upper": float(upper)}


def finite(value: Any) -> Any:
    """Return a value as JSON can hold it: a number that is none becomes ``None``."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON can hold them."""
    return [{str(k): finite(v) for k, v in row.items()} for row in table.to_dict("records")]


SHOWN = 8  # rows of a sensitivity that are printed; JSON has all


def details_text(details: Mapping[str, Any], unit: str) -> str:
    """Lay sensitivity, stability, milestones and detection out in 80 columns."""
    sheet = Sheet()
    sheet.write(f"Where to look first: expected net benefit ({unit}) with each low and high", "")
    table = Rows(["what"], ["low", "high", "share of variance"])
    for row in details["sensitivity"][:SHOWN]:
        share = "" if row["first_order"] is None else f"{100 * row['first_order']:.0f} %"
        table.add_row(row["what"], significant(row["low"]), significant(row["high"]), share)
    sheet.lay(table)
    if (every := len(details["sensitivity"])) > SHOWN:
        sheet.write(f"{SHOWN} of {every} inputs; --json has all.")
    if details["slices_left_out"]:
        sheet.write(f"The gains of {details['slices_left_out']:,} more slices, which vary least, are no inputs here.")
    stability = details["stability"]
    rows = stability["rows"]
    trusted = [row for row in rows if row["advice"] != REFIT]
    changed = [f"{row['change']} {row['what']}" for row in trusted if row["changes"]]
    said = f"the advice changes in {len(changed)} of {len(trusted)} perturbations of data and priors;"
    sheet.write("", f"Stability: {said}")
    again = sum(row["advice"] == REFITTED for row in rows)
    untold = f"; {len(rows) - len(trusted)} of {len(rows)} cannot be told" if len(trusted) < len(rows) else ""
    sheet.write(f"{again} of {len(rows)} were fitted again, the others re-weighted{untold}.{not_perturbed(stability)}")
    sheet.write(*(f"- changes with: {name}" for name in changed))
    if details["milestones"]:
        sheet.write("", "Batch by batch: go on if the mean error has dropped by at least that much", "")
        table = Rows([], ["step", names.LABELS, names.COST, "error", "low", "high", "go if", "P(go)", "P(false stop)"])
        for row in details["milestones"]:
            error = [f"{row[key]:.4f}" for key in (names.ERROR, "low", "high")]
            rule = ["", "", ""]
            if row["p_go"] is not None:
                go = "always" if row["p_go"] == 1 else "never" if row["p_go"] == 0 else f"{row['go_if_gain']:.4f}"
                rule = [go, f"{row['p_go']:.2f}", f"{row['false_stop']:.2f}"]
            table.add_row(str(row["step"]), f"{row[names.LABELS]:,}", significant(row[names.COST]), *error, *rule)
        sheet.lay(table)
    if details["detection"]:
        sheet.write("", "Would the evaluation sets at hand show the gain? Items needed for 80 %", "")
        table = Rows([names.SLICE], ["P(detected)", "items", "needed"])
        for row in details["detection"]:
            needed = "more than trainings allow" if row["trials_needed"] is None else f"{row['trials_needed']:,.0f}"
            items = "" if row[names.TRIALS] is None else f"{row[names.TRIALS]:,.0f}"
            table.add_row(row[names.SLICE], f"{row['p_detected']:.2f}", items, needed)
        sheet.lay(table)
    if details["stress"]:
        sheet.write("", "If new labels are wrong, as many as is plausible (95 %): errors and rules", "")
        table = Rows(["wrong labels"], ["share", "mean error", "worst slice", "net benefit", "rules"])
        for row in details["stress"]:
            errors = [f"{row[names.ERROR]:.4f}", f"{row['worst']:.4f} {row['worst_slice']}"]
            share = f"{100 * row[names.WRONG_SHARE]:.0f} %"
            table.add_row(row["stress"], share, *errors, significant(row[names.NET_BENEFIT]), STANDS[row["state"]])
        sheet.lay(table)
    return sheet.text()


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
