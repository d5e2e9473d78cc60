"""Densities of priors: they integrate to one, agree with the draws, and know which variables have them."""

import numpy as np
import pytest
from scipy import integrate

from labelvalue import Prior
from labelvalue.model.prior.priors import draw_prior, group_level, log_density, log_prior

RANGES = {"normal": (-30, 30), "student": (-400, 400), "lognormal": (1e-9, 200), "logitnormal": (1e-9, 1 - 1e-9)}


@pytest.mark.parametrize("distribution", RANGES)
def test_density_is_that_of_the_draws(distribution):
    prior = Prior(distribution, 0.4, 0.7)
    low, high = RANGES[distribution]

    def density(x):
        return np.exp(log_density(prior, np.array(x)))

    assert integrate.quad(density, low, high, points=[0.5, 1.0], limit=200)[0] == pytest.approx(1, abs=1e-4)
    draws = draw_prior(prior, 200_000, np.random.default_rng(1))
    inside = integrate.quad(density, 0.5, 0.8)[0]
    assert np.mean((draws > 0.5) & (draws < 0.8)) == pytest.approx(inside, abs=0.004)


@pytest.mark.parametrize("distribution", ["lognormal", "logitnormal"])
def test_unbounded_density_peaks_at_the_centre(distribution):
    prior = Prior(distribution, -0.7, 0.5)
    middle = np.exp(-0.7) if distribution == "lognormal" else 1 / (1 + np.exp(0.7))
    at = middle * np.array([0.99, 1.0, 1.01])
    assert log_density(prior, at, unbounded=True).argmax() == 1
    assert log_density(prior, at).argmax() != 1


def test_share_at_its_ends_has_a_finite_density():
    assert np.isfinite(log_density(Prior("logitnormal", 0.0, 2.0), np.array([0.0, 1.0]))).all()


def test_prior_between_serves_a_variable_a_dim_and_constants_serve_none(fake_fit):
    posterior = fake_fit.posterior
    between = abs(posterior["elasticity_mean"])
    posterior = posterior.assign(elasticity_between_slices=between, elasticity_between_learners=2 * between)
    found = {v.name for v in group_level(posterior, "elasticity_between")}
    assert found == {"elasticity_between_slices", "elasticity_between_learners"}
    posterior = posterior.assign(floor_spread=0 * between + 0.3)
    assert group_level(posterior, "floor_spread") == []
    assert float(abs(log_prior(posterior, "floor_spread", Prior("lognormal", 0.0, 1.0))).max()) == 0.0


def test_density_of_a_prior_with_a_variable_a_strategy_is_summed(fake_fit):
    base = fake_fit.posterior
    posterior = base.assign(efficiency_mean=base["churn"].expand_dims(strategy=["margin", "entropy"]))
    prior = Prior("normal", 0.0, 0.35)
    assert np.allclose(log_prior(posterior, "efficiency_mean", prior), 2 * log_prior(base, "churn", prior))
