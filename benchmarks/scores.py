"""Scores of predictive samples against a truth that has noise of its own.

All functions take samples along the last axis and know nothing of problems, files or methods.

References
----------
Gneiting, Raftery (2007). Strictly proper scoring rules, prediction, and estimation. JASA 102, 359-378.
Ferro (2014). Fair scores for ensemble forecasts. QJRMS 140, 1917-1923.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

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
    """Lower and upper end of the equal-tailed interval, each of shape (...)."""
    tail = (1 - probability) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=-1)
    return low, high


def interval_score(low: np.ndarray, high: np.ndarray, truth: np.ndarray, probability: float) -> np.ndarray:
    """Width plus 2 / (1 - probability) times the distance by which the truth was missed, lower is better."""
    miss = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return high - low + 2 / (1 - probability) * miss


def add_truth_noise(samples: np.ndarray, truth_se: np.ndarray, seed: int) -> np.ndarray:
    """Samples of what would be *measured*: the forecast plus the truth's own noise, alike for all methods."""
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
    """
    low, high = central_interval(samples, 0.9)
    low_50, high_50 = central_interval(samples, 0.5)
    inside_90 = (low - TOLERANCE <= truth) & (truth <= high + TOLERANCE)
    inside_50 = (low_50 - TOLERANCE <= truth) & (truth <= high_50 + TOLERANCE)
    now = reference[:, None]
    return {
        "crps": crps(samples, truth),
        "interval_score": interval_score(low, high, truth, 0.9),
        "width": high - low,
        "covers_50": inside_50.astype(float),
        "covers_90": inside_90.astype(float),
        "absolute_error": np.abs(np.median(samples, axis=-1) - truth),
        "gain": now - truth,
        "forecast_gain": now - samples.mean(axis=-1),
        "p_gain": (samples < now[..., None] - TOLERANCE).mean(axis=-1),
        "gained": (truth < now - TOLERANCE).astype(float),
    }


def mean_over_problems(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Means within each problem, then over problems: one with many curves counts no more than another.

    Parameters
    ----------
    rows : pandas.DataFrame
        One row per forecast, with a column ``problem``.
    by : list of str
        Columns that identify a row of the result.

    Returns
    -------
    pandas.DataFrame
        Numeric columns averaged, indexed by ``by``.
    """
    within = rows.groupby([*by, "problem"], sort=False).mean(numeric_only=True)
    return within.groupby(level=by, sort=False).mean()


def gain_calibration(rows: pd.DataFrame) -> pd.DataFrame:
    """Forecast P(gain > 0) against how often the gain was positive, every problem with the same weight.

    Parameters
    ----------
    rows : pandas.DataFrame
        One row per forecast of one method, with columns ``problem``, ``p_gain`` and ``gained``.

    Returns
    -------
    pandas.DataFrame
        One row per occupied bin: ``low``, ``high``, ``share`` of the weight, mean ``forecast`` and
        ``realised``.
    """
    weight = 1 / rows.groupby("problem")["p_gain"].transform("size") / rows["problem"].nunique()
    edges = np.array(PROBABILITY_BINS)
    index = np.clip(np.searchsorted(edges, rows["p_gain"], side="right") - 1, 0, len(edges) - 2)
    sums = (
        pd.DataFrame({"share": weight, "forecast": weight * rows["p_gain"], "realised": weight * rows["gained"]})
        .groupby(index)
        .sum()
    )
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


def ratio_interval(
    scores: np.ndarray, reference: np.ndarray, probability: float = 0.9, seed: int = 0
) -> tuple[float, float, float]:
    """Ratio of two mean scores and its bootstrap interval over problems, which are resampled in pairs.

    Parameters
    ----------
    scores, reference : array, shape (problem,)
        Score of each problem by the method and by the peer it is compared with.
    probability : float
        Of the equal-tailed interval.
    seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of float
        Ratio, lower and upper end.
    """
    draws = np.random.default_rng(seed).integers(0, len(scores), (4000, len(scores)))
    low, high = central_interval(scores[draws].mean(axis=1) / reference[draws].mean(axis=1), probability)
    return float(scores.mean() / reference.mean()), float(low), float(high)
