"""A forecast problem: some runs observed, some mean errors to be forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

DOUBLINGS = (1, 2, 3)
"""Distances forecast, in doublings of the largest observed number of labels: 2x, 4x and 8x."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What a method may see, and what it is judged by.

    Attributes
    ----------
    name : str
        Identifies the problem in caches and tables.
    runs : pandas.DataFrame
        Observed runs in labelvalue's format: ``slice``, ``learner``, ``labels``, ``replicate``,
        ``evaluation_set``, ``errors``, ``trials``; one row per run.
    curves : tuple of (str, str)
        The (slice, learner) pairs to forecast; they name the first axis of all arrays below.
    now : numpy.ndarray
        Largest observed labels, shape (curve,).
    targets : numpy.ndarray
        Labels to forecast at, shape (curve, distance).
    error_now : numpy.ndarray
        Mean observed error at ``now``, shape (curve,): the reference from which gains are counted.
    truth : numpy.ndarray
        Mean error over all replicates at the targets, shape (curve, distance).
    truth_se : numpy.ndarray
        Standard error of ``truth`` given its evaluation sets, same shape; see `mean_errors`.
    """

    name: str
    runs: pd.DataFrame
    curves: tuple[tuple[str, str], ...]
    now: np.ndarray
    targets: np.ndarray
    error_now: np.ndarray
    truth: np.ndarray
    truth_se: np.ndarray

    def curve_runs(self) -> list[pd.DataFrame]:
        """Observed runs of each curve, in the order of ``curves``."""
        groups = dict(list(self.runs.groupby(["slice", "learner"], observed=True, sort=False)))
        return [groups[curve] for curve in self.curves]


def mean_errors(error: pd.Series, evaluation_set: pd.Series, keys: list[pd.Series]) -> pd.DataFrame:
    """Mean error of the runs within each key, with the standard error due to training.

    Truth and observed runs share their evaluation sets, so the sampling noise of those sets is common to
    both and is no part of what a forecast can miss. What remains is variation between training runs on one
    evaluation set: its pooled variance within sets, divided by the number of runs; where no set has two
    runs, the variance between sets divided by their number stands in.

    Parameters
    ----------
    error : pandas.Series
        Error of each run, in [0, 1].
    evaluation_set : pandas.Series
        Evaluation set of each run.
    keys : list of pandas.Series
        What identifies a mean.

    Returns
    -------
    pandas.DataFrame
        Columns ``mean``, ``se`` (NaN for a single run), ``n_runs`` and ``n_sets``, indexed by the keys.
    """
    table = error.groupby(keys, observed=True).agg(mean="mean", n_runs="size")
    per_set = error.groupby([*keys, evaluation_set], observed=True).agg(["size", "mean", "var"])
    per_set["squares"] = per_set["var"] * (per_set["size"] - 1)
    sets = per_set.groupby(level=list(range(len(keys))), observed=True)
    table["n_sets"] = sets.size()
    within = sets["squares"].sum(min_count=1) / (table["n_runs"] - table["n_sets"]) / table["n_runs"]
    between = sets["mean"].var() / table["n_sets"]
    table["se"] = np.sqrt(within.fillna(between))
    return table
