"""What to tighten where the best purchase of a menu breaks a rule: one row a kind of rule."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case import Case
from labelvalue.decisions.feasible import NoPlanError
from labelvalue.decisions.listing import Listing
from labelvalue.decisions.menu import Menu
from labelvalue.decisions.rules import (
    DEADLINE,
    FLOOR,
    HOLDS,
    LARGEST_GAP,
    MAXIMUM_BUDGET,
    MINIMUM_CLASS,
    REQUIRED,
    RULE,
    WORDS,
)
from labelvalue.problems import Problem

TIGHTER_GAP = 0.85
"""What the gap of the expected errors is multiplied by where the gap of the draws is kept too seldom."""
Row = Mapping[Any, Any]


def tightened(listing: Listing, case: Case, broken: pd.DataFrame, bought: np.ndarray, plan: xr.Dataset) -> Listing:
    """Tighten the limits of a listing where a plan made from it breaks rules.

    Parameters
    ----------
    listing : Listing
        Where the plan came from.
    case : Case
        Case.
    broken : pandas.DataFrame
        Rows of :func:`labelvalue.decisions.check_guardrails`.
    bought : array of int, shape (slice,)
        Lots of the plan.
    plan : xarray.Dataset
        Its outcomes: draws of cost and days.

    Returns
    -------
    Listing
        The same one where nothing that purchases can mend is broken.

    Raises
    ------
    NoPlanError
        If a floor is not kept by the most that may be bought.
    """
    menu = listing.menu
    problems = [
        _unreached(row)
        for row in broken.to_dict("records")
        if row[RULE] == FLOOR and bought[place := menu.slices.index(row[names.SLICE])] >= menu.high[place]
    ]
    if problems:
        raise NoPlanError(problems)
    for row in broken.to_dict("records"):
        if row[RULE] in TIGHTEN:
            menu = TIGHTEN[row[RULE]](menu, case, row, bought, plan)
    return dataclasses.replace(listing, menu=menu)


def _unreached(row: Row) -> Problem:
    why = f"P({row[WORDS]}) ≥ {row[REQUIRED]:g} is not reached beside the rest of the plan"
    fix = f"accept a probability of {math.floor(row[HOLDS] * 1000) / 1000:g}, or allow more labels"
    return Problem(column=row[names.SLICE], why=why, fix=fix)


def _more(menu: Menu, case: Case, row: Row, bought: np.ndarray, plan: xr.Dataset) -> Menu:
    place, low = menu.slices.index(row[names.SLICE]), menu.low.copy()
    low[place] = min(max(bought[place] + 1, math.ceil(bought[place] * 1.15)), menu.high[place])
    return dataclasses.replace(menu, low=low)


def _closer(menu: Menu, case: Case, row: Row, bought: np.ndarray, plan: xr.Dataset) -> Menu:
    return dataclasses.replace(menu, max_gap=menu.max_gap * TIGHTER_GAP)


def _cheaper(menu: Menu, case: Case, row: Row, bought: np.ndarray, plan: xr.Dataset) -> Menu:
    cost = plan[names.COST]
    spent = float(cost.quantile(row[REQUIRED], method="higher"))
    share = row["limit"] / spent if spent > 0 else 1.0
    known = menu.max_spend if np.isfinite(menu.max_spend) else float(cost.mean())
    return dataclasses.replace(menu, max_spend=min(known, float(cost.mean())) * min(share, 1.0) * (1 - 1e-9))


def _sooner(menu: Menu, case: Case, row: Row, bought: np.ndarray, plan: xr.Dataset) -> Menu:
    taken = float(plan[names.DAYS].quantile(row[REQUIRED], method="higher"))
    fewer = min(int(bought.sum() * row["limit"] / taken), int(bought.sum()) - 1)
    return dataclasses.replace(menu, max_labels=max(fewer, 0))


def _of_class(menu: Menu, case: Case, row: Row, bought: np.ndarray, plan: xr.Dataset) -> Menu:
    """What is missing of a class, shared evenly among its slices that have room."""
    places = np.array([menu.slices.index(name) for name in case.classes[row[names.SLICE]].slices])
    low = menu.low.copy()
    low[places] = np.maximum(low[places], bought[places])
    while (missing := math.ceil(row["limit"] / menu.lot) - int(low[places].sum())) > 0:
        free = places[low[places] < menu.high[places]]
        if not free.size:
            why = f"{row[WORDS]} is more than may be bought of its slices"
            raise NoPlanError([Problem(column=row[names.SLICE], why=why, fix="lower the minimum, or allow more")])
        low[free] = np.minimum(low[free] + math.ceil(missing / free.size), menu.high[free])
    return dataclasses.replace(menu, low=low)


TIGHTEN: Mapping[str, Callable[[Menu, Case, Row, np.ndarray, xr.Dataset], Menu]] = {
    FLOOR: _more,
    LARGEST_GAP: _closer,
    MAXIMUM_BUDGET: _cheaper,
    DEADLINE: _sooner,
    MINIMUM_CLASS: _of_class,
}
