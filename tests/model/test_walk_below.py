"""What is fitted is what is drawn: walks below the reference against the filter that is fitted, and a known truth."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from labelvalue import names, new_slice, predict_error, predict_gain, read_runs, testing
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.model.curve import discrepancy
from labelvalue.model.curve.discrepancy import (
    KNOTS_PER_DOUBLING,
    by_curve,
    level_covariance,
    residuals,
    standard_walks,
    walk_at,
    walks_given,
)
from labelvalue.model.curve.families import log_ratio
from labelvalue.model.curve.observations import MEMORY, observe, used_runs
from labelvalue.model.curve.operation import ROOM, walk
from labelvalue.model.curve.posterior import astray_below, at_now, doublings_below, log_error_at
from tests.fits import altered

SAMPLES = 40_000
DISTANCE = np.array([0.5, 1.0, 2.5, 4.0])
NOISE = np.array([0.01, 0.004, 0.015, 0.03])
RESIDUAL = np.array([0.05, -0.1, 0.12, 0.3])
KNOTS = np.arange(13) / KNOTS_PER_DOUBLING
SAMPLE = ("chain", "draw")


@pytest.fixture(scope="module")
def fit():
    return testing.fake_fit(seed=1, draws=100)


def drawn(slope_sd, seed=1):
    rng = np.random.default_rng(seed)
    cells = (np.tile(values, (SAMPLES, 1)) for values in (RESIDUAL, NOISE))
    noise = rng.standard_normal((SAMPLES, 4))
    level, slope = walks_given(*standard_walks(rng, SAMPLES), *cells, np.full(SAMPLES, slope_sd), DISTANCE, noise)
    return slope_sd * level, slope_sd * slope


@pytest.mark.parametrize("slope_sd", [1e-9, 0.05, 0.4])
def test_their_mean_is_that_of_the_likelihood_that_was_fitted(slope_sd):
    """The filter's own derivative: a residual less its noise's mean given all cells, noise variance times the slope."""
    to_residual = RESIDUAL.copy()
    walk(to_residual, NOISE.copy(), DISTANCE, slope_sd, np.empty((ROOM, 4)))
    smooth = RESIDUAL + NOISE * to_residual
    level, _ = drawn(slope_sd)
    at = level[:, (DISTANCE * KNOTS_PER_DOUBLING).astype(int)]
    np.testing.assert_allclose(at.mean(axis=0), smooth, atol=1e-12 + 5 * at.std(axis=0).max() / SAMPLES**0.5)


def test_their_distribution_is_the_walks_given_the_cells_at_every_knot():
    slope_sd = 0.2
    to_cells, own = (slope_sd**2 * level_covariance(KNOTS, other) for other in (DISTANCE, KNOTS))
    gain = to_cells @ np.linalg.inv(slope_sd**2 * level_covariance(DISTANCE, DISTANCE) + np.diag(NOISE))
    covariance = own - gain @ to_cells.T
    level, slope = drawn(slope_sd)
    spread = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(level[:, :13].mean(axis=0), gain @ RESIDUAL, atol=5 * spread.max() / SAMPLES**0.5)
    np.testing.assert_allclose(np.cov(level[:, :13].T), covariance, atol=0.04 * np.diag(covariance).max())
    between = np.diff(level, axis=1) * KNOTS_PER_DOUBLING - 0.5 * (slope[:, 1:] + slope[:, :-1])
    assert between.var(axis=0)[8:].max() < 1.1 * slope_sd**2 * 0.5 / 12, "level is the integral of slope"


def test_nothing_is_drawn_where_all_sizes_lie_beyond(fit, monkeypatch):
    monkeypatch.setattr(discrepancy.Below, "strays", None)
    there = dataclasses.replace(fit)
    for forecast in (predict_gain(there, [0, 500, 20_000]), predict_error(there, [100_000])):
        assert np.isfinite(forecast).all()


def test_beyond_the_reference_nothing_changes_to_the_last_digit(fit):
    alone, mixed = predict_error(fit, [50_000]), predict_error(fit, [50, 300, 50_000])
    np.testing.assert_array_equal(alone.sel(labels=50_000), mixed.sel(labels=50_000))
    labels = xr.full_like(fit.position[names.REFERENCE_LABELS], 50_000.0)
    ratio = log_ratio(fit.posterior, fit.position, labels, fit.position[names.OTHER_LABELS_NOW])
    family = log_error_at(ratio, fit.posterior, fit.model, dataclasses.replace(fit.walks, below=None))
    np.testing.assert_array_equal(np.exp(family).clip(max=1.0).transpose(*alone.dims[:3]), alone.squeeze("labels"))


def test_at_the_reference_the_error_is_error_reference(fit):
    for name in fit.slices:
        where = fit.position.sel(slice=name)
        size, other = (int(where[part]) for part in (names.REFERENCE_LABELS, names.REFERENCE_OTHER_LABELS))
        error = predict_error(fit, [size // 4, size], [other // 4, other]).sel(slice=name)
        np.testing.assert_allclose(
            error.sel(labels=size), fit.posterior[names.ERROR_REFERENCE].sel(slice=name), rtol=1e-12
        )


def test_they_depend_on_names_and_seed_and_not_on_what_else_is_asked(fit, monkeypatch):
    both, one = predict_error(fit, [100, 400, 5000]), predict_error(dataclasses.replace(fit), [400])
    np.testing.assert_array_equal(both.sel(labels=400), one.sel(labels=400))
    monkeypatch.setattr(discrepancy, "WALKS_REMEMBERED", 1)
    np.testing.assert_array_equal(both, predict_error(dataclasses.replace(fit), [100, 400, 5000]))
    there = dataclasses.replace(fit)
    there.below.paths(slice="east")
    there.below.paths(slice="west")
    assert len(there.below._drawn) == 1


def test_learners_have_walks_of_their_own():
    fit = testing.fake_fit(seed=1, learners=("x", "y"), draws=50)
    paths = [fit.below.paths(slice="east", learner=name)[0][:, 2] for name in ("x", "y")]
    assert abs(np.corrcoef(*paths)[0, 1]) < 0.5
    at = doublings_below(fit.position, 0.25 * fit.position[names.REFERENCE_LABELS])
    astray = astray_below(fit.posterior, fit.walks, at)
    assert set(astray.dims) == {"chain", "draw", "slice", "learner"}
    mine = astray.sel(slice="east", learner="y").transpose(*SAMPLE).values.ravel()
    scale = np.log(2.0) * fit.posterior[names.DISCREPANCY].sel(slice="east", learner="y").values.ravel()
    np.testing.assert_allclose(mine, scale * fit.below.paths(slice="east", learner="y")[0][:, 4])


def test_error_now_below_the_reference_is_the_forecast_and_elasticity_its_slope(fit):
    now = (0.3 * fit.position[names.REFERENCE_LABELS]).round()
    position = fit.position.assign({names.LABELS_NOW: now})
    derived = at_now(fit.posterior, position, fit.model, fit.walks)
    for name, size in zip(fit.slices, now.values.astype(int), strict=True):
        other = int(fit.position[names.OTHER_LABELS_NOW].sel(slice=name))
        error = predict_error(fit, [size], [other]).sel(slice=name).squeeze("labels")
        np.testing.assert_allclose(derived[names.ERROR_NOW].sel(slice=name), error, rtol=1e-9)


def test_a_slice_without_runs_walks_at_random(fit):
    wider = new_slice(fit, "new", labels_now=2000)
    level, slope = wider.below.paths(slice="new")
    samples = level.shape[0]
    assert slope[:, 4].std() == pytest.approx(2**0.5, rel=5 / (2 * samples) ** 0.5)
    assert level[:, 4].std() == pytest.approx((8 / 3) ** 0.5, rel=5 / (2 * samples) ** 0.5)
    error = predict_error(wider, [200, 1500])
    np.testing.assert_array_equal(error.drop_sel(slice="new"), predict_error(fit, [200, 1500]))


@pytest.mark.parametrize("factor", [0.6, 1.7])
def test_a_recalibrated_fit_spreads_as_much_farther_below_as_beyond(factor):
    fit = testing.fake_fit(seed=1)
    wide = recalibrated(fit, factor)
    for size in (250, 1000):
        one, other = (np.log(predict_error(f, [size], "proportional")) for f in (fit, wide))
        (low, middle, high), (lower, moved, higher) = (
            v.quantile([0.05, 0.5, 0.95], SAMPLE).values for v in (one, other)
        )
        np.testing.assert_allclose((higher - lower) / (high - low), factor, rtol=0.2)
        assert np.max(np.abs(moved - middle) / (high - low)) < 0.1
    assert recalibrated(wide, 1 / factor).below.stretch == pytest.approx(1.0)


def test_cells_of_one_knot_count_as_one(fit):
    """Precision-weighted, they say of the walk what each by itself would."""
    seen = fit.below.observations.isel(curve=[0])
    ((residual, variance, slope_sd, distance),) = fit.below._cells(seen)
    found = residuals(fit.model, by_curve(fit.posterior, seen), seen)
    assert (np.diff(distance) > 0).all()
    assert distance[0] > 0.0
    used = seen["used"].values[0] > 0
    each = np.broadcast_to(seen["distance"].values[0][:, None], used.shape)[used]
    off, noise = (
        v.transpose(*SAMPLE, "curve", "knot", "slot").values[0, 7, 0][used] for v in (found.residual, found.variance)
    )
    spread = slope_sd.reshape(fit.posterior.sizes["chain"], -1)[0, 7]

    def smooth(miss, apart, at):
        own = spread**2 * level_covariance(at, at) + np.diag(apart)
        return spread**2 * level_covariance(KNOTS, at) @ np.linalg.solve(own, miss)

    np.testing.assert_allclose(smooth(residual[7], variance[7], distance), smooth(off, noise, each), rtol=1e-6)


def test_a_discounted_run_says_as_much_less(fit):
    half = altered(fit, runs={names.WEIGHT: ("run", np.full(fit.runs.sizes["run"], 0.25))})
    (residual, variance, *_), (same, wider, *_) = (
        next(f.below._cells(f.below.observations.isel(curve=[1]))) for f in (fit, half)
    )
    np.testing.assert_allclose(same, residual)
    np.testing.assert_allclose(wider, 4.0 * variance)


def test_a_curve_of_one_size_or_none_walks_at_random(fit):
    """As far as its own runs say: those at the reference say nothing of what lies below."""
    largest = fit.runs[names.LABELS].values.astype(float)
    mine = fit.runs["slice"].values == "west"
    at_most = mine & (largest < largest[mine].max())
    below = altered(fit, runs=fit.runs.isel(run=np.flatnonzero(~at_most))).below
    level = below.paths(slice="west")[0][:, 4]
    assert level.std() == pytest.approx((8 / 3) ** 0.5, rel=5 / (2 * level.size) ** 0.5)
    np.testing.assert_array_equal(below.paths(slice="east")[0], fit.below.paths(slice="east")[0])


def bent(seed, bend, sizes=(62, 125, 250, 500, 1000), trials=20_000):
    """Runs of two slices whose log error strays from a power law by a known bend, and that bend by doublings."""
    rng = np.random.default_rng(seed)
    rows = [
        (name, size, round(trials * error * np.exp(0.01 * rng.normal())), trials, replicate)
        for name in ("a", "b")
        for size in sizes
        for replicate in range(3)
        for error in [0.1 * (size / 1000) ** -0.2 * np.exp(bend(np.log2(1000 / size)))]
    ]
    columns = [names.SLICE, names.LABELS, names.ERRORS, names.TRIALS, names.REPLICATE]
    return read_runs(pd.DataFrame(rows, columns=columns))


@pytest.fixture(scope="module")
def two():
    return testing.fake_fit(seed=2, slices=("a", "b"), draws=250)


def with_law(fit, runs, discrepancy):
    """A fit whose draws all hold the law, and a scale of its discrepancy: what is left to draw is the walk."""
    rng = np.random.default_rng(3)
    like = fit.posterior[names.ERROR_REFERENCE]
    draws = fit.posterior.assign(
        {
            names.ERROR_REFERENCE: 0.1 * np.exp(0.005 * like.copy(data=rng.normal(size=like.shape))),
            names.CURVE_ELASTICITY: 0.0 * like + 0.2,
            names.FLOOR_SHARE: 0.0 * like + 1e-6,
            names.TRAINING_SD: 0.0 * like + 0.01,
            names.DISCREPANCY: 0.0 * like + discrepancy,
        }
    ).drop_vars(names.TRANSFER)
    position = {names.REFERENCE_LABELS: 0.0 * fit.position[names.REFERENCE_LABELS] + 1000.0}
    position |= {part: 0.0 * fit.position[part] for part in (names.REFERENCE_OTHER_LABELS, names.OTHER_LABELS_NOW)}
    return altered(fit, posterior=draws, runs=runs, position=position)


def test_the_mean_drawn_curve_is_nearer_to_a_known_truth_than_the_law_and_intervals_hold(two):
    """Bends drawn from the model: a slope that walks by 0.1 a doubling."""
    slope_sd, inside, law_off, drawn_off = 0.1, [], [], []
    for seed in range(40):
        level, slope = standard_walks(np.random.default_rng([seed, 5]), 1)

        def bend(doublings, level=level, slope=slope):
            return slope_sd * float(walk_at(level, slope, np.array([[doublings]]))[0, 0])

        fit = with_law(two, bent(seed, bend), slope_sd / np.log(2.0))
        size = 88
        truth = np.log(0.1) - 0.2 * np.log(size / 1000) + bend(np.log2(1000 / size))
        draws = np.log(predict_error(fit, [size])).sel(slice="a").values.ravel()
        law_off.append(np.log(0.1) - 0.2 * np.log(size / 1000) - truth)
        drawn_off.append(draws.mean() - truth)
        inside.append(np.quantile(draws, 0.05) <= truth <= np.quantile(draws, 0.95))
    assert np.sqrt(np.mean(np.square(drawn_off))) < 0.2 * np.sqrt(np.mean(np.square(law_off)))
    assert 30 <= sum(inside) <= 40, "36 of 40 on average; binomial, 1 in 1,000 below 30"


def test_runs_that_fit_uses_are_those_that_it_lays_out():
    sizes = (10, 300, 1100, 2500, 5000, 9000)
    for runs in (testing.fake_runs(seed=1), testing.fake_runs(seed=2, learners=("x", "y"), sizes=sizes)):
        seen, used = observe(runs), used_runs(runs)
        assert not used.all()
        assert used.sum() == float((seen["runs"] * seen["used"]).sum())
        rows = runs[[names.SLICE, names.LEARNER, names.LABELS]].to_dataframe()
        largest = rows.groupby([names.SLICE, names.LEARNER])[names.LABELS].transform("max")
        far = np.log2(largest / rows[names.LABELS]) > MEMORY
        assert far[~used].all()
