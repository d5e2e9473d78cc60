"""Scores against closed forms, and calibrated forecasts that score as calibrated."""

import numpy as np
import pytest
from scipy.stats import norm

from labelvalue import names
from labelvalue.forecast.backtesting import scores


def gaussian_crps(mean, sd, truth):
    z = (truth - mean) / sd
    return sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))


@pytest.mark.parametrize("truth", [-1.0, 0.3, 2.5])
def test_crps_of_gaussian_samples_is_the_closed_form(truth):
    samples = np.random.default_rng(1).normal(0.3, 0.7, (50, 4000))
    found = scores.crps(samples, np.full(50, truth))
    assert found.mean() == pytest.approx(gaussian_crps(0.3, 0.7, truth), rel=0.01)


def test_crps_is_fair_to_few_samples():
    rng = np.random.default_rng(2)
    few = scores.crps(rng.normal(size=(40_000, 3)), np.full(40_000, 0.5))
    assert few.mean() == pytest.approx(gaussian_crps(0, 1, 0.5), rel=0.02)


def test_crps_is_the_double_sum():
    samples = np.random.default_rng(3).normal(size=7)
    pairs = np.abs(samples[:, None] - samples).sum() / (7 * 6)
    expected = np.abs(samples - 0.2).mean() - pairs / 2
    assert scores.crps(samples, np.array(0.2)) == pytest.approx(expected)


def test_interval_score_charges_width_and_misses():
    low, high = np.zeros(3), np.ones(3)
    found = scores.interval_score(low, high, np.array([0.5, 1.2, -0.1]), 0.9)
    assert found == pytest.approx([1.0, 1.0 + 20 * 0.2, 1.0 + 20 * 0.1])


def test_central_interval_of_gaussian_samples():
    low, high = scores.central_interval(np.random.default_rng(4).normal(size=200_000), 0.9)
    assert [low, high] == pytest.approx(norm.ppf([0.05, 0.95]), abs=0.02)


def test_noise_of_the_truth_is_the_same_for_all_methods_and_has_its_size():
    flat = np.zeros((2, 3, 20_000))
    truth_se = np.array([[0.0, 0.1, 0.2], [0.3, 0.0, 0.1]])
    first = scores.add_truth_noise(flat, truth_se, seed=5)
    assert first.std(axis=-1) == pytest.approx(truth_se, rel=0.03)
    assert (scores.add_truth_noise(flat + 1, truth_se, seed=5) - 1) == pytest.approx(first)


def test_a_calibrated_forecast_scores_as_calibrated():
    rng = np.random.default_rng(6)
    centre = rng.normal(0.2, 0.05, (400, 3))
    samples = centre[..., None] + 0.03 * rng.normal(size=(400, 3, 1000))
    truth = centre + 0.03 * rng.normal(size=(400, 3))
    found = scores.score_rows(samples, truth, np.full(400, 0.21))
    assert found["covers_90"].mean() == pytest.approx(0.9, abs=0.03)
    assert found["covers_50"].mean() == pytest.approx(0.5, abs=0.05)
    assert found["width"].mean() == pytest.approx(2 * 1.645 * 0.03, rel=0.02)
    assert found["forecast_gain"].mean() == pytest.approx(found["gain"].mean(), abs=0.003)

    bins = scores.reliability(found[names.P_GAIN].ravel(), found[names.GAINED].ravel())
    assert bins["share"].sum() == pytest.approx(1)
    assert bins["realised"].to_numpy() == pytest.approx(bins["forecast"].to_numpy(), abs=0.1)


def test_a_flat_curve_is_covered_and_gains_nothing_despite_rounding():
    truth = np.full((1, 3), 1 / 3)
    samples = np.full((1, 3, 10), 1 / 3, dtype=np.float32)
    found = scores.score_rows(samples, truth, np.array([1 / 3 + 1e-9]))
    assert found["covers_50"].all()
    assert found["covers_90"].all()
    assert not found["gained"].any()
    assert not found["p_gain"].any()


def test_reliability_by_hand():
    """Two bins, weights that are not equal, and a probability of 1 that falls into the last bin."""
    bins = scores.reliability([0.05, 0.08, 1.0], [0.0, 1.0, 1.0], [0.2, 0.3, 0.5])
    assert bins["low"].tolist() == [0.0, 0.97]
    assert bins["share"].tolist() == pytest.approx([0.5, 0.5])
    assert bins["forecast"].tolist() == pytest.approx([(0.2 * 0.05 + 0.3 * 0.08) / 0.5, 1.0])
    assert bins["realised"].tolist() == pytest.approx([0.6, 1.0])
