"""A fit whose forecasts are as wide as the record of past forecasts says they should have been."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.model import Fit
from labelvalue.model.posterior import at_now
from labelvalue.model.result import STRETCH

LEAST = 1e-9
"""How near to 0 and 1 a share may come before its odds are taken."""
POSITIVE = (names.ERROR_REFERENCE, names.HEADROOM, names.BREAK_DISTANCE, names.EARLY_SHARE)
"""Parameters of curves that are stretched in logs."""


def recalibrated(fit: Fit, factor: float) -> Fit:
    """Stretch what is uncertain about each curve about its median.

    The parameters of every curve move, the elasticity in its own unit, positive ones in logs, the floor's share in log
    odds, and the walk off the family's shape is scaled; so the log error at any number of labels, which is nearly
    linear in these, spreads ``factor`` times as far about its median, and what is computed from the fit follows: gains,
    net benefits, probabilities. The group level and the worth of other slices' labels stay as they were fitted.

    Parameters
    ----------
    fit : Fit
        Fit.
    factor : float
        > 0, such as the scorecard's; 1 returns the fit itself.

    Returns
    -------
    Fit
        Other draws of the same runs, model and verdict.

    Raises
    ------
    ValueError
        If the factor is not > 0.

    Examples
    --------
    >>> from labelvalue.forecast import predict_gain
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> spreads = [predict_gain(f, [500]).sel(slice="west").std().item() for f in (fit, recalibrated(fit, 2.0))]
    >>> 1.8 < spreads[1] / spreads[0] < 2.2
    True
    """
    if not factor > 0:
        raise ValueError(f"factor must be > 0, got {factor!r}. Fix: give the scorecard's, such as 1.2.")
    if factor == 1.0:
        return fit
    posterior = fit.posterior
    moved = {names.DISCREPANCY: factor * posterior[names.DISCREPANCY]}
    moved[names.CURVE_ELASTICITY] = _stretched(posterior[names.CURVE_ELASTICITY], factor)
    for name in POSITIVE:
        if name in posterior:
            moved[name] = _apply(np.exp, _stretched(_apply(np.log, posterior[name]), factor))
    moved[names.ERROR_REFERENCE] = moved[names.ERROR_REFERENCE].clip(max=float(fit.settings["upper"]))
    share = posterior[names.FLOOR_SHARE].clip(LEAST, 1.0 - LEAST)
    moved[names.FLOOR_SHARE] = _apply(scipy.special.expit, _stretched(_apply(scipy.special.logit, share), factor))
    parameters = posterior.assign(moved)
    tree = fit.tree.copy()
    tree[names.POSTERIOR] = xr.DataTree(parameters)
    tree.attrs = {**tree.attrs, STRETCH: factor * float(tree.attrs.get(STRETCH, 1.0))}
    made = dataclasses.replace(fit, tree=tree)
    tree[names.POSTERIOR] = xr.DataTree(
        parameters.assign(at_now(parameters, fit.position, fit.model, made.walks).data_vars)
    )
    return made


def _apply(function: Callable[[Any], Any], values: xr.DataArray) -> xr.DataArray:
    made: xr.DataArray = xr.apply_ufunc(function, values)
    return made


def _stretched(values: xr.DataArray, factor: float) -> xr.DataArray:
    centre = values.median(names.SAMPLE)
    return (centre + factor * (values - centre)).transpose(*values.dims)
