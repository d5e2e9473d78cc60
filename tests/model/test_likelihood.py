"""The likelihood against dense Gaussian formulas."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats

from labelvalue.model.likelihood import scatter_loglikelihood, walk_loglikelihood
from labelvalue.model.noise import run_variance


@pytest.fixture(scope="module")
def compiled_walk():
    """One compilation for each number of knots."""
    made = {}

    def run(residual, variance, used, distance, walk_sd):
        knots = residual.shape[1]
        if knots not in made:
            names = ("residual", "variance", "used", "distance", "walk_sd")
            inputs = [
                pt.TensorType("float64", (None,) * n)(name=x) for x, n in zip(names, (3, 3, 3, 2, 1), strict=True)
            ]
            made[knots] = pytensor.function(inputs, walk_loglikelihood(*inputs, knots), mode="FAST_COMPILE")
        return made[knots](residual, variance, used, distance, walk_sd)

    return run


def dense(residual, variance, used, distance, walk_sd):
    """Multivariate normal: the integrated walk's s² m² (3 M − m) / 6, m and M the nearer and farther, plus noise."""
    out = []
    for r, v, u, d, s in zip(residual, variance, used, distance, walk_sd, strict=True):
        at = np.broadcast_to(d[:, None], r.shape)[u > 0]
        near, far = np.minimum.outer(at, at), np.maximum.outer(at, at)
        covariance = s**2 * near**2 * (3.0 * far - near) / 6.0 + np.diag(v[u > 0])
        out.append(stats.multivariate_normal(np.zeros(at.size), covariance).logpdf(r[u > 0]) if at.size else 0.0)
    return np.array(out)


@pytest.mark.parametrize("seed", range(12))
def test_the_filter_is_the_dense_gaussian(seed, compiled_walk):
    rng = np.random.default_rng(seed)
    curves, knots, slots = int(rng.integers(1, 5)), (1, 3, 6)[seed % 3], int(rng.integers(1, 4))
    used = (rng.random((curves, knots, slots)) < 0.7).astype(float)
    distance = np.cumsum(rng.choice([0.0, 0.5, 1.0], (curves, knots)), axis=1)
    distance -= distance[:, :1] * (rng.random() < 0.5)
    residual = rng.normal(0, 1, used.shape)
    variance = np.exp(rng.normal(-2, 2, used.shape))
    walk_sd = np.exp(rng.normal(-1, 1, curves))
    given = residual, variance, used, distance, walk_sd
    np.testing.assert_allclose(compiled_walk(*given), dense(*given), rtol=1e-8, atol=1e-8)


def test_a_curve_without_runs_adds_nothing(compiled_walk):
    shape = (1, 3, 2)
    nothing = compiled_walk(np.full(shape, 9.0), np.ones(shape), np.zeros(shape), np.array([[0.0, 1, 2]]), np.ones(1))
    assert nothing.item() == 0.0


def test_what_stands_in_padded_cells_does_not_matter(compiled_walk):
    rng = np.random.default_rng(1)
    used = np.array([[[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]])
    residual, variance = rng.normal(size=used.shape), np.ones(used.shape)
    distance, walk_sd = np.array([[0.0, 1.0, 1.0]]), np.array([0.3])
    filled = np.where(used > 0, residual, 77.0)
    for other in (residual, filled):
        again = compiled_walk(other, np.where(used > 0, variance, 0.1), used, distance, walk_sd)
        assert again.item() == pytest.approx(compiled_walk(residual, variance, used, distance, walk_sd).item())


def test_a_walk_that_stands_still_leaves_independent_noise(compiled_walk):
    rng = np.random.default_rng(2)
    residual, variance = rng.normal(size=(2, 3, 1)), np.exp(rng.normal(size=(2, 3, 1)))
    got = compiled_walk(residual, variance, np.ones((2, 3, 1)), np.tile([0.0, 1.0, 2.0], (2, 1)), np.full(2, 1e-12))
    np.testing.assert_allclose(got, stats.norm(0, np.sqrt(variance)).logpdf(residual).sum((1, 2)))


@pytest.mark.parametrize("runs", [2, 5])
def test_scatter_between_runs_is_the_closed_form(runs):
    """Runs about their mean: the Gaussian density of all runs is that of their mean times that of their scatter."""
    rng = np.random.default_rng(runs)
    for sd in (0.05, 0.4):
        x = rng.normal(0.0, sd, runs)
        everything = stats.norm(0.0, sd).logpdf(x).sum()
        mean = stats.norm(0.0, sd / np.sqrt(runs)).logpdf(x.mean())
        scatter = {"scatter": ((x - x.mean()) ** 2).sum(), "scatter_df": runs - 1.0, "runs": float(runs)}
        got = float(scatter_loglikelihood(scatter, np.float64(sd**2 / runs)).eval())
        constant = -0.5 * (runs - 1) * np.log(2 * np.pi) - 0.5 * np.log(runs)
        assert got + constant == pytest.approx(everything - mean)


def test_a_single_run_has_no_scatter():
    nothing = {"scatter": np.zeros(1), "scatter_df": np.zeros(1), "runs": np.ones(1)}
    assert float(scatter_loglikelihood(nothing, np.full(1, 0.01)).eval()) == 0.0


def test_variance_of_a_cell_is_sampling_plus_training_plus_rounding():
    data = {
        "sampling_variance": 0.04,
        "rounding": 0.001,
        "set_weight": 1.0,
        "runs": 5.0,
        "log_total_ratio": np.log(0.25),
    }
    training = 0.2**2 * 0.25**-0.8 / 5
    assert float(run_variance(data, 0.3, 0.2, 0.8)) == pytest.approx(0.04 + 0.001 + training)
    assert float(run_variance(data | {"set_weight": 0.0}, 0.3, 0.2, 0.8)) == pytest.approx(0.012 + 0.001 + training)
