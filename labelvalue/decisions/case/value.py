"""What a lower error is worth: money or utility an error point, slice by slice, and targets."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import xarray as xr

from labelvalue import names
from labelvalue.decisions.outcomes.spending import of_slices
from labelvalue.forecast.gains.curves import draws
from labelvalue.model.curve.families import bare
from labelvalue.model.fitting.result import Fit
from labelvalue.quantities import UNIT_INTERVAL, Given, Quantity, by_slice
from labelvalue.settings import Amount, Checks, Positive, Settings, Share, Text, named, table, tables, word

POINT = 0.01  # an error point, in the unit of the error
MEAN_ERROR, WORST, GAP = "mean", "worst", "gap"
TARGET_KINDS = (MEAN_ERROR, WORST, GAP)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target(Settings):
    """A level of error that is worth something once it is reached.

    Parameters
    ----------
    error : float
        The level, > 0, in the unit of the error that the fit models (of accuracy, calibration error, and so on).
    of : {"mean", "worst", "gap"}
        What must reach it: the error averaged over slices by volume, that of the worst slice, or the distance between
        the worst slice and the best.
    worth : quantity
        Money or utility of being at or below the level.
    probability : float
        Probability with which the cheapest plan for it is to reach it, 0 < probability < 1.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> Target(error=0.08, of="worst", worth=5000).of
    'worst'
    """

    error: Positive
    of: Annotated[str, word(TARGET_KINDS)] = MEAN_ERROR
    worth: Given = 1.0
    probability: Share = 0.9


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixChange(Settings):
    """A dated change of what slices are worth: users who come or go, with a probability.

    Parameters
    ----------
    after_days : float
        Days from now, ≥ 0.
    factors : mapping of str to float
        By how much the worth of a slice is multiplied from then on, ≥ 0; slices not named keep theirs.
    probability : float
        Probability that it happens, 0 < probability ≤ 1.
    reason : str
        Why it may happen.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> MixChange(after_days=90, factors={"west": 2.0}, probability=0.4).factors
    {'west': 2.0}
    """

    after_days: Amount
    factors: Annotated[Mapping[str, float], named(Checks.number)]
    probability: Annotated[float, partial(Checks.share, one=True)] = 1.0
    reason: Text = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Value(Settings):
    """Value of a lower error; of each slice ``per_error_point × points removed × volume × stakes``.

    Parameters
    ----------
    per_error_point : quantity, or mapping of str to quantity, optional
        Money or utility of one error point (0.01) less in a slice of volume 1 and stakes 1.
    volume : mapping of str to float
        How much each slice is used, ≥ 0: items, or a share of them; 1 where not named. Also the weights of means over
        slices.
    stakes : mapping of str to float
        What an error costs in a slice, as a multiple of one elsewhere, ≥ 0; 1 where not named.
    target : Target, optional
        A level that is worth something once reached.
    horizon_days : float, optional
        Days for which the value counts. With it, gains that come later are worth less: value is lost while waiting.
    drift : quantity, or mapping of str to quantity, optional
        Rise in error of each slice if the model is left as it is, as a mean over the horizon; it ends on the day of the
        last new label, when the model is trained again, so that every day of waiting counts. Where it is not given, the
        rate that the runs tell (:func:`labelvalue.drift_rate`) counts over ``horizon_days``, if they tell one.
    elapsed : mapping of str to float
        Days by which the data of a suite are later than those of the holdout; with it a suite of later data tells a
        drift.
    mix_changes : tuple of MixChange
        Dated changes of what slices are worth; they need ``horizon_days``.
    currency : str
        Currency of all money here.

    Raises
    ------
    InputError
        For everything that is wrong, with its key; also if neither ``per_error_point`` nor ``target`` is given.

    Examples
    --------
    >>> Value(per_error_point=400, stakes={"west": 3.0}).stakes
    {'west': 3.0}
    """

    per_error_point: Annotated[Quantity | Mapping[str, Quantity] | None, by_slice] = None
    volume: Annotated[Mapping[str, float], named(Checks.number)] = dataclasses.field(default_factory=dict)
    stakes: Annotated[Mapping[str, float], named(Checks.number)] = dataclasses.field(default_factory=dict)
    target: Annotated[Target | None, table(Target)] = None
    horizon_days: Annotated[float | None, partial(Checks.number, above=True)] = None
    drift: Annotated[Quantity | Mapping[str, Quantity] | None, by_slice] = None
    elapsed: Annotated[Mapping[str, float], named(Checks.number)] = dataclasses.field(default_factory=dict)
    mix_changes: Annotated[tuple[MixChange, ...], tables(MixChange)] = ()
    currency: Text = ""

    def _together(self, checks: Checks) -> None:
        aimed = self.target is not None or any(p.column.startswith("target") for p in checks.problems)
        if self.per_error_point is None and not aimed:
            checks.wrong("per_error_point", "a decision needs 'value.per_error_point' or a target", "give one of them")
        if self.horizon_days is None and self.mix_changes:
            checks.wrong("mix_changes", "a dated change needs to know for how long value counts", "give horizon_days")


def volumes(fit: Fit, value: Value) -> xr.DataArray:
    """Share of each slice in means over slices."""
    weights = _of_slices(fit, value.volume)
    return weights / weights.sum() if bool(weights.sum() > 0) else weights + 1.0 / weights.size


def unit_value[Days: (xr.DataArray, xr.Variable)](fit: Fit, value: Value, days: Days) -> Days:
    """Draw the worth of a unit of error less, from the day that it is less until the horizon."""
    if isinstance(days, xr.DataArray):
        unit = unit_value(fit, value, days.variable)
        coords = {d: days.coords[d] for d in unit.dims if d in days.coords}
        return xr.DataArray(unit, coords=coords | {names.SLICE: fit.slices})
    if value.per_error_point is None:
        return bare(_of_slices(fit, {})) * 0.0
    weight = bare(_of_slices(fit, value.volume)) * bare(_of_slices(fit, value.stakes))
    unit = weight * bare(of_slices(fit, "value.per_error_point", value.per_error_point)) / POINT
    if value.horizon_days is None:
        return unit
    counted: Any = time_left(value, days)
    for place, change in enumerate(value.mix_changes):
        left = time_left(value, days.clip(min=change.after_days))
        comes = bare(draws(fit, f"value.mix_changes[{place}]", UNIT_INTERVAL)) < change.probability
        counted = counted + left * comes * (bare(_of_slices(fit, change.factors)) - 1.0)
    return unit * counted


def time_left[Days: (xr.DataArray, xr.Variable)](value: Value, days: Days) -> Days:
    """Share of the horizon that is left after some days; 1 where the case has no horizon."""
    if value.horizon_days is None:
        return xr.ones_like(days, dtype=float)
    return (1.0 - days / value.horizon_days).clip(min=0.0)


def measured_by(target: Target, error: xr.DataArray, shares: xr.DataArray) -> xr.DataArray:
    """Reduce the errors of slices to what a target is about."""
    if target.of == MEAN_ERROR:
        return (error * shares).sum(names.SLICE)
    worst = error.max(names.SLICE)
    return worst - error.min(names.SLICE) if target.of == GAP else worst


def _of_slices(fit: Fit, weights: Mapping[str, float]) -> xr.DataArray:
    """Numbers by slice, 1 where none is named."""
    numbers = [float(weights.get(str(name), 1.0)) for name in fit.slices]
    return xr.DataArray(numbers, dims=names.SLICE, coords={names.SLICE: fit.slices})
