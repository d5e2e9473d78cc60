"""Wrong evaluation labels as a variable of the model; the arithmetic is that of :mod:`labelvalue.model.label_noise`.

Used inside a ``pm.Model`` context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.label_noise import true_labels
from labelvalue.model.observations import CURVE
from labelvalue.model.variables import standard_deviations


def evaluation_noise(observations: xr.Dataset, data: Mapping[str, Any]) -> dict[str, Any]:
    """Make the evaluation noise a variable, where it is given.

    Parameters
    ----------
    observations : xarray.Dataset
        From :func:`labelvalue.model.label_noise.set_evaluation_noise`.
    data : mapping of str to tensor
        From :func:`labelvalue.model.hierarchy.observed_data`.

    Returns
    -------
    dict of str to tensor
        ``evaluation_noise``, dim (curve); empty where none is given.

    Examples
    --------
    See :mod:`labelvalue.model.anchored`.
    """
    if "noise_center" not in observations:
        return {}
    slices = observations[names.SLICE].values.astype(str)
    where = np.searchsorted(np.unique(slices), slices)
    logit = data["noise_center"]
    if bool((observations["noise_spread"] > 0).any()):
        deviation = standard_deviations("evaluation_noise_deviation", names.SLICE, len(np.unique(slices)))
        logit = logit + data["noise_spread"] * deviation[where]
    return {names.EVALUATION_NOISE: pm.Deterministic(names.EVALUATION_NOISE, pt.sigmoid(logit), dims=CURVE)}


def against_true_labels(data: Mapping[str, Any], noise: Any, classes: int) -> tuple[dict[str, Any], Any]:
    """Take the noise off a cell's measured error.

    Parameters
    ----------
    data : mapping of str to number
        Of the cell.
    noise : number
        Share of wrong evaluation labels.
    classes : int
        Number of classes.

    Returns
    -------
    dict of str to number
        From :func:`labelvalue.model.label_noise.true_labels`.
    number
        What the change of variables adds to the log-likelihood, as much as the likelihood it belongs to.

    Examples
    --------
    >>> data = dict(log_error=np.log(0.3), sampling_variance=0.01, rounding=0.0, scatter=0.0, scatter_df=0.0)
    >>> float(against_true_labels(data, 0.1, 2)[1].round(3))
    0.405
    """
    changed, log_kept = true_labels(data, noise, classes)
    told = (1.0 + data["scatter_df"]) * data.get(names.WEIGHT, 1.0)
    return changed, -told * log_kept
