"""The arithmetic of elasticities and of effective labels, written once.

Every function here runs on floats, on NumPy arrays, on :class:`xarray.DataArray` posteriors and on
PyTensor variables, so that the model that is fitted and the forecast made from it cannot disagree.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

HALF_LABEL = 0.5
"""Stands for a training set without own labels, as in Haldane's correction: no logarithm of 0 is taken."""


def namespace(*values: Any) -> ModuleType:
    """Return the module whose ``exp`` and ``log1p`` fit the values: PyTensor's or NumPy's.

    Parameters
    ----------
    *values : float, array, DataArray or tensor
        What is to be computed with.

    Returns
    -------
    module
        ``pytensor.tensor`` where any of them is a tensor, else ``numpy``.

    Examples
    --------
    >>> namespace(1.0).__name__
    'numpy'
    """
    pytensor = sys.modules.get("pytensor")
    if pytensor is not None and any(isinstance(v, pytensor.graph.basic.Variable) for v in values):
        import pytensor.tensor as pt

        return pt
    return np


SLIGHT_ELASTICITY = 0.004
"""Elasticity at which the link from an unbounded level bends from the logarithm through 0 to negative values."""


def signed_exp(level: Any) -> Any:
    """Turn an unbounded level into an elasticity: its exponential, continued through 0 into rising curves.

    ``exp(level)`` for all but the slightest elasticities, and mirrored below the level where it falls under
    ``SLIGHT_ELASTICITY``, so that a curve that rises with labels has a negative elasticity and forecasts no gain.

    Parameters
    ----------
    level : float, array, DataArray or tensor
        Unbounded.

    Returns
    -------
    same kind
        Elasticity (unitless).

    Examples
    --------
    >>> [round(float(signed_exp(np.log(e))), 9) for e in (0.2, SLIGHT_ELASTICITY)]
    [0.19992, 0.0]
    """
    xp = namespace(level)
    return xp.exp(level) - SLIGHT_ELASTICITY**2 * xp.exp(-level)


def signed_log(elasticity: Any) -> Any:
    """Turn an elasticity back into its level: the inverse of :func:`signed_exp`.

    Parameters
    ----------
    elasticity : float, array, DataArray or tensor
        Unitless, of any sign.

    Returns
    -------
    same kind
        Unbounded level, the logarithm of all but the slightest elasticities.

    Examples
    --------
    >>> round(float(signed_log(signed_exp(-7.0))), 6)
    -7.0
    """
    xp = namespace(elasticity)
    return xp.arcsinh(elasticity / (2.0 * SLIGHT_ELASTICITY)) + np.log(SLIGHT_ELASTICITY)


def log_steepness(level: Any) -> Any:
    """Log of how steep a curve is, whichever way it goes: smooth in the level and never minus infinity.

    Parameters
    ----------
    level : float, array, DataArray or tensor
        Unbounded, as for :func:`signed_exp`.

    Returns
    -------
    same kind
        About the log of the elasticity's magnitude; at least that of twice the slightest.

    Examples
    --------
    >>> round(float(np.exp(log_steepness(np.log(0.2)))), 3)
    0.2
    """
    xp = namespace(level)
    above = abs(level - np.log(SLIGHT_ELASTICITY))
    return np.log(SLIGHT_ELASTICITY) + above + xp.log1p(xp.exp(-2.0 * above))


def softplus(x: Any) -> Any:
    """Smooth ``max(0, x)``: ``log(1 + exp(x))`` without overflow.

    Parameters
    ----------
    x : float, array, DataArray or tensor
        Any.

    Returns
    -------
    same kind
        ≥ 0.

    Examples
    --------
    >>> float(softplus(800.0))
    800.0
    """
    xp = namespace(x)
    return 0.5 * (x + abs(x)) + xp.log1p(xp.exp(-abs(x)))


def log_boost(x: Any) -> Any:
    """Log of what other slices' labels multiply a slice's own by: ``log1p(x)``, continued with slope 1 below 0.

    Parameters
    ----------
    x : float, array, DataArray or tensor
        Worth of the others' labels together, in units of the slice's own.

    Returns
    -------
    same kind
        Smooth, and defined everywhere.

    Examples
    --------
    >>> round(float(np.exp(log_boost(1.0))), 6), float(log_boost(-0.5))
    (2.0, -0.5)
    """
    xp = namespace(x)
    positive = 0.5 * (x + abs(x))
    return xp.log1p(positive) + (x - positive)


def log_effective_labels(labels: Any, other_labels: Any, transfer: Any) -> Any:
    """Log of the labels of a slice that its training set amounts to.

    Effective labels are ``labels + transfer · other_labels`` while ``transfer`` is positive. A negative
    ``transfer`` (labels of other slices hurt, as where slices are classes) shrinks them exponentially,
    ``labels · exp(transfer · other_labels / labels)``, which agrees to first order and never turns negative.

    Parameters
    ----------
    labels : float, array, DataArray or tensor
        Labels of the slice itself, ≥ 0; none at all count as half a label.
    other_labels : same kinds, broadcastable
        Labels of all other slices in the same training set, ≥ 0.
    transfer : same kinds, broadcastable
        Worth of another slice's label in labels of this slice (unitless).

    Returns
    -------
    same kind as the inputs
        Natural logarithm of effective labels.

    Examples
    --------
    >>> float(np.exp(log_effective_labels(100.0, 400.0, 0.25)).round(6))
    200.0
    >>> bool(np.isfinite(log_effective_labels(0.0, 400.0, -0.25)))
    True
    """
    own = 0.5 * (labels + HALF_LABEL + abs(labels - HALF_LABEL))
    return namespace(labels).log(own) + log_boost(transfer * other_labels / own)


def own_share(labels: Any, other_labels: Any, transfer: Any) -> Any:
    """Derivative of log effective labels with respect to log own labels.

    Parameters
    ----------
    labels : float, array, DataArray or tensor
        Labels of the slice itself, ≥ 0.
    other_labels : same kinds, broadcastable
        Labels of all other slices, ≥ 0.
    transfer : same kinds, broadcastable
        Worth of another slice's label in labels of this slice.

    Returns
    -------
    same kind as the inputs
        1 without transfer, below 1 where other slices' labels already do part of the work, above 1 where
        they hurt (unitless, > 0).

    Examples
    --------
    >>> round(float(own_share(100.0, 400.0, 0.25)), 6)
    0.5
    """
    own = 0.5 * (labels + HALF_LABEL + abs(labels - HALF_LABEL))
    x = transfer * other_labels / own
    positive = 0.5 * (x + abs(x))
    return 1.0 - positive / (1.0 + positive) - (x - positive)
