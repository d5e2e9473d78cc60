"""What would be decided at other budgets, prices and values, and how often with other data or priors."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.deciding import advice_of
from labelvalue.decisions.advice.decision import Decision, standard_error
from labelvalue.decisions.advice.rules import KEPT, MAXIMUM_BUDGET, MAXIMUM_SPEND, RULE, check_guardrails, rules_held
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.outcomes.benefit import errors_after, named_of, outcomes_of, plan_outcomes
from labelvalue.decisions.outcomes.errors import plan_table
from labelvalue.decisions.search.listing import HALF, alternatives, best_of, for_search
from labelvalue.decisions.sensitivity.tornado import FACTORS as SCALES, counted, scaled
from labelvalue.forecast.gains.prior_sensitivity import (
    EFFECTIVE_DRAWS,
    REFIT,
    Change,
    Refits,
    changed_draws,
    prior_groups,
    scaled_priors,
)
from labelvalue.model.fitting.arviz_tree import pointwise_loglikelihood
from labelvalue.model.fitting.fitting import LEFT_OUT
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import tails

FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)  # factors on the price of a label, and on the value of an error point
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # labels allowed in all, as shares of those the plan was allowed
SPLITS = 4  # ways to split labels that are tried at each budget: the plan's, evenly, as they are now, all for one slice
MONEY = (MAXIMUM_BUDGET, MAXIMUM_SPEND)  # rules that prices move
CELLS = 4_000_000  # slices times draws times plans that are valued at once
PRICE, CHOSEN, CANDIDATE = "price", "chosen", "candidate"


def what_if(
    plan: Decision,
    *,
    prices: Sequence[float] = FACTORS,
    values: Sequence[float] = FACTORS,
    shares: Sequence[float] = SHARES,
    ci_prob: float = 0.9,
) -> xr.Dataset:
    """Decide again at other budgets, prices of a label and values of an error point.

    Some dozens of plans are valued as wholes with few draws; those that are best at any point of the grid are valued
    under the same draws as the plan at hand. At every point the best of these that is within the budget and keeps the
    case's rules is taken, and judged as any plan is. Where nothing is changed it is the plan at hand. Plans that do
    interventions stand beside the same labels without them. A search for that very point could find a better plan, so
    the grid errs to the careful side.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`.
    prices, values : sequence of float
        Factors on ``costs.price_per_label`` and ``value.per_error_point``, > 0, 1 among them.
    shares : sequence of float
        Labels allowed in all, as shares of the plan's ``max_labels``, > 0, 1 among them.
    ci_prob : float
        Probability of the equal-tailed intervals, 0 < ci_prob < 1.

    Returns
    -------
    xarray.Dataset
        Dims budget (labels allowed in all), price, value: ``chosen``, the candidate taken; ``verdict`` (``buy``,
        ``spend on quality``, ``wait``; where nothing is changed that of the plan, which may be ``measure first``);
        ``net_benefit`` over doing nothing with ``lower`` and ``upper``, ``p_positive``; ``cost``; ``gain``, the mean
        over slices by volume, with ``gain_lower`` and ``gain_upper``. Dims candidate, slice: ``labels``; by candidate
        ``interventions``, what it does beside, joined by ``+``.

    Raises
    ------
    ValueError
        If a factor is not above 0, or 1 is not among them.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit, case = lv.testing.fake_fit(seed=1), lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> grid = what_if(lv.decide(fit, case, max_labels=900, measure=False))
    >>> same = grid.sel(budget=900, price=1, value=1)
    >>> str(same["verdict"].item()), int(grid["labels"].isel(candidate=int(same["chosen"])).sum())
    ('buy', 900)
    """
    for title, factors in (("prices", prices), ("values", values), ("shares", shares)):
        if not all(f > 0 for f in factors) or 1.0 not in factors:
            raise ValueError(f"{title} must be > 0 with 1 among them, got {factors!r}. Fix: give such as {FACTORS}.")
    budgets = sorted({max(1, round(share * plan.max_labels)) for share in shares} | {max(plan.max_labels, 1)})
    axes, few = (budgets, list(prices), list(values)), for_search(plan.fit)
    listed = [
        (labels, done) for done in dict.fromkeys([(), plan.interventions]) for labels in candidates(plan, budgets)
    ]
    valued = _valued(plan, few, listed, prices)
    if few is not plan.fit:
        places = sorted({_own(plan, valued), _idle(valued), *_best(plan, valued, axes).values()})
        valued = _valued(plan, plan.fit, [(valued[place].labels, valued[place].done) for place in places], prices)
    return _grid(plan, valued, axes, ci_prob)


def candidates(plan: Decision, budgets: Sequence[int]) -> list[dict[str, int]]:
    """List nothing, the plan, and splits that it is held against at each budget and between, none of them twice."""
    least = {name: plan.case.limits(name)[0] for name in plan.labels}
    held = {title: one for title, one in alternatives(plan).items() if title != HALF}
    found = {tuple(one.values()): one for one in (dict.fromkeys(least, 0), dict(plan.labels))}
    between = [round((a * b) ** 0.5) for a, b in itertools.pairwise(budgets)]
    for budget in sorted({*budgets, *between}):
        for labels in list(held.values())[:SPLITS]:
            more = {name: max(n - least[name], 0) for name, n in labels.items()}
            share = max(budget - sum(least.values()), 0) / max(sum(more.values()), 1)
            made = {n: int(min(least[n] + share * more[n] + 1e-9, plan.case.limits(n)[1])) for n in more}
            found.setdefault(tuple(made.values()), made)
    return list(found.values())


@dataclasses.dataclass(frozen=True)
class _Valued:
    """Draws of one plan: what of its value and cost goes with the factors, and what does not."""

    labels: Mapping[str, int]
    done: tuple[str, ...]
    rules: dict[float, pd.DataFrame]
    value: np.ndarray
    per_value: np.ndarray
    cost: np.ndarray
    per_price: np.ndarray
    gain: np.ndarray

    def net(self, price: float, value: float) -> np.ndarray:
        """Draws of net benefit over doing nothing, at factors on a label's price and an error point's value."""
        return self.value + (value - 1.0) * self.per_value - self.cost - (price - 1.0) * self.per_price


def _valued(
    plan: Decision, fit: Fit, listed: Sequence[tuple[Mapping[str, int], tuple[str, ...]]], prices: Sequence[float]
) -> list[_Valued]:
    """Value plans, each with what it does beside; value and cost are straight in the factors: two points give lines."""
    case, found, nothing = plan.case, list[_Valued](), {names.PLAN: names.NOTHING}
    step = max(1, CELLS // (fit.slices.size * fit.posterior.sizes[names.CHAIN] * fit.posterior.sizes[names.DRAW]))
    other = replace(case, costs=replace(case.costs, price_per_label=scaled(case.costs.price_per_label, 2.0)))
    if (worth := case.value.per_error_point) is not None:
        other = replace(other, value=replace(case.value, per_error_point=scaled(worth, 2.0)))
    limited = case.guardrails.maximum_budget is not None or case.guardrails.maximum_spend is not None
    for done, group in itertools.groupby(listed, key=lambda one: one[1]):
        acts = named_of(case, done)
        for part in itertools.batched((labels for labels, _ in group), step):
            table = plan_table(fit, case, {str(place): labels for place, labels in enumerate(part)})
            errors = errors_after(fit, case, table, done=acts)
            first, second = (outcomes_of(fit, one, table, done=acts, errors=errors) for one in (case, other))
            (value, cost), (dearer, costlier) = (
                [one[name] - one[name].sel(nothing) for name in (names.VALUE, names.COST)] for one in (first, second)
            )
            gain = (first[names.GAIN] * volumes(fit, case.value)).sum(names.SLICE)
            draws = (value, dearer - value, cost, costlier - cost, gain)
            flat = [one.transpose(names.PLAN, *names.SAMPLE).values.reshape(len(part) + 1, -1) for one in draws]
            away, rules = second[names.COST] - first[names.COST], check_guardrails(fit, case, first)
            kept = dict.fromkeys(prices, rules)
            for price in {*prices} - {1.0} if limited else ():
                priced = first.assign({names.COST: first[names.COST] + (price - 1.0) * away})
                kept[price] = pd.concat([rules[~rules[RULE].isin(MONEY)], rules_held(fit, case, priced, MONEY)])
            for place, labels in enumerate(part):
                own = {price: table[table[names.PLAN] == str(place)] for price, table in kept.items()}
                found.append(_Valued(labels, done, own, *(one[place + 1] for one in flat)))
    return found


type Axes = tuple[Sequence[int], Sequence[float], Sequence[float]]
type At = tuple[int, float, float]
"""A point of the grid: labels allowed, and factors on price and value."""


def _unchanged(plan: Decision, at: At) -> bool:
    """Whether a point of the grid is where the plan stands."""
    return at == (max(plan.max_labels, 1), 1.0, 1.0)


def _own(plan: Decision, valued: Sequence[_Valued]) -> int:
    """Place of the plan at hand."""
    wanted = dict(plan.labels), plan.interventions
    return next(i for i, one in enumerate(valued) if (dict(one.labels), one.done) == wanted)


def _idle(valued: Sequence[_Valued]) -> int:
    """Place of doing nothing."""
    return next(i for i, one in enumerate(valued) if not any(one.labels.values()) and not one.done)


def _best(plan: Decision, valued: Sequence[_Valued], axes: Axes) -> dict[At, int]:
    """Place of the best plan at every point of the grid, by the case's own judgement; of the plan where it is now."""
    totals = np.array([sum(one.labels.values()) for one in valued])
    own, idle = _own(plan, valued), _idle(valued)
    kept = {price: np.array([bool(one.rules[price][KEPT].all()) for one in valued]) for price in axes[1]}
    chains = plan.outcomes.sizes[names.CHAIN]
    found = {}
    for price, value in itertools.product(*axes[1:]):
        net = np.stack([one.net(price, value) for one in valued], axis=-1)
        drawn = xr.DataArray(net.reshape(chains, -1, len(valued)), dims=(*names.SAMPLE, names.PLAN))
        scores = plan.case.risk.score(drawn).values
        for at in ((budget, price, value) for budget in axes[0]):
            allowed = (totals <= at[0]) & kept[price]
            allowed[idle] = True
            found[at] = own if _unchanged(plan, at) else int(np.argmax(np.where(allowed, scores, -np.inf)))
    return found


def _grid(plan: Decision, valued: Sequence[_Valued], axes: Axes, ci_prob: float) -> xr.Dataset:
    ends = tails(ci_prob)

    @functools.cache  # the same plan is best at many budgets
    def told(best: int, price: float, value: float) -> tuple[object, ...]:
        one = valued[best]
        net, cost = one.net(price, value), one.cost + (price - 1.0) * one.per_price
        error = float(net.std(ddof=1)) / net.size**0.5
        advice = advice_of(sum(one.labels.values()), one.rules[price], float(net.mean()), error, one.done)
        figures = (float(net.mean()), *np.quantile(net, ends), float((net > 0).mean()), float(cost.mean()))
        return (best, advice, *figures, float(one.gain.mean()), *np.quantile(one.gain, ends))

    index = [names.BUDGET, PRICE, names.VALUE]
    columns = [*index, CHOSEN, "verdict", names.NET_BENEFIT, "lower", "upper", "p_positive", names.COST, names.GAIN]
    rows = [(*at, *told(best, *at[1:])) for at, best in _best(plan, valued, axes).items()]
    table = pd.DataFrame(rows, columns=[*columns, "gain_lower", "gain_upper"]).set_index(index)
    said = np.array([bool(plan.problems) or _unchanged(plan, at) for at in table.index])
    table["verdict"] = table["verdict"].mask(said, plan.verdict.advice)
    grid = table.to_xarray().assign_coords({names.SLICE: list(plan.labels)})
    grid[names.LABELS] = ((CANDIDATE, names.SLICE), np.array([list(one.labels.values()) for one in valued]))
    grid[names.INTERVENTIONS] = (CANDIDATE, [" + ".join(one.done) for one in valued])
    grid.attrs = {names.UNIT: plan.outcomes.attrs[names.UNIT], names.CI_PROB: ci_prob, names.CI_KIND: "eti"}
    return grid


NOISIER = 0.5  # power of the likelihood under which noise counts as doubled
MOST = 12  # slices, replicates or batches that are left out in turn, those with most runs first; a fit each at worst
LEFT = (names.SLICE, names.REPLICATE, names.BATCH)  # what is left out in turn
MATTERS = 0.01  # share of the expected net benefit that keeping the plan must cost for the advice to count as another
TABLE = ["change", "what", "best", "loss", "enb", names.PARETO_K, EFFECTIVE_DRAWS, "changes", "advice"]


def decision_stability(plan: Decision, *, refit: bool | Refits = True) -> pd.DataFrame:
    """Perturb data and priors, and see whether another plan would be best; doing nothing where the plan is worth less.

    Left out are each slice's runs, each replicate's and each batch's; priors are raised to the powers 0.5 and 2; noise
    is doubled. The draws are re-weighted by what was left out, each cell by its density given the others; where Pareto
    k says that this cannot be relied on, the runs are fitted again.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`.
    refit : bool or Refits
        Whether to fit again where re-weighting cannot be relied on, which takes seconds each; ``Refits`` remember fits
        that were made for another table.

    Returns
    -------
    pandas.DataFrame
        One row a perturbation: ``change`` (``without slice``, ``without replicate``, ``without batch``, ``priors``,
        ``noise``), ``what``; ``best`` plan then, ``loss``, what keeping the plan would cost in expected net benefit,
        and its own ``enb``; ``pareto_k``, ``effective_draws``; ``changes``, whether that loss is more than Monte Carlo
        error and one percent; ``advice``: ``fitted again``, or ``re-fit instead`` where the row cannot be relied on and
        nothing was fitted, or that fit was refused. Attributes: ``index``, the share of reliable rows in which the
        advice changes (NaN where there is none), ``reliable``, how many of how many rows, ``left_out``, how many
        slices, replicates and batches beyond the first twelve of each stayed in.

    Raises
    ------
    InputError
        If the case does not belong to the fit.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto smoothed importance sampling", JMLR 25.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit, case = lv.testing.fake_fit(seed=1), lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> table = decision_stability(lv.decide(fit, case, max_labels=900, measure=False), refit=False)
    >>> bool(0 <= table.attrs["index"] <= 1)
    True
    """
    return stability_of(plan, alternative_outcomes(plan), refit=refit)


def alternative_outcomes(plan: Decision) -> xr.Dataset:
    """Draw what a plan brings, and each that it is held against."""
    return plan_outcomes(plan.fit, plan.case, alternatives(plan), interventions=plan.interventions)


def stability_of(plan: Decision, outcomes: xr.Dataset, *, refit: bool | Refits) -> pd.DataFrame:
    """Make the table of :func:`decision_stability` from :func:`alternative_outcomes`."""
    fit, net = plan.fit, outcomes[names.NET_BENEFIT]

    def again(made: Fit) -> xr.DataArray:
        return alternative_outcomes(replace(plan, fit=made))[names.NET_BENEFIT]

    bought = names.RECOMMENDED in net[names.PLAN].values and float(plan.advantage().mean()) > 0
    kept = names.RECOMMENDED if bought else names.NOTHING
    rows = []
    for what, name, change in _perturbations(fit):
        found, log_weights, advice = changed_draws(fit, change, net, again, refit=refit)
        mean = found.weighted(log_weights.copy(data=np.exp(log_weights.values))).mean(names.SAMPLE)
        best = best_of(mean)
        loss = float(mean.sel({names.PLAN: best}) - mean.sel({names.PLAN: kept}))
        apart = found.sel({names.PLAN: best}) - found.sel({names.PLAN: kept})
        matters = max(2.0 * standard_error(apart), MATTERS * abs(float(mean.sel({names.PLAN: kept}))))
        own = float(mean.sel({names.PLAN: kept}) - mean.sel({names.PLAN: names.NOTHING}))
        figures = (log_weights.attrs[names.PARETO_K], log_weights.attrs[EFFECTIVE_DRAWS])
        rows.append((what, name, best, loss, own, *figures, bool(loss > matters), advice))
    table = pd.DataFrame(rows, columns=TABLE)
    more = sum(max(np.unique(fit.runs[column].values.astype(str)).size - MOST, 0) for column in LEFT)
    trusted = table[table["advice"] != REFIT]
    index = float(trusted["changes"].mean()) if len(trusted) else float("nan")
    table.attrs = {"index": index, "reliable": [len(trusted), len(table)], "left_out": more}
    return table


def _perturbations(fit: Fit) -> Iterator[tuple[str, str, Change]]:
    """What is changed, and the posterior that follows."""
    for group, members in prior_groups(fit).items():
        for factor, change in zip(SCALES, scaled_priors(fit, members, SCALES), strict=True):
            yield "priors", f"{group} to the power {factor:g}", change
    pointwise = pointwise_loglikelihood(fit)["log_likelihood"].to_dataset()["log_error"]
    yield "noise", "doubled", counted(fit, pointwise, np.full(fit.runs.sizes[names.RUN], NOISIER))
    for column in LEFT:
        values = fit.runs[column].values.astype(str)
        found, counts = np.unique(values, return_counts=True)
        if found.size < 2:
            continue
        for name in found[np.argsort(-counts, kind="stable")][:MOST]:
            yield f"without {column}", str(name), counted(fit, pointwise, np.where(values == name, LEFT_OUT, 1.0))
