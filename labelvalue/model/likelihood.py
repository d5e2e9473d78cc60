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

from labelvalue import names
from labelvalue.model.curves import namespace


def scatter_loglikelihood(data: Mapping[Any, Any], variance: Any) -> Any:
    """Log-likelihood of the scatter between the runs of a cell (a Gaussian sum of squares).

    Parameters
    ----------
    data : mapping of str to tensor
        ``scatter``, ``scatter_df``, ``runs``; ``weight`` where some are discounted.
    variance : tensor
        Variance of the cell's mean.

    Returns
    -------
    same kind
        Of each cell.

    Examples
    --------
    >>> float(scatter_loglikelihood({"scatter": 2.0, "scatter_df": 1.0, "runs": 1.0}, 1.0))
    -1.0
    """
    one_run = variance * data["runs"]
    term = data["scatter_df"] * namespace(one_run).log(one_run) + data["scatter"] / one_run
    return -0.5 * term * data.get(names.WEIGHT, 1.0)


def discount_loglikelihood(data: Mapping[Any, Any], variance: Any) -> Any:
    r"""What makes residuals with their variance divided by their weight the power of the likelihood that was meant.

    .. math:: N(r; v)^w = c(w) \, N(r; v / w) \, v^{(1 - w) / 2}

    Conditional on the walk, from which the last factor does not depend, so that it stays outside the filter.

    Parameters
    ----------
    data : mapping of str to tensor
        ``weight``, above 0 and at most 1.
    variance : tensor
        Noise variance of the cell's residual, not divided.

    Returns
    -------
    same kind
        Log of that factor, of each cell.

    References
    ----------
    Ibrahim and Chen (2000), "Power prior distributions for regression models", Statistical Science 15.

    Examples
    --------
    >>> import numpy as np
    >>> float(discount_loglikelihood({"weight": 0.5}, np.e))
    0.25
    """
    return 0.5 * (1.0 - data[names.WEIGHT]) * namespace(variance).log(variance)
