"""Wrong labels, injected at a stated share: which rows, and what they say instead."""

from __future__ import annotations

import dataclasses

import numpy as np

NOISE_KINDS = ("uniform", "class_conditional", "annotators")
ANNOTATORS = 5
"""Annotators of the kind ``annotators``; each labels a random fifth of the rows."""
SKILL_SPREAD = 1.0
"""Standard deviation of the log of how error-prone a class or an annotator is."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WrongLabels:
    """A wrong class per row (an index), and an order in which rows go wrong, those with smaller numbers first."""

    codes: np.ndarray
    order: np.ndarray


def draw_wrong_labels(
    codes: np.ndarray, classes: int, kind: str, process: np.random.Generator, rows: np.random.Generator
) -> WrongLabels:
    """Draw wrong labels for every row.

    ``uniform``: every row is equally likely to be wrong, and every other class equally likely to be said.
    ``class_conditional``: classes differ in how often they are mistaken, and each has classes that it is mistaken for.
    ``annotators``: as that, for each of five annotators, who also differ in how often they err.
    """
    workers = ANNOTATORS if kind == "annotators" else 1
    if kind == "uniform":
        weight = np.ones((workers, classes))
        confusion = np.ones((workers, classes, classes))
    else:
        weight = np.exp(process.normal(0.0, SKILL_SPREAD, (workers, classes)))
        weight *= np.exp(process.normal(0.0, SKILL_SPREAD, (workers, 1)))
        confusion = process.standard_exponential((workers, classes, classes))
    confusion[:, np.arange(classes), np.arange(classes)] = 0.0
    cumulative = np.cumsum(confusion, axis=2)
    cumulative /= cumulative[:, :, -1:]
    worker = rows.integers(workers, size=codes.size)
    said = (rows.random(codes.size)[:, None] >= cumulative[worker, codes]).sum(axis=1)
    # Exponential race: sorting by Exp(1) / weight draws without replacement by weight.
    order = rows.standard_exponential(codes.size) / weight[worker, codes]
    return WrongLabels(codes=said, order=order)


def choose_wrong(order: np.ndarray, ends: list[int], share: float) -> np.ndarray:
    """Return which rows of a growing training set are wrong (bool), ``round(share · size)`` of them at each size."""
    wrong = np.zeros(order.size, dtype=bool)
    start = 0
    for end in ends:
        more = round(share * end) - int(np.count_nonzero(wrong[:start]))
        step = np.argsort(order[start:end], kind="stable")[: max(more, 0)]
        wrong[start + step] = True
        start = end
    return wrong
