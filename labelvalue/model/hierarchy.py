"""The hierarchy that every curve family shares: group-level priors over slices and learners.

Used by the files in ``models/`` inside a ``pm.Model`` context. Each curve-level quantity is a group mean plus a
deviation, partially pooled; where several slices and several learners are crossed, each has deviations too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.curves import log_effective_labels
from labelvalue.model.likelihood import scatter_loglikelihood, walk_loglikelihood
from labelvalue.model.noise import run_variance
from labelvalue.model.observations import CURVE, KNOT, TYPICAL_ELASTICITY
from labelvalue.model.priors import Prior, Priors


def variable(name: str, prior: Prior) -> Any:
    """Make a scalar random variable from a prior; call it inside a model context.

    Parameters
    ----------
    name : str
        Name of the random variable.
    prior : Prior
        Its distribution.

    Returns
    -------
    tensor, scalar
        The variable, on its natural scale.

    Examples
    --------
    >>> with pm.Model():
    ...     x = variable("churn", Prior("logitnormal", 0.0, 1.0))
    >>> x.ndim
    0
    """
    match prior.distribution:
        case "normal":
            return pm.Normal(name, prior.center, prior.spread)
        case "lognormal":
            return pm.LogNormal(name, prior.center, prior.spread)
        case "student":
            return pm.StudentT(name, nu=4, mu=prior.center, sigma=prior.spread)
        case "logitnormal":
            # As a transformed normal: PyMC's LogitNormal has no finite gradient near its ends.
            return pm.Deterministic(name, pt.sigmoid(pm.Normal(f"{name}_logit", prior.center, prior.spread)))


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
    ['distance', 'labels']
    """
    table = observations.drop_vars(names.SIZES)
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
        ``curve`` numbers; ``slice`` and ``learner`` names.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> sorted(model_coords(observe(fake_runs(seed=1))))
    ['curve', 'learner', 'slice']
    """
    return {
        CURVE: np.arange(observations.sizes[CURVE]),
        names.SLICE: np.unique(observations[names.SLICE].values.astype(str)),
        names.LEARNER: np.unique(observations[names.LEARNER].values.astype(str)),
    }


def pooled(name: str, priors: Priors, observations: xr.Dataset, *, crossed: bool = False) -> Any:
    """Make a curve-level quantity that is partially pooled over slices and learners.

    ``mean + spread · deviation`` on an unbounded scale. The deviations are sampled standardised
    (non-centred), which mixes well where a curve says little about the quantity. With several slices and
    several learners, a ``crossed`` quantity also has one deviation per slice and one per learner.

    Parameters
    ----------
    name : str
        Name; reads the priors ``{name}_mean``, ``{name}_spread`` and, if crossed, ``{name}_between``.
    priors : Priors
        Priors of the model.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    crossed : bool
        Whether to add deviations of whole slices and whole learners.

    Returns
    -------
    tensor, dim (curve)
        The quantity on its unbounded scale.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
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
    if crossed and min(coords[names.SLICE].size, coords[names.LEARNER].size) > 1:
        for dim in (names.SLICE, names.LEARNER):
            where = np.searchsorted(coords[dim], observations[dim].values.astype(str))
            between = variable(f"{name}_between_{dim}s", priors[f"{name}_between"])
            value = value + (between * pm.Normal(f"{name}_of_{dim}", 0.0, 1.0, dims=dim))[where]
    return value + _spread(name, priors, observations) * pm.Normal(f"{name}_deviation", 0.0, 1.0, dims=CURVE)


def _spread(name: str, priors: Priors, observations: xr.Dataset) -> Any:
    """Spread between curves; with one curve nothing informs it, and it is the prior's median.

    Sampled from a single deviation it would be a funnel that no sampler likes, and teach nothing.
    """
    prior = priors[f"{name}_spread"]
    if observations.sizes[CURVE] > 1:
        return variable(f"{name}_spread", prior)
    median = np.exp(prior.center) if prior.distribution == "lognormal" else prior.center
    return pm.Deterministic(f"{name}_spread", pt.as_tensor(float(median)))


def reference_error(priors: Priors, observations: xr.Dataset) -> Any:
    """Make the error at the reference size: pooled, but centred, since every curve with runs informs it well.

    Parameters
    ----------
    priors : Priors
        Reads ``error_mean`` and ``error_spread``, on the scale of the link.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`; its attribute ``upper`` chooses the link: logit of
        ``error / upper`` where the error is bounded, logarithm of ``error / typical`` where it is not, with
        ``typical`` the geometric mean of the observed errors.

    Returns
    -------
    tensor, dim (curve)
        Logarithm of the error at the reference size.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> seen = observe(fake_runs(seed=1))
    >>> p = {"error_mean": Prior("normal", -1.5, 1.0), "error_spread": Prior("lognormal", -0.7, 0.5)}
    >>> with pm.Model(coords=model_coords(seen)):
    ...     log_error = reference_error(Priors(p), seen)
    >>> log_error.ndim
    1
    """
    upper = float(observations.attrs[names.UPPER])
    used = observations["used"].values > 0
    near = observations["log_error"].values[:, 0].max(axis=-1, initial=-np.inf, where=used[:, 0])
    bounded = np.isfinite(upper)
    scale = np.log(upper) if bounded else float(observations["log_error"].values[used].mean())
    start = near - scale
    if bounded:
        start = start - np.log(-np.expm1(np.minimum(start, -1e-3)))
    mean = variable("error_mean", priors["error_mean"])
    spread = _spread("error", priors, observations)
    initial = np.where(np.isfinite(start), start, priors["error_mean"].center)
    level = pm.Normal("error_level", mean, spread, dims=CURVE, initval=initial)
    return scale - pt.softplus(-level) if bounded else scale + level


def fit_curves(
    observations: xr.Dataset, data: dict[str, Any], priors: Priors, log_error: Any, log_elasticity: Any, expected: Any
) -> None:
    """Add the noise, the shape discrepancy and the likelihood of all curves to the model in whose context it is called.

    Parameters
    ----------
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    data : dict of str to tensor
        From :func:`observed_data`.
    priors : Priors
        Reads ``training_mean``, ``training_spread``, ``training_decay``, ``churn``, ``discrepancy_mean``,
        ``discrepancy_spread`` and ``discrepancy_power``.
    log_error : tensor, dim (curve)
        Log error at the reference size.
    log_elasticity : tensor, dim (curve)
        Log of the elasticity at the reference size; steeper curves depart further from their family.
    expected : tensor, dims (curve, knot, slot)
        Log error of the family's curve relative to the reference size.

    Examples
    --------
    See ``models/power_law.py``.
    """
    training_sd = pm.Deterministic(names.TRAINING_SD, pt.exp(pooled("training", priors, observations)), dims=CURVE)
    steeper = log_elasticity - np.log(TYPICAL_ELASTICITY)
    power = variable("discrepancy_power", priors["discrepancy_power"])
    discrepancy = pm.Deterministic(
        names.DISCREPANCY, pt.exp(pooled("discrepancy", priors, observations) + power * steeper), dims=CURVE
    )
    decay = variable("training_decay", priors["training_decay"])
    churn = variable("churn", priors["churn"])
    variance = run_variance(data, churn, training_sd[:, None, None], decay)
    residual = data["log_error"] - log_error[:, None, None] - expected
    slope_sd = np.log(2.0) * discrepancy
    walk = walk_loglikelihood(residual, variance, data["used"], data["distance"], slope_sd, observations.sizes[KNOT])
    pm.Potential("curves", pt.sum(walk))
    pm.Potential("scatter_between_runs", scatter_loglikelihood(data, variance))


def transfer(priors: Priors, observations: xr.Dataset, data: dict[str, Any]) -> Any:
    """Make the transfer from other slices' labels, where there are any, and return the log ratio of effective labels.

    Parameters
    ----------
    priors : Priors
        Reads ``transfer_mean`` and ``transfer_spread``.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    data : dict of str to tensor
        From :func:`observed_data`.

    Returns
    -------
    tensor, dims (curve, knot, slot)
        Natural logarithm of effective labels over those at the reference size.

    Examples
    --------
    See ``models/power_law.py``.
    """
    labels, reference = data[names.LABELS], data[names.REFERENCE_LABELS]
    if not (observations[names.OTHER_LABELS] > 0).any():
        return log_effective_labels(labels, 0.0, 0.0) - pt.log(reference)[:, None, None]
    worth = pm.Deterministic(names.TRANSFER, pooled("transfer", priors, observations), dims=CURVE)
    now = log_effective_labels(reference, data[names.REFERENCE_OTHER_LABELS], worth)
    return log_effective_labels(labels, data[names.OTHER_LABELS], worth[:, None, None]) - now[:, None, None]
