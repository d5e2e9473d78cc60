"""Simulation-based calibration: is the truth one more draw of the posterior?

Where it is, a simulation's truth and its posterior draws can change places, all slices and all quantities of the
simulation together. That gives the distribution of any figure made from ranks exactly, however much slices and
quantities hang together, and so bands in which the ECDF of the ranks of *all* slices lies (those of arviz-stats,
``ecdf_pit`` and ``uniformity_test``, are for one independent rank a simulation).

References
----------
Talts et al. (2018), "Validating Bayesian inference algorithms with simulation-based calibration"; Säilynoja, Bürkner
and Vehtari (2022), "Graphical test for discrete uniformity", Statistics and Computing 32, for simultaneous bands of
ECDFs; Modrák et al. (2025), "Simulation-based calibration checking for Bayesian computation: the choice of test
quantities shapes sensitivity", Bayesian Analysis 20, for the joint log likelihood as a quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np

DRAWS = 99  # draws a truth is ranked among
BINS = 20
EVEN = np.concatenate([np.arange(1, BINS) / BINS, np.arange(1, BINS // 2) / (BINS // 2)])
CHANGES = 2000  # times that truths change places with draws
FALSE_ALARMS = 0.001  # probability that any quantity at all is found in ranks that are uniform
TOGETHER = "all together"  # every quantity's ranks as one: what is too narrow or too wide everywhere


class Ranks:
    """Ranks of truths among posterior draws, simulation by simulation.

    ``values`` holds, by quantity, an array of shape (simulation, 1 + draw, slice): the truth first, then draws.
    """

    def __init__(self, values: Mapping[str, np.ndarray]):
        self.values = dict(values)

    def only(self, *names: str) -> Ranks:
        return Ranks({name: self.values[name] for name in names})

    def first(self, count: int) -> Ranks:
        return self._map(lambda one: one[:count])

    def _map(self, change: Callable[[np.ndarray], np.ndarray]) -> Ranks:
        return Ranks({name: change(one) for name, one in self.values.items()})

    def drawn(self, seed: int) -> Ranks:
        """The same with truths that are draws: ranks are uniform."""
        chosen = np.random.default_rng(seed).integers(1, 1 + DRAWS, self.simulations)
        return self._map(lambda one: _exchanged(one, chosen))

    def narrowed(self, share: float, *names: str) -> Ranks:
        """The same with draws of some quantities (all, where none is named) held to a share of their sd."""

        def narrow(one: np.ndarray) -> np.ndarray:
            draws = one[:, 1:]
            middle = draws.mean(axis=1, keepdims=True)
            return np.concatenate([one[:, :1], middle + share * (draws - middle)], axis=1)

        return Ranks({n: narrow(one) if n in (names or self.values) else one for n, one in self.values.items()})

    @cached_property
    def simulations(self) -> int:
        return len(next(iter(self.values.values())))

    @cached_property
    def _bins(self) -> tuple[np.ndarray, int]:
        """Bin of each rank of the truth and of each draw in its place, numbered on from quantity to quantity."""
        ranks = [np.argsort(np.argsort(one, axis=1), axis=1) * BINS // (1 + DRAWS) for one in self.values.values()]
        return np.concatenate([one + BINS * place for place, one in enumerate(ranks)], axis=2), BINS * len(ranks)

    def ecdfs(self, chosen: np.ndarray) -> np.ndarray:
        """ECDFs of ranks, less the diagonal, of the chosen draw of each simulation; shape (choice, quantity, point).

        The later points are those of the folded ranks, far from the middle on either side.
        """
        bins, most = self._bins
        picked = (bins[np.arange(self.simulations), each].ravel() for each in chosen)
        counts = np.array([np.bincount(one, minlength=most).reshape(-1, BINS) for one in picked])
        counts = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1)
        shares = counts / counts.sum(axis=2, keepdims=True)
        folded = shares[..., BINS // 2 :] + shares[..., BINS // 2 - 1 :: -1]
        return np.concatenate([shares.cumsum(2)[..., :-1], folded.cumsum(2)[..., :-1]], axis=2) - EVEN

    @cached_property
    def truth(self) -> np.ndarray:
        """ECDFs of the truth."""
        return self.ecdfs(np.zeros((1, self.simulations), dtype=int))[0]

    @cached_property
    def null(self) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations of ECDFs where places are changed, and how far these go at most, (change, quantity)."""
        chosen = np.random.default_rng(0).integers(0, 1 + DRAWS, (CHANGES, self.simulations))
        curves = self.ecdfs(chosen)
        spread = np.maximum(curves.std(axis=0), 1e-9)
        return spread, np.abs(curves / spread).max(axis=2)

    @cached_property
    def far(self) -> np.ndarray:
        """How far each quantity's ECDF goes from the diagonal at most, in standard deviations."""
        return np.abs(self.truth / self.null[0]).max(axis=1)

    @property
    def names(self) -> list[str]:
        return [*self.values, TOGETHER]

    def p_values(self) -> dict[str, float]:
        """Of each quantity by itself: how many of the changed places have an ECDF as far from the diagonal."""
        above = (self.null[1] >= self.far).sum(axis=0)
        return dict(zip(self.names, ((1 + above) / (1 + CHANGES)).tolist(), strict=True))

    def most(self, rate: float) -> float:
        """How far the farthest of all ECDFs goes in so few cases where all are uniform."""
        return float(np.quantile(self.null[1].max(axis=1), 1.0 - rate))

    @cached_property
    def allowed(self) -> float:
        """How far the farthest of all ECDFs may go."""
        return self.most(FALSE_ALARMS)

    def bands(self, rate: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """ECDF less the diagonal at the inner points, and half the width of the band that holds all of them at once."""
        half = self.most(rate) * self.null[0][:, : BINS - 1]
        return {name: (self.truth[k, : BINS - 1], half[k]) for k, name in enumerate(self.names)}

    def failures(self) -> dict[str, float]:
        """Quantities whose ranks are not uniform, and how far they go."""
        return {n: round(float(x), 1) for n, x in zip(self.names, self.far, strict=True) if x > self.allowed}

    def power(self, share: float, *names: str, repeats: int = 200) -> float:
        """How often draws held to a share of their sd are found, where all else is right.

        Truths are draws from the posterior, right by construction; those that they are ranked among are narrowed.
        """
        found = [self.drawn(seed).narrowed(share, *names).truth for seed in range(repeats)]
        return float(np.mean([np.abs(one / self.null[0]).max() > self.allowed for one in found]))


def _exchanged(one: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Truths replaced by the chosen draws, and these by the truths."""
    made, every = one.copy(), np.arange(len(one))
    made[every, 0], made[every, chosen] = one[every, chosen], one[every, 0]
    return made


class Ranking:
    """Collects truths and draws of one simulation after another."""

    def __init__(self) -> None:
        self.found: dict[str, list[np.ndarray]] = {}

    def add(self, name: str, draws: np.ndarray, truth: object) -> None:
        """Draws, shape (draw, ...), and the truth of the same rest."""
        kept = draws[np.linspace(0, len(draws) - 1, DRAWS).astype(int)].reshape(DRAWS, -1)
        self.found.setdefault(name, []).append(np.concatenate([np.reshape(truth, (1, -1)), kept]))

    def ranks(self) -> Ranks:
        return Ranks({name: np.array(each) for name, each in self.found.items()})
