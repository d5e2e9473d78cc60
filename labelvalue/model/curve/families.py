"""What all curve families share, written once: the floor, elasticities and effective labels.

Every function here runs on floats, on NumPy arrays, on :class:`xarray.DataArray` posteriors and on
PyTensor variables, so that the model that is fitted and the forecast made from it cannot disagree.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

HALF_LABEL = 0.5  # stands for a training set without own labels, as in Haldane's correction: no logarithm of 0 is taken


def namespace(*values: Any) -> ModuleType:
    """Return the module whose ``exp`` and ``log1p`` fit the values: PyTensor's or NumPy's."""
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
    """
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
    return 0.5 * (x + abs(x)) + xp.log1p(xp.exp(-abs(x)))


def log_boost(x: Any) -> Any:
    """Log of what other slices' labels multiply a slice's own by: ``log1p(x)``, continued with slope 1 below 0."""
    xp = namespace(x)
    positive = 0.5 * (x + abs(x))
    return xp.log1p(positive) + (x - positive)


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
    positive = 0.5 * (x + abs(x))
    return 1.0 - positive / (1.0 + positive) - (x - positive)


HIGHEST = 50.0  # log error ratio beyond which curves are cut off: e^50 times the error at the reference size


def above_floor(log_reducible: Any, floor_share: Any) -> Any:
    r"""Log of the error relative to the reference, given that of the part above the floor.

    .. math:: \log\left(\phi + (1-\phi)\,e^{x}\right)
    """
    xp = namespace(log_reducible, floor_share)
    # Far above the reference error nothing is told apart any more; the exponential must not overflow there.
    bounded = 0.5 * (log_reducible + HIGHEST - abs(log_reducible - HIGHEST))
    return xp.log1p((1.0 - floor_share) * xp.expm1(bounded))
