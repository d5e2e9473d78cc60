"""Everything uncertain that a net benefit depends on, as draws by name."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.outcomes.benefit import plan_outcomes
from labelvalue.forecast.gains.curves import draws
from labelvalue.forecast.gains.prior_sensitivity import Change, Refits, changed_draws, prior_groups, scaled_priors
from labelvalue.model.fitting.arviz_tree import CELL, pointwise_loglikelihood
from labelvalue.model.fitting.result import Fit
from labelvalue.quantities import UNIT_INTERVAL
from labelvalue.settings import is_number

MOST_SLICES = 12  # slices whose gains are inputs of their own: those whose gains vary most in money's direction


def uncertain_inputs(plan: Decision) -> dict[str, xr.DataArray]:
    """Collect the uncertain inputs of a plan's net benefit."""
    fit, case, outcomes = plan.fit, plan.case, plan.outcomes
    if case.costs.retraining_fails != 0.0:
        works = dataclasses.replace(case, costs=dataclasses.replace(case.costs, retraining_fails=0.0))
        outcomes = plan_outcomes(fit, works, {names.RECOMMENDED: plan.labels}, interventions=plan.interventions)
    gain = outcomes[names.GAIN].sel({names.PLAN: names.RECOMMENDED}, drop=True)
    spread = gain.std(names.SAMPLE).values
    found = {}
    for place in np.argsort(-spread, kind="stable")[:MOST_SLICES]:
        name = str(gain[names.SLICE].values[place])
        found[f"gain of {name}"] = gain.isel({names.SLICE: int(place)}, drop=True).reset_coords(drop=True)
    found |= dict(_of_case(fit, case))
    return {name: values for name, values in found.items() if _varies(values)}


def _varies(values: xr.DataArray) -> bool:
    return set(names.SAMPLE) <= set(values.dims) and float(values.std()) > 1e-12 * max(abs(float(values.mean())), 1e-12)


def _of_case(fit: Fit, case: Case) -> Iterator[tuple[str, xr.DataArray]]:
    """Quantities by the keys under which they are drawn."""
    for section in ("costs", "value"):
        part = getattr(case, section)
        for field in dataclasses.fields(part):
            yield from _of_quantity(fit, f"{section}.{field.name}", getattr(part, field.name))
    if case.costs.retraining_fails != 0.0:
        yield "costs.retraining_fails/luck", draws(fit, "costs.retraining_fails/luck", UNIT_INTERVAL)
    for place, change in enumerate(case.value.mix_changes):
        if change.probability < 1:
            key = f"value.mix_changes[{place}]"
            yield key, (draws(fit, key, UNIT_INTERVAL) < change.probability).astype(float)
    if case.value.target is not None:
        yield from _of_quantity(fit, "value.target.worth", case.value.target.worth)


def _of_quantity(fit: Fit, key: str, value: Any) -> Iterator[tuple[str, xr.DataArray]]:
    if isinstance(value, Mapping):
        for own, quantity in value.items():
            yield from _of_quantity(fit, f"{key}.{own}", quantity)
    elif not is_number(value) and (hasattr(value, "quantile") or _is_branches(value)):
        yield key, draws(fit, key, value)


def _is_branches(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and bool(value)
        and all(hasattr(b, names.PROBABILITY) for b in value)
        and all(hasattr(b, names.VALUE) for b in value)
    )


FACTORS = (0.5, 2.0)
DISCOUNT = 0.5  # power of the likelihood of old runs: at a half they count as half as many


def weighed_otherwise(
    fit: Fit, net: xr.DataArray, again: Callable[[Fit], xr.DataArray], *, refit: bool | Refits
) -> list[tuple[str, float, float, str]]:
    """Return the expected net benefit under priors and old runs of another weight.

    References
    ----------
    Kallioinen, Paananen, Bürkner and Vehtari (2024), "Detecting and diagnosing prior and likelihood sensitivity with
    power-scaling", Statistics and Computing 34; Ibrahim and Chen (2000), "Power prior distributions for regression
    models", Statistical Science 15(1), for the discount.
    """

    def expected(change: Change) -> tuple[float, str]:
        draws, log_weights, advice = changed_draws(fit, change, net, again, refit=refit)
        return float(draws.weighted(log_weights.copy(data=np.exp(log_weights.values))).mean(names.SAMPLE)), advice

    rows = []
    for group, members in prior_groups(fit).items():
        (low, said), (high, too) = map(expected, scaled_priors(fit, members, FACTORS))
        rows.append((f"priors of {group} to the power 0.5, 2", low, high, max(said, too)))
    if (old := _old_runs(fit)) is not None:
        low, said = expected(old)
        rows.append((f"runs of earlier batches × {DISCOUNT:g}, × 1", low, float(net.mean()), said))
    return rows


def _old_runs(fit: Fit) -> Change | None:
    """The posterior in which the runs of all batches but the last are discounted."""
    batches = fit.runs[names.BATCH].values.astype(str)
    if np.unique(batches).size <= 1:
        return None
    pointwise = pointwise_loglikelihood(fit)["log_likelihood"].to_dataset()["log_error"]
    old = batches != batches[-1]
    return counted(fit, pointwise, np.where(old, DISCOUNT, 1.0))


def counted(fit: Fit, pointwise: xr.DataArray, counts: np.ndarray) -> Change:
    """Let runs count for a share of their likelihood.

    Shapes: ``counts`` (run,).
    """
    less = (pointwise * mean_of_cells(fit.runs, pointwise, counts - 1.0)).sum(CELL)
    return Change(less.reset_coords(drop=True), counts=counts)


def mean_of_cells(runs: xr.Dataset, pointwise: xr.DataArray, values: np.ndarray) -> xr.DataArray:
    """Return the mean of a number of each cell's runs, by slice, learner, suite and labels.

    Shapes: ``values`` (run,); gives (cell,).
    """
    keys = [names.SLICE, names.LEARNER, names.SUITE, names.LABELS]
    frame = pd.DataFrame({key: runs[key].values.astype(float if key == names.LABELS else str) for key in keys})
    mean = frame.assign(value=values).groupby(keys)["value"].mean()
    cells = [pointwise[key].values.astype(float if key == names.LABELS else str) for key in keys]
    found = mean.reindex(pd.MultiIndex.from_arrays(cells, names=keys)).fillna(0.0)
    return xr.DataArray(found.to_numpy(), dims=CELL, coords={CELL: pointwise[CELL].values})
