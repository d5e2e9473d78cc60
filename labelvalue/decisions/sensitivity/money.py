"""Where the money of a plan goes, and what more and fewer labels bring."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.outcomes.benefit import named_of, plan_outcomes
from labelvalue.decisions.outcomes.errors import evaluation_cost
from labelvalue.decisions.outcomes.spending import batch_count, fixed_cost, label_cost

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Labels of the ladder as shares of those of the plan, or of those allowed where it buys none."""
AS_PLANNED, EVENLY = "as planned", "evenly"


def ladder(plan: Decision) -> list[tuple[str, xr.Dataset]]:
    """Draw what the plan brings over doing nothing with more and fewer labels, split as it splits them and evenly.

    Each is how labels are split, and its outcomes (chain, draw, slice); all under the same draws.
    """
    total = plan.total or plan.max_labels
    even = {str(name): total / max(plan.fit.slices.size, 1) for name in plan.fit.slices}
    splits = {AS_PLANNED: dict(plan.labels) if plan.total else even, EVENLY: even}
    plans = {f"{how}/{x:g}": _scaled(plan.case, labels, x) for how, labels in splits.items() for x in SHARES}
    outcomes = plan_outcomes(plan.fit, plan.case, plans, interventions=plan.interventions)
    net = outcomes[names.NET_BENEFIT]
    outcomes = outcomes.assign({names.NET_BENEFIT: net - net.sel({names.PLAN: names.NOTHING}, drop=True)})
    order = [(how, f"{how}/{x:g}" if x else names.NOTHING) for how in splits for x in (0.0, *SHARES)]
    return [(how, outcomes.sel({names.PLAN: name}, drop=True)) for how, name in order]


def _scaled(case: Case, labels: Mapping[str, float], share: float) -> dict[str, int]:
    """Whole labels of a share of a plan, within what may be bought of each slice."""
    return {name: int(min(np.floor(n * share + 1e-9), case.limits(name)[1])) for name, n in labels.items()}


PARTS: dict[str, tuple[str, ...]] = {
    "labels": ("price_per_label",),
    "labels paid for twice": ("rework",),
    "annotators' hours": ("opportunity_per_hour",),
    "days of waiting": ("delay_per_day", "opportunity_per_day"),
    "set-up of batches": ("setup_per_batch",),
    "retraining": ("retraining", "compute_per_hour"),
}  # parts of a cost in the order in which they are added, and the keys of the case that make each


def cost_parts(plan: Decision) -> dict[str, xr.DataArray]:
    """Draw each part of what a plan costs (chain, draw)."""
    fit, case = plan.fit, plan.case
    labels = plan.outcomes[names.LABELS].sel({names.PLAN: names.RECOMMENDED}, drop=True)
    batches = batch_count(case.costs, labels.sum(names.SLICE))
    nothing: dict[str, Any] = {key: 0.0 for keys in PARTS.values() for key in keys}
    bare, so_far = dataclasses.replace(case.costs, **nothing), xr.DataArray(0.0)
    parts: dict[str, xr.DataArray] = {}
    for title, keys in PARTS.items():
        added: dict[str, Any] = {key: getattr(case.costs, key) for key in keys}
        bare = dataclasses.replace(bare, **added)
        money = label_cost(fit, bare, labels).sum(names.SLICE) + fixed_cost(fit, bare, batches, case.learner)
        parts[title], so_far = money - so_far, money
    whole = plan.outcomes[names.COST].sel({names.PLAN: names.RECOMMENDED}, drop=True)
    done = named_of(case, plan.interventions)
    parts["evaluation labels by a rule"] = (plan.total > 0 or bool(done)) * evaluation_cost(fit, case, done)
    parts["interventions"] = whole - so_far - parts["evaluation labels by a rule"]
    like = xr.zeros_like(whole).reset_coords(drop=True)
    return {title: (like + money).transpose(*names.SAMPLE) for title, money in parts.items()}
