"""Each cell's log-likelihood given all others: what leave-one-out cross-validation of a curve needs.

The cells of a curve depend on each other through its shape discrepancy, so the likelihood does not fall into a product.
Given the parameters they are jointly Gaussian, and each one's density given the others has a closed form.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.cells import CURVE_KEYS
from labelvalue.model.effective import observed_ratio
from labelvalue.model.label_noise import true_labels
from labelvalue.model.noise import run_variance
from labelvalue.model.observations import CURVE, observe
from labelvalue.model.result import Fit

CELL = "cell"
"""Dim of cells, those of all curves in a row."""
DRAWS = 1000
"""Draws that are used at most, thinned evenly."""


def pointwise_loglikelihood(fit: Fit) -> xr.DataTree:
    """Compute the log-likelihood of every cell given the other cells of its curve, for each draw.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    xarray.DataTree
        What ArviZ needs for PSIS-LOO: ``posterior``, thinned to at most a thousand draws, and ``log_likelihood`` with
        ``log_error``, dims chain, draw, cell; coordinates of ``cell``: slice, learner, suite and labels.

    References
    ----------
    Bürkner, Gabry and Vehtari (2021), "Efficient leave-one-out cross-validation for Bayesian non-factorized normal and
    Student-t models", Computational Statistics 36.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> pointwise_loglikelihood(fake_fit(seed=1))["log_likelihood"]["log_error"].dims
    ('chain', 'draw', 'cell')
    """
    observations = observe(fit.runs, fit.settings[names.CLASSES])
    thin = max(1, -(-fit.posterior.sizes[names.CHAIN] * fit.posterior.sizes[names.DRAW] // DRAWS))
    posterior = fit.posterior.isel({names.DRAW: slice(None, None, thin)})
    draws = _by_curve(posterior, observations)
    data = {str(name): values for name, values in observations.data_vars.items()}
    log_kept: xr.DataArray | float = 0.0
    if names.EVALUATION_NOISE in draws:
        data, log_kept = true_labels(data, draws[names.EVALUATION_NOISE], observations.attrs[names.CLASSES])
    expected = np.log(draws[names.ERROR_REFERENCE]) + fit.model.curve(observed_ratio(draws, observations), draws)
    variance = run_variance(data, draws["churn"], draws[names.TRAINING_SD], draws["training_decay"])
    residual = data["log_error"] - expected
    order = (names.CHAIN, names.DRAW, CURVE, "knot", "slot")
    parts = [
        (value + 0.0 * residual).transpose(*order).values for value in (residual, variance, log_kept + 0.0 * variance)
    ]
    slope_sd = (np.log(2.0) * draws[names.DISCREPANCY]).transpose(*order[:3]).values
    found, labels, curves = [], [], []
    for curve in range(observations.sizes[CURVE]):
        used = observations["used"].values[curve] > 0
        distance = np.broadcast_to(observations["distance"].values[curve][:, None], used.shape)[used]
        mean, noise, kept = (part[:, :, curve][..., used] for part in parts)
        found.append(given_the_others(mean, noise, slope_sd[:, :, curve], distance) - kept)
        labels.append(observations[names.LABELS].values[curve][used])
        curves += [curve] * int(used.sum())
    coords = {key: (CELL, observations[key].values[curves]) for key in CURVE_KEYS}
    pointwise = xr.DataArray(
        np.concatenate(found, axis=-1),
        dims=(names.CHAIN, names.DRAW, CELL),
        coords={**coords, names.LABELS: (CELL, np.concatenate(labels)), CELL: np.arange(len(curves))},
        name="log_error",
    )
    return xr.DataTree.from_dict({names.POSTERIOR: posterior, "log_likelihood": pointwise.to_dataset()})


def given_the_others(residual: np.ndarray, noise: np.ndarray, slope_sd: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Log density of each residual of a curve given its other residuals.

    Parameters
    ----------
    residual, noise : array, shape (..., cells)
        Observed minus expected log error, and its noise variance.
    slope_sd : array, shape (...)
        Standard deviation that the slope of the discrepancy gains over one doubling.
    distance : array, shape (cells,)
        Doublings below the reference size.

    Returns
    -------
    array, shape (..., cells)
        Log density of log error.

    Examples
    --------
    >>> given_the_others(np.zeros((1, 1)), np.ones((1, 1)), np.zeros(1), np.zeros(1)).round(4).tolist()
    [[-0.9189]]
    """
    near, far = np.minimum.outer(distance, distance), np.maximum.outer(distance, distance)
    walk = near**2 * (3.0 * far - near) / 6.0
    covariance = slope_sd[..., None, None] ** 2 * walk + noise[..., None] * np.eye(distance.size)
    precision = np.linalg.inv(covariance)
    own = np.diagonal(precision, axis1=-2, axis2=-1)
    miss = (precision @ residual[..., None])[..., 0] / own
    return 0.5 * (np.log(own / (2.0 * np.pi)) - own * miss**2)


def _by_curve(posterior: xr.Dataset, observations: xr.Dataset) -> xr.Dataset:
    """Variables of curves with dim ``curve`` again, in the order of the observations."""
    dims = set(posterior[names.ERROR_REFERENCE].dims) & set(CURVE_KEYS)
    kept = {
        name: v for name, v in posterior.data_vars.items() if not set(v.dims) & set(CURVE_KEYS) or dims <= set(v.dims)
    }
    at = {dim: xr.DataArray(observations[dim].values, dims=CURVE) for dim in dims}
    picked = {
        name: v.sel(at).drop_vars(CURVE_KEYS, errors="ignore") if dims <= set(v.dims) else v for name, v in kept.items()
    }
    return xr.Dataset(picked)
