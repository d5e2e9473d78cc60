"""Labels beside interventions: which sets are tried, which plans are allowed, and how their labels are moved."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.appetites import Appetite
from labelvalue.decisions.benefit import plan_outcomes
from labelvalue.decisions.case import Case
from labelvalue.decisions.climbing import climb
from labelvalue.decisions.guardrails import Guardrails
from labelvalue.decisions.risk import money_needed
from labelvalue.decisions.rules import KEPT, rules_of
from labelvalue.decisions.thinning import thinned
from labelvalue.forecast import Consensus, Intervention
from labelvalue.model import Fit

MOST = 5
"""Interventions of which every subset is tried; of more, only single ones and pairs."""
SEARCHED = 500
"""Draws with which labels are moved; what is found is valued with all."""


class Mixture(NamedTuple):
    """A plan beside interventions.

    Parameters
    ----------
    score : float
        Of its net benefit over doing nothing.
    outcomes : xarray.Dataset
        From :func:`labelvalue.decisions.plan_outcomes`.
    done : tuple of str
        Names of its interventions.
    name : str
        The plan's among the outcomes.
    title : str
        What it is called where it is one that the case states; else it goes by its interventions.

    Examples
    --------
    See :func:`first_allowed`.
    """

    score: float
    outcomes: xr.Dataset
    done: tuple[str, ...]
    name: str
    title: str = ""

    def called(self) -> str:
        """What a table calls it."""
        return self.title or " + ".join(self.done) or names.LABELS_ONLY

    def net(self) -> xr.DataArray:
        """Net benefit over doing nothing, by draw."""
        net = self.outcomes[names.NET_BENEFIT]
        return net.sel({names.PLAN: self.name}, drop=True) - net.sel({names.PLAN: names.NOTHING}, drop=True)

    def labels(self) -> dict[str, int]:
        """Labels bought, by slice."""
        bought = self.outcomes[names.LABELS].sel({names.PLAN: self.name})
        return {str(name): int(n) for name, n in zip(bought[names.SLICE].values, bought.values, strict=True)}


def first_allowed(
    fit: Fit, case: Case, outcomes: xr.Dataset, done: tuple[str, ...], max_spend: float
) -> Mixture | None:
    """Return the plan of the highest score that keeps limits, rules and sum; ``None`` where none does.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case.
    outcomes : xarray.Dataset
        From :func:`labelvalue.decisions.plan_outcomes`.
    done : tuple of str
        Interventions that all these plans do.
    max_spend : float
        Most money, the reserve included.

    Returns
    -------
    Mixture or None

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit, case = fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> outcomes = plan_outcomes(fit, case, {"few": {"east": 10}, "more": {"east": 500}})
    >>> first_allowed(fit, case, outcomes, (), 1.5).name
    'few'
    """
    scores = scores_of(case.risk, outcomes).drop(names.NOTHING).sort_values(ascending=False, kind="stable")
    kept = (str(name) for name in scores.index if allowed(fit, case, outcomes, str(name), max_spend))
    return next((Mixture(float(scores[name]), outcomes, done, name) for name in kept), None)


def scores_of(appetite: Appetite, outcomes: xr.Dataset) -> pd.Series:
    """Score plans over doing nothing by a risk appetite, one number a plan."""
    net = outcomes[names.NET_BENEFIT]
    return appetite.score(net - net.sel({names.PLAN: names.NOTHING}, drop=True)).to_series()


def subsets(every: Sequence[Intervention]) -> Iterator[tuple[str, ...]]:
    """List the sets of interventions that are tried: all, or single ones and pairs where there are many.

    Parameters
    ----------
    every : sequence of Intervention
        Those of a case.

    Yields
    ------
    tuple of str
        Names; two numbers of votes for the same items never stand in one set.

    Examples
    --------
    >>> list(subsets([Consensus(3), Consensus(5, name="five")]))
    [('consensus',), ('five',)]
    """
    for size in range(1, (len(every) if len(every) <= MOST else 2) + 1):
        for chosen in itertools.combinations(every, size):
            if not any(_exclude(*two) for two in itertools.combinations(chosen, 2)):
                yield tuple(one.name for one in chosen)


def _exclude(one: Intervention, other: Intervention) -> bool:
    """Whether both say how many votes the same items get."""
    votes = isinstance(one, Consensus) and isinstance(other, Consensus)
    return votes and (not one.slices or not other.slices or bool(set(one.slices) & set(other.slices)))


def climbed(
    fit: Fit,
    case: Case,
    one: Mixture,
    most: int,
    max_spend: float,
    lot: int,
    noise_factor: float = 1.0,
) -> Mixture:
    """Move a mixture's labels, at most ``most`` in all, as long as that pays; searched with few draws, valued with all.

    The same interventions beside other labels come back; the mixture itself where no step is better.
    """
    score, outcomes, done, name, _ = one
    few, slices = thinned(fit, SEARCHED), [str(s) for s in outcomes[names.SLICE].values]
    limits = [case.limits(s) for s in slices]
    # Without sum, rules and classes, limits are all there is to keep.
    free = np.isinf(max_spend) and case.guardrails == Guardrails() and not case.classes

    def drawn(which: Fit, plans: np.ndarray) -> xr.Dataset:
        named = {f"{i}": dict(zip(slices, map(int, row), strict=True)) for i, row in enumerate(plans)}
        return plan_outcomes(which, case, named, interventions=done, noise_factor=noise_factor)

    def scores(plans: np.ndarray) -> np.ndarray:
        return np.asarray(scores_of(case.risk, drawn(few, plans)).drop(names.NOTHING).to_numpy())

    found = climb(
        outcomes[names.LABELS].sel({names.PLAN: name}).values.astype(int),
        scores,
        lambda plan: free or allowed(few, case, drawn(few, plan[None]), "0", max_spend),
        low=np.array([-(-least // lot) * lot for least, _ in limits]),
        high=np.array([min(most, highest) // lot * lot for _, highest in limits]).astype(int),
        most=most,
        lot=lot,
    )
    made = drawn(fit, found[None])
    again = float(scores_of(case.risk, made)["0"])
    better = again > score and allowed(fit, case, made, "0", max_spend)
    return Mixture(again, made, done, "0") if better else one


def allowed(fit: Fit, case: Case, outcomes: xr.Dataset, name: str, max_spend: float) -> bool:
    """Whether a plan keeps every rule of the case, limits of its slices among them, and a sum.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case.
    outcomes : xarray.Dataset
        From :func:`labelvalue.decisions.plan_outcomes`.
    name : str
        The plan.
    max_spend : float
        Most money, the reserve included.

    Returns
    -------
    bool

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, slices={"west": {"minimum": 10}})
    >>> fit = fake_fit(seed=1)
    >>> allowed(fit, case, plan_outcomes(fit, case, {"east only": {"east": 50}}), "east only", np.inf)
    False
    """
    kept = bool(rules_of(fit, case, outcomes, name)[KEPT].all())
    money = money_needed(outcomes[names.COST].sel({names.PLAN: name}), case.costs.overrun)
    return kept and money <= max_spend * (1 + 1e-9)
