"""Simulation-based calibration of what is crossed, chosen, or wrong: the parameters that the other world leaves out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.statistics.crossed_world import CrossedBench, simulate

FEW, MANY, RANKS, BINS = 40, 200, 100, 5
OURS = (
    "elasticity_between_slices",
    "elasticity_between_learners",
    "efficiency_mean",
    "efficiency_spread",
    "efficiency_trend",
    "efficiency",
    "noise_cost",
    "evaluation_noise",
)
"""What only this world has."""


@pytest.fixture(scope="module")
def bench():
    return CrossedBench()


def ranks_of(bench, seeds, *, read=lambda runs: runs):
    """Rank of each truth among thinned draws, (simulation, ...)."""
    found = {}
    for seed in seeds:
        runs, truth = simulate(bench.priors, seed)
        _, _, tree = bench.sample(read(runs), seed)
        flat = tree["posterior"].to_dataset().stack(sample=("chain", "draw"))
        for name, value in truth.items():
            draws = flat[name].transpose("sample", ...).values
            draws = draws.reshape(len(draws), -1)
            kept = draws[np.linspace(0, len(draws) - 1, RANKS).astype(int)]
            found.setdefault(name, []).append((kept < np.ravel(value)).mean(axis=0))
    return {name: np.array(values) for name, values in found.items()}


def failures(ranks):
    """Quantities whose ranks are not uniform, at a false-alarm rate of 1 in 1,000 for all of them together."""
    found = {}
    for name, values in ranks.items():
        one = values[np.arange(len(values)), np.arange(len(values)) % values.shape[1]]  # one of each world
        counts = np.histogram(one, bins=np.linspace(0.0, 1.0 + 1e-9, BINS + 1))[0]
        found[name] = float(stats.chisquare(counts).pvalue)
    return {name: p for name, p in found.items() if p < 0.001 / len(found)}


def test_ranks_of_what_is_crossed_chosen_or_wrong_are_uniform(bench):
    ranks = ranks_of(bench, range(FEW))
    assert set(OURS) <= set(ranks)
    assert failures(ranks) == {}


@pytest.mark.slow(reason="two hundred fits")
def test_the_same_of_many(bench):
    assert failures(ranks_of(bench, range(1000, 1000 + MANY))) == {}


def test_wrong_labels_half_told_fail(bench):
    """The same test sees runs that say less of their wrong labels than there is."""

    def read(runs):
        return runs.assign(label_noise=0.5 * runs["label_noise"])

    assert "noise_cost" in failures(ranks_of(bench, range(20), read=read))
