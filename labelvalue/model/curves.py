"""The arithmetic of learning curves, written once.

Every function here runs on floats, on NumPy arrays, on :class:`xarray.DataArray` posteriors and on
PyTensor variables, so that the model that is fitted and the forecast made from it cannot disagree.

A curve is anchored at a *reference* size inside the data. Its parameters there are things a person can
be asked about: the error, its elasticity, and the share of it that labels never remove.
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


def power_law(log_ratio: Any, elasticity: Any, floor_share: Any) -> Any:
    r"""Log of the error relative to the error at the reference size, for a power law with a floor.

    .. math:: \log\left(\phi + (1-\phi)\,r^{-e/(1-\phi)}\right)

    so that the slope at :math:`\log r = 0` is :math:`-e` whatever the floor.

    Parameters
    ----------
    log_ratio : float, array, DataArray or tensor
        Natural logarithm of effective labels over effective labels at the reference size.
    elasticity : same kinds, broadcastable
        Elasticity :math:`e` at the reference size, > 0 (unitless).
    floor_share : same kinds, broadcastable
        Share :math:`\phi` of the reference error that stays for ever, 0 < φ < 1.

    Returns
    -------
    same kind as the inputs
        Log error ratio, 0 at the reference size.

    References
    ----------
    Cortes, Jackel, Solla, Vapnik and Denker (1993), "Learning curves: asymptotic values and rate of
    convergence", NeurIPS 6, in the anchored form used here.

    Examples
    --------
    >>> float(power_law(0.0, 0.3, 0.5)) == 0.0
    True
    >>> round(float(np.exp(power_law(50.0, 0.3, 0.5))), 3)
    0.5
    """
    xp = namespace(log_ratio, elasticity, floor_share)
    reducible = 1.0 - floor_share
    return xp.log1p(reducible * xp.expm1(-elasticity * log_ratio / reducible))


def power_law_elasticity(log_ratio: Any, elasticity: Any, floor_share: Any) -> Any:
    """Elasticity of a power law with a floor at another size than the reference.

    Parameters
    ----------
    log_ratio : float, array, DataArray or tensor
        Natural logarithm of effective labels over effective labels at the reference size.
    elasticity : same kinds, broadcastable
        Elasticity at the reference size, > 0.
    floor_share : same kinds, broadcastable
        Share of the reference error that stays for ever, 0 < φ < 1.

    Returns
    -------
    same kind as the inputs
        Elasticity with respect to effective labels at ``log_ratio`` (unitless, ≥ 0).

    Examples
    --------
    >>> round(float(power_law_elasticity(0.0, 0.3, 0.5)), 6)
    0.3
    """
    xp = namespace(log_ratio, elasticity, floor_share)
    reducible = 1.0 - floor_share
    return elasticity * xp.exp(-elasticity * log_ratio / reducible - power_law(log_ratio, elasticity, floor_share))


def _soft_log1p(x: Any) -> Any:
    """``log1p(x)`` for x ≥ 0, continued with slope 1 below: smooth, and defined everywhere."""
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
    xp = namespace(labels, other_labels, transfer)
    own = 0.5 * (labels + HALF_LABEL + abs(labels - HALF_LABEL))
    return xp.log(own) + _soft_log1p(transfer * other_labels / own)


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
