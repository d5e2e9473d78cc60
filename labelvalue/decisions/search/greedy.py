"""Allocations by simple means: marginal greedy where it is exact, splits to compare with, brute force where it ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from labelvalue.decisions.search.menu import Aim, Menu


def fills(menu: Menu) -> tuple[np.ndarray, np.ndarray]:
    """Return the fewest and most labels that limits leave of each segment of the grid, shape (slice, segment)."""
    start, length = menu.labels[:-1], np.diff(menu.labels)
    least = np.clip(menu.low[:, None] - start, 0, length)
    return least, np.clip(menu.high[:, None] - start, 0, length)


def slopes(menu: Menu, weights: np.ndarray) -> np.ndarray:
    """Return the net benefit of one more label, shape (slice, segment), averaged over draws under weights (sample,)."""
    return np.diff(menu.net @ weights, axis=1) / np.diff(menu.labels)


def is_concave(menu: Menu, weights: np.ndarray) -> bool:
    """Say whether, where limits let them move, each label of a slice is worth no more than the one before it."""
    least, most = fills(menu)
    gain = np.where(most > least, slopes(menu, weights), np.nan)
    first_nan = np.isnan(gain).all(axis=1)
    held = np.where(np.isnan(gain), np.inf, gain)
    so_far = np.minimum.accumulate(held, axis=1)
    before = np.concatenate([np.full((len(gain), 1), np.inf), so_far[:, :-1]], axis=1)
    rises = (held > before) & ~np.isnan(gain)
    return bool(not rises[~first_nan].any())


def greedy(menu: Menu, weights: np.ndarray) -> np.ndarray:
    """Buy label by label where the next one is worth most, until none is worth its price or the labels are spent.

    Exact for whole labels where :func:`is_concave` and labels are the only limit.

    Shapes: ``weights`` (sample,); gives (slice,).

    References
    ----------
    Fox (1966), "Discrete optimization via marginal analysis", Management Science 13(3).
    """
    least, most = fills(menu)
    gain, room = slopes(menu, weights).ravel(), (most - least).ravel()
    order = np.argsort(-gain, kind="stable")
    taking = np.where(gain[order] > 0, room[order], 0)
    left = menu.max_labels - int(menu.low.sum())
    taken = np.zeros_like(room)
    taken[order] = np.clip(left - (np.cumsum(taking) - taking), 0, taking)
    return menu.low + taken.reshape(least.shape).sum(axis=1)


def split(menu: Menu, shares: np.ndarray) -> np.ndarray:
    """Split as many labels as the limits allow in given proportions, moved to the slices' limits where they bind.

    Shapes: ``shares`` (slice,); gives (slice,).
    """

    def at(scale: float) -> np.ndarray:
        return np.clip(np.floor(scale * shares + 1e-9), menu.low, menu.high).astype(int)

    def fits(scale: float) -> bool:
        bought = at(scale)
        return bought.sum() <= menu.max_labels and menu.spent(bought) <= menu.max_spend * (1 + 1e-9)

    low, high = 0.0, float(menu.max_labels + 1) / float(shares.min())
    if fits(high):
        return at(high)
    while (at(high) - at(low)).sum() > 1 and high - low > 1e-9 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    bought = at(low)
    for place in np.argsort(-shares, kind="stable"):
        more = bought.copy()
        more[place] += 1
        if bought[place] < menu.high[place] and menu.allows(more):
            bought = more
    return bought


def combinations(menu: Menu) -> float:
    """Count the purchases that the limits of the single slices leave, limits across slices left aside."""
    return float(np.exp(min(np.log(menu.high - menu.low + 1.0).sum(), 700.0)))


def brute_force(menu: Menu, aim: Aim) -> tuple[np.ndarray, float]:
    """Try every purchase.

    Shapes: gives ``bought`` (slice,).
    """
    best, reached = menu.low, -np.inf
    for choice in itertools.product(*(range(a, b + 1) for a, b in zip(menu.low, menu.high, strict=True))):
        bought = np.array(choice)
        if menu.allows(bought) and (value := menu.objective(bought, aim)) > reached:
            best, reached = bought, value
    return best, reached


STEPS = 4  # the first step is the labels allowed over this
FINEST = 64  # the last step is the labels allowed over this, where nothing finer is asked for, or one lot
KEPT = 3  # slices that labels are moved to, and from, at once: those where one step alone does best
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
    parts: int = FINEST,
) -> np.ndarray:
    """Move labels between slices, buy more or fewer, in steps of falling size, as long as the score rises.

    Shapes: ``start`` (slice,), ``low``, ``high`` (slice,); gives (slice,).
    """
    at, reached = start.copy(), float(score(start[None])[0])
    step = max(lot, most // STEPS // lot * lot)
    finest = max(lot, most // parts // lot * lot)
    unit = np.eye(start.size, dtype=int)

    def fits(plans: np.ndarray) -> np.ndarray:
        return (plans >= low).all(axis=1) & (plans <= high).all(axis=1) & (plans.sum(axis=1) <= most)

    for _ in range(MOVES):
        single = np.clip(np.concatenate([at + step * unit, at - step * unit]), low, high)
        alone = score(single)  # beyond the labels allowed too: it says where a swap should go
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


def greedy_on_envelope(menu: Menu, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Buy along each slice's concave envelope, in order of what a label brings, until the labels are spent.

    The envelope is nowhere below the net benefit and meets it at the sizes where it bends, so the sum of envelopes
    bounds every purchase. Only the slice at which the labels run out can end between two such sizes; the labels that
    are left are then given to the slice where they bring most. The loss is therefore that of one slice at most.

    Shapes: ``weights`` (sample,); gives ``bought`` (slice,).

    References
    ----------
    Sinha and Zoltners (1979), "The multiple-choice knapsack problem", Operations Research 27(3), for the bound.
    """
    net = menu.net @ weights
    steps = [_steps(menu.labels, net[i], int(menu.low[i]), int(menu.high[i])) for i in range(len(menu.slices))]
    place = np.repeat(np.arange(len(steps)), [len(one) for one in steps])
    length, slope = np.concatenate(steps).T if place.size else np.zeros((2, 0))
    order = np.argsort(-slope, kind="stable")
    order = order[slope[order] > 0]
    left = menu.max_labels - int(menu.low.sum())
    before = np.cumsum(length[order]) - length[order]
    taken = np.clip(left - before, 0.0, length[order])
    start = float(sum(np.interp(low, menu.labels, own) for low, own in zip(menu.low, net, strict=True)))
    bound = start + float(taken @ slope[order]) - float(menu.fixed @ weights)
    whole = taken >= length[order] - 1e-9
    bought = menu.low + np.bincount(place[order][whole], length[order][whole], len(steps)).astype(int)
    return _filled(menu, net, bought), bound


def _steps(labels: np.ndarray, net: np.ndarray, low: int, high: int) -> np.ndarray:
    """Lengths and slopes of the pieces of a slice's concave envelope between its limits."""
    inside = labels[(labels > low) & (labels < high)]
    sizes = np.concatenate([[low], inside, [high]]) if high > low else np.array([low])
    values = np.interp(sizes, labels, net)
    hull: list[int] = []
    for at in range(sizes.size):
        while len(hull) > 1 and _rises(sizes, values, hull[-2], hull[-1], at):
            hull.pop()
        hull.append(at)
    length = np.diff(sizes[hull]).astype(float)
    return np.column_stack([length, np.diff(values[hull]) / length])


def _rises(sizes: np.ndarray, values: np.ndarray, first: int, middle: int, last: int) -> bool:
    """Whether the middle point lies on or below the line between the others."""
    before = (values[middle] - values[first]) * (sizes[last] - sizes[middle])
    return bool(before <= (values[last] - values[middle]) * (sizes[middle] - sizes[first]))


def _filled(menu: Menu, net: np.ndarray, bought: np.ndarray) -> np.ndarray:
    """Give the labels that are left to slices one after the other, each time where they bring most as a whole."""
    bought = bought.copy()
    rows = np.arange(bought.size)
    while (left := menu.max_labels - int(bought.sum())) > 0:
        more = np.minimum(menu.high - bought, left)

        def at(sizes: np.ndarray) -> np.ndarray:
            step, share = menu.place(sizes)
            return (1.0 - share) * net[rows, step] + share * net[rows, step + 1]

        gained = np.where(more > 0, at(bought + more) - at(bought), -np.inf)
        best = int(gained.argmax())
        if gained[best] <= 0:
            break
        bought[best] += more[best]
    return bought
