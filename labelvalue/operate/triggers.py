"""Triggers: what has happened since the last published fit that calls for another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.operate.configuration import Triggers
from labelvalue.operate.records import Record

FIRED = "fired"


def evaluate(
    runs: xr.Dataset, rules: Triggers, published: Record | None, scores: Sequence[Record]
) -> list[dict[str, Any]]:
    """Look at what a published fit has not seen.

    Parameters
    ----------
    runs : xarray.Dataset
        All batches that stand.
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
    >>> from labelvalue.testing import fake_runs
    >>> [found["fired"] for found in evaluate(fake_runs(seed=1), Triggers(), None, [])]
    [True, False, False]
    """
    before: Mapping[str, Any] = {} if published is None else published.content
    labels = new_labels(runs, before.get(names.LABELS_NOW, {}))
    surprise = min((record.content["surprise"] for record in scores), default=1.0)
    known = before.get("learners")
    learners = [] if known is None else sorted({*runs[names.LEARNER].values.tolist()} - {*known})
    return [
        {"trigger": "new_labels", FIRED: labels >= rules.new_labels, "value": labels, "limit": rules.new_labels},
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


def new_labels(runs: xr.Dataset, before: Mapping[str, int]) -> int:
    """Return the labels that slices have more than ``before``, each at its largest size."""
    largest = runs[[names.SLICE, names.LABELS]].to_dataframe().groupby(names.SLICE)[names.LABELS].max()
    return int(sum(max(0, count - before.get(str(name), 0)) for name, count in largest.items()))
