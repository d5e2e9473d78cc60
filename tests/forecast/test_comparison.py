"""Models compared on the same runs, and their draws mixed in proportion."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from labelvalue import names, predict_gain, testing
from labelvalue.diagnostics import attach_backtest, blend, compare_models
from labelvalue.forecast.backtesting.scores import weight_draws
from tests.fits import altered


@pytest.fixture(scope="module")
def fit():
    return testing.fake_fit(seed=1)


@pytest.fixture(scope="module")
def worse(fit):
    """The same fit with every error half as high again."""
    return altered(fit, posterior={names.ERROR_REFERENCE: 1.5 * fit.posterior[names.ERROR_REFERENCE]})


def test_the_better_model_comes_first_and_takes_the_weight(fit, worse):
    table = compare_models({"worse": worse, "better": fit})
    assert table["model"].tolist() == ["better", "worse"]
    assert table["weight"].sum() == pytest.approx(1.0)
    assert table["weight"][0] > 0.9
    assert table["elpd_difference"][1] != 0
    assert table["crps"].isna().all()
    assert (table["worst_k"] > 0).all()


def test_m13_weights_have_an_interval_that_is_narrow_where_one_model_is_plainly_better(fit, worse):
    table = compare_models({"worse": worse, "better": fit}).set_index("model")
    assert (table["weight_lower"] <= table["weight"] + 0.02).all()
    assert (table["weight"] <= table["weight_upper"] + 0.02).all()
    assert table.loc["better", "weight_lower"] > 0.8
    assert table.loc["worse", "weight_upper"] == pytest.approx(1 - table.loc["better", "weight_lower"], abs=1e-6)


def test_m13_the_interval_of_a_weight_covers_the_best_weight_of_endless_data():
    """Cells come from a mixture of two densities, of which the stacking weight is known: its share, 0.3."""
    rng, held, widths = np.random.default_rng(3), [], {100: [], 900: []}
    for world in range(60):
        cells = 100 if world % 2 else 900
        drawn = np.where(rng.random(cells) < 0.3, rng.normal(0.0, 1.0, cells), rng.normal(1.5, 1.0, cells))
        elpd = np.column_stack([norm.logpdf(drawn, 0.0, 1.0), norm.logpdf(drawn, 1.5, 1.0)])
        low, high = np.quantile(weight_draws(elpd)[:, 0], [0.05, 0.95])
        held.append(low < 0.3 < high)
        widths[cells].append(high - low)
    assert 0.8 < np.mean(held) < 0.98
    assert np.mean(widths[100]) == pytest.approx(3 * np.mean(widths[900]), rel=0.2)


def test_held_out_scores_stand_beside_leave_one_out(fit, worse):
    tested = attach_backtest(fit, testing.fake_backtest(seed=1))
    table = compare_models({"a": tested, "b": worse}).set_index("model")
    assert table.loc["a", "crps"] > 0
    assert np.isnan(table.loc["b", "crps"])


def test_fits_of_other_runs_are_refused(fit):
    with pytest.raises(ValueError, match="different runs"):
        compare_models({"a": fit, "b": testing.fake_fit(seed=2)})
    with pytest.raises(ValueError, match="at least two"):
        compare_models({"a": fit})


def test_a_blend_holds_each_models_share_of_draws(fit):
    gain = predict_gain(fit, [500, 1000])
    mixed = blend({"low": gain * 0, "high": gain * 0 + 1}, {"low": 0.25, "high": 0.75})
    assert mixed.dims == gain.dims
    assert float(mixed.mean()) == pytest.approx(0.75, abs=0.003)
    # One draw is one model's, in every slice and at every budget.
    per_draw = mixed.values.reshape(-1, mixed.sizes["slice"] * mixed.sizes["budget"])
    assert (per_draw == per_draw[:, :1]).all()
    assert json.loads(mixed.attrs["weights"]) == {"low": 0.25, "high": 0.75}
    assert mixed.attrs["verdict"] == gain.attrs["verdict"]


def test_a_weight_of_one_is_that_model(fit):
    gain = predict_gain(fit, [500])
    table = pd.DataFrame({"model": ["b", "a"], "weight": [0.0, 1.0]})
    np.testing.assert_array_equal(blend({"a": gain, "b": gain * 9}, table), gain)


@pytest.mark.parametrize("weights", [{"a": 0.5, "b": 0.6}, {"a": -0.5, "b": 1.5}, {"a": 1.0}])
def test_weights_that_are_no_shares_are_refused(weights, fit):
    gain = predict_gain(fit, [500])
    with pytest.raises(ValueError, match="weight"):
        blend({"a": gain, "b": gain}, weights)


def test_forecasts_of_other_budgets_do_not_blend(fit):
    with pytest.raises(ValueError, match="differ in shape"):
        blend({"a": predict_gain(fit, [500]), "b": predict_gain(fit, [500, 600])}, {"a": 0.5, "b": 0.5})
