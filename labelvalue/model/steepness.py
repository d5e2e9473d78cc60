"""The steepness of curves: coordinates in which many slices mix, and curves that rise.

What runs tell of a curve is its slope in the middle of their sizes. Its elasticity at the reference size follows from
that and from the floor, which bends the curve in between; sampled as such the two would trade off along a ridge in
every curve, and with hundreds of curves so would their group means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.curves import log_steepness, namespace, signed_log
from labelvalue.model.hierarchy import group_mean, group_spread
from labelvalue.model.observations import CURVE
from labelvalue.model.priors import Priors
from labelvalue.model.variables import starts_apart

AMID = 1.0 / 3.0
"""Where in the span of a curve's sizes, from the largest down, the slope of its runs is taken to hold: nearer than
the middle, since the shape discrepancy makes what lies far below count for less."""
RISING_SPREAD = 0.3
"""Spread of the elasticity of a rising curve about 0: two of it reach an elasticity of 0.6 either way."""


def elasticity_level(priors: Priors, observations: xr.Dataset, data: dict[str, Any], floor_share: Any) -> Any:
    """Make the level of the elasticity at the reference size, pooled over slices, learners and suites.

    Three kinds of curves, each in coordinates of its own. Where the runs plainly show that the error falls, the level
    is sampled as it is in the middle of their sizes (centred: the runs tell more than the group). Where they do not,
    as a standardised deviation from the group (non-centred: the group tells more). A curve that plainly rises is
    no draw from a population of falling curves, and pooled with it would be promised a gain: its elasticity is as
    likely to be negative as positive, and is not pooled. Only in the last is the model another one.

    Parameters
    ----------
    priors : Priors
        Reads ``elasticity_mean``, ``elasticity_spread`` and, where slices, learners or suites are crossed,
        ``elasticity_between``.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    data : dict of str to tensor
        From :func:`labelvalue.model.hierarchy.observed_data`; reads ``plain_elasticity`` and ``span``.
    floor_share : tensor, dim (curve)
        Share of the error at the reference that stays, which says how a curve flattens from the middle to there.

    Returns
    -------
    tensor, dim (curve)
        Level on the scale of :func:`labelvalue.model.curves.signed_exp`.

    References
    ----------
    Papaspiliopoulos, Roberts and Sköld (2007), "A general framework for the parametrization of hierarchical models",
    Statistical Science 22, for centred and non-centred coordinates.

    Examples
    --------
    See :mod:`labelvalue.model.anchored`.
    """
    plain = data[names.PLAIN_ELASTICITY]
    falls, rises = pt.gt(plain, 0.0), pt.lt(plain, 0.0)
    mean = group_mean(names.ELASTICITY, priors, observations)
    spread = group_spread(names.ELASTICITY, priors, observations)
    flattened = log_flattening(floor_share, plain, AMID * data[names.SPAN])
    where = pm.Normal(
        "elasticity_level",
        pt.switch(falls, mean - flattened, 0.0),
        pt.switch(falls, spread, pt.switch(rises, RISING_SPREAD, 1.0)),
        dims=CURVE,
        initval=_start(observations[names.PLAIN_ELASTICITY].values),
    )
    of_group = pt.switch(falls, where + flattened, mean + spread * where)
    return pt.switch(rises, signed_log(where), of_group)


def _start(plain: np.ndarray) -> np.ndarray:
    falls = np.log(np.where(plain > 0, plain, 1.0))
    return np.where(plain > 0, falls, np.where(plain < 0, plain, starts_apart(plain.size)))


def log_flattening(floor_share: Any, elasticity: Any, doublings: Any) -> Any:
    """Log of a power law's elasticity at the reference size over that some doublings below it.

    Parameters
    ----------
    floor_share : float, array or tensor
        Share of the error at the reference size that stays for ever, in (0, 1).
    elasticity : same kinds, broadcastable
        Elasticity at the reference size, of any sign; its magnitude counts.
    doublings : same kinds, broadcastable
        Distance below the reference size, ≥ 0.

    Returns
    -------
    same kind
        ≤ 0, and 0 without a floor.

    Examples
    --------
    >>> round(float(log_flattening(0.5, 0.2, 2.0)), 3)
    -0.239
    """
    xp = namespace(floor_share, elasticity, doublings)
    fallen = abs(elasticity) * np.log(2.0) * doublings / (1.0 - floor_share)
    return xp.log1p(floor_share * xp.expm1(-fallen))


def steepness_level(level: Any, data: Mapping[str, Any]) -> Any:
    """Log of the steepness that scales a curve's shape discrepancy: that of a rising curve is what its runs show.

    An elasticity that may be anything between falling and rising would drag the discrepancy's scale through 0 with it,
    and where that is small the elasticity could hardly move: a funnel.

    Parameters
    ----------
    level : float, array or tensor
        From :func:`elasticity_level`.
    data : mapping of str to the same
        Reads ``plain_elasticity``.

    Returns
    -------
    same kind
        Log of the steepness (see :func:`labelvalue.model.curves.log_steepness`).

    Examples
    --------
    >>> np.exp(steepness_level(np.array([-1.5, -9.0]), {"plain_elasticity": np.array([0.2, -0.1])})).round(2)
    array([0.22, 0.1 ])
    """
    plain = data[names.PLAIN_ELASTICITY]
    return namespace(level, plain).where(plain < 0.0, log_steepness(signed_log(plain)), log_steepness(level))
