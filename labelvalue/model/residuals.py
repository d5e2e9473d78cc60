"""What was measured against what each draw expects, cell by cell: the arithmetic of the likelihood, on posterior draws.

Leave-one-out (:mod:`labelvalue.model.pointwise`) and the walks below the reference size
(:mod:`labelvalue.model.walk_below`) start from the same numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.cells import CURVE_KEYS
from labelvalue.model.effective import observed_ratio
from labelvalue.model.label_noise import true_labels
from labelvalue.model.noise import above_log, run_variance
from labelvalue.model.observations import CURVE
from labelvalue.model.specification import Model


class Residuals(NamedTuple):
    """Of every cell and draw, on the scale of errors against true labels."""

    residual: xr.DataArray
    """Observed log error minus that of the family's law; the shape discrepancy is in it."""
    variance: xr.DataArray
    """Variance of its noise, before any discount."""
    log_kept: xr.DataArray | float
    """Log of the share of the measured error that is true; 0 where evaluation labels are right."""


def residuals(model: Model, draws: xr.Dataset, observations: xr.Dataset) -> Residuals:
    """Compare what was measured with what the law of each draw expects.

    Parameters
    ----------
    model : Model
        Gives the curve.
    draws : xarray.Dataset
        From :func:`by_curve`.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`; the same curves.

    Returns
    -------
    Residuals
        Dims chain, draw, curve, knot, slot, or fewer where nothing differs.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> seen = observe(fit.runs)
    >>> residuals(fit.model, by_curve(fit.posterior, seen), seen).residual.sizes["curve"]
    4
    """
    data = {str(name): values for name, values in observations.data_vars.items()}
    log_kept: xr.DataArray | float = 0.0
    if names.EVALUATION_NOISE in draws:
        data, log_kept = true_labels(data, draws[names.EVALUATION_NOISE], observations.attrs[names.CLASSES])
    expected = np.log(draws[names.ERROR_REFERENCE]) + model.curve(observed_ratio(draws, observations), draws)
    expected = expected + above_log(data, draws["churn"])
    variance = run_variance(data, draws["churn"], draws[names.TRAINING_SD], draws["training_decay"])
    return Residuals(data["log_error"] - expected, variance, log_kept)


def by_curve(posterior: xr.Dataset, observations: xr.Dataset) -> xr.Dataset:
    """Give variables of curves the dim ``curve`` again, in the order of the observations.

    Parameters
    ----------
    posterior : xarray.Dataset
        Draws by slice (and learner, suite).
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    xarray.Dataset
        Draws of curves and of the whole; those of slices, learners or suites alone are left out.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> by_curve(fit.posterior, observe(fit.runs))["impact"].dims
    ('chain', 'draw', 'curve')
    """
    dims = set(posterior[names.ERROR_REFERENCE].dims) & set(CURVE_KEYS)
    kept = {
        name: v for name, v in posterior.data_vars.items() if not set(v.dims) & set(CURVE_KEYS) or dims <= set(v.dims)
    }
    at = {dim: xr.DataArray(observations[dim].values, dims=CURVE) for dim in dims}
    picked = {
        name: v.sel(at).drop_vars(CURVE_KEYS, errors="ignore") if dims <= set(v.dims) else v for name, v in kept.items()
    }
    return xr.Dataset(picked)
