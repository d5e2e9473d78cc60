"""Diminishing returns: what the next labels bring once some have been bought, and where that gets too little."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import SIZE, error_draws, in_blocks
from labelvalue.forecast.gains.gains import crossings, predict_gain, whole_numbers
from labelvalue.model.curve.posterior import at_now
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import PER_LABELS
from labelvalue.problems import did_you_mean

UNSEEN_BREAKS = (
    "a break of the curve beyond the largest size observed cannot be seen in these runs: it is in the width of the "
    "interval, as shape discrepancy, and has no place of its own"
)  # what every inflection point has to say of itself


def diminishing_returns(fit: Fit, budgets: Sequence[int], *, below: float | None = None) -> xr.Dataset:
    """Draw elasticity and gain rate along the curve: what further labels bring where a budget has been bought already.

    Parameters
    ----------
    fit : Fit
        Fit.
    budgets : sequence of int
        Extra labels, ≥ 0, of the slice alone; 0 is today's position.
    below : float, optional
        A gain rate, in error per 1,000 labels: how probable it is that the next labels bring less.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, slice (and learner, suite), budget: ``elasticity`` (unitless) and ``gain_rate`` (the
        slope of the curve, error per 1,000 labels); with ``below`` also ``p_below``, without draws. Coordinates
        ``labels_now``, ``doublings``, ``flags``.

    Raises
    ------
    ValueError
        If a budget is not a whole number ≥ 0, or ``below`` no number.

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
    if below is not None and not np.isfinite(below):
        raise ValueError(f"below must be a number, got {below!r}. Fix: give an error per 1,000 labels, such as 0.001")

    def along(variable: str, factor: float, unit: str) -> xr.DataArray:
        extra = xr.DataArray(numbers.astype(float), dims=SIZE)

        def compute(posterior: xr.Dataset, position: xr.Dataset) -> xr.DataArray:
            return factor * _at(fit, posterior, position, position[names.LABELS_NOW] + extra)[variable]

        found = in_blocks(fit, 3 * numbers.size, compute, variable, names.BUDGET, numbers, notes)
        return found.assign_attrs({names.UNIT: unit})

    rate = along(names.IMPACT, PER_LABELS, "error per 1,000 labels").rename(names.GAIN_RATE)
    made = xr.Dataset({names.ELASTICITY: along(names.ELASTICITY, 1.0, ""), names.GAIN_RATE: rate}, attrs=rate.attrs)
    if below is not None:
        made[names.P_BELOW] = (rate < below).mean(names.SAMPLE)
    return made


def labels_at_rate(fit: Fit, rate: float | Sequence[float]) -> xr.DataArray:
    """Draw the labels at which further ones bring less than a stated rate: the inflection point, tied to its use.

    In money the same question is :func:`labelvalue.plans.marginal_benefit`'s.

    Parameters
    ----------
    fit : Fit
        Fit.
    rate : float or sequence of float
        Gain rates, > 0, in error per 1,000 labels.

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
        If a rate is not a positive finite number.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> points = labels_at_rate(fake_fit(seed=1), [0.01, 0.001])
    >>> bool((points.sel(rate=0.001) >= points.sel(rate=0.01)).all())
    True
    """

    def impact(posterior: xr.Dataset, position: xr.Dataset, labels: xr.DataArray) -> xr.DataArray:
        return _at(fit, posterior, position, labels)[names.IMPACT] * PER_LABELS

    per = "an error per 1,000 labels"
    return crossings(fit, impact, rate, per, names.LABELS_AT_RATE, names.RATE, [UNSEEN_BREAKS])


def _at(fit: Fit, posterior: xr.Dataset, position: xr.Dataset, labels: xr.DataArray) -> xr.Dataset:
    """What a fit promises of now, at other places: dims of the posterior and ``size``."""
    there = position.assign({names.LABELS_NOW: labels})
    there[names.OTHER_LABELS_NOW] = position[names.OTHER_LABELS_NOW].broadcast_like(labels)
    return at_now(posterior, there, fit.model, fit.walks)


def predict_total_gain(fit: Fit, budgets: Sequence[int], weights: Mapping[str, float] | None = None) -> xr.DataArray:
    """Draw the total gain: what labels bought for a slice bring over all slices, weighted.

    The slice's own gain, plus what its labels do to the others through their transfer; without ``other_labels`` in the
    runs the others are unmoved.

    Parameters
    ----------
    fit : Fit
        Fit.
    budgets : sequence of int
        Extra labels, ≥ 0, bought for one slice at a time.
    weights : mapping of str to float, optional
        Share or stakes of every slice, ≥ 0; scaled to sum to 1. Equal where none are given.

    Returns
    -------
    xarray.DataArray
        ``total_gain``, dims chain, draw, slice (the one that the labels are bought for; and learner, suite), budget;
        unit of the error, averaged over slices by weight. Coordinates as for ``predict_gain``.

    Raises
    ------
    ValueError
        If a slice is unknown or lacks a weight, a weight is negative, or a budget is not a whole number.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> own, total = predict_gain(fit, [500]), predict_total_gain(fit, [500])
    >>> bool((total > own / 4).all())
    True
    """
    own = predict_gain(fit, budgets)
    share = _shares(fit, weights)
    others = _gain_from_other_labels(fit, budgets)
    total = share * own + ((share * others).sum(names.SLICE) - share * others)
    total = total.transpose(*own.dims).rename(names.TOTAL_GAIN)
    total = total.assign_coords(own.coords)
    total.attrs = own.attrs
    return total


def _shares(fit: Fit, weights: Mapping[str, float] | None) -> xr.DataArray:
    slices = [str(name) for name in fit.slices]
    given = dict.fromkeys(slices, 1.0) if weights is None else {str(k): float(v) for k, v in weights.items()}
    unknown = [name for name in given if name not in slices]
    if unknown:
        raise ValueError(f"weights: unknown slice {unknown[0]!r}{did_you_mean(unknown[0], slices)}")
    missing = [name for name in slices if name not in given]
    if missing:
        raise ValueError(
            f"weights: no weight for slice {', '.join(map(repr, missing))}. Fix: give every slice one, 0 too."
        )
    share = np.array([given[name] for name in slices])
    if not (share >= 0).all() or not 0 < share.sum() < np.inf:
        raise ValueError(f"weights must be ≥ 0 and not all 0, got {given!r}")
    return xr.DataArray(share / share.sum(), dims=names.SLICE, coords={names.SLICE: fit.slices})


def _gain_from_other_labels(fit: Fit, budgets: Sequence[int]) -> xr.DataArray:
    """Each slice's gain where the budget goes to another slice."""
    numbers, _ = whole_numbers(budgets, "budget")
    if names.TRANSFER not in fit.posterior:
        return xr.DataArray(np.zeros(numbers.size), dims=names.BUDGET, coords={names.BUDGET: numbers})
    extra = xr.DataArray(np.concatenate([[0], numbers]), dims=SIZE)

    def compute(posterior: xr.Dataset, position: xr.Dataset) -> xr.DataArray:
        other = position[names.OTHER_LABELS_NOW] + extra
        labels = position[names.LABELS_NOW].broadcast_like(other)
        error = error_draws(posterior, fit, labels, other)
        return error.isel({SIZE: 0}) - error.isel({SIZE: slice(1, None)})

    return in_blocks(fit, numbers.size + 1, compute, names.GAIN, names.BUDGET, numbers).reset_coords(drop=True)
