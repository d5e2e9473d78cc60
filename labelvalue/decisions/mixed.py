"""Plans of labels and interventions together: which of them is worth most."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.benefit import plan_outcomes, side_by_side
from labelvalue.decisions.case import Case
from labelvalue.decisions.decision import SURE, Decision, standard_error
from labelvalue.decisions.evaluating import evaluation_bought, evaluation_notes, labels_left
from labelvalue.decisions.guardrails import Scenario
from labelvalue.decisions.mixtures import Mixture, allowed, climbed, first_allowed, scores_of, subsets
from labelvalue.decisions.rules import KEPT, rules_of
from labelvalue.model import Fit
from labelvalue.numerals import readable

PARTS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of the plan of labels alone that are tried beside interventions."""
CLIMBED = 2
"""Sets of interventions beside which labels are moved until nothing is better."""
NEAR = 0.1
"""Share of the best score so far by which a set may fall short to be one of them."""
MOST_SLICES = 50
"""Slices up to which they are."""
SHOWN = 3
"""Other mixtures that a plan shows beside itself."""
LESS = "brings less"
TAILS = (0.05, 0.95)


def weigh_interventions(plan: Decision) -> Decision:
    """Hold a plan of labels alone, without a verdict yet, against plans that also, or only, do what the case offers.

    Every set of interventions is tried with all, three quarters, a half, a quarter and none of the plan's labels; what
    breaks a rule of the case is left out. Beside the sets that do best, labels are then moved between slices, and more
    or fewer bought, as long as that pays: labels are worth more, or less, where others are of better quality. Two
    numbers of votes for the same items are alternatives and never tried together. The outcomes of the best hold
    ``labels only`` and other mixtures too, ``weighed`` everything that was tried.
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
    first = first if first.score > best.score else alone
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
        why = "" if one is first else tie if abs(float(less.mean())) <= SURE * error else LESS
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
