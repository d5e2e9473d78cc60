"""The filter that integrates a random walk of the slope out of one curve's cells, and its gradient, in two loops.

Plain Python on floats and arrays, which numba compiles (:mod:`labelvalue.model.curve_numba`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

LOG_2_PI = 1.8378770664093453

LEAST, MOST = 1e-150, 1e150
"""Within these, variances are multiplied, and one logarithm is taken of them all."""

ROOM = 5
"""Rows of ``states``: what the backward loop needs of each cell from the forward one."""


def forward(residual: Any, variance: Any, distance: Any, rate: float, states: Any) -> float:
    """Run the Kalman filter from the nearest cell to the farthest.

    Parameters
    ----------
    residual, variance : array, shape (cells)
        Observed minus expected log error, and the variance of its noise.
    distance : array, shape (cells)
        Doublings below the reference size, not decreasing.
    rate : float
        Variance that the slope gains over one doubling.
    states : array, shape (5, cells)
        Written, for :func:`backward`: of each cell the surprise and the precision of its prediction, and the variance
        of the walk's level, its covariance with the slope and the step from the cell before.

    Returns
    -------
    float
        Log-likelihood.

    Examples
    --------
    >>> one, states = np.ones(1), np.empty((5, 1))
    >>> round(float(forward(one, one, 0 * one, 1.0, states)), 4), states[:, 0].tolist()
    (-1.4189, [1.0, 1.0, 0.0, 0.0, 0.0])
    """
    level = slope = level_var = shared_var = slope_var = before = misfit = logs = 0.0
    product = 1.0
    for cell in range(residual.shape[0]):
        step = distance[cell] - before
        before = distance[cell]
        level += step * slope
        level_var += step * (2.0 * shared_var + step * (slope_var + rate * step / 3.0))
        shared_var += step * (slope_var + rate * step / 2.0)
        slope_var += rate * step
        total = level_var + variance[cell]
        precision = 1.0 / total
        miss = residual[cell] - level
        surprise = miss * precision
        misfit += miss * surprise
        product *= total
        if not LEAST < product < MOST:
            logs += np.log(product)
            product = 1.0
        states[0, cell], states[1, cell] = surprise, precision
        states[2, cell], states[3, cell], states[4, cell] = level_var, shared_var, step
        level += level_var * surprise
        slope += shared_var * surprise
        slope_var -= shared_var * shared_var * precision
        kept = variance[cell] * precision
        level_var, shared_var = level_var * kept, shared_var * kept
    return -0.5 * (misfit + logs + np.log(product) + residual.shape[0] * LOG_2_PI)


def backward(states: Any, rate: float, to_residual: Any, to_variance: Any) -> float:
    """Run :func:`forward` in reverse, from the derivative of the log-likelihood to those of what went in.

    Parameters
    ----------
    states : array, shape (5, cells)
        Left by :func:`forward`.
    rate : float
        As in :func:`forward`.
    to_residual, to_variance : array, shape (cells)
        Written: derivatives of the log-likelihood.

    Returns
    -------
    float
        Derivative by ``rate``.

    Examples
    --------
    >>> one, states, to = np.ones(1), np.empty((5, 1)), np.empty((2, 1))
    >>> _ = forward(one, one, one, 1.0, states)
    >>> round(float(backward(states, 1.0, to[0], to[1])), 4), to[:, 0].round(4).tolist()
    (-0.0312, [-0.75, -0.0938])
    """
    to_level = to_slope = to_level_var = to_shared_var = to_slope_var = to_rate = 0.0
    cells = to_residual.shape[0]
    for back in range(cells):
        cell = cells - 1 - back
        surprise, precision = states[0, cell], states[1, cell]
        level_var, shared_var, step = states[2, cell], states[3, cell], states[4, cell]
        gain, share = level_var * precision, shared_var * precision
        # Through what the cell taught: the states after it, and its misfit.
        to_surprise = to_level * level_var + to_slope * shared_var
        to_miss = to_surprise * precision - surprise
        to_total = (
            0.5 * (surprise * surprise - precision)
            - to_surprise * surprise * precision
            + gain * (to_level_var * gain + to_shared_var * share)
            + to_slope_var * share * share
        )
        to_residual[cell], to_variance[cell] = to_miss, to_total
        to_level_var = to_total + to_level * surprise + to_level_var * (1.0 - 2.0 * gain) - to_shared_var * share
        to_shared_var = to_slope * surprise + to_shared_var * (1.0 - gain) - 2.0 * to_slope_var * share
        to_level = to_level - to_miss
        # Through the step to the cell.
        to_rate += step * (to_slope_var + step * (to_shared_var / 2.0 + to_level_var * step / 3.0))
        to_slope += step * to_level
        to_slope_var += step * (to_shared_var + step * to_level_var)
        to_shared_var += 2.0 * step * to_level_var
    return to_rate


def walk(residual: Any, variance: Any, distance: Any, slope_sd: float, states: Any) -> tuple[float, float]:
    """Log-likelihood of a curve's cells around a slope that walks at random, and its derivatives.

    Parameters
    ----------
    residual, variance : array, shape (cells)
        As in :func:`forward`; overwritten with the derivatives of the log-likelihood.
    distance : array, shape (cells)
        Doublings below the reference size, not decreasing.
    slope_sd : float
        Standard deviation that the slope gains over one doubling.
    states : array, shape (5, cells)
        Room to work in.

    Returns
    -------
    tuple of float
        Log-likelihood, and its derivative by ``slope_sd``.

    Examples
    --------
    >>> one = np.ones((2, 1))
    >>> loglikelihood, to_slope_sd = walk(one[0], one[1], np.zeros(1), 1.0, np.empty((5, 1)))
    >>> round(float(loglikelihood), 4), float(to_slope_sd), one.ravel().tolist()
    (-1.4189, 0.0, [-1.0, 0.0])
    """
    rate = slope_sd * slope_sd
    loglikelihood = forward(residual, variance, distance, rate, states)
    return loglikelihood, 2.0 * slope_sd * backward(states, rate, residual, variance)
