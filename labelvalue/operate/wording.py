"""A re-fit in words, for logs: plain lines, the most important first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from labelvalue import names
from labelvalue.operate.scorecard import FACTOR, LEAST

if TYPE_CHECKING:
    from labelvalue.operate.refitting import Refit


def refit_lines(result: Refit) -> Iterator[str]:
    """Yield what a re-fit came to, line by line."""
    yield f"{'new fit' if result.new else 'up to date:'} {result.fit}, verdict {result.verdict}"
    yield from (f"  {reason}" for reason in result.reasons)
    if result.published != result.fit:
        yield f"not published; published stays {result.published or 'nothing'}"
    if result.reproduced is not None:
        yield f"made again: draws {'the same' if result.reproduced else 'differ'}"
    yield from (f"trigger {found['trigger']}: {found['value']}" for found in result.triggers if found["fired"])
    yield from map(_rule, result.guardrails)
    yield _calibration(result.calibration)
    yield from result.notes
    if result.page is not None:
        yield result.page


def _rule(rule: Mapping[str, Any]) -> str:
    where = f" of {rule[names.SLICE]!r}" if names.SLICE in rule else ""
    needed = rule["labels_to_decide"]
    more = "; no number of labels in reach would decide it" if needed is None else f"; {needed} labels would decide it"
    decided = rule["state"] != "INCONCLUSIVE"
    return f"guardrail {rule['rule']}{where}: {rule['state']} (limit {rule['limit']:g}){'' if decided else more}"


def _calibration(found: Mapping[str, Any]) -> str:
    count = found[names.FORECASTS]
    if not count:
        return "scorecard: no forecast scored yet"
    held = f"{found[names.COVERS_90]:.0%} of {count} forecasts in their 90 % interval"
    if count < LEAST:
        return f"scorecard: {held}; widths are adjusted from {LEAST} on"
    return f"scorecard: {held}; widths times {found[FACTOR]:.2f}"
