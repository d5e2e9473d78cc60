"""Real fits of small worlds with known truth: strategies, wrong labels in training and in evaluation, a rising slice.

Each fit is checked within four posterior standard deviations of the truth, a false alarm in 10,000 where the posterior
is right, with the data fixed by their seed.
"""

import numpy as np
import pandas as pd
import pytest

import labelvalue as lv
from labelvalue import names

SIZES = 250 * 2 ** np.arange(5)
BASE = {"a": (0.2, 0.25), "b": (0.15, 0.35)}
EFFICIENCY, TRAINING_NOISE, EVALUATION_NOISE = 1.7, 0.2, 0.06


@pytest.fixture(scope="module")
def noisy():
    """Two slices, random and margin, clean and noisy training labels, noisy evaluation labels; two classes."""
    rng = np.random.default_rng(5)
    rows = []
    for name, (error, elasticity) in BASE.items():
        for size in SIZES:
            for strategy, worth in (("random", 1.0), ("margin", EFFICIENCY)):
                for noise in (0.0, TRAINING_NOISE):
                    effective = size * worth * (1 - 2 * noise) ** 2 / 4000
                    true = error * (0.3 + 0.7 * effective ** (-elasticity / 0.7))
                    for replicate in range(3):
                        one = min(true * np.exp(0.03 * rng.standard_normal()), 0.9)
                        wrong = rng.binomial(3000, EVALUATION_NOISE + one * (1 - 2 * EVALUATION_NOISE))
                        rows.append((name, size, wrong, 3000, replicate, strategy, noise))
    columns = ["slice", "labels", "errors", "trials", "replicate", "strategy", "label_noise"]
    runs = lv.read_runs(pd.DataFrame(rows, columns=columns))
    given = lv.Prior("logitnormal", float(np.log(0.06 / 0.94)), 0.15)
    return lv.fit(runs, evaluation_noise=given, random_seed=1, draws=600, tune=600, progress=False)


def near(draws, truth):
    center, spread = draws.mean((names.CHAIN, names.DRAW)), draws.std((names.CHAIN, names.DRAW))
    return bool((abs(center - truth) < 4 * spread).all()) and bool((spread < abs(truth)).all())


def test_strategies_get_their_efficiency(noisy):
    worth = lv.interventions.strategy_efficiency(noisy)
    assert near(worth, EFFICIENCY)
    assert bool(((worth > 1).mean((names.CHAIN, names.DRAW)) > 0.99).all())


def test_wrong_training_labels_cost_what_theory_says(noisy):
    assert near(noisy.posterior[names.NOISE_COST], 2.0)
    assert float(noisy.posterior[names.NOISE_COST].std()) < 0.3  # the prior's is 0.6


def test_the_error_is_that_against_true_labels(noisy):
    for name, (error, _) in BASE.items():
        assert near(noisy.posterior[names.ERROR_NOW].sel(slice=name), error)
    measured = noisy.runs[names.ERROR].values[noisy.runs["labels"].values == SIZES[-1]].min()
    assert float(noisy.posterior[names.ERROR_NOW].sel(slice="b").mean()) < measured


def test_a_new_evaluation_shows_less_of_the_gain_than_there_is(noisy):
    """Noisy evaluation labels shrink what is seen of a gain by 1 − 2η."""
    gain, seen = (f(noisy, [4000]).mean() for f in (lv.predict_gain, lv.predict_observed_gain))
    assert float(seen / gain) == pytest.approx(1 - 2 * EVALUATION_NOISE, abs=0.05)


@pytest.fixture(scope="module")
def rising():
    rng = np.random.default_rng(3)
    rows = [
        (name, n, rng.binomial(2000, e * np.exp(0.03 * rng.standard_normal())), 2000, r)
        for name, error, slope in (("falls", 0.2, -0.25), ("falls too", 0.3, -0.3), ("rises", 0.2, 0.12))
        for n in SIZES for e in [error * (n / 4000) ** slope] for r in range(4)
    ]  # fmt: skip
    runs = lv.read_runs(pd.DataFrame(rows, columns=["slice", "labels", "errors", "trials", "replicate"]))
    return lv.fit(runs, random_seed=1, draws=600, tune=600, progress=False)


def test_a_rising_slice_is_flagged_and_no_gain_is_made_up(rising):
    assert rising.diagnostics.flags["rises"] == (names.SHAPE_MISFIT,)
    gain = lv.predict_gain(rising, [4000])
    table = lv.summarise(gain).set_index("slice")
    assert table.loc["rises", "mean"] < 0
    assert table.loc["rises", "p_positive"] < 0.2


def test_it_does_not_pull_the_others_down(rising):
    table = lv.summarise(lv.predict_gain(rising, [4000])).set_index("slice")
    for name, error, slope in (("falls", 0.2, -0.25), ("falls too", 0.3, -0.3)):
        truth = error * (1 - 2.0**slope)
        assert table.loc[name, "p_positive"] > 0.97
        assert table.loc[name, "lower"] < truth < table.loc[name, "upper"]
        assert rising.diagnostics.flags[name] == ()


def test_m2_runs_that_tell_are_little_pooled_and_a_rising_curve_not_at_all(rising):
    found = lv.diagnostics.pooling(rising)
    assert np.isnan(found.sel(slice="rises"))
    for name in ("falls", "falls too"):
        assert 0.0 < float(found.sel(slice=name)) < 0.7


DIVERSITY_POWER = 0.8


@pytest.fixture(scope="module")
def varied():
    """Two slices, labels of differing diversity."""
    rng = np.random.default_rng(7)
    rows = []
    for name, (error, elasticity) in BASE.items():
        for size in SIZES:
            for replicate in range(8):
                diversity = np.exp(0.3 * rng.standard_normal())
                effective = size * diversity**DIVERSITY_POWER / 4000
                true = error * (0.3 + 0.7 * effective ** (-elasticity / 0.7))
                one = min(true * np.exp(0.02 * rng.standard_normal()), 0.9)
                rows.append((name, size, rng.binomial(4000, one), 4000, replicate, diversity))
    columns = ["slice", "labels", "errors", "trials", "replicate", "diversity"]
    return lv.fit(lv.read_runs(pd.DataFrame(rows, columns=columns)), random_seed=1, draws=600, tune=600, progress=False)


def test_diverse_labels_get_their_worth(varied):
    """M9: P(it matters) is reported."""
    worth = lv.interventions.diversity_efficiency(varied, [0.5, 1.0, 2.0])
    assert near(worth.sel(diversity=2.0), 2.0**DIVERSITY_POWER)
    assert float(abs(worth.sel(diversity=1.0) - 1.0).max()) == 0.0
    assert worth.attrs["p_matters"] > 0.95
