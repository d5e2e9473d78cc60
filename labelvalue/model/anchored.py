"""The hierarchical model that every curve family shares, anchored at each curve's largest observed size.

A family adds only the shape of its curves: how the part above the floor falls. Levels on an unbounded scale are pooled
over slices, learners and suites; :func:`curve_parameters` turns them into parameters, in the model that is fitted
and in curves drawn from the population alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curves import log_steepness, namespace, signed_exp, softplus
from labelvalue.model.families import above_floor
from labelvalue.model.observations import TYPICAL_ELASTICITY
from labelvalue.model.priors import Priors
from labelvalue.model.specification import Model

if TYPE_CHECKING:
    import pymc as pm


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

    Examples
    --------
    >>> float(FLOOR.link(0.0)) < 0.5
    True
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
    """Turn an unbounded level into a log error, below the metric's upper bound where it has one.

    Parameters
    ----------
    level : float, array, DataArray or tensor
        Logit of ``error / upper``; log of ``error / typical`` where there is no bound.
    upper : float
        Upper bound of the error, or infinite.
    typical : float or tensor
        Typical error, where there is no bound.

    Returns
    -------
    same kind
        Natural logarithm of the error.

    Examples
    --------
    >>> float(np.exp(log_error_from(0.0, 1.0)))
    0.5
    """
    return np.log(upper) - softplus(-level) if np.isfinite(upper) else namespace(typical).log(typical) + level


def level_from(error: Any, upper: float, typical: Any = 1.0) -> Any:
    """Turn an error back into its level: the inverse of :func:`log_error_from`.

    Parameters
    ----------
    error : float, array or DataArray
        Above 0, and below the upper bound.
    upper, typical : float
        As for :func:`log_error_from`.

    Returns
    -------
    same kind
        Unbounded level.

    Examples
    --------
    >>> round(float(level_from(np.exp(log_error_from(-1.5, 1.0)), 1.0)), 9)
    -1.5
    """
    return np.log(error / (upper - error)) if np.isfinite(upper) else np.log(error / typical)


def curve_parameters(levels: Mapping[str, Any], power: Any, shape: tuple[ShapeParameter, ...]) -> dict[str, Any]:
    """Turn unbounded levels into the parameters of curves.

    Parameters
    ----------
    levels : mapping of str to float, array, DataArray or tensor
        ``elasticity``, ``training``, ``discrepancy`` and one by the stem of each shape parameter; ``steepness``
        where that which scales the discrepancy is not the elasticity's.
    power : same kinds
        Power of steepness with which the shape discrepancy grows.
    shape : tuple of ShapeParameter
        Those of the family.

    Returns
    -------
    dict of str to the same kind
        Parameters by their names in the posterior.

    Examples
    --------
    >>> levels = {"elasticity": np.log(0.3), "floor": 0.0, "training": -3.0, "discrepancy": -3.0}
    >>> sorted(curve_parameters(levels, 0.5, (FLOOR,)))
    ['curve_elasticity', 'discrepancy', 'floor_share', 'training_sd']
    """
    xp = namespace(*levels.values())
    steepness = levels[STEEPNESS] if STEEPNESS in levels else log_steepness(levels[names.ELASTICITY])
    steeper = steepness - np.log(TYPICAL_ELASTICITY)
    return {
        names.CURVE_ELASTICITY: signed_exp(levels[names.ELASTICITY]),
        **{one.variable: one.link(levels[one.stem]) for one in shape},
        names.TRAINING_SD: xp.exp(levels["training"]),
        names.DISCREPANCY: xp.exp(levels["discrepancy"] + power * steeper),
    }


def _curve(reducible: Callable[..., Any], shape: tuple[str, ...], log_ratio: Any, parameters: Any) -> Any:
    floor_share = parameters[names.FLOOR_SHARE]
    rate = parameters[names.CURVE_ELASTICITY] / (1.0 - floor_share)
    return above_floor(reducible(log_ratio, rate, *(parameters[name] for name in shape)), floor_share)


def _build(
    shape: tuple[ShapeParameter, ...], curve: Callable[[Any, Any], Any], observations: xr.Dataset, priors: Priors
) -> pm.Model:
    from labelvalue.model.building import build  # PyMC takes a second to import, and only a fit builds

    return build(shape, curve, observations, priors)


def stems_of(shape: tuple[ShapeParameter, ...]) -> list[str]:
    """Name the levels that are pooled over curves beside the elasticity.

    Parameters
    ----------
    shape : tuple of ShapeParameter
        Those of the family, the floor included.

    Returns
    -------
    list of str
        Stems of their priors.

    Examples
    --------
    >>> stems_of((FLOOR,))
    ['floor', 'training', 'discrepancy']
    """
    return [*(one.stem for one in shape), "training", "discrepancy"]


def _floor_share(parameters: Any) -> Any:
    return parameters[names.FLOOR_SHARE]


def anchored_model(
    name: str,
    description: str,
    priors: Priors,
    reducible: Callable[..., Any],
    shape: tuple[ShapeParameter, ...] = (),
) -> Model:
    """Make a model of a curve family from the shape of its part above the floor.

    Parameters
    ----------
    name : str
        Name of its entry point.
    description : str
        One sentence for people.
    priors : Priors
        Its prior bank.
    reducible : callable
        ``reducible(log_ratio, rate, *shape) -> log`` of the part above the floor relative to the reference, 0 and of
        slope ``-rate`` there; plain arithmetic on floats, tensors and DataArrays.
    shape : tuple of ShapeParameter
        Shape parameters beyond elasticity and floor, in the order in which ``reducible`` takes them.

    Returns
    -------
    Model
        The model.

    Examples
    --------
    >>> from labelvalue.model.catalogue import get_model
    >>> from labelvalue.model.families import power_law
    >>> anchored_model("mine", "A power law.", get_model("power_law").priors, power_law).name
    'mine'
    """
    curve = partial(_curve, reducible, tuple(one.variable for one in shape))
    every = (FLOOR, *shape)
    return Model(
        name=name,
        description=description,
        priors=priors,
        build=partial(_build, every, curve),
        curve=curve,
        floor_share=_floor_share,
        parameters=partial(curve_parameters, shape=every),
        stems=(names.ELASTICITY, *stems_of(every)),
    )
