"""Densities of priors at draws of a posterior, without PyMC."""

from __future__ import annotations

import numpy as np
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.model.prior.priors import Prior

EDGE = 1e-15  # distance from 0 and 1 within which a share is not told apart from them


def log_density(prior: Prior, values: np.ndarray, *, unbounded: bool = False) -> np.ndarray:
    """Log density of a prior."""
    raw, log_slope = _unbounded(prior, np.asarray(values, dtype=float))
    z = (raw - prior.center) / prior.spread
    standard = scipy.stats.t(4) if prior.distribution == "student" else scipy.stats.norm
    density = standard.logpdf(z) - np.log(prior.spread)
    return density if unbounded else density + log_slope


def _unbounded(prior: Prior, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values on the unbounded scale, and the log of its slope in the natural one."""
    match prior.distribution:
        case "lognormal":
            return np.log(values), -np.log(values)
        case "logitnormal":
            share = np.clip(values, EDGE, 1.0 - EDGE)
            return scipy.special.logit(share), -np.log(share) - np.log1p(-share)
        case _:
            return values, np.zeros_like(values)


def group_level(posterior: xr.Dataset, name: str) -> list[xr.DataArray]:
    """Find the variables of a posterior that have a prior by name."""
    dims = [f"{name}_{dim}s" for dim in (names.SLICE, names.LEARNER, names.SUITE)]
    found = [posterior[v] for v in (name, *dims) if v in posterior and names.SLICE not in posterior[v].dims]
    return [v for v in found if float(v.max() - v.min()) > 0.0]


def log_prior(posterior: xr.Dataset, name: str, prior: Prior, *, unbounded: bool = False) -> xr.DataArray:
    """Log density of a prior at every draw, summed over the variables that have it.

    Shapes: gives (chain and draw).
    """
    sample = names.SAMPLE
    total = xr.zeros_like(posterior[names.ERROR_NOW].isel({d: 0 for d in _others(posterior)}, drop=True))
    for values in group_level(posterior, name):
        density = values.copy(data=log_density(prior, values.values, unbounded=unbounded))
        total = total + density.sum([d for d in values.dims if d not in sample])
    return total.transpose(*sample).rename(None)


def _others(posterior: xr.Dataset) -> list[str]:
    return [str(d) for d in posterior[names.ERROR_NOW].dims if d not in names.SAMPLE]
