"""Quantities as draws: once a posterior draw, with the fit's seed."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.checks import is_number
from labelvalue.model import Fit
from labelvalue.quantities import Interval, of_slice

ENTROPY = 11
"""Keeps the draws of a case apart from all others that come from the fit's seed."""


def without(fit: Fit, value: Any) -> list[str]:
    """Name the slices that a mapping gives no quantity for.

    Parameters
    ----------
    fit : Fit
        Gives the slices.
    value : quantity or mapping
        From :func:`by_slice`.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> without(fake_fit(seed=1), {"west": 0.08})
    ['east', 'north', 'south']
    """
    return [str(name) for name in fit.slices if of_slice(value, str(name))[1] is None]


def draws(fit: Fit, key: str, value: Any) -> xr.DataArray:
    """Draw a quantity once a posterior draw, with the fit's seed.

    What is drawn depends on the seed and the key alone, so that all plans see the same prices.

    Parameters
    ----------
    fit : Fit
        Gives chains, draws and seed.
    key : str
        The quantity's place in the case.
    value : float, Interval or tuple of Branch
        The quantity.

    Returns
    -------
    xarray.DataArray
        Dims chain, draw; without dims for a number.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> price = draws(fake_fit(seed=1), "price", Interval(low=0.05, high=0.2, distribution="uniform"))
    >>> bool((price > 0.04).all())
    True
    """
    if is_number(value):
        return xr.DataArray(float(value))
    posterior = fit.posterior
    shape = (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW])
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY, zlib.crc32(key.encode())])
    coords = {d: posterior[d].values for d in names.SAMPLE}
    return xr.DataArray(_sample(value, rng, shape), dims=names.SAMPLE, coords=coords)


def _sample(value: Any, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    if isinstance(value, Interval):
        return value.quantile(rng.uniform(size=shape))
    if is_number(value):
        return np.full(shape, float(value))
    ends = np.cumsum([branch.probability for branch in value])
    which = np.searchsorted(ends / ends[-1], rng.uniform(size=shape), side="right")
    return np.choose(which, [_sample(branch.value, rng, shape) for branch in value])


def slice_draws(fit: Fit, key: str, value: Any) -> xr.DataArray:
    """Draw a quantity for every slice; slices that share a key share its draws.

    Parameters
    ----------
    fit : Fit
        Gives slices, chains, draws and seed.
    key : str
        Place in the case.
    value : quantity or mapping
        From :func:`by_slice`; every slice must have one.

    Returns
    -------
    xarray.DataArray
        Dims slice, and chain and draw where anything is uncertain.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> slice_draws(fake_fit(seed=1), "price", {"default": 1.0, "west": 2.0}).values.tolist()
    [1.0, 1.0, 1.0, 2.0]
    """
    laws = [of_slice(value, str(name)) for name in fit.slices]
    made = {own: draws(fit, f"{key}.{own}" if own else key, chosen) for own, chosen in dict(laws).items()}
    place = {own: i for i, own in enumerate(made)}
    apart = xr.concat(xr.broadcast(*made.values()), dim=names.SLICE)
    return apart.isel({names.SLICE: [place[own] for own, _ in laws]}).assign_coords({names.SLICE: fit.slices})
