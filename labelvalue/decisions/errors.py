"""Errors after labels were added: the forecast's curves, read for a case."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case import Case, chosen_of
from labelvalue.forecast.curves import BLOCK_BYTES, SIZE, curve_dims, error_draws
from labelvalue.model import Fit


def errors_at(fit: Fit, case: Case, own: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Draw the error of each slice after labels were added, by the curve of the case's learner and suite.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Names learner and suite.
    own, other : xarray.DataArray
        Labels added to the slice itself and to all others, dims slice and ``size``; fractions of labels are allowed.

    Returns
    -------
    xarray.DataArray
        Dims chain, draw, slice, ``size``; unit of the error.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> none = xr.DataArray(np.zeros((4, 1)), dims=("slice", "size"), coords={"slice": fit.slices})
    >>> case = Case(costs={"price_per_label": 1}, value={"per_error_point": 1})
    >>> bool(np.allclose(errors_at(fit, case, none, none).isel(size=0), fit.posterior["error_now"]))
    True
    """
    posterior, position = chosen_curves(fit, case)
    sizes = own.sizes[SIZE]
    shape = (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW], posterior.sizes[names.SLICE], sizes)
    out = np.empty(shape)
    rest = [d for d in curve_dims(fit) if d != names.SLICE]
    step = max(1, BLOCK_BYTES // (6 * 8 * shape[0] * shape[1] * sizes))
    for start in range(0, shape[2], step):
        part = {names.SLICE: slice(start, start + step)}
        block, place = posterior.isel(part), position.isel(part)
        labels = place[names.LABELS_NOW] + own.isel(part)
        others = place[names.OTHER_LABELS_NOW] + other.isel(part)
        error = error_draws(block, fit, labels, others.broadcast_like(labels)).isel(dict.fromkeys(rest, 0), drop=True)
        out[:, :, start : start + step] = error.values
    coords = {d: posterior[d].values for d in (*names.SAMPLE, names.SLICE)}
    return xr.DataArray(out, dims=(*names.SAMPLE, names.SLICE, SIZE), coords=coords)


def chosen_curves(fit: Fit, case: Case) -> tuple[xr.Dataset, xr.Dataset]:
    """Return posterior and position of the case's learner and suite; their dims stay, with length 1.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Names them.

    Returns
    -------
    posterior, position : xarray.Dataset

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 1}, value={"per_error_point": 1}, learner="b")
    >>> chosen_curves(fake_fit(seed=1, learners=("a", "b")), case)[0].sizes["learner"]
    1
    """
    case.check(fit)
    chosen = {d: [chosen_of(case, fit, d)] for d in curve_dims(fit) if d != names.SLICE}
    return fit.posterior.sel(chosen), fit.position.sel(chosen)


def errors_of(fit: Fit, case: Case, own: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Draw errors as :func:`errors_at`; labels added to the slice and to all others have dims slice and one more."""
    dim = next(str(d) for d in own.dims if d != names.SLICE)
    error = errors_at(fit, case, _as_size(own), _as_size(other)).rename({SIZE: dim})
    return error.assign_coords({dim: own[dim]})


def _as_size(labels: xr.DataArray) -> xr.DataArray:
    dim = next(str(d) for d in labels.dims if d != names.SLICE)
    return labels.rename({dim: SIZE}).drop_vars(SIZE, errors="ignore").transpose(names.SLICE, SIZE)
