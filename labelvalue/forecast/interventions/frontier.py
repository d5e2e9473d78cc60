"""Noise against quantity: votes an item and number of items, chosen together for a given sum."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import best_of, flag_texts
from labelvalue.forecast.interventions.gains import predict_gain_with
from labelvalue.forecast.interventions.label_quality import Consensus, Guideline
from labelvalue.forecast.interventions.votes import consensus_error, noise_draws
from labelvalue.model.curve.label_noise import information_left
from labelvalue.model.fitting.result import Fit
from labelvalue.quantities import Quantity
from labelvalue.settings import Checks

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

    Where an item costs nothing but its votes and there are always more, further items usually beat further votes; votes
    pay where items are dear or few, or where wrong labels are many enough to blunt those that are there already.

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
    seen = [
        information_left(consensus_error(known, n, int(fit.settings[names.CLASSES]), _center(correlation)), _k(fit))
        for n in tried
    ]
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
        names.NOTES: json.dumps([]),
    }
    return made.assign_attrs(attrs | {"verdict": fit.diagnostics.verdict, names.METRIC: fit.settings["metric"]})


def _k(fit: Fit) -> int:
    return int(fit.settings[names.CLASSES])


def _center(correlation: Any) -> float:
    """Median of a quantity that may be uncertain: what evaluation labels show needs no more."""
    if isinstance(correlation, (int, float)):
        return float(correlation)
    if isinstance(correlation, tuple):
        return float(sum(branch.probability * _center(branch.value) for branch in correlation))
    if hasattr(correlation, "quantile"):
        return float(correlation.quantile(0.5))
    return float((correlation["low"] + correlation["high"]) / 2)


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


def quality_sensitivity(
    fit: Fit,
    budgets: Sequence[int],
    *,
    noise: Any,
    interventions: Sequence[Any] = (),
    factors: Sequence[float] = (0.5, 1.0, 2.0),
) -> xr.DataArray:
    """Draw gains where new labels are better or worse than today's: their share of wrong labels times a factor.

    Parameters
    ----------
    fit : Fit
        Fit.
    budgets : sequence of int
        Labels bought, ≥ 0.
    noise : quantity, mapping of str to quantity, or DataArray
        Share of wrong labels today, as for :func:`labelvalue.predict_gain_with`.
    interventions : sequence of Intervention
        What is done beside it.
    factors : sequence of float
        Factors on that share, ≥ 0.

    Returns
    -------
    xarray.DataArray
        ``gain``, dims ``noise_factor``, chain, draw, slice (and learner, suite), budget, all by the same draws; at 1
        the gain of :func:`labelvalue.predict_gain_with`.

    Raises
    ------
    InputError
        If a factor is negative, or noise is not known or too high.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> gain = quality_sensitivity(fake_fit(seed=1), [2000], noise=0.15).mean(("chain", "draw", "slice"))
    >>> bool(gain.sel(noise_factor=0.5) > gain.sel(noise_factor=2.0))
    True
    """
    found = [
        predict_gain_with(
            fit, [Guideline(float(f), name="quality of new labels"), *interventions], budgets, noise=noise
        )
        for f in factors
    ]
    axis = xr.DataArray([float(f) for f in factors], dims=names.NOISE_FACTOR, name=names.NOISE_FACTOR)
    made = xr.concat(found, dim=axis).rename(names.GAIN)
    return made.assign_attrs(found[0].attrs)
