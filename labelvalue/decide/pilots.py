"""Measuring before deciding: pilot batches and evaluation labels, priced by what they would change."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.checks import Checks
from labelvalue.decide.alternatives import alternatives
from labelvalue.decide.benefit import TARGET_WORTH, plan_outcomes
from labelvalue.decide.case import Case, chosen_of
from labelvalue.decide.constraints import _rules
from labelvalue.decide.errors import chosen_curves
from labelvalue.decide.evaluating import labels_left
from labelvalue.decide.plan import Plan
from labelvalue.decide.spending import PRICE, batch_count, fixed_cost, label_cost
from labelvalue.decide.thinning import thinned
from labelvalue.decide.value import measured_by, time_left, volumes, worth
from labelvalue.decide.voi import (
    value_of_partial_information,
    value_of_perfect_information,
    value_of_sample_information,
)
from labelvalue.forecast import predict_observed_gain
from labelvalue.forecast.curves import curve_dims
from labelvalue.forecast.draws import draws, slice_draws
from labelvalue.model import Fit
from labelvalue.problems import did_you_mean

PILOT, EVALUATION = "pilot batch", "evaluation labels"
OF_PLAN, OF_LARGEST = 0.3, 0.1
"""Sizes of a pilot, as shares of the labels that the plan buys, and of the most that any plan buys."""
SLICES = 3
"""Slices for which pilots are priced: those whose gain is most worth knowing."""
SHRUNK = (0.9, 0.75, 0.5, 0.25)
"""Shares of its labels to which a plan that breaks a rule is shrunk, until it keeps all."""
HALVED = 4
"""Times that the step between the share that keeps all and the next one that does not is halved."""
ROUNDS = 3
"""Times that a plan is shrunk before it is dropped: outcomes between two plans are first taken from a line."""
DRAWN, LEAST_DRAWS, MOST_DRAWS = 200_000, 1000, 4000
"""Slices times draws with which measurements are priced, and draws at least and at most."""
SLACK = 1e-9
"""Of limits and probabilities, for rounding."""
ENTROPY = 13
LEAST, MORE, AT_ONCE = "the least", "one more", "at once"
FIGURES = (names.EVSI, names.COST, names.ENBS, names.MCSE, "lower", "upper", "changes")


def price_measurements(
    fit: Fit,
    case: Case,
    plan: Plan,
    *,
    slices: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    max_spend: float = np.inf,
) -> pd.DataFrame:
    """Price what could be measured before deciding: a pilot batch for one slice, or more evaluation labels for it.

    A pilot's labels stay; after it the plan is completed, or another is, or nothing more is bought. What it costs is
    that a plan in two steps pays its fixed costs twice, comes later, and may hold labels that turn out not to be
    wanted. What must be bought is bought with the pilot. The choice is between plans of highest expected net benefit,
    today and after measuring; each keeps every rule of the case, what measuring costs included, and is shrunk until it
    does. A pilot that breaks a rule by itself is not priced.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case.
    plan : Plan
        From :func:`labelvalue.decide.allocate`.
    slices : sequence of str, optional
        Slices to measure; by default the three whose gain is most worth knowing.
    sizes : sequence of int, optional
        Labels of a pilot; by default three tenths of the plan, and a tenth of the largest plan that may be made.
    max_spend : float
        Most expected money, measuring included.

    Returns
    -------
    pandas.DataFrame
        One row a measurement, the most worth first: ``kind`` (``pilot batch``, ``evaluation labels``), ``slice``,
        ``size``; ``evsi``, what deciding after it is worth; ``cost`` of measuring; ``enbs``, what is left, with Monte
        Carlo error ``mcse`` and 90 % interval ``lower`` to ``upper``; ``changes``, the probability that another plan
        than today's will look best. Attributes: ``evpi`` of these plans, ``unit``.

    Raises
    ------
    InputError
        If a slice is unknown or a size is no whole number.

    References
    ----------
    Strong, Oakley, Brennan and Breeze (2015), "Estimating the expected value of sample information using the
    probabilistic sensitivity analysis sample", Medical Decision Making 35(5).

    Examples
    --------
    >>> from labelvalue.decide import allocate
    >>> from labelvalue.testing import fake_fit
    >>> fit, case = fake_fit(seed=1), Case(costs={"price_per_label": 0.4}, value={"per_error_point": 400})
    >>> table = price_measurements(fit, case, allocate(fit, case, max_labels=2000), slices=["west"], sizes=[200])
    >>> bool((table["evsi"] >= 0).all()), table["slice"].unique().tolist()
    (True, ['west'])
    """
    check_places(fit, slices, sizes)
    fit = thinned(fit, min(MOST_DRAWS, max(LEAST_DRAWS, DRAWN // fit.slices.size)))
    limits = Limits(fit, case, alternatives(case, plan), labels_left(fit, case, plan.max_labels), max_spend)
    least, today = limits.least, limits.today
    net = today[names.NET_BENEFIT]
    if not net[names.PLAN].size:
        return measurement_table([], 0.0, plan)
    chosen = _most_worth_knowing(today) if slices is None else [str(name) for name in slices]
    largest = max(plan.total, int(today[names.LABELS].sum(names.SLICE).max()))
    usual = {max(1, round(OF_PLAN * (plan.total or largest))), max(1, round(OF_LARGEST * largest))}
    pilots = sorted(usual) if sizes is None else sizes
    tried = [(name, int(n)) for name in chosen for n in pilots if n <= min(case.limits(name)[1], limits.most)]
    begun = [least | {name: max(least[name], size)} for name, size in tried]
    rows: list[tuple[object, ...]] = []
    if tried:
        seen = _observed(fit, case, pilots)
        for (name, size), later in zip(tried, limits.after(begun, partial(_in_two, fit, case)), strict=True):
            if LEAST in later[names.PLAN].values:
                at = seen.sel({names.SLICE: name, names.BUDGET: size}, drop=True)
                rows.append((PILOT, name, size, *figures(_with_pilot(net, later), at, later[names.NET_BENEFIT])))
    for name in chosen:
        rows += _evaluations(limits, name)
    return measurement_table(rows, float(value_of_perfect_information(net)[names.EVPI]), plan)


def check_places(fit: Fit, slices: Sequence[str] | None, sizes: Sequence[int] | None) -> None:
    """Refuse slices that there are not, and sizes of measurements that are no whole numbers ≥ 1.

    Parameters
    ----------
    fit : Fit
        Gives the slices.
    slices, sizes : sequence, optional
        As for :func:`price_measurements`.

    Raises
    ------
    InputError
        For everything that is wrong.

    Examples
    --------
    See :func:`price_measurements`.
    """
    checks, known = Checks(), [str(name) for name in fit.slices]
    for place, name in enumerate(slices or ()):
        if name not in known:
            why = f"unknown slice {name!r}{did_you_mean(str(name), known)}"
            checks.wrong(f"slices[{place}]", why, f"one of {', '.join(known)}")
    for place, size in enumerate(sizes or ()):
        checks.whole(f"sizes[{place}]", size, least=1)
    checks.finish()


def figures(
    net: xr.DataArray, seen: xr.DataArray, later: xr.DataArray | None = None, cost: float = 0.0
) -> tuple[float, ...]:
    """Return what a measurement is worth, as :func:`price_measurements` has it.

    Parameters
    ----------
    net, seen, later, cost
        As for :func:`labelvalue.decide.value_of_sample_information`.

    Returns
    -------
    tuple of float
        From ``evsi`` to ``changes``.

    Examples
    --------
    See :func:`price_measurements`.
    """
    found = value_of_sample_information(net, seen, cost, later=later)
    return tuple(float(found[key]) for key in FIGURES)


def measurement_table(rows: Sequence[tuple[object, ...]], evpi: float, plan: Plan) -> pd.DataFrame:
    """Return measurements as a table, the most worth first.

    Parameters
    ----------
    rows : sequence of tuple
        Kind, slice, size, and :func:`figures`.
    evpi : float
        What knowing everything would be worth.
    plan : Plan
        Gives the unit.

    Returns
    -------
    pandas.DataFrame

    Examples
    --------
    See :func:`price_measurements`.
    """
    table = pd.DataFrame(rows, columns=["kind", names.SLICE, "size", *FIGURES])
    table = table.sort_values(names.ENBS, ascending=False, kind="stable", ignore_index=True)
    table.attrs = {names.EVPI: evpi, names.UNIT: plan.outcomes.attrs[names.UNIT]}
    return table


def _most_worth_knowing(today: xr.Dataset) -> list[str]:
    """Slices by what knowing their gain under the plan would be worth, then by the labels that plans buy there."""
    bought = today[names.LABELS].max(names.PLAN)
    every = sorted((str(name) for name in bought[names.SLICE].values), key=lambda one: -float(bought.sel(slice=one)))
    gain = today[names.GAIN].max(names.PLAN)
    inputs = {name: gain.sel({names.SLICE: name}, drop=True) for name in every}
    return value_of_partial_information(today[names.NET_BENEFIT], inputs)["input"].tolist()[:SLICES]


Measured = Callable[[xr.Dataset, xr.DataArray], xr.Dataset]
"""From outcomes of plans at once, and the labels that they buy first, to outcomes with a measurement in between."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """Plans to choose from, today and after a measurement, and what they must keep to.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        With its rules.
    plans : mapping of str to mapping of str to int
        Labels by slice of each plan.
    most : int
        Most labels in all.
    max_spend : float
        Most expected money.
    done : mapping of str to tuple of str
        Interventions of the plans that have any.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit, rule = fake_fit(seed=1), {"maximum_budget": {"limit": 30}}
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, guardrails=rule)
    >>> today = Limits(fit, case, {"west": {"west": 500}}, 1000, np.inf).today
    >>> today["labels"].sel(plan="west", slice="west").item() > 290, float(today["cost"].max()) <= 30
    (True, True)
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

    def told(self, seen: xr.DataArray, money: xr.DataArray) -> list[tuple[float, ...]]:
        """Weigh a measurement that takes nothing but money.

        Parameters
        ----------
        seen : xarray.DataArray
            What it would show, draw by draw.
        money : xarray.DataArray
            Its price, or draws of it.

        Returns
        -------
        list of tuple of float
            Its :func:`figures`; empty where it leaves no plan that keeps every rule.
        """
        net = self.today[names.NET_BENEFIT]
        found = figures(net, seen, cost=float(money.mean()))
        if found[FIGURES.index(names.ENBS)] <= 0:  # not worth its price, let alone what it takes from the plans
            return [found]

        def dearer(outcomes: xr.Dataset, _: xr.DataArray) -> xr.Dataset:
            cost, left = outcomes[names.COST] + money, outcomes[names.NET_BENEFIT] - money
            return outcomes.assign({names.COST: cost, names.NET_BENEFIT: left})

        later = self.after([self.least], dearer)[0][names.NET_BENEFIT]
        return [figures(net, seen, later)] if later[names.PLAN].size else []

    def after(self, begun: Sequence[Mapping[str, int]], measured: Measured) -> list[xr.Dataset]:
        """Draw, for each of some first orders, what it alone brings and plans that hold it; those that keep all rules.

        A plan that does not is shrunk towards its first order until it does.

        Parameters
        ----------
        begun : sequence of mapping of str to int
            First orders, by slice.
        measured : callable
            From outcomes of plans at once, and the labels that they buy first, to those with a measurement in between.

        Returns
        -------
        list of xarray.Dataset
            Outcomes, one set an order; the order alone is called ``the least``.
        """
        want: dict[str, tuple[int, dict[str, int]]] = {}
        for place, first in enumerate(begun):
            where = next((name for name, n in first.items() if n < self.case.limits(name)[1]), None)
            want[f"{LEAST} {place}"] = place, dict(first)
            want[f"{MORE} {place}"] = place, {name: n + (name == where) for name, n in first.items()}
            spare = self.most - sum(first.values())
            for title, labels in self.plans.items():
                held = {name: max(labels.get(name, 0), n) for name, n in first.items()}
                share = min(1.0, spare / max(sum(held.values()) - self.most + spare, 1))
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
            made = xr.concat([made, again], dim=names.PLAN, combine_attrs="override")
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
        made = xr.concat(parts, dim=names.PLAN, combine_attrs="override") if len(parts) > 1 else parts[0]
        made = made.sel({names.PLAN: list(want)})
        first = made[names.LABELS].copy(data=[list(begun[place].values()) for place, _ in want.values()])
        made = measured(made.assign({AT_ONCE: made[names.NET_BENEFIT]}), first)
        return made.assign_coords(kept=(names.PLAN, _all_kept(self._amounts(made))))

    def _amounts(self, outcomes: xr.Dataset) -> list[tuple[np.ndarray, float, float]]:
        """Every rule as draws plan by plan, what they must be at most, and with which probability."""
        cost = outcomes[names.COST].mean(names.SAMPLE)
        found = [(outcomes[names.LABELS].sum(names.SLICE), float(self.most), 1.0), (cost, self.max_spend, 1.0)]
        for rule in _rules(self.fit, self.case, outcomes):
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


def _in_two(fit: Fit, case: Case, outcomes: xr.Dataset, begun: xr.DataArray) -> xr.Dataset:
    """Outcomes of plans whose first labels are bought, trained on and measured before the rest is ordered."""
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
        value = value - ((worth(fit, case.value, days) - worth(fit, case.value, late)) * gain).sum(names.SLICE)
        if (target := case.value.target) is not None:
            shares = volumes(fit, case.value)
            reached = (measured_by(target, one, shares) <= target.error for one in (error, error + gain))
            later = time_left(case.value, days) - time_left(case.value, late)
            value = value - draws(fit, TARGET_WORTH, target.worth) * later * (next(reached) * 1.0 - next(reached))
    return outcomes.assign({names.COST: cost, names.DAYS: late, names.VALUE: value, names.NET_BENEFIT: value - cost})


def _with_pilot(net: xr.DataArray, later: xr.Dataset) -> xr.DataArray:
    """Net benefit of the plans today, those among them that hold the pilot's labels without waiting for it."""
    whole = later[AT_ONCE]
    whole = whole.assign_coords({names.PLAN: [f"{title} with it" for title in whole[names.PLAN].values]})
    return xr.concat([net, whole], dim=names.PLAN, coords="minimal", compat="override")


def _observed(fit: Fit, case: Case, sizes: Sequence[int]) -> xr.DataArray:
    """What one training and evaluation after a pilot would show, by slice and size."""
    gain = predict_observed_gain(fit, sizes)
    picked = {d: chosen_of(case, fit, d) for d in curve_dims(fit) if d != names.SLICE and d in gain.dims}
    return gain.sel(picked, drop=True).reset_coords(drop=True)


def _evaluations(limits: Limits, name: str) -> list[tuple[object, ...]]:
    """As many evaluation labels again as the slice's runs were evaluated on."""
    fit, case = limits.fit, limits.case
    if names.TRIALS not in fit.runs:
        return []
    own = fit.runs[names.SLICE].values.astype(str) == name
    size = int(np.median(fit.runs[names.TRIALS].values[own])) if own.any() else 0
    if size == 0:
        return []
    error = chosen_curves(fit, case)[0][names.ERROR_NOW].sel({names.SLICE: name}, drop=True)
    error = error.isel(dict.fromkeys([d for d in error.dims if d not in names.SAMPLE], 0), drop=True)
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY])
    seen = error + np.sqrt(error * (1 - error) / size) * rng.standard_normal(error.shape)
    money = slice_draws(fit, PRICE, case.costs.price_per_label).sel({names.SLICE: name}, drop=True) * size
    return [(EVALUATION, name, size, *found) for found in limits.told(seen, money)]
