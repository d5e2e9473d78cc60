"""Plans that there are to choose from, today and after a measurement, each shrunk until it keeps every rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.rules import MINIMUM_EVALUATION, RULES
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.value import measured_by, time_left, unit_value, volumes
from labelvalue.decisions.outcomes.benefit import TARGET_WORTH, plan_outcomes, side_by_side
from labelvalue.decisions.outcomes.spending import batch_count, fixed_cost, label_cost
from labelvalue.forecast.gains.curves import draws
from labelvalue.model.fitting.result import Fit

SHRUNK = (0.9, 0.75, 0.5, 0.25)  # shares of its labels to which a plan that breaks a rule is shrunk, until it keeps all
HALVED = 4  # times that the step between the share that keeps all and the next one that does not is halved
ROUNDS = 3  # times that a plan is shrunk before it is dropped: outcomes between two plans are first taken from a line
SLACK = 1e-9  # of limits and probabilities, for rounding
LEAST, MORE, AT_ONCE = "the least", "one more", "at once"
Measured = Callable[[xr.Dataset, xr.DataArray], xr.Dataset]
"""From outcomes of plans at once, and the labels that they buy first, to outcomes with a measurement in between."""


@dataclasses.dataclass(frozen=True)
class OpenPlans:
    """Plans to choose from, today and after a measurement, and what they must keep to.

    ``most`` labels in all and ``max_spend`` money, the reserve included; ``done`` names the interventions of plans.
    """

    fit: Fit
    case: Case
    plans: Mapping[str, Mapping[str, int]]
    most: int
    max_spend: float
    done: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    @cached_property
    def least(self) -> dict[str, int]:
        """Labels that must be bought, by slice."""
        return {str(name): self.case.limits(str(name))[0] for name in self.fit.slices}

    @cached_property
    def today(self) -> xr.Dataset:
        """Outcomes of the plans where nothing is measured."""
        return self.after([self.least], lambda outcomes, _: outcomes)[0]

    def after(self, begun: Sequence[Mapping[str, int]], measured: Measured) -> list[xr.Dataset]:
        """Draw, for each of some first orders, what it alone brings and plans that hold it; those that keep all rules.

        A plan that does not is shrunk towards its first order until it does.
        """
        want: dict[str, tuple[int, dict[str, int]]] = {}
        for place, first in enumerate(begun):
            where = next((name for name, n in first.items() if n < self.case.limits(name)[1]), None)
            want[f"{LEAST} {place}"] = place, dict(first)
            want[f"{MORE} {place}"] = place, {name: n + (name == where) for name, n in first.items()}
            spare = max(self.most - sum(first.values()), 0)
            for title, labels in self.plans.items():
                held = {name: max(labels.get(name, 0), n) for name, n in first.items()}
                share = min(1.0, spare / max(sum(held.values()) - sum(first.values()), 1))
                want[f"{title} {place}"] = place, _between(first, held, share)
        made = self._drawn(want, begun, measured)
        low = made.sel({names.PLAN: [f"{MORE} {want[title][0]}" for title in want]})
        low = low.assign_coords({names.PLAN: list(want)})
        fixed = [title for title in want if title.startswith((LEAST, MORE))]
        for _ in range(ROUNDS):
            broken = [title for title in made[names.PLAN].values[~made["kept"].values] if title not in fixed]
            shares = self._shares(low, made, broken) if broken else {}
            made = made.sel({names.PLAN: made["kept"]})
            if not shares:
                break
            want |= {t: (want[t][0], _between(begun[want[t][0]], want[t][1], share)) for t, share in shares.items()}
            again = self._drawn({title: want[title] for title in shares}, begun, measured)
            made = side_by_side([made, again])
        made = made.sel({names.PLAN: made["kept"]}).drop_vars("kept")
        found = []
        for place in range(len(begun)):
            titles = [title for title in (LEAST, *self.plans) if f"{title} {place}" in made[names.PLAN].values]
            own = made.sel({names.PLAN: [f"{title} {place}" for title in titles]})
            found.append(own.assign_coords({names.PLAN: titles}))
        return found

    def _drawn(
        self, want: Mapping[str, tuple[int, dict[str, int]]], begun: Sequence[Mapping[str, int]], measured: Measured
    ) -> xr.Dataset:
        kinds: dict[tuple[str, ...], dict[str, dict[str, int]]] = {}
        for title, (_, labels) in want.items():
            kinds.setdefault(self.done.get(title.rsplit(" ", 1)[0], ()), {})[title] = labels
        drawn = partial(plan_outcomes, self.fit, self.case)
        parts = [drawn(same, interventions=done).drop_sel({names.PLAN: names.NOTHING}) for done, same in kinds.items()]
        made = side_by_side(parts)
        made = made.sel({names.PLAN: list(want)})
        first = made[names.LABELS].copy(data=[list(begun[place].values()) for place, _ in want.values()])
        made = measured(made.assign({AT_ONCE: made[names.NET_BENEFIT]}), first)
        return made.assign_coords(kept=(names.PLAN, _all_kept(self._amounts(made))))

    def _amounts(self, outcomes: xr.Dataset) -> list[tuple[np.ndarray, float, float]]:
        """Every rule as draws plan by plan, what they must be at most, and with which probability.

        Evaluation labels come with any plan, and doing nothing may do without.
        """
        money = (outcomes[names.COST], self.max_spend, 1.0 - self.case.overrun)
        found = [(outcomes[names.LABELS].sum(names.SLICE), float(self.most), 1.0), money]
        for held in (held for kind, held in RULES.items() if kind != MINIMUM_EVALUATION):
            for rule in held(self.fit, self.case, outcomes):
                amount = rule.amount.reindex({names.PLAN: outcomes[names.PLAN]}, fill_value=rule.limit)
                found.append((rule.sign * amount, rule.sign * rule.limit, rule.required))
        return [(a.transpose(names.PLAN, ...).values.reshape(a.sizes[names.PLAN], -1), x, p) for a, x, p in found]

    def _shares(self, low: xr.Dataset, made: xr.Dataset, broken: list[str]) -> dict[str, float]:
        """Shares of their labels with which plans keep all rules, were outcomes straight lines from low."""
        ends = [self._amounts(of.sel({names.PLAN: broken})) for of in (low, made)]

        def kept(share: np.ndarray) -> np.ndarray:
            between = zip(*ends, strict=True)
            return _all_kept([(a + share[:, None] * (b - a), limit, p) for (a, limit, p), (b, _, _) in between])

        above, below = np.ones(len(broken)), np.zeros(len(broken))
        for share in SHRUNK:
            found = (below == 0) & kept(np.full(len(broken), share))
            below = np.where(found, share, below)
            above = np.where(below == 0, share, above)
            if (below > 0).all():
                break
        for _ in range(HALVED if (below > 0).any() else 0):
            middle = (below + above) / 2
            fine = kept(middle)
            below, above = np.where(fine, middle, below), np.where(fine, above, middle)
        return {title: share for title, share in zip(broken, below.tolist(), strict=True) if share > 0}


def _between(first: Mapping[str, int], labels: Mapping[str, int], share: float) -> dict[str, int]:
    return {name: n + int(share * (labels[name] - n)) for name, n in first.items()}


def _all_kept(rules: Sequence[tuple[np.ndarray, float, float]]) -> np.ndarray:
    """Whether plans keep every rule."""
    kept = [(x <= limit + SLACK * abs(limit)).mean(axis=1) >= chance - SLACK for x, limit, chance in rules]
    return np.all(kept, axis=0)


def in_two(fit: Fit, case: Case, outcomes: xr.Dataset, begun: xr.DataArray) -> xr.Dataset:
    """Return outcomes of plans whose first labels are bought, trained on and measured before the rest is ordered."""
    labels, days = outcomes[names.LABELS], outcomes[names.DAYS]
    rest = labels - begun

    def money(order: xr.DataArray) -> xr.DataArray:
        fixed = fixed_cost(fit, case.costs, batch_count(case.costs, order.sum(names.SLICE)))
        return label_cost(fit, case.costs, order).sum(names.SLICE) + fixed

    cost = outcomes[names.COST] + money(begun) + money(rest) - money(labels)
    late = days + draws(fit, "costs.start_delay", case.costs.start_delay) * (rest.sum(names.SLICE) > 0)
    value = outcomes[names.VALUE]
    if case.value.horizon_days is not None and bool((late > days).any()):
        error, gain = outcomes[names.ERROR], outcomes[names.GAIN]
        value = value - ((unit_value(fit, case.value, days) - unit_value(fit, case.value, late)) * gain).sum(
            names.SLICE
        )
        if (target := case.value.target) is not None:
            shares = volumes(fit, case.value)
            reached = (measured_by(target, one, shares) <= target.error for one in (error, error + gain))
            later = time_left(case.value, days) - time_left(case.value, late)
            value = value - draws(fit, TARGET_WORTH, target.worth) * later * (next(reached) * 1.0 - next(reached))
    return outcomes.assign({names.COST: cost, names.DAYS: late, names.VALUE: value, names.NET_BENEFIT: value - cost})
