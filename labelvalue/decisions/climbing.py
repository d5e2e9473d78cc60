"""Labels moved step by step where their worth is only known plan by plan, as it is beside interventions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEPS = 4
"""The first step is the labels allowed over this."""
FINEST = 64
"""The last step is the labels allowed over this, or one lot."""
KEPT = 3
"""Slices that labels are moved to, and from, at once: those where one step alone does best."""
MOVES = 60


def climb(
    start: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    allows: Callable[[np.ndarray], bool],
    *,
    low: np.ndarray,
    high: np.ndarray,
    most: int,
    lot: int = 1,
) -> np.ndarray:
    """Move labels between slices, buy more or fewer, in steps of falling size, as long as the score rises.

    Parameters
    ----------
    start : array of int, shape (slice,)
        Where to begin; multiples of ``lot`` within the limits.
    score : callable
        Score of each of several plans, shape (plan, slice) to shape (plan,), whether or not a plan is allowed.
    allows : callable
        Whether one plan, shape (slice,), keeps what else must be kept; asked only where its score is better.
    low, high : array of int, shape (slice,)
        Fewest and most labels of each slice.
    most : int
        Most labels in all.
    lot : int
        Labels are bought in multiples of it.

    Returns
    -------
    array of int, shape (slice,)
        A plan that no single step of the last size improves, nor a swap between the slices where steps do best; never
        worse than the start.

    Examples
    --------
    >>> def near(plans):
    ...     return -((plans - np.array([70, 20])) ** 2).sum(axis=1)
    >>> climb(np.array([0, 50]), near, lambda plan: True, low=np.zeros(2, int), high=np.full(2, 100), most=100).tolist()
    [70, 20]
    """
    at, reached = start.copy(), float(score(start[None])[0])
    step = max(lot, most // STEPS // lot * lot)
    finest = max(lot, most // FINEST // lot * lot)
    unit = np.eye(start.size, dtype=int)

    def fits(plans: np.ndarray) -> np.ndarray:
        return (plans >= low).all(axis=1) & (plans <= high).all(axis=1) & (plans.sum(axis=1) <= most)

    for _ in range(MOVES):
        single = np.concatenate([at + step * unit, at - step * unit])
        alone = score(np.clip(single, low, high))  # beyond the labels allowed too: it says where a swap should go
        to, away = (np.argsort(-x, kind="stable")[:KEPT] for x in np.split(alone, 2))
        swaps = [at + step * (unit[i] - unit[j]) for i in to for j in away if i != j]
        plans = np.array([*single, *swaps])
        plans = plans[fits(plans)]
        known = alone[fits(single)]
        swapped = plans[known.size :]
        found = np.concatenate([known, score(swapped)]) if len(swapped) else known
        better = np.flatnonzero(found > reached + 1e-12 * max(abs(reached), 1.0))
        ranked = better[np.argsort(-found[better], kind="stable")]
        chosen = next((place for place in ranked if allows(plans[place])), None)
        if chosen is not None:
            at, reached = plans[chosen], float(found[chosen])
        elif step <= finest:
            break
        else:
            step = max(finest, step // 2 // lot * lot)
    return at
