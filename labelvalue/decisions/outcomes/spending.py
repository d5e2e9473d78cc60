"""What labels cost, drawn: orders, batches, retraining, and days."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue.decisions.case.costs import Costs
from labelvalue.forecast.gains.curves import draws, slice_draws
from labelvalue.model.fitting.result import Fit
from labelvalue.quantities import UNIT_INTERVAL, of_slice

PRICE, HOURS = "costs.price_per_label", "costs.hours_per_label"


def charged(costs: Costs, labels: xr.DataArray) -> xr.DataArray:
    """Labels of an order as they are charged: minimum order and tiers counted, rework not."""
    order = labels.clip(min=costs.minimum_order)
    total, factor = order, 1.0
    for tier in costs.tiers:
        total = total + (tier.factor - factor) * (order - tier.above).clip(min=0.0)
        factor = tier.factor
    return total.where(labels > 0, 0.0)


def of_slices(fit: Fit, key: str, value: Any) -> xr.DataArray:
    """Draw a quantity of slices, with a dim for them only where they differ: two hundred equal prices are one."""
    return slice_draws(fit, key, value) if isinstance(value, Mapping) else draws(fit, key, value)


def label_cost(fit: Fit, costs: Costs, labels: xr.DataArray) -> xr.DataArray:
    """Draw what the labels of each slice cost: price, rework, hours, and the days that delivering them takes."""
    paid = charged(costs, labels) * (1.0 + draws(fit, "costs.rework", costs.rework))
    money = paid * of_slices(fit, PRICE, costs.price_per_label)
    hour = draws(fit, "costs.opportunity_per_hour", costs.opportunity_per_hour)
    if bool((hour > 0).any()):
        money = money + labels * of_slices(fit, HOURS, costs.hours_per_label) * hour
    return money + _delivery_days(fit, costs, labels) * _per_day(fit, costs)


def fixed_cost(fit: Fit, costs: Costs, batches: Any = 1) -> xr.DataArray:
    """Draw what a plan costs beside its labels: set-up of its batches, retraining, and the days until it starts."""
    batches = xr.DataArray(batches)
    once = draws(fit, "costs.retraining", costs.retraining)
    once = once + draws(fit, "costs.start_delay", costs.start_delay) * _per_day(fit, costs)
    return batches * draws(fit, "costs.setup_per_batch", costs.setup_per_batch) + (batches > 0) * once


def batch_count(costs: Costs, labels: xr.DataArray) -> xr.DataArray:
    """Count the batches that labels come in, all slices together."""
    if costs.batch_size is None:
        return (labels > 0).astype(float)
    return xr.apply_ufunc(np.ceil, labels / costs.batch_size)


def days_until(fit: Fit, costs: Costs, labels: xr.DataArray) -> xr.DataArray:
    """Draw the days until the last label of each plan is there; 0 for no labels."""
    start = draws(fit, "costs.start_delay", costs.start_delay)
    return _delivery_days(fit, costs, labels) + (labels > 0) * start


def retraining_works(fit: Fit, costs: Costs) -> xr.DataArray:
    """Draw whether retraining works: 1, or 0 where it brings nothing; the same for all plans."""
    if costs.retraining_fails == 0.0:
        return xr.DataArray(1.0)
    share = draws(fit, "costs.retraining_fails", costs.retraining_fails)
    luck = draws(fit, "costs.retraining_fails/luck", UNIT_INTERVAL)
    return (luck >= share).astype(float)


def notes_of(fit: Fit, costs: Costs) -> tuple[str, ...]:
    """Say what in the costs a reader may take for a slip: labels that cost nothing."""
    said = []
    free = [name for name in map(str, fit.slices) if of_slice(costs.price_per_label, name)[1] == 0]
    if free:
        whose = "" if len(free) == fit.slices.size else f" of {', '.join(free)}"
        said.append(f"labels{whose} cost nothing, by the case")
    fails = float(1.0 - retraining_works(fit, costs).mean())
    if fails > 0:
        said.append(f"retraining brings nothing with probability {fails:.2g}: in gains and worth, not in P(gain > 0)")
    return tuple(said)


def _delivery_days(fit: Fit, costs: Costs, labels: xr.DataArray) -> xr.DataArray:
    if costs.labels_per_day is None:
        return labels * 0.0
    return labels / draws(fit, "costs.labels_per_day", costs.labels_per_day)


def _per_day(fit: Fit, costs: Costs) -> xr.DataArray:
    delay = draws(fit, "costs.delay_per_day", costs.delay_per_day)
    return delay + draws(fit, "costs.opportunity_per_day", costs.opportunity_per_day)
