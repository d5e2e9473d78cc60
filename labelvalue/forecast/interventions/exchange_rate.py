"""What an intervention is worth in plain labels, and votes against number of items for a given sum."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import SIZE, best_of, draws, error_draws, flag_texts, in_blocks, slice_draws
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.forecast.interventions.intervention import (
    Changes,
    Intervention,
    Standing,
    changed_error,
    changes_by,
    checked,
    described,
    fixed_money,
    money as money_of,
    noise_draws,
    predict_gain_with,
    standing_at,
)
from labelvalue.forecast.interventions.label_quality import Consensus, Guideline, consensus_error
from labelvalue.model.curve.families import information_left
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
    >>> import labelvalue as lv
    >>> rate = exchange_rate(lv.testing.fake_fit(seed=1), lv.interventions.SyntheticData(1000, worth=0.25), price=0.1)
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
    units = money_of(guideline, fit, labels, _price(checks, price)).reset_coords(drop=True)
    plain = (fixed_money(guideline, fit) + units) / cost

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


GRID = 24  # numbers of items at which the surface is computed
TIE = 1e-12
ROUNDING = 1e-9


def quality_frontier(
    fit: Fit,
    money: float,
    *,
    price: float,
    noise: Any,
    votes: Sequence[int] = (1, 3, 5, 7),
    correlation: Quantity = 0.0,
    item_price: float = 0.0,
    available: int | None = None,
) -> xr.Dataset:
    """Draw the gain of every way to spend a sum on a slice: few items with many votes, or many with few.

    Votes pay where items are dear or few, or where wrong labels are many enough to blunt those that are there already.

    Parameters
    ----------
    fit : Fit
        Fit.
    money : float
        Sum to spend on a slice, > 0.
    price : float
        Price of a vote, > 0.
    noise : quantity, mapping of str to quantity, or DataArray
        Share of wrong single votes, as for :func:`labelvalue.predict_gain_with`.
    votes : sequence of int
        Votes an item that are compared, ≥ 1.
    correlation : quantity
        Correlation between the annotators' errors.
    item_price : float
        Price of an item before any vote: finding, cleaning, showing it.
    available : int, optional
        Items that can be had at most.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, slice (and learner, suite), votes: ``gain``; ``shown_gain``, that gain as an evaluation set
        labelled with as many votes would show it, shrunk by its own wrong labels. Without draws: ``labels`` (votes),
        items that the sum buys; ``p_best``, probability that no other number of votes gains more; ``votes_chosen``
        (slice), the number with the highest expected gain; and ``surface``, expected gain over votes and ``budget``
        (items), for the contour plot. Attributes ``money``, ``price``, ``interventions``.

    Raises
    ------
    InputError
        If money or price are no positive numbers, the sum buys no item, or noise is not known.

    References
    ----------
    Sheng, Provost and Ipeirotis (2008), "Get another label?", KDD.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> noise = {"default": 0.02, "west": 0.4}
    >>> frontier = quality_frontier(fake_fit(seed=1), 600, price=0.1, item_price=0.3, noise=noise)
    >>> frontier["votes_chosen"].values.tolist()
    [1, 1, 1, 5]
    """
    tried = _checked(money, price, votes, item_price)
    bought = [int(money / (price * number + item_price) + ROUNDING) for number in tried]
    items = np.minimum(bought, bought[0] if available is None else int(available))
    known, _ = noise_draws(fit, noise)
    most = int(items.max())
    grid = np.unique(np.geomspace(max(1, most / 64), most, GRID).round().astype(int))
    gains, surfaces, said = [], [], "[]"
    for number, count in zip(tried, items, strict=True):
        done = Consensus(number, correlation=correlation)
        budgets = list(dict.fromkeys([int(count), *grid.tolist()]))
        gain = predict_gain_with(fit, done, budgets, noise=noise)
        said = gain.attrs[names.INTERVENTIONS]
        gains.append(gain.sel({names.BUDGET: int(count)}).reset_coords(drop=True))
        surfaces.append(gain.sel({names.BUDGET: grid}).mean(names.SAMPLE).reset_coords(drop=True))
    axis = xr.DataArray(tried, dims=names.VOTES, coords={names.VOTES: tried}, name=names.VOTES)
    gain = xr.concat(gains, dim=axis).transpose(*gains[0].dims, names.VOTES)
    classes, alike = int(fit.settings[names.CLASSES]), draws(fit, f"{done.name}.correlation", done.correlation)
    seen = [information_left(consensus_error(known, number, classes, alike), classes) for number in tried]
    shown = (gain * xr.concat(seen, dim=axis)).transpose(*gain.dims)
    best = gain.mean(names.SAMPLE).argmax(names.VOTES)
    made = xr.Dataset(
        {
            names.GAIN: gain,
            names.SHOWN_GAIN: shown,
            names.P_BEST: best_of(gain, names.VOTES, TIE).mean(names.SAMPLE),
            "votes_chosen": axis.isel({names.VOTES: best}).drop_vars(names.VOTES),
            "surface": xr.concat(surfaces, dim=axis),
            names.LABELS: (names.VOTES, items),
        }
    )
    made = made.assign_coords({names.FLAGS: (names.SLICE, flag_texts(fit))})
    attrs = {
        "money": float(money),
        "price": float(price),
        "item_price": float(item_price),
        names.INTERVENTIONS: said,
        names.NOTES: "",
    }
    return made.assign_attrs(attrs | {"verdict": fit.diagnostics.verdict, names.METRIC: fit.settings["metric"]})


def _checked(money: float, price: float, votes: Sequence[int], item_price: float) -> list[int]:
    checks = Checks()
    checks.number("money", money, above=True)
    checks.number("price", price, above=True)
    checks.number("item_price", item_price)
    for number in votes:
        checks.whole("votes", number, least=1)
    if not checks.problems and money < item_price + price * max(votes, default=1):
        checks.wrong("money", f"{money:g} buys no item with {max(votes)} votes at {price:g} each", "give more", money)
    if not list(votes):
        checks.wrong("votes", "none given", "give numbers of votes such as [1, 3, 5]")
    checks.finish()
    return sorted({int(number) for number in votes})
