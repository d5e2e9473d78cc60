"""The hierarchical model that every curve family shares, anchored at each curve's largest observed size.

A family adds only the shape of its curves: how the part above the floor falls. Levels on an unbounded scale are pooled
over slices, learners and suites; :func:`curve_parameters` turns them into parameters, in the model that is fitted
and in curves drawn from the population alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.curves import log_steepness, namespace, signed_exp, softplus
from labelvalue.model.effective import effective_ratio
from labelvalue.model.families import above_floor
from labelvalue.model.hierarchy import model_coords, observed_data, pooled, reference_level
from labelvalue.model.label_noise import with_true_labels
from labelvalue.model.likelihood import discount_loglikelihood, scatter_loglikelihood, walk_loglikelihood
from labelvalue.model.noise import run_variance
from labelvalue.model.observations import CURVE, KNOT, TYPICAL_ELASTICITY
from labelvalue.model.priors import Priors
from labelvalue.model.specification import Model
from labelvalue.model.steepness import elasticity_level, steepness_level
from labelvalue.model.variables import variable


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


def log_error_from(level: Any, upper: float, typical: float = 1.0) -> Any:
    """Turn an unbounded level into a log error, below the metric's upper bound where it has one.

    Parameters
    ----------
    level : float, array, DataArray or tensor
        Logit of ``error / upper``; log of ``error / typical`` where there is no bound.
    upper : float
        Upper bound of the error, or infinite.
    typical : float
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
    return np.log(upper) - softplus(-level) if np.isfinite(upper) else np.log(typical) + level


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
    with pm.Model(coords=model_coords(observations)) as model:
        data = observed_data(observations)
        level, typical = reference_level(priors, observations)
        log_error = log_error_from(level, observations.attrs[names.UPPER], typical)
        pm.Deterministic(names.ERROR_REFERENCE, pt.exp(log_error), dims=CURVE)
        levels = {stem: pooled(stem, priors, observations) for stem in _stems(shape)}
        elasticity = elasticity_level(priors, observations, data, FLOOR.link(levels[FLOOR.stem]))
        levels |= {names.ELASTICITY: elasticity, STEEPNESS: steepness_level(elasticity, data)}
        power = variable("discrepancy_power", priors["discrepancy_power"])
        parameters = {
            name: pm.Deterministic(name, value, dims=CURVE)
            for name, value in curve_parameters(levels, power, shape).items()
        }
        in_cells = {name: value[:, None, None] for name, value in parameters.items()}
        expected = log_error[:, None, None] + curve(effective_ratio(priors, observations, data), in_cells)
        _observe(observations, data, priors, parameters, expected)
    return model


def _stems(shape: tuple[ShapeParameter, ...]) -> list[str]:
    return [*(one.stem for one in shape), "training", "discrepancy"]


def _observe(
    observations: xr.Dataset, data: dict[str, Any], priors: Priors, parameters: dict[str, Any], expected: Any
) -> None:
    """Add noise, shape discrepancy and likelihood to the model in whose context it is called."""
    data = with_true_labels(observations, data)
    decay = variable("training_decay", priors["training_decay"])
    churn = variable("churn", priors["churn"])
    training_sd = parameters[names.TRAINING_SD][:, None, None]
    variance = run_variance(data, churn, training_sd, decay)
    slope_sd = np.log(2.0) * parameters[names.DISCREPANCY]
    residual = data["log_error"] - expected
    if names.WEIGHT in data:
        pm.Potential("discount", discount_loglikelihood(data, variance))
        variance = variance / data[names.WEIGHT]
    walk = walk_loglikelihood(residual, variance, data["used"], data["distance"], slope_sd, observations.sizes[KNOT])
    pm.Potential("curves", pt.sum(walk))
    between = run_variance({**data, "set_weight": data["apart"]}, churn, training_sd, decay)
    pm.Potential("scatter_between_runs", scatter_loglikelihood(data, between))


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
        stems=(names.ELASTICITY, *_stems(every)),
    )
