"""What hangs on the labels' quality: the plan, and the advice, with better or worse labels among those bought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import NO_PLAN, Decision, worst_state
from labelvalue.decisions.advice.rules import STATE, rules_of
from labelvalue.decisions.case.case import Case, chosen_of
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.outcomes.quality import effect_origin, noise_known
from labelvalue.decisions.outcomes.spending import PRICE
from labelvalue.decisions.search.listing import thinned
from labelvalue.decisions.sensitivity.label_errors import stressed
from labelvalue.decisions.sensitivity.noise import noise_sensitivity
from labelvalue.forecast.gains.curves import curve_dims, slice_draws
from labelvalue.forecast.interventions.exchange_rate import exchange_rate
from labelvalue.forecast.interventions.frontier import quality_frontier
from labelvalue.forecast.interventions.label_quality import Consensus
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import number, significant, tails
from labelvalue.quantities import of_slice
from labelvalue.report.numbers.plan import finite, records
from labelvalue.report.numbers.strategies import part_of
from labelvalue.report.plots.frontier import frontier_entries
from labelvalue.report.words.wording import decimals, percent

ORIGINS = {
    names.ELICITED: "from an elicited prior: the case states it",
    names.FROM_ANNOTATIONS: "from data: judgements of the annotations",
    names.FROM_RUNS: "from data: the wrong evaluation labels that the fit found",
}
FACTORS = {0.5: "half as many", 1.0: "as many as now", 2.0: "twice as many"}


def quality_numbers(plan: Decision, *, ci_prob: float = 0.9) -> dict[str, Any] | None:
    """Collect what becomes of a plan, and of the advice, at other shares of wrong labels among new ones."""
    if noise_known(plan.fit, plan.case)[0] is None:
        return None
    table = noise_sensitivity(plan, factors=tuple(FACTORS), ci_prob=ci_prob)
    plans = table.attrs["plans"]
    digits = decimals(table["gain_upper"] - table["gain_lower"])
    rows = [
        row | {"title": FACTORS[row[names.NOISE_FACTOR]], "digits": digits, "plan": labels}
        for row, labels in zip(records(table), plans, strict=True)
    ]
    moved = [name for name in plan.labels if len({labels[name] for labels in plans}) > 1]
    found = {
        "rows": rows,
        "moved": moved,
        "origin": ORIGINS[table.attrs["origin"]],
        names.UNIT: table.attrs[names.UNIT],
    }
    return found | {"sentence": _sentence(found)}


def stress_numbers(plan: Decision) -> list[dict[str, Any]]:
    """Collect the errors that matter under as many wrong labels as are plausible: none, everywhere, or in one slice."""
    drawn = stressed(plan) if plan.total else None
    if drawn is None:
        return []
    rows, weights = [], volumes(plan.fit, plan.case.value)
    for stress in drawn[names.STRESS].values:
        at = drawn.sel({names.STRESS: stress}, drop=True)
        own = at.sel({names.PLAN: names.RECOMMENDED}, drop=True)
        error, wrong = own[names.ERROR].mean(names.SAMPLE).to_series(), own[names.WRONG_SHARE].to_series()
        net = own[names.NET_BENEFIT] - at[names.NET_BENEFIT].sel({names.PLAN: names.NOTHING}, drop=True)
        rows.append(
            {
                names.STRESS: str(stress),
                names.WRONG_SHARE: float(wrong.max()),
                names.SLICE: str(wrong.idxmax()) if wrong.any() else "",
                names.ERROR: float((error * weights.to_series()).sum()),
                "worst": float(error.max()),
                "worst_slice": str(error.idxmax()),
                names.NET_BENEFIT: float(net.mean()),
                STATE: worst_state(rules_of(plan.fit, plan.case, at)[STATE]),
            }
        )
    return rows


def _sentence(found: Mapping[str, Any]) -> str:
    """What the plan gains with better and worse labels, and whether it would still be the advice."""
    fewer, now, more = found["rows"]
    gains = [number(row[names.GAIN], row["digits"]) for row in (fewer, now, more)]
    said = (
        f"Of the new labels, {percent(now[names.WRONG_SHARE])} are taken to be wrong. With half as many wrong ones the "
        f"plan would gain {gains[0]} in mean error instead of {gains[1]}, with twice as many {gains[2]}."
    )
    return " ".join([said, *(_instead(row, now, found[names.UNIT]) for row in (fewer, more))])


def _instead(row: Mapping[str, Any], now: Mapping[str, Any], unit: str) -> str:
    lead = f"With {row['title']},"
    if row["advice"] == NO_PLAN:
        return f"{lead} no plan that was tried keeps the rules of the case."
    broken = "" if row["kept"] else "the plan would no longer keep the rules of the case, and "
    if row["same"]:
        same = row["advice"] == now["advice"]
        return (
            f"{lead} {broken}the advice would be the same." if same else f"{lead} the advice would be: {row['advice']}."
        )
    done = f"{row[names.INTERVENTIONS]} and " if row[names.INTERVENTIONS] else ""
    beside = f"{significant(abs(row['more']))} {'more' if row['more'] >= 0 else 'less'} than the plan's"
    return (
        f"{lead} {broken}the advice would be: {row['advice']}, {done}{row[names.LABELS]:,} labels, for a net benefit "
        f"of {significant(row['best'])} {unit} ({beside})."
    )


VOTES = (1, 3, 5, 7)
LEAST = 10  # items that the money must buy with a number of votes for it to be tried
SHOWN = 4  # slices whose frontier is computed: those that a plan buys most for
FEW = 40  # draws that are enough to learn where an effect comes from
SOME = 400  # draws that are enough for the median of what it is worth in labels, and an interval
EFFECT_ORIGINS = {
    names.FROM_RUNS: "from data: the runs",
    names.FROM_ANNOTATIONS: "from data: annotations",
    names.ELICITED: "from an elicited prior: as stated",
}


def frontier_numbers(plan: Decision, *, ci_prob: float = 0.9) -> list[dict[str, Any]]:
    """Collect, slice by slice, what the plan's money for a slice would gain as fewer items with more votes."""
    fit, case = plan.fit, plan.case
    share, _ = noise_known(fit, case)
    if share is None:
        return []
    ranked = sorted((name for name, n in plan.labels.items() if n), key=lambda name: -plan.labels[name])
    prices = slice_draws(fit, PRICE, case.costs.price_per_label)
    found = []
    for name in ranked[:SHOWN]:
        price = float((prices.sel({names.SLICE: name}) if names.SLICE in prices.dims else prices).mean())
        planned, bought = _votes(plan, name), plan.labels[name]
        tried = sorted({planned, *(v for v in VOTES if LEAST * v <= bought * planned)})
        if len(tried) < 2 or price <= 0:
            continue
        stated = None if case.label_noise is None else of_slice(case.label_noise, name)[1]
        own = share.sel({names.SLICE: [name]}) if names.SLICE in share.dims else share
        most = case.limits(name)[1]
        frontier = quality_frontier(
            _one_curve(fit, case, name),
            bought * planned * price,
            price=price,
            noise=own if stated is None else stated,
            votes=tried,
            available=int(most) if most < float("inf") else None,
        )
        found += [one | {"planned": [planned, bought]} for one in frontier_entries(frontier, ci_prob)]
    return found


def _votes(plan: Decision, name: str) -> int:
    """Votes an item that the plan takes for a slice."""
    done = [one for one in plan.case.interventions if one.name in plan.interventions and isinstance(one, Consensus)]
    return next((one.votes for one in done if not one.slices or name in one.slices), 1)


def _one_curve(fit: Fit, case: Case, name: str) -> Fit:
    """The fit of one slice under the learner and suite that decide, with the runs of these."""
    chosen = {d: chosen_of(case, fit, d) for d in (names.LEARNER, names.SUITE) if d in fit.position.dims}
    return part_of(fit, chosen, [name])


def offer_numbers(plan: Decision, *, ci_prob: float = 0.9) -> list[dict[str, Any]]:
    """List the interventions of a case: in the plan or not, worth how many plain labels, from where each effect comes.

    Labels and money are sums over slices, at today's position: median and interval, as a draw in which no number of
    labels does the same is infinite.
    """
    few, some = thinned(plan.fit, FEW), thinned(plan.fit, SOME)
    case, rows = plan.case, []
    chosen = {d: chosen_of(case, some, d) for d in curve_dims(some) if d != names.SLICE}
    for one in case.interventions:
        worth = exchange_rate(some, one, noise=case.label_noise, price=case.costs.price_per_label).sel(chosen)
        both = (names.EQUIVALENT_LABELS, names.BREAK_EVEN)
        rows.append(
            {key: _middle(worth[key].sum(names.SLICE, skipna=False), ci_prob) for key in both}
            | {
                "beside": worth.attrs[names.LABELS],
                "name": one.name,
                "kind": one.kind,
                "slices": list(one.slices),
                "origin": EFFECT_ORIGINS[effect_origin(few, case, one)],
                "done": one.name in plan.interventions,
            }
        )
    return rows


def _middle(drawn: xr.DataArray, ci_prob: float) -> dict[str, float]:
    """Median and ends of draws, of which some may be infinite: JSON has no number for such."""
    ends = np.quantile(drawn, [0.5, *tails(ci_prob)], method="nearest")
    return dict(zip(("median", "lower", "upper"), (finite(float(end)) for end in ends), strict=True))
