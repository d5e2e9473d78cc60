"""The integrated walk: its moments, its smoothness, and whose it is."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import names, testing
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.model.curve.discrepancy import (
    BETWEEN_LEARNERS,
    BETWEEN_SLICES,
    HORIZON,
    KNOTS_PER_DOUBLING,
    Beyond,
    Walks,
    level_sd,
    paths,
    strays,
    walk_at,
)
from labelvalue.model.curve.families import log_ratio

SAMPLES = 20_000
# Standard error of a variance is sqrt(2 / n) of it; five of them, over 12 comparisons, is one false alarm in 10^5.
WITHIN = 5 * np.sqrt(2 / SAMPLES)


@pytest.fixture(scope="module")
def walk():
    return paths(SAMPLES, 1, "fr", "default")


@pytest.mark.parametrize("d", [0.5, 1.0, 3.0, 10.0])
def test_variances_at_knots(walk, d):
    level, slope = (part[:, int(d * KNOTS_PER_DOUBLING)] for part in walk)
    assert slope.var() == pytest.approx(d, rel=WITHIN)
    assert level.var() == pytest.approx(d**3 / 3, rel=WITHIN)
    scale = np.sqrt(d * d**3 / 3)
    assert np.cov(level, slope)[0, 1] == pytest.approx(d**2 / 2, abs=WITHIN * scale)
    assert abs(level.mean()) < 5 * np.sqrt(d**3 / 3 / SAMPLES)


def test_between_knots_the_variance_is_near(walk):
    """Hermite's cubic is the mean of the walk between two knots; what it leaves out has variance h³/192 at most."""
    d = np.array([[0.25, 0.75, 1.25, 2.75]])
    np.testing.assert_allclose(walk_at(*walk, d).var(axis=0), d[0] ** 3 / 3, rtol=WITHIN, atol=0.5**3 / 192)


def test_it_starts_at_nothing(walk):
    assert (walk[0][:, 0] == 0).all()
    assert (walk[1][:, 0] == 0).all()
    assert (walk_at(*walk, np.array([[-30.0, -1.0, -1e-9, 0.0]])) == 0).all()


def test_level_and_slope_are_met_at_every_knot(walk):
    level, slope = (part[:50] for part in walk)
    h = 1e-6
    for knot in range(1, 12):
        d = knot / KNOTS_PER_DOUBLING
        before, at, after = walk_at(level, slope, np.array([[d - h, d, d + h]])).T
        np.testing.assert_allclose(at, level[:, knot], atol=1e-12)
        np.testing.assert_allclose((at - before) / h, slope[:, knot], atol=1e-3)
        np.testing.assert_allclose((after - at) / h, slope[:, knot], atol=1e-3)


def test_a_small_budget_sees_no_kink(walk):
    tiny = walk_at(*walk, np.array([[1e-3]]))
    assert abs(tiny).max() < 1e-3 * abs(walk[1][:, 1]).max()


def test_distances_may_differ_between_draws(walk):
    level, slope = (part[:3] for part in walk)
    d = np.array([[0.3, 7.0], [1.1, 2.2], [0.0, 4.5]])
    together = walk_at(level, slope, d)
    alone = [walk_at(level[[i]], slope[[i]], d[[i]])[0] for i in range(3)]
    np.testing.assert_array_equal(together, alone)


def test_beyond_the_horizon_it_stays(walk):
    end = walk_at(*walk, np.array([[HORIZON, HORIZON + 1.0, 1e3]]))
    np.testing.assert_allclose(end, np.repeat(walk[0][:, -1:], 3, axis=1))


def test_a_walk_is_its_slices_own():
    same = paths(100, 1, "fr", "default")
    for one, two in zip(same, paths(100, 1, "fr", "default"), strict=True):
        np.testing.assert_array_equal(one, two)
    for other in ((2, "fr", "default"), (1, "de", "default"), (1, "fr", "x"), (1, "default", "fr")):
        assert (paths(100, *other)[1][:, 1:] != same[1][:, 1:]).all()


def test_walks_of_two_slices_are_independent():
    one, two = (paths(SAMPLES, 1, name, "default")[1][:, -1] for name in ("fr", "de"))
    assert abs(np.corrcoef(one, two)[0, 1]) < 5 / np.sqrt(SAMPLES)


@pytest.mark.parametrize("shared", [0.0, 0.4, 1.0])
def test_slices_of_a_learner_stray_in_part_together_and_each_as_far_as_before(shared):
    doublings = np.full((1, SAMPLES, 2), 3.0)
    walks = Walks(1, "default", beyond=Beyond(shared=shared))
    one, two = strays(walks, doublings, [np.array(["fr", "de"])])[0].T
    within = 5 / np.sqrt(SAMPLES)
    assert np.corrcoef(one, two)[0, 1] == pytest.approx(shared, abs=within)
    np.testing.assert_allclose([one.var(), two.var()], 3.0**3 / 3.0, rtol=2 * within)
    whose = [np.array(["fr"]), np.array([["x", "y"]])]
    x, y = strays(walks, doublings.reshape(1, SAMPLES, 1, 2), whose)[0, :, 0].T
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(0.0, abs=within)


def test_curves_whose_trainings_scatter_flatten_less_up_to_a_limit():
    scatter = np.array([0.05 / np.e, 0.05, 0.05 * np.e, 50.0])
    found = Beyond(0.2, by_scatter=-0.3).mean({"training_sd": scatter})
    np.testing.assert_allclose(found, [0.5, 0.2, -0.1, 0.2 - 0.3 * 2.0], atol=1e-12)


@pytest.mark.parametrize(
    ("slices", "learners", "expected"),
    [
        (("a", "b"), ("x",), BETWEEN_SLICES),
        (("a", "b"), ("x", "y"), BETWEEN_LEARNERS),
        (("a",), ("x",), BETWEEN_LEARNERS),
    ],
)
def test_several_slices_of_one_learner_flatten_as_slices_do(slices, learners, expected):
    assert testing.fake_fit(seed=1, slices=(*slices,), learners=(*learners,)).walks.beyond == expected


def test_forecasts_flatten_by_that_mean(fake_fit, monkeypatch):
    labels = xr.full_like(fake_fit.position[names.REFERENCE_LABELS], 50_000.0)
    ratio = log_ratio(fake_fit.posterior, fake_fit.position, labels, fake_fit.position[names.OTHER_LABELS_NOW])
    expected = BETWEEN_SLICES.mean(fake_fit.posterior) * level_sd(ratio / np.log(2.0))
    expected = np.log(2.0) * fake_fit.posterior[names.DISCREPANCY] * expected
    shipped = np.log(lv.predict_error(fake_fit, [50_000]))
    straight = dataclasses.replace(BETWEEN_SLICES, typical=0.0, by_scatter=0.0)
    monkeypatch.setattr("labelvalue.model.fitting.result.BETWEEN_SLICES", straight)
    without = np.log(lv.predict_error(dataclasses.replace(fake_fit), [50_000]))
    off = (shipped - without).isel(labels=0)
    kept = (shipped.isel(labels=0) < -0.01) & (without.isel(labels=0) < -0.01)
    np.testing.assert_allclose(off.where(kept, 0.0), expected.transpose(*off.dims).where(kept, 0.0), atol=1e-9)


def test_forecasts_stray_farther_where_trainings_scatter(fake_fit, monkeypatch):
    def strayed(wider: float) -> xr.DataArray:
        beyond = Beyond(wider=wider)
        monkeypatch.setattr("labelvalue.model.fitting.result.BETWEEN_SLICES", beyond)
        with_walk = np.log(lv.predict_error(dataclasses.replace(fake_fit), [50_000]))
        monkeypatch.setattr("labelvalue.model.curve.posterior.strays", lambda walks, log_ratio, whose: 0.0 * log_ratio)
        found = with_walk - np.log(lv.predict_error(dataclasses.replace(fake_fit), [50_000]))
        monkeypatch.undo()
        return found.isel(labels=0)

    as_much, farther_off = strayed(0.0), strayed(0.4)
    times = Beyond(wider=0.4).spread(fake_fit.posterior).transpose(*as_much.dims)
    kept = (abs(as_much) > 1e-6) & (abs(farther_off) < 0.5)
    assert float(kept.mean()) > 0.5
    np.testing.assert_allclose((farther_off / as_much).where(kept, 1.0), times.where(kept, 1.0), rtol=1e-6)
    scatter = {"training_sd": np.array([0.05 / np.e, 0.05, 0.05 * np.e, 50.0])}
    np.testing.assert_allclose(Beyond(wider=0.4).spread(scatter), np.exp([-0.4, 0.0, 0.4, 0.8]))


def test_a_stretched_fit_flattens_as_before(fake_fit):
    beyond = recalibrated(fake_fit, 2.0).walks.beyond
    assert beyond == dataclasses.replace(BETWEEN_SLICES, typical=0.12, by_scatter=-0.25)
