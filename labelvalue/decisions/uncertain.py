"""Everything uncertain that a net benefit depends on, as draws by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.checks import is_number
from labelvalue.decisions.benefit import plan_outcomes
from labelvalue.decisions.case import Case
from labelvalue.decisions.decision import Decision
from labelvalue.forecast.draws import draws
from labelvalue.model import Fit
from labelvalue.quantities import UNIT_INTERVAL

MOST_SLICES = 12
"""Slices whose gains are inputs of their own: those whose gains vary most in money's direction."""


def uncertain_inputs(plan: Decision) -> dict[str, xr.DataArray]:
    """Collect the uncertain inputs of a plan's net benefit.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decisions.decide`.

    Returns
    -------
    dict of str to DataArray
        Draws, dims chain, draw: the slices' gains if retraining works (``gain of west``: curve and shape together), and
        every quantity of the case by its key. What does not vary is left out.

    Examples
    --------
    >>> from labelvalue.decisions import Case, decide
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": {"low": 0.05, "high": 0.2}}, value={"per_error_point": 400})
    >>> fit = fake_fit(seed=1, slices=("east", "west"))
    >>> list(uncertain_inputs(decide(fit, case, max_labels=500, measure=False)))
    ['gain of west', 'gain of east', 'costs.price_per_label']
    """
    fit, case, outcomes = plan.fit, plan.case, plan.outcomes
    if case.costs.retraining_fails != 0.0:
        works = dataclasses.replace(case, costs=dataclasses.replace(case.costs, retraining_fails=0.0))
        outcomes = plan_outcomes(fit, works, {names.RECOMMENDED: plan.labels}, interventions=plan.interventions)
    gain = outcomes[names.GAIN].sel({names.PLAN: names.RECOMMENDED}, drop=True)
    spread = gain.std(names.SAMPLE).values
    found = {}
    for place in np.argsort(-spread, kind="stable")[:MOST_SLICES]:
        name = str(gain[names.SLICE].values[place])
        found[f"gain of {name}"] = gain.isel({names.SLICE: int(place)}, drop=True).reset_coords(drop=True)
    found |= dict(_of_case(fit, case))
    return {name: values for name, values in found.items() if _varies(values)}


def _varies(values: xr.DataArray) -> bool:
    return set(names.SAMPLE) <= set(values.dims) and float(values.std()) > 1e-12 * max(abs(float(values.mean())), 1e-12)


def _of_case(fit: Fit, case: Case) -> Iterator[tuple[str, xr.DataArray]]:
    """Quantities by the keys under which they are drawn."""
    for section in ("costs", "value"):
        part = getattr(case, section)
        for field in dataclasses.fields(part):
            yield from _of_quantity(fit, f"{section}.{field.name}", getattr(part, field.name))
    if case.costs.retraining_fails != 0.0:
        yield "costs.retraining_fails/luck", draws(fit, "costs.retraining_fails/luck", UNIT_INTERVAL)
    for place, change in enumerate(case.value.mix_changes):
        if change.probability < 1:
            key = f"value.mix_changes[{place}]"
            yield key, (draws(fit, key, UNIT_INTERVAL) < change.probability).astype(float)
    if case.value.target is not None:
        yield from _of_quantity(fit, "value.target.worth", case.value.target.worth)


def _of_quantity(fit: Fit, key: str, value: Any) -> Iterator[tuple[str, xr.DataArray]]:
    if isinstance(value, Mapping):
        for own, quantity in value.items():
            yield from _of_quantity(fit, f"{key}.{own}", quantity)
    elif not is_number(value) and (hasattr(value, "quantile") or _is_branches(value)):
        yield key, draws(fit, key, value)


def _is_branches(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and bool(value)
        and all(hasattr(b, names.PROBABILITY) for b in value)
        and all(hasattr(b, names.VALUE) for b in value)
    )
