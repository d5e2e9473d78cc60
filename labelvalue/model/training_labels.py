"""What labels are worth as variables of the model; the arithmetic is that of :mod:`labelvalue.model.effective`.

Used inside a ``pm.Model`` context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.effective import beside_reference, likeness_of_means, of_strategy, transfer_from
from labelvalue.model.hierarchy import pooled
from labelvalue.model.observations import CURVE
from labelvalue.model.priors import Priors
from labelvalue.model.variables import FROM_PRIOR, standard_deviations, variable


def worths_of_labels(priors: Priors, observations: xr.Dataset, data: Mapping[str, Any]) -> dict[str, Any]:
    """Make what labels of other slices, of strategies, with noise and of other diversity are worth.

    Parameters
    ----------
    priors : Priors
        Reads ``transfer_mean`` and ``transfer_spread`` where there are labels of other slices; ``efficiency_mean``,
        ``efficiency_spread`` and ``efficiency_trend`` where there are several strategies; ``noise_cost`` where labels
        are noisy; and ``diversity_power``, unless it has none, where labels differ in diversity.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    data : mapping of str to tensor
        From :func:`labelvalue.model.hierarchy.observed_data`.

    Returns
    -------
    dict of str to tensor
        As :func:`labelvalue.model.effective.effective_ratio` takes them, but of ``transfer`` its level.

    Examples
    --------
    See :mod:`labelvalue.model.anchored`.
    """
    worths: dict[str, Any] = {}
    if bool((observations[names.OTHER_LABELS] > 0).any()):
        worths[names.TRANSFER] = _transfer_level(priors, observations, data)
    if len(observations.attrs[names.STRATEGIES]) > 1:
        worths |= _strategies(priors, observations)
    if bool((observations[names.LABEL_NOISE] > 0).any()):
        worths[names.NOISE_COST] = variable(names.NOISE_COST, priors[names.NOISE_COST])
    if names.LOG_DIVERSITY in observations and names.DIVERSITY_POWER in priors:
        worths[names.DIVERSITY_POWER] = variable(names.DIVERSITY_POWER, priors[names.DIVERSITY_POWER])
    return worths


def _transfer_level(priors: Priors, observations: xr.Dataset, data: Mapping[str, Any]) -> Any:
    """Level of the worth of another slice's label by curve, pooled."""
    beside = beside_reference(data)
    level = pooled(names.TRANSFER, priors, observations, narrowing=likeness_of_means(beside))
    pm.Deterministic(names.TRANSFER, transfer_from(level, beside), dims=CURVE)
    return level


def _strategies(priors: Priors, observations: xr.Dataset) -> dict[str, Any]:
    """Log efficiency of each strategy beside random at the reference size, and how it changes with size."""
    dims = (CURVE, names.STRATEGY)
    center = priors["efficiency_mean"]
    several = len(observations.attrs[names.STRATEGIES]) - 1
    mean = pm.Normal("efficiency_mean", center.center, center.spread, dims=names.STRATEGY, initval=FROM_PRIOR)
    spread = variable("efficiency_spread", priors["efficiency_spread"])
    log_worth = mean + spread * standard_deviations("efficiency_deviation", dims, (observations.sizes[CURVE], several))
    pm.Deterministic(names.EFFICIENCY, pt.exp(log_worth), dims=dims)
    slope = priors[names.EFFICIENCY_TREND]
    trend = pm.Normal(names.EFFICIENCY_TREND, slope.center, slope.spread, dims=names.STRATEGY, initval=FROM_PRIOR)
    worths: dict[str, Any] = {}
    for place in range(several):
        worths[of_strategy(names.EFFICIENCY, place + 1)] = log_worth[:, place]
        worths[of_strategy(names.EFFICIENCY_TREND, place + 1)] = trend[place]
    return worths
