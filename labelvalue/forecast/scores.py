"""Scores of predictive samples against a truth that has noise of its own.

All functions take samples along the last axis and know nothing of runs, methods or files.

References
----------
Gneiting, Raftery (2007). Strictly proper scoring rules, prediction, and estimation. JASA 102, 359-378.
Ferro (2014). Fair scores for ensemble forecasts. QJRMS 140, 1917-1923.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from labelvalue import names

PROBABILITY_BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0)
"""Edges of the bins in which forecast P(gain > 0) is compared with how often the gain was positive."""

TOLERANCE = 1e-6
"""Errors this close are the same: some real curves are flat, and one mistake in all runs weighs more."""


def crps(samples: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score, E|X - y| - E|X - X'| / 2, lower is better.

    The second term divides by m (m - 1), not m squared: the *fair* version, whose expectation does not
    depend on how many samples a method happened to draw. It can therefore be slightly negative.

    Parameters
    ----------
    samples : array, shape (..., sample)
        At least two predictive samples.
    truth : array, shape (...)
        What happened.

    Returns
    -------
    array, shape (...)
        In the unit of the samples.

    Examples
    --------
    >>> float(crps(np.array([0.1, 0.3]), np.array(0.2)))
    0.0
    """
    ordered = np.sort(samples, axis=-1)
    m = ordered.shape[-1]
    half_spread = (ordered * (2 * np.arange(1, m + 1) - m - 1)).sum(axis=-1) / (m * (m - 1))
    return np.abs(samples - truth[..., None]).mean(axis=-1) - half_spread


def central_interval(samples: np.ndarray, probability: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut the equal-tailed interval out of samples.

    Parameters
    ----------
    samples : array, shape (..., sample)
        Predictive samples.
    probability : float
        Between 0 and 1.

    Returns
    -------
    tuple of two arrays, shape (...)
        Lower and upper end.

    Examples
    --------
    >>> [round(float(end)) for end in central_interval(np.arange(101.0), 0.9)]
    [5, 95]
    """
    tail = (1 - probability) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=-1)
    return low, high


def interval_score(low: np.ndarray, high: np.ndarray, truth: np.ndarray, probability: float) -> np.ndarray:
    """Width plus 2 / (1 - probability) times the distance by which the truth was missed, lower is better.

    Parameters
    ----------
    low, high : array
        Ends of the interval.
    truth : array
        What happened.
    probability : float
        Of the interval.

    Returns
    -------
    array
        In the unit of the truth.

    Examples
    --------
    >>> interval_score(np.zeros(2), np.ones(2), np.array([0.5, 1.5]), 0.5).tolist()
    [1.0, 3.0]
    """
    miss = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return high - low + 2 / (1 - probability) * miss


def add_truth_noise(samples: np.ndarray, truth_se: np.ndarray, seed: int) -> np.ndarray:
    """Turn forecasts of a mean into forecasts of what would be *measured*: the truth's own noise added.

    Parameters
    ----------
    samples : array, shape (..., sample)
        Forecasts of the mean.
    truth_se : array, shape (...)
        Standard error of the measured mean.
    seed : int
        The same for all methods, so that the noise is the same.

    Returns
    -------
    array, shape (..., sample)
        Forecasts of the measurement.

    Examples
    --------
    >>> add_truth_noise(np.ones((1, 3)), np.zeros(1), seed=1).tolist()
    [[1.0, 1.0, 1.0]]
    """
    noise = np.random.default_rng(seed).standard_normal(samples.shape)
    return samples + truth_se[..., None] * noise


def score_rows(samples: np.ndarray, truth: np.ndarray, reference: np.ndarray) -> dict[str, np.ndarray]:
    """All scores of each forecast, without any averaging.

    Parameters
    ----------
    samples : array, shape (curve, distance, sample)
        Forecast errors, noise of the truth included.
    truth : array, shape (curve, distance)
        Measured mean errors.
    reference : array, shape (curve,)
        Mean error now, from which gains are counted.

    Returns
    -------
    dict of str to array, shape (curve, distance)
        ``crps``, ``interval_score`` and ``width`` (90 %), ``covers_50``, ``covers_90``, ``absolute_error``
        (of the median), ``gain`` and ``forecast_gain`` (of the mean), ``p_gain`` and ``gained``.

    Examples
    --------
    >>> scored = score_rows(np.array([[[0.1, 0.2, 0.3]]]), np.array([[0.2]]), np.array([0.25]))
    >>> float(scored["covers_90"][0, 0]), round(float(scored["gain"][0, 0]), 2)
    (1.0, 0.05)
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

    Parameters
    ----------
    forecast : array, shape (n,)
        Probabilities.
    happened : array, shape (n,)
        1 where the event came, else 0.
    weight : array, shape (n,), optional
        Weights that sum to 1; equal by default.

    Returns
    -------
    pandas.DataFrame
        One row per occupied bin: ``low``, ``high``, ``share`` of the weight, mean ``forecast`` and
        ``realised``.

    Examples
    --------
    >>> reliability(np.array([0.8, 0.8]), np.array([1.0, 0.0]))[["forecast", "realised"]].values.tolist()
    [[0.8, 0.5]]
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
