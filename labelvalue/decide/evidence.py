"""What a net benefit would be were priors or old runs given another weight; by re-weighting draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.reweighting import importance_weights, prior_groups, scaled_priors
from labelvalue.forecast.sensitivity import REFIT
from labelvalue.model import Fit
from labelvalue.model.pointwise import CELL, pointwise_loglikelihood

FACTORS = (0.5, 2.0)
SHOWN = 3
"""Groups of priors that are shown: those whose weight moves the net benefit most."""
DISCOUNT = 0.5
"""Power of the likelihood of old runs: at a half they count as half as many."""


def weighed_otherwise(fit: Fit, net: xr.DataArray) -> list[tuple[str, float, float, str]]:
    """Return the expected net benefit under priors and old runs of another weight.

    Parameters
    ----------
    fit : Fit
        Fit.
    net : xarray.DataArray
        Draws of net benefit, dims chain, draw.

    Returns
    -------
    list of tuple
        What is weighed, expected net benefit at the lower and the higher weight (old runs: at half and at their
        weight), and ``re-fit instead`` where either cannot be relied on. No row on old runs where there is one batch.

    References
    ----------
    Kallioinen, Paananen, Bürkner and Vehtari (2024), "Detecting and diagnosing prior and likelihood sensitivity with
    power-scaling", Statistics and Computing 34; Ibrahim and Chen (2000), "Power prior distributions for regression
    models", Statistical Science 15(1), for the discount.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> rows = weighed_otherwise(fit, 1e4 * fit.posterior["error_now"].mean("slice"))
    >>> len(rows), rows[0][0].startswith("priors of")
    (3, True)
    """
    rows = []
    for group in prior_groups(fit):
        (low, poor), (high, poor_too) = (_expected(net, scaled_priors(fit, group, factor)) for factor in FACTORS)
        rows.append((f"priors of {group} to the power 0.5, 2", low, high, REFIT if poor or poor_too else ""))
    rows = sorted(rows, key=lambda row: -abs(row[2] - row[1]))[:SHOWN]
    if (old := _old_runs(fit)) is not None:
        low, poor = _expected(net, old)
        rows.append((f"runs of earlier batches × {DISCOUNT:g}, × 1", low, float(net.mean()), REFIT if poor else ""))
    return rows


def _expected(net: xr.DataArray, ratios: xr.DataArray) -> tuple[float, bool]:
    """Weighted mean, and whether it cannot be relied on."""
    weights = importance_weights(ratios)
    at = {names.DRAW: net[names.DRAW].isin(ratios[names.DRAW])}
    mean = net.isel(at).weighted(weights.copy(data=np.exp(weights.values))).mean(names.SAMPLE)
    return float(mean), not bool(weights.attrs["reliable"])


def _old_runs(fit: Fit) -> xr.DataArray | None:
    """Log ratios of the posterior in which the runs of all batches but the last are discounted."""
    batches = fit.runs[names.BATCH].values.astype(str)
    if np.unique(batches).size <= 1:
        return None
    pointwise = pointwise_loglikelihood(fit)["log_likelihood"].to_dataset()["log_error"]
    share = share_of_cells(fit.runs, pointwise, batches != batches[-1])
    return (DISCOUNT - 1.0) * (pointwise * share).sum(CELL).reset_coords(drop=True)


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
