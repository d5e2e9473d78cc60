"""What a fit promises at now is what its curve says there."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from labelvalue import names, predict_error, read_runs, testing
from labelvalue.model.curve.families import log_ratio
from labelvalue.model.curve.observations import CURVE, observe
from labelvalue.model.curve.posterior import at_now, by_slice, doublings_below, log_error_at


@pytest.fixture(scope="module")
def fit():
    return testing.fake_fit(seed=1, draws=50)


@pytest.mark.parametrize("factor", [0.1, 1, 7])
@pytest.mark.parametrize("worth", [-0.05, 0.0, 0.3, None])
def test_at_now_is_the_curve_and_its_derivative(factor, worth, fit, power_law):
    posterior = fit.posterior
    if worth is None:
        posterior = posterior.drop_vars(names.TRANSFER)
    else:
        posterior = posterior.assign({names.TRANSFER: posterior[names.TRANSFER] * 0 + worth})
    now, other = fit.position[names.REFERENCE_LABELS] * factor, fit.position[names.REFERENCE_OTHER_LABELS]
    position = fit.position.assign({names.LABELS_NOW: now, names.OTHER_LABELS_NOW: other})
    derived = at_now(posterior, position, power_law, fit.walks)

    def error(labels):
        ratio = log_ratio(posterior, position, labels, other)
        return np.exp(log_error_at(ratio, posterior, power_law, fit.walks, doublings_below(position, labels)))

    step = 1e-4
    np.testing.assert_allclose(derived[names.ERROR_NOW], error(now))
    slope = (np.log(error(now * np.exp(step))) - np.log(error(now * np.exp(-step)))) / (2 * step)
    np.testing.assert_allclose(derived[names.ELASTICITY], -slope, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(derived[names.IMPACT], -slope * error(now) / now, rtol=1e-3, atol=1e-9)
    np.testing.assert_allclose(derived[names.FLOOR], posterior[names.ERROR_REFERENCE] * posterior[names.FLOOR_SHARE])
    assert all(v.dims == ("chain", "draw", "slice") for v in derived.data_vars.values())


def test_at_the_reference_error_and_elasticity_are_the_parameters(fit):
    np.testing.assert_allclose(fit.posterior[names.ERROR_NOW], fit.posterior[names.ERROR_REFERENCE])
    alone = fit.posterior.assign({names.TRANSFER: fit.posterior[names.TRANSFER] * 0})
    derived = at_now(alone, fit.position, fit.model, fit.walks)
    np.testing.assert_allclose(derived[names.ELASTICITY], fit.posterior[names.CURVE_ELASTICITY], rtol=1e-6)


def test_beyond_the_data_the_error_now_is_the_forecast_discrepancy_included(fit):
    beyond = {str(name): int(8 * n) for name, n in zip(fit.slices, fit.position[names.REFERENCE_LABELS], strict=True)}
    now = fit.position[names.REFERENCE_LABELS] * 8
    position = fit.position.assign({names.LABELS_NOW: now})
    derived = at_now(fit.posterior, position, fit.model, fit.walks)
    for name, labels in beyond.items():
        forecast = predict_error(fit, [labels]).sel(slice=name).squeeze(drop=True)
        np.testing.assert_allclose(derived[names.ERROR_NOW].sel(slice=name), forecast, rtol=1e-9)


def test_a_slice_without_labels_is_finite(fit):
    position = fit.position.assign({names.LABELS_NOW: fit.position[names.LABELS_NOW] * 0})
    derived = at_now(fit.posterior, position, fit.model, fit.walks)
    assert all(np.isfinite(v).all() for v in derived.data_vars.values())


def test_curves_of_one_learner_are_slices():
    seen = observe(testing.fake_runs(seed=1, slices=("b", "a")))
    values = xr.Dataset({"x": (("draw", CURVE), np.arange(6.0).reshape(3, 2)), "alone": ("draw", np.zeros(3))})
    named = by_slice(values, seen)
    assert named["x"].dims == ("draw", "slice")
    assert named["slice"].values.tolist() == ["a", "b"]
    assert named["alone"].dims == ("draw",)


def test_curves_of_two_learners_are_slices_by_learners():
    seen = observe(testing.fake_runs(seed=1, slices=("b", "a", "c"), learners=("y", "x")))
    number = np.arange(6.0)
    values = xr.Dataset({"x": (("draw", CURVE), np.stack([number, number + 10])), "alone": ("draw", np.zeros(2))})
    named = by_slice(values, seen)
    assert named["x"].dims == ("draw", "slice", "learner")
    for i, (name, learner) in enumerate(zip(seen["slice"].values, seen["learner"].values, strict=True)):
        assert named["x"].sel(slice=name, learner=learner).values.tolist() == [i, i + 10]
    assert named["alone"].dims == ("draw",)


def test_values_of_the_whole_stay_as_they_are():
    seen = observe(testing.fake_runs(seed=1))
    whole = xr.Dataset({"churn": ("draw", np.arange(3.0))})
    xr.testing.assert_identical(by_slice(whole, seen), whole)


def test_two_suites_are_a_dim_of_their_own():
    runs = testing.fake_runs(seed=1, slices=("b", "a"))
    frame = runs.to_dataframe()[["slice", "labels", "other_labels", "errors", "trials", "replicate"]]
    seen = observe(read_runs(pd.concat([frame.assign(suite=s) for s in ("shifted", "holdout")], ignore_index=True)))
    values = xr.Dataset({"x": ((CURVE,), np.arange(4.0)), "of_slice": ("slice", np.zeros(2))}, {"slice": ["a", "b"]})
    named = by_slice(values, seen)
    assert named["x"].dims == ("slice", "suite")
    assert named["x"].sel(slice="b", suite="holdout").item() == 2.0
    assert named["of_slice"].dims == ("slice",)
