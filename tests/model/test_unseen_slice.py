"""Slices without runs: moments in closed form, coverage of slices held out of a simulated population, exact picks."""

import numpy as np
import pytest
import xarray as xr

from labelvalue import get_model, load_fit, names, new_slice, predict_error, predict_gain, testing
from labelvalue.model.curve.families import signed_log
from tests.fits import altered

GROUP = {
    "error_mean": -1.8,
    "error_spread": 0.5,
    "elasticity_mean": -1.4,
    "elasticity_spread": 0.4,
    "floor_mean": -0.8,
    "floor_spread": 0.5,
    "discrepancy_mean": -3.5,
    "discrepancy_spread": 0.3,
    "discrepancy_power": 0.6,
    "transfer_mean": 0.08,
    "transfer_spread": 0.02,
}
TYPICAL = 0.05  # worth at which the level of the worth changes from logs to plain


def put(fit, *, posterior=None, position=None, model=None):
    """The fit with other variables."""
    return altered(fit, posterior=posterior or {}, position=position or {}, model=model or fit.model)


def known(fit, **more):
    """The fit with a group level that is known exactly."""
    like = xr.zeros_like(fit.posterior["churn"])
    return put(fit, posterior={name: like + value for name, value in (GROUP | more).items()})


@pytest.fixture(scope="module")
def large():
    return known(testing.fake_fit(seed=2, chains=4, draws=2000))


def moments(values):
    return float(values.mean()), float(values.std())


def test_another_slice_has_the_moments_of_the_group(large):
    drawn = new_slice(large, "other").posterior.sel(slice="other")
    error = drawn[names.ERROR_REFERENCE]
    assert moments(np.log(error / (1 - error))) == pytest.approx((-1.8, 0.5), abs=0.02)
    assert moments(signed_log(drawn[names.CURVE_ELASTICITY])) == pytest.approx((-1.4, 0.4), abs=0.02)
    plain = new_slice(known(large, transfer_mean=0.2), "other").posterior.sel(slice="other")
    assert moments(plain[names.TRANSFER]) == pytest.approx((0.2, 0.02), abs=0.001), "above the typical, level is worth"
    levels = xr.Dataset({"e": np.log(error), "k": drawn[names.CURVE_ELASTICITY], "f": drawn[names.FLOOR_SHARE]})
    correlation = np.corrcoef(levels.stack(sample=names.SAMPLE).to_array().values)
    assert abs(correlation - np.eye(3)).max() < 0.04


def test_among_many_slices_the_worth_of_their_labels_differs_less(large):
    """Twenty labels of others for each own: their worth differs from slice to slice by a quarter as much."""
    many = put(large, position={names.REFERENCE_OTHER_LABELS: 20.0 * large.position[names.REFERENCE_LABELS]})
    drawn = new_slice(known(many, transfer_mean=0.2), "other")
    at = drawn.position.sel(slice="other")
    beside = float(at[names.REFERENCE_OTHER_LABELS] / at[names.REFERENCE_LABELS])
    assert 15 < beside < 25
    spread = 0.02 * 5.0 / beside
    assert moments(drawn.posterior[names.TRANSFER].sel(slice="other")) == pytest.approx((0.2, spread), abs=0.0005)


def test_whole_learners_are_known_and_the_whole_slice_is_drawn():
    fit = testing.fake_fit(seed=3, slices=("east", "north"), learners=("line", "tree"), draws=2000)
    of_learner = xr.DataArray([-1.0, 2.0], dims=names.LEARNER, coords={names.LEARNER: ["line", "tree"]})
    fit = known(fit, elasticity_between_learners=0.5, elasticity_between_slices=0.3, elasticity_of_learner=of_learner)
    of_slice = xr.zeros_like(fit.posterior[names.FLOOR_SHARE].isel(learner=0, drop=True))
    fit = put(fit, posterior={"elasticity_of_slice": of_slice})
    drawn = new_slice(fit, "other").posterior.sel(slice="other")
    level = signed_log(drawn[names.CURVE_ELASTICITY])
    assert level.mean(names.SAMPLE).values == pytest.approx([-1.4 - 0.5, -1.4 + 1.0], abs=0.03)
    assert level.std(names.SAMPLE).values == pytest.approx(np.hypot(0.3, 0.4), abs=0.02)
    together = np.corrcoef(level.stack(sample=names.SAMPLE).values)[0, 1]
    assert together == pytest.approx(0.3**2 / (0.3**2 + 0.4**2), abs=0.05)
    assert moments(drawn["elasticity_of_slice"]) == pytest.approx((0.0, 1.0), abs=0.05)


def boost_of_typical(beside):
    """Log of effective over own labels at the typical transfer, and its slope: below, the level is straight in it."""
    return np.log1p(TYPICAL * beside), beside / (1 + TYPICAL * beside)


def effective(labels, other, worth):
    return np.where(worth >= 0, labels + worth * other, labels * np.exp(worth * other / labels))


def population(size, rng, position, budget):
    """True gains of slices of the population, with nothing of the library: the power law, its floor, its walk."""

    def level(stem):
        return GROUP[f"{stem}_mean"] + GROUP[f"{stem}_spread"] * rng.standard_normal(size)

    error = 1 / (1 + np.exp(-level("error")))
    elasticity = np.exp(level("elasticity"))
    bending = np.log1p(np.exp(level("floor")))
    share = bending / (1 + bending)
    beside = position["reference_other_labels"] / position["reference_labels"]
    start, slope = boost_of_typical(beside)
    worth = level("transfer")
    worth = np.where(worth > TYPICAL, worth, np.expm1(start + slope * (worth - TYPICAL)) / beside)
    scale = np.exp(level("discrepancy") + GROUP["discrepancy_power"] * np.log(elasticity / 0.05))
    anchor = effective(position["reference_labels"], position["reference_other_labels"], worth)

    def ratio(labels):
        return effective(labels, position["other_labels_now"], worth) / anchor

    def at(r):
        return error * (share + (1 - share) * r ** (-elasticity / (1 - share)))

    now, later = ratio(position["labels_now"]), ratio(position["labels_now"] + budget)
    doublings = np.maximum(np.log2(later), 0.0)
    stray = np.log(2) * scale * (doublings**3 / 3) ** 0.5 * rng.standard_normal(size)
    return at(now) - at(later) * np.exp(stray)


def test_slices_held_out_of_the_population_are_covered(large):
    reference = float(np.exp(np.log(large.position[names.REFERENCE_LABELS]).mean()).round())
    wider = new_slice(large, "other", labels_now=int(reference))
    gain = predict_gain(wider, [8000]).sel(slice="other", budget=8000)
    position = {str(n): float(v) for n, v in wider.position.sel(slice="other").items()}
    truth = population(4000, np.random.default_rng(8), position, 8000)
    for probability in (0.5, 0.9):
        low, high = np.quantile(gain, [(1 - probability) / 2, (1 + probability) / 2])
        assert np.mean((truth > low) & (truth < high)) == pytest.approx(probability, abs=0.03)


def test_another_slice_is_less_certain_than_those_observed(fake_fit):
    wider = new_slice(fake_fit, "other", labels_now=2000)
    gain = np.log(predict_error(wider, [4000])).std(names.SAMPLE).isel(labels=0)
    assert bool((gain.sel(slice="other") > 2 * gain.sel(slice=fake_fit.slices)).all())
    assert wider.diagnostics.flags["other"] == (names.BORROWED,)
    assert "other" in wider.settings["notes"][-1]


def test_the_others_are_left_as_they_were(fake_fit):
    for how in ({"labels_now": 0}, {"like": "one of these"}):
        wider = new_slice(fake_fit, "else", **how)
        assert list(wider.slices) == sorted([*fake_fit.slices, "else"])
        assert "else" not in fake_fit.slices
        xr.testing.assert_equal(predict_gain(wider, [500]).sel(slice=fake_fit.slices), predict_gain(fake_fit, [500]))


def test_two_new_slices_differ_and_each_is_the_same_again(fake_fit):
    first, second = (new_slice(fake_fit, name).posterior.sel(slice=name) for name in ("a", "b"))
    both = new_slice(new_slice(fake_fit, "a"), "b").posterior
    assert np.array_equal(both.sel(slice="a")["error_now"], first["error_now"])
    assert not np.array_equal(second["error_now"], first["error_now"])


@pytest.fixture(scope="module")
def straight(fake_fit):
    """Curves that are of their family, whose other slices' labels stay the same."""
    other = xr.full_like(fake_fit.position[names.OTHER_LABELS_NOW], 6000.0)
    calm = 1e-12 * fake_fit.posterior[names.DISCREPANCY]
    return put(fake_fit, posterior={names.DISCREPANCY: calm}, position={names.OTHER_LABELS_NOW: other})


@pytest.mark.parametrize("name", ["power_law", "exponential"])
def test_an_unknown_one_of_these_is_one_of_these_in_every_draw(straight, name):
    fit = put(straight, model=get_model(name))
    mixed = new_slice(fit, "any", labels_now=1500, like="one of these")
    here, there = (predict_error(mixed, [n]).sel(slice="any") for n in (1500, 6000))
    everyone = predict_error(fit, [1500, 6000])
    match = np.isclose(everyone.sel(labels=1500).values, here.values, rtol=1e-9)
    assert match.any(axis=-1).all()
    which = match.argmax(axis=-1)
    picked = np.take_along_axis(everyone.sel(labels=6000).values, which[..., None], axis=-1)
    assert np.allclose(there.values, picked, rtol=1e-4)
    share = np.bincount(which.ravel()) / which.size
    assert share == pytest.approx(0.25, abs=0.06)


def test_one_of_these_stands_where_they_stand_where_nothing_is_said(fake_fit):
    mixed = new_slice(fake_fit, "any", like="one of these")
    now = fake_fit.position[names.LABELS_NOW]
    at = mixed.position.sel(slice="any")
    assert float(at[names.LABELS_NOW]) == round(float(np.exp(np.log(now).mean())))
    error = mixed.posterior["error_now"]
    assert float(error.sel(slice="any").std()) < float(
        new_slice(fake_fit, "a").posterior["error_now"].sel(slice="a").std()
    )


def test_curves_that_look_different_from_elsewhere_are_not_picked(straight):
    headroom = 0.5 + 0.0 * straight.posterior[names.FLOOR_SHARE]
    fit = put(straight, model=get_model("morgan_mercer_flodin"), posterior={names.HEADROOM: headroom})
    with pytest.raises(ValueError, match="none can be picked"):
        new_slice(fit, "any", like="one of these", labels_now=200)


def test_new_slices_under_several_learners_are_forecast():
    fit = testing.fake_fit(seed=1, learners=("line", "tree"), draws=50)
    for how in ({}, {"like": "one of these"}):
        gain = predict_gain(new_slice(fit, "other", **how), [1000])
        assert gain.sel(slice="other").sizes == {"chain": 4, "draw": 50, "learner": 2, "budget": 1}
        assert bool(np.isfinite(gain).all())


def test_strategies_and_noise_of_evaluation_are_carried(fake_fit):
    posterior = fake_fit.posterior
    strategy = xr.DataArray(["margin"], dims=names.STRATEGY, coords={names.STRATEGY: ["margin"]})
    mean = xr.zeros_like(posterior["churn"]).expand_dims(strategy=strategy) + 0.3
    noise = 0.1 + 0.0 * posterior[names.FLOOR_SHARE]
    more = {"efficiency_mean": mean, "efficiency_spread": 0.0 * posterior["churn"] + 0.2}
    fit = put(fake_fit, posterior={**more, "efficiency": np.exp(mean + noise), "evaluation_noise": noise})
    drawn = new_slice(fit, "other").posterior.sel(slice="other", strategy="margin")
    assert moments(np.log(drawn["efficiency"])) == pytest.approx((0.3, 0.2), abs=0.03)
    assert moments(drawn["evaluation_noise"]) == pytest.approx((0.1, 0.0))


def test_new_slice_is_saved_and_loaded(fake_fit, tmp_path):
    wider = new_slice(fake_fit, "other", labels_now=800)
    again = load_fit(wider.save(tmp_path / "fit.nc"))
    assert again.diagnostics.flags == wider.diagnostics.flags
    xr.testing.assert_equal(predict_gain(again, [500]), predict_gain(wider, [500]))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "east"}, "no slice of the fit has"),
        ({"name": ""}, "no slice of the fit has"),
        ({"labels_now": -1}, "≥ 0"),
        ({"labels_now": 1.5}, "whole number"),
        ({"labels_now": 0, "like": "one of these"}, "≥ 1"),
        ({"like": "these"}, "one of these"),
    ],
)
def test_what_is_wrong_is_said(fake_fit, wrong, says):
    with pytest.raises(ValueError, match=says):
        new_slice(fake_fit, **wrong)
