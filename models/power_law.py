"""The power law with a floor, anchored at each slice's largest observed size. The default model.

Log error falls as a power of effective labels towards a floor. Its elasticity at the reference size, and with it
the per-label impact, is a random variable with a group-level prior over slices and learners.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model import curves
from labelvalue.model.hierarchy import fit_curves, model_coords, observed_data, pooled, reference_error, transfer
from labelvalue.model.observations import CURVE
from labelvalue.model.priors import Priors, read_priors
from labelvalue.model.specification import Model


def build(observations: xr.Dataset, priors: Priors) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    priors : Priors
        Priors by name, as in ``priors/power_law.toml``.

    Returns
    -------
    pymc.Model
        Ready to be sampled; curve-level variables have dim ``curve``.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> build(observe(fake_runs(seed=1)), MODEL.priors).named_vars["curve_elasticity"].ndim
    1
    """
    with pm.Model(coords=model_coords(observations)) as model:
        data = observed_data(observations)
        log_error = reference_error(priors, observations)
        pm.Deterministic(names.ERROR_REFERENCE, pt.exp(log_error), dims=CURVE)
        log_elasticity = pooled(names.ELASTICITY, priors, observations, crossed=True)
        elasticity = pm.Deterministic(names.CURVE_ELASTICITY, pt.exp(log_elasticity), dims=CURVE)
        # Bending = elasticity of the part above the floor over elasticity of the whole, less 1. Linear for large
        # values, where a logit would make the sampler run into an exponential wall.
        bending = pt.softplus(pooled("floor", priors, observations))
        floor_share = pm.Deterministic(names.FLOOR_SHARE, bending / (1.0 + bending), dims=CURVE)
        log_ratio = transfer(priors, observations, data)
        expected = curves.power_law(log_ratio, elasticity[:, None, None], floor_share[:, None, None])
        fit_curves(observations, data, priors, log_error, log_elasticity, expected)
    return model


def _curve(log_ratio: Any, parameters: Any) -> Any:
    return curves.power_law(log_ratio, parameters[names.CURVE_ELASTICITY], parameters[names.FLOOR_SHARE])


def _slope(log_ratio: Any, parameters: Any) -> Any:
    return curves.power_law_elasticity(log_ratio, parameters[names.CURVE_ELASTICITY], parameters[names.FLOOR_SHARE])


def _floor_share(parameters: Any) -> Any:
    return parameters[names.FLOOR_SHARE]


MODEL = Model(
    name="power_law",
    description="Power law with a floor, anchored at the largest observed size; hierarchical over slices and learners.",
    priors=read_priors(files("labelvalue_models") / "priors" / "power_law.toml"),
    build=build,
    curve=_curve,
    slope=_slope,
    floor_share=_floor_share,
)
