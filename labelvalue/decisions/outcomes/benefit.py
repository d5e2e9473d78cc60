"""From gains to money: what plans and single labels bring and cost, draw by draw, all under the same draws."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.costs import Costs
from labelvalue.decisions.case.guardrails import Guardrails
from labelvalue.decisions.case.value import Target, measured_by, time_left, unit_value, volumes
from labelvalue.decisions.outcomes.errors import (
    cost_done,
    errors_at,
    errors_done,
    evaluation_bought,
    evaluation_cost,
    idle_rise,
    of_leader,
    plan_table,
)
from labelvalue.decisions.outcomes.spending import (
    batch_count,
    days_until,
    fixed_cost,
    label_cost,
    retraining_cost,
    retraining_works,
)
from labelvalue.forecast.gains.curves import doublings_beyond, draws, flag_texts
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.forecast.gains.rates import UNSEEN_BREAKS
from labelvalue.forecast.interventions.intervention import Intervention, delay_days
from labelvalue.model.curve.families import bare
from labelvalue.model.fitting.result import Fit
from labelvalue.printing import as_lines
from labelvalue.problems import input_error
from labelvalue.settings import Checks

TARGET_WORTH = "value.target.worth"


def slice_outcomes(fit: Fit, case: Case, budgets: Sequence[int]) -> xr.Dataset:
    """Draw what labels bought for one slice alone bring and cost, slice by slice and budget by budget.

    Each cell is the plan that buys one budget for one slice: ``value − cost − fixed_cost`` is its net benefit. What
    several slices bring together is not their exact sum, since labels of one help the others less the more they have;
    :func:`plan_outcomes` computes it.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case.
    budgets : sequence of int
        Extra labels, ≥ 0.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, slice (the one labels are bought for), budget: ``gain``, the slice's own drop in error;
        ``value``, money over all slices that the labels help or hurt; ``cost``, without fixed costs. Draws in which
        retraining fails gain nothing.

    Raises
    ------
    InputError
        If the case does not belong to the fit.
    ValueError
        If a budget is not a whole number ≥ 0.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> slice_outcomes(fake_fit(seed=1), case, [0, 500])["cost"].isel(chain=0, draw=0, slice=0).values.tolist()
    [0.0, 50.0]
    """
    numbers, _ = whole_numbers(budgets, names.BUDGET)
    case.check(fit)
    return outcomes_of_slices(fit, case, errors_of_slices(fit, case, numbers))


class SliceErrors(NamedTuple):
    """Errors of every slice: now, after labels for itself, and after as many for the others; dims of slice outcomes."""

    now: xr.DataArray
    own: xr.DataArray
    elsewhere: xr.DataArray


def errors_of_slices(fit: Fit, case: Case, budgets: np.ndarray) -> SliceErrors:
    """Draw the errors of slices that :func:`slice_outcomes` needs: prices and values of a case do not move them."""
    bought = np.broadcast_to(budgets.astype(float), (fit.slices.size, budgets.size))
    moved, none, every = names.TRANSFER in fit.posterior, np.zeros((fit.slices.size, 1)), np.zeros_like(bought)
    added = [none, bought, every] if moved else [none, bought]
    others = [none, every, bought] if moved else [none, every]
    error = errors_at(
        fit, case, *(xr.DataArray(np.hstack(one), dims=(names.SLICE, names.BUDGET)) for one in (added, others))
    )
    now, ends = error.isel({names.BUDGET: 0}), 1 + budgets.size
    own = error.isel({names.BUDGET: slice(1, ends)}).assign_coords({names.BUDGET: budgets})
    elsewhere = error.isel({names.BUDGET: slice(ends, None)}) if moved else now.broadcast_like(own)
    return SliceErrors(now, own, elsewhere.assign_coords({names.BUDGET: budgets}))


def outcomes_of_slices(fit: Fit, case: Case, errors: SliceErrors) -> xr.Dataset:
    """Draw what :func:`slice_outcomes` does, from its errors."""
    now, own, elsewhere = errors
    bought = xr.zeros_like(own.isel(dict.fromkeys(names.SAMPLE, 0), drop=True)) + own[names.BUDGET].astype(float)
    moved = names.TRANSFER in fit.posterior
    works = retraining_works(fit, case.costs)
    gain = (now - own) * works
    days = days_until(fit, case.costs, bought.isel({names.SLICE: 0}, drop=True))
    unit = unit_value(fit, case.value, days)
    spill = (now - elsewhere) * unit * works if moved else xr.zeros_like(gain)
    value = gain * unit + spill.sum(names.SLICE) - spill
    if case.value.target is not None:
        reached = _target_values(fit, case, case.value.target, now, own, elsewhere)
        value = value + reached * works * time_left(case.value, days)
    made = {names.GAIN: gain, names.VALUE: value, names.COST: label_cost(fit, case.costs, bought)}
    return _finished(fit, case, {(*names.SAMPLE, names.SLICE, names.BUDGET): made}, bought)


def plan_outcomes(
    fit: Fit,
    case: Case,
    plans: Mapping[str, Mapping[str, int]],
    *,
    interventions: Sequence[str] = (),
    noise_factor: float = 1.0,
) -> xr.Dataset:
    """Draw what plans bring and cost, all under the same draws, with doing nothing among them.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case.
    plans : mapping of str to mapping of str to int
        Extra labels by slice, plan by plan; slices not named get none.
    interventions : sequence of str
        Names of the case's interventions that all these plans do, doing nothing apart.
    noise_factor : float
        Factor on the share of wrong labels among those bought, ≥ 0; the share is the case's ``label_noise``, else that
        of the fit's evaluation labels.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, plan: ``value``, ``cost``, ``days`` until the last label, ``net_benefit`` (its mean is the
        ENB); with dim slice as well: ``gain`` (drop in error from now; drift makes it negative where nothing is bought)
        and ``error`` (then). By plan and slice: ``labels``, and ``evaluation_labels`` that come with the plan, by a
        rule of the case or an intervention; coordinate ``doublings``, how far that lies beyond the data.
        Positive is good, but for cost. ``retraining_works``, 0 in draws in which retraining brings nothing; with a
        target ``target_reached``, by plan, 1 where it is.

    Raises
    ------
    InputError
        If the case does not belong to the fit, a plan asks for an unknown slice, for labels that are no whole number
        ≥ 0, or for more than are available, or an intervention is unknown or lacks what it needs, such as the share of
        wrong labels, which a factor on it needs too.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> out = plan_outcomes(fake_fit(seed=1), case, {"west only": {"west": 500}})
    >>> out["plan"].values.tolist(), out["net_benefit"].sel(plan="do nothing").max().item()
    (['do nothing', 'west only'], 0.0)
    """
    case.check(fit)
    done = named_of(case, interventions)
    return outcomes_of(fit, case, plan_table(fit, case, plans), done=done, noise_factor=noise_factor)


def retraining_benefit(fit: Fit, case: Case, labels: Mapping[str, int]) -> xr.DataArray:
    """Draw the net benefit (chain, draw) of training on labels that are paid for, whatever rules hold for buying."""
    kept = {key: getattr(case.costs, key) for key in ("retraining", "compute_per_hour", "retraining_fails")}
    free = replace(case, costs=Costs(price_per_label=0.0, **kept), guardrails=Guardrails(), slices={})
    net = plan_outcomes(fit, free, {names.RECOMMENDED: labels})[names.NET_BENEFIT]
    return net.sel({names.PLAN: names.RECOMMENDED}, drop=True)


def named_of(case: Case, wanted: Sequence[str]) -> tuple[Intervention, ...]:
    """Return the case's interventions of these names."""
    known = {one.name: one for one in case.interventions}
    checks = Checks()
    for name in wanted:
        checks.known("interventions", "intervention", name, known)
    checks.finish()
    return tuple(known[name] for name in wanted)


def outcomes_of(
    fit: Fit,
    case: Case,
    labels: xr.DataArray,
    counted: xr.DataArray | None = None,
    done: Sequence[Intervention] = (),
    wait: float = 0.0,
    noise_factor: float = 1.0,
    errors: xr.DataArray | None = None,
) -> xr.Dataset:
    """Draw what plans bring and cost, as :func:`plan_outcomes`, from their table of labels.

    ``counted`` is what those labels amount to where some are wrong; ``done`` what all plans do beside, doing nothing
    apart; ``wait`` the days that go by before they begin, each of which costs ``delay_per_day``; ``errors`` those of
    :func:`errors_after`, for whoever asks again at another price or value.
    """
    idle = bare(labels[names.PLAN] == names.NOTHING)
    ordered = bare(labels)
    total = ordered.sum(names.SLICE)
    acts = ~idle if done else total > 0
    error = errors_after(fit, case, labels, counted, done, noise_factor) if errors is None else errors
    now, error = bare(error.sel({names.PLAN: names.NOTHING})), bare(error)
    drift = bare(idle_rise(fit, case.value, now))
    works = bare(retraining_works(fit, case.costs))
    gain = (now - error) * works - drift * ~(acts & (works > 0))
    error = now - gain
    days = days_until(fit, case.costs, total) + acts * (sum((bare(delay_days(one, fit)) for one in done), start=wait))
    unit = unit_value(fit, case.value, days)
    value = (gain * unit).sum(names.SLICE)
    if case.value.horizon_days is not None and bool((drift != 0).any()):  # it goes on until the last label is there
        value = value - (acts * (works > 0) * drift * (unit_value(fit, case.value, 0 * days) - unit)).sum(names.SLICE)
    if (target := case.value.target) is not None:
        shares = bare(volumes(fit, case.value))
        reached = (measured_by(target, error, shares) <= target.error).astype(float)
        before = (measured_by(target, now, shares) <= target.error).astype(float)
        money = bare(draws(fit, TARGET_WORTH, target.worth)) * time_left(case.value, days)
        value = value + money * (reached - before)
    cost = label_cost(fit, case.costs, ordered).sum(names.SLICE)
    cost = cost + fixed_cost(fit, case.costs, batch_count(case.costs, total), case.learner)
    evaluated = labels * 0
    if done or any(limit.minimum_evaluation for limit in case.slices.values()):
        cost = cost + acts * bare(evaluation_cost(fit, case, done))
        more = evaluation_bought(fit, case, done)
        evaluated = acts * xr.DataArray([more.get(str(s), 0) for s in fit.slices], dims=names.SLICE) + evaluated
    if wait:
        cost = cost + acts * wait * bare(draws(fit, "costs.delay_per_day", case.costs.delay_per_day))
    if done:  # without labels there is no batch, but the model is trained again
        again = bare(retraining_cost(fit, case.costs, case.learner)) * (total == 0)
        cost = cost + acts * (bare(cost_done(fit, case, labels, done)) + again)
    made = {names.VALUE: value, names.COST: cost, names.DAYS: days, names.NET_BENEFIT: value - cost}
    if target is not None:
        made[names.TARGET_REACHED] = reached
    dims = (*names.SAMPLE, names.PLAN)
    laid_out = {dims: made, (*dims, names.SLICE): {names.GAIN: gain, names.ERROR: error}}
    beside = {
        names.LABELS: ordered,
        names.EVALUATION_LABELS: evaluated.variable.transpose(*labels.dims),
        names.RETRAINING_WORKS: works,
    }
    return _finished(fit, case, laid_out, labels, beside, {names.DOUBLINGS: _distance(fit, case, ordered)})


def errors_after(
    fit: Fit,
    case: Case,
    labels: xr.DataArray,
    counted: xr.DataArray | None = None,
    done: Sequence[Intervention] = (),
    noise_factor: float = 1.0,
) -> xr.DataArray:
    """Draw errors with each plan, retraining and drift left aside: prices and values of a case do not move them.

    Shapes: labels (plan, slice), doing nothing among the plans; result (chain, draw, plan, slice) in some order.
    """
    counted = labels if counted is None else counted
    changed = bool(done) or noise_factor != 1.0
    plain = counted.sel({names.PLAN: [names.NOTHING]}) if changed else counted
    error = errors_at(fit, case, plain, plain.sum(names.SLICE) - plain)
    if not changed:
        return error
    now = error.sel({names.PLAN: names.NOTHING}, drop=True)
    idle = labels[names.PLAN] == names.NOTHING
    return xr.where(idle, now, errors_done(fit, case, labels, done, noise_factor))


def labels_of(outcomes: xr.Dataset, plan: str) -> dict[str, int]:
    """Whole labels that a plan buys, by slice."""
    bought = outcomes[names.LABELS].sel({names.PLAN: plan})
    return {str(name): int(n) for name, n in zip(bought[names.SLICE].values, bought.values, strict=True)}


def side_by_side(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put outcomes of different plans of one fit and case together; what has no plan is the same in all."""
    return xr.concat(
        parts, names.PLAN, data_vars="minimal", coords="minimal", compat="override", combine_attrs="override"
    )


def _distance(fit: Fit, case: Case, labels: xr.Variable) -> xr.Variable:
    """How far plans reach beyond the data of each slice, in doublings; dims plan, slice."""
    places = (names.LABELS_NOW, names.REFERENCE_LABELS)
    now, reference = (of_leader(fit, case, fit.position[name]).variable for name in places)
    return doublings_beyond(reference, now + labels).transpose(*labels.dims)


def _target_values(
    fit: Fit, case: Case, target: Target, now: xr.DataArray, own: xr.DataArray, elsewhere: xr.DataArray
) -> xr.DataArray:
    """Worth of reaching the target by labels of one slice alone."""
    shares = volumes(fit, case.value)
    before = (measured_by(target, now, shares) <= target.error).astype(float)
    money = draws(fit, TARGET_WORTH, target.worth)

    def one(place: int) -> xr.DataArray:
        bought = xr.where(own[names.SLICE] == fit.slices[place], own, elsewhere)
        return money * ((measured_by(target, bought, shares) <= target.error) - before)

    each = [one(place) for place in range(fit.slices.size)]
    return xr.concat(each, dim=names.SLICE).assign_coords({names.SLICE: fit.slices})


def _finished(
    fit: Fit,
    case: Case,
    made: Mapping[tuple[str, ...], Mapping[str, Any]],
    asked: xr.DataArray,
    beside: Mapping[str, xr.Variable] | None = None,
    coords: Mapping[str, xr.Variable] | None = None,
) -> xr.Dataset:
    """Broadcast to common dims, those of the fit and of what was asked for, with what every decision carries along."""
    posterior = fit.posterior
    every = {d: (posterior if d in posterior.dims else asked).coords[d] for dims in made for d in dims}
    full: dict[str, xr.Variable] = {}
    for dims, values in made.items():
        sizes = {d: every[d].size for d in dims}
        full |= {name: bare(v).set_dims(sizes).transpose(*dims).copy() for name, v in values.items()}
    attrs = {
        names.UNIT: case.currency or "utility",
        names.METRIC: fit.settings["metric"],
        "random_seed": fit.settings["random_seed"],
        "verdict": fit.diagnostics.verdict,
    }
    flags = {names.FLAGS: (names.SLICE, flag_texts(fit))}
    return xr.Dataset(full | dict(beside or {}), every | flags | dict(coords or {}), attrs)


def marginal_benefit(fit: Fit, case: Case, budgets: Sequence[int]) -> xr.Dataset:
    """Draw the net benefit of one more label of a slice, step by step, and where it crosses zero.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case; fixed costs do not enter.
    budgets : sequence of int
        Ends of the steps, at least two whole numbers ≥ 0.

    Returns
    -------
    xarray.Dataset
        ``marginal``, dims chain, draw, slice, budget: net benefit a label of the step that ends at this budget;
        ``cumulative_cost``, the same dims. ``labels_worth_buying``, dim slice: where the *expected* net benefit of one
        more label crosses zero, between two steps by interpolation; 0 where the first step does not pay, infinite
        where the last one does. ``labels_worth_buying_draws``, dims chain, draw, slice: the same of each draw, for an
        interval. The attribute ``notes`` says that breaks of the curve beyond the data are not seen.

    Raises
    ------
    InputError
        If the case does not belong to the fit, or there are fewer than two budgets.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 40})
    >>> marginal_benefit(fake_fit(seed=1), case, [0, 250, 500, 1000]).sizes["budget"]
    3
    """
    numbers = np.sort(whole_numbers(budgets, names.BUDGET)[0])
    if numbers.size < 2:
        raise input_error("one step needs two budgets", "give more, such as 0, 500", column=names.BUDGET)
    outcomes = slice_outcomes(fit, case, numbers.tolist())
    steps = xr.DataArray(np.diff(numbers), dims=names.BUDGET, coords={names.BUDGET: numbers[1:]})
    marginal = (outcomes[names.VALUE] - outcomes[names.COST]).diff(names.BUDGET) / steps
    marginal = marginal.transpose(*names.SAMPLE, names.SLICE, names.BUDGET)
    made = {
        names.MARGINAL: marginal,
        names.CUMULATIVE_COST: outcomes[names.COST].isel({names.BUDGET: slice(1, None)}),
        names.LABELS_WORTH_BUYING: _crossing(marginal.mean(names.SAMPLE), numbers),
        names.LABELS_WORTH_BUYING_DRAWS: _crossing(marginal, numbers),
    }
    return xr.Dataset(made, attrs=outcomes.attrs | {names.NOTES: as_lines([UNSEEN_BREAKS])})


def _crossing(marginal: xr.DataArray, numbers: np.ndarray) -> xr.DataArray:
    """Where a curve first falls to zero, taking each step's value at its middle."""
    values = marginal.values
    middles = (numbers[1:] + numbers[:-1]) / 2.0
    stops = values <= 0
    first = stops.argmax(axis=-1)
    before = np.maximum(first - 1, 0)
    high = np.take_along_axis(values, before[..., None], axis=-1)[..., 0]
    low = np.take_along_axis(values, first[..., None], axis=-1)[..., 0]
    share = np.divide(high, high - low, out=np.zeros_like(high), where=high > low)
    at = middles[before] + share * (middles[first] - middles[before])
    found = np.where(first == 0, 0.0, at)
    dims = [d for d in marginal.dims if d != names.BUDGET]
    coords = {d: marginal[d] for d in dims}
    return xr.DataArray(np.where(stops.any(axis=-1), found, np.inf), dims=dims, coords=coords)
