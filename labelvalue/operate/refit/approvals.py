"""Approvals that a case asks for, against the decisions that the ledger holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelvalue import names
from labelvalue.decisions.advice.decision import BUY, QUALITY
from labelvalue.decisions.case.case_file import parse_case
from labelvalue.operate.refit.advice import CASE_TEXT
from labelvalue.operate.store.records import Record

GIVEN = "given"
"""Number of the decision by which an approval was given; ``None`` while it is missing."""


def approvals(content: Mapping[str, Any], number: int, decisions: Sequence[Record]) -> list[dict[str, Any]]:
    """List the approvals that an advice needs before it is carried out, and by which decision each was given.

    An approval is given where its approver decided what was advised, on this very advice; a later decision of theirs
    counts in its place.
    """
    if content["advice"] not in (BUY, QUALITY):
        return []
    cost = float(content[names.COST]["mean"])
    said = [record for record in decisions if record.content.get("advice_record") == number]
    found = []
    for one in parse_case(content[CASE_TEXT], file="case").approvals_needed(cost):
        own = [r for r in said if _same(r.content["approver"], one.approver)]
        agreed = bool(own) and _same(own[-1].content["verdict"], content["advice"])
        about = {"approver": one.approver, "above": one.above, "reason": one.reason}
        money = {names.COST: cost, names.UNIT: content[names.UNIT]}
        found.append({**about, **money, GIVEN: own[-1].number if agreed else None})
    return found


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
