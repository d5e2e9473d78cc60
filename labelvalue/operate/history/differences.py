"""What differs between two pieces of advice, in sentences; why it differs is `labelvalue explain`'s to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labelvalue import names
from labelvalue.numerals import estimated
from labelvalue.operate.refit import advice


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what differs from the advice before: inputs first, then the decision, then every slice, most moved first."""
    return (*_inputs(before, after), *_decision(before, after), *_slices(before, after))


def _inputs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if before["fit"] != after["fit"]:
        yield f"fit: {after['fit']} instead of {before['fit']}"
    if before[advice.CASE_SHA] != after[advice.CASE_SHA]:
        yield "the case was edited"
    old, new = (told.get("settings", {}).get(advice.WIDTH, 1.0) for told in (before, after))
    if old != new:
        yield f"intervals: × {new:.2f} by the scorecard, × {old:.2f} before"


def _decision(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
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
    old, new = (told[advice.PLAN] for told in (before, after))
    moved = {name: (old.get(name, 0), new.get(name, 0)) for name in dict.fromkeys([*new, *old])}
    for name, (was, now) in sorted(moved.items(), key=lambda item: (-abs(item[1][1] - item[1][0]), item[0])):
        if was != now:
            yield f"labels of {name}: from {was:,} to {now:,}"
