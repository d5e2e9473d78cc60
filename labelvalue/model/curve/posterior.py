"""From sampled curve parameters to what a fit promises: error, elasticity, impact and floor at now."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.discrepancy import NEAR, NUMBERS, Walks, ahead, goes_by_shape, level_sd, strays
from labelvalue.model.curve.families import log_ratio, own_share, without_coordinates
from labelvalue.model.curve.observations import CURVE, CURVE_KEYS, HALF_LABEL
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
    return without_coordinates(doublings_under, position[names.REFERENCE_LABELS], labels)


def doublings_under(reference: Any, sizes: Any) -> Any:
    """Compute :func:`doublings_below` of arrays."""
    return np.log2(np.maximum(reference / np.maximum(sizes, HALF_LABEL), 1.0))


def astray_below(parameters: xr.Dataset, walks: Walks, distance: xr.DataArray) -> xr.DataArray | float:
    """What the shape discrepancy adds to log error below the reference size, given the runs."""
    if walks.below is None or not bool((distance.variable > NEAR).any()):
        return 0.0
    return np.log(2.0) * parameters[names.DISCREPANCY] * walks.below(distance)


def log_error_at(
    log_ratio: xr.DataArray, parameters: xr.Dataset, model: Model, walks: Walks, distance: xr.DataArray | None = None
) -> xr.DataArray:
    """Log of the expected error of every draw, shape discrepancy included: of the population, where there is luck."""
    below = 0.0 if distance is None else astray_below(parameters, walks, distance)
    owners = {d: parameters[d] for d in (names.SLICE, names.LEARNER) if d in parameters[names.ERROR_REFERENCE].dims}
    futures = None if walks.futures is None else of_curves(walks.futures, parameters)
    compute = partial(log_error_of, model=model, walks=walks)
    # The dims of a curve come first, in the order in which its owners are named.
    given = parameters[names.ERROR_REFERENCE], log_ratio, below, parameters, futures
    return without_coordinates(compute, *given, *owners.values())


def log_error_of(
    error: np.ndarray,
    log_ratio: np.ndarray,
    below: np.ndarray | float,
    parameters: Mapping[Any, np.ndarray],
    futures: Mapping[Any, np.ndarray] | None,
    *whose: np.ndarray,
    model: Model,
    walks: Walks,
) -> np.ndarray:
    """Log errors (chain, draw, slice, learner, suite, size), dims of length 1 or full; ``whose`` are their names."""
    reference, moved = np.log(error), model.curve(log_ratio, parameters)
    doublings = log_ratio / np.log(2.0)
    if (doublings > NEAR).any():
        usual = level_sd(doublings)
        each = np.broadcast_to(doublings, np.broadcast_shapes(error.shape, doublings.shape))
        walk = strays(walks, each, whose)
        standard = None if futures is None else walk / np.where(usual > 0.0, usual, 1.0)
        walk *= walks.beyond.spread(parameters)
        walk += walks.beyond.mean(parameters) * usual
        walk *= np.log(2.0) * parameters[names.DISCREPANCY]
        walk += moved
        moved = walk if futures is None or standard is None else _by_shape(walk, each, standard, walks, futures)
    log_error = reference + moved if np.ndim(below) == 0 else reference + moved + below
    if names.LUCK in parameters:  # few errors are relatively less well counted than many
        luck = np.sqrt(_odds(log_error, walks) / _odds(reference, walks))
        luck *= parameters[names.LUCK]
        log_error += luck
    return np.clip(log_error, -HIGHEST_LOG, HIGHEST_LOG, out=log_error)


def of_curves(futures: xr.Dataset, parameters: xr.Dataset) -> xr.Dataset:
    """Pick the slices and learners of some draws; NaN where a slice has no runs."""
    for dim in futures.dims:
        if dim in parameters.dims:
            futures = futures.reindex({dim: parameters[dim]})
        else:
            at = futures.get_index(dim).get_loc(parameters[dim].item()) if dim in parameters.coords else 0
            futures = futures.isel({dim: at}, drop=True)
    return futures


def _by_shape(
    moved: np.ndarray, doublings: np.ndarray, standard: np.ndarray, walks: Walks, futures: Mapping[Any, np.ndarray]
) -> np.ndarray:
    """How far log error moves: in draws that go by shape, as curves of that shape did; as :func:`log_error_of`."""
    location, spread = ahead(tuple(futures[name] for name in NUMBERS), np.maximum(doublings, NEAR))
    did = location + spread * standard
    drawn = goes_by_shape(walks, *doublings.shape[:2]).reshape(doublings.shape[:2] + (1,) * (doublings.ndim - 2))
    return np.where(drawn & (doublings > NEAR) & np.isfinite(did), did, moved)


def _odds(log_error: np.ndarray, walks: Walks) -> np.ndarray | float:
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
