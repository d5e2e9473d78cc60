"""Parameters of curves from unbounded levels, in the model that is built and in curves drawn from its group alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from labelvalue import names
from labelvalue.model.curve.families import log_steepness, namespace, signed_exp, softplus
from labelvalue.model.curve.observations import TYPICAL_ELASTICITY


@dataclasses.dataclass(frozen=True)
class ShapeParameter:
    """A parameter of a curve's shape that is pooled over curves.

    Parameters
    ----------
    stem : str
        Its priors are ``{stem}_mean`` and ``{stem}_spread``.
    variable : str
        Its name in the posterior.
    link : callable
        From the unbounded level to the parameter; plain arithmetic.
    """

    stem: str
    variable: str
    link: Callable[[Any], Any]


def _share_of_bending(level: Any) -> Any:
    """Bending = elasticity of the part above the floor over elasticity of the whole, less 1.

    Linear for large values, where a logit would make the sampler run into an exponential wall.
    """
    bending = softplus(level)
    return bending / (1.0 + bending)


FLOOR = ShapeParameter("floor", names.FLOOR_SHARE, _share_of_bending)
"""Share of the error at the reference size that labels never remove; every family has one."""
STEEPNESS = "steepness"
"""Log of the steepness that scales a curve's shape discrepancy, where it is not that of its elasticity."""


def log_error_from(level: Any, upper: float, typical: Any = 1.0) -> Any:
    """Turn an unbounded level into a log error, below the metric's upper bound where it has one."""
    return np.log(upper) - softplus(-level) if np.isfinite(upper) else namespace(typical).log(typical) + level


def level_from(error: Any, upper: float, typical: Any = 1.0) -> Any:
    """Turn an error back into its level: the inverse of :func:`log_error_from`."""
    return np.log(error / (upper - error)) if np.isfinite(upper) else np.log(error / typical)


def curve_parameters(levels: Mapping[str, Any], power: Any, shape: tuple[ShapeParameter, ...]) -> dict[str, Any]:
    """Turn unbounded levels into the parameters of curves."""
    xp = namespace(*levels.values())
    steepness = levels[STEEPNESS] if STEEPNESS in levels else log_steepness(levels[names.ELASTICITY])
    steeper = steepness - np.log(TYPICAL_ELASTICITY)
    return {
        names.CURVE_ELASTICITY: signed_exp(levels[names.ELASTICITY]),
        **{one.variable: one.link(levels[one.stem]) for one in shape},
        names.TRAINING_SD: xp.exp(levels["training"]),
        names.DISCREPANCY: xp.exp(levels["discrepancy"] + power * steeper),
    }


def stems_of(shape: tuple[ShapeParameter, ...]) -> list[str]:
    """Name the levels that are pooled over curves beside the elasticity."""
    return [*(one.stem for one in shape), "training", "discrepancy"]
