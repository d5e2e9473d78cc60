"""The likelihood that every curve family shares: three sources of noise, each with a name.

1. *Evaluation sampling*: known from counts. Runs on one evaluation set share most of it; the share that
   differs between runs is the ``churn``.
2. *Training variation*: how much runs with redrawn training sets differ, shrinking with labels.
3. *Shape discrepancy*: no real curve is exactly of any family. The slope of log error departs from the family's as a
   random walk in doublings of labels that starts at the reference size, with a scale of its own per curve: log error
   departs as the integral of that walk. So the curve's elasticity at the reference size is that of its tangent there,
   and what lies further back says less about it. The walk is Gaussian given its scale and is integrated out
   exactly, by a Kalman filter over knots.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labelvalue import names
from labelvalue.model.curve.families import namespace


def scatter_loglikelihood(data: Mapping[Any, Any], variance: Any) -> Any:
    """Log-likelihood of the scatter between the runs of a cell (a Gaussian sum of squares)."""
    one_run = variance * data["runs"]
    term = data["scatter_df"] * namespace(one_run).log(one_run) + data["scatter"] / one_run
    return -0.5 * term * data.get(names.WEIGHT, 1.0)


def discount_loglikelihood(data: Mapping[Any, Any], variance: Any) -> Any:
    r"""What makes residuals with their variance divided by their weight the power of the likelihood that was meant.

    .. math:: N(r; v)^w = c(w) \, N(r; v / w) \, v^{(1 - w) / 2}

    Conditional on the walk, from which the last factor does not depend, so that it stays outside the filter.

    References
    ----------
    Ibrahim and Chen (2000), "Power prior distributions for regression models", Statistical Science 15.
    """
    return 0.5 * (1.0 - data[names.WEIGHT]) * namespace(variance).log(variance)


def run_variance(data: Mapping[Any, Any], churn: Any, training_sd: Any, training_decay: Any) -> Any:
    """Variance of a cell's mean log error that is not the curve's own.

    Shapes: gives (curve, knot, slot).
    """
    sampling = data["sampling_variance"] * _sampled_anew(data, churn)
    decay = training_decay * data["log_total_ratio"]
    training = training_sd**2 * namespace(decay).exp(-decay) / data["runs"]
    return sampling + training + data["rounding"]


def above_log(data: Mapping[Any, Any], churn: Any) -> Any:
    """How far a cell's log error lies above the log of its mean, on average.

    The log of a mean lies below by half of its variance, which cells are given for answers drawn anew in every run
    (:func:`labelvalue.model.curve.observations.sum_runs`). Runs on one evaluation set share most of theirs.

    Shapes: gives (curve, knot, slot).
    """
    return 0.5 * data["sampling_variance"] * (1.0 - _sampled_anew(data, churn))


def _sampled_anew(data: Mapping[Any, Any], churn: Any) -> Any:
    """Variance of a cell's mean from evaluation sampling, over what it is where every run has a set of its own."""
    return churn + data["set_weight"] * (1.0 - churn)


def integrated_walk(step: np.ndarray, turn: np.ndarray, bend: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn standard normals into a slope that walks at random, and its integral, along the last axis.

    Shapes: ``turn``, ``bend`` (..., knots); gives ``level`` (..., knots), ``slope`` (..., knots).
    """
    increments = np.sqrt(step) * turn
    slope = np.cumsum(increments, axis=-1)
    # Given its ends, the walk inside a step adds a bridge whose integral has variance step³/12.
    inside = np.sqrt(step**3 / 12.0) * bend
    return np.cumsum(step * (slope - 0.5 * increments) + inside, axis=-1), slope
