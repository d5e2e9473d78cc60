"""Audits: having labels judged anew to learn how many are wrong, before deciding what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.checks import Checks
from labelvalue.decisions.case import Case
from labelvalue.decisions.decision import Decision
from labelvalue.decisions.pilots import EVALUATION, PILOT
from labelvalue.decisions.spending import PRICE
from labelvalue.decisions.voi import TAIL, value_of_perfect_information, value_of_sample_information
from labelvalue.forecast.draws import slice_draws
from labelvalue.forecast.known_noise import noise_draws
from labelvalue.model import Fit
from labelvalue.problems import did_you_mean

AUDIT = "audit"
MEASURED = {PILOT: "labels", EVALUATION: EVALUATION, AUDIT: "labels judged anew"}
"""What each kind of measurement takes, in words."""
SIZES = (50, 200)
"""Labels that are judged anew, where no sizes are given."""
SLICES = 3
"""Slices that are looked at where none are given: those whose share of wrong labels varies most."""
ENTROPY = 23
COLUMNS = ("kind", names.SLICE, "size", names.EVSI, names.COST, names.ENBS, names.MCSE, "lower", "upper", "changes")


def price_audits(
    fit: Fit, case: Case, plan: Decision, *, slices: Sequence[str] | None = None, sizes: Sequence[int] | None = None
) -> pd.DataFrame:
    """Price audits: some labels of a slice are judged anew by somebody who is right, at the price of a label each.

    An audit shows how many of them are wrong, and so what cleaning, guidelines or votes would bring. The choice is
    between the plans of ``plan.outcomes``, with and without interventions, whose net benefits hang on the same draws of
    the share of wrong labels.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        With ``label_noise`` and ``interventions``.
    plan : Decision
        From :func:`labelvalue.decisions.decide`.
    slices : sequence of str, optional
        Slices to audit; by default the three whose share of wrong labels varies most.
    sizes : sequence of int, optional
        Labels that are judged anew, ≥ 1; 50 and 200 by default.

    Returns
    -------
    pandas.DataFrame
        One row an audit, as :func:`labelvalue.decisions.price_measurements` has them, of kind ``audit``; empty where
        the share of wrong labels is known exactly or plays no part. Attributes: ``evpi`` of these plans, ``unit``.

    Raises
    ------
    InputError
        If a slice is unknown or a size is no whole number ≥ 1.

    Examples
    --------
    >>> from labelvalue.decisions import decide
    >>> from labelvalue.forecast import Guideline
    >>> from labelvalue.testing import fake_fit
    >>> noise, work = {"low": 0.02, "high": 0.15}, (Guideline(0.5, redone=0.5, cost=100),)
    >>> costs = {"price_per_label": 0.4}
    >>> case = Case(costs=costs, value={"per_error_point": 40}, label_noise=noise, interventions=work)
    >>> fit = fake_fit(seed=1)
    >>> table = price_audits(fit, case, decide(fit, case, max_labels=500, measure=False), slices=["west"], sizes=[20])
    >>> table["kind"].tolist(), bool(table["evsi"][0] <= table.attrs["evpi"])
    (['audit'], True)
    """
    net = plan.outcomes[names.NET_BENEFIT]
    checks, known = Checks(), [str(name) for name in fit.slices]
    for place, name in enumerate(slices or ()):
        if name not in known:
            why = f"unknown slice {name!r}{did_you_mean(str(name), known)}"
            checks.wrong(f"slices[{place}]", why, f"one of {', '.join(known)}")
    for place, size in enumerate(sizes or ()):
        checks.whole(f"sizes[{place}]", size, least=1)
    checks.finish()
    noise, _ = noise_draws(fit, case.label_noise)
    rows = []
    if case.interventions and noise is not None and set(names.SAMPLE) <= set(noise.dims):
        price = slice_draws(fit, PRICE, case.costs.price_per_label)
        for name in slices if slices is not None else _least_known(noise):
            at = {names.SLICE: name}
            for size in sizes or SIZES:
                cost = float(price.sel(at).mean()) * size
                found = value_of_sample_information(net, _seen(fit, noise.sel(at, drop=True), name, size), cost)
                error, enbs = float(found[names.MCSE]), float(found[names.ENBS])
                width = TAIL * error
                figures = (float(found[names.EVSI]), cost, enbs, error, enbs - width, enbs + width)
                rows.append((AUDIT, name, int(size), *figures, float(found["changes"])))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table.sort_values(names.ENBS, ascending=False, kind="stable", ignore_index=True)
    evpi = float(value_of_perfect_information(net)[names.EVPI])
    table.attrs = {names.EVPI: evpi, names.UNIT: plan.outcomes.attrs[names.UNIT]}
    return table


def _least_known(noise: xr.DataArray) -> list[str]:
    spread = noise.std(names.SAMPLE)
    order = np.argsort(-spread.values, kind="stable")[:SLICES]
    return [str(spread[names.SLICE].values[place]) for place in order if float(spread[place]) > 0]


def _seen(fit: Fit, noise: xr.DataArray, name: str, size: int) -> xr.DataArray:
    """Share of wrong labels that an audit of a slice would show, once a draw."""
    entropy = [fit.settings["random_seed"], ENTROPY, size, *name.encode()]
    wrong = np.random.default_rng(entropy).binomial(size, noise.transpose(*names.SAMPLE).values)
    return xr.DataArray(wrong / size, dims=names.SAMPLE)
