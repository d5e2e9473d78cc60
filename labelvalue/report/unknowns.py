"""Where uncertainty is highest, in sentences: what knowing more is worth, and what it would move in the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelvalue import names
from labelvalue.numerals import estimated, significant
from labelvalue.report.wording import spoken

NAMED = 2
"""Slices that a sentence names of those that get more labels, and of those that get fewer."""


def information_text(plan: Mapping[str, Any]) -> str:
    """Say what knowing everything, and knowing the input that matters most, would be worth.

    Parameters
    ----------
    plan : mapping
        From :func:`labelvalue.report.planning.decision_numbers`.

    Returns
    -------
    str
        Sentences.

    Examples
    --------
    >>> information_text({"unit": "USD", "information": {"rows": [], "evpi": 0.0}})
    'Nothing that the net benefit depends on is uncertain.'
    """
    rows, unit = plan["information"]["rows"], plan[names.UNIT]
    evpi = plan["information"][names.EVPI]
    if not rows:
        return "Nothing that the net benefit depends on is uncertain."
    if evpi <= 0:
        return "Nothing that could be learnt would change the plan: the same one is best in every draw."
    first, known = rows[0], estimated(evpi, plan["information"].get(names.MCSE))
    if first[names.EVPPI] <= 0:
        return (
            f"Knowing everything exactly would be worth {known} {unit} (EVPI), but no single input would "
            "change the plan."
        )
    return (
        f"Knowing everything exactly before deciding would be worth {known} {unit} (EVPI). Of single "
        f"inputs, {spoken(first['input'])} matters most: knowing it would be worth "
        f"{_evppi(first)} {unit}, and another plan would then be best with probability "
        f"{first['changes']:.2f}. No measurement of it may cost more."
    )


def uncertainty_text(plan: Mapping[str, Any]) -> str:
    """Say where uncertainty is highest, in money, and how resolving it would move the budget.

    Parameters
    ----------
    plan : mapping
        From :func:`labelvalue.report.planning.decision_numbers`.

    Returns
    -------
    str
        Sentences; empty where nothing that could be learnt about a single input would change the plan.

    Examples
    --------
    >>> moves = {"low": {"plan": "a", "labels": 900, "cost": 45.0}, "high": {"plan": "b", "labels": 900, "cost": 45.0}}
    >>> row = {"input": "gain of west", "evppi": 12.0, "changes": 0.25, "moves": moves, "instead": "b"}
    >>> plans = {"a": {"west": {"labels": 900, "cost": 45.0}}, "b": {"east": {"labels": 900, "cost": 45.0}}}
    >>> print(uncertainty_text({"unit": "USD", "information": {"rows": [row], "plans": plans}}))
    gain of west. Knowing it exactly before deciding would be worth 12.0 USD and make another plan best with
    probability 0.25. Be it low or high, the best of the plans compared buys 900 labels; where it is high, 900 more of
    them go to east (45.0 USD) and 900 fewer to west (45.0 USD).
    """
    unit = plan[names.UNIT]
    rows = [row for row in plan["information"]["rows"] if row[names.EVPPI] > 0]
    if not rows:
        return ""
    first = rows[0]
    said = [
        f"{spoken(first['input'])}. Knowing it exactly before deciding would be worth "
        f"{_evppi(first)} {unit} and make another plan best with probability {first['changes']:.2f}."
    ]
    if first["moves"] is not None:
        said.append(_moves(first, plan["information"]["plans"], unit))
    others = [f"{spoken(row['input'])} ({_evppi(row)} {unit})" for row in rows[1:3]]
    if others:
        said.append(f"Next: {' and '.join(others)}.")
    return " ".join(said)


def _evppi(row: Mapping[str, Any]) -> str:
    return estimated(row[names.EVPPI], row.get(names.MCSE))


def _moves(row: Mapping[str, Any], plans: Mapping[str, Mapping[str, Any]], unit: str) -> str:
    """What is bought where the input is low and where it is high; where the total stays, what moves within it."""
    low, high = row["moves"]["low"], row["moves"]["high"]
    if low[names.LABELS] != high[names.LABELS]:
        return (
            f"Where it is lowest, in a tenth of the draws, the best of the plans compared buys {_purchase(low, unit)}; "
            f"where it is highest, {_purchase(high, unit)}."
        )
    bought = f"{low[names.LABELS]:,} labels" if low[names.LABELS] else "nothing"
    lead = f"Be it low or high, the best of the plans compared buys {bought}"
    where, to = "where it is high", high[names.PLAN]
    if low[names.PLAN] == high[names.PLAN]:
        where, to = "where another plan is best", row["instead"]
    if not to or to == low[names.PLAN]:
        return f"{lead}."
    other = {key: sum(one[key] for one in plans[to].values()) for key in (names.LABELS, names.COST)}
    if other[names.LABELS] != low[names.LABELS]:
        return f"{lead}; {where}, it is {_purchase(other, unit)}."
    return f"{lead}; {where}, {_shift(plans[low[names.PLAN]], plans[to], unit)}."


def _shift(before: Mapping[str, Any], after: Mapping[str, Any], unit: str) -> str:
    """Which slices get more or fewer labels, and what these labels cost."""
    none = {names.LABELS: 0, names.COST: 0.0}
    rows = []
    for name in sorted({*before, *after}):
        old, new = before.get(name, none), after.get(name, none)
        rows.append((name, new[names.LABELS] - old[names.LABELS], new[names.COST] - old[names.COST]))
    said: list[str] = []
    for sign, word in ((1, "more"), (-1, "fewer")):
        moved = sorted((row for row in rows if row[1] * sign > 0), key=lambda row: -abs(row[1]))
        rest = moved[NAMED:]
        if len(rest) > 1:
            others = f"{len(rest)} other slices"
            moved = [*moved[:NAMED], (others, sum(row[1] for row in rest), sum(row[2] for row in rest))]
        for name, labels, cost in moved:
            of_them = f" {word}{' of them go' if not said else ''}" if name == moved[0][0] else ""
            said.append(f"{abs(labels):,}{of_them} to {name} ({significant(abs(cost))} {unit})")
    return f"{', '.join(said[:-1])} and {said[-1]}" if len(said) > 1 else said[0]


def _purchase(move: Mapping[str, Any], unit: str) -> str:
    if not move[names.LABELS]:
        return "nothing"
    return f"{move[names.LABELS]:,} labels for {significant(move[names.COST])} {unit}"
