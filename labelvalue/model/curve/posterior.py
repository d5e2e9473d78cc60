"""From sampled curve parameters to what a fit promises: error, elasticity, impact and floor at now."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.discrepancy import NEAR, Walks, goes_by_shape, level_sd, strays
from labelvalue.model.curve.effective_labels import log_ratio, without_coordinates
from labelvalue.model.curve.families import HALF_LABEL, own_share
from labelvalue.model.curve.observations import CURVE, CURVE_KEYS
from labelvalue.model.curve.shapes import NUMBER, ahead
from labelvalue.model.hierarchy.specification import Model


def by_slice(values: xr.Dataset, observations: xr.Dataset) -> xr.Dataset:
    """Turn dim ``curve`` into ``slice`` and, where there are several, ``learner`` and ``suite``."""
    every = {key: list(dict.fromkeys(observations[key].values)) for key in CURVE_KEYS}
    kept = {key: found for key, found in every.items() if key == names.SLICE or len(found) > 1}
    counts = tuple(len(found) for found in kept.values())

    def unstack(variable: xr.DataArray) -> xr.DataArray:
        if CURVE not in variable.dims:
            return variable.drop_vars([*CURVE_KEYS, CURVE], errors="ignore")
        axis = variable.dims.index(CURVE)
        parts = variable.shape[:axis] + counts + variable.shape[axis + 1 :]
        dims = (*variable.dims[:axis], *kept, *variable.dims[axis + 1 :])
        coords = {name: c for name, c in variable.coords.items() if CURVE not in c.dims}
        return xr.DataArray(variable.values.reshape(parts), dims=dims, coords=coords)

    unstacked = xr.Dataset({name: unstack(v) for name, v in values.data_vars.items()}, attrs=values.attrs)
    coords = {key: np.array(found, dtype=object) for key, found in kept.items() if key in unstacked.dims}
    return unstacked.assign_coords(coords)


def doublings_below(position: xr.Dataset, labels: xr.DataArray) -> xr.DataArray:
    """Distance of sizes below the reference, in doublings of the slice's own labels, as the fit lays its cells out."""

    def compute(reference: Any, sizes: Any) -> Any:
        return np.log2(np.maximum(reference / np.maximum(sizes, HALF_LABEL), 1.0))

    return without_coordinates(compute, position[names.REFERENCE_LABELS], labels)


def astray_below(parameters: xr.Dataset, walks: Walks, distance: xr.DataArray) -> xr.DataArray | float:
    """What the shape discrepancy adds to log error below the reference size, given the runs."""
    if walks.below is None or not bool((distance.variable > NEAR).any()):
        return 0.0
    return np.log(2.0) * parameters[names.DISCREPANCY] * walks.below(distance)


def log_error_at(
    log_ratio: xr.DataArray,
    parameters: xr.Dataset,
    model: Model,
    walks: Walks,
    distance: xr.DataArray | None = None,
) -> xr.DataArray:
    """Log of the expected error of every draw, shape discrepancy included: of the population, where there is luck."""
    below = 0.0 if distance is None else astray_below(parameters, walks, distance)
    whose = {
        str(d): parameters[names.ERROR_REFERENCE][d].values
        for d in (names.SLICE, names.LEARNER)
        if d in parameters[names.ERROR_REFERENCE].dims
    }
    compute = partial(_log_error, model=model, walks=walks, whose=whose)
    return without_coordinates(compute, log_ratio, parameters, below)


def _log_error(
    log_ratio: xr.Variable,
    parameters: Mapping[Any, xr.Variable],
    below: xr.Variable | float,
    *,
    model: Model,
    walks: Walks,
    whose: Mapping[str, np.ndarray],
) -> xr.Variable:
    """Compute log errors without coordinates; ``whose`` names the slices, and learners, of a curve's dims."""
    reference: Any = np.log(parameters[names.ERROR_REFERENCE])
    log_ratio = log_ratio + 0.0 * reference
    walk, usual = strays(walks, log_ratio, whose), level_sd(log_ratio / np.log(2.0))
    about, mean = walks.beyond.spread(parameters) * walk, walks.beyond.mean(parameters) * usual
    astray = np.log(2.0) * parameters[names.DISCREPANCY] * (about + mean)
    moved = _by_shape(model.curve(log_ratio, parameters) + astray, log_ratio, walk, usual, walks, whose)
    log_error = reference + moved + below
    if names.LUCK in parameters:  # few errors are relatively less well counted than many
        log_error = log_error + parameters[names.LUCK] * np.sqrt(_odds(log_error, walks) / _odds(reference, walks))
    return log_error.clip(-HIGHEST_LOG, HIGHEST_LOG)


def _by_shape(
    moved: xr.Variable,
    log_ratio: xr.Variable,
    walk: xr.Variable,
    usual: xr.Variable,
    walks: Walks,
    whose: Mapping[str, np.ndarray],
) -> xr.Variable:
    """How far log error moves, in the draws that go by shape as curves of that shape did."""
    if walks.futures is None or not bool((usual > 0.0).any()):
        return moved
    known = walks.futures.reindex({dim: called for dim, called in whose.items() if dim in walks.futures.dims})
    numbers = (known if names.LEARNER in whose else known.isel({names.LEARNER: 0})).variable
    four = [numbers.isel({NUMBER: place}) for place in range(numbers.sizes[NUMBER])]
    location, spread = ahead(four, (log_ratio / np.log(2.0)).clip(min=NEAR))
    did = location + spread * walk / usual.where(usual > 0.0, 1.0)
    drawn = goes_by_shape(walks, *(log_ratio.sizes[dim] for dim in names.SAMPLE))
    return did.where(drawn & (usual > 0.0) & did.notnull(), moved)


def _odds(log_error: xr.Variable, walks: Walks) -> xr.Variable | float:
    """Odds against an error; 1 where it has no bound."""
    return np.expm1(np.maximum(np.log(walks.upper) - log_error, LEAST_ODDS)) if np.isfinite(walks.upper) else 1.0


HIGHEST_LOG = 500.0
"""Log error at which draws of curves without runs are cut off, either way: its exponential is still a number."""
LEAST_ODDS = 1e-3  # log ratio of upper bound and error below which odds are not taken to fall
STEP = 1e-4  # half the step, in log labels, over which the elasticity at now is taken


def at_now(parameters: xr.Dataset, position: xr.Dataset, model: Model, walks: Walks) -> xr.Dataset:
    """Derive the promised posterior variables at each slice's current labels."""
    now, other = position[names.LABELS_NOW], position[names.OTHER_LABELS_NOW]
    ratio = log_ratio(parameters, position, now, other)
    below = doublings_below(position, now)
    error = np.exp(log_error_at(ratio, parameters, model, walks, below))
    before, after = (log_error_at(ratio + step, parameters, model, walks) for step in (-STEP, STEP))
    worth = parameters.get(names.TRANSFER, 0.0)
    # Below the reference size a curve strays along its own labels, beyond it along effective ones.
    elasticity = (before - after) / (2.0 * STEP) * own_share(now, other, worth) + steeper_below(
        parameters, walks, below
    )
    derived = {
        names.ERROR_NOW: error,
        names.ELASTICITY: elasticity,
        names.IMPACT: elasticity * error / np.maximum(now, 1.0),
        names.FLOOR: parameters[names.ERROR_REFERENCE]
        * model.floor_share(parameters)
        * np.exp(parameters.get(names.LUCK, 0.0)),
    }
    order = parameters[names.ERROR_REFERENCE].dims
    return xr.Dataset({name: value.transpose(*order, ...) for name, value in derived.items()})


def steeper_below(parameters: xr.Dataset, walks: Walks, distance: xr.DataArray) -> xr.DataArray | float:
    """What the shape discrepancy adds to the elasticity in own labels below the reference size."""
    if walks.below is None or not bool((distance > NEAR).any()):
        return 0.0
    step = STEP / np.log(2.0)
    farther, nearer = (astray_below(parameters, walks, (distance + way).clip(min=0.0)) for way in (step, -step))
    return (farther - nearer) / (2.0 * STEP)
