"""The numbers of the learning curves: each slice's error along its own sizes, with two intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.curves import SIZE, curve_dims, doublings_beyond, error_draws
from labelvalue.model import Fit
from labelvalue.report.tables import bands

LEFT, RIGHT = 24, 16
"""Points of a curve on either side of now."""
REACH = 4
"""Curves go on to at least this many times the labels now, to show how they flatten."""
BLOCK = 16
"""Slices computed at a time, so that memory holds a few curves of draws and not all."""


def curve_table(
    fit: Fit,
    slices: Sequence[str],
    budgets: np.ndarray,
    ci_probs: tuple[float, float],
    planned: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Compute the curves to plot, through :func:`labelvalue.report.tables.bands`.

    Parameters
    ----------
    fit : Fit
        Fit.
    slices : sequence of str
        Slices, in the order wanted.
    budgets : array of int
        Extra labels; those points are part of the curve.
    ci_probs : tuple of two floats
        Probabilities of the inner and outer band.
    planned : mapping of str to int, optional
        Extra labels of a plan, as far as which the curves go in any case.

    Returns
    -------
    pandas.DataFrame
        One row a slice (and learner) and size: ``labels``, ``mean``, ``lower`` and ``upper`` of the outer
        band, ``inner_lower`` and ``inner_upper``, ``doublings``, ``marked`` (whether it is now plus a
        budget); attribute ``ci_probs``.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> table = curve_table(fake_fit(seed=1), ["east"], np.array([500]), (0.5, 0.9))
    >>> bool((table["lower"] <= table["inner_lower"]).all())
    True
    """
    parts = []
    for start in range(0, len(slices), BLOCK):
        draws, own = _draws(fit, slices[start : start + BLOCK], budgets, planned or {})
        part = bands(draws, ci_probs)
        order = [d for d in draws.dims if d not in names.SAMPLE]
        own = own.sortby([d for d in order if d != SIZE]).transpose(*order)
        extra = (own - fit.position[names.LABELS_NOW].sel({names.SLICE: own[names.SLICE]})).transpose(*order)
        part = part.drop(columns=[SIZE, names.FLAGS]).assign(
            **{names.LABELS: own.values.ravel()},
            marked=np.isin(extra.values.ravel(), budgets[budgets > 0]),
        )
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    rank = {name: i for i, name in enumerate(slices)}
    table = table.sort_values(names.SLICE, key=lambda s: s.map(rank), kind="stable", ignore_index=True)
    table.attrs = {"ci_probs": ci_probs}
    return table


def _draws(
    fit: Fit, slices: Sequence[str], budgets: np.ndarray, planned: Mapping[str, int]
) -> tuple[xr.DataArray, xr.DataArray]:
    """Draws of the error along each slice's own sizes, and those sizes."""
    part = {names.SLICE: list(slices)}
    position = fit.position.sel(part)
    dims = curve_dims(fit)
    now = position[names.LABELS_NOW].transpose(*dims)
    low = np.maximum(np.minimum(_smallest(fit, slices, dims), np.maximum(now.values, 0.5)), 0.5)
    start = np.maximum(now.values, 0.5)
    reference = position[names.REFERENCE_LABELS].transpose(*dims).values
    most = np.array([max(int(budgets.max()), planned.get(str(name), 0)) for name in now[names.SLICE].values])
    most = most.reshape([-1 if d == names.SLICE else 1 for d in dims])
    end = np.maximum.reduce([start + most, REACH * np.maximum(start, 1.0), reference])
    left = np.moveaxis(np.geomspace(low, start, LEFT), 0, -1)
    left[..., -1] = now.values
    right = np.moveaxis(np.geomspace(start, end, RIGHT), 0, -1)[..., 1:]
    marked = now.values[..., None] + budgets
    own = xr.DataArray(
        np.sort(np.concatenate([left, right, marked], axis=-1), axis=-1),
        dims=(*dims, SIZE),
        coords=now.coords,
    )
    other_now = position[names.OTHER_LABELS_NOW]
    other = xr.where(own < now, other_now * own / np.maximum(now, 1.0), other_now).transpose(*dims, SIZE)
    draws = error_draws(fit.posterior.sel(part), fit, own, other).rename(names.ERROR)
    draws = draws.assign_coords({SIZE: np.arange(own.sizes[SIZE])})
    distance = doublings_beyond(position, own).transpose(*dims, SIZE)
    return draws.assign_coords({names.DOUBLINGS: distance.variable}), own


def _smallest(fit: Fit, slices: Sequence[str], dims: tuple[str, ...]) -> np.ndarray:
    """Smallest number of labels observed for each curve, its labels now where there is none."""
    runs = fit.runs
    keys = [runs[d].values.astype(str) for d in dims]
    seen = pd.Series(runs[names.LABELS].values.astype(float)).groupby([pd.Series(k) for k in keys]).min()
    wanted: list[Any] = [list(slices)]
    if len(dims) > 1:
        wanted.append([str(v) for v in fit.position[dims[1]].values])
    index = pd.MultiIndex.from_product(wanted) if len(dims) > 1 else pd.Index(wanted[0])
    shape = tuple(len(w) for w in wanted)
    return np.nan_to_num(seen.reindex(index).to_numpy().reshape(shape), nan=np.inf)
