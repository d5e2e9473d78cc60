"""Errors after labels were added, or made better, and where nothing is done: the forecast's curves, read for a case."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Case, chosen_of
from labelvalue.decisions.case.costs import joined
from labelvalue.decisions.case.value import Value
from labelvalue.decisions.outcomes.spending import PRICE, each_now, of_slices
from labelvalue.forecast.gains.curves import SIZE, Curves, draws, lay_out_curves, slice_draws
from labelvalue.forecast.gains.detection import evaluation_added, evaluation_size
from labelvalue.forecast.gains.drift import ORIGIN, YEAR_DAYS, drift_rate, may_tell
from labelvalue.forecast.interventions.intervention import (
    Intervention,
    Standing,
    changed_error,
    changes_by,
    checked,
    done_for,
    fixed_money,
    noise_draws,
    standing_at,
    units,
)
from labelvalue.forecast.interventions.label_quality import Guideline
from labelvalue.model.fitting.result import Fit, once
from labelvalue.numerals import TAILS, readable
from labelvalue.settings import Checks


def noise_known(fit: Fit, case: Case) -> tuple[xr.DataArray | None, str]:
    """Return what is known of the share of wrong labels: the case's, else that of the fit's evaluation labels."""
    posterior, _ = chosen_curves(fit, case)
    if case.label_noise is not None or names.EVALUATION_NOISE not in posterior:
        return noise_draws(fit, case.label_noise, case.label_noise_origin)
    share = posterior[names.EVALUATION_NOISE]
    rest = {d: 0 for d in share.dims if d not in (names.CHAIN, names.DRAW, names.SLICE)}
    return share.isel(rest).reset_coords(drop=True), names.FROM_RUNS


def errors_done(
    fit: Fit, case: Case, labels: xr.DataArray, done: Sequence[Intervention], noise_factor: float = 1.0
) -> xr.DataArray:
    """Draw the error (chain, draw, slice, plan) under labels (plan, slice) of plans that all do some interventions.

    ``noise_factor`` multiplies the share of wrong labels among those bought. :class:`InputError` where an effect needs
    that share and the case has none, or is not in the runs.
    """
    as_is = noise_factor == 1.0
    changed = [*done, *([] if as_is else [_of_new_labels(noise_factor, done)])]
    standing = _standing(fit, case, labels, as_is)
    changes, _ = changes_by(standing, checked(fit, changed))
    error = changed_error(standing, changes)
    error = _one(case, error.sel(chosen_of(case, fit))).rename({SIZE: names.PLAN})
    return error.assign_coords({names.PLAN: labels[names.PLAN].values})


def effect_origin(fit: Fit, case: Case, one: Intervention) -> str:
    """Say where the size of an intervention's effect comes from."""
    none = xr.DataArray(np.zeros((1, fit.slices.size)), dims=(names.PLAN, names.SLICE))
    labels = none.assign_coords({names.PLAN: [names.NOTHING], names.SLICE: fit.slices})
    return changes_by(_standing(fit, case, labels, True), checked(fit, one))[1][0]


def _standing(fit: Fit, case: Case, labels: xr.DataArray, as_is: bool) -> Standing:
    """Where plans stand: by the case's own share of wrong labels where nothing is changed about it."""
    noise, origin = noise_known(fit, case)
    if as_is and case.label_noise is None:
        noise, origin = None, names.ELICITED
    bought = labels.rename({names.PLAN: SIZE}).drop_vars(SIZE).transpose(names.SLICE, SIZE)
    position = fit.position
    other = position[names.OTHER_LABELS_NOW] + bought.sum(names.SLICE) - bought
    position = position.assign({names.OTHER_LABELS_NOW: other})
    return standing_at(fit, fit.posterior, position, bought, noise, origin)


def _of_new_labels(factor: float, done: Sequence[Intervention]) -> Guideline:
    """A change of nothing but the share of wrong labels among new ones, under a name of its own."""
    name, taken = "quality of new labels", {one.name for one in done}
    while name in taken:
        name += "'"
    return Guideline(factor, name=name)


def cost_done(fit: Fit, case: Case, labels: xr.DataArray, done: Sequence[Intervention]) -> xr.DataArray:
    """Draw what interventions cost beside plans' labels (plan, slice): once, and for each of their units.

    A unit without a price of its own has that of a label. Dim plan, and chain and draw where anything is uncertain.
    """
    now = each_now(fit)
    total: Any = labels.sum(names.SLICE) * 0.0
    for one in done:
        paid = units(one, now, labels)
        each = slice_draws(fit, PRICE, case.costs.price_per_label)
        if one.unit_cost is not None:
            each = draws(fit, f"{one.name}.unit_cost", one.unit_cost)
        total = total + (paid * each * done_for(one, paid)).sum(names.SLICE) + fixed_money(one, fit)
    return total


def errors_at(fit: Fit, case: Case, own: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Draw the error of each slice after labels were added to it and to all others, by the case's learners and suite.

    Labels have dims slice and one more, which stays.
    """
    (dim,) = (str(d) for d in own.dims if d != names.SLICE)
    added = [one.transpose(names.SLICE, dim).values.astype(float) for one in (own, other)]
    error = joined(case.learner, [curves.errors(*added) for curves in curves_of(fit, case)])
    coords: dict[str, Any] = {d: fit.posterior[d].values for d in (*names.SAMPLE, names.SLICE)}
    coords |= {dim: own[dim].values} if dim in own.coords else {}
    return xr.DataArray(error, dims=(*names.SAMPLE, names.SLICE, dim), coords=coords)


def curves_of(fit: Fit, case: Case) -> list[Curves]:
    """Return the curves of each of the case's learners; a fit keeps them, for whoever asks again."""
    chosen = chosen_of(case, fit)

    def laid_out(key: tuple[str, ...]) -> Curves:
        case.check(fit)
        return lay_out_curves(fit, dict(zip(chosen, key, strict=True)))

    return [once(fit, ("curves", *key), partial(laid_out, key)) for key in itertools.product(*chosen.values())]


def chosen_curves(fit: Fit, case: Case) -> tuple[xr.Dataset, xr.Dataset]:
    """Return posterior and position of the case's learners and suite; their dims stay."""
    case.check(fit)
    return fit.posterior.sel(chosen_of(case, fit)), fit.position.sel(chosen_of(case, fit))


def error_now(fit: Fit, case: Case) -> xr.DataArray:
    """Draw the error of each slice today (chain, draw, slice), by the case's learners and suite."""
    return _one(case, chosen_curves(fit, case)[0][names.ERROR_NOW])


def of_leader(fit: Fit, case: Case, values: xr.DataArray) -> xr.DataArray:
    """Keep of values of the fit's curves those of the case's suite and, slice by slice, of one of its learners.

    That is the learner with the lowest expected error today, or the one with the largest share of the items.
    """
    chosen = chosen_of(case, fit)
    values = values.sel({d: found for d, found in chosen.items() if d in values.dims})
    if values.sizes.get(names.LEARNER, 1) > 1:
        values = values.isel({names.LEARNER: _leader(fit, case)}, drop=True)
    return values.isel({d: 0 for d in chosen if d in values.dims}, drop=True).reset_coords(drop=True)


def _leader(fit: Fit, case: Case) -> Any:
    """The place of the leading learner among those of the case: for all slices, or (slice,)."""
    if isinstance(case.learner, Mapping):
        return int(np.argmax([*case.learner.values()]))
    now = chosen_curves(fit, case)[0][names.ERROR_NOW]
    return now.mean([d for d in now.dims if d not in (names.SLICE, names.LEARNER)]).argmin(names.LEARNER)


def _one(case: Case, errors: xr.DataArray) -> xr.DataArray:
    """Make errors of the case's learners and suite, which have dims for them, those of one curve a slice."""
    errors = errors.isel({d: 0 for d in (names.SUITE,) if d in errors.dims}, drop=True).reset_coords(drop=True)
    if names.LEARNER not in errors.dims:
        return errors
    parts = [errors.isel({names.LEARNER: place}, drop=True) for place in range(errors.sizes[names.LEARNER])]
    made: xr.DataArray = joined(case.learner, parts)
    return made


def evaluation_missing(fit: Fit, case: Case, done: Sequence[Intervention] = ()) -> dict[str, tuple[int, int]]:
    """Return how many evaluation labels each slice has, and how many are missing from what the case asks for."""
    asked = {name: limit.minimum_evaluation for name, limit in case.slices.items() if limit.minimum_evaluation}
    if not asked:
        return {}
    there = of_leader(fit, case, evaluation_size(fit))
    have = {name: int(there.sel({names.SLICE: name})) for name in asked}
    added = {name: int(evaluation_added(fit, done).sel({names.SLICE: name})) for name in asked}
    return {name: (have[name], max(least - have[name] - added[name], 0)) for name, least in asked.items()}


def evaluation_bought(fit: Fit, case: Case, done: Sequence[Intervention] = ()) -> dict[str, int]:
    """Return the evaluation labels that come with a plan, slice by slice; slices without any are left out."""
    missing = {name: n for name, (_, n) in evaluation_missing(fit, case, done).items()}
    brought = evaluation_added(fit, done)
    every = {str(name): int(n) + missing.get(str(name), 0) for name, n in zip(fit.slices, brought.values, strict=True)}
    return {name: n for name, n in every.items() if n}


def evaluation_cost(fit: Fit, case: Case, done: Sequence[Intervention] = ()) -> xr.DataArray:
    """Draw what the missing evaluation labels cost, each at the price of a label of its slice.

    What ``EvaluationLabels`` among the interventions done bring is paid for there, and not here too.
    """
    missing = {name: n for name, (_, n) in evaluation_missing(fit, case, done).items() if n}
    if not missing:
        return xr.DataArray(0.0)
    price = slice_draws(fit, PRICE, case.costs.price_per_label)
    parts = [price.sel({names.SLICE: name}, drop=True) * n for name, n in missing.items()]
    return sum(parts[1:], parts[0])


def evaluation_notes(fit: Fit, case: Case, done: Sequence[Intervention] = ()) -> tuple[str, ...]:
    """Say which evaluation labels a plan must buy, and why."""
    said = []
    brought = evaluation_added(fit, done)
    for name, (have, missing) in evaluation_missing(fit, case, done).items():
        limit, more = case.slices[name], int(brought.sel({names.SLICE: name}))
        reason = f" ({limit.reason})" if limit.reason else ""
        there = f"there are {have:,}" + (f" and {more:,} come with the plan's interventions" if more else "")
        if missing:
            asked = f"{there}, {limit.minimum_evaluation:,} are asked for{reason}"
            said.append(f"{missing:,} evaluation labels for {name} with any plan: {asked}")
    return tuple(said)


def labels_today(fit: Fit) -> int:
    """Labels of all slices together, now."""
    return int(each_now(fit).sum())


def labels_left(fit: Fit, case: Case, most: int) -> int:
    """Return how many labels are left for training, where those that rules ask for count among all."""
    return most - sum(missing for _, missing in evaluation_missing(fit, case).values())


def plan_table(fit: Fit, case: Case, plans: Mapping[str, Mapping[str, int]]) -> xr.DataArray:
    """Check plans, put doing nothing before them, and return their labels."""
    known = [str(name) for name in fit.slices]
    checks = Checks()
    for plan, labels in plans.items():
        for name, want in labels.items():
            _check_order(checks, f"{plan}.{name}", str(name), want, known, case)
        if plan == names.NOTHING and any(labels.values()):
            checks.wrong(plan, "a plan of this name buys labels", "give it another name")
    checks.finish()
    every: dict[str, Mapping[str, int]] = {names.NOTHING: {}, **plans}
    table = [[float(labels.get(name, 0)) for name in known] for labels in every.values()]
    coords = {names.PLAN: list(every), names.SLICE: fit.slices}
    return xr.DataArray(table, dims=(names.PLAN, names.SLICE), coords=coords, name=names.LABELS)


def _check_order(checks: Checks, key: str, name: str, want: Any, known: list[str], case: Case) -> None:
    before = len(checks.problems)
    if checks.known(key, "slice", name, known):
        checks.whole(key, want)
    limit = case.slices.get(name)
    if len(checks.problems) == before and limit is not None and want > limit.most:
        why = f"slice {name!r} has {limit.most:,.0f} labels to buy, the plan wants {want:,}"
        checks.wrong(key, why, f"ask for at most {limit.most:,.0f}")


LEAST = 1e-9  # rise of log error below which it is none


def idle_rise(fit: Fit, value: Value, now: xr.DataArray) -> xr.DataArray:
    """Draw by how much the error of each slice lies above today's where nothing is done, as a mean over the horizon.

    Shapes: now (chain, draw, slice); result the same or fewer dims.
    """
    if value.drift is not None:
        return of_slices(fit, "value.drift", value.drift)
    rate = _told(fit, value)
    if rate is None or value.horizon_days is None:
        return xr.DataArray(0.0)
    risen = rate.reset_coords(drop=True) * (value.horizon_days / YEAR_DAYS)
    plain = risen.where(abs(risen) > LEAST, LEAST)
    factor = xr.apply_ufunc(np.expm1, plain) / plain
    factor = factor.drop_vars(factor.coords).transpose(*now.dims)
    return (now * factor).clip(max=float(fit.settings[names.UPPER])) - now


def drift_notes(fit: Fit, value: Value) -> tuple[str, ...]:
    """Say what the runs tell of errors that rise where nothing is done, where the case leaves it to them."""
    rate = None if value.drift is not None else _told(fit, value)
    if rate is None:
        return ()
    year = 100.0 * np.expm1(rate.mean(names.SLICE))
    low, high = (readable(float(end), 2) for end in np.quantile(year, TAILS))
    said = f"errors of a model left as it is move by {readable(float(year.mean()), 2)} % a year (90 % {low} to {high})"
    origin = "mean of slices, estimated from the runs, as the case states no drift"
    if value.horizon_days is None:
        return (f"{said}, {origin}; it counts where the case has value.horizon_days",)
    return (f"{said}, {origin}: doing nothing and waiting count it over {value.horizon_days:,.0f} days",)


def _told(fit: Fit, value: Value) -> xr.DataArray | None:
    """Draws of the rate a year, where the runs tell one; kept with the fit, since a search asks hundreds of times."""

    def rate_of_runs() -> xr.DataArray | None:
        rate = drift_rate(fit, elapsed=value.elapsed) if may_tell(fit, value.elapsed) else None
        return rate if rate is not None and rate.attrs[ORIGIN] == names.FROM_RUNS else None

    return once(fit, (names.DRIFT_RATE, *value.elapsed.items()), rate_of_runs)
