"""The public ``allocate``: from a fit and a case to a plan."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decide.aim import Aim
from labelvalue.decide.appetites import Appetite, CVaR, ExponentialUtility, Mean, Quantile
from labelvalue.decide.benefit import plan_outcomes
from labelvalue.decide.case import Case
from labelvalue.decide.evaluating import evaluation_bought, evaluation_notes, labels_left
from labelvalue.decide.greedy import split
from labelvalue.decide.listing import Listing, list_purchases
from labelvalue.decide.menu import Menu
from labelvalue.decide.mixed import weigh_interventions
from labelvalue.decide.optimise import Certificate, best_purchase, shadow_prices
from labelvalue.decide.plan import BUY, WAIT, Plan, Verdict, standard_error
from labelvalue.decide.promises import GAIN, promises_of, tightened
from labelvalue.decide.relisting import adds_up, seen_from
from labelvalue.decide.spending import batch_count, notes_of
from labelvalue.decide.thinning import for_search
from labelvalue.forecast.gains import whole_numbers
from labelvalue.model import Fit
from labelvalue.numerals import MAX_COUNT, readable
from labelvalue.problems import InputError, Problem, quote

ROUNDS = 12
"""Times that limits are tightened until every promise is kept."""
VIEWS = 6
"""Times that a plan is looked for from where the last one stands."""
MOST_BATCHES = 12
"""Numbers of batches that are tried."""
SURE = 2.0
"""Monte Carlo standard errors by which an expected net benefit must exceed 0."""


def allocate(
    fit: Fit,
    case: Case,
    max_labels: int,
    *,
    risk: Appetite | None = None,
    max_spend: float = np.inf,
    lot: int = 1,
) -> Plan:
    """Find how many labels to buy for each slice.

    Whole labels, at most ``max_labels`` together and within every limit of the case. The plan is chosen from draws of
    each slice's own net benefit, seen again from where the last plan stands, and valued as a whole beside doing
    nothing, an equal and a proportional split; the best of these is the plan, so it is never worse than they are.
    Interventions of the case are then tried with all, part or none of these labels. Evaluation labels that the case
    asks for and that are not there come first: they count among ``max_labels`` and are paid for by any plan, unless
    an intervention brings them.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Costs, value, guardrails, limits.
    max_labels : int
        Most labels in all, ≥ 0.
    risk : Mean, Quantile, CVaR or ExponentialUtility, optional
        Risk appetite; that of the case by default.
    max_spend : float
        Most expected money, > 0.
    lot : int
        Labels are bought in multiples of it, ≥ 1.

    Returns
    -------
    Plan
        Labels, outcomes under paired draws, certificate, shadow prices, promises and verdict (``buy`` or ``wait``;
        :func:`labelvalue.decide.advise` adds ``measure first``).

    Raises
    ------
    InputError
        If the case does not belong to the fit, or no plan keeps all limits: every binding limit is named with the
        smallest change that frees it.
    ValueError
        If a number is not whole or out of range.

    Examples
    --------
    >>> from labelvalue.decide import Case
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, slices={"west": {"minimum": 100}})
    >>> plan = allocate(fake_fit(seed=1), case, max_labels=2000)
    >>> plan.labels["west"] >= 100, plan.verdict.advice
    (True, 'buy')
    """
    most = int(whole_numbers([max_labels], "max_labels")[0][0])
    if isinstance(lot, bool) or not isinstance(lot, (int, np.integer)) or not 1 <= lot <= MAX_COUNT:
        why = f"lot must be a whole number ≥ 1, at most {MAX_COUNT:,}, got {quote(lot)}"
        raise ValueError(f"{why}. Fix: give the labels of a lot, such as 100.")
    if not max_spend > 0:
        raise ValueError(f"max_spend must be > 0, got {max_spend!r}. Fix: give the most money that may be spent.")
    case.check(fit)
    appetite = case.risk if risk is None else risk
    left = labels_left(fit, case, most)
    if left < 0:
        asked = "; ".join(evaluation_notes(fit, case))
        fix = f"raise max_labels to {most - left} or more"
        raise InputError([Problem(column="max_labels", value=most, why=f"too few; binding: {asked}", fix=fix)])
    few = for_search(fit)
    listing = list_purchases(few, case, max(left, 1), max_spend, lot)
    listing = dataclasses.replace(listing, menu=dataclasses.replace(listing.menu, max_labels=left // lot))
    for _ in range(ROUNDS):
        plan, menu, bought = _plan(fit, few, case, appetite, listing, most)
        broken = plan.promises[~plan.promises["kept"] & (plan.promises["kind"] != GAIN)]
        if broken.empty:
            plan = dataclasses.replace(plan, prices=shadow_prices(menu, _aims(appetite)[0], bought))
            return weigh_interventions(fit, case, plan, appetite, max_spend, lot) if case.interventions else plan
        own = plan.outcomes.sel({names.PLAN: names.RECOMMENDED})
        listing = tightened(listing, plan.promises, bought, own)
    raise InputError(
        Problem(
            column=row["kind"],
            value=row["limit"],
            why=f"no plan found with P({row['promise']}) ≥ {row['probability']:g}; the last has {row['reached']:.3g}",
            fix=f"accept a probability of {math.floor(row['reached'] * 1000) / 1000:g}, or loosen the limit",
        )
        for row in broken.to_dict("records")
    )


def _plan(
    fit: Fit, few: Fit, case: Case, appetite: Appetite, listing: Listing, most: int
) -> tuple[Plan, Menu, np.ndarray]:
    """The best plan from a listing, with the menu it came from and its lots; searched with few draws."""
    shares = _shares(fit, case)
    menu, bought, certificate = _best(listing, case, appetite, shares)
    chosen = _valued(few, case, appetite, menu, bought, shares)
    for _ in range(VIEWS if bought.any() and not adds_up(few, case) else 0):
        net = chosen.outcomes[names.NET_BENEFIT]
        advantage = net.sel({names.PLAN: names.RECOMMENDED}) - net.sel({names.PLAN: names.NOTHING})
        batches = int(batch_count(case.costs, xr.DataArray(float(bought.sum() * menu.lot))))
        view = seen_from(few, case, listing, bought, advantage.values.ravel(), batches)
        seen, again, evidence = _best(view, case, appetite, shares)
        other = _valued(few, case, appetite, seen, again, shares)
        if not again.any() or other.score <= chosen.score:
            again = (bought + again) // 2
            other = _valued(few, case, appetite, seen, again, shares)
        if other.score <= chosen.score:
            certificate = evidence
            break
        menu, bought, certificate, chosen = seen, again, evidence, other
    if few is not fit:
        chosen = _valued(fit, case, appetite, menu, chosen.bought, shares)
        said = f"{certificate.status}; searched with {_count(few):,} of {_count(fit):,} draws"
        certificate = dataclasses.replace(certificate, status=said)
    return _finished(fit, case, chosen, certificate, most), menu, chosen.bought


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


def _valued(fit: Fit, case: Case, appetite: Appetite, menu: Menu, bought: np.ndarray, shares: np.ndarray) -> _Valued:
    even = np.ones(len(menu.slices))
    plans = {
        names.RECOMMENDED: bought,
        names.EQUAL_SPLIT: split(menu, even),
        names.PROPORTIONAL_SPLIT: split(menu, shares),
        names.NOTHING: np.zeros_like(bought),
    }
    outcomes = plan_outcomes(fit, case, _in_labels(menu, plans))
    net = outcomes[names.NET_BENEFIT]
    given = appetite.score(net - net.sel({names.PLAN: names.NOTHING}, drop=True)).to_series()
    scores = {name: float(given[name]) if menu.allows(lots) else np.nan for name, lots in plans.items()}
    winner = max((name for name in plans if np.isfinite(scores[name])), key=lambda name: scores[name])
    if winner != names.RECOMMENDED:
        outcomes = plan_outcomes(fit, case, _in_labels(menu, plans | {names.RECOMMENDED: plans[winner]}))
    return _Valued(plans[winner], winner, scores, outcomes, menu.lot)


def _in_labels(menu: Menu, plans: dict[str, np.ndarray]) -> dict[str, dict[str, int]]:
    return {
        name: {slice: int(n) * menu.lot for slice, n in zip(menu.slices, lots, strict=True)}
        for name, lots in plans.items()
    }


def _finished(fit: Fit, case: Case, chosen: _Valued, certificate: Certificate, most: int) -> Plan:
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
    plan = Plan(
        labels=labels,
        max_labels=most,
        outcomes=chosen.outcomes,
        certificate=certificate,
        prices=pd.DataFrame(),
        promises=promises_of(fit, case, chosen.outcomes),
        verdict=Verdict(WAIT, ()),
        evaluation=evaluation_bought(fit, case) if chosen.bought.any() else {},
        notes=(*notes_of(fit, case.costs), *evaluation_notes(fit, case)),
    )
    return dataclasses.replace(plan, verdict=first_verdict(plan))


def first_verdict(plan: Plan) -> Verdict:
    """Say whether to buy a plan or to wait, measurements left aside.

    Parameters
    ----------
    plan : Plan
        The plan; its own verdict is not read.

    Returns
    -------
    Verdict
        ``buy`` or ``wait``, with reasons.

    Examples
    --------
    See :func:`allocate`.
    """
    if plan.total == 0:
        return Verdict(WAIT, ("no purchase within the limits is worth more than it costs",))
    net = plan.advantage()
    worth, error = float(net.mean()), standard_error(net)
    unit = plan.outcomes.attrs[names.UNIT]
    chance = f"P(net benefit > 0) = {float((net > 0).mean()):.2f}"
    net_benefit = f"{readable(worth)} {unit} (Monte Carlo error {readable(error, 2)})"
    said = f"{plan.total:,} labels: expected net benefit {net_benefit}, {chance}"
    gain = plan.promises[(plan.promises["kind"] == GAIN) & ~plan.promises["kept"]]
    broken = tuple(
        f"guardrail: P({row.promise}) is {row.reached:.2f}, asked for {row.probability:g}" for row in gain.itertuples()
    )
    if broken:
        return Verdict(WAIT, (*broken, said))
    if worth <= SURE * error:
        return Verdict(WAIT, (f"{said}; not above 0 beyond Monte Carlo error",))
    return Verdict(BUY, (said,))


def _best(listing: Listing, case: Case, appetite: Appetite, shares: np.ndarray) -> tuple[Menu, np.ndarray, Certificate]:
    """The best over numbers of batches and, where the appetite has no bound, over several aims."""
    size, aims = case.costs.batch_size, _aims(appetite)
    most = 1 if size is None else max(1, math.ceil(listing.menu.max_labels * listing.menu.lot / size))
    counts = np.unique(np.round(np.linspace(1, most, min(most, MOST_BATCHES))).astype(int))
    found: list[tuple[float, Menu, np.ndarray, Certificate]] = []
    refused: list[InputError] = []
    for menu in (listing.of_batches(int(count), size) for count in counts):
        for aim in aims:
            try:
                bought, certificate = best_purchase(menu, aim, shares)
            except InputError as error:
                refused.append(error)
                continue
            found.append((_judged(appetite, aim, menu.outcome(bought)), menu, bought, certificate))
    if not found:
        raise refused[-1]
    _, menu, bought, certificate = max(found, key=lambda one: one[0])
    if len(aims) > 1:
        certificate = dataclasses.replace(certificate, method="best of several", bound=np.inf)
    return menu, bought, certificate


def _judged(appetite: Appetite, aim: Aim, net: np.ndarray) -> float:
    return float(np.quantile(net, appetite.probability)) if isinstance(appetite, Quantile) else aim.value(net)


def _aims(appetite: Appetite) -> list[Aim]:
    """What is maximised for a risk appetite; a quantile, which has no bound, is approached by several."""
    if isinstance(appetite, CVaR):
        return [Aim(mean=0.0, tail=1.0, level=appetite.level)]
    if isinstance(appetite, ExponentialUtility):
        return [Aim(tolerance=appetite.tolerance)]
    if isinstance(appetite, Quantile):
        level = 1.0 - appetite.probability
        return [Aim(mean=0.0, tail=1.0, level=x) for x in (level, 0.5 * level)] + [Aim()]
    if isinstance(appetite, Mean):
        return [Aim()]
    raise ValueError(f"risk must be Mean, Quantile, CVaR or ExponentialUtility, got {appetite!r}")


def _shares(fit: Fit, case: Case) -> np.ndarray:
    now = fit.position[names.LABELS_NOW]
    chosen = {d: 0 for d in now.dims if d != names.SLICE}
    return np.maximum(now.isel(chosen).values.astype(float), 1.0)
