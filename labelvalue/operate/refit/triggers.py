"""Triggers: what has happened since the last published fit that calls for another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from labelvalue import names
from labelvalue.operate.store.configuration import Triggers
from labelvalue.operate.store.records import Record

FIRED = "fired"


def evaluate(
    brought: Sequence[Mapping[str, Any]], rules: Triggers, published: Record | None, scores: Sequence[Record]
) -> list[dict[str, Any]]:
    """Look at what a published fit has not seen."""
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
    """Name what triggers are judged by beside the batches that stand, so that each can be judged again."""
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


OUTERMOST = 10  # samples so far out that counting them says little


def surprise_of(samples: np.ndarray, truth: np.ndarray) -> float:
    """Say how little a forecast expected what was measured.

    Shapes: ``samples`` (cell, sample), ``truth`` (cell,).
    """
    least = np.finfo(float).tiny
    logs, measured = np.log(np.maximum(samples, least)), np.log(np.maximum(truth, least))
    single = _two_sided(logs, measured)
    together = _two_sided(logs.mean(axis=0)[None], measured.mean()[None])
    return float(min(1.0, 2.0 * min(single.size * single.min(), together.min())))


def _two_sided(samples: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """p-value of each row; beyond the outermost samples from a normal distribution of their mean and spread."""
    below = ((samples < measured[:, None]).sum(axis=1) + 0.5) / (samples.shape[1] + 1.0)
    counted = 2.0 * np.minimum(below, 1.0 - below)
    spread = np.maximum(samples.std(axis=1), np.finfo(float).tiny)
    normal = 2.0 * scipy.special.ndtr(-np.abs(measured - samples.mean(axis=1)) / spread)
    return np.where(counted < OUTERMOST / samples.shape[1], np.minimum(normal, counted), counted)
