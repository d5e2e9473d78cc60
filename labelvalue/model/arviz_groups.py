"""Everything of a fit that ArviZ's functions ask for, in one tree."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.checks import draw_prior
from labelvalue.model.density import group_level, log_prior
from labelvalue.model.pointwise import Cells, cells_of, given_the_others, missed_by, together
from labelvalue.model.result import Fit

LOG_ERROR = "log_error"


def arviz_tree(fit: Fit) -> xr.DataTree:
    """Lay a fit out so that every function of ArviZ 1.x can be called on it.

    The saved tree has what the sampler gave, which is enough for ranks, traces, energies and forests. Predictive
    checks, LOO, priors and sensitivity need more, computed here and not saved.

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

    See Also
    --------
    sensitivity_tree : The likelihood as power-scaling needs it.

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
    likelihood = [given_the_others(c.residual, c.noise, c.slope_sd, c.distance) - c.log_kept for c in cells.curves]
    group = _with_priors(fit, cells.posterior)
    stats = fit.tree["sample_stats"].to_dataset().isel({names.DRAW: slice(None, None, cells.thin)})
    return xr.DataTree.from_dict(
        {
            names.POSTERIOR: cells.posterior,
            "sample_stats": stats,
            "observed_data": cells.array(cells.log_error).to_dataset(),
            "posterior_predictive": cells.array(_predicted(cells, rng)).to_dataset(),
            "log_likelihood": cells.array(np.concatenate(likelihood, axis=-1)).to_dataset(),
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
    """Lay a fit out for power-scaling, ArviZ's ``psense`` and ``plot_psense_dist``.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    xarray.DataTree
        ``posterior``, ``log_prior`` of the group level, and ``log_likelihood`` by curve: ``psense`` adds the parts of
        a likelihood up, and only those of whole curves add up to it.

    References
    ----------
    Kallioinen, Paananen, Bürkner and Vehtari (2024), "Detecting and diagnosing prior and likelihood sensitivity with
    power-scaling", Statistics and Computing 34.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> sensitivity_tree(fake_fit(seed=1))["log_likelihood"]["log_error"].dims
    ('chain', 'draw', 'curve')
    """
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
