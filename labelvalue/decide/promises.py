"""Guardrails that hold with a probability: checked on the plan as a whole, and what to tighten where one fails."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decide.case import Case
from labelvalue.decide.listing import Listing
from labelvalue.decide.value import volumes
from labelvalue.model import Fit
from labelvalue.problems import InputError, Problem

FLOOR, GAP, BUDGET, GAIN, TIME = "floor", "largest gap", "maximum budget", "minimum gain", "deadline"
TIGHTER_GAP = 0.85
"""What the gap of the expected errors is multiplied by where the gap of the draws is kept too seldom."""


def promises_of(fit: Fit, case: Case, outcomes: xr.Dataset) -> pd.DataFrame:
    """Say with which probability a plan keeps each guardrail of a case.

    Floors and gaps are about errors in the population: that the evaluation items at hand may be easier or harder
    counts.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Gives the guardrails.
    outcomes : xarray.Dataset
        From :func:`labelvalue.decide.plan_outcomes`, with the plan ``recommended``.

    Returns
    -------
    pandas.DataFrame
        One row a guardrail: ``kind``, ``slice`` (empty where none is meant), ``promise`` in words, ``limit``,
        ``probability`` asked for, ``reached``, ``kept``.

    Examples
    --------
    >>> from labelvalue.decide import Case, plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> rule = {"maximum_budget": {"limit": 100, "probability": 0.9}}
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, guardrails=rule)
    >>> fit = fake_fit(seed=1)
    >>> promises_of(fit, case, plan_outcomes(fit, case, {"recommended": {"west": 500}}))["kept"].tolist()
    [True]
    """
    own = outcomes.sel({names.PLAN: names.RECOMMENDED}, drop=True)
    error, rules = own[names.ERROR], case.guardrails
    rows = []
    for floor in rules.floors:
        kept = error.sel({names.SLICE: floor.slice}) <= floor.error
        words = f"error of {floor.slice} ≤ {floor.error:g}"
        rows.append((FLOOR, floor.slice, words, floor.error, floor.probability, kept))
    if (rule := rules.largest_gap) is not None:
        kept = error.max(names.SLICE) - error.min(names.SLICE) <= rule.limit
        rows.append((GAP, "", f"gap between slices ≤ {rule.limit:g}", rule.limit, rule.probability, kept))
    if (rule := rules.maximum_budget) is not None:
        kept = own[names.COST] <= rule.limit * (1 + 1e-9)
        rows.append((BUDGET, "", f"cost ≤ {rule.limit:,.10g}", rule.limit, rule.probability, kept))
    if (rule := rules.deadline) is not None:
        kept = own[names.DAYS] <= rule.limit * (1 + 1e-9)
        rows.append((TIME, "", f"days until the last label ≤ {rule.limit:g}", rule.limit, rule.probability, kept))
    if (rule := rules.minimum_gain) is not None and float(own[names.LABELS].sum()) > 0:
        mean = (own[names.GAIN] * volumes(fit, case.value)).sum(names.SLICE)
        kept = mean / float(own[names.LABELS].sum()) * 1000 >= rule.limit
        rows.append((GAIN, "", f"gain per 1,000 labels ≥ {rule.limit:g}", rule.limit, rule.probability, kept))
    columns = ["kind", names.SLICE, "promise", "limit", "probability", "reached"]
    table = pd.DataFrame([(*row[:-1], float(row[-1].mean())) for row in rows], columns=columns)
    return table.assign(kept=table["reached"] >= table["probability"] - 1e-12)


def tightened(listing: Listing, promises: pd.DataFrame, bought: np.ndarray, plan: xr.Dataset) -> Listing:
    """Tighten the limits of a menu where a plan made from it breaks a promise.

    Parameters
    ----------
    listing : Listing
        Where the plan came from.
    promises : pandas.DataFrame
        From :func:`promises_of`.
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
    InputError
        If a floor is not kept by the most that may be bought.

    Examples
    --------
    See :func:`labelvalue.decide.allocate`.
    """
    menu, problems = listing.menu, []
    low, cost = menu.low.copy(), plan[names.COST]
    broken = promises[~promises["kept"]]
    for row in broken.to_dict("records"):
        if row["kind"] == GAP:
            menu = dataclasses.replace(menu, max_gap=menu.max_gap * TIGHTER_GAP)
        elif row["kind"] == BUDGET:
            spent = float(cost.quantile(row["probability"], method="higher"))
            share = row["limit"] / spent if spent > 0 else 1.0
            known = menu.max_spend if np.isfinite(menu.max_spend) else float(cost.mean())
            menu = dataclasses.replace(menu, max_spend=min(known, float(cost.mean())) * min(share, 1.0) * (1 - 1e-9))
        elif row["kind"] == TIME:
            taken = float(plan[names.DAYS].quantile(row["probability"], method="higher"))
            fewer = min(int(bought.sum() * row["limit"] / taken), int(bought.sum()) - 1)
            menu = dataclasses.replace(menu, max_labels=max(fewer, 0))
        elif row["kind"] == FLOOR:
            place = menu.slices.index(row[names.SLICE])
            if bought[place] >= menu.high[place]:
                why = f"P({row['promise']}) ≥ {row['probability']:g} is not reached beside the rest of the plan"
                fix = f"accept a probability of {math.floor(row['reached'] * 1000) / 1000:g}, or allow more labels"
                problems.append(Problem(column=row[names.SLICE], why=why, fix=fix))
            low[place] = min(max(bought[place] + 1, math.ceil(bought[place] * 1.15)), menu.high[place])
    if problems:
        raise InputError(problems)
    return dataclasses.replace(listing, menu=dataclasses.replace(menu, low=low))
