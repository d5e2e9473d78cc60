"""Promises of the forecasts that are shown nowhere else, each from end to end (F4, F14, F15, F18, F27, F28)."""

import json

import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import names, testing


@pytest.fixture(scope="module")
def small():
    return testing.fake_fit(seed=1, draws=60)


@pytest.fixture(scope="module")
def forecasts(small):
    drift = lv.drift_rate(small)
    rates = lv.diminishing_returns(small, [0, 500])
    synthetic = lv.interventions.exchange_rate(
        small, lv.interventions.SyntheticData(1000, worth={"low": 0.1, "high": 0.4}), price=0.1
    )
    return {
        "gain": lv.predict_gain(small, [500]),
        "observed gain": lv.predict_observed_gain(small, [500]),
        "total gain": lv.predict_total_gain(small, [500]),
        "gain with": lv.predict_gain_with(small, lv.interventions.SyntheticData(100, worth=0.1), [500]),
        "error": lv.predict_error(small, [4000]),
        "doing nothing": lv.predict_idle_error(small, [30], drift),
        "impact": lv.impact(small, per=1000),
        "labels needed": lv.labels_needed(small, [0.15]),
        "labels at a rate": lv.plans.labels_at_rate(small, [0.001]),
        "gain rate": rates["gain_rate"],
        "elasticity": rates["elasticity"],
        "equivalent labels": synthetic["equivalent_labels"],
        "break-even": synthetic["break_even"],
        "drift": drift,
    }


def test_f4_every_forecast_keeps_draws_and_its_summary_says_interval_and_error(forecasts, small):
    count = small.posterior.sizes["chain"], small.posterior.sizes["draw"]
    for what, draws in forecasts.items():
        assert isinstance(draws, xr.DataArray), what
        assert (draws.sizes["chain"], draws.sizes["draw"]) == count, what
        table = lv.summarise(draws)
        assert table.attrs[names.CI_KIND] == "eti", what
        assert table.attrs[names.CI_PROB] == 0.9, what
        assert {"median", "lower", "upper", "mcse"} <= set(table), what
        flat = draws.isel({d: 0 for d in draws.dims[2:]}).values.ravel()
        if np.isfinite(flat).all():
            ends = table.iloc[0][["lower", "upper"]].to_numpy(float)
            np.testing.assert_allclose(ends, np.quantile(flat, [0.05, 0.95]), rtol=1e-6, err_msg=what)


def test_f14_synthetic_examples_have_an_interval_and_a_break_even_price(small):
    made = lv.interventions.SyntheticData(1000, worth={"low": 0.1, "high": 0.4})
    found = lv.interventions.exchange_rate(small, made, price=0.1)
    table = lv.summarise(found["break_even"]).set_index("slice")
    for name in small.slices:
        low, high = table.loc[name, ["lower", "upper"]]
        assert low == pytest.approx(10.0, rel=0.2), "a tenth of a label each, at 0.1"
        assert high == pytest.approx(40.0, rel=0.2)
    told = json.loads(lv.predict_gain_with(small, made, [0]).attrs[names.INTERVENTIONS])
    assert told[0]["effect"] == "elicited"


def test_f15_a_pretrained_learner_of_the_runs_is_measured_and_a_stated_one_elicited(two_learners):
    measured = lv.predict_gain_with(two_learners, lv.interventions.Pretraining(learner="b"), [0, 500])
    np.testing.assert_allclose(measured, lv.predict_gain_with(two_learners, lv.interventions.NewLearner("b"), [0, 500]))
    stated = lv.predict_gain_with(two_learners, lv.interventions.Pretraining(excess=0.8, floor=0.9), [0])
    kinds = [json.loads(gain.attrs[names.INTERVENTIONS])[0]["effect"] for gain in (measured, stated)]
    assert kinds == ["from runs", "elicited"]
    worth = lv.interventions.exchange_rate(two_learners, lv.interventions.Pretraining(excess=0.8))["equivalent_labels"]
    assert worth.attrs[names.UNIT] == names.LABELS
    assert float((worth > 0).mean()) > 0.95


def test_f18_a_corrected_label_has_a_price_up_to_which_it_pays(small):
    """Half of the labels redone, among them four in five of the wrong ones: money per label that is then right."""
    done, noise, price = lv.interventions.Relabel(0.5, caught=0.8, unit_cost=0.05), 0.1, 0.1
    found = lv.interventions.exchange_rate(small, done, noise=noise, price=price)["break_even"]
    gain = lv.predict_gain_with(small, done, [0], noise=noise).sel(budget=0)
    assert float((gain > 0).mean()) > 0.99
    corrected = 0.8 * noise * small.position[names.LABELS_NOW]
    per_label = (found / corrected).median(("chain", "draw"))
    assert (per_label > price).all(), "a wrong label that is put right is worth more than one more label"
    more = lv.interventions.exchange_rate(small, lv.interventions.Relabel(0.5, caught=0.8), noise=0.2, price=price)[
        "break_even"
    ]
    assert float((more > found).mean()) > 0.95, "where more of them are wrong, more can be put right"


def test_f27_a_loss_that_is_smaller_than_the_average_loss_hides_nothing():
    def gains(*values):
        data = np.tile(np.array(values)[None, None, :, None, None], (1, 50, 1, 1, 1))
        coords = {"learner": list("abc")[: len(values)], "slice": ["s"], "budget": [500]}
        return xr.DataArray(data, dims=("chain", "draw", "learner", "slice", "budget"), coords=coords)

    assert not lv.interventions.gain_over_learners(gains(-0.2, -0.1))["hidden"].any()
    assert lv.interventions.gain_over_learners(gains(-0.01, 0.05))["hidden"].all()
    assert lv.interventions.gain_over_learners(gains(0.01, 0.05, 0.01))["hidden"].all()
    assert not lv.interventions.gain_over_learners(gains(0.04, 0.05))["hidden"].any()
