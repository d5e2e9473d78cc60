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

from typing import TYPE_CHECKING, Any

import pytensor.tensor as pt

if TYPE_CHECKING:
    from collections.abc import Mapping

LOG_2_PI = 1.8378770664093453


def scatter_loglikelihood(data: Mapping[str, Any], variance: Any) -> Any:
    """Log-likelihood of the scatter between the runs of each cell (Gaussian sums of squares).

    Parameters
    ----------
    data : mapping of str to tensor
        ``scatter``, ``scatter_df``, ``runs``, dims (curve, knot, slot).
    variance : tensor, dims (curve, knot, slot)
        Variance of the cell's mean.

    Returns
    -------
    tensor, scalar
        Sum over cells.

    Examples
    --------
    >>> import numpy as np
    >>> data = dict(scatter=np.full((1, 1, 1), 2.0), scatter_df=np.ones((1, 1, 1)), runs=np.ones((1, 1, 1)))
    >>> float(scatter_loglikelihood(data, np.ones((1, 1, 1))).eval())
    -1.0
    """
    one_run = variance * data["runs"]
    return -0.5 * pt.sum(data["scatter_df"] * pt.log(one_run) + data["scatter"] / one_run)


def walk_loglikelihood(residual: Any, variance: Any, used: Any, distance: Any, slope_sd: Any, knots: int) -> Any:
    """Log-likelihood of residuals around a curve whose slope walks at random, the walk integrated out.

    Parameters
    ----------
    residual : tensor, dims (curve, knot, slot)
        Observed minus expected log error.
    variance : tensor, dims (curve, knot, slot)
        Noise variance of each residual.
    used : array, dims (curve, knot, slot)
        1 where a cell exists, 0 where the layout is padded.
    distance : array, dims (curve, knot)
        Doublings below the reference size, increasing along ``knot``.
    slope_sd : tensor, dim (curve)
        Standard deviation that the slope (log error per doubling) gains over one doubling.
    knots : int
        Length of dim ``knot``; the filter is unrolled over it.

    Returns
    -------
    tensor, dim (curve)
        Log-likelihood of each curve.

    References
    ----------
    Wahba (1978), "Improper priors, spline smoothing and the problem of guarding against model errors in
    regression", JRSS B 40, for the integrated walk; Durbin and Koopman (2012), "Time Series Analysis by State Space
    Methods", for its filter, here with several observations a step collected in information form.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones((1, 1, 1))
    >>> float(walk_loglikelihood(0 * one, one, one, np.zeros((1, 1)), np.ones(1), 1).eval()[0].round(4))
    -0.9189
    """
    precision = used / variance
    weight = pt.sum(precision, axis=2)
    pull = pt.sum(precision * residual, axis=2)
    square = pt.sum(precision * residual**2, axis=2)
    loglikelihood = 0.5 * pt.sum(used * (pt.log(precision + (1.0 - used)) - LOG_2_PI), axis=(1, 2))
    level, slope, before = 0.0, 0.0, 0.0
    level_var, shared_var, slope_var = 0.0, 0.0, 0.0
    rate = slope_sd**2
    for knot in range(knots):
        step, before = distance[:, knot] - before, distance[:, knot]
        level = level + step * slope
        level_var = level_var + step * (2.0 * shared_var + step * (slope_var + rate * step / 3.0))
        shared_var = shared_var + step * (slope_var + rate * step / 2.0)
        slope_var = slope_var + rate * step
        w, innovation = weight[:, knot], pull[:, knot] - level * weight[:, knot]
        total = 1.0 + level_var * w
        misfit = square[:, knot] - 2.0 * level * pull[:, knot] + level**2 * w - level_var / total * innovation**2
        loglikelihood += -0.5 * (pt.log(total) + misfit)
        level, slope = level + level_var / total * innovation, slope + shared_var / total * innovation
        slope_var = slope_var - shared_var**2 * w / total
        level_var, shared_var = level_var / total, shared_var / total
    return loglikelihood
