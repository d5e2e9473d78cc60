"""From observations and priors to the PyMC model that is sampled: pooled levels, the data, and how they meet.

Used by a model's ``build``, inside a ``pm.Model`` context. Each curve-level quantity is a group mean plus a deviation,
partially pooled; where several slices, learners or suites are crossed, each of them has deviations too.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import (
    above_log,
    beside_reference,
    discount_loglikelihood,
    effective_ratio,
    likeness_of_means,
    log_steepness,
    namespace,
    of_strategy,
    run_variance,
    scatter_loglikelihood,
    signed_log,
    transfer_from,
    true_labels,
)
from labelvalue.model.curve.observations import CURVE, CURVE_KEYS, cell_names, crossed_dims, in_a_row
from labelvalue.model.curve.operation import Terms, curve_loglikelihood
from labelvalue.model.hierarchy.specification import (
    FLOOR,
    STEEPNESS,
    ShapeParameter,
    curve_parameters,
    log_error_from,
    stems_of,
)
from labelvalue.model.prior.priors import Prior, Priors

FROM_PRIOR = "prior"  # each chain starts at a draw of its own


def variable(name: str, prior: Prior) -> Any:
    """Make a scalar random variable from a prior; call it inside a model context."""
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
    """Make standardised deviations; call it inside a model context."""
    return pm.Normal(name, 0.0, 1.0, dims=dims, initval=starts_apart(size))


def starts_apart(size: int | tuple[int, ...]) -> np.ndarray:
    """Return where standardised deviations start: near 0, by turns above and below."""
    return np.where(np.arange(np.prod(size)) % 2, DEVIATIONS_START, -DEVIATIONS_START).reshape(size)


def observed_data(observations: xr.Dataset) -> dict[str, Any]:
    """Register the observations as data of the model in whose context it is called."""
    row, open_ended = in_a_row(observations), cell_names(observations)
    return {
        name: pm.Data(name, values, shape=(None,) if name in open_ended else values.shape)
        for name, values in row.items()
    }


def model_coords(observations: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the coordinates of the dims that curve-level variables have."""
    return {
        CURVE: np.arange(observations.sizes[CURVE]),
        **{key: np.unique(observations[key].values.astype(str)) for key in CURVE_KEYS},
        names.STRATEGY: np.array(observations.attrs[names.STRATEGIES][1:], dtype=str),
    }


def pooled(
    name: str, priors: Priors, observations: xr.Dataset, *, narrowing: Any = 1.0, from_above: bool = False
) -> Any:
    """Make a curve-level quantity (curve), pooled over all curves and sampled non-centred; ``narrowing`` (curve)."""
    spread = group_spread(name, priors, observations)
    mean = mean_below(name, priors, spread) if from_above else variable(f"{name}_mean", priors[f"{name}_mean"])
    deviation = standard_deviations(f"{name}_deviation", CURVE, observations.sizes[CURVE])
    return mean + narrowing * spread * deviation


UPPER_SPREADS = 2.0
"""How many spreads above their mean the floors are that curves tell most about."""


def mean_below(name: str, priors: Priors, spread: Any) -> Any:
    """Make a mean that is sampled by what lies some spreads above it, where data speak; its prior is the same."""
    prior = priors[f"{name}_mean"]
    if prior.distribution != "normal":
        return variable(f"{name}_mean", prior)
    above = UPPER_SPREADS * spread
    upper = pm.Normal(f"{name}_upper_level", prior.center + above, prior.spread, initval=FROM_PRIOR)
    return pm.Deterministic(f"{name}_mean", upper - above)


def group_mean(name: str, priors: Priors, observations: xr.Dataset) -> Any:
    """Make the mean that a curve's quantity is drawn about (curve): the group's, with what is crossed added."""
    mean = variable(f"{name}_mean", priors[f"{name}_mean"])
    coords = model_coords(observations)
    for dim in crossed_dims(observations):
        where = np.searchsorted(coords[dim], observations[dim].values.astype(str))
        between = variable(f"{name}_between_{dim}s", priors[f"{name}_between"])
        mean = mean + (between * standard_deviations(f"{name}_of_{dim}", dim, len(coords[dim])))[where]
    return mean


def group_spread(name: str, priors: Priors, observations: xr.Dataset) -> Any:
    """Make the spread of a quantity between curves; of one curve, which would be a funnel, it is the prior's median."""
    prior = priors[f"{name}_spread"]
    if observations.sizes[CURVE] > 1:
        return variable(f"{name}_spread", prior)
    median = np.exp(prior.center) if prior.distribution == "lognormal" else prior.center
    return pm.Deterministic(f"{name}_spread", pt.as_tensor(float(median)))


def reference_level(priors: Priors, observations: xr.Dataset, items_variance: Any = 0.0) -> Any:
    """Make the level of the error at the reference size (curve): pooled, and centred, as every curve informs it."""
    upper = float(observations.attrs[names.UPPER])
    used = observations["used"].values > 0
    near = observations["log_error"].values[:, 0].max(axis=-1, initial=-np.inf, where=used[:, 0])
    bounded = np.isfinite(upper)
    typical = float(observations["typical_error"])
    start = near - np.log(upper if bounded else typical)
    if bounded:
        start = start - np.log(-np.expm1(np.minimum(start, -1e-3)))
    mean = variable("error_mean", priors["error_mean"])
    spread = pt.sqrt(group_spread("error", priors, observations) ** 2 + items_variance)
    initial = np.where(np.isfinite(start), start, priors["error_mean"].center)
    return pm.Normal("error_level", mean, spread, dims=CURVE, initval=initial)


AMID = 1.0 / 3.0
"""Where in the span of a curve's sizes, from the largest down, the slope of its runs is taken to hold: nearer than
the middle, since the shape discrepancy makes what lies far below count for less."""
RISING_SPREAD = 0.3
"""Spread of the elasticity of a rising curve about 0: two of it reach an elasticity of 0.6 either way."""


def elasticity_level(priors: Priors, observations: xr.Dataset, data: dict[str, Any], floor_share: Any) -> Any:
    """Make the level of the elasticity at the reference size (curve), pooled over slices, learners and suites.

    Centred amid a curve's sizes where its error plainly falls, else non-centred (Papaspiliopoulos and others 2007); a
    curve that plainly rises is not pooled.
    """
    plain = data[names.PLAIN_ELASTICITY]
    falls, rises = pt.gt(plain, 0.0), pt.lt(plain, 0.0)
    mean = group_mean(names.ELASTICITY, priors, observations)
    spread = group_spread(names.ELASTICITY, priors, observations)
    flattened = log_flattening(floor_share, plain, AMID * data[names.SPAN])
    where = pm.Normal(
        "elasticity_level",
        pt.switch(falls, mean - flattened, 0.0),
        pt.switch(falls, spread, pt.switch(rises, RISING_SPREAD, 1.0)),
        dims=CURVE,
        initval=_start(observations[names.PLAIN_ELASTICITY].values),
    )
    of_group = pt.switch(falls, where + flattened, mean + spread * where)
    return pt.switch(rises, signed_log(where), of_group)


def _start(plain: np.ndarray) -> np.ndarray:
    falls = np.log(np.where(plain > 0, plain, 1.0))
    return np.where(plain > 0, falls, np.where(plain < 0, plain, starts_apart(plain.size)))


def log_flattening(floor_share: Any, elasticity: Any, doublings: Any) -> Any:
    """Log of a power law's elasticity at the reference size over that some doublings below it."""
    xp = namespace(floor_share, elasticity, doublings)
    fallen = abs(elasticity) * np.log(2.0) * doublings / (1.0 - floor_share)
    return xp.log1p(floor_share * xp.expm1(-fallen))


def steepness_level(level: Any, data: Mapping[str, Any]) -> Any:
    """Log of the steepness that scales a discrepancy; for a rising curve what its runs show, or there were a funnel."""
    plain = data[names.PLAIN_ELASTICITY]
    return namespace(level, plain).where(plain < 0.0, log_steepness(signed_log(plain)), log_steepness(level))


def worths_of_labels(priors: Priors, observations: xr.Dataset, data: Mapping[str, Any]) -> dict[str, Any]:
    """Make what labels of other slices, of strategies, with noise and of other diversity are worth."""
    worths: dict[str, Any] = {}
    if bool((observations[names.OTHER_LABELS] > 0).any()):
        worths[names.TRANSFER] = _transfer_level(priors, observations, data)
    if len(observations.attrs[names.STRATEGIES]) > 1:
        worths |= _strategies(priors, observations)
    if bool((observations[names.LABEL_NOISE] > 0).any()):
        worths[names.NOISE_COST] = variable(names.NOISE_COST, priors[names.NOISE_COST])
    if names.LOG_DIVERSITY in observations and names.DIVERSITY_POWER in priors:
        worths[names.DIVERSITY_POWER] = variable(names.DIVERSITY_POWER, priors[names.DIVERSITY_POWER])
    return worths


def _transfer_level(priors: Priors, observations: xr.Dataset, data: Mapping[str, Any]) -> Any:
    """Level of the worth of another slice's label by curve, pooled."""
    beside = beside_reference(data)
    level = pooled(names.TRANSFER, priors, observations, narrowing=likeness_of_means(beside))
    pm.Deterministic(names.TRANSFER, transfer_from(level, beside), dims=CURVE)
    return level


def _strategies(priors: Priors, observations: xr.Dataset) -> dict[str, Any]:
    """Log efficiency of each strategy beside random at the reference size, and how it changes with size."""
    dims = (CURVE, names.STRATEGY)
    center = priors["efficiency_mean"]
    several = len(observations.attrs[names.STRATEGIES]) - 1
    mean = pm.Normal("efficiency_mean", center.center, center.spread, dims=names.STRATEGY, initval=FROM_PRIOR)
    spread = variable("efficiency_spread", priors["efficiency_spread"])
    log_worth = mean + spread * standard_deviations("efficiency_deviation", dims, (observations.sizes[CURVE], several))
    pm.Deterministic(names.EFFICIENCY, pt.exp(log_worth), dims=dims)
    slope = priors[names.EFFICIENCY_TREND]
    trend = pm.Normal(names.EFFICIENCY_TREND, slope.center, slope.spread, dims=names.STRATEGY, initval=FROM_PRIOR)
    worths: dict[str, Any] = {}
    for place in range(several):
        worths[of_strategy(names.EFFICIENCY, place + 1)] = log_worth[:, place]
        worths[of_strategy(names.EFFICIENCY_TREND, place + 1)] = trend[place]
    return worths


def evaluation_noise(observations: xr.Dataset, data: Mapping[str, Any]) -> dict[str, Any]:
    """Make the evaluation noise a variable, where it is given."""
    if "noise_center" not in observations:
        return {}
    slices = observations[names.SLICE].values.astype(str)
    where = np.searchsorted(np.unique(slices), slices)
    logit = data["noise_center"]
    if bool((observations["noise_spread"] > 0).any()):
        deviation = standard_deviations("evaluation_noise_deviation", names.SLICE, len(np.unique(slices)))
        logit = logit + data["noise_spread"] * deviation[where]
    return {names.EVALUATION_NOISE: pm.Deterministic(names.EVALUATION_NOISE, pt.sigmoid(logit), dims=CURVE)}


def against_true_labels(data: Mapping[str, Any], noise: Any, classes: int) -> tuple[dict[str, Any], Any]:
    """Take the noise off a cell's measured error."""
    changed, log_kept = true_labels(data, noise, classes)
    told = (1.0 + data["scatter_df"]) * data.get(names.WEIGHT, 1.0)
    return changed, -told * log_kept


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
        above = {one.stem for one in shape if one.from_above}
        levels = {stem: pooled(stem, priors, observations, from_above=stem in above) for stem in stems_of(shape)}
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
