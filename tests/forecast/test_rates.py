"""Diminishing returns: slopes against differences of the curve, and where they get too little."""

import numpy as np
import pytest

from labelvalue import Case, diminishing_returns, impact, names, predict_error, summarise
from labelvalue.plans import labels_at_rate, marginal_benefit

BUDGETS = [0, 500, 4000, 30_000]


def test_f6_per_thousand_labels_it_begins_with_the_impact(fake_fit):
    rate = diminishing_returns(fake_fit, [0])["gain_rate"].sel(budget=0)
    np.testing.assert_allclose(rate, impact(fake_fit, per=1000), rtol=1e-9)
    assert rate.attrs[names.UNIT] == "error per 1,000 labels"
    table = summarise(rate.drop_vars(["budget"]))
    assert {"mean", "lower", "upper", "mcse"} <= set(table)


def test_f9_rates_are_the_slope_of_the_curve_everywhere(fake_fit):
    """Against a difference of the curve over a five-hundredth of its labels, discrepancy and other labels included."""
    found = diminishing_returns(fake_fit, BUDGETS)
    for name in ("north", "west"):
        now = int(fake_fit.position[names.LABELS_NOW].sel(slice=name))
        for budget in BUDGETS[1:]:
            step = (now + budget) // 1000
            sizes = [now + budget - step, now + budget, now + budget + step]
            error = predict_error(fake_fit, sizes).sel(slice=name)
            drop = (error.isel(labels=0) - error.isel(labels=2)) / (2 * step)
            mine = found.sel(slice=name, budget=budget)
            np.testing.assert_allclose(mine["gain_rate"] / 1000, drop, rtol=2e-3, atol=1e-9)
            np.testing.assert_allclose(mine["elasticity"], drop * sizes[1] / error.isel(labels=1), rtol=2e-3, atol=1e-4)
    assert found["gain_rate"].dims == ("chain", "draw", "slice", "budget")
    assert found["doublings"].sel(budget=0).max() == 0


def test_f9_the_probability_of_too_little_is_counted_at_each_budget(fake_fit, straight):
    rate = diminishing_returns(fake_fit, BUDGETS)["gain_rate"]
    below = float(rate.sel(budget=500).median())
    p = diminishing_returns(fake_fit, BUDGETS, below=below)["p_below"]
    assert p.dims == ("slice", "budget")
    np.testing.assert_allclose(p, (rate < below).mean(("chain", "draw")))
    assert 0 < float(p.sel(budget=500).mean()) < 1
    assert (diminishing_returns(straight, BUDGETS, below=below)["p_below"].diff("budget") >= 0).all()


@pytest.mark.parametrize("share", [0.7, 0.2])
def test_f10_the_point_is_where_the_rate_is_the_stated_one(straight, share):
    rate = share * float(impact(straight, per=1000).min())
    points = labels_at_rate(straight, [rate])
    now = straight.position[names.LABELS_NOW]
    assert (points > now).all()
    for place in [(0, 0, 1), (3, 200, 2)]:
        name, size = straight.slices[place[2]], float(points[(*place, 0)])
        if np.isfinite(size):
            budget = round(size - float(now.sel(slice=name)))
            found = diminishing_returns(straight, [budget])["gain_rate"].sel(slice=name, budget=budget)
            assert float(found[place[:2]]) == pytest.approx(rate, rel=5e-3)


def test_f10_where_further_labels_bring_too_little_already_it_is_now(straight):
    rate = 1.01 * float(impact(straight, per=1000).max())
    points = labels_at_rate(straight, [rate]).sel(rate=rate)
    np.testing.assert_array_equal(*np.broadcast_arrays(points.values, straight.position[names.LABELS_NOW].values))
    assert np.isinf(labels_at_rate(straight, 1e-12)).all()


def test_f10_breaks_beyond_the_data_are_named_as_invisible(fake_fit):
    table = summarise(labels_at_rate(fake_fit, [0.002]))
    assert "cannot be seen" in table.attrs["notes"][0]
    assert {"median", "p_never"} <= set(table)
    case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 40})
    assert "cannot be seen" in marginal_benefit(fake_fit, case, [0, 500]).attrs[names.NOTES].splitlines()[0]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda fit: diminishing_returns(fit, [-1]), "budget must be a whole number"),
        (lambda fit: diminishing_returns(fit, [1], below=float("nan")), "below must be a number"),
        (lambda fit: labels_at_rate(fit, 0.0), "rate must be an error per 1,000 labels > 0"),
    ],
)
def test_what_cannot_be(fake_fit, call, says):
    with pytest.raises(ValueError, match=says):
        call(fake_fit)
