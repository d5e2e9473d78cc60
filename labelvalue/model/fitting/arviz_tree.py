"""Everything of a fit that ArviZ's functions ask for, in one tree."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.discrepancy import by_curve, level_covariance, residuals
from labelvalue.model.curve.observations import CURVE, CURVE_KEYS
from labelvalue.model.fitting.result import Fit
from labelvalue.model.prior.priors import draw_prior, group_level, log_prior

CELL = "cell"  # dim of cells, those of all curves in a row
DRAWS = 1000  # draws that are used at most, thinned evenly


def pointwise_loglikelihood(fit: Fit) -> xr.DataTree:
    """Log-likelihood of every cell given the other cells of its curve, for each draw (Bürkner and others 2021)."""
    cells = cells_of(fit)
    return xr.DataTree.from_dict({names.POSTERIOR: cells.posterior, "log_likelihood": _pointwise(cells)})


def _pointwise(cells: Cells) -> xr.Dataset:
    found = [given_the_others(c.residual, c.noise, c.slope_sd, c.distance) - c.log_kept for c in cells.curves]
    return cells.array(np.concatenate(found, axis=-1)).to_dataset()


class CurveCells(NamedTuple):
    """The cells of one curve at every draw, on the scale of errors against true labels."""

    residual: np.ndarray  # observed minus expected log error; shape (chain, draw, cells), as the next two
    noise: np.ndarray  # its noise variance
    log_kept: np.ndarray  # log of the share of the measured error that is true; 0 where evaluation labels are right
    slope_sd: np.ndarray
    """Standard deviation that the slope of the discrepancy gains over one doubling; shape (chain, draw)."""
    distance: np.ndarray  # doublings below the reference size; shape (cells,)


class Cells(NamedTuple):
    """All cells of a fit at at most a thousand of its draws."""

    posterior: xr.Dataset  # those draws
    thin: int  # one in how many of the fit's draws they are
    curves: list[CurveCells]  # the cells, curve by curve
    log_error: np.ndarray  # log error that was measured in each cell, those of all curves in a row
    evaluation_noise: np.ndarray | None
    """Share of wrong evaluation labels, shape (chain, draw, cells in a row), where the fit knows of any."""
    coords: dict[str, Any]  # slice, learner, suite and labels of each

    def array(self, values: np.ndarray) -> xr.DataArray:
        """Name the dims of values by cell: (chain, draw, cell), or (cell,) alone."""
        dims = (names.CHAIN, names.DRAW, CELL)[-values.ndim :]
        coords = {dim: self.posterior[dim] for dim in dims if dim in self.posterior.coords}
        return xr.DataArray(values, dims=dims, coords=self.coords | coords, name="log_error")


def cells_of(fit: Fit) -> Cells:
    """Lay out what was measured against what each draw expects, cell by cell."""
    observations = fit.below.observations
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
    """Log density of each residual of a curve (..., cells) given its others; ``slope_sd`` (...)."""
    miss, variance = missed_by(residual, noise, slope_sd, distance)
    return -0.5 * (np.log(2.0 * np.pi * variance) + miss**2 / variance)


def missed_by(
    residual: np.ndarray, noise: np.ndarray, slope_sd: np.ndarray, distance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Say how far each cell lies from what the others of its curve let expect: ``miss, variance`` (..., cells)."""
    precision = np.linalg.inv(_covariance(noise, slope_sd, distance))
    own = np.diagonal(precision, axis1=-2, axis2=-1)
    return (precision @ residual[..., None])[..., 0] / own, 1.0 / own


def together(residual: np.ndarray, noise: np.ndarray, slope_sd: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Log density of all residuals of a curve (...)."""
    covariance = _covariance(noise, slope_sd, distance)
    squares = (residual * np.linalg.solve(covariance, residual[..., None])[..., 0]).sum(-1)
    return -0.5 * (np.linalg.slogdet(2.0 * np.pi * covariance)[1] + squares)


def _covariance(noise: np.ndarray, slope_sd: np.ndarray, distance: np.ndarray) -> np.ndarray:
    walk = level_covariance(distance, distance)
    return slope_sd[..., None, None] ** 2 * walk + noise[..., None] * np.eye(distance.size)


LOG_ERROR = "log_error"


def arviz_tree(fit: Fit) -> xr.DataTree:
    """Lay a fit out so that every function of ArviZ 1.x can be called on it.

    The saved tree has what the sampler gave; predictive checks, LOO, priors and sensitivity are computed here.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    xarray.DataTree
        ``posterior`` and ``sample_stats``, thinned evenly to at most a thousand draws; ``observed_data`` with
        ``log_error`` by cell, the mean of the runs at one size; ``posterior_predictive``, a draw of each cell given
        the other cells of its curve, label errors at the posterior's rates among them, and ``log_likelihood``, its
        log density given them: cells depend on each other through the shape of their curve, and LOO asks for these;
        ``prior`` and ``log_prior`` of the group-level parameters, the latter by prior on the unbounded scale.

    References
    ----------
    Bürkner, Gabry and Vehtari (2021), "Efficient leave-one-out cross-validation for Bayesian non-factorized normal and
    Student-t models", Computational Statistics 36.

    Examples
    --------
    >>> import arviz_stats as azs
    >>> from labelvalue.testing import fake_fit
    >>> tree = arviz_tree(fake_fit(seed=1))
    >>> azs.loo_pit(tree)["log_error"].dims
    ('cell',)
    """
    cells = cells_of(fit)
    rng = np.random.default_rng([int(fit.settings["random_seed"]), 13])
    group = _with_priors(fit, cells.posterior)
    stats = fit.tree["sample_stats"].to_dataset().isel({names.DRAW: slice(None, None, cells.thin)})
    return xr.DataTree.from_dict(
        {
            names.POSTERIOR: cells.posterior,
            "sample_stats": stats,
            "observed_data": cells.array(cells.log_error).to_dataset(),
            "posterior_predictive": cells.array(_predicted(cells, rng)).to_dataset(),
            "log_likelihood": _pointwise(cells),
            "prior": xr.Dataset(
                {
                    str(values.name): values.copy(
                        data=draw_prior(fit.model.priors[name], values.size, rng).reshape(values.shape)
                    )
                    for name, values in group
                }
            ),
            "log_prior": _log_priors(fit, cells.posterior),
        }
    )


def sensitivity_tree(fit: Fit) -> xr.DataTree:
    """Lay a fit out for power-scaling, ArviZ's ``psense`` and ``plot_psense_dist`` (Kallioinen and others 2024)."""
    cells = cells_of(fit)
    parts = [together(c.residual, c.noise, c.slope_sd, c.distance) - c.log_kept.sum(-1) for c in cells.curves]
    of_draw = {dim: cells.posterior[dim] for dim in names.SAMPLE}
    joint = xr.DataArray(np.stack(parts, axis=-1), dims=(*of_draw, "curve"), coords=of_draw, name=LOG_ERROR)
    return xr.DataTree.from_dict(
        {
            names.POSTERIOR: cells.posterior,
            "log_likelihood": joint.to_dataset(),
            "log_prior": _log_priors(fit, cells.posterior),
        }
    )


def _predicted(cells: Cells, rng: np.random.Generator) -> np.ndarray:
    """Log error of every cell as it would be measured, given the other cells of its curve."""
    parts = []
    for c in cells.curves:
        miss, variance = missed_by(c.residual, c.noise, c.slope_sd, c.distance)
        parts.append(rng.normal(-miss, np.sqrt(variance)))
    drawn = np.concatenate(parts, axis=-1)
    if cells.evaluation_noise is None:
        return cells.log_error + drawn
    seen_wrong = cells.log_error + np.concatenate([c.log_kept for c in cells.curves], axis=-1) + drawn
    share = cells.evaluation_noise
    return np.log(share + np.exp(np.minimum(seen_wrong, np.log1p(-share))))  # no share of wrong answers is above 1


def _with_priors(fit: Fit, posterior: xr.Dataset) -> list[tuple[str, xr.DataArray]]:
    return [(name, values) for name in fit.model.priors for values in group_level(posterior, name)]


def _log_priors(fit: Fit, posterior: xr.Dataset) -> xr.Dataset:
    used = dict.fromkeys(name for name, _ in _with_priors(fit, posterior))
    return xr.Dataset({name: log_prior(posterior, name, fit.model.priors[name], unbounded=True) for name in used})
