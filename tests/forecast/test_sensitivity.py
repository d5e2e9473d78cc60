"""Re-weighted draws against conjugate normals in closed form, and the judgement of the weights."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from labelvalue import Prior, names, predict_gain
from labelvalue.forecast.gains.prior_sensitivity import (
    importance_weights,
    prior_groups,
    replaced_priors,
    scaled_priors,
)
from labelvalue.priors import prior_sensitivity
from tests.fits import altered

SAMPLE = (names.CHAIN, names.DRAW)
SHAPE = (4, 2500)
DATA, NOISE = -2.2, 0.6  # a normal observation of the level: its mean and standard deviation
BUDGET = 4000


def posterior(center, spread):
    """Mean and standard deviation of a normal level under a normal prior and the one observation."""
    precision = 1 / spread**2 + 1 / NOISE**2
    return (center / spread**2 + DATA / NOISE**2) / precision, precision**-0.5


@pytest.fixture(scope="module")
def conjugate(fake_fit, change):
    """A fit with one uncertain level, known exactly, by which the error of every slice goes up: error = e^level."""
    prior = fake_fit.model.priors["error_mean"]
    mean, sd = posterior(prior.center, prior.spread)
    level = xr.DataArray(
        np.random.default_rng(3).normal(mean, sd, SHAPE),
        dims=SAMPLE,
        coords={names.CHAIN: np.arange(SHAPE[0]), names.DRAW: np.arange(SHAPE[1])},
    )
    middle = fake_fit.posterior.mean(SAMPLE)
    posterior_ = xr.Dataset({n: v + 0.0 * level for n, v in middle.items()})
    posterior_ = posterior_.assign(error_mean=level, error_reference=np.exp(level) + 0.0 * middle["floor_share"])
    posterior_ = posterior_.assign(discrepancy=1e-12 * posterior_["discrepancy"])
    return change(altered(fake_fit, posterior=posterior_.transpose(*SAMPLE, ...)))


def moments(draws, log_weights):
    weights = np.exp(log_weights)
    mean = float((weights * draws).sum())
    return mean, float((weights * (draws - mean) ** 2).sum()) ** 0.5


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_scaled_prior_gives_the_conjugate_posterior(conjugate, factor):
    prior = conjugate.model.priors["error_mean"]
    weights = importance_weights(scaled_priors(conjugate, ["error_mean"], [factor])[0].ratios)
    expected = posterior(prior.center, prior.spread / factor**0.5)
    assert moments(conjugate.posterior["error_mean"], weights) == pytest.approx(expected, abs=0.015)
    assert weights.attrs["reliable"]


def test_replaced_prior_gives_the_conjugate_posterior(conjugate):
    weights = importance_weights(replaced_priors(conjugate, {"error_mean": Prior("normal", -1.8, 0.8)}).ratios)
    assert moments(conjugate.posterior["error_mean"], weights) == pytest.approx(posterior(-1.8, 0.8), abs=0.02)


def test_prior_of_another_kind_counts_its_slope(conjugate):
    """A lognormal prior on churn replaced by the logitnormal it came with, and back: nothing changes."""
    fit = conjugate
    share = xr.DataArray(np.random.default_rng(1).beta(2, 5, SHAPE), dims=SAMPLE)
    fit = altered(fit, posterior={"churn": share})
    change = {"churn": Prior("lognormal", -1.2, 0.5)}
    there = replaced_priors(fit, change).ratios
    model = dataclasses.replace(fit.model, priors=fit.model.priors.replace(change))
    back = replaced_priors(dataclasses.replace(fit, model=model), {"churn": fit.model.priors["churn"]}).ratios
    assert np.allclose(there + back, 0.0)
    x = share.values
    old = fit.model.priors["churn"]
    z_new, z_old = (np.log(x) + 1.2) / 0.5, (np.log(x / (1 - x)) - old.center) / old.spread
    expected = -0.5 * z_new**2 - np.log(0.5 * x) + 0.5 * z_old**2 + np.log(old.spread * x * (1 - x))
    assert np.allclose(there, expected)


def test_table_holds_the_conjugate_shift_of_the_gain(conjugate):
    """gain = e^level times a constant, so that its mean under any normal has a closed form."""
    other = {"error_mean": Prior("normal", -1.8, 0.8)}
    table = prior_sensitivity(conjugate, BUDGET, priors=other, refit=False).set_index(["priors", "change", "slice"])
    gain = predict_gain(conjugate, [BUDGET]).isel(budget=0)
    prior = conjugate.model.priors["error_mean"]
    cases = {
        "to the power 0.5": posterior(prior.center, prior.spread * 2**0.5),
        "to the power 2": posterior(prior.center, prior.spread / 2**0.5),
        "replaced": posterior(-1.8, 0.8),
    }
    mean, sd = posterior(prior.center, prior.spread)
    for name in conjugate.slices:
        constant = float((gain.sel(slice=name) / np.exp(conjugate.posterior["error_mean"])).mean())
        before = constant * np.exp(mean + sd**2 / 2)
        spread = before * np.expm1(sd**2) ** 0.5
        for change_, (mean_, sd_) in cases.items():
            row = table.loc[("error_mean", change_, name)]
            after = constant * np.exp(mean_ + sd_**2 / 2)
            assert row["changed_mean"] == pytest.approx(after, rel=0.03)
            assert row["shift"] == pytest.approx((after - before) / spread, abs=0.05)
            assert row["p_gain"] == row["changed_p_gain"] == pytest.approx(1.0)
            assert row["advice"] == ""


def test_probability_of_a_gain_is_reweighted(fake_fit, change):
    draws = fake_fit.posterior
    level, center = draws["elasticity_mean"], fake_fit.model.priors["elasticity_mean"].center
    fit = change(fake_fit, posterior={"curve_elasticity": (level - center) * 0.1 + 0.0 * draws["floor_share"]})
    table = prior_sensitivity(fit, 500, factors=(), priors={"elasticity_mean": Prior("normal", center + 1.0, 1.0)})
    # Under the fit's own prior the level is above its centre in half of the draws, under the other in 84 %.
    assert table["p_gain"].to_numpy() == pytest.approx(0.5, abs=0.05)
    assert table["changed_p_gain"].to_numpy() == pytest.approx(0.841, abs=0.06)


def test_far_prior_is_not_answered_by_reweighting(conjugate):
    table = prior_sensitivity(
        conjugate, BUDGET, factors=(), priors={"error_mean": Prior("normal", 4.0, 0.5)}, refit=False
    )
    assert (table["pareto_k"] > 0.7).all()
    assert (table["advice"] == "re-fit instead").all()
    assert (table["effective_draws"] < 50).all()


def test_few_draws_are_held_to_a_stricter_k():
    # The weights have a Pareto tail of shape 0.6 by construction.
    quantiles = (np.arange(10_000) + 0.5) / 10_000
    many = xr.DataArray(-0.6 * np.log1p(-quantiles)[None, :], dims=SAMPLE)
    few = many[:, 50::100]
    judged = [importance_weights(ratios).attrs for ratios in (many, few)]
    assert [a["pareto_k"] for a in judged] == pytest.approx([0.6, 0.6], abs=0.1)
    assert [a["reliable"] for a in judged] == [True, False]
    even = importance_weights(0.0 * few)
    assert even.attrs["reliable"]
    assert even.attrs["effective_draws"] == pytest.approx(100)


def test_weights_sum_to_one_and_keep_the_order(conjugate):
    ratios = scaled_priors(conjugate, ["error_mean"], [2.0])[0].ratios
    weights = importance_weights(ratios + 1000.0)
    assert float(np.exp(weights).sum()) == pytest.approx(1.0)
    assert np.corrcoef(weights.values.ravel(), ratios.values.ravel())[0, 1] > 0.99


def test_groups_are_quantities(fake_fit):
    groups = prior_groups(fake_fit)
    assert groups["discrepancy"] == ("discrepancy_mean", "discrepancy_spread", "discrepancy_power")
    assert groups["training"] == ("training_mean", "training_spread", "training_decay")
    assert "efficiency" not in groups
    assert sorted(n for members in groups.values() for n in members) == sorted(
        n for n in fake_fit.model.priors if n in fake_fit.posterior
    )


def test_table_has_a_row_a_curve(two_learners):
    table = prior_sensitivity(two_learners, 500, refit=False)
    curves = two_learners.slices.size * 2
    assert len(table) == curves * 2 * len(prior_groups(two_learners))
    assert list(table.columns[:4]) == ["priors", "change", "slice", "learner"]
    assert table.attrs == {"budget": 500, "unit": "error", "verdict": "ok"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"factors": (0.5, -1)}, "factors must be positive"),
        ({"factors": ("half",)}, "factors must be positive"),
        ({"budget": -5}, "budget must be a whole number"),
        ({"priors": {"flor_mean": Prior("normal", 0, 1)}}, "did you mean 'floor_mean'"),
        ({"priors": {"noise_cost": Prior("lognormal", 0, 1)}}, "does not depend on noise_cost"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_fitted(fake_fit, wrong, says, monkeypatch):
    monkeypatch.setattr(
        "labelvalue.forecast.gains.prior_sensitivity.fit_again", lambda *_, **__: pytest.fail("fitted again")
    )
    with pytest.raises(ValueError, match=says):
        prior_sensitivity(fake_fit, **{"budget": 500, **wrong})
