"""What is seen of a curve's shape, and that half of the draws of learners do what curves of that shape did."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import names, testing
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.model.curve.discrepancy import (
    BACK,
    BETWEEN_LEARNERS,
    FARTHEST,
    MOST,
    USUAL,
    USUAL_RUNS,
    USUAL_SCATTER,
    ahead,
    goes_by_shape,
    network,
    shapes,
)
from labelvalue.model.curve.posterior import log_error_at

TRIALS = 10_000_000
SIZES = 2000 / 2.0 ** np.arange(0.0, 5.5, 0.5)


def seen_of(power, sizes=SIZES, scatter=0.1):
    """Shape of a power law with an error of .03 at its largest size, and two runs a size."""
    apart = scatter / np.sqrt(2.0) * np.array([-1.0, 1.0])
    rows = [
        {"labels": round(n), "replicate": k, "errors": round(TRIALS * 0.03 * (n / 2000) ** -power * (1 + side))}
        for n in sizes
        for k, side in enumerate(apart)
    ]
    table = pd.DataFrame(rows).assign(slice="a", learner="x", evaluation_set="e", trials=TRIALS)
    return shapes(lv.read_runs(table)).squeeze().values


def test_log_error_before_now_and_scatter_are_seen():
    seen = seen_of(0.2)
    np.testing.assert_allclose(seen[:-2], 0.2 * np.log(2.0) * np.array(BACK) / USUAL, rtol=2e-3)
    np.testing.assert_allclose(seen[-2:], [np.log(0.1 / USUAL_SCATTER), np.log(2.0 / USUAL_RUNS)], rtol=1e-3)
    assert seen_of(1.2, SIZES[:9], scatter=0.0).tolist()[:-1] == [MOST] * len(BACK) + [np.log(0.002 / USUAL_SCATTER)]


@pytest.mark.parametrize(("doublings", "known"), [(1.5, False), (2.0, True), (3.0, True)])
def test_a_short_curve_goes_on_backwards_as_it_went_and_one_too_short_says_nothing(doublings, known):
    seen = seen_of(0.2, SIZES[: int(2 * doublings) + 1])
    assert np.isfinite(seen).all() == known
    if known:
        np.testing.assert_allclose(seen, seen_of(0.2), rtol=5e-3)


def test_what_comes_is_smooth_and_goes_on_straight_beyond_what_was_learned():
    numbers, far = np.array([-0.1, 0.02, -2.5, 0.1]), FARTHEST + np.array([-1e-3, 0.0, 1e-3, 1.0, 2.0, 3.0])
    location, _ = ahead(numbers, far)
    assert location[2] - location[1] == pytest.approx(location[1] - location[0], rel=1e-3)
    assert location[5] - location[4] == pytest.approx(location[4] - location[3], rel=1e-9)
    assert ahead(numbers, 1e-9)[0] == pytest.approx(0.0, abs=1e-9)


def test_steep_curves_fall_on_and_flat_ones_stay():
    """What the shipped network has learned, at eight times the labels: median log error of three shapes."""
    steep, usual, flat = (
        float(ahead(network()(np.append(by * np.log(2.0) * np.array(BACK) / USUAL, [0.0, 0.0])), 3.0)[0])
        for by in (0.4, 0.15, 0.01)
    )
    assert steep < -0.4 < usual < -0.1 < flat < 0.05


@pytest.fixture(scope="module")
def learners():
    return testing.fake_fit(seed=1, slices=("a",), learners=("x", "y"))


def test_draws_that_go_by_shape_are_as_curves_of_it_were(learners):
    """A log error's mean and spread ahead over the draws of the fit, against the network; 4 standard errors."""
    walks, doublings = learners.walks, 2.0
    labels = learners.position[names.REFERENCE_LABELS].sel(learner="x").item() * 2.0**doublings
    drawn = np.log(lv.predict_error(learners, [int(labels)]).sel(learner="x").squeeze())
    moved = drawn - np.log(learners.posterior[names.ERROR_REFERENCE].sel(learner="x").squeeze())
    share = goes_by_shape(walks, drawn.sizes["chain"], drawn.sizes["draw"])
    assert float(share.mean()) == pytest.approx(BETWEEN_LEARNERS.by_shape, abs=2.0 / np.sqrt(drawn.size))
    location, spread = ahead(walks.futures.sel(slice="a", learner="x").to_array().values, doublings)
    some = moved.values[share]
    assert some.mean() == pytest.approx(location, abs=4.0 * spread / np.sqrt(some.size))
    assert some.std() == pytest.approx(spread, rel=4.0 / np.sqrt(2.0 * some.size))


def test_slices_of_one_learner_keep_to_the_law():
    assert testing.fake_fit(seed=1, slices=("a", "b"), learners=("x",)).walks.futures is None


def test_one_learner_taken_alone_keeps_its_own_future(learners):
    """Draws by shape of the second learner, as when both are asked for."""
    posterior, ratio = learners.posterior, xr.DataArray([2.0 * np.log(2.0)], dims="size")
    share = goes_by_shape(learners.walks, posterior.sizes["chain"], posterior.sizes["draw"])
    both = log_error_at(ratio, posterior, learners.model, learners.walks).sel(learner="y")
    alone = log_error_at(ratio, posterior.sel(learner="y"), learners.model, learners.walks)
    off = (both - alone).squeeze().values[share]
    spread = ahead(learners.walks.futures.sel(slice="a", learner="y").to_array().values, 2.0)[1]
    assert abs(off.mean()) < 5.0 * spread * np.sqrt(2.0 / off.size)


def test_a_stretched_fit_spreads_as_much_farther_by_shape(learners):
    wide, usual = recalibrated(learners, 2.0).walks.futures, learners.walks.futures
    np.testing.assert_allclose(wide["width"] - usual["width"], np.log(2.0))
    assert wide["slope"].equals(usual["slope"])
