"""Plans that do something about the labels' quality beside buying some: their errors, costs and delays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Case, chosen_of
from labelvalue.decisions.outcomes.errors import chosen_curves
from labelvalue.decisions.outcomes.spending import PRICE
from labelvalue.forecast.gains.curves import SIZE, draws, slice_draws
from labelvalue.forecast.interventions.gains import changes_by, checked, standing_at
from labelvalue.forecast.interventions.intervention import Intervention, Standing, changed_error
from labelvalue.forecast.interventions.label_quality import Guideline
from labelvalue.forecast.interventions.votes import noise_draws
from labelvalue.model.fitting.result import Fit


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
    picked = {d: chosen_of(case, fit, d) for d in (names.LEARNER, names.SUITE) if d in error.dims}
    error = error.sel(picked).reset_coords(drop=True).rename({SIZE: names.PLAN})
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
    now = fit.position[names.LABELS_NOW]
    now = now.isel({d: 0 for d in now.dims if d != names.SLICE}).reset_coords(drop=True)
    total: Any = labels.sum(names.SLICE) * 0.0
    for one in done:
        units = one.units(now, labels)
        each = slice_draws(fit, PRICE, case.costs.price_per_label)
        if one.unit_cost is not None:
            each = draws(fit, f"{one.name}.unit_cost", one.unit_cost)
        total = total + (units * each * one.done_for(units)).sum(names.SLICE) + one.fixed_money(fit)
    return total


def delay_done(fit: Fit, done: Sequence[Intervention]) -> Any:
    """Draw the days by which interventions put off the gain, one after the other."""
    days: Any = 0.0
    for one in done:
        days = days + one.days(fit)
    return days
