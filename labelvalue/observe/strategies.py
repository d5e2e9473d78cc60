"""Strategies: which rows of the pool to label next, given a model trained on those labelled so far."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from labelvalue.observe.learners import Trained, take

COMMITTEE = 5
"""Members of a committee, each trained on a bootstrap draw of the labels."""
ROUNDS = 16
"""Rounds in which a batch is spread over the features; within a round rows do not know of each other."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Query:
    """What a strategy may look at when it chooses.

    Parameters
    ----------
    trained : Trained or None
        Model trained on the labels so far; ``None`` where they are of one class.
    train : callable
        ``(rows, labels, seed) -> Trained``, for strategies that need models of their own.
    x : table
        Features of the whole pool, as the learner takes them.
    features : numpy.ndarray or sparse matrix
        The same as numbers of comparable scale.
    labelled, candidates : numpy.ndarray
        Rows of the pool that are labelled, and those that may be chosen.
    labels : numpy.ndarray
        Labels of the labelled rows, as they were given.
    classes : numpy.ndarray
        All classes, ascending; empty for numbers.
    count : int
        Rows to choose, at most as many as there are candidates.
    seed : int
        Seed of whatever is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> empty = np.zeros(0, dtype=int)
    >>> Query(trained=None, train=None, x=np.eye(3), features=np.eye(3), labelled=empty, candidates=np.arange(3),
    ...       labels=empty, classes=empty, count=1, seed=0).count
    1
    """

    trained: Trained | None
    train: Callable[[np.ndarray, np.ndarray, int], Trained]
    x: Any
    features: Any
    labelled: np.ndarray
    candidates: np.ndarray
    labels: np.ndarray
    classes: np.ndarray
    count: int
    seed: int


Strategy = Callable[[Query], np.ndarray]
"""From a query to ``count`` of its candidates."""


class StrategyError(RuntimeError):
    """A strategy that does not return what strategies must return."""


def choose_checked(strategy: Strategy, query: Query, name: str) -> np.ndarray:
    """Return the rows that the strategy chooses; at random where there is no model to ask."""
    rng = np.random.default_rng(query.seed)
    if query.trained is None:
        return rng.choice(query.candidates, query.count, replace=False)
    chosen = np.asarray(strategy(query))
    legal = chosen.shape == (query.count,) and np.unique(chosen).size == query.count
    if not legal or not np.isin(chosen, query.candidates).all():
        raise StrategyError(f"strategy {name!r} must return {query.count} different rows of query.candidates")
    return chosen


def _probabilities(query: Query) -> np.ndarray:
    if query.trained is None:
        raise RuntimeError("no model to ask")
    return query.trained.probabilities(take(query.x, query.candidates), query.classes)


def _highest(query: Query, score: np.ndarray) -> np.ndarray:
    """Return the candidates of highest score; equal scores are put in a random order."""
    rng = np.random.default_rng(query.seed)
    return query.candidates[np.lexsort((rng.random(score.size), -score))[: query.count]]


def uncertainty(query: Query) -> np.ndarray:
    """Choose where the likeliest class is least likely (Lewis and Gale 1994)."""
    return _highest(query, -_probabilities(query).max(axis=1))


def margin(query: Query) -> np.ndarray:
    """Choose where the two likeliest classes are closest (Scheffer et al. 2001)."""
    ordered = np.sort(_probabilities(query), axis=1)
    return _highest(query, ordered[:, -2] - ordered[:, -1])


def entropy(query: Query) -> np.ndarray:
    """Choose where the entropy of the classes is highest."""
    p = _probabilities(query)
    return _highest(query, -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1))


def committee(query: Query) -> np.ndarray:
    """Choose where five models, each of a bootstrap draw of the labels, disagree most (vote entropy)."""
    rng = np.random.default_rng(query.seed)
    votes = np.zeros((query.candidates.size, query.classes.size))
    x = take(query.x, query.candidates)
    for _ in range(COMMITTEE):
        drawn = rng.integers(query.labelled.size, size=query.labelled.size)
        if np.unique(query.labels[drawn]).size < 2:
            continue
        member = query.train(query.labelled[drawn], query.labels[drawn], int(rng.integers(2**32)))
        votes += member.predict(x)[:, None] == query.classes
    share = votes / COMMITTEE
    return _highest(query, -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1))


def diversity(query: Query) -> np.ndarray:
    """Choose rows far from those labelled, and from each other: k-means++ in rounds (Bahmani et al. 2012)."""
    from sklearn.metrics import pairwise_distances_argmin_min

    rng = np.random.default_rng(query.seed)
    rest = take(query.features, query.candidates)
    _, distance = pairwise_distances_argmin_min(rest, take(query.features, query.labelled))
    chosen = np.zeros(0, dtype=int)
    step = math.ceil(query.count / ROUNDS)
    while chosen.size < query.count:
        weight = distance**2
        weight[chosen] = 0.0
        count = min(step, query.count - chosen.size)
        far = np.flatnonzero(weight > 0)
        if far.size < count:  # what is left lies on rows that are labelled already
            free = np.setdiff1d(np.arange(weight.size), chosen)
            new = rng.choice(free, count, replace=False)
        else:
            new = rng.choice(weight.size, count, replace=False, p=weight / weight.sum())
        distance = np.minimum(distance, pairwise_distances_argmin_min(rest, take(rest, new))[1])
        chosen = np.concatenate([chosen, new])
    return query.candidates[chosen]


QUERIES: dict[str, Strategy] = {
    "uncertainty": uncertainty,
    "margin": margin,
    "entropy": entropy,
    "committee": committee,
    "diversity": diversity,
}
"""Strategies by name that ask a model, or look at features."""

ASK_PROBABILITIES = ("uncertainty", "margin", "entropy")
ASK_CLASSES = (*ASK_PROBABILITIES, "committee")


def fill_quotas(
    groups: np.ndarray, shares: np.ndarray, start: np.ndarray, sizes: list[int], rng: np.random.Generator
) -> np.ndarray:
    """Return an order of rows that begins with ``start`` and brings each group to its share, as far as the pool allows.

    Parameters
    ----------
    groups : numpy.ndarray
        Group of each row of the pool, as an index into ``shares``; −1 for rows of no group, which are never chosen.
    shares : numpy.ndarray
        Share of each group, summing to 1.
    start : numpy.ndarray
        Rows to begin with.
    sizes : list of int
        Ascending sizes; the order is as long as the largest, or as the groups last.
    rng : numpy.random.Generator
        Which rows of a group come first.

    Returns
    -------
    numpy.ndarray
        Positions in ``groups``.
    """
    free = np.setdiff1d(np.arange(groups.size), start)
    queues = [rng.permutation(free[groups[free] == g]) for g in range(shares.size)]
    order = [start]
    have = np.bincount(groups[start], minlength=shares.size) if start.size else np.zeros(shares.size, dtype=int)
    for size in sizes:
        while have.sum() < size and any(q.size for q in queues):
            left = np.array([q.size for q in queues])
            lack = np.where(left > 0, np.maximum(shares * size - have, 0.0), 0.0)
            lack = lack if lack.sum() > 0 else left.astype(float)
            need = size - int(have.sum())
            exact = np.minimum(lack * need / lack.sum(), left)
            counts = np.floor(exact + 1e-9).astype(int)
            if not counts.any():
                counts[np.argmax(exact)] = 1
            order += [q[:n] for q, n in zip(queues, counts, strict=True)]
            queues = [q[n:] for q, n in zip(queues, counts, strict=True)]
            have = have + counts
    return np.concatenate(order).astype(int)
