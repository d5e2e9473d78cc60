"""Random variables from priors, with the places where chains start.

Used inside a ``pm.Model`` context. A chain draws its group level from the priors, and its curves start near that
level. A sampler's usual jitter, one unit whatever the scale, put the worth of another slice's label, known to a
tenth, where chains fell into places without return.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from labelvalue.model.priors import Prior

FROM_PRIOR = "prior"
"""Each chain starts at a draw of its own."""


def variable(name: str, prior: Prior) -> Any:
    """Make a scalar random variable from a prior; call it inside a model context.

    Parameters
    ----------
    name : str
        Name of the random variable.
    prior : Prior
        Its distribution.

    Returns
    -------
    tensor, scalar
        The variable, on its natural scale.

    Examples
    --------
    >>> with pm.Model():
    ...     x = variable("churn", Prior("logitnormal", 0.0, 1.0))
    >>> x.ndim
    0
    """
    match prior.distribution:
        case "normal":
            return pm.Normal(name, prior.center, prior.spread, initval=FROM_PRIOR)
        case "lognormal":
            return pm.LogNormal(name, prior.center, prior.spread, initval=FROM_PRIOR)
        case "student":  # heavy tails are for what the data may say, not for where to look first
            return pm.StudentT(name, nu=4, mu=prior.center, sigma=prior.spread, initval=prior.center)
        case "logitnormal":
            # As a transformed normal: PyMC's LogitNormal has no finite gradient near its ends.
            logit = pm.Normal(f"{name}_logit", prior.center, prior.spread, initval=FROM_PRIOR)
            return pm.Deterministic(name, pt.sigmoid(logit))


DEVIATIONS_START = 0.3
"""Standardised deviations start this near to 0, by turns above and below; exactly there, gradients may vanish."""


def standard_deviations(name: str, dims: str | tuple[str, ...], size: int | tuple[int, ...]) -> Any:
    """Make standardised deviations; call it inside a model context.

    Parameters
    ----------
    name : str
        Name of the random variable.
    dims : str or tuple of str
        Its dims.
    size : int or tuple of int
        Their lengths.

    Returns
    -------
    tensor
        Standard normal.

    Examples
    --------
    >>> with pm.Model(coords={"slice": ["a", "b"]}):
    ...     z = standard_deviations("z", "slice", 2)
    >>> z.ndim
    1
    """
    return pm.Normal(name, 0.0, 1.0, dims=dims, initval=starts_apart(size))


def starts_apart(size: int | tuple[int, ...]) -> np.ndarray:
    """Return where standardised deviations start: near 0, by turns above and below.

    Parameters
    ----------
    size : int or tuple of int
        Shape.

    Returns
    -------
    array
        Of that shape.

    Examples
    --------
    >>> starts_apart(3).tolist()
    [-0.3, 0.3, -0.3]
    """
    return np.where(np.arange(np.prod(size)) % 2, DEVIATIONS_START, -DEVIATIONS_START).reshape(size)
