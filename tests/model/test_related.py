"""A related project's group level as priors: closed forms at any weight, and what it does to a new project."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from labelvalue import names, new_slice, predict_error, testing
from labelvalue.priors import draw_curves, from_related, prior_sensitivity
from tests.forecast.conftest import changed

MEAN, SD = -1.2, 0.3


@pytest.fixture(scope="module")
def finished():
    """A project that found curves steeper than the bank's, and knows it well."""
    fit = testing.fake_fit(seed=1, draws=1000)
    rng = np.random.default_rng(2)
    like = xr.zeros_like(fit.posterior["churn"])
    z = rng.standard_normal(like.shape)
    steeper = like + MEAN + SD * (z - z.mean()) / z.std()
    return changed(fit, posterior={"elasticity_mean": steeper})


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_m3_a_related_project_counts_for_its_share_of_the_evidence(finished, weight):
    bank = finished.model.priors["elasticity_mean"]
    found = from_related(finished, weight)["elasticity_mean"]
    evidence = SD**-2 - bank.spread**-2
    where = (SD**-2 * MEAN - bank.spread**-2 * bank.center) / evidence
    precision = bank.spread**-2 + weight * evidence
    assert found.spread == pytest.approx(precision**-0.5)
    assert found.center == pytest.approx((bank.spread**-2 * bank.center + weight * evidence * where) / precision)
    assert found.distribution == bank.distribution
    assert found.meaning == bank.meaning
    assert finished.settings["runs_sha256"][:12] in found.source


def test_shares_and_spreads_move_on_their_unbounded_scale(finished):
    churn = xr.zeros_like(finished.posterior["churn"])
    rng = np.random.default_rng(5)
    spread = np.exp(-2.0 + 0.1 * rng.standard_normal(churn.shape))
    share = 1 / (1 + np.exp(-1.0 - 0.2 * rng.standard_normal(churn.shape)))
    fit = changed(finished, posterior={"elasticity_spread": churn + spread, "churn": churn + share})
    found = from_related(fit, 1.0)
    assert (found["elasticity_spread"].center, found["elasticity_spread"].spread) == pytest.approx((-2, 0.1), rel=0.05)
    assert (found["churn"].center, found["churn"].spread) == pytest.approx((1.0, 0.2), rel=0.05)


def test_m3_a_new_project_is_forecast_by_an_interval_that_the_related_one_narrows(finished):
    """Before any run of its own: where the related project says that curves are steep, more is expected of labels."""
    sizes = {"labels": [1000, 8000], "reference_labels": 1000, "samples": 4000}

    def fall(priors):
        error = draw_curves(priors=priors, **sizes)
        return np.quantile(1 - error.sel(labels=8000) / error.sel(labels=1000), [0.05, 0.5, 0.95])

    bank, told = fall(None), fall({"elasticity_mean": from_related(finished)["elasticity_mean"]})
    assert told[1] > bank[1]
    assert told[2] - told[0] > 0.05, "an interval, not a point"
    every = {weight: from_related(finished, weight)["elasticity_mean"].spread for weight in (0.1, 0.5, 1.0)}
    assert every[0.1] > every[0.5] > every[1.0]
    # and of a fit that there is, without another one
    one = {"elasticity_mean": from_related(finished)["elasticity_mean"]}
    table = prior_sensitivity(testing.fake_fit(seed=2), 1000, priors=one, refit=False)
    assert (table[table["change"] == "replaced"]["pareto_k"] < 10).all()


def test_what_the_project_did_not_learn_stays_the_banks(finished):
    wide = changed(finished, posterior={"floor_mean": finished.posterior["floor_mean"] * 3.0})
    bank, found = finished.model.priors["floor_mean"], from_related(wide)["floor_mean"]
    assert (found.center, found.spread) == (bank.center, bank.spread)


def test_an_error_without_a_bound_is_on_its_own_scale(finished):
    assert "error_mean" in from_related(finished)
    assert "error_mean" not in from_related(changed(finished, settings={"upper": "inf"}))


def test_what_is_wrong_is_said(finished):
    for weight in (-0.1, 1.1, True, "half"):
        with pytest.raises(ValueError, match="weight must be a share"):
            from_related(finished, weight)
    refused = dataclasses.replace(finished, diagnostics=dataclasses.replace(finished.diagnostics, verdict="refused"))
    with pytest.raises(ValueError, match="was refused"):
        from_related(refused)


def test_a_slice_of_the_related_project_is_not_one_of_the_new(finished):
    """Strength is lent through the group: an unseen slice's error has an interval that covers what was seen."""
    unseen = predict_error(new_slice(finished, "new"), [1000]).sel(slice="new")
    assert float(np.log(unseen).std()) > float(np.log(finished.posterior[names.ERROR_NOW]).std(("chain", "draw")).max())
