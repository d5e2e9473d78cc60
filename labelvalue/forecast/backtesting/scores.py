"""Scores of predictive samples against a truth that has noise of its own.

All functions take samples along the last axis and know nothing of runs, methods or files.

References
----------
Gneiting, Raftery (2007). Strictly proper scoring rules, prediction, and estimation. JASA 102, 359-378.
Ferro (2014). Fair scores for ensemble forecasts. QJRMS 140, 1917-1923.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.posterior import at_now
from labelvalue.model.fitting.result import STRETCH, Fit

PROBABILITY_BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0)
"""Edges of the bins in which forecast P(gain > 0) is compared with how often the gain was positive."""

TOLERANCE = 1e-6  # errors this close are the same: some real curves are flat, and one mistake in all runs weighs more


def crps(samples: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score, E|X - y| - E|X - X'| / 2, lower is better.

    The second term divides by m (m - 1), not m squared: the *fair* version, whose expectation does not
    depend on how many samples a method happened to draw. It can therefore be slightly negative.

    Shapes: ``samples`` (..., sample), ``truth`` (...); gives (...).
    """
    ordered = np.sort(samples, axis=-1)
    m = ordered.shape[-1]
    half_spread = (ordered * (2 * np.arange(1, m + 1) - m - 1)).sum(axis=-1) / (m * (m - 1))
    return np.abs(samples - truth[..., None]).mean(axis=-1) - half_spread


def central_interval(samples: np.ndarray, probability: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut the equal-tailed interval out of samples.

    Shapes: ``samples`` (..., sample); gives (...).
    """
    tail = (1 - probability) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=-1)
    return low, high


def interval_score(low: np.ndarray, high: np.ndarray, truth: np.ndarray, probability: float) -> np.ndarray:
    """Width plus 2 / (1 - probability) times the distance by which the truth was missed, lower is better."""
    miss = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return high - low + 2 / (1 - probability) * miss


def add_truth_noise(samples: np.ndarray, truth_se: np.ndarray, seed: int) -> np.ndarray:
    """Turn forecasts of a mean into forecasts of what would be *measured*: the truth's own noise added.

    Shapes: ``samples`` (..., sample), ``truth_se`` (...); gives (..., sample).
    """
    noise = np.random.default_rng(seed).standard_normal(samples.shape)
    return samples + truth_se[..., None] * noise


def score_rows(samples: np.ndarray, truth: np.ndarray, reference: np.ndarray) -> dict[str, np.ndarray]:
    """All scores of each forecast, without any averaging.

    Shapes: ``samples`` (curve, distance, sample), ``truth`` (curve, distance), ``reference`` (curve,); gives (curve,
    distance).
    """
    low, high = central_interval(samples, 0.9)
    low_50, high_50 = central_interval(samples, 0.5)
    inside_90 = (low - TOLERANCE <= truth) & (truth <= high + TOLERANCE)
    inside_50 = (low_50 - TOLERANCE <= truth) & (truth <= high_50 + TOLERANCE)
    now = reference[:, None]
    return {
        names.CRPS: crps(samples, truth),
        names.INTERVAL_SCORE: interval_score(low, high, truth, 0.9),
        names.WIDTH: high - low,
        names.COVERS_50: inside_50.astype(float),
        names.COVERS_90: inside_90.astype(float),
        names.ABSOLUTE_ERROR: np.abs(np.median(samples, axis=-1) - truth),
        names.GAIN: now - truth,
        names.FORECAST_GAIN: now - samples.mean(axis=-1),
        names.P_GAIN: (samples < now[..., None] - TOLERANCE).mean(axis=-1),
        names.GAINED: (truth < now - TOLERANCE).astype(float),
    }


def reliability(forecast: np.ndarray, happened: np.ndarray, weight: np.ndarray | None = None) -> pd.DataFrame:
    """Compare forecast probabilities with how often the event came, bin by bin.

    Shapes: ``forecast`` (n,), ``happened`` (n,), ``weight`` (n,).
    """
    forecast, happened = np.asarray(forecast, float), np.asarray(happened, float)
    weight = np.full(forecast.size, 1 / max(forecast.size, 1)) if weight is None else np.asarray(weight, float)
    edges = np.array(PROBABILITY_BINS)
    index = np.clip(np.searchsorted(edges, forecast, side="right") - 1, 0, len(edges) - 2)
    weighted = {"share": weight, "forecast": weight * forecast, "realised": weight * happened}
    sums = pd.DataFrame(weighted).groupby(index).sum()
    bins = sums.index.to_numpy()
    return pd.DataFrame(
        {
            "low": edges[bins],
            "high": edges[bins + 1],
            "share": sums["share"].to_numpy(),
            "forecast": (sums["forecast"] / sums["share"]).to_numpy(),
            "realised": (sums["realised"] / sums["share"]).to_numpy(),
        }
    )


LEAST = 1e-9  # how near to 0 and 1 a share may come before its odds are taken
POSITIVE = (names.ERROR_REFERENCE, names.HEADROOM, names.BREAK_DISTANCE, names.EARLY_SHARE)
"""Parameters of curves that are stretched in logs."""


def recalibrated(fit: Fit, factor: float) -> Fit:
    """Stretch what is uncertain about each curve about its median.

    The parameters of every curve move, the elasticity in its own unit, positive ones in logs, the floor's share in log
    odds, and the walk off the family's shape is scaled; so the log error at any number of labels, which is nearly
    linear in these, spreads ``factor`` times as far about its median, and what is computed from the fit follows: gains,
    net benefits, probabilities. The group level and the worth of other slices' labels stay as they were fitted.
    """
    if not factor > 0:
        raise ValueError(f"factor must be > 0, got {factor!r}. Fix: give the scorecard's, such as 1.2.")
    if factor == 1.0:
        return fit
    posterior = fit.posterior
    moved = {names.DISCREPANCY: factor * posterior[names.DISCREPANCY]}
    moved[names.CURVE_ELASTICITY] = _stretched(posterior[names.CURVE_ELASTICITY], factor)
    for name in POSITIVE:
        if name in posterior:
            moved[name] = _apply(np.exp, _stretched(_apply(np.log, posterior[name]), factor))
    moved[names.ERROR_REFERENCE] = moved[names.ERROR_REFERENCE].clip(max=float(fit.settings["upper"]))
    share = posterior[names.FLOOR_SHARE].clip(LEAST, 1.0 - LEAST)
    moved[names.FLOOR_SHARE] = _apply(scipy.special.expit, _stretched(_apply(scipy.special.logit, share), factor))
    parameters = posterior.assign(moved)
    tree = fit.tree.copy()
    tree[names.POSTERIOR] = xr.DataTree(parameters)
    tree.attrs = {**tree.attrs, STRETCH: factor * float(tree.attrs.get(STRETCH, 1.0))}
    made = dataclasses.replace(fit, tree=tree)
    tree[names.POSTERIOR] = xr.DataTree(
        parameters.assign(at_now(parameters, fit.position, fit.model, made.walks).data_vars)
    )
    return made


def _apply(function: Callable[[Any], Any], values: xr.DataArray) -> xr.DataArray:
    made: xr.DataArray = xr.apply_ufunc(function, values)
    return made


def _stretched(values: xr.DataArray, factor: float) -> xr.DataArray:
    centre = values.median(names.SAMPLE)
    return (centre + factor * (values - centre)).transpose(*values.dims)
