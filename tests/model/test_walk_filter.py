"""The filter of one curve against the dense Gaussian, and its derivatives against differences."""

import numpy as np
import pytest
from scipy import stats

from labelvalue.model.curve.operation import ROOM, walk

CELLS = 9


def dense(residual, variance, distance, slope_sd):
    """Multivariate normal: the integrated walk's s² m² (3 M − m) / 6, m and M the nearer and farther, plus noise."""
    near, far = np.minimum.outer(distance, distance), np.maximum.outer(distance, distance)
    covariance = slope_sd**2 * near**2 * (3.0 * far - near) / 6.0 + np.diag(variance)
    return stats.multivariate_normal(np.zeros(residual.size), covariance).logpdf(residual)


def layout(seed, **changed):
    rng = np.random.default_rng(seed)
    given = {
        "residual": rng.normal(0, 1, CELLS),
        "variance": np.exp(rng.normal(-2, 2, CELLS)),
        "distance": np.cumsum(rng.choice([0.0, 0.5, 1.0], CELLS)),
        "slope_sd": float(np.exp(rng.normal(-1, 1))),
    }
    return given | changed


CASES = {
    **{f"as it comes, {seed}": layout(seed) for seed in range(6)},
    "no distance at all": layout(7, distance=np.zeros(CELLS)),
    "all far away": layout(8, distance=np.full(CELLS, 12.0)),
    "a walk that hardly moves": layout(9, slope_sd=1e-9),
    "a walk that stands still": layout(10, slope_sd=0.0),
    "a wild walk": layout(11, slope_sd=30.0),
    "almost exact cells": layout(12, variance=np.full(CELLS, 1e-4)),
    "one cell": layout(13, residual=np.ones(1), variance=np.ones(1), distance=np.array([2.0])),
}


@pytest.mark.parametrize("which", CASES)
def test_value_and_derivatives_are_those_of_the_dense_gaussian(which):
    given = CASES[which]
    residual, variance = given["residual"].copy(), given["variance"].copy()
    value, to_slope_sd = walk(residual, variance, given["distance"], given["slope_sd"], np.empty((ROOM, residual.size)))
    assert value == pytest.approx(dense(**given), rel=1e-8, abs=1e-8)

    def difference(name, by):
        ahead, behind = (dense(**{**given, name: given[name] + sign * by}) for sign in (1, -1))
        return (ahead - behind) / (2 * np.abs(by).max())

    for name, found in (("residual", residual), ("variance", variance)):
        for cell in range(residual.size):
            by = np.zeros(residual.size)
            by[cell] = 1e-5 * (given[name][cell] if name == "variance" else 1.0)
            assert found[cell] == pytest.approx(difference(name, by), rel=1e-4, abs=1e-4 * np.abs(found).max())
    step = 1e-5 * max(given["slope_sd"], 1.0)
    assert to_slope_sd == pytest.approx(difference("slope_sd", np.array(step)), rel=1e-4, abs=1e-4)


def test_a_curve_without_cells_adds_nothing():
    nothing = np.empty(0)
    assert walk(nothing, nothing, nothing, 0.3, np.empty((ROOM, 0))) == (0.0, 0.0)
