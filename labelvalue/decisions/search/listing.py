"""What can be bought, in arrays, and what purchases and the plans to hold them against bring."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.value import unit_value
from labelvalue.decisions.outcomes.benefit import (
    SliceErrors,
    errors_of_slices,
    labels_of,
    outcomes_of_slices,
    plan_outcomes,
)
from labelvalue.decisions.outcomes.errors import error_now, errors_at, evaluation_cost
from labelvalue.decisions.outcomes.spending import days_until, fixed_cost, label_cost, retraining_works
from labelvalue.decisions.search.menu import Menu
from labelvalue.decisions.search.optimise import NoPlanError, least_labels, unreachable
from labelvalue.forecast.gains.curves import SIZE
from labelvalue.model.curve.families import bare
from labelvalue.model.fitting.result import Fit, once
from labelvalue.problems import Problem

FOCUSED = 4  # slices of which a plan with nothing but their labels is among the alternatives
HALF, ALL_FOR = "half of it", "all for {}"


def alternatives(plan: Decision) -> dict[str, dict[str, int]]:
    """List plans that a plan is held against, none of them twice, itself first."""
    case = plan.case
    table = plan.outcomes[names.LABELS]
    slices = [str(name) for name in table[names.SLICE].values]
    total = max(plan.total, int(table.sum(names.SLICE).max()))
    found: dict[str, dict[str, int]] = {names.RECOMMENDED: dict(plan.labels)}
    found[HALF] = {name: max(n // 2, case.limits(name)[0]) for name, n in plan.labels.items()}
    for split in (names.EQUAL_SPLIT, names.PROPORTIONAL_SPLIT):
        found[split] = labels_of(plan.outcomes, split)
    weight = plan.labels if plan.total else found[names.EQUAL_SPLIT]
    least = {name: case.limits(name)[0] for name in slices}
    for name in sorted(slices, key=lambda one: -weight[one])[:FOCUSED]:
        room = max(total - sum(least.values()), 0) + least[name]
        found[ALL_FOR.format(name)] = least | {name: int(min(room, case.limits(name)[1]))}
    return _distinct(found)


def _distinct(plans: Mapping[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    seen: set[tuple[int, ...]] = set()
    kept = {}
    for name, labels in plans.items():
        key = tuple(labels.values())
        if any(key) and key not in seen:
            kept[name] = labels
        seen.add(key)
    return kept


def best_of(net: xr.DataArray) -> str:
    """Return the plan with the highest expected net benefit; doing nothing where it is as good."""
    mean = net.mean([d for d in net.dims if d != names.PLAN])
    return str(net[names.PLAN].values[int(np.argmax(mean.values))])


SIZES = 24  # sizes of a menu between nothing and everything, as a geometric row


@dataclasses.dataclass(frozen=True)
class Listing:
    """A menu in lots, and what every further ``batch`` costs (sample)."""

    menu: Menu
    batch: np.ndarray

    def at_most(self, lots: int) -> Listing:
        """Return the listing with fewer lots in all."""
        return dataclasses.replace(self, menu=dataclasses.replace(self.menu, max_labels=lots))

    def of_batches(self, count: int, size: int | None) -> Menu:
        """Return the menu of plans of a number of batches."""
        most = self.menu.max_labels if size is None else min(self.menu.max_labels, count * size // self.menu.lot)
        more = (count - 1) * self.batch
        spend = self.menu.fixed_spend + float(more.mean())
        return dataclasses.replace(self.menu, max_labels=most, fixed=self.menu.fixed + more, fixed_spend=spend)


def sizes_to_try(case: Case, slices: int, max_labels: int, lot: int) -> np.ndarray:
    """Return sizes of a purchase in one slice: nothing, one lot, a geometric row, and where the price has kinks."""
    most = max(max_labels // lot, 1)
    row = np.geomspace(max(1.0, most / slices / 8), most, SIZES)
    share = most // slices
    kinks = [tier.above / lot for tier in case.costs.tiers] + [case.costs.minimum_order / lot]
    kinks = [k for k in kinks if 0 < k < most]
    every = [0, 1, most, share, *np.round(row), *(math.floor(k) for k in kinks), *(math.ceil(k) for k in kinks)]
    return np.unique(np.array(every).astype(int))


def errors_to_list(fit: Fit, case: Case, max_labels: int, lot: int = 1) -> SliceErrors:
    """Draw the errors that a listing is made from, whatever labels cost and are worth."""
    case.check(fit)
    return errors_of_slices(fit, case, lot * sizes_to_try(case, fit.slices.size, max_labels, lot))


def list_purchases(
    fit: Fit,
    case: Case,
    max_labels: int,
    max_spend: float = np.inf,
    lot: int = 1,
    drawn: SliceErrors | None = None,
) -> Listing:
    """Compute what can be bought: draws of net benefit by slice and size, against doing nothing.

    Each slice is valued with the others left at now; :func:`labelvalue.plans.plan_outcomes` then values plans as a
    whole, where labels of one slice help another the less the more that has. ``drawn`` are :func:`errors_to_list`, for
    whoever lists again at another price or value.
    """
    slices = tuple(str(name) for name in fit.slices)
    lots = sizes_to_try(case, len(slices), max_labels, lot)
    found = outcomes_of_slices(fit, case, drawn or errors_to_list(fit, case, max_labels, lot))
    by_size = names.SLICE, names.BUDGET
    net = _flat(fit, found[names.VALUE] - found[names.COST], *by_size)
    spend = found[names.COST].mean(names.SAMPLE).values
    errors = _flat(fit, error_now(fit, case) - found[names.GAIN], *by_size)
    most = max_labels // lot
    limits = [case.limits(name) for name in slices]
    high = np.array([min(most, upper // lot) for _, upper in limits]).astype(int)
    low = np.array([math.ceil(lower / lot) for lower, _ in limits])
    low = np.maximum(low, _floors(case, slices, errors, lots, high, lot))
    gap, once_paid = case.guardrails.largest_gap, fixed_cost(fit, case.costs, learner=case.learner)
    menu = Menu(
        slices=slices,
        labels=lots,
        net=net - net[:, :1],
        spend=spend,
        low=low,
        high=high,
        max_labels=most,
        max_spend=max_spend,
        fixed=_fixed(fit, case, net, high, lots, lot),
        fixed_spend=float(once_paid.mean()) + float(evaluation_cost(fit, case).mean()),
        error=None if gap is None else errors.mean(axis=2),
        max_gap=np.inf if gap is None else gap.limit,
        lot=lot,
    )
    batch = fixed_cost(fit, case.costs, 2) - fixed_cost(fit, case.costs, 1)
    return Listing(menu, _flat(fit, batch))


def _floors(
    case: Case, slices: tuple[str, ...], errors: np.ndarray, lots: np.ndarray, high: np.ndarray, lot: int
) -> np.ndarray:
    """Lots that each slice needs for its floors."""
    needed = np.zeros(len(slices), dtype=int)
    problems: list[Problem] = []
    for floor in case.guardrails.floors:
        place = slices.index(floor.slice)
        least = least_labels(errors[place], lots, floor.error, floor.probability)
        if least > high[place]:
            most = float(high[place] * lot)
            at = (floor.slice, errors[place], lots * lot, most, floor.error, floor.probability)
            problem = unreachable(*at)
            said = f"{problem.why} ({floor.reason})" if floor.reason else problem.why
            problems.append(dataclasses.replace(problem, why=said))
        else:
            needed[place] = max(needed[place], int(least))
    if problems:
        raise NoPlanError(problems)
    return needed


def _fixed(fit: Fit, case: Case, net: np.ndarray, high: np.ndarray, lots: np.ndarray, lot: int) -> np.ndarray:
    """Draws of what any purchase costs at all, less what retraining alone brings: by the whole plan of one lot."""
    if not (high > 0).any():
        return np.zeros(net.shape[2])
    place = int(np.argmax(high > 0))
    name = str(fit.slices[place])
    one = plan_outcomes(fit, case, {names.RECOMMENDED: {name: lot}})[names.NET_BENEFIT]
    advantage = one.sel({names.PLAN: names.RECOMMENDED}) - one.sel({names.PLAN: names.NOTHING})
    return net[place, int(np.searchsorted(lots, 1))] - advantage.values.ravel()


SHIFTS = 10
"""Numbers of labels more, and fewer, at which what others' labels are worth is computed; it is smooth in between."""


def adds_up(fit: Fit, case: Case) -> bool:
    """Say whether net benefits of single slices add up to that of a plan."""
    return names.TRANSFER not in fit.posterior or case.value.target is not None


def seen_from(
    fit: Fit, case: Case, listing: Listing, bought: np.ndarray, advantage: np.ndarray, batches: int
) -> Listing:
    """Return the menu as it is beside what a plan buys, in lots (slice,): right to first order around the plan.

    At the plan its outcome is ``advantage`` (sample,), the plan's net benefit as a whole less that of doing nothing.
    """
    menu = listing.menu
    sizes, plan = menu.labels * menu.lot, bought * menu.lot
    unit = unit_value(fit, case.value, days_until(fit, case.costs, xr.Variable((), float(plan.sum()))))
    unit = unit * bare(retraining_works(fit, case.costs))
    value = _worth_of_sizes(fit, case, sizes, plan, unit)
    every = np.broadcast_to(sizes.astype(float), (len(menu.slices), sizes.size))
    labels = xr.Variable((names.SLICE, SIZE), every)
    net = value - _flat(fit, label_cost(fit, case.costs, labels), names.SLICE, SIZE)
    net = net - net[:, :1]
    fixed = menu.total(net, bought) - advantage - (batches - 1) * listing.batch
    return dataclasses.replace(listing, menu=dataclasses.replace(menu, net=net, fixed=fixed))


def _worth_of_sizes(fit: Fit, case: Case, sizes: np.ndarray, plan: np.ndarray, unit: xr.Variable) -> np.ndarray:
    """Value of each size in the slice itself and in all others, each beside the plan's labels of the rest.

    Shapes: gives (slice, size, sample).
    """
    ahead, back = (np.geomspace(1.0, max(most, 1), SHIFTS).round() for most in (sizes.max(), plan.max()))
    shifts, rest = np.unique(np.concatenate([[0.0], ahead, -back])), (plan.sum() - plan)[:, None]
    own = np.broadcast_to(sizes.astype(float), (plan.size, sizes.size))
    moved = np.maximum(rest + shifts, 0.0)
    stays = np.broadcast_to(plan[:, None].astype(float), moved.shape)
    labels = np.hstack([own, stays]), np.hstack([np.broadcast_to(rest.astype(float), own.shape), moved])
    error = errors_at(fit, case, *(_labels(fit, one) for one in labels))
    worth = _flat(fit, error.variable * -unit, names.SLICE, SIZE)
    worth, moved = worth[:, : sizes.size], worth[:, sizes.size :]
    total = moved.sum(axis=0)
    for place in range(plan.size):
        others = total - moved[place]
        wanted = np.clip(sizes - plan[place], shifts[0], shifts[-1])
        step = np.clip(np.searchsorted(shifts, wanted, side="right") - 1, 0, shifts.size - 2)
        share = ((wanted - shifts[step]) / np.diff(shifts)[step])[:, None]
        worth[place] += (1.0 - share) * others[step] + share * others[step + 1]
    return worth


def _labels(fit: Fit, values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=(names.SLICE, SIZE), coords={names.SLICE: fit.slices})


def _flat(fit: Fit, values: xr.DataArray | xr.Variable, *dims: str) -> np.ndarray:
    """Draws by dims, and last by sample, of what need not vary over draws."""
    plain = bare(values)
    sizes = dict(plain.sizes) | {d: fit.posterior.sizes[d] for d in names.SAMPLE}
    ordered = plain.set_dims(sizes).transpose(*dims, *names.SAMPLE).values
    return np.ascontiguousarray(ordered).reshape(*ordered.shape[: len(dims)], -1)


SEARCHED = 16_000  # slices times draws with which plans are looked for
LEAST_DRAWS = 400


def thinned(fit: Fit, most: int) -> Fit:
    """Return a fit with every so many draws of each chain, evenly."""
    posterior = fit.posterior
    every = -(-posterior.sizes[names.CHAIN] * posterior.sizes[names.DRAW] // most)

    def made() -> Fit:
        tree = fit.tree.copy()
        tree[names.POSTERIOR] = xr.DataTree(posterior.isel({names.DRAW: slice(None, None, every)}))
        return dataclasses.replace(fit, tree=tree)

    return fit if every <= 1 else once(fit, ("thinned", every), made)


def for_search(fit: Fit) -> Fit:
    """Return the fit with which plans are looked for."""
    return thinned(fit, max(LEAST_DRAWS, SEARCHED // fit.slices.size))
