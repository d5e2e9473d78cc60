"""The cheapest plan for a target: labels and money with which an error is reached with a probability."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.decisions.advice.deciding import labels_today
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.guardrails import Floor, Rule
from labelvalue.decisions.case.risk import Mean
from labelvalue.decisions.case.value import GAP, MEAN_ERROR, Target, measured_by, volumes
from labelvalue.decisions.search.allocation import find_plan
from labelvalue.decisions.search.optimise import NoPlanError
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import InputError
from labelvalue.settings import Checks

HALVINGS = 12
"""Times that the price of an error point is bisected on the way to the cheapest plan."""
FURTHEST = 16
"""Labels that may be bought where nobody says how many, as a multiple of those there are."""
LEAST, MOST = 1e-3, 1e9
"""Prices of an error point between which it is, in money."""


def cheapest_plan(
    fit: Fit, case: Case, target: Target | None = None, *, probability: float = 0.9, max_labels: int | None = None
) -> pd.DataFrame:
    """Find the cheapest labels with which a target is reached with a probability, within the case's limits.

    The plan of least cost is that of some price of an error point: the price is bisected until the target is reached.
    For the worst slice and for the gap between slices the rules of a floor and of the largest gap are what is kept.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Costs, limits and rules; its values play no part.
    target : Target, optional
        What is to be reached, ``worth`` left aside; that of the case by default.
    probability : float
        P(error ≤ target) that is asked for, 0 < probability < 1.
    max_labels : int, optional
        Most labels in all; sixteen times those there are by default.

    Returns
    -------
    pandas.DataFrame
        One row a slice: ``slice``, ``labels`` to buy, expected ``error`` then. Attributes: ``total``, expected ``cost``
        with its 90 % interval ``lower`` to ``upper``, ``days``, ``p_target`` that is reached, whether that is enough
        (``found``), ``probability``, ``unit``. Where no plan is enough, the one that comes nearest.

    Raises
    ------
    InputError
        If there is no target, the probability is none, or the case does not belong to the fit.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit, case = fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> mean = float(fit.posterior["error_now"].mean())
    >>> table = cheapest_plan(fit, case, Target(error=0.95 * mean), probability=0.8)
    >>> table.attrs["found"], table.attrs["p_target"] >= 0.8
    (True, True)
    """
    checks = Checks()
    checks.share("probability", probability)
    target = case.value.target if target is None else target
    if target is None:
        checks.wrong("value.target", "there is none", "give a target, such as Target(error=0.08)")
        raise InputError(checks.problems)
    checks.finish()
    case.check(fit)
    most = FURTHEST * labels_today(fit) if max_labels is None else max_labels
    plans: list[Decision] = []

    def reached(plan: Decision) -> float:
        error = plan.outcomes[names.ERROR].sel({names.PLAN: names.RECOMMENDED})
        return float((measured_by(target, error, volumes(fit, case.value)) <= target.error).mean())

    def at(price: float) -> bool:
        try:
            plans.append(find_plan(fit, _valued(fit, case, target, price, probability), most))
        except NoPlanError:
            return False
        return reached(plans[-1]) >= probability

    low, high = np.log(LEAST), np.log(MOST)
    if target.of != MEAN_ERROR:
        at(LEAST)
    elif at(MOST):
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if at(float(np.exp(middle))) else (middle, high)
    if not plans:  # no plan reaches it: the one of the lowest mean error says how near one comes
        nearest = _valued(fit, case, Target(error=target.error), MOST, probability)
        plans.append(find_plan(fit, nearest, most))
    enough = [plan for plan in plans if reached(plan) >= probability]
    best = min(enough, key=_cost) if enough else max(plans, key=reached)
    return _told(best, reached(best), probability)


def _cost(plan: Decision) -> float:
    return float(plan.outcomes[names.COST].sel({names.PLAN: names.RECOMMENDED}).mean())


def _valued(fit: Fit, case: Case, target: Target, price: float, probability: float) -> Case:
    """The case with an error point at a price in every slice alike, and the rule that the target stands for."""
    rules = dataclasses.replace(case.guardrails, minimum_gain=None)
    if target.of == GAP:
        rules = dataclasses.replace(rules, largest_gap=Rule(limit=target.error, probability=probability))
    elif target.of != MEAN_ERROR:  # in every slice at once: each is asked for so that all together hold
        each = 1.0 - (1.0 - probability) / fit.slices.size
        floors = tuple(Floor(slice=str(name), error=target.error, probability=each) for name in fit.slices)
        rules = dataclasses.replace(rules, floors=floors)
    value = dataclasses.replace(case.value, per_error_point=price, stakes={}, target=None)
    return dataclasses.replace(case, value=value, guardrails=rules, risk=Mean())


def _told(best: Decision, chance: float, probability: float) -> pd.DataFrame:
    own = best.outcomes.sel({names.PLAN: names.RECOMMENDED})
    cost = own[names.COST]
    table = pd.DataFrame(
        {
            names.SLICE: list(best.labels),
            names.LABELS: list(best.labels.values()),
            names.ERROR: own[names.ERROR].mean(names.SAMPLE).values,
        }
    )
    low, high = np.quantile(cost.values, (0.05, 0.95)).tolist()
    table.attrs = {
        "total": best.total,
        names.COST: float(cost.mean()),
        "lower": low,
        "upper": high,
        names.DAYS: float(own[names.DAYS].mean()),
        "p_target": chance,
        "found": chance >= probability,
        names.PROBABILITY: probability,
        names.UNIT: own.attrs[names.UNIT],
    }
    return table
