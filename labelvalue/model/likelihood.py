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

from labelvalue import names
from labelvalue.model.walk_operation import WalkFilter

if TYPE_CHECKING:
    from collections.abc import Mapping


def scatter_loglikelihood(data: Mapping[str, Any], variance: Any) -> Any:
    """Log-likelihood of the scatter between the runs of each cell (Gaussian sums of squares).

    Parameters
    ----------
    data : mapping of str to tensor
        ``scatter``, ``scatter_df``, ``runs``, dims (curve, knot, slot); ``weight`` where some are discounted.
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
    terms = data["scatter_df"] * pt.log(one_run) + data["scatter"] / one_run
    return -0.5 * pt.sum(terms * data[names.WEIGHT] if names.WEIGHT in data else terms)


def discount_loglikelihood(data: Mapping[str, Any], variance: Any) -> Any:
    r"""What makes residuals with their variance divided by their weight the power of the likelihood that was meant.

    .. math:: N(r; v)^w = c(w) \, N(r; v / w) \, v^{(1 - w) / 2}

    Conditional on the walk, from which the last factor does not depend, so that it stays outside the filter.

    Parameters
    ----------
    data : mapping of str to tensor
        ``weight`` (0 to 1) and ``used``, dims (curve, knot, slot).
    variance : tensor, dims (curve, knot, slot)
        Noise variance of each residual, not divided.

    Returns
    -------
    tensor, scalar
        Sum of the logs of that factor.

    References
    ----------
    Ibrahim and Chen (2000), "Power prior distributions for regression models", Statistical Science 15.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones((1, 1, 1))
    >>> float(discount_loglikelihood({"weight": 0.5 * one, "used": one}, np.e * one).eval())
    0.25
    """
    return 0.5 * pt.sum(data["used"] * (1.0 - data[names.WEIGHT]) * pt.log(variance))


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
        Length of dim ``knot``.

    Returns
    -------
    tensor, dim (curve)
        Log-likelihood of each curve.

    Raises
    ------
    ValueError
        If ``distance`` is known to have another number of knots, or an argument another number of dims.

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
    distance = pt.as_tensor(distance)
    if distance.type.shape[-1] not in (None, knots):
        raise ValueError(f"distance has {distance.type.shape[-1]} knots, not {knots}")
    return WalkFilter()(residual, variance, used, distance, slope_sd)
