"""The pieces of a hierarchy: levels pooled over slices, learners and suites, and the data they meet.

Used inside a ``pm.Model`` context. Each curve-level quantity is a group mean plus a deviation, partially pooled; where
several slices, learners or suites are crossed, each of them has deviations too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.cells import CURVE_KEYS
from labelvalue.model.curves import SLIGHT_ELASTICITY
from labelvalue.model.observations import CURVE
from labelvalue.model.priors import Priors
from labelvalue.model.variables import standard_deviations, variable


def observed_data(observations: xr.Dataset) -> dict[str, Any]:
    """Register the observations as data of the model in whose context it is called.

    Parameters
    ----------
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    dict of str to tensor
        Dims (curve, knot, slot), (curve, knot) or (curve), as in ``observations``.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> seen = observe(fake_runs(seed=1))
    >>> with pm.Model(coords=model_coords(seen)):
    ...     sorted(observed_data(seen))[:2]
    ['apart', 'distance']
    """
    table = observations.drop_vars([names.SIZES, "rises"])
    return {str(name): pm.Data(str(name), values.values) for name, values in table.data_vars.items()}


def model_coords(observations: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the coordinates of the dims that curve-level variables have.

    Parameters
    ----------
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    dict of str to array
        ``curve`` numbers; names of ``slice``, ``learner``, ``suite`` and, without random, ``strategy``.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> sorted(model_coords(observe(fake_runs(seed=1))))
    ['curve', 'learner', 'slice', 'strategy', 'suite']
    """
    return {
        CURVE: np.arange(observations.sizes[CURVE]),
        **{key: np.unique(observations[key].values.astype(str)) for key in CURVE_KEYS},
        names.STRATEGY: np.array(observations.attrs[names.STRATEGIES][1:], dtype=str),
    }


def pooled(name: str, priors: Priors, observations: xr.Dataset, *, crossed: bool = False) -> Any:
    """Make a curve-level quantity that is partially pooled over slices, learners and suites.

    ``mean + spread · deviation`` on an unbounded scale. The deviations are sampled standardised
    (non-centred), which mixes well where a curve says little about the quantity. Where at least two of slices,
    learners and suites are several, a ``crossed`` quantity also has one deviation for each of those.

    Parameters
    ----------
    name : str
        Name; reads the priors ``{name}_mean``, ``{name}_spread`` and, if crossed, ``{name}_between``.
    priors : Priors
        Priors of the model.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    crossed : bool
        Whether to add deviations of whole slices, whole learners and whole suites.

    Returns
    -------
    tensor, dim (curve)
        The quantity on its unbounded scale.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.model.priors import Prior
    >>> from labelvalue.testing import fake_runs
    >>> seen = observe(fake_runs(seed=1))
    >>> priors = Priors({"a_mean": Prior("normal", 0.0, 1.0), "a_spread": Prior("lognormal", -1.0, 0.5)})
    >>> with pm.Model(coords=model_coords(seen)):
    ...     a = pooled("a", priors, seen)
    >>> a.ndim
    1
    """
    value = variable(f"{name}_mean", priors[f"{name}_mean"])
    coords = model_coords(observations)
    for dim in crossed_dims(observations) if crossed else ():
        where = np.searchsorted(coords[dim], observations[dim].values.astype(str))
        between = variable(f"{name}_between_{dim}s", priors[f"{name}_between"])
        value = value + (between * standard_deviations(f"{name}_of_{dim}", dim, len(coords[dim])))[where]
    deviation = standard_deviations(f"{name}_deviation", CURVE, observations.sizes[CURVE])
    value = value + group_spread(name, priors, observations) * deviation
    return unless_rising(value, observations, deviation) if name == names.ELASTICITY else value


def crossed_dims(observations: xr.Dataset) -> tuple[str, ...]:
    """Return those of slices, learners and suites that are several, where at least two are.

    Parameters
    ----------
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    tuple of str
        Names of dims; empty where nothing is crossed.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> crossed_dims(observe(fake_runs(seed=1, learners=("tree", "line"))))
    ('slice', 'learner')
    """
    several = tuple(key for key in CURVE_KEYS if len(set(observations[key].values)) > 1)
    return several if len(several) > 1 else ()


RISING_SPREAD = 2.5
"""Spread of the level of a rising curve's elasticity about 0: two of it reach an elasticity of 0.6 either way."""


def unless_rising(level: Any, observations: xr.Dataset, deviation: Any) -> Any:
    """Take curves that plainly rise with labels out of the group: their elasticity is as likely to be negative.

    They are no draws from a population of falling curves, and pooled with it they would be given a gain.

    Parameters
    ----------
    level : tensor, dim (curve)
        Pooled level of the elasticity.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`; reads ``rises``.
    deviation : tensor, dim (curve)
        Standard normal.

    Returns
    -------
    tensor, dim (curve)
        The level, for rising curves one of their own about no elasticity at all.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> float(unless_rising(-1.0, observe(fake_runs(seed=1)), 0.5))
    -1.0
    """
    rises = observations["rises"].values > 0
    if not rises.any():
        return level
    return pt.where(rises, np.log(SLIGHT_ELASTICITY) + RISING_SPREAD * deviation, level)


def group_spread(name: str, priors: Priors, observations: xr.Dataset) -> Any:
    """Make the spread of a quantity between curves; with one curve nothing informs it, and it is the prior's median.

    Sampled from a single deviation it would be a funnel that no sampler likes, and teach nothing.

    Parameters
    ----------
    name : str
        Name; reads the prior ``{name}_spread``.
    priors : Priors
        Priors of the model.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    tensor, scalar
        Spread on the quantity's unbounded scale, > 0.

    Examples
    --------
    See :func:`pooled`.
    """
    prior = priors[f"{name}_spread"]
    if observations.sizes[CURVE] > 1:
        return variable(f"{name}_spread", prior)
    median = np.exp(prior.center) if prior.distribution == "lognormal" else prior.center
    return pm.Deterministic(f"{name}_spread", pt.as_tensor(float(median)))


def reference_level(priors: Priors, observations: xr.Dataset) -> tuple[Any, float]:
    """Make the level of the error at the reference size: pooled, but centred, since every curve with runs informs it.

    Parameters
    ----------
    priors : Priors
        Reads ``error_mean`` and ``error_spread``, on the scale of the link.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`; its attribute ``upper`` chooses the link: logit of
        ``error / upper`` where the error is bounded, logarithm of ``error / typical`` where it is not.

    Returns
    -------
    level : tensor, dim (curve)
        Unbounded.
    typical : float
        Geometric mean of the observed errors, which scales errors without a bound.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.model.priors import Prior
    >>> from labelvalue.testing import fake_runs
    >>> seen = observe(fake_runs(seed=1))
    >>> p = {"error_mean": Prior("normal", -1.5, 1.0), "error_spread": Prior("lognormal", -0.7, 0.5)}
    >>> with pm.Model(coords=model_coords(seen)):
    ...     level, typical = reference_level(Priors(p), seen)
    >>> level.ndim
    1
    """
    upper = float(observations.attrs[names.UPPER])
    used = observations["used"].values > 0
    near = observations["log_error"].values[:, 0].max(axis=-1, initial=-np.inf, where=used[:, 0])
    bounded = np.isfinite(upper)
    typical = float(np.exp(observations["log_error"].values[used].mean()))
    start = near - np.log(upper if bounded else typical)
    if bounded:
        start = start - np.log(-np.expm1(np.minimum(start, -1e-3)))
    mean = variable("error_mean", priors["error_mean"])
    spread = group_spread("error", priors, observations)
    initial = np.where(np.isfinite(start), start, priors["error_mean"].center)
    return pm.Normal("error_level", mean, spread, dims=CURVE, initval=initial), typical
