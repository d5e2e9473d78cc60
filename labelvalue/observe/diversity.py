"""How diverse the labels of a training set are: the clusters of features that they cover, against labels at random."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from labelvalue.observe.learners import take
from labelvalue.observe.sampling import DIVERSITY, seed_of, stream

CLUSTERS = 32
"""Clusters of a slice, at most."""
ROWS_PER_CLUSTER = 10
"""Rows of a slice for each of its clusters, at least."""
LOOKED_AT = 3_000
"""Rows of a slice that the clusters are made from, at most."""
DRAWS = 64
"""Random draws that a training set is compared with."""


@dataclasses.dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of the rows of each slice.

    Parameters
    ----------
    codes : numpy.ndarray
        Cluster of each row, numbered within its slice.
    sizes : mapping of str to numpy.ndarray
        Rows of each cluster, slice by slice.
    entropy : int
        Seed of the random draws.
    """

    codes: np.ndarray
    sizes: Mapping[str, np.ndarray]
    entropy: int
    _expected: dict[tuple[str, int], float] = dataclasses.field(default_factory=dict, repr=False)

    def score(self, name: str, rows: np.ndarray) -> float:
        """Effective number of clusters among a slice's rows, over that of as many rows drawn at random.

        The effective number is the exponential of the entropy of the clusters' shares: the Vendi score (Friedman and
        Dieng 2023) of a kernel that is 1 within a cluster and 0 between clusters.

        Parameters
        ----------
        name : str
            Slice.
        rows : numpy.ndarray
            Positions of its rows in the training set.

        Returns
        -------
        float
            1 where they are as diverse as random ones; NaN where there are none.
        """
        if not rows.size:
            return float("nan")
        counts = np.bincount(self.codes[rows], minlength=self.sizes[name].size)
        at = (name, int(rows.size))
        if at not in self._expected:
            self._expected[at] = self._at_random(name, rows.size)
        return float(effective_number(counts[None])[0] / self._expected[at])

    def _at_random(self, name: str, count: int) -> float:
        sizes = self.sizes[name]
        rng = stream(self.entropy, DIVERSITY, count)
        if count <= sizes.sum():
            drawn = rng.multivariate_hypergeometric(sizes, count, size=DRAWS)
        else:  # a bootstrap may draw more rows than there are
            drawn = rng.multinomial(count, sizes / sizes.sum(), size=DRAWS)
        return float(effective_number(drawn).mean())


def effective_number(counts: np.ndarray) -> np.ndarray:
    """Exponential of the entropy of the shares in each row of counts."""
    share = counts / counts.sum(axis=1, keepdims=True)
    return np.exp(-(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1))


def find_clusters(features: Any, slices: np.ndarray, pool: np.ndarray, entropy: int) -> Clusters:
    """Cluster the rows of each slice by their features (k-means on at most a few thousand of them).

    Parameters
    ----------
    features : array or sparse matrix
        Numbers of comparable scale, one row per row of data.
    slices : numpy.ndarray
        Slice of each row.
    pool : numpy.ndarray
        Rows that may be trained on.
    entropy : int
        Seed.

    Returns
    -------
    Clusters
    """
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    codes = np.zeros(slices.size, dtype=np.int64)
    sizes = {}
    for number, name in enumerate(np.unique(slices)):
        rows = pool[slices[pool] == name]
        count = min(CLUSTERS, max(1, rows.size // ROWS_PER_CLUSTER))
        if count > 1:
            seed = seed_of(entropy, DIVERSITY, number)
            seen = np.random.default_rng(seed).permutation(rows)[:LOOKED_AT]
            with threadpool_limits(1):  # threads that wait for each other cost more than such a small job
                made = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=1024).fit(take(features, seen))
                codes[rows] = made.predict(take(features, rows))
        sizes[str(name)] = np.bincount(codes[rows], minlength=max(count, 1))
    return Clusters(codes, sizes, entropy)
