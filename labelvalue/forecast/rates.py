"""Diminishing returns: what the next labels bring once some have been bought, and where that gets too little."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.curves import SIZE, in_blocks, with_distance
from labelvalue.forecast.gains import whole_numbers
from labelvalue.forecast.needed import crossing, sizes_ahead
from labelvalue.model import Fit
from labelvalue.model.posterior import at_now

PER_LABELS = 1_000
UNSEEN_BREAKS = (
    "a break of the curve beyond the largest size observed cannot be seen in these runs: it is in the width of the "
    "interval, as shape discrepancy, and has no place of its own"
)
"""What every inflection point has to say of itself."""


def diminishing_returns(
    fit: Fit, budgets: Sequence[int], *, per: int = PER_LABELS, below: float | None = None
) -> xr.Dataset:
    """Draw elasticity and gain rate along the curve: what further labels bring where a budget has been bought already.

    Parameters
    ----------
    fit : Fit
        Fit.
    budgets : sequence of int
        Extra labels, ≥ 0, of the slice alone; 0 is today's position.
    per : int
        Labels that the gain rate is stated for, ≥ 1: the slope of the curve times so many, as :func:`impact` gives it
        for today.
    below : float, optional
        A gain rate, in error per ``per`` labels: how probable it is that the next labels bring less.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, slice (and learner, suite), budget: ``elasticity`` (unitless) and ``gain_rate`` (error per
        ``per`` labels); with ``below`` also ``p_below``, without draws. Coordinates ``labels_now``, ``doublings``,
        ``flags``.

    Raises
    ------
    ValueError
        If a budget is not a whole number ≥ 0, ``per`` not one ≥ 1, or ``below`` no number.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> found = diminishing_returns(fake_fit(seed=1), [0, 8000, 64000], below=0.002)
    >>> found["gain_rate"].median(("chain", "draw", "slice")).diff("budget").max().item() < 0
    True
    >>> bool((found["p_below"].sel(budget=64000) >= found["p_below"].sel(budget=0)).all())
    True
    """
    numbers, notes = whole_numbers(budgets, names.BUDGET)
    _check(per)
    if below is not None and not np.isfinite(below):
        raise ValueError(f"below must be a number, got {below!r}. Fix: give an error per {per:,} labels, such as 0.001")
    bought = xr.DataArray(numbers, dims=names.BUDGET)

    def along(variable: str, factor: float, unit: str) -> xr.DataArray:
        extra = xr.DataArray(numbers.astype(float), dims=SIZE)

        def compute(posterior: xr.Dataset, position: xr.Dataset) -> xr.DataArray:
            return factor * _at(fit, posterior, position, position[names.LABELS_NOW] + extra)[variable]

        found = in_blocks(fit, 3 * numbers.size, compute, variable, names.BUDGET, numbers)
        found = with_distance(found, fit, fit.position[names.LABELS_NOW] + bought)
        found.attrs |= {names.UNIT: unit, names.NOTES: json.dumps(notes)}
        return found

    rate = along(names.IMPACT, per, f"error per {per:,} labels").rename(names.GAIN_RATE)
    made = xr.Dataset({names.ELASTICITY: along(names.ELASTICITY, 1.0, ""), names.GAIN_RATE: rate}, attrs=rate.attrs)
    if below is not None:
        made[names.P_BELOW] = (rate < below).mean(names.SAMPLE)
    return made.assign_attrs(per=per)


def labels_at_rate(fit: Fit, rate: float | Sequence[float], *, per: int = PER_LABELS) -> xr.DataArray:
    """Draw the labels at which further ones bring less than a stated rate: the inflection point, tied to its use.

    A curve of this kind has no inflection of its own; what bends is whether labels are still worth it. In money the
    same question is :func:`labelvalue.marginal_benefit`'s.

    Parameters
    ----------
    fit : Fit
        Fit.
    rate : float or sequence of float
        Gain rates, > 0, in error per ``per`` labels.
    per : int
        Labels that the rate is stated for, ≥ 1.

    Returns
    -------
    xarray.DataArray
        ``labels_at_rate``, dims chain, draw, slice (and learner, suite), rate: labels in total, not in addition;
        ``labels_now`` where further ones bring less already, infinite where the rate does not fall so far within ten
        doublings. Its mean is no summary: use quantiles, and the share of infinite draws. The attribute ``notes`` says
        that breaks of the curve beyond the data are not seen.

    Raises
    ------
    ValueError
        If a rate is not a positive finite number, or ``per`` not a whole number ≥ 1.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> points = labels_at_rate(fake_fit(seed=1), [0.01, 0.001])
    >>> bool((points.sel(rate=0.001) >= points.sel(rate=0.01)).all())
    True
    """
    rates = np.atleast_1d(np.asarray(rate, dtype=float))
    if rates.size == 0 or not (np.isfinite(rates).all() and (rates > 0).all()):
        raise ValueError(f"rate must be an error per {per:,} labels > 0, got {rate!r}")
    _check(per)

    def compute(posterior: xr.Dataset, position: xr.Dataset) -> xr.DataArray:
        labels = sizes_ahead(position)
        impact = _at(fit, posterior, position, labels)[names.IMPACT] * per
        now = position[names.LABELS_NOW].values
        found = [crossing(impact.clip(min=value * 1e-6), labels, now, value) for value in rates]
        return xr.DataArray(np.stack(found, axis=-1), dims=(*impact.dims[:-1], names.RATE))

    points = in_blocks(fit, 200, compute, names.LABELS_AT_RATE, names.RATE, rates)
    points.attrs |= {names.UNIT: "labels", "per": per, names.NOTES: json.dumps([UNSEEN_BREAKS])}
    return points


def _check(per: int) -> None:
    if isinstance(per, bool) or not isinstance(per, (int, np.integer)) or per < 1:
        raise ValueError(f"per must be a whole number ≥ 1, got {per!r}")


def _at(fit: Fit, posterior: xr.Dataset, position: xr.Dataset, labels: xr.DataArray) -> xr.Dataset:
    """What a fit promises of now, at other places: dims of the posterior and ``size``."""
    there = position.assign({names.LABELS_NOW: labels})
    there[names.OTHER_LABELS_NOW] = position[names.OTHER_LABELS_NOW].broadcast_like(labels)
    return at_now(posterior, there, fit.model, fit.walks)
