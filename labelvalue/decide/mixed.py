"""Plans of labels and interventions together: which of them is worth most."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decide.appetites import Appetite
from labelvalue.decide.benefit import plan_outcomes
from labelvalue.decide.case import Case
from labelvalue.decide.evaluating import evaluation_bought, evaluation_notes, labels_left
from labelvalue.decide.mixtures import Mixture, climbed, first_allowed, subsets
from labelvalue.decide.plan import QUALITY, Plan, Verdict, standard_error
from labelvalue.decide.promises import promises_of
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
LABELS_ONLY = "labels only"


def weigh_interventions(
    fit: Fit, case: Case, plan: Plan, appetite: Appetite, max_spend: float = np.inf, lot: int = 1
) -> Plan:
    """Hold a plan of labels alone against plans that also, or only, do what the case offers.

    Every set of interventions is tried with all, three quarters, a half, a quarter and none of the plan's labels; what
    breaks a rule of the case is left out. Beside the sets that do best, labels are then moved between slices, and more
    or fewer bought, as long as that pays: labels are worth more, or less, where others are of better quality. Two
    numbers of votes for the same items are alternatives and never tried together.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        With ``interventions``.
    plan : Plan
        The best plan of labels alone.
    appetite : Mean, Quantile, CVaR or ExponentialUtility
        How net benefits are weighed.
    max_spend : float
        Most expected money.
    lot : int
        Labels are bought in multiples of it.

    Returns
    -------
    Plan
        The best; its outcomes hold ``labels only`` and other mixtures too. The verdict is ``spend on quality`` where
        an intervention is part of it.

    Examples
    --------
    See :func:`labelvalue.decide.allocate`.
    """
    best = Mixture(appetite.score(plan.advantage()).item(), plan.outcomes, (), names.RECOMMENDED)
    found: list[Mixture] = []
    for done in subsets(case.interventions):
        candidates = {f"{share:g}": _scaled(plan.labels, share, lot) for share in PARTS if plan.total or share == 0.0}
        outcomes = plan_outcomes(fit, case, candidates, interventions=done)
        if one := first_allowed(fit, case, appetite, outcomes, done, max_spend):
            found.append(one)
    found.sort(key=lambda one: -one.score)
    if len(plan.labels) <= MOST_SLICES:
        reached, left = best.score, labels_left(fit, case, plan.max_labels)
        for place, one in enumerate(found[:CLIMBED]):
            if one.score < reached - NEAR * abs(reached):
                break
            found[place] = climbed(fit, case, appetite, one, left, max_spend, lot)
            reached = max(reached, found[place].score)
        found.sort(key=lambda one: -one.score)
    first = found[0] if found and found[0].score > best.score else best
    others = [one for one in found if one is not first][:SHOWN]
    chosen = _joined(plan.outcomes, first, others)
    if first is best:
        return dataclasses.replace(plan, outcomes=chosen)
    taken = [one for one in case.interventions if one.name in first.done]
    bare = evaluation_notes(fit, case)
    certificate = dataclasses.replace(plan.certificate, objective=first.score, bound=np.inf, method="best of several")
    made = dataclasses.replace(
        plan,
        labels=first.labels(),
        outcomes=chosen,
        certificate=certificate,
        promises=promises_of(fit, case, chosen),
        interventions=first.done,
        evaluation=evaluation_bought(fit, case, taken),
        notes=(*(note for note in plan.notes if note not in bare), *evaluation_notes(fit, case, taken)),
    )
    return dataclasses.replace(made, verdict=_verdict(made))


def _scaled(labels: Mapping[str, int], share: float, lot: int) -> dict[str, int]:
    return {name: int(n * share) // lot * lot for name, n in labels.items()}


def _joined(plain: xr.Dataset, first: Mixture, others: list[Mixture]) -> xr.Dataset:
    """Outcomes of the best plan, of labels alone, of other mixtures, and of what the plain plan was held against."""

    def one(outcomes: xr.Dataset, name: str, title: str) -> xr.Dataset:
        return outcomes.sel({names.PLAN: [name]}).assign_coords({names.PLAN: [title]})

    parts = []
    if first.done:
        parts = [one(first.outcomes, first.name, names.RECOMMENDED), one(plain, names.RECOMMENDED, LABELS_ONLY)]
        parts.append(plain.drop_sel({names.PLAN: names.RECOMMENDED}))
    else:
        parts = [plain]
    parts += [one(out, name, " + ".join(done)) for _, out, done, name in others if done]
    joined = xr.concat(parts, dim=names.PLAN, combine_attrs="override")
    order = [names.NOTHING, *(str(p) for p in joined[names.PLAN].values if p != names.NOTHING)]
    return joined.sel({names.PLAN: order})


def _verdict(plan: Plan) -> Verdict:
    """Why quality."""
    net, alone = plan.advantage(), plan.advantage(LABELS_ONLY)
    unit = plan.outcomes.attrs[names.UNIT]
    what = " + ".join(plan.interventions)
    beside = f" with {plan.total:,} labels" if plan.total else " and no labels"
    said = (
        f"{what}{beside}: expected net benefit {readable(float(net.mean()))} {unit} (Monte Carlo error "
        f"{readable(standard_error(net), 2)}), P(net benefit > 0) = {float((net > 0).mean()):.2f}"
    )
    against = (
        f"labels only would bring {readable(float(alone.mean()))} {unit}; better with probability "
        f"{float((net > alone).mean()):.2f}"
    )
    return Verdict(QUALITY, (said, against))
