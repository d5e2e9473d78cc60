"""What is laid out for ArviZ: predictive draws of cells given the others, priors, and whole likelihoods."""

import arviz_stats as azs
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from labelvalue import testing
from labelvalue.model.fitting.arviz_tree import (
    arviz_tree,
    cells_of,
    given_the_others,
    missed_by,
    sensitivity_tree,
    together,
)
from tests.fits import altered


@pytest.fixture(scope="module")
def fit():
    return testing.fake_fit(seed=1, slices=("east", "west"), draws=100)


def test_density_given_the_others_and_together_are_those_of_one_gaussian():
    rng = np.random.default_rng(1)
    distance = np.array([0.0, 1.0, 1.0, 3.0])
    residual, noise = rng.normal(size=(1, 4)), rng.uniform(0.1, 0.5, size=(1, 4))
    near, far = np.minimum.outer(distance, distance), np.maximum.outer(distance, distance)
    covariance = 0.3**2 * near**2 * (3 * far - near) / 6 + np.diag(noise[0])
    whole = stats.multivariate_normal(np.zeros(4), covariance).logpdf(residual[0])
    assert together(residual, noise, np.array([0.3]), distance)[0] == pytest.approx(whole)
    rest = stats.multivariate_normal(np.zeros(3), covariance[1:, 1:]).logpdf(residual[0, 1:])
    assert given_the_others(residual, noise, np.array([0.3]), distance)[0, 0] == pytest.approx(whole - rest)


def test_predicted_cells_have_the_mean_and_spread_that_the_others_leave_them(fit):
    cells, tree = cells_of(fit), arviz_tree(fit)
    found = [missed_by(c.residual, c.noise, c.slope_sd, c.distance) for c in cells.curves]
    miss, variance = (np.concatenate(part, axis=-1) for part in zip(*found, strict=True))
    drawn = tree["posterior_predictive"].to_dataset()["log_error"].values
    z = (drawn - cells.log_error + miss) / np.sqrt(variance)
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert z.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * z.size))
    assert (tree["observed_data"].to_dataset()["log_error"].values == cells.log_error).all()


def test_wrong_evaluation_labels_are_in_the_predicted_cells(fit):
    posterior = fit.posterior
    share = xr.zeros_like(posterior["error_now"]) + 0.04
    noisy = arviz_tree(altered(fit, posterior=posterior.assign(evaluation_noise=share)))
    drawn = np.exp(noisy["posterior_predictive"].to_dataset()["log_error"])
    assert float(drawn.min()) > 0.04
    assert float(drawn.min()) < 0.2
    likelihood = noisy["log_likelihood"].to_dataset()["log_error"]
    assert np.isfinite(likelihood).all()


def test_priors_are_drawn_and_weighed_at_the_posterior(fit):
    tree = arviz_tree(fit)
    prior = fit.model.priors["error_mean"]
    drawn = tree["prior"].to_dataset()["error_mean"]
    assert float(drawn.mean()) == pytest.approx(prior.center, abs=4 * prior.spread / np.sqrt(drawn.size))
    at = tree["posterior"].to_dataset()["error_mean"].values
    density = stats.norm(prior.center, prior.spread).logpdf(at)
    np.testing.assert_allclose(tree["log_prior"].to_dataset()["error_mean"].values, density)


def test_power_scaling_sees_the_likelihood_of_whole_curves(fit):
    tree, cells = sensitivity_tree(fit), cells_of(fit)
    curve = cells.curves[1]
    whole = together(curve.residual, curve.noise, curve.slope_sd, curve.distance)
    np.testing.assert_allclose(tree["log_likelihood"].to_dataset()["log_error"].values[..., 1], whole)
    assert float(azs.psense(tree, var_names=["error_mean"], group="prior")["error_mean"]) > 0.0


def test_many_draws_are_thinned_alike_in_every_group():
    tree = arviz_tree(testing.fake_fit(seed=1, slices=("east", "west"), draws=700))
    assert {tree[g].sizes["draw"] for g in tree.children if "draw" in tree[g].sizes} == {234}
    same = tree["posterior"].to_dataset()["draw"].values
    assert (same == np.arange(0, 700, 3)).all()
    assert tree["sample_stats"].to_dataset()["energy"].shape == (4, 234)


@pytest.mark.slow
def test_a_real_fit_is_calibrated_given_the_others():
    """LOO-PIT of a world that the model describes is even."""
    import labelvalue as lv

    fit = lv.fit(testing.fake_runs(seed=1), random_seed=1)
    assert "even (p" in lv.report.read_diagnostics(fit, "loo_pit").replace("uneven", "crooked")
