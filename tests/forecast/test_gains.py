"""Gains, errors and impacts: against each other, and against the posterior they come from."""

import dataclasses
import re

import numpy as np
import pytest
import xarray as xr

from labelvalue import impact, load_fit, names, predict_error, predict_gain, predict_observed_gain, summarise, testing
from tests.fits import altered

BUDGETS = [0, 100, 1000, 8000, 64_000]


# --- gain -----------------------------------------------------------------------------------------


def test_a_budget_of_nothing_gains_exactly_nothing(fake_fit, two_learners, stand_at):
    for fit in (fake_fit, two_learners, stand_at(fake_fit, 0.3), stand_at(fake_fit, 5)):
        assert (predict_gain(fit, [0]) == 0).all()


def test_what_else_is_asked_changes_no_draw(fake_fit, change):
    many = predict_gain(fake_fit, BUDGETS)
    np.testing.assert_array_equal(predict_gain(fake_fit, [1000]).sel(budget=1000), many.sel(budget=1000))
    np.testing.assert_array_equal(predict_gain(fake_fit, BUDGETS[::-1]).sel(budget=BUDGETS), many)
    few = predict_gain(change(fake_fit, keep=["south", "north"]), BUDGETS)
    np.testing.assert_array_equal(few, many.sel(slice=["south", "north"]))


def test_observed_gain_too_depends_on_nothing_else_that_is_asked(fake_fit, change):
    many = predict_observed_gain(fake_fit, BUDGETS)
    np.testing.assert_array_equal(predict_observed_gain(fake_fit, [1000]).sel(budget=1000), many.sel(budget=1000))
    few = predict_observed_gain(change(fake_fit, keep=["south", "north"]), BUDGETS)
    np.testing.assert_array_equal(few, many.sel(slice=["south", "north"]))


@pytest.mark.parametrize("noise", [0.0, 0.06, 0.2])
def test_an_evaluation_with_wrong_labels_scatters_as_its_count_of_wrong_answers(change, noise):
    """At no budget, without scatter of training: twice a binomial's share, in the measured error, not the true one."""
    items = 2_000
    fit = testing.fake_fit(seed=1, draws=1000)
    flat = {
        names.TRAINING_SD: fit.posterior[names.TRAINING_SD] * 1e-9,
        names.DISCREPANCY: fit.posterior[names.DISCREPANCY] * 1e-9,
    }
    true = fit.posterior[names.ERROR_REFERENCE] * 0.0 + 0.13
    fit = change(fit, posterior={**flat, names.ERROR_REFERENCE: true, names.EVALUATION_NOISE: true * 0.0 + noise})
    at = fit.position[names.REFERENCE_LABELS]
    measured = noise + 0.13 * (1 - 2 * noise)
    one_run = fit.position[names.ONE_RUN_VARIANCE] * 0.0 + (1 - measured) / (measured * items)
    fit = change(fit, position={names.LABELS_NOW: at, names.ONE_RUN_VARIANCE: one_run, names.SHARED: 0.0 * one_run})
    seen = predict_observed_gain(fit, [0])
    wanted = np.sqrt(measured * (1 - measured) / items)
    assert float(seen.std()) == pytest.approx(wanted, rel=4 / np.sqrt(2 * seen.size) + 0.01)
    assert float(seen.mean()) == pytest.approx(0.0, abs=4 * wanted / np.sqrt(seen.size))


def test_noise_of_slices_is_their_own(change):
    """Twelve slices alike, in blocks of their own: their noise must not be the same numbers."""
    fit = testing.fake_fit(seed=1, slices=tuple("abcdefghijkl"), draws=1000)
    now = fit.position[names.LABELS_NOW] * 0 + 1000.0
    fit = change(fit, position={names.LABELS_NOW: now})
    budgets = list(range(0, 400, 4))
    noise = (predict_observed_gain(fit, budgets) - predict_gain(fit, budgets)).sel(budget=0)
    flat = noise.stack(sample=("chain", "draw")).transpose("slice", "sample").values
    correlation = np.corrcoef(flat)[np.triu_indices(12, 1)]
    assert abs(correlation).max() < 5 / np.sqrt(4000)


def test_a_saved_fit_forecasts_the_same(fake_fit, fake_fit_file):
    xr.testing.assert_identical(predict_gain(load_fit(fake_fit_file), BUDGETS), predict_gain(fake_fit, BUDGETS))


def test_layout(fake_fit):
    gain = predict_gain(fake_fit, [2000, 500])
    assert gain.dims == ("chain", "draw", "slice", "budget")
    assert gain.name == names.GAIN
    assert gain["budget"].values.tolist() == [2000, 500]
    assert gain.attrs["verdict"] == "ok"
    assert gain.attrs[names.NOTES].splitlines() == []
    xr.testing.assert_equal(
        gain[names.LABELS_NOW].drop_vars([names.FLAGS, names.LABELS_NOW]), fake_fit.position[names.LABELS_NOW]
    )
    assert predict_observed_gain(fake_fit, [500]).name == names.OBSERVED_GAIN


def test_doublings_count_from_the_reference(fake_fit, stand_at):
    fit = stand_at(fake_fit, 2)
    now, reference = fit.position[names.LABELS_NOW], fit.position[names.REFERENCE_LABELS]
    gain = predict_gain(fit, BUDGETS)
    for i, budget in enumerate(BUDGETS):
        np.testing.assert_allclose(gain[names.DOUBLINGS][:, i], np.log2((now + budget) / reference))
    inside = predict_gain(stand_at(fake_fit, 0.25), [0, 1])
    assert (inside[names.DOUBLINGS] == 0).all()
    assert predict_error(fake_fit, [0, 1])[names.DOUBLINGS].values.max() == 0


def test_flags_are_joined(fake_fit):

    flags = fake_fit.diagnostics.flags | {"north": (names.BORROWED, names.MOSTLY_ASSUMPTION)}
    fit = dataclasses.replace(fake_fit, diagnostics=dataclasses.replace(fake_fit.diagnostics, flags=flags))
    for forecast in (predict_gain(fit, [1]), predict_error(fit, [1]), impact(fit)):
        shown = dict(zip(forecast["slice"].values, forecast[names.FLAGS].values, strict=True))
        assert shown == {"north": "borrowed; mostly assumption", "east": "", "south": "", "west": ""}


def test_gain_is_the_difference_of_two_errors(fake_fit):
    now = fake_fit.position[names.LABELS_NOW].sel(slice="north").item()
    error = predict_error(fake_fit, [int(now), int(now) + 500]).sel(slice="north")
    gain = predict_gain(fake_fit, [500]).sel(slice="north", budget=500)
    np.testing.assert_allclose(error[..., 0] - error[..., 1], gain, atol=1e-15)


def test_without_discrepancy_more_labels_gain_more(straight):
    gain = predict_gain(straight, BUDGETS)
    assert (gain.diff("budget") > 0).all()
    assert (gain < straight.posterior[names.ERROR_NOW] - straight.posterior[names.FLOOR]).all()


def test_several_learners(two_learners):
    gain = predict_gain(two_learners, [0, 500])
    assert gain.dims == ("chain", "draw", "slice", "learner", "budget")
    assert gain[names.LABELS_NOW].dims == ("slice", "learner")
    assert gain[names.DOUBLINGS].dims == ("slice", "learner", "budget")
    assert gain[names.FLAGS].dims == ("slice",)
    assert predict_observed_gain(two_learners, [500]).dims == gain.dims
    error = predict_error(two_learners, [4000], [100])
    assert error.dims == ("chain", "draw", "slice", "learner", "labels")
    assert impact(two_learners).dims == ("chain", "draw", "slice", "learner")
    assert (gain.sel(learner="a", budget=500) != gain.sel(learner="b", budget=500)).all()


@pytest.mark.parametrize(
    ("budgets", "names_it"),
    [
        ([-1], "-1"),
        ([500, 10.5, 2000], "10.5"),
        ([float("nan")], "nan"),
        ([float("inf")], "inf"),
        (["500"], "'500'"),
        ("500", "'500'"),
        ([True], "True"),
        ([None], "None"),
        ([1e13], "10000000000000.0"),
        ([-1, 2.5], "-1, 2.5"),
    ],
)
@pytest.mark.parametrize("forecast", [predict_gain, predict_observed_gain])
def test_budgets_that_are_no_counts(forecast, budgets, names_it, fake_fit):
    with pytest.raises(ValueError, match=re.escape(f", got {names_it}. Fix:")):
        forecast(fake_fit, budgets)


def test_no_budget(fake_fit):
    for none in ([], (), np.array([])):
        with pytest.raises(ValueError, match="no budget given"):
            predict_gain(fake_fit, none)


def test_budgets_given_twice_are_dropped_with_a_note(fake_fit):
    gain = predict_gain(fake_fit, [2000, 500, 2000, 500.0])
    assert gain["budget"].values.tolist() == [2000, 500]
    assert "twice" in gain.attrs[names.NOTES].splitlines()[0]


def test_budgets_may_be_whole_floats_and_arrays(fake_fit):
    wanted = predict_gain(fake_fit, [500, 2000])
    for same in (np.array([500, 2000]), (500.0, 2e3), np.array([500.0, 2000.0]), range(500, 2001, 1500)):
        xr.testing.assert_identical(predict_gain(fake_fit, same), wanted)


# --- observed gain --------------------------------------------------------------------------------


def test_observed_gain_is_wider_and_has_the_same_middle(fake_fit, stand_at):
    for fit in (fake_fit, stand_at(fake_fit, 0.5), stand_at(fake_fit, 2)):
        gain, observed = predict_gain(fit, BUDGETS), predict_observed_gain(fit, BUDGETS)
        over = ("chain", "draw")
        assert (observed.var(over) > gain.var(over)).all()
        # The difference is noise of mean 0: five standard errors over 20 comparisons.
        noise = observed - gain
        assert (abs(noise.mean(over)) < 5 * noise.std(over) / np.sqrt(1000)).all()


def test_observed_gain_has_the_noise_that_was_modelled(straight, change):
    """Own evaluation sets, at the reference: variance of log error is training plus one run's sampling."""
    draws = straight.posterior
    fit = change(straight, posterior={names.TRAINING_SD: draws[names.TRAINING_SD] * 0 + 0.1})
    noise = 1 - (predict_observed_gain(fit, [0]) / draws[names.ERROR_NOW]).sel(budget=0)
    wanted = 0.1**2 + fit.position[names.ONE_RUN_VARIANCE]
    found = np.log(noise).var(("chain", "draw"))
    np.testing.assert_allclose(found, wanted, rtol=5 * np.sqrt(2 / 1000))


# --- the curve itself -----------------------------------------------------------------------------


def at_reference(fit, name):
    return (int(fit.position[v].sel(slice=name)) for v in (names.REFERENCE_LABELS, names.REFERENCE_OTHER_LABELS))


def test_at_the_reference_the_error_is_the_posteriors(fake_fit):
    for name in fake_fit.slices:
        labels, other = at_reference(fake_fit, name)
        error = predict_error(fake_fit, [labels], [other]).sel(slice=name, labels=labels)
        np.testing.assert_allclose(error, fake_fit.posterior[names.ERROR_REFERENCE].sel(slice=name), rtol=1e-12)


def test_other_labels(fake_fit):
    name = "north"
    labels, other = at_reference(fake_fit, name)

    def error(n, others):
        return predict_error(fake_fit, [n], others).sel(slice=name).squeeze("labels").values

    np.testing.assert_allclose(error(2 * labels, None), error(2 * labels, [other]))
    np.testing.assert_allclose(error(2 * labels, "proportional"), error(2 * labels, [2 * other]))
    # One size in several learners' or slices' company: more labels of others help, since transfer is positive here.
    assert (error(labels, [4 * other]) < error(labels, [other])).mean() > 0.9
    assert (error(labels, [0]) > error(labels, [other])).mean() > 0.9


def test_other_labels_follow_their_sizes(fake_fit):
    one = predict_error(fake_fit, [500, 4000], [0, 9000])
    two = predict_error(fake_fit, [4000, 500], [9000, 0])
    xr.testing.assert_identical(one, two.sel(labels=[500, 4000]))


@pytest.mark.parametrize(
    "others", [[1], [1, 2, 3], [], "porportional", "", [1, -1], [1, 2.5], [1, float("nan")], [1, "2"], [1, None]]
)
def test_other_labels_that_make_no_sense(others, fake_fit):
    with pytest.raises(ValueError, match=re.escape(f"got {others!r}")):
        predict_error(fake_fit, [1000, 2000], others)


def test_one_size_in_two_companies_is_refused(fake_fit):
    with pytest.raises(ValueError, match="1000"):
        predict_error(fake_fit, [1000, 2000, 1000], [0, 0, 500])
    same = predict_error(fake_fit, [1000, 2000, 1000], [5, 0, 5])
    assert same["labels"].values.tolist() == [1000, 2000]


@pytest.mark.parametrize("labels", [[], [-5], [0.5], ["x"], [float("nan")]])
def test_labels_that_are_no_counts(labels, fake_fit):
    with pytest.raises(ValueError, match="labels"):
        predict_error(fake_fit, labels)


def test_no_labels_at_all_is_a_size(fake_fit):
    error = predict_error(fake_fit, [0, 1, 100], [0, 0, 0])
    assert np.isfinite(error).all()
    assert (error.sel(labels=0).mean(("chain", "draw")) >= error.sel(labels=1).mean(("chain", "draw"))).all()


def test_errors_stay_between_nothing_and_their_bound(fake_fit, change):
    wild = change(fake_fit, posterior={names.DISCREPANCY: fake_fit.posterior[names.DISCREPANCY] * 0 + 2.0})
    sizes = [0, 10, 1000, 10**5, 10**8, 10**12]
    error = predict_error(wild, sizes)
    assert error.max() == 1.0
    assert error.min() > 0
    assert np.isfinite(error).all()
    assert predict_gain(wild, sizes).max() <= 1.0
    boundless = change(wild, settings={"upper": "inf"})
    assert predict_error(boundless, sizes).max() > 1.0


def test_labels_now_above_the_reference_lies_on_the_same_curve(fake_fit, stand_at):
    fit = stand_at(fake_fit, 3)
    now = int(fit.position[names.LABELS_NOW].sel(slice="north"))
    ahead = predict_error(fake_fit, [now, now + 1000]).sel(slice="north")
    gain = predict_gain(fit, [1000]).sel(slice="north", budget=1000)
    np.testing.assert_allclose(ahead[..., 0] - ahead[..., 1], gain, atol=1e-15)


# --- impact ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.25, 1, 4])
def test_impact_is_the_gain_of_one_label(factor, straight, stand_at):
    fit = stand_at(straight, factor)
    # A label more changes the slope by about (1 + elasticity) / labels: under half a percent here.
    np.testing.assert_allclose(impact(fit), predict_gain(fit, [1]).sel(budget=1), rtol=6e-3)


def test_impact_at_the_reference_sees_nothing_of_the_discrepancy(fake_fit):
    """The walk starts flat, so its part in one label's gain is of second order: within a tenth."""
    one = predict_gain(fake_fit, [1]).sel(budget=1).mean(("chain", "draw"))
    np.testing.assert_allclose(impact(fake_fit).mean(("chain", "draw")), one, rtol=0.1)


def test_impact_per_thousand_is_a_thousand_times_that_of_one(fake_fit):
    np.testing.assert_allclose(impact(fake_fit, per=1000), 1000 * impact(fake_fit))
    assert impact(fake_fit, per=1000).attrs[names.UNIT] == "error per 1,000 labels"
    assert impact(fake_fit).attrs[names.UNIT] == "error per label"
    assert impact(fake_fit, 1000).attrs["per"] == 1000
    assert impact(fake_fit)[names.LABELS_NOW].dims == ("slice",)


@pytest.mark.parametrize("per", [0, -1, 0.5, float("nan"), "1000", True, None])
def test_impact_per_what_is_no_count(per, fake_fit):
    with pytest.raises(ValueError, match="per must be a whole number ≥ 1"):
        impact(fake_fit, per)


def test_forecasts_leave_the_fit_as_it_was(fake_fit):
    before = fake_fit.tree.copy(deep=True)
    predict_gain(fake_fit, [10])
    predict_error(fake_fit, [10], "proportional")
    impact(fake_fit, 10)
    assert fake_fit.tree.identical(before)


# --- what the runs do not show ---------------------------------------------------------------------


def flattened(fit, slices):
    """The same draws, and runs of some slices that err alike at every size."""
    runs = fit.runs
    flat = runs[names.SLICE].isin(slices)
    return altered(fit, runs=runs.assign(errors=runs[names.ERRORS].where(~flat, 340)))


def test_a_gain_that_no_run_shows_is_called_the_models_assumption(fake_fit, change):
    assert predict_gain(fake_fit, [500]).attrs["notes"].splitlines() == []
    made = flattened(fake_fit, ["north", "west"])
    said = "P(gain > 0) of north, west is the model's assumption that curves fall: their own runs show no fall yet"
    gain = predict_gain(made, [0, 500])
    assert gain.attrs["notes"].splitlines() == [said]
    assert summarise(gain).attrs["notes"] == [said]
    alone = predict_gain(change(made, keep=["south", "west"]), [500])
    assert alone.attrs["notes"].splitlines() == [said.replace("north, west", "west").replace("their", "its")]


def test_a_gain_that_is_not_likely_is_not_called_an_assumption(fake_fit, change):
    made = flattened(fake_fit, ["north", "west"])
    level = made.posterior[names.CURVE_ELASTICITY]
    sign = xr.where(np.arange(level.sizes[names.DRAW]) % 4, 1.0, -1.0)
    unsure = change(made, posterior={names.CURVE_ELASTICITY: level * xr.DataArray(sign, dims=names.DRAW)})
    assert float((predict_gain(unsure, [500]) > 0).mean()) < 0.9
    assert predict_gain(unsure, [500]).attrs["notes"].splitlines() == []


def test_curves_of_several_learners_are_named_by_both(two_learners):
    (note,) = predict_gain(flattened(two_learners, ["north"]), [500]).attrs["notes"].splitlines()
    assert note.startswith("P(gain > 0) of north (a), north (b) is")
