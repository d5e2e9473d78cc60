"""Audits: having labels judged anew to learn how many are wrong, before deciding what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.measuring.information import evpi
from labelvalue.decisions.measuring.open_plans import OpenPlans
from labelvalue.decisions.measuring.pilots import EVALUATION, PILOT, check_places, measurement_table, told
from labelvalue.decisions.outcomes.errors import labels_left
from labelvalue.decisions.outcomes.spending import PRICE
from labelvalue.forecast.gains.curves import slice_draws
from labelvalue.forecast.interventions.votes import noise_draws
from labelvalue.model.fitting.result import Fit

AUDIT = "audit"
MEASURED = {PILOT: "labels", EVALUATION: EVALUATION, AUDIT: "labels judged anew"}
"""What each kind of measurement takes, in words."""
SIZES = (50, 200)  # labels that are judged anew, where no sizes are given
SLICES = 3  # slices that are looked at where none are given: those whose share of wrong labels varies most
ENTROPY = 23


def price_audits(
    plan: Decision,
    *,
    slices: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Price audits: some labels of a slice are judged anew by somebody who is right, at the price of a label each.

    An audit shows how many of them are wrong, and so what cleaning, guidelines or votes would bring. The choice is
    between the plans of ``plan.outcomes``, with and without interventions, whose net benefits hang on the same draws of
    the share of wrong labels; what the audit costs is left to none of them, and each keeps every rule.

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
    >>> from labelvalue import Case, decide
    >>> from labelvalue.interventions import Guideline
    >>> from labelvalue.testing import fake_fit
    >>> noise, work = {"low": 0.02, "high": 0.15}, (Guideline(0.5, redone=0.5, cost=100),)
    >>> costs = {"price_per_label": 0.4}
    >>> case = Case(costs=costs, value={"per_error_point": 40}, label_noise=noise, interventions=work)
    >>> fit = fake_fit(seed=1)
    >>> table = price_audits(decide(fit, case, max_labels=500, measure=False), slices=["west"], sizes=[20])
    >>> table["kind"].tolist(), bool(table["evsi"][0] <= table.attrs["evpi"])
    (['audit'], True)
    """
    fit, case = plan.fit, plan.case
    check_places(fit, slices, sizes)
    noise, _ = noise_draws(fit, case.label_noise)
    rows: list[tuple[object, ...]] = []
    net = plan.outcomes[names.NET_BENEFIT]
    if case.interventions and noise is not None and set(names.SAMPLE) <= set(noise.dims):
        plans = _plans(plan)
        price = slice_draws(fit, PRICE, case.costs.price_per_label)
        for name in slices if slices is not None else _least_known(noise):
            at = {names.SLICE: name}
            for size in sizes or SIZES:
                seen = _seen(fit, noise.sel(at, drop=True), name, size)
                rows += [(AUDIT, name, int(size), *found) for found in told(plans, net, seen, price.sel(at) * size)]
    return measurement_table(rows, float(evpi(net)[names.EVPI]), plan)


def _plans(plan: Decision) -> OpenPlans:
    """The plans of ``plan.outcomes``, with what each does beside buying labels."""
    case = plan.case
    plans, done = {}, {}
    for title in map(str, plan.outcomes[names.PLAN].values[1:]):
        bought = plan.outcomes[names.LABELS].sel({names.PLAN: title})
        plans[title] = {str(name): int(n) for name, n in zip(bought[names.SLICE].values, bought.values, strict=True)}
        parts = tuple(title.split(" + "))
        done[title] = parts if {*parts} <= {one.name for one in case.interventions} else ()
    done[names.RECOMMENDED] = tuple(plan.interventions)
    return OpenPlans(plan.fit, case, plans, labels_left(plan.fit, case, plan.max_labels), plan.max_spend, done)


def _least_known(noise: xr.DataArray) -> list[str]:
    spread = noise.std(names.SAMPLE)
    order = np.argsort(-spread.values, kind="stable")[:SLICES]
    return [str(spread[names.SLICE].values[place]) for place in order if float(spread[place]) > 0]


def _seen(fit: Fit, noise: xr.DataArray, name: str, size: int) -> xr.DataArray:
    """Share of wrong labels that an audit of a slice would show, once a draw."""
    entropy = [fit.settings["random_seed"], ENTROPY, size, *name.encode()]
    wrong = np.random.default_rng(entropy).binomial(size, noise.transpose(*names.SAMPLE).values)
    return xr.DataArray(wrong / size, dims=names.SAMPLE)
