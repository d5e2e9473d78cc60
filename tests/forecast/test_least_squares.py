"""Least squares against known curves and local searches."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from labelvalue.forecast.gains.bootstrap import fit_power_laws

LABELS = np.rint(16 * 2 ** (np.arange(11) / 2))


def test_a_power_law_is_recovered():
    curve = 0.1 + 0.3 * (LABELS / 512) ** -0.6
    fit = fit_power_laws(LABELS, curve)
    assert [fit.floor[0], fit.scale[0], fit.elasticity[0]] == pytest.approx([0.1, 0.3, 0.6], abs=1e-3)
    assert fit.error(np.array([4096.0]))[0] == pytest.approx([0.1 + 0.3 * 8**-0.6], abs=1e-4)


def test_without_a_floor_relative_squares_recover_the_exponent():
    curve = 0.3 * (LABELS / 512) ** -0.25
    fit = fit_power_laws(LABELS, curve, curve**-2, floor=False)
    assert [fit.floor[0], fit.scale[0], fit.elasticity[0]] == pytest.approx([0, 0.3, 0.25], abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_no_start_of_a_local_search_finds_a_better_fit(seed):
    rng = np.random.default_rng(seed)
    curve = rng.uniform(0, 0.2) + rng.uniform(0, 0.3) * (LABELS / 512) ** -rng.uniform(0, 1.5)
    data = curve + rng.normal(0, 0.01, len(LABELS))
    found = fit_power_laws(LABELS, data).squares[0]

    def residuals(parameters):
        floor, scale, elasticity = parameters
        return floor + scale * (LABELS / 512) ** -elasticity - data

    starts = [(c, 0.2, b) for c in (0.01, 0.1) for b in (0.1, 0.5, 2.0)]
    best = min(2 * least_squares(residuals, start, bounds=(0, [1, 1, 4])).cost for start in starts)
    assert found <= best * (1 + 1e-3)


def test_missing_sizes_are_ignored():
    curve = 0.1 + 0.3 * (LABELS / 512) ** -0.6
    holes = np.tile(curve, (2, 1))
    holes[1, 3] = np.nan
    assert fit_power_laws(LABELS, holes).elasticity == pytest.approx(0.6, abs=1e-3)


def test_a_rising_curve_is_fitted_by_a_constant():
    fit = fit_power_laws(LABELS, 0.1 + 0.01 * np.arange(11))
    assert fit.error(np.array([16.0, 4096.0]))[0] == pytest.approx([0.15, 0.15])
