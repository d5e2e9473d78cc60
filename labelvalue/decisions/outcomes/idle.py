"""Doing nothing: how much errors rise meanwhile, as the case states it, or else as the runs tell it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.value import Value
from labelvalue.decisions.outcomes.spending import of_slices
from labelvalue.forecast.gains.drift import ORIGIN, YEAR_DAYS, drift_rate, may_tell
from labelvalue.model.fitting.result import Fit, once
from labelvalue.numerals import TAILS, readable

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
