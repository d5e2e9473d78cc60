"""What all curve families share, written once: the floor, elasticities, and a likelihood of three sources of noise.

Every function here runs on floats, on NumPy arrays, on :class:`xarray.DataArray` posteriors and on PyTensor variables,
so that the model that is fitted and the forecast made from it cannot disagree. The noise is that of evaluation, of
training, and the shape discrepancy (docs/statistics/engine.md).
"""

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from labelvalue import names

HALF_LABEL = 0.5  # stands for a training set without own labels, as in Haldane's correction: no logarithm of 0 is taken


def namespace(*values: Any) -> ModuleType:
    """Return the module whose ``exp`` and ``log1p`` fit the values: PyTensor's or NumPy's."""
    pytensor = sys.modules.get("pytensor")
    if pytensor is not None and any(isinstance(v, pytensor.graph.basic.Variable) for v in values):
        import pytensor.tensor as pt

        return pt
    return np


def positive_part(x: Any) -> Any:
    """Return ``max(0, x)``: for PyTensor by way of ``abs``, whose gradient at 0 is that of neither side."""
    return np.maximum(x, 0.0) if namespace(x) is np else 0.5 * (x + abs(x))


SLIGHT_ELASTICITY = 0.004
"""Elasticity at which the link from an unbounded level bends from the logarithm through 0 to negative values."""


def signed_exp(level: Any) -> Any:
    """Turn an unbounded level into an elasticity: its exponential, mirrored below ``SLIGHT_ELASTICITY`` for rises."""
    xp = namespace(level)
    return xp.exp(level) - SLIGHT_ELASTICITY**2 * xp.exp(-level)


def signed_log(elasticity: Any) -> Any:
    """Turn an elasticity back into its level: the inverse of :func:`signed_exp`."""
    xp = namespace(elasticity)
    return xp.arcsinh(elasticity / (2.0 * SLIGHT_ELASTICITY)) + np.log(SLIGHT_ELASTICITY)


def log_steepness(level: Any) -> Any:
    """Log of how steep a curve is, whichever way it goes: smooth in the level and never minus infinity."""
    xp = namespace(level)
    above = abs(level - np.log(SLIGHT_ELASTICITY))
    return np.log(SLIGHT_ELASTICITY) + above + xp.log1p(xp.exp(-2.0 * above))


def exp(x: Any) -> Any:
    """Exponential of whatever kind of value."""
    return namespace(x).exp(x)


def softplus(x: Any) -> Any:
    """Smooth ``max(0, x)``: ``log(1 + exp(x))`` without overflow."""
    xp = namespace(x)
    return positive_part(x) + xp.log1p(xp.exp(-abs(x)))


def log_boost(x: Any) -> Any:
    """Log of what other slices' labels multiply a slice's own by: ``log1p(x)``, continued with slope 1 below 0."""
    positive = positive_part(x)
    return namespace(x).log1p(positive) + (x - positive)


def log_effective_labels(labels: Any, other_labels: Any, transfer: Any) -> Any:
    """Log of the labels of a slice that its training set amounts to.

    Effective labels are ``labels + transfer · other_labels`` while ``transfer`` is positive. A negative
    ``transfer`` (labels of other slices hurt, as where slices are classes) shrinks them exponentially,
    ``labels · exp(transfer · other_labels / labels)``, which agrees to first order and never turns negative.
    """
    own = 0.5 * (labels + HALF_LABEL + abs(labels - HALF_LABEL))
    return namespace(labels).log(own) + log_boost(transfer * other_labels / own)


def own_share(labels: Any, other_labels: Any, transfer: Any) -> Any:
    """Derivative of log effective labels with respect to log own labels."""
    own = 0.5 * (labels + HALF_LABEL + abs(labels - HALF_LABEL))
    x = transfer * other_labels / own
    positive = positive_part(x)
    return 1.0 - positive / (1.0 + positive) - (x - positive)


HIGHEST = 50.0  # log error ratio beyond which curves are cut off: e^50 times the error at the reference size


def above_floor(log_reducible: Any, floor_share: Any) -> Any:
    """Log of the error relative to the reference, given that of the part above the floor: log(φ + (1 − φ)·exp(x))."""
    xp = namespace(log_reducible, floor_share)
    # Far above the reference error nothing is told apart any more; the exponential must not overflow there.
    if xp is np:
        bounded = np.minimum(log_reducible, HIGHEST)
    else:
        bounded = 0.5 * (log_reducible + HIGHEST - abs(log_reducible - HIGHEST))
    return xp.log1p((1.0 - floor_share) * xp.expm1(bounded))


def scatter_loglikelihood(data: Mapping[Any, Any], variance: Any) -> Any:
    """Log-likelihood of the scatter between the runs of a cell (a Gaussian sum of squares)."""
    one_run = variance * data["runs"]
    term = data["scatter_df"] * namespace(one_run).log(one_run) + data["scatter"] / one_run
    return -0.5 * term * data.get(names.WEIGHT, 1.0)


def discount_loglikelihood(data: Mapping[Any, Any], variance: Any) -> Any:
    """What makes N(r; v / w), with variance over weight, the power N(r; v)ʷ that was meant (Ibrahim and Chen 2000)."""
    return 0.5 * (1.0 - data[names.WEIGHT]) * namespace(variance).log(variance)


def run_variance(data: Mapping[Any, Any], churn: Any, training_sd: Any, training_decay: Any) -> Any:
    """Variance of a cell's mean log error that is not the curve's own, (curve, knot, slot)."""
    sampling = data["sampling_variance"] * _sampled_anew(data, churn)
    decay = training_decay * data["log_total_ratio"]
    training = training_sd**2 * namespace(decay).exp(-decay) / data["runs"]
    return sampling + training + data["rounding"]


def above_log(data: Mapping[Any, Any], churn: Any) -> Any:
    """How far a cell's log error lies above the log of its mean, on average (curve, knot, slot): half its variance."""
    return 0.5 * data["sampling_variance"] * (1.0 - _sampled_anew(data, churn))


def _sampled_anew(data: Mapping[Any, Any], churn: Any) -> Any:
    """Variance of a cell's mean from evaluation sampling, over what it is where every run has a set of its own."""
    return churn + data["set_weight"] * (1.0 - churn)


def integrated_walk(step: np.ndarray, turn: np.ndarray, bend: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn standard normals (..., knots) into a slope that walks at random, and its integral: ``level, slope``."""
    increments = np.sqrt(step) * turn
    slope = np.cumsum(increments, axis=-1)
    # Given its ends, the walk inside a step adds a bridge whose integral has variance step³/12.
    inside = np.sqrt(step**3 / 12.0) * bend
    return np.cumsum(step * (slope - 0.5 * increments) + inside, axis=-1), slope
