"""The search for a plan: how many labels to buy for each slice, within every limit and rule of a case."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.advice.rules import (
    DEADLINE,
    FLOOR,
    HOLDS,
    KEPT,
    LABELS_IN_ALL,
    LARGEST_GAP,
    MAXIMUM_BUDGET,
    MAXIMUM_SPEND,
    MINIMUM_CLASS,
    MINIMUM_GAIN,
    REACHED,
    REQUIRED,
    RULE,
    WORDS,
    rules_of,
)
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.risk import (
    Appetite,
    Aspiration,
    CVaR,
    ExponentialUtility,
    Mean,
    Quantile,
    money_needed,
    scores_of,
)
from labelvalue.decisions.outcomes.benefit import SliceErrors, plan_outcomes
from labelvalue.decisions.outcomes.errors import (
    drift_notes,
    evaluation_bought,
    evaluation_notes,
    labels_left,
    labels_today,
)
from labelvalue.decisions.outcomes.spending import batch_count, each_now, notes_of
from labelvalue.decisions.search.listing import (
    ALL_FOR,
    FOCUSED,
    Listing,
    adds_up,
    for_search,
    list_purchases,
    seen_from,
)
from labelvalue.decisions.search.menu import Aim, Menu, ceiling, split
from labelvalue.decisions.search.mixtures import climb
from labelvalue.decisions.search.optimise import Certificate, NoPlanError, best_purchase, shadow_prices
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import Problem

NEARLY = 0.99  # of a gap that can be had, one that cannot: there is nothing to be found between the two
TIGHTER_GAP = 0.85  # what the gap of the expected errors is multiplied by where the gap of the draws is kept too seldom
Row = Mapping[Any, Any]


def tightened(listing: Listing, case: Case, broken: pd.DataFrame, bought: np.ndarray, plan: xr.Dataset) -> Listing:
    """Tighten the limits of a listing where a plan made from it breaks rules.

    Shapes: ``bought`` (slice,).
    """
    menu = listing.menu
    problems = [
        Problem(
            column=row[names.SLICE],
            why=f"P({row[WORDS]}) ≥ {row[REQUIRED]:g} is not reached beside the rest of the plan",
            fix=f"accept a probability of {math.floor(row[HOLDS] * 1000) / 1000:g}, or allow more labels",
        )
        for row in broken.to_dict("records")
        if row[RULE] == FLOOR and bought[place := menu.slices.index(row[names.SLICE])] >= menu.high[place]
    ]
    if problems:
        raise NoPlanError(problems)
    for row in broken.to_dict("records"):
        if row[RULE] in TIGHTEN:
            menu = TIGHTEN[row[RULE]](menu, case, row, bought, plan)
    return dataclasses.replace(listing, menu=menu)


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


def _fewer(menu: Menu, case: Case, row: Row, bought: np.ndarray, plan: xr.Dataset) -> Menu:
    over = math.ceil((row[REACHED] - row["limit"]) / menu.lot)
    return dataclasses.replace(menu, max_labels=max(int(bought.sum()) - over, 0))


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
    MAXIMUM_SPEND: _cheaper,
    LABELS_IN_ALL: _fewer,
    DEADLINE: _sooner,
    MINIMUM_CLASS: _of_class,
}


ROUNDS = 12  # times that limits are tightened until every rule is kept
VIEWS = 6  # times that a plan is looked for from where the last one stands
CRUMB = 0.02  # share of a plan's labels below which those of a slice are left out where that costs but a trifle
TRIFLE = 0.25  # Monte Carlo errors of its net benefit by which a plan must be better than the last
CLIMBED = 50  # slices up to which labels are moved where the appetite has no bound
MOST_BATCHES = 12  # numbers of batches that are tried
CLOSE = 1.02  # ratio of sizes between which the largest plan that keeps the rule on the gain is no longer looked for


def find_plan(
    fit: Fit,
    case: Case,
    most: int,
    *,
    max_spend: float = np.inf,
    lot: int = 1,
    near: Mapping[str, int] | None = None,
    errors: SliceErrors | None = None,
) -> Decision:
    """Find the labels to buy for each slice, at most ``most`` together and within every limit and rule of the case.

    The plan is chosen from draws of each slice's own net benefit, seen again from where the last plan stands, and
    valued as a whole beside doing nothing, an equal and a proportional split; the best of these is the plan, so it is
    never worse than they are. Limits are tightened until it keeps the rules. Labels are worth the less the more there
    are of them, so that a plan too large for the rule on the gain is made smaller until it keeps it; where none does,
    the one most likely to is returned with that rule broken. The search begins where a plan ``near`` stands, with the
    ``errors`` of :func:`labelvalue.decisions.search.listing.errors_to_list` where they are there.
    """
    left = labels_left(fit, case, most)
    if left < 0:
        asked = "; ".join(evaluation_notes(fit, case))
        fix = f"raise max_labels to {most - left} or more"
        raise NoPlanError([Problem(column="max_labels", value=most, why=f"too few; binding: {asked}", fix=fix)])
    _check_so_far(fit, case)
    few = for_search(fit)
    listing = list_purchases(few, case, max(left, 1), max_spend, lot, errors)
    start = np.array([(near or {}).get(name, 0) // lot for name in listing.menu.slices])
    if start.any() and listing.menu.allows(start) and not adds_up(few, case):
        valued = _valued(few, case, listing.menu, start, _shares(fit))
        listing = _seen(few, case, listing, valued)
    plan, bought = _kept(fit, few, case, listing.at_most(left // lot), most, max_spend)
    least, large = int(listing.menu.low.sum()), int(bought.sum())
    if _gains(plan):
        return dataclasses.replace(plan, max_spend=max_spend, lot=lot)
    found, tried = None, [plan]
    while large > max(least, 1) and large > CLOSE * least and large - least > 1:
        middle = max(round(math.sqrt(max(least, 1) * large)), least + 1)
        if middle >= large:
            break
        try:
            smaller, taken = _kept(fit, few, case, listing.at_most(middle), most, max_spend)
        except NoPlanError:  # what other rules ask for takes more
            least = middle
            continue
        tried += [smaller] if taken.any() else []
        if taken.any() and _gains(smaller):
            found, least = smaller, max(int(taken.sum()), middle)
        else:
            large = middle
    best = max(tried, key=_chance_of_gain) if found is None else found
    return dataclasses.replace(best, max_spend=max_spend, lot=lot)


def _check_so_far(fit: Fit, case: Case) -> None:
    """Refuse a case of which a limit on all batches together was passed before any plan."""
    spend, stock, have = case.guardrails.maximum_spend, case.guardrails.labels_in_all, labels_today(fit)
    passed = {MAXIMUM_SPEND: spend and (spend.spent, spend.limit), LABELS_IN_ALL: stock is not None and (have, stock)}
    problems = [
        Problem(
            column=f"guardrails.{kind.replace(' ', '_')}",
            value=ends[1],
            why=f"it is {ends[0]:,.10g} before any plan",
            fix=f"buy nothing, or raise the limit by {ends[0] - ends[1]:,.10g} or more",
        )
        for kind, ends in passed.items()
        if ends and ends[0] > ends[1]
    ]
    if problems:
        raise NoPlanError(problems)


def _chance_of_gain(plan: Decision) -> float:
    """Probability with which a plan keeps the rule on the gain."""
    return float(plan.rules.loc[plan.rules[RULE] == MINIMUM_GAIN, HOLDS].min())


def _gains(plan: Decision) -> bool:
    """Whether a plan keeps the rule on the gain."""
    return bool(plan.rules.loc[plan.rules[RULE] == MINIMUM_GAIN, KEPT].all())


def _kept(fit: Fit, few: Fit, case: Case, listing: Listing, most: int, max_spend: float) -> tuple[Decision, np.ndarray]:
    """The best plan from a listing that keeps every rule but that on the gain, and its lots."""
    wide = np.nan  # the closest gap of expected errors at which there was a plan
    for _ in range(ROUNDS):
        gap = listing.menu.max_gap
        try:
            plan, menu, bought, listing = _plan(fit, few, case, listing, most)  # as seen from that plan
        except NoPlanError:
            if not gap < wide * NEARLY:
                raise
            between = dataclasses.replace(listing.menu, max_gap=math.sqrt(gap * wide))
            listing = dataclasses.replace(listing, menu=between)
            continue
        wide = gap
        broken = plan.rules[~plan.rules[KEPT] & plan.rules[RULE].isin([*TIGHTEN])]
        own = plan.outcomes.sel({names.PLAN: names.RECOMMENDED})
        if broken.empty and money_needed(own[names.COST], case.overrun) <= max_spend * (1 + 1e-9):
            return dataclasses.replace(plan, prices=shadow_prices(menu, _aims(case.risk)[0], bought)), bought
        if broken.empty:
            broken = pd.DataFrame([_overspent(own[names.COST], case.overrun, max_spend)])
        listing = tightened(listing, case, broken, bought, own)
    raise NoPlanError(
        Problem(
            column=row[RULE],
            value=row["limit"],
            why=f"no plan found with P({row[WORDS]}) ≥ {row[REQUIRED]:g}; the last has {row[HOLDS]:.3g}",
            fix=f"accept a probability of {math.floor(row[HOLDS] * 1000) / 1000:g}, or loosen the limit",
        )
        for row in broken.to_dict("records")
    )


def _overspent(cost: xr.DataArray, overrun: float, most: float) -> dict[str, object]:
    """The row of a rule that the cost with its reserve is within the money there is."""
    words = f"cost and reserve ≤ {most:,.10g}"
    held = float((cost <= most).mean())
    return {RULE: MAXIMUM_BUDGET, WORDS: words, "limit": most, REQUIRED: 1.0 - overrun, HOLDS: held}


def _plan(fit: Fit, few: Fit, case: Case, listing: Listing, most: int) -> tuple[Decision, Menu, np.ndarray, Listing]:
    """The best plan from a listing, its menu and lots, and the listing as it was seen last; searched with few draws."""
    shares = _shares(fit)
    menu, bought, certificate = _best(listing, case, shares)
    chosen = first = _valued(few, case, menu, bought, shares)
    bought = first.bought
    for _ in range(VIEWS if bought.any() and not adds_up(few, case) else 0):
        view = _seen(few, case, listing, chosen)
        seen, again, evidence = _best(view, case, shares)
        ways = [
            way for way in (again, (bought + again) // 2) if way.any() and (way != bought).any() and seen.allows(way)
        ]
        better = (_valued(few, case, seen, way, shares, chosen) for way in ways)
        other = next((one for one in better if one.score > chosen.score + _trifle(chosen)), None)
        if other is None:
            certificate = evidence
            break
        listing, menu, bought, certificate, chosen = view, seen, other.bought, evidence, other
    if len(_aims(case.risk)) > 1 and len(menu.slices) <= CLIMBED:
        chosen = _climbed(few, case, menu, chosen, shares)
    chosen = _without_crumbs(few, case, menu, chosen, shares)
    if few is not fit or chosen is not first:
        chosen = _valued(fit, case, menu, chosen.bought, shares)
    if few is not fit:
        said = f"{certificate.status}; searched with {_count(few):,} of {_count(fit):,} draws"
        certificate = dataclasses.replace(certificate, status=said)
    return _finished(fit, case, chosen, certificate, most), menu, chosen.bought, listing


def _seen(few: Fit, case: Case, listing: Listing, valued: _Valued) -> Listing:
    """See a listing from where a purchase, which was valued as a whole, stands."""
    batches = int(batch_count(case.costs, xr.DataArray(float(valued.bought.sum() * valued.lot))))
    return seen_from(few, case, listing, valued.bought, valued.advantage, batches)


def _climbed(few: Fit, case: Case, menu: Menu, chosen: _Valued, shares: np.ndarray) -> _Valued:
    """The purchase with labels moved as long as that pays, for an appetite that no programme maximises."""

    def scores(plans: np.ndarray) -> np.ndarray:
        outcomes = plan_outcomes(few, case, _in_labels(menu, {str(place): one for place, one in enumerate(plans)}))
        return np.asarray(scores_of(case.risk, outcomes).drop(names.NOTHING).to_numpy())

    found = climb(chosen.bought, scores, menu.allows, low=menu.low, high=menu.high, most=menu.max_labels)
    return _valued(few, case, menu, found, shares, chosen)


def _without_crumbs(few: Fit, case: Case, menu: Menu, chosen: _Valued, shares: np.ndarray) -> _Valued:
    """The purchase without the few labels of slices that hardly count in it, where these are worth but a trifle."""
    bought = chosen.bought
    crumbs = (bought > menu.low) & (bought < CRUMB * bought.sum())
    way = np.where(crumbs, menu.low, bought)
    if not crumbs.any() or not menu.allows(way):
        return chosen
    other = _valued(few, case, menu, way, shares, chosen)
    return other if other.winner == names.RECOMMENDED and other.score >= chosen.score - _trifle(chosen) else chosen


def _trifle(valued: _Valued) -> float:
    """By how much a plan must be better for the search to go on: a part of the Monte Carlo error of its worth."""
    return TRIFLE * float(valued.advantage.std()) / math.sqrt(valued.advantage.size)


def _count(fit: Fit) -> int:
    return fit.posterior.sizes[names.CHAIN] * fit.posterior.sizes[names.DRAW]


@dataclasses.dataclass(frozen=True)
class _Valued:
    """The best of a purchase, the splits and nothing, all valued as whole plans."""

    bought: np.ndarray
    winner: str
    scores: dict[str, float]
    outcomes: xr.Dataset
    lot: int

    @property
    def score(self) -> float:
        return self.scores[self.winner]

    @property
    def advantage(self) -> np.ndarray:
        """Draws (sample,) of net benefit against doing nothing."""
        net = self.outcomes[names.NET_BENEFIT]
        return (net.sel({names.PLAN: names.RECOMMENDED}) - net.sel({names.PLAN: names.NOTHING})).values.ravel()


def _valued(
    fit: Fit, case: Case, menu: Menu, bought: np.ndarray, shares: np.ndarray, before: _Valued | None = None
) -> _Valued:
    """Value a purchase as a whole; the splits and all for one slice with it, but where ``before`` did that already."""
    plans = {names.RECOMMENDED: bought, names.NOTHING: np.zeros_like(bought)}
    focused = {}  # tiers make one large order worth more than two, and no small step leads there from between them
    if before is None:
        even = np.ones(len(menu.slices))
        plans |= {names.EQUAL_SPLIT: split(menu, even), names.PROPORTIONAL_SPLIT: split(menu, shares)}
        best = np.argsort(-menu.net.mean(axis=2).max(axis=1), kind="stable")[:FOCUSED]
        focused = {ALL_FOR.format(menu.slices[i]): split(menu, 1.0 * (np.arange(even.size) == i)) for i in best}
        plans |= focused
    outcomes = plan_outcomes(fit, case, _in_labels(menu, plans))
    given = scores_of(case.risk, outcomes)
    scores = {name: float(given[name]) if menu.allows(lots) else np.nan for name, lots in plans.items()}
    winner = max((name for name in plans if np.isfinite(scores[name])), key=lambda name: scores[name])
    if winner != names.RECOMMENDED:
        every = outcomes[names.PLAN]
        outcomes = outcomes.sel({names.PLAN: xr.where(every == names.RECOMMENDED, winner, every)})
        outcomes = outcomes.assign_coords({names.PLAN: every})
    outcomes = outcomes.drop_sel({names.PLAN: [*focused]})
    scores = scores if before is None else before.scores | scores
    return _Valued(plans[winner], winner, scores, outcomes, menu.lot)


def _in_labels(menu: Menu, plans: dict[str, np.ndarray]) -> dict[str, dict[str, int]]:
    return {
        name: {slice: int(n) * menu.lot for slice, n in zip(menu.slices, lots, strict=True)}
        for name, lots in plans.items()
    }


def _finished(fit: Fit, case: Case, chosen: _Valued, certificate: Certificate, most: int) -> Decision:
    said = "" if chosen.winner == names.RECOMMENDED else f"; valued as a whole, {chosen.winner} is best"
    certificate = dataclasses.replace(
        certificate,
        status=certificate.status + said,
        objective=chosen.score,
        bound=max(certificate.bound, chosen.score),
        nothing=chosen.scores[names.NOTHING],
        equal=chosen.scores[names.EQUAL_SPLIT],
        proportional=chosen.scores[names.PROPORTIONAL_SPLIT],
    )
    labels = {str(name): int(n) * chosen.lot for name, n in zip(fit.slices, chosen.bought, strict=True)}
    return Decision(
        fit=fit,
        case=case,
        labels=labels,
        max_labels=most,
        outcomes=chosen.outcomes,
        certificate=certificate,
        rules=rules_of(fit, case, chosen.outcomes),
        evaluation=evaluation_bought(fit, case) if chosen.bought.any() else {},
        notes=(*notes_of(fit, case.costs, case.learner), *drift_notes(fit, case.value), *evaluation_notes(fit, case)),
    )


def no_plan(fit: Fit, case: Case, most: int, problems: tuple[Problem, ...], notes: tuple[str, ...]) -> Decision:
    """Return the decision where no plan keeps every limit: nothing is bought."""
    kinds = (names.RECOMMENDED, names.EQUAL_SPLIT, names.PROPORTIONAL_SPLIT)
    outcomes = plan_outcomes(fit, case, {kind: {} for kind in kinds})
    return Decision(
        fit=fit,
        case=case,
        labels={str(name): 0 for name in fit.slices},
        max_labels=most,
        outcomes=outcomes,
        certificate=Certificate("none", "no plan keeps every limit", 0.0, 0.0, 0.0, np.nan, np.nan),
        rules=rules_of(fit, case, outcomes),
        problems=problems,
        notes=notes,
    )


def _best(listing: Listing, case: Case, shares: np.ndarray) -> tuple[Menu, np.ndarray, Certificate]:
    """The best over numbers of batches and, where the appetite has no bound, over several aims."""
    size, aims = case.costs.batch_size, _aims(case.risk)
    most = 1 if size is None else max(1, math.ceil(listing.menu.max_labels * listing.menu.lot / size))
    counts = np.unique(np.round(np.linspace(1, most, min(most, MOST_BATCHES))).astype(int))
    menus = [listing.of_batches(int(count), size) for count in counts]
    told = len(menus) > 1 and len(aims) == 1
    even = np.full(listing.batch.size, 1.0 / listing.batch.size)  # risk only takes away from the mean
    highest = [max(ceiling(menu, even), 0.0) if told else np.inf for menu in menus]
    found: dict[int, tuple[float, Menu, np.ndarray, Certificate]] = {}
    refused: dict[int, NoPlanError] = {}
    for place in sorted(range(len(menus)), key=lambda one: -highest[one]):  # most of them need not be solved
        if found and (highest[place], -place) < max((one[0], -turn) for turn, one in found.items()):
            continue
        for turn, aim in enumerate(aims, place * len(aims)):
            try:
                bought, certificate = best_purchase(menus[place], aim, shares)
            except NoPlanError as error:
                refused[turn] = error
                continue
            net = menus[place].outcome(bought)
            drawn = xr.DataArray(net[None], dims=names.SAMPLE)
            judged = aim.value(net) if len(aims) == 1 else float(case.risk.score(drawn))
            found[turn] = judged, menus[place], bought, certificate
    if not found:
        raise refused[max(refused)]
    _, menu, bought, certificate = found[max(found, key=lambda turn: (found[turn][0], -turn))]
    if len(aims) > 1:
        certificate = dataclasses.replace(certificate, method="best of several", bound=np.inf)
    return menu, bought, certificate


def _aims(appetite: Appetite) -> list[Aim]:
    """What is maximised for a risk appetite; several where it has no bound of its own, as a quantile."""
    if isinstance(appetite, CVaR):
        return [Aim(level=appetite.level)]
    if isinstance(appetite, ExponentialUtility):
        return [Aim(tolerance=appetite.tolerance)]
    if isinstance(appetite, Quantile):
        level = 1.0 - appetite.probability
        return [Aim(level=x) for x in (level, 0.5 * level)] + [Aim()]
    if isinstance(appetite, Aspiration):
        return [Aim(level=x) for x in (0.8, 0.5)] + [Aim()]
    if isinstance(appetite, Mean):
        return [Aim()]
    raise ValueError(f"risk must be one of labelvalue.risk, such as Mean or CVaR, got {appetite!r}")


def _shares(fit: Fit) -> np.ndarray:
    return np.maximum(each_now(fit).values.astype(float), 1.0)
