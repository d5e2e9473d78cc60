"""How much a slice's own runs say of it, and how much the group does."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.cells import CURVE_KEYS
from labelvalue.model.curves import signed_log
from labelvalue.model.observations import observe
from labelvalue.model.posterior import by_slice
from labelvalue.model.result import Fit

MEAN, SPREAD, BETWEEN = (f"{names.ELASTICITY}_{part}" for part in ("mean", "spread", "between"))


def pooling(fit: Fit) -> xr.DataArray:
    """Say for each slice how far its impact of labels is the group's: the degree of pooling.

    It is about the steepness of the curve, from which the impact follows; the error itself is measured in every slice
    that has runs. What is left of the uncertainty about a slice's deviation from the group, over how much slices
    deviate: in a normal hierarchy exactly the weight of the group's mean in the slice's estimate.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    xarray.DataArray
        ``pooling``, dims slice (and learner, suite): 0 where the slice's own runs decide alone, 1 where they say
        nothing and the group decides alone; NaN for a curve that plainly rises, which was taken out of the group. It
        summarises draws and has none; the attribute ``notes`` says where the group is the prior's.

    References
    ----------
    Gelman and Hill (2007), "Data analysis using regression and multilevel/hierarchical models", section 21.5, for the
    pooling factor of a single unit.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> found = pooling(fake_fit(seed=1))
    >>> found.dims, bool(((found >= 0) & (found <= 1)).all())
    (('slice',), True)
    """
    draws = fit.posterior
    deviation = signed_log(draws[names.CURVE_ELASTICITY]) - draws[MEAN]
    for dim in CURVE_KEYS:
        if f"{names.ELASTICITY}_of_{dim}" in draws:
            deviation = deviation - draws[f"{BETWEEN}_{dim}s"] * draws[f"{names.ELASTICITY}_of_{dim}"]
    group = (draws[SPREAD] ** 2).mean(names.SAMPLE)
    share = (deviation.var(names.SAMPLE) / group).clip(0.0, 1.0).transpose(*draws[names.CURVE_ELASTICITY].dims[2:])
    alone = share.size == 1
    notes = ["one curve: the group is the prior's"] if alone else []
    share = share.where(~_rising(fit, share)).rename(names.POOLING)
    return share.assign_attrs({names.NOTES: json.dumps(notes), "verdict": fit.diagnostics.verdict, names.UNIT: ""})


def _rising(fit: Fit, like: xr.DataArray) -> xr.DataArray:
    """Curves that were taken out of the group; one without runs is never among them."""
    seen = observe(fit.runs)
    plain = by_slice(seen[[names.PLAIN_ELASTICITY]], seen)[names.PLAIN_ELASTICITY]
    found = (plain < 0).reindex({d: like[d] for d in like.dims}, fill_value=False)
    return found.transpose(*like.dims) if set(found.dims) == set(like.dims) else xr.zeros_like(like, dtype=np.bool_)
