"""The value of waiting: deciding once it is known whether users' needs change, against deciding now."""

import contextlib
import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision, standard_error
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.value import MixChange
from labelvalue.decisions.measuring.information import TAIL
from labelvalue.decisions.outcomes.benefit import named_of, outcomes_of, side_by_side
from labelvalue.decisions.outcomes.errors import labels_left, plan_table
from labelvalue.decisions.search.allocation import find_plan
from labelvalue.decisions.search.listing import alternatives, errors_to_list, for_search
from labelvalue.decisions.search.optimise import NoPlanError
from labelvalue.forecast.gains.curves import draws
from labelvalue.quantities import UNIT_INTERVAL
from labelvalue.settings import Checks

MOST = 4  # uncertain changes of which every combination is looked at
MONTH = 30.0  # days by which a plan is put off where nothing says how long


def value_of_waiting(plan: Decision, *, days: float | None = None) -> pd.DataFrame:
    """Compare deciding now with waiting until dated changes have come or not, and deciding then.

    Who waits knows which changes came by that day and takes the plan that is best then; but gains come so many days
    later, and each of these days costs ``delay_per_day``. The same draws serve both. Plans that could be taken later
    are today's, its alternatives, and the best plan for each combination of changes, each with today's interventions
    and without any; deadlines are not asked again.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`: what would be done now. Its case has ``value.mix_changes`` with a
        probability below 1, and ``value.horizon_days``.
    days : float, optional
        Days to wait, > 0; until the last uncertain change by default.

    Returns
    -------
    pandas.DataFrame
        One row a combination of changes: ``comes`` in words, its ``probability``; expected net benefit ``now``, of
        today's plan, and ``later``, of the plan that is best then, whose ``labels`` are the total. Attributes:
        ``value`` of waiting (negative: decide now), its Monte Carlo error ``mcse`` and 90 % interval ``lower`` to
        ``upper``; ``days``; ``advice`` (``wait`` or ``decide now``); ``unit``.

    Raises
    ------
    InputError
        If no change is uncertain and known by then, there are more than four, or ``days`` is out of range.

    Examples
    --------
    >>> import labelvalue as lv
    >>> value = {"per_error_point": 4, "horizon_days": 700}
    >>> value["mix_changes"] = [{"after_days": 7, "factors": {"west": 50.0}, "probability": 0.4}]
    >>> fit, case = lv.testing.fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value=value)
    >>> table = value_of_waiting(lv.decide(fit, case, max_labels=500, measure=False))
    >>> table["comes"].tolist(), table.attrs["days"]
    (['nothing', 'west × 50 after 7 days'], 7.0)
    """
    return _later(plan, days)[0]


def _later(plan: Decision, days: float | None) -> tuple[pd.DataFrame, xr.Dataset]:
    """The table of :func:`value_of_waiting`, and the outcomes of waiting: what is best then, whatever has come."""
    fit, case = plan.fit, plan.case
    waited, known = _checked(case, days)
    combinations = list(itertools.product((False, True), repeat=len(known)))
    plans, few = alternatives(plan), for_search(fit)
    errors = errors_to_list(few, case, max(labels_left(fit, case, plan.max_labels), 1), plan.lot)
    asked: dict[str, Any] = {"max_spend": plan.max_spend, "lot": plan.lot, "near": plan.labels, "errors": errors}
    for place, comes in enumerate(combinations):
        with contextlib.suppress(NoPlanError):
            told = _told(case, known, comes)  # found with few draws, and valued with all of them
            made = find_plan(few, told, plan.max_labels, **asked)
            plans |= {f"best for {place}": dict(made.labels)} if made.total else {}
    table = plan_table(fit, case, plans | {names.RECOMMENDED: plan.labels})
    ways = [(), named_of(case, plan.interventions)] if plan.interventions else [()]
    net = [outcomes_of(fit, case, table, wait=waited, done=done)[names.NET_BENEFIT] for done in ways]
    later = xr.concat([one - one.sel({names.PLAN: names.NOTHING}, drop=True) for one in net], names.PLAN)
    total = np.tile(table.sum(names.SLICE), len(ways))
    today = plan.advantage() if plan.total or plan.interventions else later.isel({names.PLAN: 0}, drop=True) * 0.0
    luck = [draws(fit, _key(place), UNIT_INTERVAL) < case.value.mix_changes[place].probability for place in known]
    rows, gained, parts = [], np.full(today.shape, np.nan), list[tuple[xr.DataArray, xr.Dataset]]()
    for comes in combinations:
        here = np.ones(today.shape, dtype=bool)
        for drawn, came in zip(luck, comes, strict=True):
            here &= drawn.transpose(*names.SAMPLE).values == came
        share = float(here.mean())
        if not here.any():
            continue
        drawn = xr.DataArray(here, dims=names.SAMPLE)
        mean = later.where(drawn).mean(names.SAMPLE)
        best = int(mean.values.argmax())
        chosen = later.isel({names.PLAN: best}, drop=True).transpose(*names.SAMPLE).values
        gained[here] = (chosen - today.transpose(*names.SAMPLE).values)[here]
        figures = (float(today.values[here].mean()), float(mean[best]), int(total[best]))
        rows.append((_words(case, known, comes), share, *figures))
        way, place = divmod(best, table.sizes[names.PLAN])
        bought = table.isel({names.PLAN: [place]}).assign_coords({names.PLAN: [names.WAITING]})
        bought = xr.concat([table.sel({names.PLAN: [names.NOTHING]}), bought], names.PLAN)
        parts.append((drawn, outcomes_of(fit, case, bought, wait=waited, done=ways[way])))
    found = pd.DataFrame(rows, columns=["comes", names.PROBABILITY, "now", "later", names.LABELS])
    value, error = float(gained.mean()), float(gained.std(ddof=1) / np.sqrt(gained.size))
    found.attrs = {
        names.VALUE: value,
        names.MCSE: error,
        "lower": value - TAIL * error,
        "upper": value + TAIL * error,
        "days": waited,
        "advice": "wait" if value > TAIL * error else "decide now",
        names.UNIT: plan.outcomes.attrs[names.UNIT],
    }
    return found, _together(parts)


def _together(parts: Sequence[tuple[xr.DataArray, xr.Dataset]]) -> xr.Dataset:
    """Outcomes of which each holds in draws of its own; labels as they are expected."""
    made = parts[0][1]
    for here, one in parts[1:]:
        made = made.assign({name: xr.where(here, one[name], made[name]) for name in made.data_vars})
    for name in (names.LABELS, names.EVALUATION_LABELS):
        made[name] = made[name].mean([d for d in made[name].dims if d in names.SAMPLE]).round().astype(int)
    return made


def with_waiting(plan: Decision) -> Decision:
    """Put waiting among the candidates: until dated changes are known where the case has some, else by a month.

    Nothing is waited for where nothing is planned, and where days cost nothing that would be the plan once more.
    """
    fit, case = plan.fit, plan.case
    uncertain = [change for change in case.value.mix_changes if change.probability < 1]
    if 0 < len(uncertain) <= MOST:
        told, later = _later(plan, None)
        price = {key: told.attrs[key] for key in ("days", names.VALUE, names.MCSE)} | {"learnt": 1.0}
    elif plan.total == 0 and not plan.interventions:
        return plan
    elif case.value.horizon_days is None and case.costs.delay_per_day == 0:
        note = f"{names.WAITING} is no candidate of its own: by the case days cost nothing, so it is the plan once more"
        return dataclasses.replace(plan, notes=(*plan.notes, note))
    else:
        table = plan_table(fit, case, {names.WAITING: plan.labels})
        later = outcomes_of(fit, case, table, wait=MONTH, done=named_of(case, plan.interventions))
        net = later[names.NET_BENEFIT]
        lost = net.sel({names.PLAN: names.WAITING}) - net.sel({names.PLAN: names.NOTHING}) - plan.advantage()
        price = {"days": MONTH, names.VALUE: float(lost.mean()), names.MCSE: standard_error(lost), "learnt": 0.0}
    every = side_by_side([plan.outcomes, later.sel({names.PLAN: [names.WAITING]})])
    return dataclasses.replace(plan, waiting=price, outcomes=every)


def _checked(case: Case, days: float | None) -> tuple[float, list[int]]:
    """Days to wait, and the places of the changes that are known by then."""
    checks, changes = Checks(), case.value.mix_changes
    open_ = [place for place, change in enumerate(changes) if change.probability < 1]
    if days is not None:
        checks.number("days", days, above=True)
    if checks.problems:
        checks.finish()
    waited = float(max((changes[place].after_days for place in open_), default=0.0) if days is None else days)
    known = [place for place in open_ if changes[place].after_days <= waited]
    if not known:
        why = f"no change with a probability below 1 is known after {waited:g} days, so nothing is learnt by waiting"
        checks.wrong("value.mix_changes", why, "state dated changes with their probabilities, or wait longer")
    if len(known) > MOST:
        why = f"{len(known)} uncertain changes, whose combinations are too many"
        checks.wrong("value.mix_changes", why, f"state the {MOST} that matter most")
    checks.finish()
    return waited, known


def _key(place: int) -> str:
    """The key under which :func:`labelvalue.decisions.case.value.worth` draws whether a change comes."""
    return f"value.mix_changes[{place}]"


def _told(case: Case, known: Sequence[int], comes: Sequence[bool]) -> Case:
    """The case once it is known which changes come: certain, or without effect."""
    changes = list(case.value.mix_changes)
    for place, came in zip(known, comes, strict=True):
        factors = changes[place].factors if came else {}
        changes[place] = replace(changes[place], probability=1.0, factors=factors)
    return replace(case, value=replace(case.value, mix_changes=tuple(changes)))


def _words(case: Case, known: Sequence[int], comes: Sequence[bool]) -> str:
    came = [case.value.mix_changes[place] for place, one in zip(known, comes, strict=True) if one]
    return "; ".join(change_words(one) for one in came) or "nothing"


def change_words(change: MixChange) -> str:
    """Say what a dated change makes of which slices' worth, and when."""
    factors = ", ".join(f"{name} × {factor:g}" for name, factor in change.factors.items())
    return f"{factors} after {change.after_days:g} days{f' ({change.reason})' if change.reason else ''}"
