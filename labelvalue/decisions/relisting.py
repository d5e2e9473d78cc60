"""A menu seen from a plan: what each slice's labels are worth beside those that the plan buys for the others.

Labels of one slice help another the less the more that has, so net benefits of single slices do not add up. Seen from a
plan, they do to first order; an allocation that no longer moves when it is seen from itself is a stationary point.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case import Case
from labelvalue.decisions.errors import chosen_curves, errors_at
from labelvalue.decisions.listing import Listing
from labelvalue.decisions.spending import days_until, label_cost, retraining_works
from labelvalue.decisions.value import worth
from labelvalue.forecast.curves import SIZE
from labelvalue.model import Fit

SHIFTS = 10
"""Numbers of labels more, and fewer, at which what others' labels are worth is computed; it is smooth in between."""


def adds_up(fit: Fit, case: Case) -> bool:
    """Say whether net benefits of single slices add up to that of a plan.

    Parameters
    ----------
    fit : Fit
        Fit; without transfer between slices they do.
    case : Case
        A target makes the value one of all slices together, which is not seen from a plan either.

    Returns
    -------
    bool
        True also where a target stands in the case.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> adds_up(fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}))
    False
    """
    return names.TRANSFER not in chosen_curves(fit, case)[0] or case.value.target is not None


def seen_from(
    fit: Fit, case: Case, listing: Listing, bought: np.ndarray, advantage: np.ndarray, batches: int
) -> Listing:
    """Return the menu as it is beside what a plan buys, in lots (slice,): right to first order around the plan.

    At the plan its outcome is ``advantage`` (sample,), the plan's net benefit as a whole less that of doing nothing.
    """
    menu = listing.menu
    sizes, plan = menu.labels * menu.lot, bought * menu.lot
    unit = worth(fit, case.value, days_until(fit, case.costs, xr.DataArray(float(plan.sum()))))
    unit = unit * retraining_works(fit, case.costs)
    value = _own(fit, case, sizes, plan, unit) + _spill(fit, case, sizes, plan, unit)
    labels = xr.DataArray(
        np.broadcast_to(sizes.astype(float), (len(menu.slices), sizes.size)),
        dims=(names.SLICE, SIZE),
        coords={names.SLICE: fit.slices},
    )
    net = value - _flat(fit, label_cost(fit, case.costs, labels))
    net = net - net[:, :1]
    fixed = menu.total(net, bought) - advantage - (batches - 1) * listing.batch
    return dataclasses.replace(listing, menu=dataclasses.replace(menu, net=net, fixed=fixed))


def _own(fit: Fit, case: Case, sizes: np.ndarray, plan: np.ndarray, unit: xr.DataArray) -> np.ndarray:
    """Value of each size in the slice itself, beside the plan's labels of the others."""
    own = np.broadcast_to(sizes.astype(float), (plan.size, sizes.size))
    other = np.broadcast_to((plan.sum() - plan)[:, None].astype(float), own.shape)
    error = errors_at(fit, case, _labels(fit, own), _labels(fit, other))
    return _flat(fit, -error * unit)


def _spill(fit: Fit, case: Case, sizes: np.ndarray, plan: np.ndarray, unit: xr.DataArray) -> np.ndarray:
    """Value of each size in all other slices, each beside the plan's labels of its own."""
    ahead, back = (np.geomspace(1.0, max(most, 1), SHIFTS).round() for most in (sizes.max(), plan.max()))
    shifts = np.unique(np.concatenate([[0.0], ahead, -back]))
    own = np.broadcast_to(plan[:, None].astype(float), (plan.size, shifts.size))
    other = np.maximum((plan.sum() - plan)[:, None] + shifts, 0.0)
    error = errors_at(fit, case, _labels(fit, own), _labels(fit, other))
    moved = _flat(fit, -error * unit)
    total = moved.sum(axis=0)
    spill = np.empty((plan.size, sizes.size, moved.shape[2]))
    for place in range(plan.size):
        others = total - moved[place]
        wanted = np.clip(sizes - plan[place], shifts[0], shifts[-1])
        step = np.clip(np.searchsorted(shifts, wanted, side="right") - 1, 0, shifts.size - 2)
        share = ((wanted - shifts[step]) / np.diff(shifts)[step])[:, None]
        spill[place] = (1.0 - share) * others[step] + share * others[step + 1]
    return spill


def _labels(fit: Fit, values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=(names.SLICE, SIZE), coords={names.SLICE: fit.slices})


def _flat(fit: Fit, values: xr.DataArray) -> np.ndarray:
    """Draws as slice, size, sample."""
    sample = fit.posterior[names.CHAIN] * 0.0 + fit.posterior[names.DRAW] * 0.0
    ordered = (values + sample).transpose(names.SLICE, SIZE, *names.SAMPLE).values
    return np.ascontiguousarray(ordered).reshape(*ordered.shape[:2], -1)
