from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from benchmarks import learned


def falling(steepness, name="toy.slices.bayes", seed=1):
    """Power laws without noise but that of their runs, seen at nine sizes; two curves."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    for name_of, exponent in zip("ab", steepness, strict=True):
        for labels in (32, 45, 64, 91, 128, 181, 256, 362, 512):
            for replicate in range(5):
                error = 0.2 * (labels / 512) ** -exponent
                errors = rng.binomial(5000, error)
                rows.append((name_of, "bayes", labels, replicate, name_of, errors, 5000))
        truth.append(0.2 * 2.0 ** (-exponent * np.array([1, 2, 3])))
    columns = ["slice", "learner", "labels", "replicate", "evaluation_set", "errors", "trials"]
    return learned.Problem(
        name=name,
        runs=pd.DataFrame(rows, columns=columns),
        curves=(("a", "bayes"), ("b", "bayes")),
        now=np.array([512, 512]),
        targets=np.array([[1024, 2048, 4096]] * 2),
        error_now=np.array([0.2, 0.2]),
        truth=np.array(truth),
        truth_se=np.full((2, 3), 1e-4),
    )


@pytest.fixture
def world(monkeypatch, tmp_path):
    """Sixty problems to learn from, instead of the development half."""
    monkeypatch.setenv("LABELVALUE_BENCH_CACHE", str(tmp_path))
    rng = np.random.default_rng(4)
    made = [falling(rng.uniform(0, 0.5, 2), f"data {i}.slices.bayes", i) for i in range(60)]
    monkeypatch.setattr(learned, "training_problems", lambda: made)
    learned.training_table.cache_clear()
    learned.forest.cache_clear()
    forest = learned.forest
    yield made
    learned.training_table.cache_clear()
    forest.cache_clear()


def test_factors_of_one_change_nothing():
    samples = np.random.default_rng(1).uniform(0.1, 0.3, (2, 3, 50))
    same = learned.recalibrate(samples, np.array([0.2, 0.2]), np.ones(3), np.ones(3))
    assert same == pytest.approx(samples)


def test_factors_undo_what_is_wrong_with_a_rule():
    """A rule that forecasts twice the log gain and half the scatter: both are found, distance by distance."""
    rng = np.random.default_rng(2)
    rows = 600
    gain = -rng.uniform(0, 0.5, rows)
    scatter = norm.ppf(learned.LEVELS)
    table = pd.DataFrame({f"quantile_{i}": 2 * gain + 0.05 * z for i, z in enumerate(scatter)})
    table = table.assign(now=0.2, truth=0.2 * np.exp(gain + rng.normal(0, 0.1, rows)), truth_se=1e-4, weight=1.0)
    factors = learned.learn_factors(pd.concat(table.assign(distance=distance) for distance in (1, 2, 3)))
    assert factors["location"] == pytest.approx([0.5] * 3, abs=0.05)
    assert factors["width"] == pytest.approx([2] * 3, rel=0.25)


def test_the_shape_of_a_curve_is_seen_four_doublings_back():
    problem = falling((0.5, 0.0))
    seen = learned.features(problem, learned.least_squares(problem, 1))
    assert len(seen) == 6
    assert seen["back_2"][0] == pytest.approx(np.log(2), abs=0.05)
    assert seen["back_2"][3] == pytest.approx(0, abs=0.05)
    assert seen["distance"].tolist() == [1, 2, 3] * 2
    assert seen["middle"][0] == pytest.approx(-0.5 * np.log(2), abs=0.1)
    short = replace(problem, runs=problem.runs[problem.runs["labels"] >= 128].reset_index(drop=True))
    assert np.isnan(learned.features(short, learned.least_squares(short, 1))["back_2.5"]).all()


def test_the_forest_learns_what_curves_do(world):
    steep, flat = learned.learned(falling((0.4, 0.02), "unseen.slices.bayes"), seed=1)[:, 2]
    assert np.median(steep) == pytest.approx(0.2 * 2**-1.2, rel=0.2)
    assert np.median(flat) == pytest.approx(0.2, rel=0.1)


def test_no_forest_forecasts_a_data_set_it_has_seen(world, monkeypatch):
    whole = learned.forest(None)
    learned.forest.cache_clear()
    monkeypatch.setattr(learned, "Forest", lambda table: table)
    fold = learned.fold_of("data 0")
    assert fold not in set(learned.forest(fold)["data"].map(learned.fold_of))
    assert len(learned.forest(None)) == len(learned.training_table())
    asked = []
    learned.forest.cache_clear()
    monkeypatch.setattr(learned, "forest", lambda fold: asked.append(fold) or whole)
    learned.learned(world[0], seed=1)
    learned.learned(falling((0.1, 0.2), "unseen.slices.bayes"), seed=1)
    assert asked == [fold, None]


def test_what_two_collections_hold_is_one_data_set():
    assert learned.data_set("penbased.class.forest") == learned.data_set("32") == "32"
    assert learned.data_set("brown.genre.words_bayes") == "brown"


def test_regimes_are_told_by_what_is_seen():
    problem = falling((0.1, 0.2))
    assert learned.regime(problem) == "curves"
    seen = problem.runs[problem.runs["labels"] <= 256]
    assert learned.regime(replace(problem, runs=seen)) == "curves, first day"
    assert learned.regime(replace(problem, runs=seen.assign(other_labels=256))) == "slices"
