"""Errors in the population: what a promise about a slice is about, beyond the evaluation items at hand."""

from __future__ import annotations

import zlib

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decide.case import Case
from labelvalue.decide.errors import chosen_curves
from labelvalue.forecast.noisy_evaluation import as_measured, left_of_differences
from labelvalue.model import Fit

ENTROPY = 19


def in_population(fit: Fit, case: Case, error: xr.DataArray) -> xr.DataArray:
    """Draw the errors of slices in the population, from those on the evaluation items at hand.

    Where all runs of a slice share one evaluation set, a fit speaks of the error on its items; they may be easier or
    harder than the population. How much is not in the data: it is drawn by the sampling variance that the runs share
    (all of a run's but the churn). Where replicates are folds, each with a set of its own, a fit speaks of the items of
    all of them, and the variance is that over the number of sets. Every plan sees the same draws.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Names learner and suite.
    error : xarray.DataArray
        Errors on the evaluation items; dims chain, draw, slice and any others.

    Returns
    -------
    xarray.DataArray
        Same dims; the same where every run had an evaluation set of its own.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit, case = fake_fit(seed=1), Case(costs={"price_per_label": 1}, value={"per_error_point": 1})
    >>> now = fit.posterior["error_now"]
    >>> bool((in_population(fit, case, now) == now).all())  # each of these runs had its own evaluation set
    True
    """
    posterior, position = chosen_curves(fit, case)
    rest = [d for d in posterior[names.ERROR_REFERENCE].dims if d not in (*names.SAMPLE, names.SLICE)]
    posterior, position = (x.isel({d: 0 for d in rest if d in x.dims}, drop=True) for x in (posterior, position))
    spread = position[names.SHARED] * position[names.ONE_RUN_VARIANCE] * (1.0 - posterior["churn"])
    spread = spread / position.get(names.EVALUATION_SETS, 1.0)  # fits of before they were counted had one
    measured = as_measured(fit, posterior, error)  # it is measured errors that the items' luck moves
    level = as_measured(fit, posterior, posterior[names.ERROR_REFERENCE])
    upper = float(fit.settings["upper"])
    if np.isfinite(upper):  # few errors are relatively less well counted than many
        spread = spread * (upper / measured - 1.0).clip(min=0.0) / (upper / level - 1.0).clip(min=1e-3)
    moved = measured * np.expm1(np.sqrt(spread) * _luck(fit)) / left_of_differences(fit, posterior)
    return (error + moved).clip(min=0.0, max=upper).transpose(*error.dims).reset_coords(drop=True)


def _luck(fit: Fit) -> xr.DataArray:
    """How much harder than the population's the items of a slice are, in standard deviations; by its name alone."""
    shape = tuple(fit.posterior.sizes[d] for d in names.SAMPLE)
    seed = fit.settings["random_seed"]
    entropies = [[seed, ENTROPY, zlib.crc32(str(name).encode())] for name in fit.slices]
    values = np.stack([np.random.default_rng(entropy).standard_normal(shape) for entropy in entropies], axis=-1)
    coords = {d: fit.posterior[d].values for d in names.SAMPLE} | {names.SLICE: fit.slices}
    return xr.DataArray(values, dims=(*names.SAMPLE, names.SLICE), coords=coords)
