"""Allocations by simple means: marginal greedy where it is exact, splits to compare with, brute force where it ends."""

from __future__ import annotations

import itertools

import numpy as np

from labelvalue.decisions.aim import Aim
from labelvalue.decisions.menu import Menu


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

    Parameters
    ----------
    menu : Menu
        What can be bought.
    weights : array of float, shape (sample,)
        Weights of the draws.

    Returns
    -------
    array of int, shape (slice,)
        Labels of each slice.

    References
    ----------
    Fox (1966), "Discrete optimization via marginal analysis", Management Science 13(3).

    Examples
    --------
    >>> net = np.array([[[0.0], [3.0], [4.0]], [[0.0], [2.0], [4.0]]])
    >>> menu = Menu(slices=("a", "b"), labels=np.array([0, 1, 2]), net=net, spend=np.zeros((2, 3)),
    ...             low=np.zeros(2, int), high=np.full(2, 2), max_labels=3, fixed=np.zeros(1))
    >>> greedy(menu, np.ones(1)).tolist()
    [1, 2]
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

    Parameters
    ----------
    menu : Menu
        What can be bought.
    shares : array of float, shape (slice,)
        Proportions, > 0.

    Returns
    -------
    array of int, shape (slice,)
        Whole labels of each slice.

    Examples
    --------
    >>> net = np.zeros((2, 2, 1))
    >>> menu = Menu(slices=("a", "b"), labels=np.array([0, 9]), net=net, spend=np.zeros((2, 2)),
    ...             low=np.zeros(2, int), high=np.array([2, 9]), max_labels=7, fixed=np.zeros(1))
    >>> split(menu, np.ones(2)).tolist()
    [2, 5]
    """

    def at(scale: float) -> np.ndarray:
        return np.clip(np.floor(scale * shares + 1e-9), menu.low, menu.high).astype(int)

    def fits(scale: float) -> bool:
        bought = at(scale)
        return bought.sum() <= menu.max_labels and menu.spent(bought) <= menu.max_spend * (1 + 1e-9)

    low, high = 0.0, float(menu.max_labels + 1) / float(shares.min())
    if fits(high):
        return at(high)
    for _ in range(80):
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

    Parameters
    ----------
    menu : Menu
        What can be bought; few and small.
    aim : Aim
        What is maximised.

    Returns
    -------
    bought : array of int, shape (slice,)
        The best purchase.
    objective : float
        What it reaches; −∞ where none is allowed.

    Examples
    --------
    >>> net = np.array([[[0.0], [3.0], [4.0]], [[0.0], [2.0], [4.0]]])
    >>> menu = Menu(slices=("a", "b"), labels=np.array([0, 1, 2]), net=net, spend=np.zeros((2, 3)),
    ...             low=np.zeros(2, int), high=np.full(2, 2), max_labels=3, fixed=np.zeros(1))
    >>> brute_force(menu, Aim())[1]
    7.0
    """
    best, reached = menu.low, -np.inf
    for choice in itertools.product(*(range(a, b + 1) for a, b in zip(menu.low, menu.high, strict=True))):
        bought = np.array(choice)
        if menu.allows(bought) and (value := menu.objective(bought, aim)) > reached:
            best, reached = bought, value
    return best, reached
