"""The cheapest plan for a target: labels and money with which an error is reached with a probability."""

import contextlib
import dataclasses
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.guardrails import Floor, Rule
from labelvalue.decisions.case.risk import Mean
from labelvalue.decisions.case.value import GAP, MEAN_ERROR, Target, measured_by, volumes
from labelvalue.decisions.outcomes.benefit import plan_outcomes
from labelvalue.decisions.outcomes.errors import labels_today
from labelvalue.decisions.search.allocation import find_plan
from labelvalue.decisions.search.listing import thinned
from labelvalue.decisions.search.mixtures import SEARCHED, Mixture, allowed, climbed
from labelvalue.decisions.search.optimise import NoPlanError
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import TAILS
from labelvalue.problems import InputError
from labelvalue.settings import Checks

HALVINGS = 12  # times that the part of a plan that is bought is bisected
ROUNDS, DEARER = 16, 1.5
"""Times that labels are moved for the cheapest plan, and how much dearer a miss of the target is each time."""
CLOSE = 0.03  # by how much a probability may fall short for few draws to have misjudged it
NEAR = 1e6  # parts of a probability, and of a target, by which coming near counts
MOST_SLICES = 20  # slices up to which labels are moved until nothing is cheaper
FURTHEST = 16  # labels that may be bought where nobody says how many, as a multiple of those there are
LEAST, MOST = 1e-3, 1e9  # prices of an error point at which labels are hardly worth anything, and worth any money


def cheapest_plan(
    fit: Fit,
    case: Case,
    target: Target | None = None,
    *,
    probability: float | None = None,
    max_labels: int | None = None,
) -> pd.DataFrame:
    """Find the cheapest labels with which a target is reached with a probability, within the case's limits.

    The smallest part that reaches it of plans of the lowest error, or with the floors or the gap that it stands for;
    of up to twenty slices, labels are then moved between slices, bought and left as long as that is cheaper.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Costs, limits and rules; its values play no part.
    target : Target, optional
        What is to be reached, ``worth`` left aside; that of the case by default.
    probability : float, optional
        P(error ≤ target) that is asked for, 0 < probability < 1; that of the target by default.
    max_labels : int, optional
        Most labels in all; sixteen times those there are by default.

    Returns
    -------
    pandas.DataFrame
        One row a slice: ``slice``, ``labels`` to buy, expected ``error`` then. Attributes: ``total``, expected ``cost``
        with its 90 % interval ``lower`` to ``upper``, ``days``, ``p_target`` that is reached, whether that is enough
        (``found``), ``probability``, ``target`` and what it is ``of``, ``unit``. Where no plan is enough, the one that
        comes nearest.

    Raises
    ------
    InputError
        If there is no target, the probability is none, or the case does not belong to the fit.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit, case = fake_fit(seed=1, draws=50), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> mean = float(fit.posterior["error_now"].mean())
    >>> table = cheapest_plan(fit, case, Target(error=0.95 * mean), probability=0.8)
    >>> table.attrs["found"], table.attrs["p_target"] >= 0.8
    (True, True)
    """
    checks = Checks()
    target = case.value.target if target is None else target
    if target is None:
        checks.wrong("value.target", "there is none", "give a target, such as Target(error=0.08)")
        raise InputError(checks.problems)
    asked = target.probability if probability is None else checks.share("probability", probability)
    checks.finish()
    case.check(fit)
    most = FURTHEST * labels_today(fit) if max_labels is None else max_labels
    goal = _Goal(target, volumes(fit, case.value), asked)
    return _told(_cheapest(fit, case, goal, most), goal)


class _Goal(NamedTuple):
    """A target, the slices' shares in it, and the probability with which it is to be reached."""

    target: Target
    shares: xr.DataArray
    probability: float

    def chance(self, one: Mixture) -> float:
        """Probability that a plan reaches the target."""
        return float((self.measured(one.outcomes.sel({names.PLAN: one.name})) <= self.target.error).mean())

    def reached(self, one: Mixture) -> bool:
        """Whether a plan reaches it with the probability that is asked for."""
        return self.chance(one) >= self.probability

    def measured(self, outcomes: xr.Dataset) -> xr.DataArray:
        """Draw what the target is about."""
        return measured_by(self.target, outcomes[names.ERROR], self.shares)

    def likely(self, outcomes: xr.Dataset) -> pd.Series:
        """Score plans by how probably they reach the target, and by how near they come where that is the same."""
        drawn = self.measured(outcomes)
        near = drawn.mean(names.SAMPLE)
        return ((drawn <= self.target.error).mean(names.SAMPLE) - near / (1 + near) / NEAR).to_series()

    def priced(self, outcomes: xr.Dataset, price: float, level: float) -> pd.Series:
        """Score plans by their cost, and a price for each unit by which the error of a level misses the target."""
        error = self.measured(outcomes).quantile(level, names.SAMPLE, method="inverted_cdf")
        missed = (error - self.target.error).clip(min=0.0)
        return -(outcomes[names.COST].mean(names.SAMPLE) + price * missed).to_series()


def _cheapest(fit: Fit, case: Case, goal: _Goal, most: int) -> Mixture:
    """The cheapest plan that reaches a goal; where none does, the one that most probably would."""
    free, few = _valued(fit, case, None, MOST, goal.probability), fit.slices.size <= MOST_SLICES

    def found(case: Case, money: float = np.inf) -> Mixture:
        return Mixture(0.0, find_plan(fit, case, most, max_spend=money).outcomes, (), names.RECOMMENDED)

    plans = [found(free)]
    with contextlib.suppress(NoPlanError):
        plans.append(found(_valued(fit, case, goal.target, LEAST, goal.probability)))
    if few and not any(map(goal.reached, plans)):
        plans.append(_moved(fit, free, max(plans, key=goal.chance), most, goal.likely))
    if not any(map(goal.reached, plans)):
        return max(reversed(plans), key=goal.chance)
    best = min((_part(fit, free, goal, one) for one in plans if goal.reached(one)), key=_cost)
    if not _cost(best):
        return best
    with contextlib.suppress(NoPlanError):  # what else is to be had for that money
        if goal.reached(again := found(free, _cost(best))):
            best = min(best, _part(fit, free, goal, again), key=_cost)
    return _climbed(fit, free, goal, best, most) if few else best


def _part(fit: Fit, case: Case, goal: _Goal, one: Mixture) -> Mixture:
    """The smallest part of a plan that still reaches the goal within the rules."""
    low, high, labels = 0.0, 1.0, one.labels()
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        part = {name: int(n * middle) for name, n in labels.items()}
        made = one._replace(outcomes=plan_outcomes(fit, case, {one.name: part}))
        kept = goal.reached(made) and allowed(fit, case, made.outcomes, made.name, np.inf)
        low, high, one = (low, middle, made) if kept else (middle, high, one)
    return one


def _climbed(fit: Fit, case: Case, goal: _Goal, best: Mixture, most: int) -> Mixture:
    """The cheapest plan near one that reaches the goal: a miss is priced, the dearer the longer it is not reached.

    A miss is not forbidden, so that labels may move past the target and back (an exact penalty).
    """
    unit = float(goal.measured(best.outcomes.sel({names.PLAN: names.NOTHING})).mean()) - goal.target.error
    price, level = _cost(best) / max(unit, goal.target.error / NEAR), goal.probability
    reach, close = min(2 * sum(best.labels().values()), most), 0.0 if thinned(fit, SEARCHED) is fit else CLOSE
    found, plans = best, [best]
    for _ in range(ROUNDS):
        found = _moved(fit, case, found, reach, partial(goal.priced, price=price, level=level))
        plans.append(found)
        short = goal.probability - goal.chance(found)
        if short <= 0:
            break
        close_by = short < close  # few draws say that it is reached
        level, price = (min(level + short, 1.0), price) if close_by else (level, price * DEARER)
    return min(filter(goal.reached, plans), key=_cost)


def _moved(fit: Fit, case: Case, one: Mixture, most: int, scored: Callable[[xr.Dataset], pd.Series]) -> Mixture:
    """A plan with labels moved as long as a score rises."""
    begun = one._replace(score=float(scored(one.outcomes)[one.name]))
    return climbed(fit, case, begun, most, np.inf, 1, scored=scored)


def _cost(one: Mixture) -> float:
    return float(one.outcomes[names.COST].sel({names.PLAN: one.name}).mean())


def _valued(fit: Fit, case: Case, target: Target | None, price: float, probability: float) -> Case:
    """The case with an error point at a price in every slice alike, and the rule that a target stands for."""
    rules = dataclasses.replace(case.guardrails, minimum_gain=None)
    if target is not None and target.of == GAP:
        rules = dataclasses.replace(rules, largest_gap=Rule(limit=target.error, probability=probability))
    elif target is not None and target.of != MEAN_ERROR:  # each is asked for so that all together hold
        each = 1.0 - (1.0 - probability) / fit.slices.size
        floors = tuple(Floor(slice=str(name), error=target.error, probability=each) for name in fit.slices)
        rules = dataclasses.replace(rules, floors=floors)
    value = dataclasses.replace(case.value, per_error_point=price, stakes={}, target=None)
    return dataclasses.replace(case, value=value, guardrails=rules, risk=Mean())


def _told(best: Mixture, goal: _Goal) -> pd.DataFrame:
    own, labels, chance = best.outcomes.sel({names.PLAN: best.name}), best.labels(), goal.chance(best)
    cost = own[names.COST]
    error = own[names.ERROR].mean(names.SAMPLE).values
    table = pd.DataFrame({names.SLICE: list(labels), names.LABELS: list(labels.values()), names.ERROR: error})
    low, high = np.quantile(cost.values, TAILS).tolist()
    table.attrs = {
        "total": sum(labels.values()),
        names.COST: float(cost.mean()),
        "lower": low,
        "upper": high,
        names.DAYS: float(own[names.DAYS].mean()),
        "p_target": chance,
        "found": chance >= goal.probability,
        names.PROBABILITY: goal.probability,
        names.TARGET: goal.target.error,
        "of": goal.target.of,
        names.UNIT: own.attrs[names.UNIT],
    }
    return table
