"""Measuring before deciding: pilots, evaluation labels, audits, priced by what they would change among open plans."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.advice.rules import MINIMUM_EVALUATION, RULES
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.value import measured_by, time_left, unit_value, volumes
from labelvalue.decisions.measuring.information import evpi, evppi, evsi
from labelvalue.decisions.outcomes.benefit import TARGET_WORTH, labels_of, plan_outcomes, side_by_side
from labelvalue.decisions.outcomes.errors import error_now, labels_left, of_leader
from labelvalue.decisions.outcomes.spending import PRICE, batch_count, fixed_cost, label_cost
from labelvalue.decisions.search.listing import alternatives, thinned
from labelvalue.forecast.gains.curves import draws, slice_draws
from labelvalue.forecast.gains.gains import predict_observed_gain
from labelvalue.forecast.interventions.intervention import noise_draws
from labelvalue.model.fitting.result import Fit
from labelvalue.settings import Checks

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
        fixed = fixed_cost(fit, case.costs, batch_count(case.costs, order.sum(names.SLICE)), case.learner)
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


PILOT, EVALUATION = "pilot batch", "evaluation labels"
SHARES = (0.02, 0.07, 0.25)
"""Sizes of a pilot, as shares of the most labels that any plan buys; the same whatever the plan turns out to buy."""
SLICES = 3  # slices for which pilots are priced: those whose gain is most worth knowing
SMALLER = (0.25, 0.06)
"""Shares of an equal split, and of all for one slice, that may be bought too: what a measurement advises is not today's
plan, which may be nothing, and its worth must not jump where today's plan does."""
TRIFLE = 0.01  # share of what deciding now is worth below which a measurement is not worth the trouble
DRAWN, LEAST_DRAWS, MOST_DRAWS = 200_000, 1000, 4000
"""Slices times draws with which measurements are priced, and draws at least and at most."""
ENTROPY = 13
FIGURES = (names.EVSI, names.COST, names.ENBS, names.MCSE, "lower", "upper", "changes")


def price_measurements(
    plan: Decision,
    *,
    slices: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Price what could be measured before deciding: a pilot batch for one slice, or more evaluation labels for it.

    A pilot's labels stay; after it the plan is completed, or another is, or nothing more is bought. What it costs is
    that a plan in two steps pays its fixed costs twice, comes later, and may hold labels that turn out not to be
    wanted. What must be bought is bought with the pilot. The choice is between plans of highest expected net benefit,
    today and after measuring; each keeps every rule of the case, what measuring costs included, and is shrunk until it
    does. A pilot that breaks a rule by itself is not priced.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`.
    slices : sequence of str, optional
        Slices to measure; by default the three whose gain is most worth knowing.
    sizes : sequence of int, optional
        Labels of a pilot; by default 2, 7 and 25 % of the largest plan that may be made.

    Returns
    -------
    pandas.DataFrame
        One row a measurement, the most worth first: ``kind`` (``pilot batch``, ``evaluation labels``), ``slice``,
        ``size``; ``evsi``, what deciding after it is worth; ``cost`` of measuring, what plans fall short by included
        (the mere price of evaluation labels that are not even worth that, and of the second order where all that a
        pilot could tell is surely a trifle); ``enbs``, what is left, with Monte Carlo error
        ``mcse``, that of the regression included, and 90 % interval ``lower`` to ``upper``; ``changes``, the
        probability that another plan than today's will look best. Attributes: ``evpi`` of these plans, ``unit``.

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
    >>> import labelvalue as lv
    >>> fit, case = lv.testing.fake_fit(seed=1), Case(costs={"price_per_label": 0.4}, value={"per_error_point": 400})
    >>> made = lv.decide(fit, case, max_labels=2000, measure=False)
    >>> table = price_measurements(made, slices=["west"], sizes=[200])
    >>> bool((table["evsi"] >= 0).all()), table["slice"].unique().tolist()
    (True, ['west'])
    """
    fit, case = plan.fit, plan.case
    check_places(fit, slices, sizes)
    fit = thinned(fit, min(MOST_DRAWS, max(LEAST_DRAWS, DRAWN // fit.slices.size)))
    plans = OpenPlans(fit, case, _choices(plan), labels_left(fit, case, plan.max_labels), plan.max_spend)
    today = plans.today
    net = today[names.NET_BENEFIT]
    if not net[names.PLAN].size:
        return measurement_table([], 0.0, plan)
    chosen = _most_worth_knowing(today) if slices is None else [str(name) for name in slices]
    largest = max(plan.total, int(today[names.LABELS].sum(names.SLICE).max()))
    pilots = sizes if sizes is not None else sorted({max(1, round(share * largest)) for share in SHARES})
    rows = _pilots(plans, [(name, int(n)) for name in chosen for n in pilots if n <= case.limits(name)[1]])
    for name in chosen:
        rows += _evaluations(plans, name)
    return measurement_table(rows, float(evpi(net)[names.EVPI]), plan)


def _choices(plan: Decision) -> dict[str, dict[str, int]]:
    """The plans that a plan is held against, and smaller ones that do not hang on it."""
    found, limits = alternatives(plan), plan.case.limits
    shares = {title: SMALLER[:1] for title in found if title.startswith("all for ")} | {names.EQUAL_SPLIT: SMALLER}
    return found | {
        f"{share:g} of {title}": {name: max(int(share * n), limits(name)[0]) for name, n in found[title].items()}
        for title, every in shares.items()
        for share in every
        if title in found
    }


def _pilots(plans: OpenPlans, tried: Sequence[tuple[str, int]]) -> list[tuple[object, ...]]:
    """Pilots that keep every rule; priced in full where what they tell of today's plans may be more than a trifle."""
    fit, case, net, rows = plans.fit, plans.case, plans.today[names.NET_BENEFIT], list[tuple[object, ...]]()
    begun = [plans.least | {name: max(plans.least[name], size)} for name, size in tried]
    twice, alone = partial(in_two, fit, case), dataclasses.replace(plans, plans={})
    kept = [LEAST in one[names.PLAN].values for one in alone.after(begun, twice)] if begun else []
    if not any(kept):
        return []
    shown = of_leader(fit, case, predict_observed_gain(fit, sorted({size for _, size in tried})))
    again = float(fixed_cost(fit, case.costs, learner=case.learner).mean())
    seen = [shown.sel({names.SLICE: name, names.BUDGET: size}, drop=True) for name, size in tried]
    matters, telling = TRIFLE * float(net.mean(names.SAMPLE).max()), []
    for place in (i for i, fine in enumerate(kept) if fine):
        found = figures(net, seen[place], cost=again)
        if found[FIGURES.index("upper")] + again > matters:
            telling.append(place)
        else:
            rows.append((PILOT, *tried[place], *found))
    if telling:
        for place, later in zip(telling, plans.after([begun[place] for place in telling], twice), strict=True):
            whole = later[AT_ONCE].assign_coords({names.PLAN: [f"{t} with it" for t in later[names.PLAN].values]})
            now = xr.concat([net, whole], dim=names.PLAN, coords="minimal", compat="override")  # without waiting for it
            found = figures(now, seen[place], later[names.NET_BENEFIT])
            rows.append((PILOT, *tried[place], *found))
    return rows


def check_places(fit: Fit, slices: Sequence[str] | None, sizes: Sequence[int] | None) -> None:
    """Refuse slices that there are not, and sizes of measurements that are no whole numbers ≥ 1, all at once."""
    checks, known = Checks(), [str(name) for name in fit.slices]
    for place, name in enumerate(slices or ()):
        checks.known(f"slices[{place}]", "slice", name, known)
    for place, size in enumerate(sizes or ()):
        checks.whole(f"sizes[{place}]", size, least=1)
    checks.finish()


def figures(
    net: xr.DataArray, seen: xr.DataArray, later: xr.DataArray | None = None, cost: float = 0.0
) -> tuple[float, ...]:
    """Return what a measurement is worth, from ``evsi`` to ``changes``, as :func:`price_measurements` has it."""
    found = evsi(net, seen, cost, later=later)
    return tuple(float(found[key]) for key in FIGURES)


def told(
    plans: OpenPlans, net: xr.DataArray, seen: xr.DataArray, money: xr.DataArray, *, reserved: bool = False
) -> list[tuple[float, ...]]:
    """Weigh a measurement that takes nothing but money: its :func:`figures`; none where no plan is allowed after it.

    ``net`` is that of plans today, some of which may break rules; ``seen`` what it would show, and ``money`` its price,
    ``reserved`` whether the reserve of a plan pays it as far as it goes.
    """
    found = figures(net, seen, cost=float(money.mean()))
    if found[FIGURES.index(names.ENBS)] <= 0:  # not worth its price, let alone what it takes from the plans
        return [found]

    def dearer(outcomes: xr.Dataset, _: xr.DataArray) -> xr.Dataset:
        cost, left = outcomes[names.COST], outcomes[names.NET_BENEFIT] - money
        paid = np.maximum(cost, cost.mean(names.SAMPLE) + money) if reserved else cost + money
        return outcomes.assign({names.COST: paid, names.NET_BENEFIT: left})

    later = plans.after([plans.least], dearer)[0][names.NET_BENEFIT]
    return [figures(plans.today[names.NET_BENEFIT], seen, later)] if later[names.PLAN].size else []


def measurement_table(rows: Sequence[tuple[object, ...]], evpi: float, plan: Decision) -> pd.DataFrame:
    """Lay out measurements (kind, slice, size, :func:`figures`) as a table, the most worth first."""
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
    return evppi(today[names.NET_BENEFIT], inputs)["input"].tolist()[:SLICES]


def _evaluations(plans: OpenPlans, name: str) -> list[tuple[object, ...]]:
    """As many evaluation labels again as the slice's runs were evaluated on."""
    fit, case = plans.fit, plans.case
    if names.TRIALS not in fit.runs:
        return []
    own = fit.runs[names.SLICE].values.astype(str) == name
    size = int(np.median(fit.runs[names.TRIALS].values[own])) if own.any() else 0
    if size == 0:
        return []
    error = error_now(fit, case).sel({names.SLICE: name}, drop=True)
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY])
    seen = error + np.sqrt(error * (1 - error) / size) * rng.standard_normal(error.shape)
    money = slice_draws(fit, PRICE, case.costs.price_per_label).sel({names.SLICE: name}, drop=True) * size
    return [(EVALUATION, name, size, *found) for found in told(plans, plans.today[names.NET_BENEFIT], seen, money)]


AUDIT = "audit"
MEASURED = {PILOT: "labels", EVALUATION: EVALUATION, AUDIT: "labels judged anew"}
"""What each kind of measurement takes, in words."""
SIZES = (50, 200)  # labels that are judged anew, where no sizes are given
AUDITED = 3  # slices that are looked at where none are given: those whose share of wrong labels varies most
AUDIT_ENTROPY = 23


def price_audits(
    plan: Decision,
    *,
    slices: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Price audits: some labels of a slice are judged anew by somebody who is right, at the price of a label each.

    An audit shows how many of them are wrong, and so what cleaning, guidelines or votes would bring. The choice is
    between the plans of ``plan.outcomes``, with and without interventions, whose net benefits hang on the same draws of
    the share of wrong labels; what the audit costs beyond the reserve of a plan is left to none of them, and each keeps
    every rule.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`, of a case with ``label_noise`` and ``interventions``.
    slices : sequence of str, optional
        Slices to audit; by default the three whose share of wrong labels varies most.
    sizes : sequence of int, optional
        Labels that are judged anew, ≥ 1; 50 and 200 by default.

    Returns
    -------
    pandas.DataFrame
        One row an audit, as :func:`labelvalue.voi.price_measurements` has them, of kind ``audit``; empty where
        the share of wrong labels is known exactly or plays no part. Attributes: ``evpi`` of these plans, ``unit``.

    Raises
    ------
    InputError
        If a slice is unknown or a size is no whole number ≥ 1.

    Examples
    --------
    >>> import labelvalue as lv
    >>> noise, work = {"low": 0.02, "high": 0.15}, (lv.interventions.Guideline(0.5, redone=0.5, cost=100),)
    >>> costs = {"price_per_label": 0.4}
    >>> case = lv.Case(costs=costs, value={"per_error_point": 40}, label_noise=noise, interventions=work)
    >>> fit = lv.testing.fake_fit(seed=1)
    >>> table = price_audits(lv.decide(fit, case, max_labels=500, measure=False), slices=["west"], sizes=[20])
    >>> table["kind"].tolist(), bool(table["evsi"][0] <= table.attrs["evpi"])
    (['audit'], True)
    """
    fit, case = plan.fit, plan.case
    check_places(fit, slices, sizes)
    noise, _ = noise_draws(fit, case.label_noise)
    rows: list[tuple[object, ...]] = []
    net = plan.outcomes[names.NET_BENEFIT].drop_sel({names.PLAN: names.WAITING}, errors="ignore")
    if case.interventions and noise is not None and set(names.SAMPLE) <= set(noise.dims):
        plans = open_plans(plan)
        price = slice_draws(fit, PRICE, case.costs.price_per_label)
        for name in slices if slices is not None else _least_known(noise):
            at = {names.SLICE: name}
            for size in sizes or SIZES:
                seen = _seen(fit, noise.sel(at, drop=True), name, size)
                priced = told(plans, net, seen, price.sel(at) * size, reserved=True)
                rows += [(AUDIT, name, int(size), *found) for found in priced]
    return measurement_table(rows, float(evpi(net)[names.EVPI]), plan)


def open_plans(plan: Decision) -> OpenPlans:
    """The plans of ``plan.outcomes``, with what each does beside buying labels."""
    case = plan.case
    plans, done = {}, {}
    stated = {one.name: tuple(one.interventions) for one in case.scenarios}
    for title in (str(one) for one in plan.outcomes[names.PLAN].values if one not in (names.NOTHING, names.WAITING)):
        plans[title] = labels_of(plan.outcomes, title)
        parts = tuple(title.split(" + "))
        done[title] = stated.get(title, parts if {*parts} <= {one.name for one in case.interventions} else ())
    done[names.RECOMMENDED] = tuple(plan.interventions)
    return OpenPlans(plan.fit, case, plans, labels_left(plan.fit, case, plan.max_labels), plan.max_spend, done)


def _least_known(noise: xr.DataArray) -> list[str]:
    spread = noise.std(names.SAMPLE)
    order = np.argsort(-spread.values, kind="stable")[:AUDITED]
    return [str(spread[names.SLICE].values[place]) for place in order if float(spread[place]) > 0]


def _seen(fit: Fit, noise: xr.DataArray, name: str, size: int) -> xr.DataArray:
    """Share of wrong labels that an audit of a slice would show, once a draw."""
    entropy = [fit.settings["random_seed"], AUDIT_ENTROPY, size, *name.encode()]
    wrong = np.random.default_rng(entropy).binomial(size, noise.transpose(*names.SAMPLE).values)
    return xr.DataArray(wrong / size, dims=names.SAMPLE)
