"""The filter that integrates a random walk of the slope out, and its gradient, in a few loops.

The same lines run in two ways: NumPy gives them arrays whose last axis is the curve, and each line works on all curves
(:mod:`labelvalue.model.walk_operation`); numba gives them one curve at a time, and each line works on floats
(:mod:`labelvalue.model.walk_numba`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

LOG_2_PI = 1.8378770664093453
MISMATCH = (
    "residual, variance and used must have one shape (curve, knot, slot); distance (curve, knot), slope_sd (curve)"
)

WEIGHT, PULL, SQUARE = 0, 1, 2
"""Rows of ``sums``, what a knot's cells amount to: total precision, and residuals and their squares by precision."""

LEVEL, LEVEL_VAR, SHARED_VAR, INNOVATION = 0, 1, 2, 3
"""Rows of ``states``, what the walk is thought to be at a knot before its cells are seen."""


def gather(residual: Any, variance: Any, used: Any, sums: Any) -> Any:
    """Collect the cells of each knot in information form.

    Parameters
    ----------
    residual, variance, used : array, shape (knot, slot) or (knot, slot, curve)
        As in :func:`labelvalue.model.likelihood.walk_loglikelihood`.
    sums : array, shape (3, knot) or (3, knot, curve)
        Written: ``WEIGHT``, ``PULL`` and ``SQUARE``.

    Returns
    -------
    float or array
        Log-likelihood of the cells but for their misfit.

    Examples
    --------
    >>> sums, one = np.empty((3, 1)), np.ones((1, 1))
    >>> float(round(gather(0.5 * one, 0.25 * one, one, sums), 4)), sums[:, 0].tolist()
    (-0.2258, [4.0, 2.0, 1.0])
    """
    sums[:] = 0.0
    loglikelihood = 0.0 * used[0, 0]
    for knot in range(residual.shape[0]):
        for slot in range(residual.shape[1]):
            here, seen = residual[knot, slot], used[knot, slot]
            precision = seen / variance[knot, slot]
            sums[WEIGHT, knot] += precision
            sums[PULL, knot] += precision * here
            sums[SQUARE, knot] += precision * here * here
            loglikelihood = loglikelihood + 0.5 * seen * (np.log(precision + (1.0 - seen)) - LOG_2_PI)
    return loglikelihood


def forward(sums: Any, distance: Any, rate: Any, states: Any) -> Any:
    """Run the Kalman filter from the nearest knot to the farthest.

    Parameters
    ----------
    sums : array, shape (3, knot) or (3, knot, curve)
        From :func:`gather`.
    distance : array, shape (knot) or (knot, curve)
        Doublings below the reference size, increasing.
    rate : float or array, shape (curve)
        Variance that the slope gains over one doubling.
    states : array, shape (4, knot) or (4, knot, curve)
        Written, for :func:`backward`.

    Returns
    -------
    float or array
        Log-likelihood of the misfits.

    Examples
    --------
    >>> sums, states = np.array([[4.0], [2.0], [1.0]]), np.empty((4, 1))
    >>> float(forward(sums, np.zeros(1), 1.0, states)), states[:, 0].tolist()
    (-0.5, [0.0, 0.0, 0.0, 2.0])
    """
    loglikelihood = 0.0 * rate
    level, slope, before = 0.0 * rate, 0.0 * rate, 0.0 * rate
    level_var, shared_var, slope_var = 0.0 * rate, 0.0 * rate, 0.0 * rate
    for knot in range(distance.shape[0]):
        step, before = distance[knot] - before, distance[knot]
        level = level + step * slope
        level_var = level_var + step * (2.0 * shared_var + step * (slope_var + rate * step / 3.0))
        shared_var = shared_var + step * (slope_var + rate * step / 2.0)
        slope_var = slope_var + rate * step
        weight, pull = sums[WEIGHT, knot], sums[PULL, knot]
        innovation = pull - level * weight
        states[LEVEL, knot], states[LEVEL_VAR, knot] = level, level_var
        states[SHARED_VAR, knot], states[INNOVATION, knot] = shared_var, innovation
        total = 1.0 + level_var * weight
        surprise = innovation / total
        misfit = sums[SQUARE, knot] - level * (pull + innovation) - level_var * innovation * surprise
        loglikelihood = loglikelihood - 0.5 * (np.log(total) + misfit)
        level, slope = level + level_var * surprise, slope + shared_var * surprise
        slope_var = slope_var - shared_var * shared_var * weight / total
        level_var, shared_var = level_var / total, shared_var / total
    return loglikelihood


def backward(sums: Any, distance: Any, rate: Any, states: Any) -> Any:
    """Run :func:`forward` in reverse, from the derivative of the log-likelihood to those of what went in.

    Parameters
    ----------
    sums : array, shape (3, knot) or (3, knot, curve)
        Those given to :func:`forward`; overwritten with the derivatives by ``WEIGHT`` and ``PULL``. That by
        ``SQUARE`` is −½.
    distance : array, shape (knot) or (knot, curve)
        As in :func:`forward`.
    rate : float or array, shape (curve)
        As in :func:`forward`.
    states : array, shape (4, knot) or (4, knot, curve)
        Left by :func:`forward`.

    Returns
    -------
    float or array
        Derivative by ``rate``.

    Examples
    --------
    >>> sums, states = np.array([[4.0], [2.0], [1.0]]), np.empty((4, 1))
    >>> _ = forward(sums, np.ones(1), 1.0, states)
    >>> float(round(backward(sums, np.ones(1), 1.0, states), 4)), sums[:2, 0].round(4).tolist()
    (-0.1633, [-0.1122, 0.2857])
    """
    to_level, to_slope, to_rate = 0.0 * rate, 0.0 * rate, 0.0 * rate
    to_level_var, to_shared_var, to_slope_var = 0.0 * rate, 0.0 * rate, 0.0 * rate
    for back in range(distance.shape[0]):
        knot = distance.shape[0] - 1 - back
        weight = sums[WEIGHT, knot]
        level, level_var = states[LEVEL, knot], states[LEVEL_VAR, knot]
        shared_var, innovation = states[SHARED_VAR, knot], states[INNOVATION, knot]
        total = 1.0 + level_var * weight
        surprise = innovation / total
        share = shared_var / total
        # Through what the knot's cells taught: the states after them, and their misfit.
        to_surprise = to_level * level_var + to_slope * shared_var + 0.5 * level_var * innovation
        to_innovation = 0.5 * level_var * surprise + to_surprise / total
        to_total = (
            to_slope_var * share * share * weight
            - (0.5 + to_surprise * surprise + (to_level_var * level_var + to_shared_var * shared_var) / total) / total
        )
        to_level_var = to_level * surprise + to_level_var / total + 0.5 * innovation * surprise + to_total * weight
        to_shared_var = to_slope * surprise + to_shared_var / total - 2.0 * to_slope_var * share * weight
        to_level = to_level + innovation - to_innovation * weight
        sums[WEIGHT, knot] = (
            to_total * level_var - level * (0.5 * level + to_innovation) - to_slope_var * share * shared_var
        )
        sums[PULL, knot] = level + to_innovation
        # Through the step to the knot.
        step = distance[knot] - (distance[knot - 1] if knot > 0 else 0.0 * distance[knot])
        to_rate = to_rate + step * (to_slope_var + step * (to_shared_var / 2.0 + to_level_var * step / 3.0))
        to_slope = to_slope + step * to_level
        to_slope_var = to_slope_var + step * (to_shared_var + step * to_level_var)
        to_shared_var = to_shared_var + 2.0 * step * to_level_var
    return to_rate


def distribute(residual: Any, variance: Any, used: Any, sums: Any, to_residual: Any, to_variance: Any) -> None:
    """Hand the derivatives of the knots on to their cells: :func:`gather` in reverse.

    Parameters
    ----------
    residual, variance, used : array, shape (knot, slot) or (knot, slot, curve)
        Those given to :func:`gather`.
    sums : array, shape (3, knot) or (3, knot, curve)
        Left by :func:`backward`.
    to_residual, to_variance : array, shape of ``residual``
        Written: derivatives of the log-likelihood.

    Examples
    --------
    >>> sums, one, out = np.zeros((3, 1)), np.ones((1, 1)), np.empty((2, 1, 1))
    >>> distribute(one, 0.25 * one, one, sums, out[0], out[1])
    >>> out.ravel().tolist()
    [-4.0, 6.0]
    """
    for knot in range(residual.shape[0]):
        to_weight, to_pull = sums[WEIGHT, knot], sums[PULL, knot]
        for slot in range(residual.shape[1]):
            here, seen = residual[knot, slot], used[knot, slot]
            precision = seen / variance[knot, slot]
            to_precision = to_weight + here * (to_pull - 0.5 * here)
            to_residual[knot, slot] = precision * (to_pull - here)
            to_variance[knot, slot] = -(precision * to_precision + 0.5 * seen) / variance[knot, slot]


def walk(
    residual: Any, variance: Any, used: Any, distance: Any, slope_sd: Any, to_residual: Any, to_variance: Any,
    sums: Any, states: Any,
) -> Any:  # fmt: skip
    """Log-likelihood around a slope that walks at random, and its derivatives.

    Parameters
    ----------
    residual, variance, used : array, shape (knot, slot) or (knot, slot, curve)
        As in :func:`labelvalue.model.likelihood.walk_loglikelihood`.
    distance : array, shape (knot) or (knot, curve)
        Doublings below the reference size, increasing.
    slope_sd : float or array, shape (curve)
        Standard deviation that the slope gains over one doubling.
    to_residual, to_variance : array, shape of ``residual``
        Written: derivatives of the log-likelihood.
    sums, states : array, shape (3, knot) and (4, knot), or with curves last
        Room to work in.

    Returns
    -------
    tuple of float or array
        Log-likelihood, and its derivative by ``slope_sd``.

    Examples
    --------
    >>> one, out, room = np.ones((1, 1)), np.empty((2, 1, 1)), np.empty((7, 1))
    >>> loglikelihood, to_slope_sd = walk(one, one, one, np.zeros(1), 1.0, out[0], out[1], room[:3], room[3:])
    >>> float(round(loglikelihood, 4)), float(to_slope_sd), out.ravel().tolist()
    (-1.4189, 0.0, [-1.0, -0.0])
    """
    rate = slope_sd * slope_sd
    loglikelihood = gather(residual, variance, used, sums) + forward(sums, distance, rate, states)
    to_rate = backward(sums, distance, rate, states)
    distribute(residual, variance, used, sums, to_residual, to_variance)
    return loglikelihood, 2.0 * slope_sd * to_rate


def mismatched(residual: Any, variance: Any, used: Any, distance: Any, slope_sd: Any) -> bool:
    """Whether arrays do not go together; compiled loops would run beyond them.

    Parameters
    ----------
    residual, variance, used : array, shape (curve, knot, slot)
        Should be of one shape.
    distance : array, shape (curve, knot)
        Should have the curves and knots of ``residual``.
    slope_sd : array, shape (curve)
        Should have its curves.

    Returns
    -------
    bool
        True where any shape is another.

    Examples
    --------
    >>> one = np.ones((2, 1, 1))
    >>> mismatched(one, one, one, one[:, :, 0], np.ones(2)), mismatched(one, one, one, one[:, :, 0], np.ones(3))
    (False, True)
    """
    cells = residual.shape == variance.shape and residual.shape == used.shape
    return not (cells and residual.shape[:2] == distance.shape and residual.shape[:1] == slope_sd.shape)
