"""Plans to hold a plan against: nothing, splits, half of it, all of it in one slice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision

FOCUSED = 4  # slices of which a plan with nothing but their labels is among the alternatives
HALF = "half of it"


def alternatives(plan: Decision) -> dict[str, dict[str, int]]:
    """List plans that a plan is held against, none of them twice, itself first."""
    case = plan.case
    table = plan.outcomes[names.LABELS]
    slices = [str(name) for name in table[names.SLICE].values]
    total = max(plan.total, int(table.sum(names.SLICE).max()))
    found: dict[str, dict[str, int]] = {names.RECOMMENDED: dict(plan.labels)}
    found[HALF] = {name: max(n // 2, case.limits(name)[0]) for name, n in plan.labels.items()}
    for split in (names.EQUAL_SPLIT, names.PROPORTIONAL_SPLIT):
        found[split] = {name: int(table.sel({names.PLAN: split, names.SLICE: name})) for name in slices}
    weight = plan.labels if plan.total else found[names.EQUAL_SPLIT]
    for name in sorted(slices, key=lambda one: -weight[one])[:FOCUSED]:
        least = {other: case.limits(other)[0] for other in slices}
        room = max(total - sum(least.values()), 0) + least[name]
        found[f"all for {name}"] = least | {name: int(min(room, case.limits(name)[1]))}
    return _distinct(found)


def _distinct(plans: Mapping[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    seen: set[tuple[int, ...]] = set()
    kept = {}
    for name, labels in plans.items():
        key = tuple(labels.values())
        if any(key) and key not in seen:
            kept[name] = labels
        seen.add(key)
    return kept


def best_of(net: xr.DataArray) -> str:
    """Return the plan with the highest expected net benefit; doing nothing where it is as good."""
    mean = net.mean([d for d in net.dims if d != names.PLAN])
    return str(net[names.PLAN].values[int(np.argmax(mean.values))])
