"""Plans of labels and interventions together: which of them is worth most."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decide.appetites import Appetite
from labelvalue.decide.benefit import plan_outcomes
from labelvalue.decide.case import Case
from labelvalue.decide.climbing import climb
from labelvalue.decide.evaluating import evaluation_bought, labels_left
from labelvalue.decide.plan import QUALITY, Plan, Verdict, standard_error
from labelvalue.decide.promises import GAIN, promises_of
from labelvalue.decide.thinning import thinned
from labelvalue.forecast import Consensus, Intervention
from labelvalue.model import Fit

PARTS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of the plan of labels alone that are tried beside interventions."""
MOST = 5
"""Interventions of which every subset is tried; of more, only single ones and pairs."""
CLIMBED = 2
"""Sets of interventions beside which labels are moved until nothing is better."""
NEAR = 0.1
"""Share of the best score so far by which a set may fall short to be one of them."""
MOST_SLICES = 50
"""Slices up to which they are."""
SEARCHED = 500
"""Draws with which they are; what is found is valued with all."""
SHOWN = 3
"""Other mixtures that a plan shows beside itself."""
LABELS_ONLY = "labels only"
_Mixture = tuple[float, xr.Dataset, tuple[str, ...], str]
"""Score, outcomes, interventions, and the name of the plan among the outcomes."""


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
    best = (appetite.score(plan.advantage()).item(), plan.outcomes, (), names.RECOMMENDED)
    found = []
    for done in _subsets(case.interventions):
        candidates = {f"{share:g}": _scaled(plan.labels, share, lot) for share in PARTS if plan.total or share == 0.0}
        outcomes = plan_outcomes(fit, case, candidates, interventions=done)
        scores = _scores(appetite, outcomes)
        for name in scores.drop(names.NOTHING).sort_values(ascending=False, kind="stable").index:
            if _allowed(fit, case, outcomes, str(name), max_spend):
                found.append((float(scores[name]), outcomes, done, str(name)))
                break
    found.sort(key=lambda one: -one[0])
    if len(plan.labels) <= MOST_SLICES:
        reached, left = best[0], labels_left(fit, case, plan.max_labels)
        for place, one in enumerate(found[:CLIMBED]):
            if one[0] < reached - NEAR * abs(reached):
                break
            found[place] = _climbed(fit, case, appetite, one, left, max_spend, lot)
            reached = max(reached, found[place][0])
        found.sort(key=lambda one: -one[0])
    first = found[0] if found and found[0][0] > best[0] else best
    others = [one for one in found if one is not first][:SHOWN]
    chosen = _joined(plan.outcomes, first, others)
    if first is best:
        return dataclasses.replace(plan, outcomes=chosen)
    own = first[1][names.LABELS].sel({names.PLAN: first[3]})
    labels = {str(name): int(n) for name, n in zip(own[names.SLICE].values, own.values, strict=True)}
    certificate = dataclasses.replace(plan.certificate, objective=first[0], bound=np.inf, method="best of several")
    made = dataclasses.replace(
        plan,
        labels=labels,
        outcomes=chosen,
        certificate=certificate,
        promises=promises_of(fit, case, chosen),
        interventions=first[2],
        evaluation=evaluation_bought(fit, case),
    )
    return dataclasses.replace(made, verdict=_verdict(made))


def _scores(appetite: Appetite, outcomes: xr.Dataset) -> pd.Series:
    net = outcomes[names.NET_BENEFIT]
    return appetite.score(net - net.sel({names.PLAN: names.NOTHING}, drop=True)).to_series()


def _subsets(every: Sequence[Intervention]) -> Iterator[tuple[str, ...]]:
    for size in range(1, (len(every) if len(every) <= MOST else 2) + 1):
        for chosen in itertools.combinations(every, size):
            if not any(_exclude(*two) for two in itertools.combinations(chosen, 2)):
                yield tuple(one.name for one in chosen)


def _exclude(one: Intervention, other: Intervention) -> bool:
    """Whether both say how many votes the same items get."""
    votes = isinstance(one, Consensus) and isinstance(other, Consensus)
    return votes and (not one.slices or not other.slices or bool(set(one.slices) & set(other.slices)))


def _scaled(labels: Mapping[str, int], share: float, lot: int) -> dict[str, int]:
    return {name: int(n * share) // lot * lot for name, n in labels.items()}


def _climbed(
    fit: Fit, case: Case, appetite: Appetite, one: _Mixture, most: int, max_spend: float, lot: int
) -> _Mixture:
    """The same interventions beside the best labels that steps find; searched with few draws, valued with all."""
    score, outcomes, done, name = one
    few, slices = thinned(fit, SEARCHED), [str(s) for s in outcomes[names.SLICE].values]
    limits = [case.limits(s) for s in slices]

    def drawn(which: Fit, plans: np.ndarray) -> xr.Dataset:
        named = {f"{i}": dict(zip(slices, map(int, row), strict=True)) for i, row in enumerate(plans)}
        return plan_outcomes(which, case, named, interventions=done)

    def scores(plans: np.ndarray) -> np.ndarray:
        return np.asarray(_scores(appetite, drawn(few, plans)).drop(names.NOTHING).to_numpy())

    found = climb(
        outcomes[names.LABELS].sel({names.PLAN: name}).values.astype(int),
        scores,
        lambda plan: _allowed(few, case, drawn(few, plan[None]), "0", max_spend),
        low=np.array([-(-least // lot) * lot for least, _ in limits]),
        high=np.array([min(most, highest) // lot * lot for _, highest in limits]).astype(int),
        most=most,
        lot=lot,
    )
    made = drawn(fit, found[None])
    again = float(_scores(appetite, made)["0"])
    better = again > score and _allowed(fit, case, made, "0", max_spend)
    return (again, made, done, "0") if better else one


def _allowed(fit: Fit, case: Case, outcomes: xr.Dataset, name: str, max_spend: float) -> bool:
    own = outcomes.sel({names.PLAN: [name]}).assign_coords({names.PLAN: [names.RECOMMENDED]})
    promises = promises_of(fit, case, own)
    bought = own[names.LABELS].isel({names.PLAN: 0})
    least = np.array([case.limits(str(s))[0] for s in bought[names.SLICE].values])
    enough = bool((bought.values >= least).all())
    kept = bool(promises.loc[promises["kind"] != GAIN, "kept"].all())
    return enough and kept and float(own[names.COST].mean()) <= max_spend * (1 + 1e-9)


def _joined(plain: xr.Dataset, first: tuple, others: list[tuple]) -> xr.Dataset:
    """Outcomes of the best plan, of labels alone, of other mixtures, and of what the plain plan was held against."""

    def one(outcomes: xr.Dataset, name: str, title: str) -> xr.Dataset:
        return outcomes.sel({names.PLAN: [name]}).assign_coords({names.PLAN: [title]})

    parts = []
    if first[2]:
        parts = [one(first[1], first[3], names.RECOMMENDED), one(plain, names.RECOMMENDED, LABELS_ONLY)]
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
        f"{what}{beside}: expected net benefit {float(net.mean()):,.4g} {unit} (Monte Carlo error "
        f"{standard_error(net):,.2g}), P(net benefit > 0) = {float((net > 0).mean()):.2f}"
    )
    against = (
        f"labels only would bring {float(alone.mean()):,.4g} {unit}; better with probability "
        f"{float((net > alone).mean()):.2f}"
    )
    return Verdict(QUALITY, (said, against))
