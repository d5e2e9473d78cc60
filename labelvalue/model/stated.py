"""Posteriors as quantities that a case states: intervals, and branches where no interval holds them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.quantities import Branch, Interval, Quantity

LOW, HIGH = 0.05, 0.95
BRANCHES = 10
SURE = 1.0 - 1e-6
"""Share of draws of a quantity that must make sense."""


def as_stated(values: np.ndarray) -> Interval:
    """Return the 90 % interval of draws of a number > 0.

    Parameters
    ----------
    values : array of float
        Draws.

    Returns
    -------
    Interval
        Log-normal.

    Examples
    --------
    >>> round(as_stated(np.linspace(1.0, 3.0, 101)).high, 6)
    2.9
    """
    low, high = np.quantile(values, [LOW, HIGH])
    return Interval(low=float(low), high=float(max(high, low * (1 + 1e-9))), distribution="lognormal")


def share_as_stated(values: np.ndarray, most: float) -> Quantity:
    """Return draws of a share as a quantity.

    Parameters
    ----------
    values : array of float
        Draws, inside (0, 1).
    most : float
        What the share cannot reach.

    Returns
    -------
    Interval or tuple of Branch
        The logit-normal 90 % interval; where that would reach ``most``, ten branches at the draws' own quantiles.

    Examples
    --------
    >>> draws = np.linspace(0.1, 0.3, 101)
    >>> share_as_stated(draws, 0.9).distribution, len(share_as_stated(draws, 0.4))
    ('logitnormal', 10)
    """
    low, high = np.quantile(values, [LOW, HIGH])
    interval = Interval(low=float(low), high=float(max(high, low * (1 + 1e-9))), distribution="logitnormal")
    if interval.quantile(SURE) < most:
        return interval
    middles = (np.arange(BRANCHES) + 0.5) / BRANCHES
    return tuple(Branch(float(value), 1.0 / BRANCHES) for value in np.quantile(values, middles))


def by_slice_as_stated(draws: xr.DataArray) -> dict[str, Interval]:
    """Return the 90 % interval of every slice.

    Parameters
    ----------
    draws : xarray.DataArray
        Numbers > 0, dims chain, draw, slice.

    Returns
    -------
    dict of str to Interval

    Examples
    --------
    >>> drawn = xr.DataArray([[[2.0], [4.0]]], dims=("chain", "draw", "slice"), coords={"slice": ["fr"]})
    >>> by_slice_as_stated(drawn)["fr"].low
    2.1
    """
    return {str(name): as_stated(draws.sel({names.SLICE: name}).values) for name in draws[names.SLICE].values}
