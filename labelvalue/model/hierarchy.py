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
from labelvalue.model.observations import CURVE, crossed_dims
from labelvalue.model.priors import Priors
from labelvalue.model.ragged import cell_names, in_a_row
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
        As from :func:`labelvalue.model.ragged.in_a_row`. The number of cells is left open, so that what is compiled
        serves any number of them.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> seen = observe(fake_runs(seed=1))
    >>> with pm.Model(coords=model_coords(seen)):
    ...     sorted(observed_data(seen))[:2]
    ['apart', 'beside']
    """
    row, open_ended = in_a_row(observations), cell_names(observations)
    return {
        name: pm.Data(name, values, shape=(None,) if name in open_ended else values.shape)
        for name, values in row.items()
    }


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


def pooled(name: str, priors: Priors, observations: xr.Dataset, *, narrowing: Any = 1.0) -> Any:
    """Make a curve-level quantity that is partially pooled over all curves.

    ``mean + spread · deviation`` on an unbounded scale. The deviations are sampled standardised
    (non-centred), which mixes well where a curve says little about the quantity.

    Parameters
    ----------
    name : str
        Name; reads the priors ``{name}_mean`` and ``{name}_spread``.
    priors : Priors
        Priors of the model.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    narrowing : float or array, dim (curve)
        Share of the group's spread by which a curve deviates, in (0, 1].

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
    mean = variable(f"{name}_mean", priors[f"{name}_mean"])
    deviation = standard_deviations(f"{name}_deviation", CURVE, observations.sizes[CURVE])
    return mean + narrowing * group_spread(name, priors, observations) * deviation


def group_mean(name: str, priors: Priors, observations: xr.Dataset) -> Any:
    """Make the mean that a curve's quantity is drawn about: the group's, and what whole slices and learners add.

    Where at least two of slices, learners and suites are several, each slice, each learner and each suite has a
    deviation that all of its curves share.

    Parameters
    ----------
    name : str
        Name; reads the priors ``{name}_mean`` and, where anything is crossed, ``{name}_between``.
    priors : Priors
        Priors of the model.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    tensor, scalar or dim (curve)
        Mean on the quantity's unbounded scale.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.model.priors import Prior
    >>> from labelvalue.testing import fake_runs
    >>> seen = observe(fake_runs(seed=1, learners=("tree", "line")))
    >>> priors = Priors({"a_mean": Prior("normal", 0.0, 1.0), "a_between": Prior("lognormal", -1.0, 0.5)})
    >>> with pm.Model(coords=model_coords(seen)) as model:
    ...     mean = group_mean("a", priors, seen)
    >>> mean.ndim, sorted(v.name for v in model.free_RVs)[-2:]
    (1, ['a_of_learner', 'a_of_slice'])
    """
    mean = variable(f"{name}_mean", priors[f"{name}_mean"])
    coords = model_coords(observations)
    for dim in crossed_dims(observations):
        where = np.searchsorted(coords[dim], observations[dim].values.astype(str))
        between = variable(f"{name}_between_{dim}s", priors[f"{name}_between"])
        mean = mean + (between * standard_deviations(f"{name}_of_{dim}", dim, len(coords[dim])))[where]
    return mean


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


def reference_level(priors: Priors, observations: xr.Dataset, items_variance: Any = 0.0) -> Any:
    """Make the level of the error at the reference size: pooled, but centred, since every curve with runs informs it.

    Parameters
    ----------
    priors : Priors
        Reads ``error_mean`` and ``error_spread``, on the scale of the link.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`; its attribute ``upper`` chooses the link: logit of
        ``error / upper`` where the error is bounded, logarithm of ``error / typical`` where it is not.
    items_variance : float or tensor, dim (curve)
        Variance of the level that runs share through their evaluation items: the level is that on these items.

    Returns
    -------
    tensor, dim (curve)
        On the scale of that link (see :func:`labelvalue.model.anchored.log_error_from`).

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.model.priors import Prior
    >>> from labelvalue.testing import fake_runs
    >>> seen = observe(fake_runs(seed=1))
    >>> p = {"error_mean": Prior("normal", -1.5, 1.0), "error_spread": Prior("lognormal", -0.7, 0.5)}
    >>> with pm.Model(coords=model_coords(seen)):
    ...     level = reference_level(Priors(p), seen)
    >>> level.ndim
    1
    """
    upper = float(observations.attrs[names.UPPER])
    used = observations["used"].values > 0
    near = observations["log_error"].values[:, 0].max(axis=-1, initial=-np.inf, where=used[:, 0])
    bounded = np.isfinite(upper)
    typical = float(observations["typical_error"])
    start = near - np.log(upper if bounded else typical)
    if bounded:
        start = start - np.log(-np.expm1(np.minimum(start, -1e-3)))
    mean = variable("error_mean", priors["error_mean"])
    spread = pt.sqrt(group_spread("error", priors, observations) ** 2 + items_variance)
    initial = np.where(np.isfinite(start), start, priors["error_mean"].center)
    return pm.Normal("error_level", mean, spread, dims=CURVE, initval=initial)
