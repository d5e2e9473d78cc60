"""A project over time: money, labels and gains batch by batch, how forecasts did, what was advised and changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.numerals import estimated
from labelvalue.operate.history.scorecard import CELLS, DELIVERED, PROMISED, SURPRISE
from labelvalue.operate.refit.advice import CASE_SHA, CASE_TEXT, PLAN, WIDTH
from labelvalue.operate.store.current_batches import current_batches
from labelvalue.operate.store.records import Record
from labelvalue.reading import parse_toml
from labelvalue.report.numbers.tables import INNER_LOWER, INNER_UPPER, LOWER, UPPER

KINDS = ("batch", "score", "advice", "forecast", "fit", "check")  # kinds of records that tell of a project over time
FORECAST, LIMIT = "forecast", "surprise_limit"
RECENT = 3  # batches or pieces of advice in a row that must fall short before that is called stagnation
TOTALS = (names.LABELS, names.COST, PROMISED, DELIVERED)
PRICES = "costs"  # part of a case that says what things cost; all other parts say what is wanted
PER_MONEY = "per_money"  # expected net benefit of an advice over its expected cost


def batches_over_time(table: pd.DataFrame, records: Sequence[Record]) -> list[dict[str, Any]]:
    """Sum up money, labels and gains batch by batch and all up to each, with how its forecast did and what was advised.

    ``forecast`` holds means over the curves that were forecast, ``None`` where none was.
    """
    arrived = {record.content[names.BATCH]: record for record in records if record.kind == "batch"}
    forecasts = _forecasts(records)
    contents = {batch.name: batch.content for batch in current_batches(records)}
    sums = table.groupby(names.BATCH, sort=False)[list(TOTALS)].sum(min_count=1)
    so_far = sums.fillna(0.0).cumsum().where(sums.notna().cummax())
    advised = [row[names.UNIT] for row in advice_over_time(records)]
    made = []
    for name, own, all_of_them in zip(sums.index, sums.to_dict("records"), so_far.to_dict("records"), strict=True):
        totals = {key: _known(own[key]) for key in TOTALS}
        totals |= {f"{key}_so_far": _known(all_of_them[key]) for key in TOTALS}
        told = {FORECAST: forecasts.get(contents[name]), names.UNIT: advised[-1] if advised else ""}
        about = {names.BATCH: str(name), "time": arrived[name].time}
        made.append({**about, **totals, **told, **_judged(arrived[name].number, records)})
    return made


def _forecasts(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """How the forecast of each batch did, by the digest of its runs.

    The band of the promised gain is that of the mean over curves: draws of one fit move together.
    """
    frozen = {
        r.content["content"]: r.content[CELLS] for r in records if r.kind == "forecast" and "content" in r.content
    }
    found: dict[str, dict[str, Any]] = {}
    scored: Mapping[str, Any] | None = None
    for record in records:
        content = record.content
        if record.kind == "score":
            scored, cells = content, pd.DataFrame(content[CELLS])
            columns = (PROMISED, DELIVERED, names.BIAS, names.WIDTH, names.COVERS_90)
            told = {name: float(cells[name].mean()) for name in columns if name in cells}
            told |= {names.FORECASTS: len(cells), SURPRISE: content[SURPRISE]}
            if PROMISED in told and content["content"] in frozen:
                drawn = np.mean([cell["draws"] for cell in frozen[content["content"]]], axis=0)
                spread = float(np.sqrt((cells[names.TRUTH_STDERR] ** 2).sum())) / len(cells)  # of what is measured
                drawn = drawn + spread * np.random.default_rng(record.number).standard_normal(drawn.size)
                ends = np.quantile(drawn, (0.95, 0.75, 0.25, 0.05))
                shown = zip((LOWER, INNER_LOWER, INNER_UPPER, UPPER), ends, strict=True)
                told |= {end: float(told[PROMISED] + drawn.mean() - at) for end, at in shown}
            found[content["content"]] = told
        elif record.kind == "check" and content["of"] == "triggers" and scored is not None:
            limits = [rule.get("limit") for rule in content["triggers"] if rule["trigger"] == SURPRISE]
            found[scored["content"]][LIMIT] = limits[0] if limits else None
            scored = None
    return found


def _judged(number: int, records: Sequence[Record]) -> dict[str, Any]:
    """The last verdict on a fit, and the last advice, after a batch and before the next one."""
    later = [record.number for record in records if record.kind == "batch" and record.number > number]
    end = min(later, default=float("inf"))
    told = {r.kind: r.content for r in records if number < r.number < end}
    verdict = told["fit"]["verdict"] if "fit" in told else None
    return {"verdict": verdict, "advice": told.get("advice", {}).get("advice")}


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def advice_over_time(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Lay out what each advice was expected to bring for its money."""
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
    """Return the expected net benefit per unit of money of an advice."""
    cost = content.get(names.COST, {}).get("mean", 0.0)
    return content[names.NET_BENEFIT]["mean"] / cost if cost > 0 else None


def less_for_money(records: Sequence[Record]) -> list[str]:
    """Say so where the net benefit per unit of money has fallen at each of the last pieces of advice."""
    rates = [row[PER_MONEY] for row in advice_over_time(records) if row[PER_MONEY] is not None][-RECENT - 1 :]
    if len(rates) <= RECENT or not all(a > b for a, b in pairwise(rates)):
        return []
    said = ", ".join(f"{rate:.3g}" for rate in rates)
    return [f"stagnation: expected net benefit per unit of money fell {RECENT} times in a row: {said}"]


def goal_drift(records: Sequence[Record]) -> list[str]:
    """Say so where the case wants something else than it did for the advice before the last."""
    made = [record for record in records if record.kind == "advice"]
    if len(made) < 2:
        return []
    old, new = (parse_toml(record.content[CASE_TEXT]) for record in made[-2:])
    changed = sorted(key for key in {*old, *new} - {PRICES, "name", "approvals"} if old.get(key) != new.get(key))
    if not changed:
        return []
    return [f"goal drift: the case wants something else than at record {made[-2].number}: {', '.join(changed)}"]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what differs from the advice before: inputs first, then the decision, then every slice, most moved first."""
    return (*_inputs(before, after), *_decided(before, after), *_slices(before, after))


def _inputs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if before["fit"] != after["fit"]:
        yield f"fit: {after['fit']} instead of {before['fit']}"
    if before[CASE_SHA] != after[CASE_SHA]:
        yield "the case was edited"
    old, new = (told.get("settings", {}).get(WIDTH, 1.0) for told in (before, after))
    if old != new:
        yield f"intervals: × {new:.2f} by the scorecard, × {old:.2f} before"


def _decided(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if before["advice"] != after["advice"]:
        yield f"advice: from {before['advice']} to {after['advice']}"
    for name, said in ((names.NET_BENEFIT, "expected net benefit"), (names.COST, "expected cost")):
        if name not in before or name not in after:
            continue
        old, new = (
            f"{estimated(told[name]['mean'], told[name].get(names.MCSE))} {told[names.UNIT]}"
            for told in (before, after)
        )
        if old != new:
            yield f"{said}: from {old} to {new}"


def _slices(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = (told[PLAN] for told in (before, after))
    moved = {name: (old.get(name, 0), new.get(name, 0)) for name in dict.fromkeys([*new, *old])}
    for name, (was, now) in sorted(moved.items(), key=lambda item: (-abs(item[1][1] - item[1][0]), item[0])):
        if was != now:
            yield f"labels of {name}: from {was:,} to {now:,}"
