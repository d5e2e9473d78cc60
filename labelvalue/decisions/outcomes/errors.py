"""Errors after labels were added: the forecast's curves, read for a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Case, chosen_of
from labelvalue.decisions.outcomes.spending import PRICE
from labelvalue.forecast.gains.curves import BLOCK_BYTES, SIZE, curve_dims, error_draws, slice_draws
from labelvalue.forecast.gains.detection import evaluation_added, evaluation_size
from labelvalue.forecast.interventions.intervention import Intervention
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import did_you_mean
from labelvalue.settings import Checks


def errors_at(fit: Fit, case: Case, own: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Draw the error of each slice after labels were added, by the curve of the case's learner and suite."""
    posterior, position = chosen_curves(fit, case)
    sizes = own.sizes[SIZE]
    shape = (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW], posterior.sizes[names.SLICE], sizes)
    out = np.empty(shape)
    rest = [d for d in curve_dims(fit) if d != names.SLICE]
    step = max(1, BLOCK_BYTES // (6 * 8 * shape[0] * shape[1] * sizes))
    for start in range(0, shape[2], step):
        part = {names.SLICE: slice(start, start + step)}
        block, place = posterior.isel(part), position.isel(part)
        labels = place[names.LABELS_NOW] + own.isel(part)
        others = place[names.OTHER_LABELS_NOW] + other.isel(part)
        error = error_draws(block, fit, labels, others.broadcast_like(labels)).isel(dict.fromkeys(rest, 0), drop=True)
        out[:, :, start : start + step] = error.values
    coords = {d: posterior[d].values for d in (*names.SAMPLE, names.SLICE)}
    return xr.DataArray(out, dims=(*names.SAMPLE, names.SLICE, SIZE), coords=coords)


def chosen_curves(fit: Fit, case: Case) -> tuple[xr.Dataset, xr.Dataset]:
    """Return posterior and position of the case's learner and suite; their dims stay, with length 1."""
    case.check(fit)
    chosen = {d: [chosen_of(case, fit, d)] for d in curve_dims(fit) if d != names.SLICE}
    return fit.posterior.sel(chosen), fit.position.sel(chosen)


def errors_of(fit: Fit, case: Case, own: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Draw errors as :func:`errors_at`; labels added to the slice and to all others have dims slice and one more."""
    dim = next(str(d) for d in own.dims if d != names.SLICE)
    error = errors_at(fit, case, _as_size(own), _as_size(other)).rename({SIZE: dim})
    return error.assign_coords({dim: own[dim]})


def _as_size(labels: xr.DataArray) -> xr.DataArray:
    dim = next(str(d) for d in labels.dims if d != names.SLICE)
    return labels.rename({dim: SIZE}).drop_vars(SIZE, errors="ignore").transpose(names.SLICE, SIZE)


def evaluation_missing(fit: Fit, case: Case, done: Sequence[Intervention] = ()) -> dict[str, tuple[int, int]]:
    """Return how many evaluation labels each slice has, and how many are missing from what the case asks for."""
    asked = {name: limit.minimum_evaluation for name, limit in case.slices.items() if limit.minimum_evaluation}
    if not asked:
        return {}
    chosen = {d: chosen_of(case, fit, d) for d in curve_dims(fit) if d != names.SLICE}
    there = evaluation_size(fit).sel(chosen)
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
    now = fit.position[names.LABELS_NOW]
    return int(now.isel({d: 0 for d in now.dims if d != names.SLICE}).sum())


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
    if name not in known:
        checks.wrong(key, f"unknown slice {name!r}{did_you_mean(name, known)}", f"one of {', '.join(known)}")
        return
    before = len(checks.problems)
    checks.whole(key, want)
    limit = case.slices.get(name)
    if len(checks.problems) == before and limit is not None and want > limit.most:
        why = f"slice {name!r} has {limit.most:g} labels to buy, the plan wants {want}"
        checks.wrong(key, why, f"ask for at most {limit.most:g}")
