"""What becomes of a plan, and of the advice, where new labels are better or worse than they are taken to be."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.deciding import advice_of
from labelvalue.decisions.advice.decision import NO_PLAN, SURE, Decision, standard_error
from labelvalue.decisions.advice.rules import rules_of
from labelvalue.decisions.case.risk import scores_of
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.outcomes.benefit import plan_outcomes
from labelvalue.decisions.outcomes.errors import labels_left, noise_known
from labelvalue.decisions.search.listing import thinned
from labelvalue.decisions.search.mixtures import (
    CLIMBED,
    SEARCHED,
    Mixture,
    allowed,
    climbed,
    first_allowed,
    subsets,
)
from labelvalue.decisions.sensitivity.what_if import SHARES, candidates
from labelvalue.model.curve.effective_labels import useless_share
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import input_error
from labelvalue.settings import Checks

FACTORS = (0.5, 1.0, 2.0)
MOST_SLICES = 20  # slices up to which they are; a plan of the list is the answer where there are more


def noise_sensitivity(
    plan: Decision,
    *,
    factors: Sequence[float] = FACTORS,
    ci_prob: float = 0.9,
) -> pd.DataFrame:
    """Say what a plan gains, and what would be advised instead, where more or fewer of the new labels are wrong.

    The share of wrong labels among those bought is multiplied by a factor, everything else stays, the draws too. Some
    dozens of plans are then valued, with and without the case's interventions, and where slices are few the best ones'
    labels are moved until nothing is better. The plan at hand stays the advice unless another is better beyond
    Monte Carlo error, or it no longer keeps the case's rules.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`. ``label_noise`` of its case is the share of wrong labels now; where it
        has none, that of the fit's evaluation labels is.
    factors : sequence of float
        Factors on that share, ≥ 0.
    ci_prob : float
        Probability of the equal-tailed intervals, 0 < ci_prob < 1.

    Returns
    -------
    pandas.DataFrame
        One row a factor: ``noise_factor``; ``wrong_share`` among the labels that the plan buys (among all slices' where
        it buys none). Of the plan: ``gain`` in mean error with ``gain_lower`` and ``gain_upper``, ``net_benefit`` over
        doing nothing with ``lower`` and ``upper``, ``p_positive``, ``kept`` (all rules of the case). Of what is advised
        instead: ``advice`` (at a factor of 1 the plan's own), ``labels`` in all, ``interventions``, ``same`` as the
        plan, ``best`` net benefit, ``best_lower``, ``best_upper``, and ``more``, what it brings beyond the plan.
        Attributes: ``plans`` (labels by slice, in the order of the rows), ``origin`` of the share, ``unit``,
        ``ci_prob``, ``ci_kind``.

    Raises
    ------
    InputError
        If neither case nor fit says how many labels are wrong, or a factor is negative.

    References
    ----------
    Natarajan et al. (2013), "Learning with noisy labels", NeurIPS 26, for what wrong labels cost.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit = lv.testing.fake_fit(seed=1, draws=50)
    >>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, label_noise=0.15)
    >>> table = noise_sensitivity(lv.decide(fit, case, max_labels=900, measure=False))
    >>> bool(table["gain"].is_monotonic_decreasing), table["same"].tolist()[1]
    (True, True)
    """
    fit = plan.fit
    checks = Checks()
    for factor in factors:
        checks.number("factors", factor)
    checks.share(names.CI_PROB, ci_prob)
    checks.finish()
    share, origin = noise_known(fit, plan.case)
    if share is None:
        fix = "give the case label_noise, such as { low = 0.02, high = 0.1 }, or fit with evaluation_noise="
        raise input_error("nothing says how many labels are wrong", fix, column=names.LABEL_NOISE)
    rows, plans = [], []
    for factor in factors:
        search = _Search(plan, float(factor))
        row, labels = _row(search, ci_prob)
        wrong = _mean_share((share * factor).clip(max=useless_share(fit.settings[names.CLASSES])), plan)
        rows.append({names.NOISE_FACTOR: float(factor), names.WRONG_SHARE: wrong} | row)
        plans.append(labels)
    table = pd.DataFrame(rows)
    table.attrs = {
        "plans": plans,
        "origin": origin,
        names.UNIT: plan.outcomes.attrs[names.UNIT],
        names.CI_PROB: ci_prob,
        names.CI_KIND: "eti",
    }
    return table


def _mean_share(share: xr.DataArray, plan: Decision) -> float:
    """Expected share of wrong labels among those that the plan buys."""
    mean = share.mean([d for d in share.dims if d != names.SLICE])
    if names.SLICE not in mean.dims:
        return float(mean)
    bought = np.array([plan.labels[str(name)] for name in mean[names.SLICE].values], dtype=float)
    return float(np.average(mean.values, weights=bought if bought.any() else None))


@dataclasses.dataclass(frozen=True)
class _Search:
    """A plan at one quality of new labels, and the search for a better one."""

    plan: Decision
    factor: float

    def valued(self, fit: Fit, plans: Mapping[str, Mapping[str, int]], done: tuple[str, ...]) -> xr.Dataset:
        """Outcomes of plans with some interventions."""
        return plan_outcomes(fit, self.plan.case, plans, interventions=done, noise_factor=self.factor)

    def own(self) -> Mixture:
        """The plan at hand; as it stands where nothing is changed."""
        plan, outcomes = self.plan, self.plan.outcomes
        if self.factor != 1.0:
            outcomes = self.valued(plan.fit, {names.RECOMMENDED: plan.labels}, plan.interventions)
        score = float(scores_of(plan.case.risk, outcomes)[names.RECOMMENDED])
        return Mixture(score, outcomes, plan.interventions, names.RECOMMENDED)

    def kept(self, one: Mixture) -> bool:
        """Whether a plan keeps limits, rules and the sum."""
        return allowed(self.plan.fit, self.plan.case, one.outcomes, one.name, self.plan.max_spend)

    def best(self) -> Mixture | None:
        """The best plan that is allowed, valued with all draws; ``None`` where none is."""
        fit, case, spend, lot = self.plan.fit, self.plan.case, self.plan.max_spend, self.plan.lot
        few, most = thinned(fit, SEARCHED), max(labels_left(fit, case, self.plan.max_labels), 1)
        budgets = sorted({max(1, round(share * most)) for share in SHARES if share <= 1.0})
        in_lots = [{name: n // lot * lot for name, n in one.items()} for one in candidates(self.plan, budgets)]
        plans = {str(place): one for place, one in enumerate(in_lots)}
        every = [(), *subsets(case.interventions)]
        tried = [first_allowed(few, case, self.valued(few, plans, done), done, spend) for done in every]
        found = sorted((one for one in tried if one), key=lambda one: -one.score)
        reached = []
        for _, _, done, name, _ in found[:CLIMBED]:
            outcomes = self.valued(fit, {name: plans[name]}, done)
            one = Mixture(float(scores_of(case.risk, outcomes)[name]), outcomes, done, name)
            if len(self.plan.labels) <= MOST_SLICES:
                one = climbed(fit, case, one, most, spend, lot, noise_factor=self.factor)
            reached.append(one)
        return max((one for one in reached if self.kept(one)), key=lambda one: one.score, default=None)


def _row(search: _Search, ci_prob: float) -> tuple[dict[str, Any], dict[str, int]]:
    own, plan = search.own(), search.plan
    kept = search.kept(own)
    best: Mixture | None = own if search.factor == 1.0 else search.best()
    if kept and (best is None or not _better(best, own)):
        best = own
    net = own.net()
    gain = own.outcomes[names.GAIN].sel({names.PLAN: own.name}) * volumes(plan.fit, plan.case.value)
    said: dict[str, Any] = _spread(names.GAIN, "gain_lower", "gain_upper", gain.sum(names.SLICE), ci_prob)
    said |= _spread(names.NET_BENEFIT, "lower", "upper", net, ci_prob)
    said |= {"p_positive": float((net > 0).mean()), "kept": kept}
    if best is None:
        none = dict.fromkeys(search.plan.labels, 0)
        said |= {"advice": NO_PLAN, names.LABELS: 0, names.INTERVENTIONS: "", "same": False}
        return said | dict.fromkeys(("best", "best_lower", "best_upper", "more"), np.nan), none
    labels = best.labels()
    said |= {
        "advice": _advice(search, best, labels),
        names.LABELS: sum(labels.values()),
        names.INTERVENTIONS: " + ".join(best.done),
        "same": best is own,
    }
    said |= _spread("best", "best_lower", "best_upper", best.net(), ci_prob)
    return said | {"more": float((best.net() - net).mean())}, labels


def _better(one: Mixture, own: Mixture) -> bool:
    """Whether a plan's score is higher than what chance of the draws makes of two plans that are as good."""
    return one.score - own.score > SURE * standard_error(one.net() - own.net())


def _advice(search: _Search, best: Mixture, labels: dict[str, int]) -> str:
    """What would be said of the best plan; of the plan at hand where nothing is changed, what was."""
    if search.factor == 1.0:
        return search.plan.verdict.advice
    rules, net = rules_of(search.plan.fit, search.plan.case, best.outcomes, best.name), best.net()
    return advice_of(sum(labels.values()), rules, float(net.mean()), standard_error(net), best.done)


def _spread(mean: str, low: str, high: str, draws: xr.DataArray, ci_prob: float) -> dict[str, float]:
    tails = np.quantile(draws.values, [0.5 - ci_prob / 2, 0.5 + ci_prob / 2])
    return {mean: float(draws.mean()), low: float(tails[0]), high: float(tails[1])}
