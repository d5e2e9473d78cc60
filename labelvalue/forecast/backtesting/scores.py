"""Scores of predictive samples (..., sample) against a truth that has noise, and models against each other.

References
----------
Gneiting, Raftery (2007). Strictly proper scoring rules, prediction, and estimation. JASA 102, 359-378.
Ferro (2014). Fair scores for ensemble forecasts. QJRMS 140, 1917-1923.
"""

import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.posterior import at_now
from labelvalue.model.fitting.arviz_tree import pointwise_loglikelihood
from labelvalue.model.fitting.result import STRETCH, Fit, altered
from labelvalue.numerals import TAILS

MOST_STEPS, NEARLY = 2000, 1e-6  # of the search for weights: its steps, and the change of a weight that ends it

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
    import arviz_stats as azs

    _check(fits)
    loos = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto distribution")
        for name, fit in fits.items():
            loos[name] = azs.loo(pointwise_loglikelihood(fit), pointwise=True)
        table = azs.compare(loos, round_to="none")
    each = np.column_stack([np.asarray(loos[name].elpd_i).ravel() for name in table.index])
    ends = np.quantile(weight_draws(each), TAILS, axis=0)
    rows = []
    for place, (name, row) in enumerate(table.iterrows()):
        k = np.asarray(loos[name].pareto_k)
        rows.append(
            {
                "model": name,
                "elpd": row["elpd"],
                "se": row["se"],
                "elpd_difference": row["elpd_diff"],
                "se_difference": row["dse"],
                "p": row["p"],
                "weight": row["weight"],
                "weight_lower": ends[0, place],
                "weight_upper": ends[1, place],
                "worst_k": float(k.max()),
                "bad_cells": float((k > RELIABLE_K).mean()),
                "crps": _held_out(fits[name]),
            }
        )
    return pd.DataFrame(rows)


def weight_draws(elpd: np.ndarray, draws: int = 400) -> np.ndarray:
    """Draw stacking weights (draw, model) of elpd (cell, model), cells counted by random shares (Rubin 1981)."""
    shares = np.random.default_rng(0).dirichlet(np.ones(len(elpd)), draws)
    density = np.exp(elpd - elpd.max(axis=1, keepdims=True))
    weights = np.full((draws, elpd.shape[1]), 1.0 / elpd.shape[1])
    for _ in range(MOST_STEPS):  # expectation and maximisation, whose every step is upwards
        mixed = weights @ density.T
        before, weights = weights, weights * ((shares / mixed) @ density)
        if np.abs(weights - before).max() < NEARLY:
            break
    return weights


def _check(fits: Mapping[str, Fit]) -> None:
    if len(fits) < 2:
        raise ValueError(
            f"a comparison needs at least two fits, got {len(fits)}. Fix: fit another model to the same runs."
        )
    runs = {name: fit.settings["runs_sha256"] for name, fit in fits.items()}
    if len(set(runs.values())) > 1:
        shown = ", ".join(f"{name}: {digest[:8]}" for name, digest in runs.items())
        raise ValueError(f"the fits are of different runs ({shown}). Fix: fit every model to the same runs.")


def _held_out(fit: Fit) -> float:
    if fit.backtest is None:
        return float("nan")
    return float(fit.backtest[names.CRPS].isel({names.FORECASTER: 0}).mean())


def blend(forecasts: Mapping[str, xr.DataArray], weights: Mapping[str, float] | pd.DataFrame) -> xr.DataArray:
    """Mix forecasts of several models: each draw comes from one of them, with the probability of its weight.

    A draw keeps its model for all slices and budgets, so that differences between plans stay paired.

    Parameters
    ----------
    forecasts : mapping of str to xarray.DataArray
        The same forecast from each model, dims chain, draw and others; for example from ``predict_gain``.
    weights : mapping of str to float, or the table of :func:`compare_models`
        Weights ≥ 0 that sum to 1.

    Returns
    -------
    xarray.DataArray
        Same dims; attribute ``weights`` (JSON).

    Raises
    ------
    ValueError
        If names or shapes differ, or the weights are not shares of one.

    References
    ----------
    Yao, Vehtari, Simpson and Gelman (2018), "Using stacking to average Bayesian predictive distributions", Bayesian
    Analysis 13.

    Examples
    --------
    >>> import labelvalue as lv
    >>> gain = lv.predict_gain(lv.testing.fake_fit(seed=1), [500])
    >>> float(blend({"a": gain, "b": gain}, {"a": 0.3, "b": 0.7}).mean() - gain.mean())
    0.0
    """
    if isinstance(weights, pd.DataFrame):
        weights = dict(zip(weights["model"], weights["weight"], strict=True))
    if set(weights) != set(forecasts):
        raise ValueError(
            f"forecasts are of {sorted(forecasts)}, weights of {sorted(weights)}. Fix: give one weight each."
        )
    share = np.array([float(weights[name]) for name in forecasts])
    if (share < 0).any() or abs(share.sum() - 1.0) > 1e-6:
        raise ValueError(f"weights must be ≥ 0 and sum to 1, got {dict(weights)!r}")
    first = next(iter(forecasts.values()))
    if any(f.dims != first.dims or f.shape != first.shape for f in forecasts.values()):
        shapes = {name: dict(f.sizes) for name, f in forecasts.items()}
        raise ValueError(f"forecasts differ in shape: {shapes}. Fix: ask each fit for the same slices and budgets.")
    # Spread evenly over the draws by the golden ratio: shares are met to within a draw or two, whatever the seed.
    count = first.sizes[names.CHAIN] * first.sizes[names.DRAW]
    place = (np.arange(count) * GOLDEN) % 1.0
    chosen = np.searchsorted(np.cumsum(share)[:-1], place, side="right")
    chosen_at = xr.DataArray(chosen.reshape(first.sizes[names.CHAIN], first.sizes[names.DRAW]), dims=names.SAMPLE)
    mixed = first
    for number, forecast in enumerate(forecasts.values()):
        mixed = xr.where(chosen_at == number, forecast.variable, mixed) if number else mixed
    mixed = mixed.transpose(*first.dims).assign_coords(first.coords)
    mixed.attrs = first.attrs | {"weights": json.dumps({name: float(weights[name]) for name in forecasts})}
    return mixed.rename(first.name)


GOLDEN = (5.0**0.5 - 1.0) / 2.0
