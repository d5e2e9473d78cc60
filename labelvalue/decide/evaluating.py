"""Evaluation labels that a rule asks for: what is missing is bought with any plan."""

from __future__ import annotations

import xarray as xr

from labelvalue import names
from labelvalue.decide.case import Case, chosen_of
from labelvalue.decide.spending import PRICE
from labelvalue.forecast.curves import curve_dims
from labelvalue.forecast.detection import evaluation_size
from labelvalue.forecast.draws import slice_draws
from labelvalue.model import Fit


def evaluation_missing(fit: Fit, case: Case) -> dict[str, tuple[int, int]]:
    """Return how many evaluation labels each slice has, and how many are missing from what the case asks for.

    Parameters
    ----------
    fit : Fit
        Gives the evaluation sets.
    case : Case
        Gives ``slices.….minimum_evaluation``.

    Returns
    -------
    dict of str to tuple of int
        Labels there are and labels missing, of the slices with such a rule.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> rule = {"west": {"minimum_evaluation": 2500}, "east": {"minimum_evaluation": 100}}
    >>> case = Case(costs={"price_per_label": 1}, value={"per_error_point": 1}, slices=rule)
    >>> evaluation_missing(fake_fit(seed=1), case)
    {'west': (2000, 500), 'east': (2000, 0)}
    """
    asked = {name: limit.minimum_evaluation for name, limit in case.slices.items() if limit.minimum_evaluation}
    if not asked:
        return {}
    chosen = {d: chosen_of(case, fit, d) for d in curve_dims(fit) if d != names.SLICE}
    there = evaluation_size(fit).sel(chosen)
    have = {name: int(there.sel({names.SLICE: name})) for name in asked}
    return {name: (have[name], max(least - have[name], 0)) for name, least in asked.items()}


def evaluation_bought(fit: Fit, case: Case) -> dict[str, int]:
    """Return the evaluation labels that any plan must buy, slice by slice; none are left out.

    Parameters
    ----------
    fit : Fit
        Gives the evaluation sets.
    case : Case
        Gives the rules.

    Returns
    -------
    dict of str to int

    Examples
    --------
    See :func:`evaluation_missing`.
    """
    return {name: missing for name, (_, missing) in evaluation_missing(fit, case).items() if missing}


def evaluation_cost(fit: Fit, case: Case) -> xr.DataArray:
    """Draw what the missing evaluation labels cost, each at the price of a label of its slice.

    Parameters
    ----------
    fit : Fit
        Gives draws and seed.
    case : Case
        Gives rules and prices.

    Returns
    -------
    xarray.DataArray
        Money; dims chain, draw where the price is uncertain.

    Examples
    --------
    See :func:`evaluation_missing`.
    """
    bought = evaluation_bought(fit, case)
    if not bought:
        return xr.DataArray(0.0)
    price = slice_draws(fit, PRICE, case.costs.price_per_label)
    parts = [price.sel({names.SLICE: name}, drop=True) * n for name, n in bought.items()]
    return sum(parts[1:], parts[0])


def evaluation_notes(fit: Fit, case: Case) -> tuple[str, ...]:
    """Say which evaluation labels a plan must buy, and why.

    Parameters
    ----------
    fit : Fit
        Gives the evaluation sets.
    case : Case
        Gives rules and their reasons.

    Returns
    -------
    tuple of str
        One sentence a slice that lacks some.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> rule = {"west": {"minimum_evaluation": 2500, "reason": "EN 1234"}}
    >>> case = Case(costs={"price_per_label": 1}, value={"per_error_point": 1}, slices=rule)
    >>> evaluation_notes(fake_fit(seed=1), case)
    ('500 evaluation labels for west with any plan: there are 2,000, 2,500 are asked for (EN 1234)',)
    """
    said = []
    for name, (have, missing) in evaluation_missing(fit, case).items():
        reason = f" ({case.slices[name].reason})" if case.slices[name].reason else ""
        if missing:
            asked = f"there are {have:,}, {have + missing:,} are asked for{reason}"
            said.append(f"{missing:,} evaluation labels for {name} with any plan: {asked}")
    return tuple(said)


def labels_left(fit: Fit, case: Case, most: int) -> int:
    """Return how many labels are left for training.

    Parameters
    ----------
    fit : Fit
        Gives the evaluation sets.
    case : Case
        Gives rules.
    most : int
        Labels that may be bought in all.

    Returns
    -------
    int
        Labels for training, negative where evaluation alone needs more than all.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> rule = {"west": {"minimum_evaluation": 2500}}
    >>> case = Case(costs={"price_per_label": 1}, value={"per_error_point": 1}, slices=rule)
    >>> labels_left(fake_fit(seed=1), case, 600)
    100
    """
    return most - sum(evaluation_bought(fit, case).values())
