"""From observations and priors to the PyMC model that is sampled.

Used by a model's ``build``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.cell_terms import Terms
from labelvalue.model.curve.effective_labels import beside_reference, effective_ratio, transfer_from
from labelvalue.model.curve.families import above_log, discount_loglikelihood, run_variance, scatter_loglikelihood
from labelvalue.model.curve.observations import CURVE, cell_names
from labelvalue.model.curve.operation import curve_loglikelihood
from labelvalue.model.hierarchy.levels import (
    against_true_labels,
    elasticity_level,
    evaluation_noise,
    model_coords,
    observed_data,
    pooled,
    reference_level,
    steepness_level,
    variable,
    worths_of_labels,
)
from labelvalue.model.hierarchy.specification import (
    FLOOR,
    STEEPNESS,
    ShapeParameter,
    curve_parameters,
    log_error_from,
    stems_of,
)
from labelvalue.model.prior.priors import Priors

ERROR, POWER, DECAY, CHURN = "error", "discrepancy_power", "training_decay", "churn"
"""Parameters of a cell that are neither levels of its curve's shape nor worths of labels."""


def build(
    shape: tuple[ShapeParameter, ...], curve: Callable[[Any, Any], Any], observations: xr.Dataset, priors: Priors
) -> pm.Model:
    """Build the PyMC model of observations."""
    upper, classes = float(observations.attrs[names.UPPER]), observations.attrs[names.CLASSES]
    with pm.Model(coords=model_coords(observations)) as model:
        data = observed_data(observations)
        noise = {name: variable(name, priors[name]) for name in (DECAY, CHURN)}
        error = reference_level(priors, observations, data[names.ITEMS_VARIANCE] * (1.0 - noise[CHURN]))
        log_error = log_error_from(error, upper, data["typical_error"])
        pm.Deterministic(names.ERROR_REFERENCE, pt.exp(log_error), dims=CURVE)
        levels = {stem: pooled(stem, priors, observations) for stem in stems_of(shape)}
        levels[names.ELASTICITY] = elasticity_level(priors, observations, data, FLOOR.link(levels[FLOOR.stem]))
        power = variable(POWER, priors[POWER])
        for name, value in curve_parameters(_with_steepness(levels, data), power, shape).items():
            pm.Deterministic(name, value, dims=CURVE)
        given = {ERROR: error, **levels, POWER: power, **worths_of_labels(priors, observations, data)}
        given |= evaluation_noise(observations, data)
        given |= noise
        definition = partial(terms_of_cell, shape=shape, curve=curve, upper=upper, classes=classes)
        pm.Potential("curves", curve_loglikelihood(definition, given, data, cell_names(observations)), dims=CURVE)
    return model


def terms_of_cell(
    parameters: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    shape: tuple[ShapeParameter, ...],
    curve: Callable[[Any, Any], Any],
    upper: float,
    classes: int,
) -> Terms:
    """Say what a cell adds to the likelihood of its curve: law, labels, noise, discrepancy, scatter and discount."""
    beside: Any = 0.0
    if names.EVALUATION_NOISE in parameters:
        data, beside = against_true_labels(data, parameters[names.EVALUATION_NOISE], classes)
    levels = _with_steepness(parameters, data)
    of_curve = curve_parameters(levels, parameters[POWER], shape)
    worths = dict(parameters)
    if names.TRANSFER in worths:
        worths[names.TRANSFER] = transfer_from(worths[names.TRANSFER], beside_reference(data))
    log_error = log_error_from(parameters[ERROR], upper, data["typical_error"])
    expected = log_error + curve(effective_ratio(worths, data, classes), of_curve) + above_log(data, parameters[CHURN])
    noise = parameters[CHURN], of_curve[names.TRAINING_SD], parameters[DECAY]
    variance = run_variance(data, *noise)
    scatter = scatter_loglikelihood(data, run_variance({**data, "set_weight": data["apart"]}, *noise))
    if names.WEIGHT in data:
        beside = beside + discount_loglikelihood(data, variance)
        variance = variance / data[names.WEIGHT]
    return Terms(data["log_error"] - expected, variance, beside, scatter, np.log(2.0) * of_curve[names.DISCREPANCY])


def _with_steepness(levels: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {**levels, STEEPNESS: steepness_level(levels[names.ELASTICITY], data)}
