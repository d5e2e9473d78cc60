"""What labels bought for one slice bring to all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.curves import SIZE, error_draws, in_blocks
from labelvalue.forecast.gains import predict_gain, whole_numbers
from labelvalue.model import Fit
from labelvalue.problems import did_you_mean


def predict_total_gain(fit: Fit, budgets: Sequence[int], weights: Mapping[str, float] | None = None) -> xr.DataArray:
    """Draw the total gain: what labels bought for a slice bring over all slices, weighted.

    The slice's own gain, plus what its labels do to the others through their transfer: they may help, or hurt where
    slices are classes of one learner. Without ``other_labels`` in the runs the others are unmoved.

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
