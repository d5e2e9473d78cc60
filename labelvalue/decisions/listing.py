"""From a fit and a case to a menu: sizes worth looking at, draws of net benefit, limits."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.benefit import plan_outcomes, slice_outcomes
from labelvalue.decisions.case import Case
from labelvalue.decisions.errors import chosen_curves
from labelvalue.decisions.evaluating import evaluation_cost
from labelvalue.decisions.feasible import NoPlanError, least_labels, unreachable
from labelvalue.decisions.menu import Menu
from labelvalue.decisions.spending import fixed_cost
from labelvalue.model import Fit
from labelvalue.problems import Problem

SIZES = 24
"""Sizes of a menu between nothing and everything, as a geometric row."""


@dataclasses.dataclass(frozen=True)
class Listing:
    """A menu in lots, and what else of a case an allocation needs.

    Parameters
    ----------
    menu : Menu
        What can be bought in a plan of one batch, counted in lots.
    batch : array of float, shape (sample,)
        Draws of what every further batch costs.
    errors : array of float, shape (slice, step, sample)
        Draws of each slice's error in the population.

    Examples
    --------
    See :func:`list_purchases`.
    """

    menu: Menu
    batch: np.ndarray
    errors: np.ndarray

    def at_most(self, lots: int) -> Listing:
        """Return the listing with fewer lots in all."""
        return dataclasses.replace(self, menu=dataclasses.replace(self.menu, max_labels=lots))

    def of_batches(self, count: int, size: int | None) -> Menu:
        """Return the menu of plans of a number of batches.

        Parameters
        ----------
        count : int
            Batches, ≥ 1.
        size : int or None
            Labels of a batch; ``None`` for any number.

        Returns
        -------
        Menu
            With what the batches cost, and no more labels than they hold.
        """
        most = self.menu.max_labels if size is None else min(self.menu.max_labels, count * size // self.menu.lot)
        more = (count - 1) * self.batch
        spend = self.menu.fixed_spend + float(more.mean())
        return dataclasses.replace(self.menu, max_labels=most, fixed=self.menu.fixed + more, fixed_spend=spend)


def sizes_to_try(case: Case, slices: int, max_labels: int, lot: int) -> np.ndarray:
    """Return sizes of a purchase in one slice: nothing, one lot, a geometric row, and where the price has kinks.

    Parameters
    ----------
    case : Case
        Gives tiers and minimum order.
    slices : int
        Number of slices.
    max_labels : int
        Most labels in all.
    lot : int
        Labels of a lot.

    Returns
    -------
    array of int
        Lots, rising from 0.

    Examples
    --------
    >>> case = Case(costs={"price_per_label": 1, "minimum_order": 70}, value={"per_error_point": 1})
    >>> sizes = sizes_to_try(case, 4, 1000, 10)
    >>> sizes[[0, 1, -1]].tolist(), 7 in sizes
    ([0, 1, 100], True)
    """
    most = max(max_labels // lot, 1)
    row = np.geomspace(max(1.0, most / slices / 8), most, SIZES)
    share = most // slices
    kinks = [tier.above / lot for tier in case.costs.tiers] + [case.costs.minimum_order / lot]
    kinks = [k for k in kinks if 0 < k < most]
    every = [0, 1, most, share, *np.round(row), *(math.floor(k) for k in kinks), *(math.ceil(k) for k in kinks)]
    return np.unique(np.array(every).astype(int))


def list_purchases(fit: Fit, case: Case, max_labels: int, max_spend: float = np.inf, lot: int = 1) -> Listing:
    """Compute what can be bought: draws of net benefit by slice and size, against doing nothing.

    Each slice is valued with the others left at now; :func:`labelvalue.decisions.plan_outcomes` then values plans as a
    whole, where labels of one slice help another the less the more that has.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case.
    max_labels : int
        Most labels in all, ≥ 1.
    max_spend : float
        Most expected money.
    lot : int
        Labels are bought in multiples of it.

    Returns
    -------
    Listing
        The menu.

    Raises
    ------
    NoPlanError
        If a floor cannot be reached, or does not leave room below what is available; all of them at once.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> list_purchases(fake_fit(seed=1), case, 2000).menu.net.shape[0]
    4
    """
    slices = tuple(str(name) for name in fit.slices)
    lots = sizes_to_try(case, len(slices), max_labels, lot)
    found = slice_outcomes(fit, case, (lots * lot).tolist())
    net = _flat(found[names.VALUE] - found[names.COST])
    spend = found[names.COST].mean(names.SAMPLE).values
    now = chosen_curves(fit, case)[0][names.ERROR_NOW]
    now = now.isel(dict.fromkeys([d for d in now.dims if d not in (*names.SAMPLE, names.SLICE)], 0), drop=True)
    errors = _flat(now - found[names.GAIN])
    most = max_labels // lot
    limits = [case.limits(name) for name in slices]
    high = np.array([min(most, upper // lot) for _, upper in limits]).astype(int)
    low = np.array([math.ceil(lower / lot) for lower, _ in limits])
    low = np.maximum(low, _floors(case, slices, errors, lots, high, lot))
    gap = case.guardrails.largest_gap
    menu = Menu(
        slices=slices,
        labels=lots,
        net=net - net[:, :1],
        spend=spend,
        low=low,
        high=high,
        max_labels=most,
        max_spend=max_spend,
        fixed=_fixed(fit, case, net, high, lots, lot),
        fixed_spend=float(case.fixed_cost(fit).mean()) + float(evaluation_cost(fit, case).mean()),
        error=None if gap is None else errors.mean(axis=2),
        max_gap=np.inf if gap is None else gap.limit,
        lot=lot,
    )
    batch = fixed_cost(fit, case.costs, 2) - fixed_cost(fit, case.costs, 1)
    return Listing(menu, _sample(batch, found), errors)


def _floors(
    case: Case, slices: tuple[str, ...], errors: np.ndarray, lots: np.ndarray, high: np.ndarray, lot: int
) -> np.ndarray:
    """Lots that each slice needs for its floors."""
    needed = np.zeros(len(slices), dtype=int)
    problems: list[Problem] = []
    for floor in case.guardrails.floors:
        place = slices.index(floor.slice)
        least = least_labels(errors[place], lots, floor.error, floor.probability)
        if least > high[place]:
            most = float(high[place] * lot)
            at = (floor.slice, errors[place], lots * lot, most, floor.error, floor.probability)
            problem = unreachable(*at)
            said = f"{problem.why} ({floor.reason})" if floor.reason else problem.why
            problems.append(dataclasses.replace(problem, why=said))
        else:
            needed[place] = max(needed[place], int(least))
    if problems:
        raise NoPlanError(problems)
    return needed


def _fixed(fit: Fit, case: Case, net: np.ndarray, high: np.ndarray, lots: np.ndarray, lot: int) -> np.ndarray:
    """Draws of what any purchase costs at all, less what retraining alone brings: by the whole plan of one lot."""
    if not (high > 0).any():
        return np.zeros(net.shape[2])
    place = int(np.argmax(high > 0))
    name = str(fit.slices[place])
    one = plan_outcomes(fit, case, {names.RECOMMENDED: {name: lot}})[names.NET_BENEFIT]
    advantage = one.sel({names.PLAN: names.RECOMMENDED}) - one.sel({names.PLAN: names.NOTHING})
    return net[place, int(np.searchsorted(lots, 1))] - advantage.values.ravel()


def _flat(values: xr.DataArray) -> np.ndarray:
    """Draws as slice, step, sample."""
    ordered = values.transpose(names.SLICE, names.BUDGET, *names.SAMPLE).values
    return np.ascontiguousarray(ordered).reshape(*ordered.shape[:2], -1)


def _sample(values: xr.DataArray, like: xr.Dataset) -> np.ndarray:
    """Draws of a quantity that may not vary, one a sample."""
    shape = xr.DataArray(np.zeros((like.sizes[names.CHAIN], like.sizes[names.DRAW])), dims=names.SAMPLE)
    return (values.drop_vars(names.SAMPLE, errors="ignore") + shape).transpose(*names.SAMPLE).values.ravel()
