"""Evaluation labels: those that a rule asks for and nothing else brings are bought with any plan."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from labelvalue import names
from labelvalue.decisions.case import Case, chosen_of
from labelvalue.decisions.spending import PRICE
from labelvalue.forecast import Intervention
from labelvalue.forecast.curves import curve_dims
from labelvalue.forecast.detection import evaluation_added, evaluation_size
from labelvalue.forecast.draws import slice_draws
from labelvalue.model import Fit


def evaluation_missing(fit: Fit, case: Case, done: Sequence[Intervention] = ()) -> dict[str, tuple[int, int]]:
    """Return how many evaluation labels each slice has, and how many are missing from what the case asks for.

    Parameters
    ----------
    fit : Fit
        Gives the evaluation sets.
    case : Case
        Gives ``slices.….minimum_evaluation``.
    done : sequence of Intervention
        What a plan does; ``EvaluationLabels`` among it are no longer missing.

    Returns
    -------
    dict of str to tuple of int
        Labels there are and labels missing, of the slices with such a rule.

    Examples
    --------
    >>> from labelvalue.forecast import EvaluationLabels
    >>> from labelvalue.testing import fake_fit
    >>> rule = {"west": {"minimum_evaluation": 2500}, "east": {"minimum_evaluation": 100}}
    >>> case = Case(costs={"price_per_label": 1}, value={"per_error_point": 1}, slices=rule)
    >>> evaluation_missing(fake_fit(seed=1), case)
    {'west': (2000, 500), 'east': (2000, 0)}
    >>> evaluation_missing(fake_fit(seed=1), case, [EvaluationLabels(400)])
    {'west': (2000, 100), 'east': (2000, 0)}
    """
    asked = {name: limit.minimum_evaluation for name, limit in case.slices.items() if limit.minimum_evaluation}
    if not asked:
        return {}
    chosen = {d: chosen_of(case, fit, d) for d in curve_dims(fit) if d != names.SLICE}
    there = evaluation_size(fit).sel(chosen)
    have = {name: int(there.sel({names.SLICE: name})) for name in asked}
    added = {name: int(evaluation_added(fit, done).sel({names.SLICE: name})) for name in asked}
    return {name: (have[name], max(least - have[name] - added[name], 0)) for name, least in asked.items()}


def evaluation_bought(fit: Fit, case: Case, done: Sequence[Intervention] = ()) -> dict[str, int]:
    """Return the evaluation labels that come with a plan, slice by slice; slices without any are left out.

    Parameters
    ----------
    fit : Fit
        Gives the evaluation sets.
    case : Case
        Gives the rules.
    done : sequence of Intervention
        What the plan does.

    Returns
    -------
    dict of str to int
        Those that ``EvaluationLabels`` bring, and those that a rule asks for beyond them.

    Examples
    --------
    >>> from labelvalue.forecast import EvaluationLabels
    >>> from labelvalue.testing import fake_fit
    >>> rule = {"west": {"minimum_evaluation": 2500}}
    >>> case = Case(costs={"price_per_label": 1}, value={"per_error_point": 1}, slices=rule)
    >>> evaluation_bought(fake_fit(seed=1), case, [EvaluationLabels(800, slices=("west", "east"))])
    {'east': 800, 'west': 800}
    """
    missing = {name: n for name, (_, n) in evaluation_missing(fit, case, done).items()}
    brought = evaluation_added(fit, done)
    every = {str(name): int(n) + missing.get(str(name), 0) for name, n in zip(fit.slices, brought.values, strict=True)}
    return {name: n for name, n in every.items() if n}


def evaluation_cost(fit: Fit, case: Case, done: Sequence[Intervention] = ()) -> xr.DataArray:
    """Draw what the missing evaluation labels cost, each at the price of a label of its slice.

    What ``EvaluationLabels`` among the interventions done bring is paid for there, and not here too.
    """
    missing = {name: n for name, (_, n) in evaluation_missing(fit, case, done).items() if n}
    if not missing:
        return xr.DataArray(0.0)
    price = slice_draws(fit, PRICE, case.costs.price_per_label)
    parts = [price.sel({names.SLICE: name}, drop=True) * n for name, n in missing.items()]
    return sum(parts[1:], parts[0])


def evaluation_notes(fit: Fit, case: Case, done: Sequence[Intervention] = ()) -> tuple[str, ...]:
    """Say which evaluation labels a plan must buy, and why.

    Parameters
    ----------
    fit : Fit
        Gives the evaluation sets.
    case : Case
        Gives rules and their reasons.
    done : sequence of Intervention
        What the plan does.

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
    brought = evaluation_added(fit, done)
    for name, (have, missing) in evaluation_missing(fit, case, done).items():
        limit, more = case.slices[name], int(brought.sel({names.SLICE: name}))
        reason = f" ({limit.reason})" if limit.reason else ""
        there = f"there are {have:,}" + (f" and {more:,} come with the plan's interventions" if more else "")
        if missing:
            asked = f"{there}, {limit.minimum_evaluation:,} are asked for{reason}"
            said.append(f"{missing:,} evaluation labels for {name} with any plan: {asked}")
    return tuple(said)


def labels_left(fit: Fit, case: Case, most: int) -> int:
    """Return how many labels are left for training, where those that rules ask for count among all.

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
    return most - sum(missing for _, missing in evaluation_missing(fit, case).values())
