"""The shape discrepancy, carried forward: how far a real curve strays from its family beyond the data.

The slope walks at random in doublings of labels, from 0 at the reference size; log error strays by the integral.
Below that size, where runs tell of it, :mod:`labelvalue.model.walk_below` draws it.
"""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.noise import integrated_walk

KNOTS_PER_DOUBLING = 2
NEAR = 1e-3
"""Doublings within which a walk has strayed by less than a hundred-thousandth of its scale: taken for nothing."""
REMEMBERED = 32
"""Curves whose walks are kept: a page asks for the same of few slices hundreds of times."""
TYPICAL_SCATTER = 0.05
"""Standard deviation of log error between trainings at which flattening is stated."""
WILD = 4.0
"""How many times as far the curves stray that stray far: the law is another one for them, and nothing showed it."""
FARTHEST = 2.0
"""Logs that scatter counts off it, at most."""
HORIZON = 24
"""Doublings beyond which the slope no longer walks; nobody buys that many labels."""


@dataclasses.dataclass(frozen=True)
class Beyond:
    """What walks are like beyond the data: their mean in standard deviations, and how many stray far.

    Real curves keep less of their slope than any family says, but for those whose trainings still scatter: they have
    more left to learn.

    Parameters
    ----------
    typical : float
        Mean for a curve of typical scatter between trainings.
    by_scatter : float
        What one log more of it adds.
    wild : float
        Share of curves that stray ``WILD`` times as far.

    Examples
    --------
    >>> round(float(Beyond(0.24, by_scatter=-0.5).mean({"training_sd": 0.05 * np.e})), 2)
    -0.26
    """

    typical: float = 0.0
    by_scatter: float = 0.0
    wild: float = 0.0

    def mean(self, parameters: Mapping[Any, Any]) -> Any:
        """Say by how much curves flatten beyond their family.

        Parameters
        ----------
        parameters : mapping of str to float, array or DataArray
            ``training_sd``.

        Returns
        -------
        same kind
            In standard deviations of the walk.

        Examples
        --------
        See above.
        """
        scatter = np.log(parameters[names.TRAINING_SD] / TYPICAL_SCATTER)
        return self.typical + self.by_scatter * np.clip(scatter, -FARTHEST, FARTHEST)


BETWEEN_SLICES = Beyond(0.24, by_scatter=-0.5)
"""Of slices of one learner. Learned on 38 sliced development problems, later and on the first day (``python -m
benchmarks.learn_flattening``)."""
BETWEEN_LEARNERS = Beyond(0.1, wild=0.1)
"""Of several learners, or of a single curve. Learned on 54 data sets of LCDB."""


@dataclasses.dataclass(frozen=True)
class Walks:
    """Whose walks are drawn.

    Parameters
    ----------
    random_seed : int
        Seed of the fit.
    learner : str
        The learner, where there is one and curves have no dim for it.
    below : callable, optional
        From doublings of own labels below the reference size to the standard walk there, given the runs, as
        :meth:`labelvalue.model.walk_below.Below.strays`; where there is none, curves keep to their family there.
    upper : float
        Upper bound of the error, or infinite.
    beyond : Beyond
        What they are like there.

    Examples
    --------
    >>> Walks(1).learner
    ''
    """

    random_seed: int
    learner: str = ""
    below: Callable[[xr.DataArray], xr.DataArray] | None = None
    upper: float = np.inf
    beyond: Beyond = BETWEEN_SLICES


def strays(walks: Walks, log_ratio: xr.DataArray) -> xr.DataArray:
    """Each curve's own standard walk about its mean, read at the effective distance of each draw.

    Suites share the walk of their slice and learner.

    Parameters
    ----------
    walks : Walks
        Whose.
    log_ratio : xarray.DataArray
        Log of effective labels over those at the reference size; dims of curves with coordinates, others such as sizes,
        and chain and draw.

    Returns
    -------
    xarray.DataArray
        Same dims; 0 at and below the reference size.

    Examples
    --------
    >>> ratio = xr.DataArray(np.full((2, 5, 1), 1.0), dims=("chain", "draw", "slice"), coords={"slice": ["fr"]})
    >>> strays(Walks(1), ratio).shape
    (2, 5, 1)
    """
    sample = names.SAMPLE
    owners = [d for d in (names.SLICE, names.LEARNER) if d in log_ratio.dims]
    rest = [d for d in log_ratio.dims if d not in (*sample, *owners)]
    doublings = (log_ratio / np.log(2.0)).transpose(*sample, *owners, *rest)
    out = np.zeros(doublings.shape)
    samples = doublings.sizes[names.CHAIN] * doublings.sizes[names.DRAW]
    for index in np.ndindex(*(doublings.sizes[d] for d in owners)):
        place = (slice(None), slice(None), *index)
        distance = doublings.values[place].reshape(samples, -1)
        if (distance > NEAR).any():
            whose = [str(doublings[d].values[i]) for d, i in zip(owners, index, strict=True)]
            level, slope = paths(samples, walks.random_seed, *whose, *([walks.learner] if len(whose) == 1 else []))
            far = farther(walks.beyond.wild, samples, walks.random_seed, *whose)
            out[place] = (far[:, None] * walk_at(level, slope, distance)).reshape(out[place].shape)
    return doublings.copy(data=out)


def level_sd(doublings: Any) -> Any:
    """Return the standard deviation of what a standard walk adds beyond the reference size.

    Parameters
    ----------
    doublings : array or DataArray
        Distance beyond the reference size in doublings of effective labels.

    Returns
    -------
    same kind
        0 before the reference size, and just beyond it.

    Examples
    --------
    >>> level_sd(np.array([-1.0, 0.0, 3.0]))
    array([0., 0., 3.])
    """
    return np.sqrt(np.clip(doublings, 0.0, None) ** 3 / 3.0) * (doublings > NEAR)


def farther(wild: float, samples: int, random_seed: int, *labels: str) -> np.ndarray:
    """Draw how many times as far a curve strays as others do, one a posterior draw.

    Parameters
    ----------
    wild : float
        Share of curves that stray ``WILD`` times as far.
    samples : int
        Number of posterior draws.
    random_seed : int
        Seed of the fit.
    *labels : str
        Slice and learner.

    Returns
    -------
    array, shape (samples,)
        1 or ``WILD``.

    Examples
    --------
    >>> farther(0.0, 2, 1, "fr"), round(float(farther(0.1, 10_000, 1, "fr").mean()), 1)
    (array([1., 1.]), 1.3)
    """
    if wild == 0.0:
        return np.ones(samples)
    drawn = np.random.default_rng(entropy_of(random_seed, "how far", *labels)).random(samples)
    return np.where(drawn < wild, WILD, 1.0)


@functools.lru_cache(maxsize=REMEMBERED)
def paths(samples: int, random_seed: int, *labels: str) -> tuple[np.ndarray, np.ndarray]:
    """Draw standard walks of the slope, one a posterior draw, and their integrals.

    The walk of a slice depends on the seed and on its names alone, not on which other slices or budgets are asked
    for, so that every forecast from a fit sees the same futures. Those asked for last are remembered.

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
    level : array, shape (samples, knots)
        Integral of the slope at each half doubling; variance d³/3 at distance d.
    slope : array, shape (samples, knots)
        Slope at each half doubling; variance d.

    Examples
    --------
    >>> level, slope = paths(4000, 1, "fr", "default")
    >>> slope[:, 2].std().round(1), (level[:, 2].std() * 3**0.5).round(1)
    (np.float64(1.0), np.float64(1.0))
    """
    level, slope = standard_walks(np.random.default_rng(entropy_of(random_seed, *labels)), samples)
    level.flags.writeable = slope.flags.writeable = False
    return level, slope


def entropy_of(random_seed: int, *labels: str) -> list[int]:
    """Say what the random numbers of a curve start from: the fit's seed and the curve's names.

    Parameters
    ----------
    random_seed : int
        Seed of the fit.
    *labels : str
        Names.

    Returns
    -------
    list of int
        For :func:`numpy.random.default_rng`.

    Examples
    --------
    >>> entropy_of(1, "fr") == entropy_of(1, "fr") != entropy_of(1, "de")
    True
    """
    return [random_seed, *(zlib.crc32(text.encode()) for text in labels)]


def standard_walks(rng: np.random.Generator, samples: int, doublings: float = HORIZON) -> tuple[np.ndarray, np.ndarray]:
    """Draw walks of a slope that gains a standard deviation of 1 a doubling, and their integrals.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the random numbers come from.
    samples : int
        How many.
    doublings : float
        How far they go.

    Returns
    -------
    level, slope : array, shape (samples, knots)
        At each half doubling from 0 on.

    Examples
    --------
    >>> level, slope = standard_walks(np.random.default_rng(1), 3)
    >>> level.shape, slope[:, 0].tolist()
    ((3, 49), [0.0, 0.0, 0.0])
    """
    knots = int(np.ceil(KNOTS_PER_DOUBLING * doublings))
    turns, bends = rng.standard_normal((2, samples, knots))
    level, slope = np.zeros((2, samples, knots + 1))
    level[:, 1:], slope[:, 1:] = integrated_walk(np.array(1.0 / KNOTS_PER_DOUBLING), turns, bends)
    return level, slope


def level_covariance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Covariance of what a standard walk adds at some distances with what it adds at others.

    Parameters
    ----------
    one, other : array, shapes (n) and (m)
        Distances from the reference size in doublings.

    Returns
    -------
    array, shape (n, m)
        For a slope that gains a standard deviation of 1 a doubling.

    Examples
    --------
    >>> level_covariance(np.array([1.0, 2.0]), np.array([1.0])).round(3).tolist()
    [[0.333], [0.833]]
    """
    near, far = np.minimum.outer(one, other), np.maximum.outer(one, other)
    return near**2 * (3.0 * far - near) / 6.0


def walk_at(level: np.ndarray, slope: np.ndarray, doublings: np.ndarray) -> np.ndarray:
    """Read integrated walks at distances: cubic between knots, 0 before the reference size.

    Parameters
    ----------
    level, slope : array, shape (samples, knots)
        From :func:`paths`.
    doublings : array, shape (samples, sizes) or (1, sizes)
        Distance beyond the reference size in doublings of effective labels.

    Returns
    -------
    array, shape (samples, sizes)
        What each draw's walk adds at each size, for a slope that gains a standard deviation of 1 a doubling.

    Examples
    --------
    >>> level, slope = np.array([[0.0, 0.5, 1.5]]), np.array([[0.0, 1.0, 3.0]])
    >>> walk_at(level, slope, np.array([[-1.0, 0.0, 0.5, 1.0]]))
    array([[0. , 0. , 0.5, 1.5]])
    """
    position = np.clip(doublings * KNOTS_PER_DOUBLING, 0.0, level.shape[1] - 1)
    below = np.minimum(position.astype(int), level.shape[1] - 2)
    t = position - below
    below = np.broadcast_to(below, np.broadcast_shapes(below.shape, (level.shape[0], doublings.shape[1])))

    def take(values: np.ndarray, shift: int) -> np.ndarray:
        return np.take_along_axis(values, below + shift, axis=1)

    # Hermite's cubic: it meets level and slope at both knots, so small budgets see no kink at the reference size.
    rest = 1.0 - t
    bend = rest * take(slope, 0) - t * take(slope, 1)
    ends = (1.0 + 2.0 * t) * rest**2 * take(level, 0) + t**2 * (3.0 - 2.0 * t) * take(level, 1)
    return ends + t * rest * bend / KNOTS_PER_DOUBLING
