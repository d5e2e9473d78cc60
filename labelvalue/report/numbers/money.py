"""What a plan is worth with more or fewer labels, and where its money goes: tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.outcomes.benefit import plan_outcomes
from labelvalue.decisions.outcomes.errors import evaluation_cost
from labelvalue.decisions.outcomes.spending import batch_count, fixed_cost, label_cost
from labelvalue.report.numbers.plan import spread
from labelvalue.report.numbers.tables import INNER_LOWER, INNER_UPPER, LOWER, MEAN, UPPER

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Labels of the ladder as shares of those of the plan, or of those allowed where it buys none."""
INNER = 0.5
AS_PLANNED, EVENLY = "as planned", "evenly"


def inner_prob(ci_prob: float) -> float:
    """Return the probability of a band that is narrower than another."""
    return INNER if ci_prob > INNER else ci_prob / 2


def ladder(plan: Decision, *, ci_prob: float = 0.9) -> pd.DataFrame:
    """Value the plan with more and fewer labels, split as it splits them and evenly, all under the same draws."""
    fit, case = plan.fit, plan.case
    total = plan.total or plan.max_labels
    even = {str(name): total / max(fit.slices.size, 1) for name in fit.slices}
    splits = {AS_PLANNED: dict(plan.labels) if plan.total else even, EVENLY: even}
    plans = {f"{split}/{share:g}": _scaled(case, labels, share) for split, labels in splits.items() for share in SHARES}
    outcomes = plan_outcomes(fit, case, plans, interventions=plan.interventions)
    net = outcomes[names.NET_BENEFIT]
    net = net - net.sel({names.PLAN: names.NOTHING}, drop=True)
    gain = (outcomes[names.GAIN] * volumes(fit, case.value)).sum(names.SLICE)
    inner = inner_prob(ci_prob)
    rows = []
    for split in splits:
        for share in (0.0, *SHARES):
            at = {names.PLAN: f"{split}/{share:g}" if share else names.NOTHING}
            gained, outer, within = (spread(d.sel(at), p) for d, p in ((gain, ci_prob), (net, ci_prob), (net, inner)))
            rows.append(
                {
                    "split": split,
                    names.LABELS: int(outcomes[names.LABELS].sel(at).sum()),
                    names.COST: float(outcomes[names.COST].sel(at).mean()),
                    names.GAIN: gained[MEAN],
                    "gain_lower": gained[LOWER],
                    "gain_upper": gained[UPPER],
                    **outer,
                    INNER_LOWER: within[LOWER],
                    INNER_UPPER: within[UPPER],
                }
            )
    return pd.DataFrame(rows).drop_duplicates(["split", names.LABELS], ignore_index=True)


def _scaled(case: Case, labels: Mapping[str, float], share: float) -> dict[str, int]:
    """Whole labels of a share of a plan, within what may be bought of each slice."""
    return {name: int(min(np.floor(n * share + 1e-9), case.limits(name)[1])) for name, n in labels.items()}


def cost_parts(plan: Decision, *, ci_prob: float = 0.9) -> pd.DataFrame:
    """Say where the money of a plan goes."""
    fit, case = plan.fit, plan.case
    labels = plan.outcomes[names.LABELS].sel({names.PLAN: names.RECOMMENDED}, drop=True)
    batches = batch_count(case.costs, labels.sum(names.SLICE))
    nothing: dict[str, Any] = {key: 0.0 for keys in _PARTS.values() for key in keys}
    bare = dataclasses.replace(case.costs, **nothing)
    so_far = xr.DataArray(0.0)
    parts: dict[str, xr.DataArray] = {}
    for title, keys in _PARTS.items():
        added: dict[str, Any] = {key: getattr(case.costs, key) for key in keys}
        bare = dataclasses.replace(bare, **added)
        money = label_cost(fit, bare, labels).sum(names.SLICE) + fixed_cost(fit, bare, batches, case.learner)
        parts[title], so_far = money - so_far, money
    whole = plan.outcomes[names.COST].sel({names.PLAN: names.RECOMMENDED}, drop=True)
    done = [one for one in case.interventions if one.name in plan.interventions]
    acts = plan.total > 0 or bool(done)
    parts["evaluation labels by a rule"] = acts * evaluation_cost(fit, case, done)
    parts["interventions"] = whole - so_far - parts["evaluation labels by a rule"]
    like, expected = xr.zeros_like(whole).reset_coords(drop=True), float(whole.mean())
    rows = []
    for title, money in parts.items():
        drawn = (like + money).transpose(*names.SAMPLE)
        said = spread(drawn, ci_prob)
        if abs(said[MEAN]) > 1e-9 * max(abs(expected), 1.0):
            rows.append({"part": title, **said, "share": said[MEAN] / expected})
    table = pd.DataFrame(rows, columns=["part", MEAN, LOWER, UPPER, "share"])
    return table.sort_values(MEAN, ascending=False, kind="stable", ignore_index=True)


_PARTS: dict[str, tuple[str, ...]] = {
    "labels": ("price_per_label",),
    "labels paid for twice": ("rework",),
    "annotators' hours": ("opportunity_per_hour",),
    "days of waiting": ("delay_per_day", "opportunity_per_day"),
    "set-up of batches": ("setup_per_batch",),
    "retraining": ("retraining", "compute_per_hour"),
}  # parts of a cost in the order in which they are added, and the keys of the case that make each
