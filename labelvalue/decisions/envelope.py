"""Allocation over many slices whose net benefit is not quite concave: greedy on the concave envelope of each."""

from __future__ import annotations

import numpy as np

from labelvalue.decisions.menu import Menu


def greedy_on_envelope(menu: Menu, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Buy along each slice's concave envelope, in order of what a label brings, until the labels are spent.

    The envelope is nowhere below the net benefit and meets it at the sizes where it bends, so the sum of envelopes
    bounds every purchase. Only the slice at which the labels run out can end between two such sizes; the labels that
    are left are then given to the slice where they bring most. The loss is therefore that of one slice at most.

    Parameters
    ----------
    menu : Menu
        What can be bought; limits of slices and labels in all are its only ones.
    weights : array of float, shape (sample,)
        Weights of the draws.

    Returns
    -------
    bought : array of int, shape (slice,)
        Labels of each slice.
    bound : float
        What no purchase exceeds, fixed cost included.

    References
    ----------
    Sinha and Zoltners (1979), "The multiple-choice knapsack problem", Operations Research 27(3), for the bound.

    Examples
    --------
    >>> net = np.array([[[0.0], [0.0], [4.0]], [[0.0], [1.0], [2.0]]])
    >>> menu = Menu(slices=("a", "b"), labels=np.array([0, 1, 2]), net=net, spend=np.zeros((2, 3)),
    ...             low=np.zeros(2, int), high=np.full(2, 2), max_labels=3, fixed=np.zeros(1))
    >>> bought, bound = greedy_on_envelope(menu, np.ones(1))
    >>> bought.tolist(), bound
    ([2, 1], 5.0)
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
