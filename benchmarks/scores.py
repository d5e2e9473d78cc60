"""Scores of forecasts over many problems; those of one forecast are labelvalue's own."""

import numpy as np
import pandas as pd

from labelvalue.forecast.backtesting.scores import (
    add_truth_noise,
    central_interval,
    crps,
    interval_score,
    reliability,
    score_rows,
)

__all__ = [
    "add_truth_noise", "central_interval", "crps", "gain_calibration", "interval_score", "mean_over_problems",
    "ratio_interval", "score_rows", "share_better",
]  # fmt: skip


def mean_over_problems(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Means within each problem, then over problems: one with many curves counts no more than another.

    Returns: numeric columns averaged, indexed by ``by``.
    """
    within = rows.groupby([*by, "problem"], sort=False).mean(numeric_only=True)
    return within.groupby(level=by, sort=False).mean()


def gain_calibration(rows: pd.DataFrame) -> pd.DataFrame:
    """Forecast P(gain > 0) against how often the gain was positive, every problem with the same weight."""
    weight = 1 / rows.groupby("problem")["p_gain"].transform("size") / rows["problem"].nunique()
    return reliability(rows["p_gain"].to_numpy(), rows["gained"].to_numpy(), weight.to_numpy())


def share_better(rows: pd.DataFrame, method: str, other: str) -> float:
    """Share of the curves whose CRPS, averaged over distances, is lower with one method than with another.

    Returns: between 0 and 1; a tie counts half; every problem with the same weight.
    """
    by_curve = rows.groupby(["method", "problem", "curve"])["crps"].mean()
    ours, theirs = by_curve.loc[method], by_curve.loc[other]
    better = (ours < theirs) + 0.5 * (ours == theirs)
    return float(better.groupby(level="problem").mean().mean())


def ratio_interval(
    scores: np.ndarray, reference: np.ndarray, probability: float = 0.9, seed: int = 0
) -> tuple[float, float, float]:
    """Ratio of two mean scores and its bootstrap interval over problems, which are resampled in pairs.

    ``scores``, ``reference`` (problem,).
    Returns: ratio, lower and upper end.
    """
    draws = np.random.default_rng(seed).integers(0, len(scores), (4000, len(scores)))
    low, high = central_interval(scores[draws].mean(axis=1) / reference[draws].mean(axis=1), probability)
    return float(scores.mean() / reference.mean()), float(low), float(high)
