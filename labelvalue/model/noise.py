"""The arithmetic of noise and of the shape discrepancy, on arrays, DataArrays and tensors alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labelvalue.model.curves import namespace


def run_variance(data: Mapping[Any, Any], churn: Any, training_sd: Any, training_decay: Any) -> Any:
    """Variance of a cell's mean log error that is not the curve's own.

    Parameters
    ----------
    data : mapping of str to tensor or DataArray
        ``sampling_variance``, ``rounding``, ``set_weight``, ``runs`` and ``log_total_ratio``, dims (curve, knot, slot).
    churn : same kinds, scalar
        Share of the evaluation sampling that differs between runs on one evaluation set, in (0, 1).
    training_sd : same kinds, broadcastable over curves
        Standard deviation of log error between training runs at the reference size.
    training_decay : same kinds, scalar
        Power of training-set size by which that variance shrinks.

    Returns
    -------
    same kinds, dims (curve, knot, slot)
        Variance of the mean over the cell's runs.

    Examples
    --------
    >>> data = dict(sampling_variance=1.0, rounding=0.0, set_weight=1.0, runs=2.0, log_total_ratio=0.0)
    >>> float(run_variance(data, 0.5, 0.2, 1.0))
    1.02
    """
    sampling = data["sampling_variance"] * _sampled_anew(data, churn)
    decay = training_decay * data["log_total_ratio"]
    training = training_sd**2 * namespace(decay).exp(-decay) / data["runs"]
    return sampling + training + data["rounding"]


def above_log(data: Mapping[Any, Any], churn: Any) -> Any:
    """How far a cell's log error lies above the log of its mean, on average.

    The log of a mean lies below by half of its variance, which cells are given for answers drawn anew in every run
    (:func:`labelvalue.model.cells.sum_runs`). Runs on one evaluation set share most of theirs.

    Parameters
    ----------
    data : mapping of str to tensor or DataArray
        ``sampling_variance`` and ``set_weight``, dims (curve, knot, slot).
    churn : same kinds, scalar
        Share of the evaluation sampling that differs between runs on one evaluation set, in (0, 1).

    Returns
    -------
    same kinds, dims (curve, knot, slot)
        Log error.

    Examples
    --------
    >>> above_log(dict(sampling_variance=0.1, set_weight=1.0), 0.4)
    0.0
    >>> above_log(dict(sampling_variance=0.1, set_weight=0.0), 0.4)
    0.03
    """
    return 0.5 * data["sampling_variance"] * (1.0 - _sampled_anew(data, churn))


def _sampled_anew(data: Mapping[Any, Any], churn: Any) -> Any:
    """Variance of a cell's mean from evaluation sampling, over what it is where every run has a set of its own."""
    return churn + data["set_weight"] * (1.0 - churn)


def integrated_walk(step: np.ndarray, turn: np.ndarray, bend: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn standard normals into a slope that walks at random, and its integral, along the last axis.

    Parameters
    ----------
    step : array, broadcastable
        Distance from the knot before, in doublings, ≥ 0.
    turn, bend : array, shape (..., knots)
        Standard normals: of the slope's increments, and of what the walk does inside a step.

    Returns
    -------
    level : array, shape (..., knots)
        Integral of the slope; variance d³/3 at distance d.
    slope : array, shape (..., knots)
        Slope, 0 before the first step; variance d.

    Examples
    --------
    >>> level, slope = integrated_walk(np.ones(2), np.array([1.0, 1.0]), np.zeros(2))
    >>> level.tolist(), slope.tolist()
    ([0.5, 2.0], [1.0, 2.0])
    """
    increments = np.sqrt(step) * turn
    slope = np.cumsum(increments, axis=-1)
    # Given its ends, the walk inside a step adds a bridge whose integral has variance step³/12.
    inside = np.sqrt(step**3 / 12.0) * bend
    return np.cumsum(step * (slope - 0.5 * increments) + inside, axis=-1), slope
