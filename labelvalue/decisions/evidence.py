"""What a net benefit would be were priors or old runs given another weight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.reweighting import Change, changed_draws, prior_groups, scaled_priors
from labelvalue.model import Fit
from labelvalue.model.pointwise import CELL, pointwise_loglikelihood

FACTORS = (0.5, 2.0)
DISCOUNT = 0.5
"""Power of the likelihood of old runs: at a half they count as half as many."""


def weighed_otherwise(
    fit: Fit, net: xr.DataArray, again: Callable[[Fit], xr.DataArray], *, refit: bool
) -> list[tuple[str, float, float, str]]:
    """Return the expected net benefit under priors and old runs of another weight.

    Parameters
    ----------
    fit : Fit
        Fit.
    net : xarray.DataArray
        Draws of net benefit, dims chain, draw.
    again : callable
        The same by another fit.
    refit : bool
        Whether to fit again where re-weighting cannot be relied on.

    Returns
    -------
    list of tuple
        What is weighed, expected net benefit at the lower and the higher weight (old runs: at half and at their
        weight), and ``fitted again`` or ``re-fit instead`` where either cannot be relied on. No row on old runs where
        there is one batch.

    References
    ----------
    Kallioinen, Paananen, Bürkner and Vehtari (2024), "Detecting and diagnosing prior and likelihood sensitivity with
    power-scaling", Statistics and Computing 34; Ibrahim and Chen (2000), "Power prior distributions for regression
    models", Statistical Science 15(1), for the discount.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> def net(fit):
    ...     return 1e4 * fit.posterior["error_now"].mean("slice")
    >>> rows = weighed_otherwise(fit, net(fit), net, refit=False)
    >>> len(rows), rows[0][0].startswith("priors of")
    (7, True)
    """

    def expected(change: Change) -> tuple[float, str]:
        draws, log_weights, advice = changed_draws(fit, change, net, again, refit=refit)
        return float(draws.weighted(log_weights.copy(data=np.exp(log_weights.values))).mean(names.SAMPLE)), advice

    rows = []
    for group in prior_groups(fit):
        (low, said), (high, too) = (expected(scaled_priors(fit, group, factor)) for factor in FACTORS)
        rows.append((f"priors of {group} to the power 0.5, 2", low, high, max(said, too)))
    if (old := _old_runs(fit)) is not None:
        low, said = expected(old)
        rows.append((f"runs of earlier batches × {DISCOUNT:g}, × 1", low, float(net.mean()), said))
    return rows


def _old_runs(fit: Fit) -> Change | None:
    """The posterior in which the runs of all batches but the last are discounted."""
    batches = fit.runs[names.BATCH].values.astype(str)
    if np.unique(batches).size <= 1:
        return None
    pointwise = pointwise_loglikelihood(fit)["log_likelihood"].to_dataset()["log_error"]
    old = batches != batches[-1]
    return counted(fit, pointwise, np.where(old, DISCOUNT, 1.0))


def counted(fit: Fit, pointwise: xr.DataArray, counts: np.ndarray) -> Change:
    """Let runs count for a share of their likelihood.

    Parameters
    ----------
    fit : Fit
        Fit.
    pointwise : xarray.DataArray
        Its log-likelihood by cell, with its coordinates.
    counts : array, shape (run,)
        Above 0 and at most 1.

    Returns
    -------
    Change
        The posterior that follows.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> pointwise = pointwise_loglikelihood(fit)["log_likelihood"].to_dataset()["log_error"]
    >>> float(abs(counted(fit, pointwise, np.ones(fit.runs.sizes["run"])).ratios).max())
    0.0
    """
    less = sum(
        (share - 1.0) * (pointwise * share_of_cells(fit.runs, pointwise, counts == share)).sum(CELL)
        for share in np.unique(counts)
    )
    return Change(less.reset_coords(drop=True), counts=counts)


def share_of_cells(runs: xr.Dataset, pointwise: xr.DataArray, chosen: np.ndarray) -> xr.DataArray:
    """Return the share of each cell's runs that are chosen, by slice, learner, suite and labels.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs of a fit.
    pointwise : xarray.DataArray
        Log-likelihood by cell, with its coordinates.
    chosen : array of bool, shape (run,)
        Which runs.

    Returns
    -------
    xarray.DataArray
        Dim cell, 0 to 1.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> pointwise = pointwise_loglikelihood(fit)["log_likelihood"].to_dataset()["log_error"]
    >>> float(share_of_cells(fit.runs, pointwise, np.ones(fit.runs.sizes["run"], dtype=bool)).min())
    1.0
    """
    keys = [names.SLICE, names.LEARNER, names.SUITE, names.LABELS]
    frame = pd.DataFrame({key: runs[key].values.astype(float if key == names.LABELS else str) for key in keys})
    share = frame.assign(chosen=chosen.astype(float)).groupby(keys)["chosen"].mean()
    cells = [pointwise[key].values.astype(float if key == names.LABELS else str) for key in keys]
    found = share.reindex(pd.MultiIndex.from_arrays(cells, names=keys)).fillna(0.0)
    return xr.DataArray(found.to_numpy(), dims=CELL, coords={CELL: pointwise[CELL].values})
