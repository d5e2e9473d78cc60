"""What becomes of a plan, and of the advice, where new labels are better or worse than they are taken to be."""

from collections.abc import Sequence
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
from labelvalue.model.curve.families import useless_share
from labelvalue.numerals import tails
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
        row, labels = _row(plan, float(factor), ci_prob)
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


def _own(plan: Decision, factor: float) -> Mixture:
    """The plan at hand at one quality of new labels; as it stands where nothing is changed."""
    outcomes, bought = plan.outcomes, {names.RECOMMENDED: plan.labels}
    if factor != 1.0:
        done = plan.interventions
        outcomes = plan_outcomes(plan.fit, plan.case, bought, interventions=done, noise_factor=factor)
    score = float(scores_of(plan.case.risk, outcomes)[names.RECOMMENDED])
    return Mixture(score, outcomes, plan.interventions, names.RECOMMENDED)


def _best(plan: Decision, factor: float) -> Mixture | None:
    """The best plan that is allowed at one quality of new labels, valued with all draws; ``None`` where none is."""
    fit, case, spend, lot = plan.fit, plan.case, plan.max_spend, plan.lot
    few, most = thinned(fit, SEARCHED), max(labels_left(fit, case, plan.max_labels), 1)
    budgets = sorted({max(1, round(share * most)) for share in SHARES if share <= 1.0})
    in_lots = [{name: n // lot * lot for name, n in one.items()} for one in candidates(plan, budgets)]
    plans = {str(place): one for place, one in enumerate(in_lots)}

    def tried(done: tuple[str, ...]) -> Mixture | None:
        outcomes = plan_outcomes(few, case, plans, interventions=done, noise_factor=factor)
        return first_allowed(few, case, outcomes, done, spend)

    found = [one for one in map(tried, [(), *subsets(case.interventions)]) if one]
    reached = []
    for _, _, done, name, _ in sorted(found, key=lambda one: -one.score)[:CLIMBED]:
        outcomes = plan_outcomes(fit, case, {name: plans[name]}, interventions=done, noise_factor=factor)
        one = Mixture(float(scores_of(case.risk, outcomes)[name]), outcomes, done, name)
        few_slices = len(plan.labels) <= MOST_SLICES
        reached.append(climbed(fit, case, one, most, spend, lot, noise_factor=factor) if few_slices else one)
    kept = (one for one in reached if allowed(fit, case, one.outcomes, one.name, spend))
    return max(kept, key=lambda one: one.score, default=None)


def _row(plan: Decision, factor: float, ci_prob: float) -> tuple[dict[str, Any], dict[str, int]]:
    own = _own(plan, factor)
    net, kept = own.net(), allowed(plan.fit, plan.case, own.outcomes, own.name, plan.max_spend)
    best: Mixture | None = own if factor == 1.0 else _best(plan, factor)
    if kept and (best is None or best.score - own.score <= SURE * standard_error(best.net() - net)):
        best = own
    gain = own.outcomes[names.GAIN].sel({names.PLAN: own.name}) * volumes(plan.fit, plan.case.value)
    said: dict[str, Any] = _spread(names.GAIN, "gain_lower", "gain_upper", gain.sum(names.SLICE), ci_prob)
    said |= _spread(names.NET_BENEFIT, "lower", "upper", net, ci_prob)
    said |= {"p_positive": float((net > 0).mean()), "kept": kept}
    if best is None:
        said |= {"advice": NO_PLAN, names.LABELS: 0, names.INTERVENTIONS: "", "same": False}
        return said | dict.fromkeys(("best", "best_lower", "best_upper", "more"), np.nan), dict.fromkeys(plan.labels, 0)
    labels, brings = best.labels(), best.net()
    total, advice = sum(labels.values()), plan.verdict.advice
    if factor != 1.0:
        rules = rules_of(plan.fit, plan.case, best.outcomes, best.name)
        advice = advice_of(total, rules, float(brings.mean()), standard_error(brings), best.done)
    said |= {"advice": advice, names.LABELS: total, names.INTERVENTIONS: " + ".join(best.done), "same": best is own}
    said |= _spread("best", "best_lower", "best_upper", brings, ci_prob)
    return said | {"more": float((brings - net).mean())}, labels


def _spread(mean: str, low: str, high: str, draws: xr.DataArray, ci_prob: float) -> dict[str, float]:
    ends = np.quantile(draws.values, tails(ci_prob)).tolist()
    return dict(zip((mean, low, high), (float(draws.mean()), *ends), strict=True))
