"""The project over time: what was spent and what came of it, and what each advice was worth for its money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.operate.advice import CASE_TEXT
from labelvalue.operate.records import Record
from labelvalue.operate.scorecard import DELIVERED, PROMISED
from labelvalue.reading import parse_toml

RECENT = 3
"""Batches or pieces of advice in a row that must fall short before that is called stagnation."""
TOTALS = (names.LABELS, names.COST, PROMISED, DELIVERED)
PRICES = "costs"
"""Part of a case that says what things cost; all other parts say what is wanted."""
PER_MONEY = "per_money"
"""Expected net benefit of an advice over its expected cost."""


def batches_over_time(table: pd.DataFrame, records: Sequence[Record]) -> list[dict[str, Any]]:
    """Sum up money, labels and gains batch by batch, and all up to each.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`labelvalue.operate.assets.assets`.
    records : sequence of Record
        The ledger's, for the times.

    Returns
    -------
    list of dict
        One a batch, in the order of arrival: ``batch``, ``time``, ``labels``, ``cost``, gains ``promised`` and
        ``delivered`` summed over slices, and of each the sum so far (``labels_so_far`` and so on); ``None`` where
        nothing is known.

    Examples
    --------
    >>> batches_over_time(pd.DataFrame(columns=["batch", *TOTALS]), [])
    []
    """
    arrived: dict[str, str] = {}
    for record in records:
        if record.kind == "batch":
            arrived[record.content[names.BATCH]] = record.time
    sums = table.groupby(names.BATCH, sort=False)[list(TOTALS)].sum(min_count=1)
    so_far = sums.fillna(0.0).cumsum().where(sums.notna().cummax())
    made = []
    for name, own, all_of_them in zip(sums.index, sums.to_dict("records"), so_far.to_dict("records"), strict=True):
        totals = {key: _known(own[key]) for key in TOTALS}
        totals |= {f"{key}_so_far": _known(all_of_them[key]) for key in TOTALS}
        made.append({names.BATCH: str(name), "time": arrived.get(str(name), ""), **totals})
    return made


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def advice_over_time(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Lay out what each advice was expected to bring for its money.

    Parameters
    ----------
    records : sequence of Record
        The ledger's.

    Returns
    -------
    list of dict
        One an advice that makes a plan: ``number`` of its record, ``time``, ``advice``, ``labels``, expected ``cost``
        and ``net_benefit``, their ``unit``, and ``per_money``: net benefit over cost, ``None`` where nothing is spent.

    Examples
    --------
    >>> advice_over_time([])
    []
    """
    made = []
    for record in records:
        content = record.content
        if record.kind != "advice" or names.COST not in content:
            continue
        cost, net = content[names.COST]["mean"], content[names.NET_BENEFIT]["mean"]
        about = {"number": record.number, "time": record.time, "advice": content["advice"]}
        money = {names.COST: cost, names.NET_BENEFIT: net, names.UNIT: content[names.UNIT]}
        made.append({**about, names.LABELS: content["total"], **money, PER_MONEY: per_money(content)})
    return made


def per_money(content: Mapping[str, Any]) -> float | None:
    """Return the expected net benefit per unit of money of an advice.

    Parameters
    ----------
    content : mapping
        Of its record.

    Returns
    -------
    float or None
        ``None`` where there is no plan, or it costs nothing.

    Examples
    --------
    >>> per_money({"cost": {"mean": 50.0}, "net_benefit": {"mean": 200.0}})
    4.0
    """
    cost = content.get(names.COST, {}).get("mean", 0.0)
    return content[names.NET_BENEFIT]["mean"] / cost if cost > 0 else None


def less_for_money(records: Sequence[Record]) -> list[str]:
    """Say so where the net benefit per unit of money has fallen at each of the last pieces of advice.

    Parameters
    ----------
    records : sequence of Record
        The ledger's.

    Returns
    -------
    list of str
        At most one sentence.

    Examples
    --------
    >>> less_for_money([])
    []
    """
    rates = [row[PER_MONEY] for row in advice_over_time(records) if row[PER_MONEY] is not None][-RECENT - 1 :]
    if len(rates) <= RECENT or not all(a > b for a, b in pairwise(rates)):
        return []
    said = ", ".join(f"{rate:.3g}" for rate in rates)
    return [f"stagnation: expected net benefit per unit of money fell {RECENT} times in a row: {said}"]


def goal_drift(records: Sequence[Record]) -> list[str]:
    """Say so where the case wants something else than it did for the advice before the last.

    Parameters
    ----------
    records : sequence of Record
        The ledger's.

    Returns
    -------
    list of str
        At most one sentence.

    Examples
    --------
    >>> goal_drift([])
    []
    """
    made = [record for record in records if record.kind == "advice"]
    if len(made) < 2:
        return []
    old, new = (parse_toml(record.content[CASE_TEXT]) for record in made[-2:])
    changed = sorted(key for key in {*old, *new} - {PRICES, "name", "approvals"} if old.get(key) != new.get(key))
    if not changed:
        return []
    return [f"goal drift: the case wants something else than at record {made[-2].number}: {', '.join(changed)}"]
