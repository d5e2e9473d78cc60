"""What labels cost, drawn: orders, batches, retraining, and days."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.costs import Costs, Learner, learner_names
from labelvalue.forecast.gains.curves import draws, slice_draws
from labelvalue.model.curve.families import bare
from labelvalue.model.fitting.result import Fit, once
from labelvalue.numerals import TAILS, readable
from labelvalue.quantities import UNIT_INTERVAL, Interval, Quantity, of_slice

PRICE, HOURS = "costs.price_per_label", "costs.hours_per_label"
HOUR = 3600.0  # seconds
NEARLY = 1e-12  # variance of log seconds below which they are known exactly


def each_now(fit: Fit) -> xr.DataArray:
    """Labels of each slice today (slice)."""
    now = fit.position[names.LABELS_NOW]
    return now.isel({d: 0 for d in now.dims if d != names.SLICE}).reset_coords(drop=True)


def charged[Labels: (xr.DataArray, xr.Variable)](costs: Costs, labels: Labels) -> Labels:
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


def label_cost[Labels: (xr.DataArray, xr.Variable)](fit: Fit, costs: Costs, labels: Labels) -> Labels:
    """Draw what the labels of each slice cost: price, rework, hours, and the days that delivering them takes.

    Slices are those of the fit, in its order.
    """
    paid = charged(costs, labels) * (1.0 + _drawn(fit, costs, "rework"))
    money = paid * bare(of_slices(fit, PRICE, costs.price_per_label))
    hour = _drawn(fit, costs, "opportunity_per_hour")
    if bool((hour > 0).any()):
        money = money + labels * bare(of_slices(fit, HOURS, costs.hours_per_label)) * hour
    return money + _delivery_days(fit, costs, labels) * _per_day(fit, costs)


def fixed_cost(fit: Fit, costs: Costs, batches: Any = 1, learner: Learner = "") -> Any:
    """Draw what a plan costs beside its labels: set-up of its batches, retraining, and the days until it starts."""
    batches = batches if isinstance(batches, xr.Variable) else xr.DataArray(batches)
    once = bare(retraining_cost(fit, costs, learner)) + _drawn(fit, costs, "start_delay") * _per_day(fit, costs)
    return batches * _drawn(fit, costs, "setup_per_batch") + (batches > 0) * once


def retraining_cost(fit: Fit, costs: Costs, learner: Learner = "") -> xr.DataArray:
    """Draw what training every learner once more costs: what the case states, and the hours that the runs tell."""
    stated = draws(fit, "costs.retraining", costs.retraining) * len(learner_names(learner))
    if costs.compute_per_hour == 0.0 or (seconds := _seconds(fit, learner)) is None:
        return stated
    return stated + draws(fit, "costs.compute_per_hour", costs.compute_per_hour) * seconds / HOUR


def _seconds(fit: Fit, learner: Learner) -> xr.DataArray | None:
    """Draw the seconds of training every learner once; none where no run tells it."""
    each = [(name, training_seconds(fit, name)) for name in learner_names(learner)]
    known = [draws(fit, f"{names.SECONDS}.{name}", seconds) for name, seconds in each if seconds is not None]
    return sum(known[1:], known[0]) if known else None


def training_seconds(fit: Fit, learner: str = "") -> Quantity | None:
    """Say how long a training on today's labels takes by the runs: their seconds as a power of what was trained on.

    ``None`` where no run tells it. The interval is that of one more training, not of their mean.
    """
    return once(fit, (names.SECONDS, learner), lambda: _told_by_runs(fit, learner))


def _told_by_runs(fit: Fit, learner: str) -> Quantity | None:
    runs = fit.runs[[names.LEARNER, names.REPLICATE, names.LABELS, names.OTHER_LABELS, names.SECONDS]].to_dataframe()
    runs["size"] = runs[names.LABELS] + runs[names.OTHER_LABELS]
    told = runs[(runs[names.SECONDS] > 0) & (runs["size"] > 0)]
    told = told[told[names.LEARNER] == learner] if (told[names.LEARNER] == learner).any() else told
    told = told.drop_duplicates([names.LEARNER, names.REPLICATE, "size", names.SECONDS])  # one training, many slices
    if told.empty:
        return None
    now = each_now(fit).sum()
    size, seconds = np.log(told["size"].to_numpy(float)), np.log(told[names.SECONDS].to_numpy(float))
    several = np.ptp(size) > 0  # of one size alone: in proportion to it
    columns = np.column_stack([np.ones_like(size), size]) if several else np.ones((size.size, 1))
    aim = np.array([1.0, np.log(float(now))]) if several else np.ones(1)
    beside = 0.0 if several else float(np.log(float(now)) - size.mean())
    found = np.linalg.lstsq(columns, seconds, rcond=None)[0]
    free = size.size - columns.shape[1]
    mean = float(aim @ found) + beside
    if free < 1 or (left := float(((seconds - columns @ found) ** 2).sum()) / free) < NEARLY:
        return float(np.exp(mean))
    spread = np.sqrt(left * (1.0 + aim @ np.linalg.inv(columns.T @ columns) @ aim))
    half = spread * scipy.special.stdtrit(free, 0.95)
    return Interval(low=float(np.exp(mean - half)), high=float(np.exp(mean + half)), distribution="lognormal")


def batch_count[Labels: (xr.DataArray, xr.Variable)](costs: Costs, labels: Labels) -> Labels:
    """Count the batches that labels come in, all slices together."""
    if costs.batch_size is None:
        return (labels > 0).astype(float)
    return xr.apply_ufunc(np.ceil, labels / costs.batch_size)


def days_until[Labels: (xr.DataArray, xr.Variable)](fit: Fit, costs: Costs, labels: Labels) -> Labels:
    """Draw the days until the last label of each plan is there; 0 for no labels."""
    return _delivery_days(fit, costs, labels) + (labels > 0) * _drawn(fit, costs, "start_delay")


def retraining_works(fit: Fit, costs: Costs) -> xr.DataArray:
    """Draw whether retraining works: 1, or 0 where it brings nothing; the same for all plans."""
    if costs.retraining_fails == 0.0:
        return xr.DataArray(1.0)
    share = draws(fit, "costs.retraining_fails", costs.retraining_fails)
    luck = draws(fit, "costs.retraining_fails/luck", UNIT_INTERVAL)
    return (luck >= share).astype(float)


def notes_of(fit: Fit, costs: Costs, learner: Learner = "") -> tuple[str, ...]:
    """Say what in the costs a reader may take for a slip, and what of them the runs told."""
    said = []
    free = [name for name in map(str, fit.slices) if of_slice(costs.price_per_label, name)[1] == 0]
    if free:
        whose = "" if len(free) == fit.slices.size else f" of {', '.join(free)}"
        said.append(f"labels{whose} cost nothing, by the case")
    fails = float(1.0 - retraining_works(fit, costs).mean())
    if fails > 0:
        said.append(f"retraining brings nothing with probability {fails:.2g}: in gains and worth, not in P(gain > 0)")
    if costs.compute_per_hour != 0.0:
        drawn = _seconds(fit, learner)
        if drawn is None:
            said.append("costs.compute_per_hour counts nothing, since no run tells its seconds")
        else:
            ends = [readable(float(end), 2) for end in np.quantile(drawn, [0.5, *TAILS])]
            money = float(retraining_cost(fit, costs, learner).mean())
            said.append(
                f"training on today's labels takes {ends[0]} seconds by the runs (90 % {ends[1]} to {ends[2]}): "
                f"retraining costs {readable(money, 3)}"
            )
    return tuple(said)


def _delivery_days[Labels: (xr.DataArray, xr.Variable)](fit: Fit, costs: Costs, labels: Labels) -> Labels:
    return labels * 0.0 if costs.labels_per_day is None else labels / _drawn(fit, costs, "labels_per_day")


def _per_day(fit: Fit, costs: Costs) -> xr.Variable:
    return _drawn(fit, costs, "delay_per_day") + _drawn(fit, costs, "opportunity_per_day")


def _drawn(fit: Fit, costs: Costs, key: str) -> xr.Variable:
    """Draw a number of the costs; without coordinates, so that it is added uncompared."""
    return bare(draws(fit, f"costs.{key}", getattr(costs, key)))
