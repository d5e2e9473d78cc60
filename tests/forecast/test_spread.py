"""Totals over slices, spreads over learners and suites, and what strategies are worth: against plain arithmetic."""

import numpy as np
import pytest
import xarray as xr

from labelvalue import names, predict_error, predict_gain, predict_total_gain, testing
from labelvalue.interventions import gain_over_learners, strategy_efficiency
from labelvalue.suites import gain_over_suites
from tests.fits import altered


@pytest.fixture(scope="module")
def fit():
    return testing.fake_fit(seed=1, draws=100)


@pytest.fixture(scope="module")
def learners():
    return testing.fake_fit(seed=1, draws=100, learners=("line", "tree"))


def test_total_gain_is_the_weighted_sum_of_what_every_slice_gains(fit):
    weights = {"east": 1.0, "north": 2.0, "south": 0.0, "west": 5.0}
    total = predict_total_gain(fit, [0, 1000], weights).sel(slice="north")
    position = fit.position
    expected = 2.0 * predict_gain(fit, [0, 1000]).sel(slice="north")
    for name in ("east", "west"):
        now, other = (int(position[n].sel(slice=name)) for n in (names.LABELS_NOW, names.OTHER_LABELS_NOW))
        errors = [predict_error(fit, [now], other_labels=[other + k]).sel(slice=name).squeeze() for k in (0, 1000)]
        expected = expected + weights[name] * xr.concat([errors[0] * 0, errors[0] - errors[1]], dim="budget")
    np.testing.assert_allclose(total, (expected / 8.0).transpose(*total.dims), atol=1e-12)
    assert float(abs(total.sel(budget=0)).max()) == 0.0


def test_labels_that_hurt_others_gain_less_in_total(fit, change):
    harm = change(fit, posterior={names.TRANSFER: fit.posterior[names.TRANSFER] * 0 - 0.05})
    own, total = predict_gain(harm, [1000]), predict_total_gain(harm, [1000])
    assert bool((total < own / 4).mean() > 0.9)


def test_without_transfer_the_total_is_the_own_gain_by_its_weight(fit, change):
    alone = change(fit)
    alone.tree[names.POSTERIOR] = type(alone.tree)(alone.posterior.drop_vars(names.TRANSFER))
    np.testing.assert_allclose(predict_total_gain(alone, [500]), predict_gain(alone, [500]) / 4)


@pytest.mark.parametrize(
    ("weights", "says"),
    [({"eats": 1.0}, "did you mean 'east'"), ({"east": 1.0}, "no weight for slice 'north'"),
     ({"east": -1.0, "north": 1.0, "south": 1.0, "west": 1.0}, "must be ≥ 0")],
)  # fmt: skip
def test_weights_that_make_no_sense_are_refused(weights, says, fit):
    with pytest.raises(ValueError, match=says):
        predict_total_gain(fit, [500], weights)


def test_over_learners_the_mean_does_not_hide_the_best(learners):
    gain = predict_gain(learners, [2000])
    lifted = gain.where(gain["learner"] != "tree", 10 * float(abs(gain).max()))
    for values, hides in ((gain * 0 + 1, False), (lifted, True)):
        found = gain_over_learners(values)
        np.testing.assert_allclose(found["mean"], values.mean("learner"))
        assert bool((found["hidden"] == hides).all())
    with pytest.raises(ValueError, match="several learners"):
        gain_over_learners(gain.isel(learner=0, drop=True))


def test_over_suites_the_worst_and_what_persists():
    values = np.array([[[[2.0], [1.0]]]])
    gain = xr.DataArray(
        np.broadcast_to(values, (1, 3, 2, 1)).reshape(1, 3, 2, 1), dims=("chain", "draw", "suite", "budget"),
        coords={"suite": ["holdout", "shifted"]},
    )  # fmt: skip
    found = gain_over_suites(gain)
    assert (found["worst"] == 1.0).all()
    assert (found["persistence"].sel(suite="shifted") == 0.5).all()
    with pytest.raises(ValueError, match="no suite 'other'"):
        gain_over_suites(gain, baseline="other")


def test_efficiency_follows_its_trend(fit):
    worth = xr.ones_like(fit.posterior[names.ERROR_REFERENCE]).expand_dims(strategy=["margin"], axis=-1) * 1.5
    trend = xr.DataArray(
        np.full((4, 100, 1), -0.5), dims=("chain", "draw", "strategy"), coords={"strategy": ["margin"]}
    )
    active = altered(fit, posterior={names.EFFICIENCY: worth, names.EFFICIENCY_TREND: trend})
    np.testing.assert_allclose(strategy_efficiency(active), 1.5)
    reference = int(fit.position[names.REFERENCE_LABELS].sel(slice="east"))
    later = strategy_efficiency(active, [4 * reference]).sel(slice="east")
    np.testing.assert_allclose(later, 0.75)
    with pytest.raises(ValueError, match="one strategy"):
        strategy_efficiency(fit)
