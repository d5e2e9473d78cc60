"""Plans seen across slices: fairness between them, and gains under another mix."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from labelvalue import names
from labelvalue.problems import did_you_mean
from labelvalue.settings import Checks


def fairness(outcomes: xr.Dataset) -> xr.Dataset:
    """Draw how unequal the errors of slices are under each plan.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, plan, in the unit of the error: ``worst_error``, that of the worst slice; ``gap`` between it
        and the best slice; ``disparity``, the mean distance of slices from the mean of all.

    References
    ----------
    Tae and Whang (2021), "Slice Tuner", SIGMOD, for the average disparity.

    Examples
    --------
    >>> from labelvalue import Case
    >>> from labelvalue.plans import plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> drawn = fairness(plan_outcomes(fake_fit(seed=1), case, {"west": {"west": 500}}))
    >>> bool((drawn["gap"] <= drawn["worst_error"]).all())
    True
    """
    error = outcomes[names.ERROR]
    worst = error.max(names.SLICE)
    made = {
        names.WORST_ERROR: worst,
        names.GAP: worst - error.min(names.SLICE),
        names.DISPARITY: abs(error - error.mean(names.SLICE)).mean(names.SLICE),
    }
    return xr.Dataset(made, attrs=outcomes.attrs | {names.UNIT: "error"})


def gain_under_mix(outcomes: xr.Dataset, shares: Mapping[str, float]) -> xr.DataArray:
    """Draw the gain of each plan averaged over slices by another mix; the same draws, no new fit.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`.
    shares : mapping of str to float
        Share of each slice, ≥ 0; scaled to sum to 1, 0 where not named.

    Returns
    -------
    xarray.DataArray
        ``gain``, dims chain, draw, plan; unit of the error.

    Raises
    ------
    InputError
        If a slice is unknown, a share negative, or all are 0.

    Examples
    --------
    >>> from labelvalue import Case
    >>> from labelvalue.plans import plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> outcomes = plan_outcomes(fake_fit(seed=1), case, {"west": {"west": 500}})
    >>> own = outcomes["gain"].sel(slice="west", drop=True)
    >>> bool((gain_under_mix(outcomes, {"west": 2.0}) == own).all())
    True
    """
    known = outcomes[names.SLICE].values.astype(str).tolist()
    checks = Checks()
    for name, share in shares.items():
        checks.number(f"shares.{name}", share)
        if name not in known:
            why = f"unknown slice {name!r}{did_you_mean(str(name), known)}"
            checks.wrong(f"shares.{name}", why, f"one of {', '.join(known)}")
    if not checks.problems and not sum(shares.values()) > 0:
        checks.wrong("shares", "all shares are 0", "give at least one slice a share")
    checks.finish()
    total = sum(shares.values())
    weights = [shares.get(name, 0.0) / total for name in known]
    mix = xr.DataArray(weights, dims=names.SLICE, coords={names.SLICE: outcomes[names.SLICE].values})
    gain = (outcomes[names.GAIN] * mix).sum(names.SLICE).rename(names.GAIN)
    gain.attrs = {**outcomes.attrs, names.UNIT: "error"}
    return gain
