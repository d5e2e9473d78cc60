"""Where the money of a plan goes, and what else it could buy: other numbers of labels, interventions, votes."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.outcomes.benefit import named_of, plan_outcomes
from labelvalue.decisions.outcomes.errors import effect_origin, evaluation_cost, noise_known, of_leader
from labelvalue.decisions.outcomes.spending import PRICE, batch_count, fixed_cost, label_cost
from labelvalue.decisions.search.listing import thinned
from labelvalue.forecast.gains.curves import draws, slice_draws
from labelvalue.forecast.gains.learners_and_suites import only_curves
from labelvalue.forecast.interventions.alternatives import ActiveLearning
from labelvalue.forecast.interventions.exchange_rate import exchange_rate, quality_frontier
from labelvalue.forecast.interventions.intervention import Intervention
from labelvalue.forecast.interventions.label_quality import Consensus
from labelvalue.model.fitting.result import Fit
from labelvalue.quantities import of_slice

VOTES = (1, 3, 5, 7)
LEAST = 10  # items that the money must buy with a number of votes for it to be tried
SHOWN = 4  # slices whose frontier is computed: those that a plan buys most for
FEW = 40  # draws that are enough to learn where an effect comes from
SOME = 400  # draws that are enough for the median of what it is worth in labels, and an interval


@dataclasses.dataclass(frozen=True)
class Offer:
    """An intervention of a case: its worth in plain labels and money over all slices (chain, draw), and its origin."""

    offered: Intervention
    worth: xr.Dataset
    origin: str
    done: bool


def offers(plan: Decision) -> Iterator[Offer]:
    """Price the interventions of a case in plain labels, at today's position."""
    few, some, case = thinned(plan.fit, FEW), thinned(plan.fit, SOME), plan.case
    for one in case.interventions:
        worth = exchange_rate(some, one, noise=case.label_noise, price=case.costs.price_per_label)
        both = {key: of_leader(some, case, worth[key]) for key in (names.EQUIVALENT_LABELS, names.BREAK_EVEN)}
        total = xr.Dataset(both, attrs=worth.attrs).sum(names.SLICE, skipna=False, keep_attrs=True)
        yield Offer(one, total, effect_origin(few, case, one), one.name in plan.interventions)


def votes_frontiers(plan: Decision) -> Iterator[tuple[xr.Dataset, list[int]]]:
    """Draw what the money for a slice would gain as fewer items with more votes, beside the votes and items planned."""
    fit, case = plan.fit, plan.case
    share, _ = noise_known(fit, case)
    if share is None:
        return
    ranked = sorted((name for name, n in plan.labels.items() if n), key=lambda name: -plan.labels[name])
    prices = slice_draws(fit, PRICE, case.costs.price_per_label)
    for name in ranked[:SHOWN]:
        price = float((prices.sel({names.SLICE: name}) if names.SLICE in prices.dims else prices).mean())
        planned, bought = _votes(plan, name), plan.labels[name]
        tried = sorted({planned, *(v for v in VOTES if LEAST * v <= bought * planned)})
        if len(tried) < 2 or price <= 0:
            continue
        stated = None if case.label_noise is None else of_slice(case.label_noise, name)[1]
        own = share.sel({names.SLICE: [name]}) if names.SLICE in share.dims else share
        most = case.limits(name)[1]
        frontier = quality_frontier(
            _one_curve(fit, case, name),
            bought * planned * price,
            price=price,
            noise=own if stated is None else stated,
            votes=tried,
            available=int(most) if most < float("inf") else None,
        )
        yield frontier, [planned, bought]


def _votes(plan: Decision, name: str) -> int:
    """Votes an item that the plan takes for a slice."""
    done = [one for one in plan.case.interventions if one.name in plan.interventions and isinstance(one, Consensus)]
    return next((one.votes for one in done if not one.slices or name in one.slices), 1)


def _one_curve(fit: Fit, case: Case, name: str) -> Fit:
    """The fit of one slice under the learner that leads there and the suite that decides, with the runs of these."""
    leads = {d: of_leader(fit, case, fit.position[d]) for d in (names.LEARNER, names.SUITE) if d in fit.position.dims}
    own = {d: one.sel({names.SLICE: name}) if one.dims else one for d, one in leads.items()}
    return only_curves(fit, {d: str(one.item()) for d, one in own.items()}, [name])


def price_ratio(fit: Fit, case: Case | None, strategy: str) -> tuple[Any, bool]:
    """Price a strategy's label over that of a random one, draw by draw, and say whether the case states it."""
    offered = [
        one for one in (() if case is None else case.interventions)
        if isinstance(one, ActiveLearning) and one.strategy == strategy
    ]  # fmt: skip
    if case is None or not offered:
        return 1.0, False
    price = slice_draws(fit, PRICE, case.costs.price_per_label)
    price = price.mean(names.SLICE) if names.SLICE in price.dims else price
    more = draws(fit, f"{offered[0].name}.unit_cost", offered[0].unit_cost)
    return (price + more) / price, True


SHARES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Labels of the ladder as shares of those of the plan, or of those allowed where it buys none."""
AS_PLANNED, EVENLY = "as planned", "evenly"


def ladder(plan: Decision) -> list[tuple[str, xr.Dataset]]:
    """Draw what the plan brings over doing nothing with more and fewer labels, split as it splits them and evenly.

    Each is how labels are split, and its outcomes (chain, draw, slice); all under the same draws.
    """
    total = plan.total or plan.max_labels
    even = {str(name): total / max(plan.fit.slices.size, 1) for name in plan.fit.slices}
    splits = {AS_PLANNED: dict(plan.labels) if plan.total else even, EVENLY: even}
    plans = {f"{how}/{x:g}": _scaled(plan.case, labels, x) for how, labels in splits.items() for x in SHARES}
    outcomes = plan_outcomes(plan.fit, plan.case, plans, interventions=plan.interventions)
    net = outcomes[names.NET_BENEFIT]
    outcomes = outcomes.assign({names.NET_BENEFIT: net - net.sel({names.PLAN: names.NOTHING}, drop=True)})
    order = [(how, f"{how}/{x:g}" if x else names.NOTHING) for how in splits for x in (0.0, *SHARES)]
    return [(how, outcomes.sel({names.PLAN: name}, drop=True)) for how, name in order]


def _scaled(case: Case, labels: Mapping[str, float], share: float) -> dict[str, int]:
    """Whole labels of a share of a plan, within what may be bought of each slice."""
    return {name: int(min(np.floor(n * share + 1e-9), case.limits(name)[1])) for name, n in labels.items()}


PARTS: dict[str, tuple[str, ...]] = {
    "labels": ("price_per_label",),
    "labels paid for twice": ("rework",),
    "annotators' hours": ("opportunity_per_hour",),
    "days of waiting": ("delay_per_day", "opportunity_per_day"),
    "set-up of batches": ("setup_per_batch",),
    "retraining": ("retraining", "compute_per_hour"),
}  # parts of a cost in the order in which they are added, and the keys of the case that make each


def cost_parts(plan: Decision) -> dict[str, xr.DataArray]:
    """Draw each part of what a plan costs (chain, draw)."""
    fit, case = plan.fit, plan.case
    labels = plan.outcomes[names.LABELS].sel({names.PLAN: names.RECOMMENDED}, drop=True)
    batches = batch_count(case.costs, labels.sum(names.SLICE))
    nothing: dict[str, Any] = {key: 0.0 for keys in PARTS.values() for key in keys}
    bare, so_far = dataclasses.replace(case.costs, **nothing), xr.DataArray(0.0)
    parts: dict[str, xr.DataArray] = {}
    for title, keys in PARTS.items():
        added: dict[str, Any] = {key: getattr(case.costs, key) for key in keys}
        bare = dataclasses.replace(bare, **added)
        money = label_cost(fit, bare, labels).sum(names.SLICE) + fixed_cost(fit, bare, batches, case.learner)
        parts[title], so_far = money - so_far, money
    whole = plan.outcomes[names.COST].sel({names.PLAN: names.RECOMMENDED}, drop=True)
    done = named_of(case, plan.interventions)
    parts["evaluation labels by a rule"] = (plan.total > 0 or bool(done)) * evaluation_cost(fit, case, done)
    parts["interventions"] = whole - so_far - parts["evaluation labels by a rule"]
    like = xr.zeros_like(whole).reset_coords(drop=True)
    return {title: (like + money).transpose(*names.SAMPLE) for title, money in parts.items()}
