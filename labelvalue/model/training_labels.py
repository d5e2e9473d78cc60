"""Effective labels as variables of the model; the arithmetic is that of :mod:`labelvalue.model.effective`.

Used inside a ``pm.Model`` context.
"""

from __future__ import annotations

from typing import Any

import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.curves import log_boost, log_effective_labels
from labelvalue.model.effective import LEAST_BESIDE, likeness_of_means, transfer_from
from labelvalue.model.hierarchy import pooled
from labelvalue.model.label_noise import information_left
from labelvalue.model.observations import CURVE
from labelvalue.model.priors import Priors
from labelvalue.model.variables import FROM_PRIOR, standard_deviations, variable


def effective_ratio(priors: Priors, observations: xr.Dataset, data: dict[str, Any]) -> Any:
    """Log of effective labels over those at the reference size, where labels are random and as clean as they come.

    Parameters
    ----------
    priors : Priors
        Reads ``transfer_mean`` and ``transfer_spread`` where there are labels of other slices; ``efficiency_mean``,
        ``efficiency_spread`` and ``efficiency_trend`` where there are several strategies; ``noise_cost`` where labels
        are noisy; and ``diversity_power``, unless it has none, where labels differ in diversity.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    data : dict of str to tensor
        From :func:`labelvalue.model.hierarchy.observed_data`.

    Returns
    -------
    tensor, dims (curve, knot, slot)
        Natural logarithm.

    References
    ----------
    Natarajan, Dhillon, Ravikumar and Tewari (2013), "Learning with noisy labels", NeurIPS 26, for the loss of
    information, 1 − η·K/(K−1) of each label, squared in the number of labels.

    Examples
    --------
    See :mod:`labelvalue.model.anchored`.
    """
    ratio = _own_and_other(priors, observations, data)
    if len(observations.attrs[names.STRATEGIES]) > 1:
        ratio = ratio + _strategy(priors, observations, data)
    if bool((observations[names.LABEL_NOISE] > 0).any()):
        cost = variable(names.NOISE_COST, priors[names.NOISE_COST])
        ratio = ratio + cost * pt.log(information_left(data[names.LABEL_NOISE], observations.attrs[names.CLASSES]))
    if names.LOG_DIVERSITY in observations and names.DIVERSITY_POWER in priors:
        power = variable(names.DIVERSITY_POWER, priors[names.DIVERSITY_POWER])
        ratio = ratio + power * data[names.LOG_DIVERSITY]
    return ratio


def _own_and_other(priors: Priors, observations: xr.Dataset, data: dict[str, Any]) -> Any:
    reference = data[names.REFERENCE_LABELS]
    if not bool((observations[names.OTHER_LABELS] > 0).any()):
        return data["log_own"] - pt.log(reference)[:, None, None]
    worth = _transfer(priors, observations, data)
    now = log_effective_labels(reference, data[names.REFERENCE_OTHER_LABELS], worth)
    return data["log_own"] + log_boost(worth[:, None, None] * data["beside"]) - now[:, None, None]


def _transfer(priors: Priors, observations: xr.Dataset, data: dict[str, Any]) -> Any:
    """Worth of another slice's label by curve, pooled."""
    own = pt.maximum(data[names.REFERENCE_LABELS], 1.0)
    beside = pt.maximum(data[names.REFERENCE_OTHER_LABELS] / own, LEAST_BESIDE)
    level = pooled(names.TRANSFER, priors, observations, narrowing=likeness_of_means(beside))
    worth = transfer_from(level, beside)
    return pm.Deterministic(names.TRANSFER, worth, dims=CURVE)


def _strategy(priors: Priors, observations: xr.Dataset, data: dict[str, Any]) -> Any:
    """Log efficiency of each cell's strategy at the cell's size; that of random is 0."""
    dims = (CURVE, names.STRATEGY)
    center = priors["efficiency_mean"]
    several = len(observations.attrs[names.STRATEGIES]) - 1
    mean = pm.Normal("efficiency_mean", center.center, center.spread, dims=names.STRATEGY, initval=FROM_PRIOR)
    spread = variable("efficiency_spread", priors["efficiency_spread"])
    log_worth = mean + spread * standard_deviations("efficiency_deviation", dims, (observations.sizes[CURVE], several))
    pm.Deterministic(names.EFFICIENCY, pt.exp(log_worth), dims=dims)
    slope = priors[names.EFFICIENCY_TREND]
    trend = pm.Normal(names.EFFICIENCY_TREND, slope.center, slope.spread, dims=names.STRATEGY, initval=FROM_PRIOR)
    farther = pt.log(data[names.LABELS] / data[names.REFERENCE_LABELS][:, None, None])
    total: Any = 0.0
    for place in range(several):
        chosen = pt.eq(data["strategy_code"], place + 1.0)
        total = total + chosen * (log_worth[:, place][:, None, None] + trend[place] * farther)
    return total
