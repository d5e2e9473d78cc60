"""Models against each other on the same runs, and their forecasts blended."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.fitting.arviz_tree import pointwise_loglikelihood
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import TAILS

MOST_STEPS, NEARLY = 2000, 1e-6  # of the search for weights: its steps, and the change of a weight that ends it
RELIABLE_K = 0.7  # Pareto k above which leave-one-out of a cell is not to be relied on


def compare_models(fits: Mapping[str, Fit]) -> pd.DataFrame:
    """Compare fits of several models to the same runs, by leave-one-out and by held-out sizes.

    Leave-one-out (PSIS-LOO) asks how well a cell is predicted from the other sizes of its curve, which is mostly
    interpolation; the backtest that a fit carries asks how well larger sizes are forecast. The weights are those of
    stacking on leave-one-out.

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
    """Draw stacking weights: those that are best where cells count by random shares instead of alike (Rubin 1981).

    Shapes: elpd (cell, model), the log predictive density of each cell left out; result (draw, model).
    """
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
    >>> from labelvalue import predict_gain
    >>> from labelvalue.testing import fake_fit
    >>> gain = predict_gain(fake_fit(seed=1), [500])
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
