"""Triggers: what has happened since the last published fit that calls for another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelvalue import names
from labelvalue.operate.configuration import Triggers
from labelvalue.operate.records import Record

FIRED = "fired"


def evaluate(
    brought: Sequence[Mapping[str, Any]], rules: Triggers, published: Record | None, scores: Sequence[Record]
) -> list[dict[str, Any]]:
    """Look at what a published fit has not seen.

    Parameters
    ----------
    brought : sequence of mapping
        Of each batch that stands and that the fit has not seen, the largest ``labels`` by slice and the ``learners``.
    rules : Triggers
        When to fire.
    published : Record or None
        Record of the published fit; without one, everything is new.
    scores : sequence of Record
        Scores recorded since.

    Returns
    -------
    list of dict
        ``trigger`` (``new_labels``, ``surprise``, ``new_learner``), ``fired``, and what it was judged by.

    Examples
    --------
    >>> found = evaluate([{"labels": {"west": 500}, "learners": ["default"]}], Triggers(), None, [])
    >>> [trigger["fired"] for trigger in found]
    [True, False, False]
    """
    before: Mapping[str, Any] = {} if published is None else published.content
    labels = sum(new_labels(brought, before.get(names.LABELS_NOW, {})).values())
    surprise = min((record.content["surprise"] for record in scores), default=1.0)
    known = before.get("learners")
    learners = [] if known is None else sorted({name for one in brought for name in one["learners"]} - {*known})
    return [
        {
            "trigger": "new_labels",
            FIRED: bool(brought) and labels >= rules.new_labels,
            "value": labels,
            "limit": rules.new_labels,
        },
        {"trigger": "surprise", FIRED: surprise < rules.surprise, "value": surprise, "limit": rules.surprise},
        {"trigger": "new_learner", FIRED: bool(learners), "value": learners},
    ]


def inputs_of(published: Record | None, scores: Sequence[Record], factor: float, case: str | None) -> dict[str, Any]:
    """Name what triggers are judged by beside the batches that stand, so that each can be judged again.

    Parameters
    ----------
    published : Record or None
        Record of the published fit.
    scores : sequence of Record
        Scores recorded since.
    factor : float
        By which the scorecard widens what is uncertain.
    case : str or None
        SHA-256 of the case.

    Returns
    -------
    dict
        ``fit`` and ``fit_record`` of the published fit, ``scored`` (content of each scored batch since), ``factor``,
        ``case_sha256``; ``None`` for what there is not. Limits stand with each trigger.

    Examples
    --------
    >>> inputs_of(None, [], 1.0, None)
    {'fit': None, 'fit_record': None, 'scored': [], 'factor': 1.0, 'case_sha256': None}
    """
    return {
        "fit": None if published is None else published.content["fit"],
        "fit_record": None if published is None else published.number,
        "scored": [record.content["content"] for record in scores],
        "factor": factor,
        "case_sha256": case,
    }


def new_labels(brought: Sequence[Mapping[str, Any]], before: Mapping[str, int]) -> dict[str, int]:
    """Return by slice the labels that it has more than ``before``, each at its largest size."""
    most: dict[str, int] = {}
    for one in brought:
        for name, count in one[names.LABELS].items():
            most[name] = max(count, most.get(name, 0))
    return {name: max(0, count - before.get(name, 0)) for name, count in most.items()}
