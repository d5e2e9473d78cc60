"""Simulation-based calibration of what is crossed, chosen, or wrong: the parameters that the other world leaves out."""

import pytest

from tests.statistics.crossed_world import CrossedBench, simulate
from tests.statistics.ranks import Ranking

FEW, MANY = 20, 200
OURS = (
    "elasticity_between_slices", "elasticity_between_learners", "efficiency_mean", "efficiency_spread",
    "efficiency_trend", "efficiency", "noise_cost", "evaluation_noise",
)  # fmt: skip
"""What only this world has."""


@pytest.fixture(scope="module")
def bench():
    return CrossedBench()


def failures(bench, seeds, *, read=lambda runs: runs):
    """Quantities whose ranks are not uniform, and how far they go."""
    ranking = Ranking()
    for seed in seeds:
        runs, truth = simulate(bench.priors, seed)
        _, _, tree = bench.sample(read(runs), seed)
        flat = tree["posterior"].to_dataset().stack(sample=("chain", "draw"))
        for name, value in truth.items():
            ranking.add(name, flat[name].transpose("sample", ...).values, value)
    assert set(OURS) <= set(ranking.found)
    return ranking.ranks().failures()


def test_ranks_of_what_is_crossed_chosen_or_wrong_are_uniform(bench):
    assert failures(bench, range(FEW)) == {}


@pytest.mark.slow(reason="two hundred fits")
def test_the_same_of_many(bench):
    assert failures(bench, range(1000, 1000 + MANY)) == {}


def test_wrong_labels_half_told_fail(bench):
    """The same test sees runs that say less of their wrong labels than there is."""

    def read(runs):
        return runs.assign(label_noise=0.5 * runs["label_noise"])

    assert "noise_cost" in failures(bench, range(10), read=read)
