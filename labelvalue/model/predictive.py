"""Posterior predictive checks: replicates of the runs, label errors among them, against what was observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curves import log_steepness, signed_log
from labelvalue.model.effective import observed_ratio
from labelvalue.model.label_noise import measured_error, true_labels
from labelvalue.model.noise import integrated_walk, run_variance
from labelvalue.model.observations import CURVE, LEAST_SIZES, TYPICAL_ELASTICITY, lever_of
from labelvalue.model.specification import Model

CHECK_DRAWS = 1000
CURVES_AT_ONCE = 200
"""Curves replicated together: what a replicate takes in memory does not grow with the number of slices."""


def shape_surprise(model: Model, posterior: xr.Dataset, observations: xr.Dataset, random_seed: int) -> np.ndarray:
    """Predictive probability of each curve's observed overall slope, under curves of this group.

    Replicates are drawn with the curve's own parameters, but with a shape discrepancy drawn anew from the
    group, so that a curve cannot hide a misfit in a discrepancy of its own (mixed replication). Wrong labels are in
    the replicates at the posterior's rates: those of training sets cost effective labels, those of evaluation sets
    are added to the errors.

    Parameters
    ----------
    model : Model
        Gives the curve.
    posterior : xarray.Dataset
        Draws with dim ``curve``.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    random_seed : int
        Seed.

    Returns
    -------
    array, dim (curve)
        Probability that a replicate falls less steeply than was observed; near 0, the curve rises more
        than the model would produce. NaN with fewer than three sizes.

    References
    ----------
    Marshall and Spiegelhalter (2003), "Approximate cross-validatory predictive checks in disease mapping models",
    Statistics in Medicine 22.

    Examples
    --------
    >>> shape_surprise(model, posterior, observations, 1)  # doctest: +SKIP
    """
    rng = np.random.default_rng(random_seed)
    flat = posterior.stack(sample=names.SAMPLE)
    picked = np.linspace(0, flat.sizes["sample"] - 1, min(CHECK_DRAWS, flat.sizes["sample"])).astype(int)
    flat = flat.isel(sample=picked).drop_vars(["sample", names.CHAIN, names.DRAW])
    curves = range(0, observations.sizes[CURVE], CURVES_AT_ONCE)
    parts = [{CURVE: slice(first, first + CURVES_AT_ONCE)} for first in curves]
    found = [_surprise(model, flat.isel(part), observations.isel(part), rng) for part in parts]
    return np.concatenate(found)


def _surprise(model: Model, flat: xr.Dataset, observations: xr.Dataset, rng: np.random.Generator) -> np.ndarray:
    ratio = observed_ratio(flat, observations)
    mean = np.log(flat[names.ERROR_REFERENCE]) + model.curve(ratio, flat)
    steeper = log_steepness(signed_log(flat[names.CURVE_ELASTICITY])) - np.log(TYPICAL_ELASTICITY)
    discrepancy = np.exp(
        flat["discrepancy_mean"]
        + flat["discrepancy_power"] * steeper
        + flat["discrepancy_spread"] * xr.DataArray(_noise(rng, flat, observations, ()), dims=("sample", CURVE))
    )
    step = observations["distance"].diff("knot").pad(knot=(1, 0), constant_values=0.0)
    turn, bend = (_noise(rng, flat, observations, ("knot",)) for _ in range(2))
    level, _ = integrated_walk(step.transpose(CURVE, "knot").values, turn, bend)
    walk = np.log(2.0) * discrepancy * xr.DataArray(level, dims=("sample", CURVE, "knot"))
    data = _against_true_labels(flat, observations)
    sd = run_variance(data, flat["churn"], flat[names.TRAINING_SD], flat["training_decay"]) ** 0.5
    noise = xr.DataArray(_noise(rng, flat, observations, ("knot", "slot")), dims=("sample", CURVE, "knot", "slot"))
    replicated = _as_measured(mean + walk + sd * noise, flat, observations)
    lever = lever_of(observations["used"] / (observations["sampling_variance"] + 0.02), observations)
    slope = (lever * replicated).sum(("knot", "slot"))
    observed = (lever * observations["log_error"]).sum(("knot", "slot"))
    probability = (slope > observed).mean("sample")
    return probability.where(observations["sizes"] >= LEAST_SIZES).transpose(CURVE).values


def _noise(rng: np.random.Generator, flat: xr.Dataset, observations: xr.Dataset, more: tuple[str, ...]) -> np.ndarray:
    return rng.standard_normal(
        (flat.sizes["sample"], observations.sizes[CURVE], *(observations.sizes[d] for d in more))
    )


def _against_true_labels(flat: xr.Dataset, observations: xr.Dataset) -> Mapping[Any, Any]:
    """The observations' variances on the scale of errors against true labels, where evaluation labels are noisy."""
    if names.EVALUATION_NOISE not in flat:
        return observations
    data = {name: observations[name] for name in observations.data_vars}
    return true_labels(data, flat[names.EVALUATION_NOISE], observations.attrs[names.CLASSES])[0]


def _as_measured(log_error: xr.DataArray, flat: xr.Dataset, observations: xr.Dataset) -> xr.DataArray:
    """Log errors as evaluation sets with wrong labels show them."""
    if names.EVALUATION_NOISE not in flat:
        return log_error
    error = np.exp(log_error.clip(max=np.log(float(observations.attrs[names.UPPER]))))
    return np.log(measured_error(error, flat[names.EVALUATION_NOISE], observations.attrs[names.CLASSES]))
