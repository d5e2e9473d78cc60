"""Each cell's log-likelihood given all others: what leave-one-out cross-validation of a curve needs.

The cells of a curve depend on each other through its shape discrepancy, so the likelihood does not fall into a product.
Given the parameters they are jointly Gaussian, and each one's density given the others has a closed form.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.cells import CURVE_KEYS
from labelvalue.model.observations import CURVE, observe
from labelvalue.model.residuals import by_curve, residuals
from labelvalue.model.result import Fit
from labelvalue.model.walk import level_covariance

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
    cells = cells_of(fit)
    found = [given_the_others(c.residual, c.noise, c.slope_sd, c.distance) - c.log_kept for c in cells.curves]
    pointwise = cells.array(np.concatenate(found, axis=-1))
    return xr.DataTree.from_dict({names.POSTERIOR: cells.posterior, "log_likelihood": pointwise.to_dataset()})


class CurveCells(NamedTuple):
    """The cells of one curve at every draw, on the scale of errors against true labels."""

    residual: np.ndarray
    """Observed minus expected log error; shape (chain, draw, cells), as the next two."""
    noise: np.ndarray
    """Its noise variance."""
    log_kept: np.ndarray
    """Log of the share of the measured error that is true; 0 where evaluation labels are right."""
    slope_sd: np.ndarray
    """Standard deviation that the slope of the discrepancy gains over one doubling; shape (chain, draw)."""
    distance: np.ndarray
    """Doublings below the reference size; shape (cells,)."""


class Cells(NamedTuple):
    """All cells of a fit at at most a thousand of its draws."""

    posterior: xr.Dataset
    """Those draws."""
    thin: int
    """One in how many of the fit's draws they are."""
    curves: list[CurveCells]
    """The cells, curve by curve."""
    log_error: np.ndarray
    """Log error that was measured in each cell, those of all curves in a row."""
    evaluation_noise: np.ndarray | None
    """Share of wrong evaluation labels, shape (chain, draw, cells in a row), where the fit knows of any."""
    coords: dict[str, Any]
    """Slice, learner, suite and labels of each."""

    def array(self, values: np.ndarray) -> xr.DataArray:
        """Name the dims of values by cell: (chain, draw, cell), or (cell,) alone."""
        dims = (names.CHAIN, names.DRAW, CELL)[-values.ndim :]
        coords = {dim: self.posterior[dim] for dim in dims if dim in self.posterior.coords}
        return xr.DataArray(values, dims=dims, coords=self.coords | coords, name="log_error")


def cells_of(fit: Fit) -> Cells:
    """Lay out what was measured against what each draw expects, cell by cell.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    Cells
        Draws thinned evenly to at most a thousand.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> len(cells_of(fake_fit(seed=1)).curves)
    4
    """
    observations = observe(fit.runs, fit.settings[names.CLASSES])
    thin = max(1, -(-fit.posterior.sizes[names.CHAIN] * fit.posterior.sizes[names.DRAW] // DRAWS))
    posterior = fit.posterior.isel({names.DRAW: slice(None, None, thin)})
    draws = by_curve(posterior, observations)
    found = residuals(fit.model, draws, observations)
    order = (names.CHAIN, names.DRAW, CURVE, "knot", "slot")
    wrong = draws.get(names.EVALUATION_NOISE, 0.0)
    residual, noise, kept, shares = (
        (value + 0.0 * found.residual).transpose(*order).values
        for value in (found.residual, found.variance, found.log_kept, wrong)
    )
    slope_sd = (np.log(2.0) * draws[names.DISCREPANCY]).transpose(*order[:3]).values
    is_used = observations["used"].transpose(*order[2:]).values > 0
    curves = []
    for curve, used in enumerate(is_used):
        distance = np.broadcast_to(observations["distance"].values[curve][:, None], used.shape)[used]
        off, spread, true = (part[:, :, curve][..., used] for part in (residual, noise, kept))
        curves.append(CurveCells(off, spread, true, slope_sd[:, :, curve], distance))
    of = np.nonzero(is_used)[0]
    coords = {key: (CELL, observations[key].values[of]) for key in CURVE_KEYS}
    coords |= {names.LABELS: (CELL, observations[names.LABELS].transpose(*order[2:]).values[is_used])}
    return Cells(
        posterior,
        thin,
        curves,
        observations["log_error"].transpose(*order[2:]).values[is_used],
        shares[..., is_used] if names.EVALUATION_NOISE in draws else None,
        coords | {CELL: np.arange(of.size)},
    )


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
    miss, variance = missed_by(residual, noise, slope_sd, distance)
    return -0.5 * (np.log(2.0 * np.pi * variance) + miss**2 / variance)


def missed_by(
    residual: np.ndarray, noise: np.ndarray, slope_sd: np.ndarray, distance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Say how far each cell lies from what the other cells of its curve let expect.

    Parameters
    ----------
    residual, noise, slope_sd, distance : array
        As for :func:`given_the_others`.

    Returns
    -------
    miss, variance : array, shape (..., cells)
        Observed log error minus its expectation given the others, and the variance of that difference.

    Examples
    --------
    >>> miss, variance = missed_by(np.ones((1, 1)), np.full((1, 1), 2.0), np.zeros(1), np.zeros(1))
    >>> miss.tolist(), variance.tolist()
    ([[1.0]], [[2.0]])
    """
    precision = np.linalg.inv(_covariance(noise, slope_sd, distance))
    own = np.diagonal(precision, axis1=-2, axis2=-1)
    return (precision @ residual[..., None])[..., 0] / own, 1.0 / own


def together(residual: np.ndarray, noise: np.ndarray, slope_sd: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Log density of all residuals of a curve.

    Parameters
    ----------
    residual, noise, slope_sd, distance : array
        As for :func:`given_the_others`.

    Returns
    -------
    array, shape (...)
        Log density of the log errors.

    Examples
    --------
    >>> together(np.zeros((1, 2)), np.ones((1, 2)), np.zeros(1), np.zeros(2)).round(4).tolist()
    [-1.8379]
    """
    covariance = _covariance(noise, slope_sd, distance)
    squares = (residual * np.linalg.solve(covariance, residual[..., None])[..., 0]).sum(-1)
    return -0.5 * (np.linalg.slogdet(2.0 * np.pi * covariance)[1] + squares)


def _covariance(noise: np.ndarray, slope_sd: np.ndarray, distance: np.ndarray) -> np.ndarray:
    walk = level_covariance(distance, distance)
    return slope_sd[..., None, None] ** 2 * walk + noise[..., None] * np.eye(distance.size)
