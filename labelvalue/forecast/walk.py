"""The shape discrepancy, carried forward: how far a real curve strays from its family beyond the data."""

from __future__ import annotations

import zlib

import numpy as np

KNOTS_PER_DOUBLING = 2
HORIZON = 24
"""Doublings beyond which the walk stands still; nobody buys that many labels."""


def paths(samples: int, random_seed: int, *labels: str) -> np.ndarray:
    """Draw standard random walks in doublings, one a posterior draw, that start at 0 at the reference size.

    The walk of a slice depends on the seed and on its names alone, not on which other slices or budgets are asked
    for, so that every forecast from a fit sees the same futures.

    Parameters
    ----------
    samples : int
        Number of posterior draws.
    random_seed : int
        Seed of the fit.
    *labels : str
        Slice and learner.

    Returns
    -------
    array, shape (samples, knots)
        Value at each half doubling; variance equals the distance in doublings.

    Examples
    --------
    >>> paths(4000, 1, "fr", "default")[:, 2].std().round(1)
    np.float64(1.0)
    """
    entropy = [random_seed, *(zlib.crc32(text.encode()) for text in labels)]
    steps = np.random.default_rng(entropy).standard_normal((samples, KNOTS_PER_DOUBLING * HORIZON))
    walk = np.zeros((samples, KNOTS_PER_DOUBLING * HORIZON + 1))
    np.cumsum(steps / np.sqrt(KNOTS_PER_DOUBLING), axis=1, out=walk[:, 1:])
    return walk


def walk_at(walk: np.ndarray, doublings: np.ndarray) -> np.ndarray:
    """Read walks at distances, linear between knots and 0 before the reference size.

    Parameters
    ----------
    walk : array, shape (samples, knots)
        From :func:`paths`.
    doublings : array, shape (samples, sizes) or (1, sizes)
        Distance beyond the reference size in doublings of effective labels.

    Returns
    -------
    array, shape (samples, sizes)
        Value of each draw's walk at each size.

    Examples
    --------
    >>> walk_at(np.array([[0.0, 1.0, 3.0]]), np.array([[-1.0, 0.75]]))
    array([[0., 2.]])
    """
    position = np.clip(doublings * KNOTS_PER_DOUBLING, 0.0, walk.shape[1] - 1)
    below = np.minimum(position.astype(int), walk.shape[1] - 2)
    share = position - below
    shape = np.broadcast_shapes(below.shape, (walk.shape[0], doublings.shape[1]))
    below = np.broadcast_to(below, shape)
    left = np.take_along_axis(walk, below, axis=1)
    return left + share * (np.take_along_axis(walk, below + 1, axis=1) - left)
