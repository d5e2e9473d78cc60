"""summarise: its numbers against numpy, its rows, its flags."""

import math

import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import names
from labelvalue.report.numbers.tables import bands


@pytest.fixture(scope="module")
def gain(fake_fit):
    return lv.predict_gain(fake_fit, budgets=[2000, 0, 500, 60_000])


def row_draws(draws, row, *dims):
    return draws.sel({d: row[d] for d in dims}).values.ravel()


def test_values_against_numpy(gain):
    table = lv.summarise(gain, ci_prob=0.8)
    for _, row in table.iterrows():
        own = row_draws(gain, row, "slice", "budget")
        assert row["mean"] == pytest.approx(own.mean())
        assert row["median"] == pytest.approx(np.median(own))
        assert (row["lower"], row["upper"]) == pytest.approx(tuple(np.quantile(own, [0.1, 0.9])))
        assert row["p_positive"] == pytest.approx((own > 0).mean())
        assert 0 <= row["mcse"] < 0.2 * max(own.std(), 1e-12) or own.std() == 0


def test_rows_are_sorted_by_slice_and_keep_the_order_of_budgets(gain):
    table = lv.summarise(gain.isel(slice=[2, 0, 3, 1]))
    assert list(table["slice"].unique()) == sorted(gain["slice"].values)
    assert list(table["budget"])[:4] == [2000, 0, 500, 60_000]
    assert len(table) == 16
    assert table["budget"].dtype.kind == "i"


def test_attributes_say_what_the_interval_is(gain):
    attrs = lv.summarise(gain).attrs
    assert attrs["ci_kind"] == "eti"
    assert attrs["ci_prob"] == 0.9
    assert attrs["name"] == "gain"
    assert attrs["unit"] == "error"
    assert attrs["metric"] == "error_rate"
    assert attrs["verdict"] == "ok"
    assert attrs["notes"] == []


def test_notes_of_the_forecast_reach_the_table(fake_fit):
    table = lv.summarise(lv.predict_gain(fake_fit, budgets=[500, 500]))
    assert len(table) == fake_fit.slices.size
    assert "duplicates were dropped" in table.attrs["notes"][0]


def test_rows_beyond_the_validated_distance_say_so(gain):
    table = lv.summarise(gain)
    far = table["doublings"] > 3
    assert set(table.loc[far, "budget"]) == {60_000}
    assert far.sum() == 4
    for _, row in table.iterrows():
        expected = f"beyond validated distance ({row['doublings']:.1f} doublings)" if row["doublings"] > 3 else ""
        assert row["flags"] == expected


def test_flags_of_a_slice_stand_in_every_row(gain):
    flagged = gain.assign_coords({names.FLAGS: ("slice", ["borrowed", "", "", ""])})
    table = lv.summarise(flagged)
    east = table[table["slice"] == "east"]
    assert east["flags"].str.startswith("borrowed").all()
    assert east["flags"].iloc[-1] == "borrowed; beyond validated distance (5.1 doublings)"
    assert not table[table["slice"] != "east"]["flags"].str.contains("borrowed").any()


def test_several_learners():
    fit = lv.testing.fake_fit(seed=2, learners=("tree", "linear"), draws=50)
    draws = lv.predict_gain(fit, budgets=[500, 100])
    table = lv.summarise(draws)
    assert list(table.columns[:3]) == ["slice", "learner", "budget"]
    assert len(table) == 4 * 2 * 2
    assert list(table["learner"][:4]) == ["linear", "linear", "tree", "tree"]
    for _, row in table.iterrows():
        assert row["mean"] == pytest.approx(row_draws(draws, row, "slice", "learner", "budget").mean())


@pytest.mark.parametrize(
    "forecast",
    [
        lambda fit: lv.impact(fit, per=1000),
        lambda fit: lv.predict_error(fit, labels=[4000, 1000]),
        lambda fit: lv.predict_observed_gain(fit, budgets=[500]),
        lambda fit: fit.posterior["elasticity"],
        lambda fit: fit.posterior["churn"],
    ],
)
def test_every_forecast(fake_fit, forecast):
    draws = forecast(fake_fit)
    table = lv.summarise(draws)
    cells = math.prod(draws.sizes[d] for d in draws.dims[2:])
    assert len(table) == cells
    assert ("p_positive" in table) == (draws.name == "observed_gain")
    assert (table["lower"] < table["upper"]).all()
    assert table.attrs["name"] == draws.name


def test_labels_needed_has_no_mean_and_says_how_often_never(fake_fit):
    needed = lv.labels_needed(fake_fit, [0.15, 0.05, 1e-9])
    table = lv.summarise(needed)
    assert "mean" not in table
    for _, row in table.iterrows():
        own = row_draws(needed, row, "slice", "target")
        assert row["p_never"] == pytest.approx(np.isinf(own).mean())
        assert row["median"] == pytest.approx(np.quantile(own, 0.5, method="higher"), rel=0.2)
        assert row["lower"] <= row["median"] <= row["upper"]
    never = table[table["target"] == 1e-9]
    assert np.isinf(never[["median", "lower", "upper"]]).all(axis=None)
    assert never["mcse"].isna().all()


def test_draws_that_are_no_numbers_give_no_numbers(gain):
    broken = gain.copy()
    broken[0, 0, 0, 0] = np.nan
    broken[1, 0, 1, 0] = np.inf
    table = lv.summarise(broken)
    assert table[["mean", "lower", "upper", "p_positive"]].isna().all(axis=1).sum() == 2


def test_two_intervals_are_those_of_two_tables(gain):
    both = bands(gain, (0.5, 0.9))
    outer, inner = lv.summarise(gain, ci_prob=0.9), lv.summarise(gain, ci_prob=0.5)
    np.testing.assert_array_equal(both[["mean", "lower", "upper"]], outer[["mean", "lower", "upper"]])
    np.testing.assert_array_equal(both[["inner_lower", "inner_upper"]], inner[["lower", "upper"]])


@pytest.mark.parametrize("ci_prob", [0, 1, -0.1, 90, True, "0.9", math.nan])
def test_impossible_probabilities(gain, ci_prob):
    with pytest.raises(ValueError, match=r"between 0 and 1, got .* Fix:"):
        lv.summarise(gain, ci_prob=ci_prob)


def test_what_is_no_forecast():
    with pytest.raises(TypeError, match="predict_gain"):
        lv.summarise([0.1, 0.2])
    with pytest.raises(ValueError, match=r"'chain' and 'draw'.*Fix:"):
        lv.summarise(xr.DataArray([1.0], dims="slice", name="gain"))
