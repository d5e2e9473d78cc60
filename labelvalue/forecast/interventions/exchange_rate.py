"""What an intervention is worth in plain labels: one currency for unlike purchases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import SIZE, draws, error_draws, in_blocks, slice_draws
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.forecast.interventions.gains import changes_by, checked, described, standing_at
from labelvalue.forecast.interventions.intervention import Changes, Intervention, Standing, changed_error
from labelvalue.forecast.interventions.label_quality import Guideline
from labelvalue.forecast.interventions.votes import noise_draws
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import PER_LABELS
from labelvalue.quantities import Quantity, by_slice, quantity
from labelvalue.settings import Checks

FEWEST, MOST = -6, 10  # doublings from now within which equivalent labels are looked for
STEPS = 4  # of them a doubling, before each draw's crossing is closed in on
HALVINGS = 30


def exchange_rate(
    fit: Fit,
    intervention: Intervention | Sequence[Intervention],
    *,
    labels: int | None = None,
    noise: Any = None,
    price: Quantity | Mapping[str, Quantity] | None = None,
) -> xr.Dataset:
    """Draw how many plain labels an intervention is worth at today's position, slice by slice.

    Parameters
    ----------
    fit : Fit
        Fit.
    intervention : Intervention or sequence of Intervention
        One, or several together.
    labels : int, optional
        Labels bought beside it; by default 1,000 for what acts on the labels bought (votes, strategies), else none.
    noise : quantity, mapping of str to quantity, or DataArray, optional
        As for :func:`predict_gain_with`.
    price : quantity, or mapping of str to quantity, optional
        Price of a plain label, of all slices or by slice.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, slice (and learner, suite): ``equivalent_labels``, plain labels beside ``labels`` that bring
        the same gain, negative where the intervention does harm, infinite where no number within ten doublings does;
        with a price also ``break_even``, the money at which both cost the same. Attributes: ``labels``,
        ``interventions``.

    Raises
    ------
    InputError
        As :func:`predict_gain_with`.
    ValueError
        If ``labels`` is not a whole number ≥ 0.

    Examples
    --------
    >>> from labelvalue.interventions import SyntheticData
    >>> from labelvalue.testing import fake_fit
    >>> rate = exchange_rate(fake_fit(seed=1), SyntheticData(1000, worth=0.25), price=0.1)
    >>> rate["equivalent_labels"].median(("chain", "draw")).round().values.tolist()
    [250.0, 250.0, 250.0, 250.0]
    """
    chosen = checked(fit, intervention)
    beside = labels
    if beside is None:
        beside = PER_LABELS if any(one.acts_on_new for one in chosen) else 0
    whole_numbers([beside], names.LABELS)
    known, origin = noise_draws(fit, noise)
    origins: list[str] = []

    def compute(posterior: xr.Dataset, position: xr.Dataset) -> xr.DataArray:
        bought = xr.DataArray([float(beside)], dims=SIZE)
        standing = standing_at(fit, posterior, position, bought, known, origin)
        changes, origins[:] = changes_by(standing, chosen)
        return _plain_labels(standing, changed_error(standing, changes)) - float(beside)

    steps = (MOST - FEWEST) * STEPS
    found = in_blocks(fit, 2 * steps, compute, names.EQUIVALENT_LABELS, SIZE, [0]).isel({SIZE: 0}, drop=True)
    found.attrs |= {names.UNIT: names.LABELS, names.LABELS: int(beside)}
    found.attrs |= {names.INTERVENTIONS: described(chosen, origins)}
    made = xr.Dataset({names.EQUIVALENT_LABELS: found}, attrs=found.attrs)
    if price is not None:
        checks = Checks()
        given = by_slice(checks, "price", price)
        checks.finish()
        made[names.BREAK_EVEN] = found * slice_draws(fit, "costs.price_per_label", given)
        made[names.BREAK_EVEN].attrs = found.attrs | {names.UNIT: "money"}
    return made


def break_even_noise(
    fit: Fit, guideline: Guideline, *, noise: Any, price: Quantity, labels: int = PER_LABELS
) -> xr.DataArray:
    """Draw the noise reduction at which guidelines are worth their cost: what plain labels for the same money bring.

    Parameters
    ----------
    fit : Fit
        Fit.
    guideline : Guideline
        Its cost, and the share of labels redone; its own factor plays no part.
    noise : quantity, mapping of str to quantity, or DataArray
        Share of wrong labels today, as for :func:`predict_gain_with`.
    price : quantity
        Price of a plain label, > 0.
    labels : int
        Labels bought beside it.

    Returns
    -------
    xarray.DataArray
        ``noise_reduction``, dims chain, draw, slice (and learner, suite): share of today's wrong labels, 0 to 1;
        infinite where even faultless labels would not pay. All of its cost is set against the one slice.

    Raises
    ------
    InputError
        As :func:`predict_gain_with`.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> free = break_even_noise(fake_fit(seed=1), Guideline(0.5), noise=0.1, price=0.1)
    >>> round(float(free.max()), 3)
    0.0
    """
    checks = Checks()
    cost = draws(fit, "costs.price_per_label", _price(checks, price))
    whole_numbers([labels], names.LABELS)
    known, origin = noise_draws(fit, noise)
    units = guideline.money(fit, labels, _price(checks, price)).reset_coords(drop=True)
    plain = (guideline.fixed_money(fit) + units) / cost

    def compute(posterior: xr.Dataset, position: xr.Dataset) -> xr.DataArray:
        standing = standing_at(fit, posterior, position, xr.DataArray([float(labels)], dims=SIZE), known, origin)
        now = standing.need_noise(guideline.name)
        more = float(labels) + plain.sel({names.SLICE: posterior[names.SLICE]})
        beside = standing_at(fit, posterior, position, more.expand_dims({SIZE: 1}, axis=-1), known, origin)
        aim = changed_error(beside, Changes(old_noise=now, new_noise=now))

        def error(reduction: Any) -> xr.DataArray:
            after = now * (1.0 - reduction)
            old = (1.0 - guideline.redone) * now + guideline.redone * after
            return changed_error(standing, Changes(old_noise=old, new_noise=after)).transpose(*aim.dims)

        low, high = xr.zeros_like(aim), xr.ones_like(aim)
        pays = error(high) <= aim
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            enough = error(middle) <= aim
            low, high = low.where(enough, middle), high.where(~enough, middle)
        return high.where(pays, np.inf)

    found = in_blocks(fit, 8, compute, names.NOISE_REDUCTION, SIZE, [0]).isel({SIZE: 0}, drop=True)
    found.attrs |= {names.UNIT: "share of wrong labels", names.LABELS: int(labels)}
    return found


def _price(checks: Checks, price: Any) -> Any:
    given = quantity(checks, "price", price)
    checks.finish()
    return given


def _plain_labels(standing: Standing, target: xr.DataArray) -> xr.DataArray:
    """Plain labels, counted from now, at which each draw's curve first has the error that is asked for."""
    position = standing.position
    now = position[names.LABELS_NOW].clip(min=1.0)
    grid = xr.DataArray(2.0 ** (np.arange(FEWEST * STEPS, MOST * STEPS + 1) / STEPS), dims=SIZE)
    start = -FEWEST * STEPS

    def error(labels: xr.DataArray) -> xr.DataArray:
        other = position[names.OTHER_LABELS_NOW] + 0.0 * labels
        return error_draws(standing.posterior, standing.fit, labels, other)

    at: xr.DataArray = error(now * grid)
    dims = at.dims
    aim = target.transpose(*dims).values
    low, high, found = _bracket(at.values, aim, start)
    better = aim[..., 0] <= at.values[..., start]
    sizes = (now * grid).transpose(*dims[2:]).values
    sizes = np.broadcast_to(sizes, at.shape)
    left, right = (np.take_along_axis(sizes, i[..., None], axis=-1) for i in (low, high))
    one: Any = at.isel({SIZE: [0]})
    for _ in range(HALVINGS):
        middle = np.sqrt(left * right)
        above = error(one.copy(data=middle)).transpose(*dims).values > aim
        left, right = np.where(above, middle, left), np.where(above, right, middle)
    size = np.where(found, right[..., 0], np.where(better, np.inf, 0.0))
    labels = position[names.LABELS_NOW].transpose(*dims[2:-1]).values
    return one.copy(data=(size - labels)[..., None])


def _bracket(errors: np.ndarray, aim: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neighbours on the grid between which each draw's error crosses the aim, the crossing nearest to now."""
    upward = errors[..., start:] <= aim
    downward = errors[..., start::-1] >= aim
    better = upward[..., 0] | (aim[..., 0] < errors[..., start])
    first_up, first_down = upward.argmax(axis=-1), downward.argmax(axis=-1)
    high = np.where(better, start + first_up, np.maximum(start - first_down + 1, 1))
    high = np.clip(high, 1, errors.shape[-1] - 1)
    found = np.where(better, upward.any(axis=-1), downward.any(axis=-1))
    return high - 1, high, found
