"""How much a slice's own runs say of it, how much the group does, and how much another learner's runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import signed_log
from labelvalue.model.curve.observations import CURVE_KEYS
from labelvalue.model.curve.posterior import by_slice
from labelvalue.model.fitting.result import Fit
from labelvalue.model.prior.priors import draw_prior
from labelvalue.printing import as_lines

MEAN, SPREAD, BETWEEN = (f"{names.ELASTICITY}_{part}" for part in ("mean", "spread", "between"))
PRIOR_DRAWS = 4000  # draws of the priors of spreads, whose mean share is known to half a hundredth by so many


def pooling(fit: Fit) -> xr.DataArray:
    """Say for each slice how far its impact of labels is the group's: the degree of pooling.

    What is left of the uncertainty about the steepness of a slice's curve, over how much slices deviate from the group.

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
    return share.assign_attrs({names.NOTES: as_lines(notes), "verdict": fit.diagnostics.verdict, names.UNIT: ""})


def carry_over(fit: Fit, dim: str = names.LEARNER) -> xr.DataArray:
    """Say how far one learner's curve counts for another learner's curve of the same slice: learned, not decreed.

    The correlation between the steepness of two learners' curves of one slice: 1 where learners agree on which slices
    need labels, 0 where knowing one says nothing of the other.

    Parameters
    ----------
    fit : Fit
        With several slices, and several learners (or suites).
    dim : {"learner", "suite"}
        Whose curves count for each other.

    Returns
    -------
    xarray.DataArray
        ``carry_over``, dims chain and draw: in [0, 1]. It is about the steepness of curves; where they bend, their
        noise and their departures from the family are pooled over all curves alike. The attribute ``prior`` holds its
        mean under the priors, to tell what was learned from what was assumed.

    Raises
    ------
    ValueError
        If the fit has one slice or one learner, so that nothing tells.

    References
    ----------
    Gelman and Hill (2007), "Data analysis using regression and multilevel/hierarchical models", chapter 12, for the
    intraclass correlation.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> found = carry_over(fake_fit(seed=1, learners=("old", "new")))
    >>> found.dims, bool(((found >= 0) & (found <= 1)).all())
    (('chain', 'draw'), True)
    """
    if dim not in (names.LEARNER, names.SUITE):
        raise ValueError(f"dim must be 'learner' or 'suite', got {dim!r}")
    draws = fit.posterior
    crossed = [key for key in CURVE_KEYS if f"{BETWEEN}_{key}s" in draws]
    if not {names.SLICE, dim} <= {*crossed} or SPREAD not in fit.model.priors:
        raise ValueError(
            f"what one {dim} says of another is told by several slices and {dim}s under one model; this fit lacks them"
        )
    others = [key for key in crossed if key != dim]
    found = _share([draws[f"{BETWEEN}_{key}s"] for key in others], draws[SPREAD]).rename(names.CARRY_OVER)
    rng = np.random.default_rng(0)
    priors = fit.model.priors
    between = [draw_prior(priors[BETWEEN], PRIOR_DRAWS, rng) for _ in others]
    assumed = float(_share(between, draw_prior(priors[SPREAD], PRIOR_DRAWS, rng)).mean())
    return found.assign_attrs({"prior": assumed, "verdict": fit.diagnostics.verdict, names.UNIT: ""})


def _share(shared: Sequence[Any], own: Any) -> Any:
    """Share of a variance that curves of the same slice have in common."""
    common = sum(part**2 for part in shared)
    return common / (common + own**2)


def _rising(fit: Fit, like: xr.DataArray) -> xr.DataArray:
    """Curves that were taken out of the group; one without runs is never among them."""
    seen = fit.below.observations
    plain = by_slice(seen[[names.PLAIN_ELASTICITY]], seen)[names.PLAIN_ELASTICITY]
    found = (plain < 0).reindex({d: like[d] for d in like.dims}, fill_value=False)
    return found.transpose(*like.dims) if set(found.dims) == set(like.dims) else xr.zeros_like(like, dtype=np.bool_)
