"""Measuring before deciding: pilot batches and evaluation labels, priced by what they would change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.alternatives import alternatives, best_of
from labelvalue.decisions.benefit import plan_outcomes
from labelvalue.decisions.case import Case, chosen_of
from labelvalue.decisions.decision import Decision
from labelvalue.decisions.errors import chosen_curves
from labelvalue.decisions.spending import PRICE, fixed_cost
from labelvalue.decisions.voi import TAIL, as_columns, conditional_mean, value_of_perfect_information
from labelvalue.forecast import predict_observed_gain
from labelvalue.forecast.curves import curve_dims
from labelvalue.forecast.draws import slice_draws
from labelvalue.model import Fit

PILOT, EVALUATION = "pilot batch", "evaluation labels"
SHARES = (0.1, 0.3)
"""Sizes of a pilot, as shares of the labels that the plan, or the equal split, buys."""
SLICES = 3
"""Slices for which pilots are priced: those whose gain is most worth knowing."""
ENTROPY = 13


def price_measurements(
    fit: Fit, case: Case, plan: Decision, *, slices: Sequence[str] | None = None, sizes: Sequence[int] | None = None
) -> pd.DataFrame:
    """Price what could be measured before deciding: a pilot batch for one slice, or more evaluation labels for it.

    A pilot's labels stay; after it the plan is completed, or another is, or nothing more is bought. What it costs is
    that a plan in two steps pays its fixed costs twice and may hold labels that turn out not to be wanted. The choice
    is between plans of highest expected net benefit.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case.
    plan : Decision
        From :func:`labelvalue.decisions.decide`.
    slices : sequence of str, optional
        Slices to measure; by default the three whose gain is most worth knowing.
    sizes : sequence of int, optional
        Labels of a pilot; by default a tenth and three tenths of the plan.

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
    >>> from labelvalue.decisions import decide
    >>> from labelvalue.testing import fake_fit
    >>> fit, case = fake_fit(seed=1), Case(costs={"price_per_label": 0.4}, value={"per_error_point": 400})
    >>> made = decide(fit, case, max_labels=2000, measure=False)
    >>> table = price_measurements(fit, case, made, slices=["west"], sizes=[200])
    >>> bool((table["evsi"] >= 0).all()), table["slice"].unique().tolist()
    (True, ['west'])
    """
    plans = alternatives(case, plan)
    outcomes = plan_outcomes(fit, case, plans)
    net = outcomes[names.NET_BENEFIT]
    evpi = float(value_of_perfect_information(net)[names.EVPI])
    chosen = [str(s) for s in slices] if slices is not None else _most_worth_knowing(outcomes, evpi)
    most = max(plan.total, int(outcomes[names.LABELS].sum(names.SLICE).max()))
    pilots = (
        sizes if sizes is not None else sorted({max(1, round(share * most)) for share in SHARES} if most else set())
    )
    rows: list[tuple[object, ...]] = []
    for name in chosen:
        for size in pilots:
            if size <= min(case.limits(name)[1], plan.max_labels):
                rows.append((PILOT, name, int(size), *_two_steps(fit, case, plan, plans, net, name, int(size))))
        rows += _evaluations(fit, case, net, name)
    columns = ["kind", names.SLICE, "size", names.EVSI, names.COST, names.ENBS, names.MCSE, "changes"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(7, "lower", table[names.ENBS] - TAIL * table[names.MCSE])
    table.insert(8, "upper", table[names.ENBS] + TAIL * table[names.MCSE])
    table = table.sort_values(names.ENBS, ascending=False, kind="stable", ignore_index=True)
    table.attrs = {names.EVPI: evpi, names.UNIT: outcomes.attrs[names.UNIT]}
    return table


def _most_worth_knowing(outcomes: xr.Dataset, evpi: float) -> list[str]:
    """Slices by what knowing their gain under the plan would be worth."""
    every = [str(name) for name in outcomes[names.SLICE].values]
    if evpi <= 0 or names.RECOMMENDED not in outcomes[names.PLAN].values:
        bought = outcomes[names.LABELS].max(names.PLAN)
        return sorted(every, key=lambda one: -float(bought.sel({names.SLICE: one})))[:SLICES]
    net = as_columns(outcomes[names.NET_BENEFIT].transpose(*names.SAMPLE, names.PLAN))
    gain = outcomes[names.GAIN].max(names.PLAN)

    def worth(name: str) -> float:
        expected = conditional_mean(net, as_columns(gain.sel({names.SLICE: name}, drop=True)))
        return float(expected.max(axis=1).mean() - expected.mean(axis=0).max())

    return sorted(every, key=worth, reverse=True)[:SLICES]


def _two_steps(
    fit: Fit, case: Case, plan: Decision, plans: dict[str, dict[str, int]], net: xr.DataArray, name: str, size: int
) -> tuple[float, float, float, float, float]:
    """EVSI, cost, ENBS, its Monte Carlo error, and the probability of another plan."""
    completed = {"stop after it": {name: size}}
    completed |= {title: _with_pilot(case, labels, name, size, plan.max_labels) for title, labels in plans.items()}
    after = plan_outcomes(fit, case, completed)
    later = after[names.NET_BENEFIT].sel({names.PLAN: list(completed)})
    again = fixed_cost(fit, case.costs)
    total = after[names.LABELS].sum(names.SLICE).sel({names.PLAN: list(completed)})
    later = (later - again * (total > size)).transpose(*names.SAMPLE, names.PLAN)
    seen = _observed(fit, case, name, size)
    today = as_columns(net.sel({names.PLAN: [best_of(net)]}).transpose(*names.SAMPLE, names.PLAN))
    flat = as_columns(later)
    expected = conditional_mean(np.hstack([flat, today]), as_columns(seen))
    choice, now = expected[:, :-1], expected[:, -1]
    advantage = choice.max(axis=1) - now
    evsi = max(float(choice.max(axis=1).mean() - flat.mean(axis=0).max()), 0.0)
    # Two steps are never cheaper than one: what looks so is a plan beyond the limits that bind the first.
    enbs = min(float(advantage.mean()), evsi)
    titles = list(completed)
    favourite = best_of(net)
    expects = titles.index(favourite) if favourite in titles else 0
    changes = float((choice.argmax(axis=1) != expects).mean())
    error = float(advantage.std(ddof=1) / np.sqrt(advantage.size))
    return evsi, evsi - enbs, enbs, error, changes


def _with_pilot(case: Case, labels: dict[str, int], name: str, size: int, most: int) -> dict[str, int]:
    """A plan that holds the pilot's labels too, others giving way where there would be too many."""
    made = dict(labels)
    made[name] = max(made.get(name, 0), size)
    excess = sum(made.values()) - most
    for other in sorted(made, key=lambda one: -made[one]):
        if excess <= 0:
            break
        spare = made[other] - (size if other == name else case.limits(other)[0])
        given = min(max(spare, 0), excess)
        made[other] -= given
        excess -= given
    return made


def _observed(fit: Fit, case: Case, name: str, size: int) -> xr.DataArray:
    """What one training and evaluation after the pilot would show."""
    gain = predict_observed_gain(fit, [size]).sel({names.SLICE: name, names.BUDGET: size}, drop=True)
    picked = {d: chosen_of(case, fit, d) for d in curve_dims(fit) if d != names.SLICE and d in gain.dims}
    return gain.sel(picked, drop=True).reset_coords(drop=True)


def _evaluations(fit: Fit, case: Case, net: xr.DataArray, name: str) -> list[tuple[object, ...]]:
    """As many evaluation labels again as the slice's runs were evaluated on."""
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
    price = float(slice_draws(fit, PRICE, case.costs.price_per_label).sel({names.SLICE: name}).mean())
    flat = as_columns(net.transpose(*names.SAMPLE, names.PLAN))
    today = int(flat.mean(axis=0).argmax())
    expected = conditional_mean(flat, as_columns(seen))
    gained = expected.max(axis=1) - expected[:, today]
    evsi, cost = max(float(gained.mean()), 0.0), price * size
    error_of = float(gained.std(ddof=1) / np.sqrt(gained.size))
    changes = float((expected.argmax(axis=1) != today).mean())
    return [(EVALUATION, name, size, evsi, cost, evsi - cost, error_of, changes)]
