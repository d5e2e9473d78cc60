"""From observations and priors to the PyMC model that is sampled; what :mod:`labelvalue.model.anchored` says, built.

Used by a model's ``build``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.anchored import FLOOR, STEEPNESS, ShapeParameter, curve_parameters, stems_of
from labelvalue.model.evaluation_labels import with_true_labels
from labelvalue.model.hierarchy import model_coords, observed_data, pooled, reference_level
from labelvalue.model.likelihood import discount_loglikelihood, scatter_loglikelihood, walk_loglikelihood
from labelvalue.model.noise import run_variance
from labelvalue.model.observations import CURVE, KNOT
from labelvalue.model.priors import Priors
from labelvalue.model.steepness import elasticity_level, steepness_level
from labelvalue.model.training_labels import effective_ratio
from labelvalue.model.variables import variable


def build(
    shape: tuple[ShapeParameter, ...], curve: Callable[[Any, Any], Any], observations: xr.Dataset, priors: Priors
) -> pm.Model:
    """Build the PyMC model of observations.

    Parameters
    ----------
    shape : tuple of ShapeParameter
        Shape parameters of the family, the floor first.
    curve : callable
        ``curve(log_ratio, parameters) -> log`` error relative to the reference.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    priors : Priors
        By name.

    Returns
    -------
    pymc.Model
        Ready to be compiled.

    Examples
    --------
    >>> from labelvalue.model.catalogue import get_model
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> model = get_model("power_law")
    >>> sorted(v.name for v in model.build(observe(fake_runs(seed=1)), model.priors).potentials)
    ['curves', 'scatter_between_runs']
    """
    with pm.Model(coords=model_coords(observations)) as model:
        data = observed_data(observations)
        log_error = reference_level(priors, observations, data)
        pm.Deterministic(names.ERROR_REFERENCE, pt.exp(log_error), dims=CURVE)
        levels = {stem: pooled(stem, priors, observations) for stem in stems_of(shape)}
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
