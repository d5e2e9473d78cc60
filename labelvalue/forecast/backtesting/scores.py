"""Scores of predictive samples (..., sample) against a truth that has noise, and models against each other.

References
----------
Gneiting, Raftery (2007). Strictly proper scoring rules, prediction, and estimation. JASA 102, 359-378.
Ferro (2014). Fair scores for ensemble forecasts. QJRMS 140, 1917-1923.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.posterior import at_now
from labelvalue.model.fitting.derived import ENDS, WEIGHT, stacked
from labelvalue.model.fitting.result import STRETCH, Fit, altered

PROBABILITY_BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0)
"""Edges of the bins in which forecast P(gain > 0) is compared with how often the gain was positive."""

TOLERANCE = 1e-6  # errors this close are the same: some real curves are flat, and one mistake in all runs weighs more


def crps(samples: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Fair continuous ranked probability score, E|X - y| - E|X - X'| / 2, lower is better; it may be slightly negative.

    Shapes: ``samples`` (..., sample), ``truth`` (...); gives (...).
    """
    ordered = np.sort(samples, axis=-1)
    m = ordered.shape[-1]
    half_spread = (ordered * (2 * np.arange(1, m + 1) - m - 1)).sum(axis=-1) / (m * (m - 1))
    return np.abs(samples - truth[..., None]).mean(axis=-1) - half_spread


def central_interval(samples: np.ndarray, probability: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut the equal-tailed interval (...) out of samples (..., sample)."""
    tail = (1 - probability) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=-1)
    return low, high


def interval_score(low: np.ndarray, high: np.ndarray, truth: np.ndarray, probability: float) -> np.ndarray:
    """Width plus 2 / (1 - probability) times the distance by which the truth was missed, lower is better."""
    miss = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return high - low + 2 / (1 - probability) * miss


def add_truth_noise(samples: np.ndarray, truth_se: np.ndarray, seed: int) -> np.ndarray:
    """Add the truth's own noise to forecasts of a mean (..., sample); ``truth_se`` (...)."""
    noise = np.random.default_rng(seed).standard_normal(samples.shape)
    return samples + truth_se[..., None] * noise


def score_rows(samples: np.ndarray, truth: np.ndarray, reference: np.ndarray) -> dict[str, np.ndarray]:
    """All scores (curve, distance) of ``samples`` (curve, distance, sample) against ``truth`` and ``reference``."""
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
    """Compare forecast probabilities (n,) with how often the event came, bin by bin."""
    forecast, happened = np.asarray(forecast, float), np.asarray(happened, float)
    weight = np.full(forecast.size, 1 / max(forecast.size, 1)) if weight is None else np.asarray(weight, float)
    edges = np.array(PROBABILITY_BINS)
    index = np.clip(np.searchsorted(edges, forecast, side="right") - 1, 0, len(edges) - 2)
    weighted = {"share": weight, "forecast": weight * forecast, "realised": weight * happened}
    sums = pd.DataFrame(weighted).groupby(index).sum()
    means = sums[["forecast", "realised"]].div(sums["share"], axis=0)
    ends = pd.DataFrame({"low": edges[sums.index], "high": edges[sums.index + 1]}, index=sums.index)
    return pd.concat([ends, sums["share"], means], axis=1).reset_index(drop=True)


LEAST = 1e-9  # how near to 0 and 1 a share may come before its odds are taken
POSITIVE = (names.ERROR_REFERENCE, names.HEADROOM, names.BREAK_DISTANCE, names.EARLY_SHARE)
"""Parameters of curves that are stretched in logs."""


def recalibrated(fit: Fit, factor: float) -> Fit:
    """Stretch each curve's log error about its median by ``factor``, walks included; the group stays as fitted."""
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
    made = altered(fit, {names.POSTERIOR: parameters}, **{STRETCH: factor * float(fit.tree.attrs.get(STRETCH, 1.0))})
    now = at_now(parameters, fit.position, fit.model, made.walks).data_vars
    return altered(made, {names.POSTERIOR: parameters.assign(now)})


def _apply(function: Callable[[Any], Any], values: xr.DataArray) -> xr.DataArray:
    made: xr.DataArray = xr.apply_ufunc(function, values)
    return made


def _stretched(values: xr.DataArray, factor: float) -> xr.DataArray:
    centre = values.median(names.SAMPLE)
    return (centre + factor * (values - centre)).transpose(*values.dims)


RELIABLE_K = 0.7  # Pareto k above which leave-one-out of a cell is not to be relied on


def compare_models(fits: Mapping[str, Fit]) -> pd.DataFrame:
    """Compare fits of several models to the same runs, by leave-one-out and by held-out sizes.

    Leave-one-out (PSIS-LOO) is mostly interpolation between sizes of a curve; the backtest that a fit carries asks how
    well larger sizes are forecast. The weights are those of stacking on leave-one-out.

    Parameters
    ----------
    fits : mapping of str to Fit
        At least two, of the same runs.

    Returns
    -------
    pandas.DataFrame
        One row a model, best first: ``model``, ``elpd`` (expected log predictive density of all cells, higher is
        better), ``se``, ``elpd_difference`` and ``se_difference`` (to the best), ``p`` (effective parameters),
        ``weight`` (they sum to 1) with ``weight_lower`` and ``weight_upper``, the ends of its 90 % interval under a
        Bayesian bootstrap of the cells, ``worst_k`` (largest Pareto k), ``bad_cells`` (share of cells with k above
        0.7), ``crps`` (mean over held-out sizes; NaN where a fit carries no backtest).

    Raises
    ------
    ValueError
        If there are fewer than two fits, or they are of other runs.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), "Practical Bayesian model evaluation using leave-one-out cross-validation and
    WAIC", Statistics and Computing 27; Yao, Vehtari, Simpson and Gelman (2018), "Using stacking to average Bayesian
    predictive distributions", Bayesian Analysis 13; Rubin (1981), "The Bayesian bootstrap", Annals of Statistics 9, for
    the interval of a weight.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> compare_models({"one": fit, "other": fit})["weight"].sum().round(6)
    np.float64(1.0)
    """
    table, loos = stacked(fits)
    rows = []
    for name, row in zip(map(str, table.index), table.to_dict("records"), strict=True):
        k = np.asarray(loos[name].pareto_k)
        rows.append(
            {
                "model": name,
                "elpd": row["elpd"],
                "se": row["se"],
                "elpd_difference": row["elpd_diff"],
                "se_difference": row["dse"],
                "p": row["p"],
                **{key: row[key] for key in (WEIGHT, *ENDS)},
                "worst_k": float(k.max()),
                "bad_cells": float((k > RELIABLE_K).mean()),
                "crps": _held_out(fits[name]),
            }
        )
    return pd.DataFrame(rows)


def _held_out(fit: Fit) -> float:
    if fit.backtest is None:
        return float("nan")
    return float(fit.backtest[names.CRPS].isel({names.FORECASTER: 0}).mean())
