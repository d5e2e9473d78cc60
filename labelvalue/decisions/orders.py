"""Plans as a table of labels, checked against fit and case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.checks import Checks
from labelvalue.decisions.case import Case
from labelvalue.model import Fit
from labelvalue.problems import did_you_mean


def plan_table(fit: Fit, case: Case, plans: Mapping[str, Mapping[str, int]]) -> xr.DataArray:
    """Check plans, put doing nothing before them, and return their labels.

    Parameters
    ----------
    fit : Fit
        Gives the slices.
    case : Case
        Gives what is available.
    plans : mapping of str to mapping of str to int
        Extra labels by slice.

    Returns
    -------
    xarray.DataArray
        ``labels``, dims plan, slice.

    Raises
    ------
    InputError
        For everything that is wrong.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 1}, value={"per_error_point": 1})
    >>> plan_table(fake_fit(seed=1), case, {"some": {"west": 10}}).values.tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 10.0]]
    """
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
