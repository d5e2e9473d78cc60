"""How little a forecast expected what was measured: the sign of drift."""

from __future__ import annotations

import numpy as np
import scipy

OUTERMOST = 10
"""Samples so far out that counting them says little."""


def surprise_of(samples: np.ndarray, truth: np.ndarray) -> float:
    """Say how little a forecast expected what was measured.

    Parameters
    ----------
    samples : array, shape (cell, sample)
        Joint forecast: a column is one draw of all cells.
    truth : array, shape (cell,)
        What was measured.

    Returns
    -------
    float
        p-value: twice the smaller of that of the most surprising cell (times their number) and that of the mean log
        error of all cells, which a drift moves.

    Examples
    --------
    >>> samples = np.exp(np.random.default_rng(1).normal(size=(20, 500)))
    >>> surprise_of(samples, np.full(20, 1.0)) > 0.5, surprise_of(samples, np.full(20, 3.0)) < 0.01
    (True, True)
    """
    least = np.finfo(float).tiny
    logs, measured = np.log(np.maximum(samples, least)), np.log(np.maximum(truth, least))
    single = _two_sided(logs, measured)
    together = _two_sided(logs.mean(axis=0)[None], measured.mean()[None])
    return float(min(1.0, 2.0 * min(single.size * single.min(), together.min())))


def _two_sided(samples: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """p-value of each row; beyond the outermost samples from a normal distribution of their mean and spread."""
    below = ((samples < measured[:, None]).sum(axis=1) + 0.5) / (samples.shape[1] + 1.0)
    counted = 2.0 * np.minimum(below, 1.0 - below)
    spread = np.maximum(samples.std(axis=1), np.finfo(float).tiny)
    normal = 2.0 * scipy.special.ndtr(-np.abs(measured - samples.mean(axis=1)) / spread)
    return np.where(counted < OUTERMOST / samples.shape[1], np.minimum(normal, counted), counted)
