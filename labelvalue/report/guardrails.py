"""A project's own guardrails as people read them: which say stop, which are undecided, and by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labelvalue import names
from labelvalue.numerals import significant
from labelvalue.report.wording import likely


def guardrail_numbers(rules: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Say how the guardrails of a project stand.

    Parameters
    ----------
    rules : sequence of mapping
        As a re-fit records them: ``rule``, ``state``, ``limit`` and what it was judged by.

    Returns
    -------
    dict or None
        ``state`` of all together, a ``sentence``, and ``rows``, each with its ``state`` and the rule in ``words``; None
        where there are none.

    Examples
    --------
    >>> spent = {"rule": "maximum_spend", "state": "STOP", "limit": 400.0, "spent": 645.3, "labels_to_decide": 0}
    >>> guardrail_numbers([spent])["sentence"]
    "The project's guardrails say stop: batches may cost 400 in all, and 645 is spent."
    """
    if not rules:
        return None
    rows = [{"state": rule["state"], "words": _words(rule)} for rule in rules]
    for state, lead in ((names.STOP, "say stop"), (names.INCONCLUSIVE, "are undecided")):
        found = [row["words"] for row in rows if row["state"] == state]
        if found:
            return {"state": state, "sentence": f"The project's guardrails {lead}: {'; '.join(found)}.", "rows": rows}
    count = f"All {len(rows)} guardrails of the project are" if len(rows) > 1 else "The project's guardrail is"
    return {"state": names.PASS, "sentence": f"{count} kept.", "rows": rows}


def _words(rule: Mapping[str, Any]) -> str:
    """One rule, what it was judged by, and where it is undecided what would decide it."""
    said = WORDS[rule["rule"]](rule)
    if rule["state"] != names.INCONCLUSIVE or rule["rule"] == "maximum_spend":
        return said
    needed = rule["labels_to_decide"]
    more = "no number of labels in reach would decide it" if needed is None else f"{needed:,} labels would decide it"
    return f"{said} ({more})"


def _least_gain(rule: Mapping[str, Any]) -> str:
    best = max(rule["curves"], key=lambda curve: curve["probability"])
    return (
        f"the next {rule['batch_labels']:,} labels of some slice must bring {significant(rule['limit'])} per 1,000 "
        f"with probability {rule['needed_probability']:g}, and those of {best[names.SLICE]!r}, the likeliest, do with "
        f"probability {likely(best['probability'])}"
    )


def _error_limit(rule: Mapping[str, Any]) -> str:
    return (
        f"after {rule['batch_labels']:,} more labels the error of {rule[names.SLICE]!r} must be at most "
        f"{significant(rule['limit'])} with probability {rule['needed_probability']:g}, and is with probability "
        f"{likely(rule['probability'])}"
    )


def _most_labels(rule: Mapping[str, Any]) -> str:
    return f"all slices together may have {rule['limit']:,} labels, and have {rule[names.LABELS]:,}"


def _most_money(rule: Mapping[str, Any]) -> str:
    spent = "what was spent is not known" if rule["spent"] is None else f"{significant(rule['spent'])} is spent"
    return f"batches may cost {significant(rule['limit'])} in all, and {spent}"


WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "minimum_gain_per_1000": _least_gain,
    "maximum_labels": _most_labels,
    "maximum_spend": _most_money,
    "error_limit": _error_limit,
}
"""What is said of each rule that a project can have."""
