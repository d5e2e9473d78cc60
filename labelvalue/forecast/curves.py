"""Posterior draws of the learning curve at any size: the one kernel behind every forecast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model import Fit
from labelvalue.model.effective import log_ratio
from labelvalue.model.posterior import doublings_below, log_error_at

VALIDATED_DOUBLINGS = 3.0
"""Distance up to which coverage was measured on real curves (8 times the largest observed size)."""

BLOCK_BYTES = 48_000_000
SIZE = "size"
"""Dim of sizes while a forecast is being computed."""


def curve_dims(fit: Fit) -> tuple[str, ...]:
    """Return the dims of one curve: slice, and learner and suite where the fit has several.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    tuple of str
        ``("slice",)``, ``("slice", "learner")`` and so on.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> curve_dims(fake_fit(seed=1))
    ('slice',)
    """
    return tuple(str(d) for d in fit.position[names.LABELS_NOW].dims)


def error_draws(posterior: xr.Dataset, fit: Fit, labels: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Expected error of every posterior draw at given sizes, shape discrepancy included.

    Beyond the reference size the discrepancy is one that may come; below it, the one that the runs show.

    Parameters
    ----------
    posterior : xarray.Dataset
        Posterior of the slices in question.
    fit : Fit
        The fit it comes from: position, model, seed.
    labels, other : xarray.DataArray
        Labels of the slice and of all other slices; dims slice (and learner, suite) and ``size``; chain and draw
        where they differ by draw.

    Returns
    -------
    xarray.DataArray
        Dims chain, draw, slice (and learner, suite), size; unit of the error.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> now = fit.position[["labels_now", "other_labels_now"]].expand_dims(size=1)
    >>> error_draws(fit.posterior, fit, now["labels_now"], now["other_labels_now"]).sizes["size"]
    1
    """
    curve = [d for d in labels.dims if d not in (names.CHAIN, names.DRAW, SIZE)]
    position = fit.position.sel({names.SLICE: posterior[names.SLICE]})
    ratio = log_ratio(posterior, position, labels, other)
    below = doublings_below(position, labels)
    log_error = log_error_at(ratio, posterior, fit.model, fit.walks, below)
    error = xr.apply_ufunc(np.exp, log_error).clip(max=float(fit.settings["upper"]))
    return error.transpose(names.CHAIN, names.DRAW, *curve, SIZE)


def in_blocks(
    fit: Fit, sizes: int, compute: Callable[[xr.Dataset, xr.Dataset], xr.DataArray], name: str, dim: str, at: Any
) -> xr.DataArray:
    """Fill a forecast slice block by slice block, so that memory holds the result and little more.

    Parameters
    ----------
    fit : Fit
        Fit.
    sizes : int
        Sizes computed a slice, for the block's memory.
    compute : callable
        ``compute(posterior, position) -> DataArray`` for one block, last dim of length ``len(at)``.
    name : str
        Name of the result.
    dim : str
        Its last dim.
    at : array-like
        Coordinate of that dim.

    Returns
    -------
    xarray.DataArray
        Dims chain, draw, slice (and learner), ``dim``; with coordinates ``labels_now`` and ``flags``.

    Examples
    --------
    See ``predict_gain``.
    """
    posterior, position = fit.posterior, fit.position
    curve = curve_dims(fit)
    dims = (names.CHAIN, names.DRAW, *curve, dim)
    shape = (*(posterior.sizes[d] for d in dims[:-1]), len(at))
    out = np.empty(shape)
    for block in _blocks(posterior, sizes, curve):
        part = {names.SLICE: block}
        out[:, :, block] = compute(posterior.isel(part), position.isel(part)).values
    coords: dict[Any, Any] = {d: posterior[d].values for d in dims[:-1]}
    coords |= {dim: at, names.FLAGS: (names.SLICE, flag_texts(fit))}
    coords[names.LABELS_NOW] = position[names.LABELS_NOW].variable
    attrs = {
        names.UNIT: "error",
        names.METRIC: fit.settings["metric"],
        "random_seed": fit.settings["random_seed"],
        "verdict": fit.diagnostics.verdict,
    }
    return xr.DataArray(out, dims=dims, coords=coords, name=name, attrs=attrs)


def flag_texts(fit: Fit) -> list[str]:
    """Return the data flags of every slice, joined by ``; ``.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    list of str
        In the order of ``fit.slices``; empty texts where there is no flag.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> flag_texts(fake_fit(seed=1))
    ['', '', '', '']
    """
    return ["; ".join(fit.diagnostics.flags.get(str(name), ())) for name in fit.slices]


def _blocks(posterior: xr.Dataset, sizes: int, curve: tuple[str, ...]) -> Iterator[slice]:
    count = posterior.sizes[names.SLICE]
    others = int(np.prod([posterior.sizes[d] for d in curve[1:]], initial=1))
    one = posterior.sizes[names.CHAIN] * posterior.sizes[names.DRAW] * sizes * others * 8
    step = max(1, BLOCK_BYTES // max(one * 6, 1))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def doublings_beyond(position: xr.Dataset, labels: xr.DataArray) -> xr.DataArray:
    """Extrapolation distance of sizes, in doublings of the slice's own labels beyond its largest observed size.

    Parameters
    ----------
    position : xarray.Dataset
        From ``fit.position``.
    labels : xarray.DataArray
        Sizes.

    Returns
    -------
    xarray.DataArray
        ≥ 0; 0 inside the data.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> position = fake_fit(seed=1).position
    >>> float(doublings_beyond(position, 4 * position["reference_labels"]).max())
    2.0
    """
    ratio = (labels / position[names.REFERENCE_LABELS]).clip(min=1.0)
    return xr.apply_ufunc(np.log2, ratio)


def with_distance(forecast: xr.DataArray, fit: Fit, sizes: xr.DataArray) -> xr.DataArray:
    """Say of every cell of a forecast how far it lies beyond the data.

    Parameters
    ----------
    forecast : xarray.DataArray
        From :func:`in_blocks`.
    fit : Fit
        Fit.
    sizes : xarray.DataArray
        Labels of the slice in each cell, dims those of ``fit.position`` and the forecast's last.

    Returns
    -------
    xarray.DataArray
        The same draws with the coordinate ``doublings``.

    Examples
    --------
    See ``predict_gain``.
    """
    distance = doublings_beyond(fit.position, sizes).transpose(*curve_dims(fit), forecast.dims[-1])
    return forecast.assign_coords({names.DOUBLINGS: distance.variable})
