"""Simple rules by hand, and the bootstrap under them."""

import numpy as np
import pandas as pd
import pytest

from labelvalue.forecast.backtesting.backtesting import (
    RULES,
    ResampledMeans,
    last_gain_repeats,
    least_squares,
    resample_replicates,
)

SIZES = np.array([125.0, 250.0, 500.0, 1000.0, 2000.0])


def means_of(error):
    return ResampledMeans(SIZES, error, np.tile(error, (50, 1)))


def curve(labels, floor=0.1, scale=0.2, elasticity=0.5):
    return floor + scale * (np.asarray(labels) / 2000.0) ** -elasticity


@pytest.fixture
def future():
    """One run at each of 2, 4 and 8 times the last size."""
    return pd.DataFrame({"size": [4000.0, 8000.0, 16000.0], "ahead": [1.0, 2.0, 3.0], "previous": 1000.0})


def test_means_are_the_means_and_their_spread_that_of_the_mean():
    rng = np.random.default_rng(1)
    error = rng.normal(0.2, 0.02, (40, 3))
    sizes, replicate = np.tile([100, 200, 400], 40), np.repeat(np.arange(40), 3)
    means = resample_replicates(sizes, replicate, error.ravel(), rng, samples=4000)
    assert means.observed == pytest.approx(error.mean(axis=0))
    assert means.resampled.std(axis=0) == pytest.approx(error.std(axis=0) / np.sqrt(40), rel=0.05)


def test_a_replicate_is_drawn_with_all_its_sizes():
    sizes, replicate = np.tile([100, 200], 5), np.repeat(np.arange(5), 2)
    luck = np.repeat(np.linspace(-0.02, 0.02, 5), 2)
    means = resample_replicates(sizes, replicate, 0.2 + luck, np.random.default_rng(1))
    assert means.resampled[:, 0] == pytest.approx(means.resampled[:, 1])


def test_a_replicate_that_lacks_a_size_leaves_the_others():
    sizes, replicate = np.array([100, 200, 400, 100, 200]), np.array([0, 0, 0, 1, 1])
    means = resample_replicates(sizes, replicate, np.array([0.4, 0.3, 0.2, 0.5, 0.3]), np.random.default_rng(1))
    assert np.isfinite(means.resampled).all()
    assert means.resampled[:, -1] == pytest.approx(means.observed[-1])
    assert means.resampled[:, 0].std() > 0


def test_the_last_value_stays(future):
    assert RULES["last value"](means_of(curve(SIZES)), future, None) == pytest.approx(np.full((50, 3), 0.3))


def test_the_last_gain_repeats(future):
    error = curve(SIZES)
    gain = error[-2] - error[-1]
    found = RULES["last gain repeats"](means_of(error), future, None)
    assert found == pytest.approx(np.tile(error[-1] - gain * np.array([1, 2, 3]), (50, 1)))


def test_a_last_step_between_two_sizes_is_read_off_the_line_over_log_size():
    error = np.array([0.5, 0.4, 0.3, 0.25, 0.2])
    found = last_gain_repeats(means_of(error), np.array([1.0]), previous=np.sqrt(500 * 1000.0))
    assert found[0] == pytest.approx(0.2 - (0.275 - 0.2))


@pytest.mark.parametrize("rule", ["least squares", "least squares, last 4", "least squares, last 2"])
def test_least_squares_extends_a_power_law(rule, future):
    found = RULES[rule](means_of(curve(SIZES)), future, np.random.default_rng(1))
    assert np.median(found, axis=0) == pytest.approx(curve(future["size"]), abs=2e-3)


def test_least_squares_on_the_last_doublings_does_not_see_what_lies_further_back():
    rng = np.random.default_rng(1)
    error = curve(SIZES)
    broken = np.where(SIZES < 500, 0.3, error)
    near, far = (
        least_squares(means_of(e), np.array([4000.0]), rng, floor=True, doublings=2).mean() for e in (error, broken)
    )
    assert near == far
    assert abs(least_squares(means_of(broken), np.array([4000.0]), rng, floor=True).mean() - near) > 0.01


def test_the_residual_widens_by_students_t():
    """Five sizes and three parameters: two degrees of freedom, and the fit's own residual sum of squares."""
    error = curve(SIZES) + np.array([1, -2, 2, -2, 1]) * 0.004
    rng = np.random.default_rng(2)
    means = ResampledMeans(SIZES, error, np.tile(error, (20_000, 1)))
    centre = least_squares(means, SIZES, rng, floor=True)
    spread = least_squares(means, SIZES, rng, floor=True, residual=True) - centre
    scale = np.sqrt(((centre[0] - error) ** 2).sum() / 2)
    quartile = np.quantile(spread[:, 0], 0.75)
    assert quartile == pytest.approx(0.8165 * scale, rel=0.05)  # third quartile of Student's t with 2 degrees
