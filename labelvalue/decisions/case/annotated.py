"""What annotations tell a case: hours, labels a day and wrong labels; put in where the case does not state them."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.problems import InputError
from labelvalue.quantities import Interval

COSTS, PRICE, HOURS = "costs", "price_per_label", "hours_per_label"


def told_by(annotations: pd.DataFrame, pay: float | None, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Settings of a case that annotations tell, ``costs`` among them, and a note of each that they do not."""
    from labelvalue.model.annotators.label_noise import estimate_label_noise
    from labelvalue.model.annotators.work import estimate_work

    told: dict[str, Any] = {COSTS: {}}
    notes: list[str] = []
    for of, estimate in (("share of wrong labels", estimate_label_noise), ("hours and prices", estimate_work)):
        try:
            found: Any = estimate(annotations, random_seed=seed)
        except InputError as error:
            notes.append(f"note: no {of}: {error.problems[0].why}")
            continue
        if found.diagnostics.verdict != "ok":
            reasons = "; ".join(found.diagnostics.reasons)
            notes.append(f"note: no {of}: the estimate is {found.diagnostics.verdict} ({reasons})")
        elif estimate is estimate_label_noise:
            told |= _readable(found.quantities())
        else:
            told[COSTS] = _readable(found.quantities(pay))
    return told, notes


def _readable(stated: Any) -> Any:
    """The same with ends of intervals in four digits, which is more than a posterior knows."""
    if isinstance(stated, dict):
        return {name: _readable(one) for name, one in stated.items()}
    if isinstance(stated, Interval):
        low, high = (float(f"{end:.4g}") for end in (stated.low, stated.high))
        return replace(stated, low=low, high=high)
    return stated


def filled(
    case: Mapping[str, Any], told: Mapping[str, Any], pay: float | None, slices: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the tables of a case with what annotations told of these slices, and the keys that it did not state.

    A slice that nobody annotated has the widest interval that covers those of the others.
    """
    costs, given = dict(told.get(COSTS, {})), dict(case.get(COSTS, {}))
    if pay is not None and HOURS in costs:
        costs[PRICE] = {
            name: {**hours, **{end: float(f"{hours[end] * pay:.4g}") for end in ("low", "high")}}
            for name, hours in costs[HOURS].items()
        }
    more = {key: _of(value, slices) for key, value in costs.items() if key not in given}
    made, keys = {**case, COSTS: given | more}, [f"{COSTS}.{key}" for key in more]
    if names.LABEL_NOISE in told and names.LABEL_NOISE not in case:
        noise = {names.LABEL_NOISE: _of(told[names.LABEL_NOISE], slices)}
        made = {**noise, names.LABEL_NOISE_ORIGIN: told[names.LABEL_NOISE_ORIGIN], **made}
        keys.append(names.LABEL_NOISE)
    return made, keys


def _of(value: Any, slices: Collection[str]) -> Any:
    """Of a quantity by slice what is about these, and the default of the others; all of it where none are named."""
    if not isinstance(value, Mapping) or "low" in value:
        return value
    found = {name: one for name, one in value.items() if not slices or name in slices}
    if not {*slices} - {*found}:
        return found
    branches = [one for one in value.values() if not isinstance(one, Mapping)]
    every = [one for one in value.values() if isinstance(one, Mapping)]
    ends = {"low": min(one["low"] for one in every), "high": max(one["high"] for one in every)} if every else {}
    return {"default": branches[0] if branches else {**every[0], **ends}} | found
