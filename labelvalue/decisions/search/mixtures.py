"""Labels beside interventions: which sets are tried, which plans are allowed, and how their labels are moved."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import SURE, Decision, standard_error
from labelvalue.decisions.advice.rules import KEPT, keeps_rules, rules_of
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.guardrails import Guardrails, Scenario
from labelvalue.decisions.case.risk import money_needed, scores_of
from labelvalue.decisions.outcomes.benefit import labels_of, plan_outcomes, side_by_side
from labelvalue.decisions.outcomes.errors import evaluation_bought, evaluation_notes, labels_left
from labelvalue.decisions.search.listing import thinned
from labelvalue.forecast.interventions.intervention import Intervention
from labelvalue.forecast.interventions.label_quality import Consensus
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import TAILS, readable

MOST = 5  # interventions of which every subset is tried; of more, only single ones and pairs
SEARCHED = 500  # draws with which labels are moved; what is found is valued with all
FINER = 256
"""Parts of the labels allowed of which the last step is one where another score than the case's is asked for."""


class Mixture(NamedTuple):
    """A plan beside interventions: the score of its net benefit, its outcomes, and the names of what is done.

    ``title`` is what it is called where the case states it; else it goes by its interventions.
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
        return labels_of(self.outcomes, self.name)


def first_allowed(
    fit: Fit, case: Case, outcomes: xr.Dataset, done: tuple[str, ...], max_spend: float
) -> Mixture | None:
    """Return the plan of the highest score that keeps limits, rules and sum; ``None`` where none does."""
    scores = scores_of(case.risk, outcomes).drop(names.NOTHING).sort_values(ascending=False, kind="stable")
    kept = (str(name) for name in scores.index if allowed(fit, case, outcomes, str(name), max_spend))
    return next((Mixture(float(scores[name]), outcomes, done, name) for name in kept), None)


def subsets(every: Sequence[Intervention]) -> Iterator[tuple[str, ...]]:
    """List the sets of interventions that are tried: all, or single ones and pairs where there are many."""
    for size in range(1, (len(every) if len(every) <= MOST else 2) + 1):
        for chosen in itertools.combinations(every, size):
            if not any(_exclude(*two) for two in itertools.combinations(chosen, 2)):
                yield tuple(one.name for one in chosen)


def _exclude(one: Intervention, other: Intervention) -> bool:
    """Whether both say how many votes the same items get."""
    votes = isinstance(one, Consensus) and isinstance(other, Consensus)
    return votes and (not one.slices or not other.slices or bool(set(one.slices) & set(other.slices)))


STEPS = 4  # the first step is the labels allowed over this
FINEST = 64  # the last step is the labels allowed over this, where nothing finer is asked for, or one lot
TRIED = 3  # slices that labels are moved to, and from, at once: those where one step alone does best
MOVES = 60


def climb(
    start: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    allows: Callable[[np.ndarray], bool],
    *,
    low: np.ndarray,
    high: np.ndarray,
    most: int,
    lot: int = 1,
    parts: int = FINEST,
) -> np.ndarray:
    """Move labels between slices, buy more or fewer, in steps of falling size, as long as the score rises.

    Shapes: ``start`` (slice,), ``low``, ``high`` (slice,); gives (slice,).
    """
    at, reached = start.copy(), float(score(start[None])[0])
    step = max(lot, most // STEPS // lot * lot)
    finest = max(lot, most // parts // lot * lot)
    unit = np.eye(start.size, dtype=int)

    def fits(plans: np.ndarray) -> np.ndarray:
        return (plans >= low).all(axis=1) & (plans <= high).all(axis=1) & (plans.sum(axis=1) <= most)

    for _ in range(MOVES):
        single = np.clip(np.concatenate([at + step * unit, at - step * unit]), low, high)
        alone = score(single)  # beyond the labels allowed too: it says where a swap should go
        to, away = (np.argsort(-x, kind="stable")[:TRIED] for x in np.split(alone, 2))
        swaps = [at + step * (unit[i] - unit[j]) for i in to for j in away if i != j]
        plans = np.array([*single, *swaps])
        plans = plans[fits(plans)]
        known = alone[fits(single)]
        swapped = plans[known.size :]
        found = np.concatenate([known, score(swapped)]) if len(swapped) else known
        better = np.flatnonzero(found > reached + 1e-12 * max(abs(reached), 1.0))
        ranked = better[np.argsort(-found[better], kind="stable")]
        chosen = next((place for place in ranked if allows(plans[place])), None)
        if chosen is not None:
            at, reached = plans[chosen], float(found[chosen])
        elif step <= finest:
            break
        else:
            step = max(finest, step // 2 // lot * lot)
    return at


def climbed(
    fit: Fit,
    case: Case,
    one: Mixture,
    most: int,
    max_spend: float,
    lot: int,
    noise_factor: float = 1.0,
    scored: Callable[[xr.Dataset], pd.Series] | None = None,
) -> Mixture:
    """Move a mixture's labels, at most ``most`` in all, as long as that pays; searched with few draws, valued with all.

    The same interventions beside other labels come back; the mixture itself where no step is better, by the case's risk
    appetite or by another score of outcomes, one number a plan.
    """
    judged = partial(scores_of, case.risk) if scored is None else scored
    score, outcomes, done, name, _ = one
    few, slices = thinned(fit, SEARCHED), [str(s) for s in outcomes[names.SLICE].values]
    limits = [case.limits(s) for s in slices]
    # Without sum, rules and classes, limits are all there is to keep.
    free = np.isinf(max_spend) and case.guardrails == Guardrails() and not case.classes

    def drawn(which: Fit, plans: np.ndarray) -> xr.Dataset:
        named = {f"{i}": dict(zip(slices, map(int, row), strict=True)) for i, row in enumerate(plans)}
        return plan_outcomes(which, case, named, interventions=done, noise_factor=noise_factor)

    def scores(plans: np.ndarray) -> np.ndarray:
        return np.asarray(judged(drawn(few, plans)).drop(names.NOTHING).to_numpy())

    found = climb(
        outcomes[names.LABELS].sel({names.PLAN: name}).values.astype(int),
        scores,
        lambda plan: free or allowed(few, case, drawn(few, plan[None]), "0", max_spend),
        low=np.array([-(-least // lot) * lot for least, _ in limits]),
        high=np.array([min(most, highest) // lot * lot for _, highest in limits]).astype(int),
        most=most,
        lot=lot,
        parts=FINEST if scored is None else FINER,
    )
    made = drawn(fit, found[None])
    again = float(judged(made)["0"])
    better = again > score and allowed(fit, case, made, "0", max_spend)
    return Mixture(again, made, done, "0") if better else one


def allowed(fit: Fit, case: Case, outcomes: xr.Dataset, name: str, max_spend: float) -> bool:
    """Whether a plan keeps every rule of the case, limits of its slices among them, and a sum."""
    if not keeps_rules(fit, case, outcomes, name):
        return False
    most = max_spend * (1 + 1e-9)
    return math.isinf(most) or money_needed(outcomes[names.COST].sel({names.PLAN: name}), case.overrun) <= most


PARTS = (1.0, 0.75, 0.5, 0.25, 0.0)  # shares of the plan of labels alone that are tried beside interventions
CLIMBED = 2  # sets of interventions beside which labels are moved until nothing is better
NEAR = 0.1  # share of the best score so far by which a set may fall short to be one of them
MOST_SLICES = 50  # slices up to which they are
SHOWN = 3  # other mixtures that a plan shows beside itself
LESS = "brings less"


def weigh_interventions(plan: Decision) -> Decision:
    """Hold a plan of labels alone, without a verdict yet, against plans that also, or only, do what the case offers.

    Every set of interventions is tried with all, three quarters, a half, a quarter and none of the plan's labels; what
    breaks a rule of the case is left out. Beside the sets that do best, labels are then moved between slices, and more
    or fewer bought, as long as that pays: labels are worth more, or less, where others are of better quality. Two
    numbers of votes for the same items are alternatives and never tried together. Labels alone stay where nothing else
    is better beyond Monte Carlo error. The outcomes of the best hold ``labels only`` and other mixtures too,
    ``weighed`` everything that was tried.
    """
    fit, case, max_spend, lot = plan.fit, plan.case, plan.max_spend, plan.lot
    keeps = bool(plan.rules[KEPT].all())
    alone = Mixture(case.risk.score(plan.advantage()).item(), plan.outcomes, (), names.RECOMMENDED)
    best = alone if keeps else alone._replace(score=0.0)  # a plan that breaks a rule is not bought
    found: list[Mixture] = []
    refused: list[str] = []
    for done in subsets(case.interventions):
        candidates = {f"{share:g}": _scaled(plan.labels, share, lot) for share in PARTS if plan.total or share == 0.0}
        outcomes = plan_outcomes(fit, case, candidates, interventions=done)
        one = first_allowed(fit, case, outcomes, done, max_spend)
        found.append(one) if one else refused.append(" + ".join(done))
    found.sort(key=lambda one: -one.score)
    if len(plan.labels) <= MOST_SLICES:
        reached, left = best.score, labels_left(fit, case, plan.max_labels)
        for place, one in enumerate(found[:CLIMBED]):
            if one.score < reached - NEAR * abs(reached):
                break
            found[place] = climbed(fit, case, one, left, max_spend, lot)
            reached = max(reached, found[place].score)
        found.sort(key=lambda one: -one.score)
    stated = [_stated(fit, case, one) for one in case.scenarios]
    kept = [
        one
        for one in stated
        if sum(one.labels().values()) <= plan.max_labels and allowed(fit, case, one.outcomes, one.name, max_spend)
    ]
    first = max([*found, *kept], key=lambda one: one.score, default=alone)
    first = first if first.score > best.score and not (keeps and _tied(first, alone)) else alone
    others = [one for one in found if one is not first][:SHOWN]
    chosen = _joined(plan.outcomes, first, [*others, *(one for one in stated if one is not first)])
    weighed = _weighed([alone, *found, *kept], first, [*refused, *(one.title for one in stated if one not in kept)])
    if first is alone:
        return dataclasses.replace(plan, outcomes=chosen, weighed=weighed)
    taken = [one for one in case.interventions if one.name in first.done]
    bare = evaluation_notes(fit, case)
    certificate = dataclasses.replace(plan.certificate, objective=first.score, bound=np.inf, method="best of several")
    return dataclasses.replace(
        plan,
        labels=first.labels(),
        outcomes=chosen,
        certificate=certificate,
        rules=rules_of(fit, case, chosen),
        interventions=first.done,
        weighed=weighed,
        evaluation=evaluation_bought(fit, case, taken),
        notes=(*(note for note in plan.notes if note not in bare), *evaluation_notes(fit, case, taken)),
    )


def _stated(fit: Fit, case: Case, one: Scenario) -> Mixture:
    """A plan that the case names, valued."""
    outcomes = plan_outcomes(fit, case, {one.name: one.labels}, interventions=one.interventions)
    return Mixture(float(scores_of(case.risk, outcomes)[one.name]), outcomes, one.interventions, one.name, one.name)


def _tied(one: Mixture, other: Mixture) -> bool:
    """Whether Monte Carlo error could account for what one brings more, or less, than the other."""
    less = other.net() - one.net()
    return abs(float(less.mean())) <= SURE * standard_error(less)


def _weighed(every: list[Mixture], first: Mixture, refused: list[str]) -> pd.DataFrame:
    """What was weighed, the best first: labels alone, sets of interventions beside their best labels, stated plans."""
    rows: list[tuple[object, ...]] = []
    taken = first.net()
    for one in sorted(every, key=lambda one: -one.score):
        cost = float(one.outcomes[names.COST].sel({names.PLAN: one.name}).mean())
        less = taken - one.net()
        error = standard_error(less)
        figures = (cost, float(one.net().mean()), float(less.mean()), error, *np.quantile(less, TAILS))
        tie = f"is as good within Monte Carlo error (± {readable(SURE * error, 2)})"
        why = "" if one is first else tie if _tied(first, one) else LESS
        chance = float((less > 0).mean())
        rows.append((one.called(), sum(one.labels().values()), *figures, chance, one is first, why))
    rows += [(title, 0, *[np.nan] * 7, False, "breaks a rule of the case") for title in refused]
    columns = ["option", names.LABELS, names.COST, names.NET_BENEFIT, "less", names.MCSE, "lower", "upper"]
    return pd.DataFrame(rows, columns=[*columns, "p_less", "chosen", "why"])


def _scaled(labels: Mapping[str, int], share: float, lot: int) -> dict[str, int]:
    return {name: int(n * share) // lot * lot for name, n in labels.items()}


def _joined(plain: xr.Dataset, first: Mixture, others: list[Mixture]) -> xr.Dataset:
    """Outcomes of the best plan, of labels alone, of other mixtures, and of what the plain plan was held against."""

    def one(outcomes: xr.Dataset, name: str, title: str) -> xr.Dataset:
        return outcomes.sel({names.PLAN: [name]}).assign_coords({names.PLAN: [title]})

    parts = []
    if first.name != names.RECOMMENDED:
        parts = [one(first.outcomes, first.name, names.RECOMMENDED), one(plain, names.RECOMMENDED, names.LABELS_ONLY)]
        parts.append(plain.drop_sel({names.PLAN: names.RECOMMENDED}))
    else:
        parts = [plain]
    parts += [one(other.outcomes, other.name, other.called()) for other in others if other.done or other.title]
    joined = side_by_side(parts)
    order = [names.NOTHING, *(str(p) for p in joined[names.PLAN].values if p != names.NOTHING)]
    return joined.sel({names.PLAN: order})
