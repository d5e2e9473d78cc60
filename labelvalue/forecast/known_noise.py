"""What is known of wrong labels, as draws: their share among plain labels, and what they cost."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.checks import Checks
from labelvalue.forecast.draws import ENTROPY, slice_draws, without
from labelvalue.model import Fit
from labelvalue.model.checks import draw_prior
from labelvalue.model.label_noise import useless_share
from labelvalue.problems import InputError, Problem
from labelvalue.quantities import by_slice

SAMPLE = "sample"
"""Dim of draws of label noise that were stacked."""


def noise_draws(fit: Fit, noise: Any, stated: str = names.ELICITED) -> tuple[xr.DataArray | None, str]:
    """Turn what is known of the share of wrong labels into draws, one a posterior draw.

    Parameters
    ----------
    fit : Fit
        Gives slices, draws, seed and number of classes.
    noise : quantity, mapping of str to quantity, DataArray or None
        A number, an ``Interval`` or branches, for all slices or by slice; or draws with dim slice and chain and draw
        of their own, as :func:`labelvalue.estimate_label_noise` returns them, which are drawn from anew.
    stated : str
        Where numbers, intervals and branches come from.

    Returns
    -------
    draws : xarray.DataArray or None
        Dims of slice, chain, draw.
    origin : str
        ``from annotations`` for draws, else as ``stated``.

    Raises
    ------
    InputError
        If a slice lacks it, or it is not within 0 and (K − 1)/K.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> noise_draws(fake_fit(seed=1), {"default": 0.1, "west": 0.2})[0].values.tolist()
    [0.1, 0.1, 0.1, 0.2]
    """
    if noise is None:
        return None, names.ELICITED
    if isinstance(noise, xr.DataArray):
        found, origin = _drawn_anew(fit, noise), names.FROM_ANNOTATIONS
    else:
        found, origin = _stated(fit, noise), stated
    most = useless_share(int(fit.settings[names.CLASSES]))
    if not bool(((found >= 0) & (found < most)).all()):
        fix = "give a smaller share, or fit with the number of classes, such as fit(runs, classes=10)"
        why = f"labels of which {float(found.max()):.3g} are wrong carry no information: must be 0 ≤ … < {most:g}"
        raise InputError([Problem(column="noise", why=why, fix=fix)])
    return found, origin


def _stated(fit: Fit, noise: Any) -> xr.DataArray:
    checks = Checks()
    noise = by_slice(checks, "noise", noise, share=True)
    unknown = set(noise) - {*map(str, fit.slices), "default"} if isinstance(noise, Mapping) else set()
    for name in sorted(unknown):
        checks.wrong(f"noise.{name}", f"unknown slice {name!r}", f"one of {', '.join(map(str, fit.slices))}")
    if not checks.problems:
        for name in without(fit, noise):
            checks.wrong("noise", f"no number for slice {name!r}", "give it one, or a default")
    checks.finish()
    return slice_draws(fit, "noise", noise)


def _drawn_anew(fit: Fit, noise: xr.DataArray) -> xr.DataArray:
    """Draws of another posterior, drawn from once for each draw of the fit; its slices stay together."""
    found = noise
    if names.SLICE in noise.dims:
        missing = [str(name) for name in fit.slices if name not in noise[names.SLICE].values]
        if missing:
            why = f"no label noise for slice {', '.join(map(repr, missing))}"
            raise InputError([Problem(column="noise", why=why, fix="estimate it for every slice, or give numbers")])
        found = noise.sel({names.SLICE: fit.slices})
    sample = [d for d in (names.CHAIN, names.DRAW) if d in found.dims]
    if not sample:
        return found
    stacked = found.stack({SAMPLE: sample}, create_index=False).reset_coords(drop=True)
    posterior = fit.posterior
    shape = (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW])
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY, zlib.crc32(b"noise")])
    which = rng.integers(stacked.sizes[SAMPLE], size=shape)
    place = xr.DataArray(which, dims=(names.CHAIN, names.DRAW), coords={d: posterior[d] for d in sample})
    return stacked.isel({SAMPLE: place}).assign_coords({names.SLICE: fit.slices} if names.SLICE in found.dims else {})


def noise_cost(fit: Fit) -> tuple[xr.DataArray, str]:
    """Draw the power of the information left by which effective labels shrink.

    Parameters
    ----------
    fit : Fit
        Its runs tell it where their label noise varies; otherwise the model's prior does.

    Returns
    -------
    draws : xarray.DataArray
        Dims chain, draw.
    origin : str
        ``from runs`` or ``elicited``.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> noise_cost(fake_fit(seed=1))[1]
    'elicited'
    """
    posterior = fit.posterior
    if names.NOISE_COST in posterior:
        return posterior[names.NOISE_COST], names.FROM_RUNS
    shape = (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW])
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY, zlib.crc32(names.NOISE_COST.encode())])
    drawn = draw_prior(fit.model.priors[names.NOISE_COST], shape[0] * shape[1], rng).reshape(shape)
    coords = {d: posterior[d] for d in (names.CHAIN, names.DRAW)}
    return xr.DataArray(drawn, dims=(names.CHAIN, names.DRAW), coords=coords), names.ELICITED
