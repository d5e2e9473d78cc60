"""Wrong evaluation labels as a variable of the model; the arithmetic is that of :mod:`labelvalue.model.label_noise`.

Used inside a ``pm.Model`` context.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.label_noise import true_labels
from labelvalue.model.observations import CURVE
from labelvalue.model.variables import standard_deviations


def with_true_labels(observations: xr.Dataset, data: dict[str, Any]) -> dict[str, Any]:
    """Make the evaluation noise a variable, where it is given, and take it off the measured errors.

    Adds ``evaluation_noise`` and the change of variables to the model in whose context it is called.

    Parameters
    ----------
    observations : xarray.Dataset
        From :func:`set_evaluation_noise`.
    data : dict of str to tensor
        From :func:`labelvalue.model.hierarchy.observed_data`.

    Returns
    -------
    dict of str to tensor
        From :func:`true_labels`; as it was where no noise is given.

    Examples
    --------
    See :mod:`labelvalue.model.anchored`.
    """
    if "noise_center" not in observations:
        return data
    slices = observations[names.SLICE].values.astype(str)
    where = np.searchsorted(np.unique(slices), slices)
    logit = data["noise_center"]
    if bool((observations["noise_spread"] > 0).any()):
        deviation = standard_deviations("evaluation_noise_deviation", names.SLICE, len(np.unique(slices)))
        logit = logit + data["noise_spread"] * deviation[where]
    noise = pm.Deterministic(names.EVALUATION_NOISE, pt.sigmoid(logit), dims=CURVE)[:, None, None]
    changed, log_kept = true_labels(data, noise, observations.attrs[names.CLASSES])
    told = (data["used"] + data["scatter_df"]) * data.get(names.WEIGHT, 1.0)  # as much as the likelihood it belongs to
    pm.Potential("true_labels", -pt.sum(told * log_kept))
    return changed
