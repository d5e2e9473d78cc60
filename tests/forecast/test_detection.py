"""Whether a gain can be seen: power against simulation, and evaluation sets that would do."""

import numpy as np
import pytest
import xarray as xr

from labelvalue import InputError, names, predict_gain
from labelvalue.forecast.gains.detection import SHARES, evaluation_size, power_of
from labelvalue.interventions import EvaluationLabels, Pretraining, Relabel
from labelvalue.voi import detection_power, evaluation_needed, split_budget
from tests.fits import altered

SAMPLE = ("chain", "draw")


def test_power_is_what_simulation_says(fake_fit):
    """Measure twice, with the noise of the fit, many times over; count how often the drop is larger than chance."""
    rng = np.random.default_rng(1)
    place, times, more = (0, 3), 40_000, EvaluationLabels(1_000)
    posterior = fake_fit.posterior.sel(slice="west")
    power = detection_power(fake_fit, [2000], interventions=more).sel(slice="west", budget=2000)[place]
    before = float(posterior["error_now"][place])
    after = before - float(predict_gain(fake_fit, [2000]).sel(slice="west", budget=2000)[place])
    churn, sd = float(posterior["churn"][place]), float(posterior["training_sd"][place])
    decay = float(posterior["training_decay"][place])
    position = fake_fit.position.sel(slice="west")
    reference = float(position["reference_labels"] + position["reference_other_labels"])
    now = float(position["labels_now"] + position["other_labels_now"])
    growth = [now / reference, (now + 2000) / reference]
    measured = []
    today = float(evaluation_size(fake_fit).sel(slice="west"))
    one_run = float(position["one_run_variance"]) * today / 3000
    variance = 0.0
    for error, size in zip((before, after), growth, strict=True):
        sampling = churn * error**2 * one_run * (1 / error - 1) / (1 / float(posterior["error_reference"][place]) - 1)
        training = (error * sd) ** 2 * size ** (-decay)
        variance += sampling + training
        measured.append(error + rng.normal(0.0, np.sqrt(sampling + training), times))
    seen = (measured[0] - measured[1] > 1.6448536 * np.sqrt(variance)).mean()
    assert float(power) == pytest.approx(seen, abs=0.01)


def test_nothing_is_seen_as_often_as_chance_allows(fake_fit):
    np.testing.assert_allclose(detection_power(fake_fit, [0]), 0.05)


def test_more_labels_and_more_trainings_show_more(fake_fit):
    offers = ((), EvaluationLabels(18_000))
    few, many = (detection_power(fake_fit, [4000], interventions=offer).mean(SAMPLE) for offer in offers)
    assert (many > few).all()
    again = detection_power(fake_fit, [4000], interventions=offers[1], replicates=5).mean(SAMPLE)
    assert (again > many).all()


def test_evaluation_labels_are_seen_with(fake_fit):
    """An intervention that adds 18,000 to a slice's 2,000 is an evaluation set of 20,000 there, and nowhere else."""
    gain, size = predict_gain(fake_fit, [0, 4000]), evaluation_size(fake_fit)
    plain, large = (power_of(fake_fit, gain, xr.full_like(size, n), 1) for n in (2_000.0, 20_000.0))
    offer = EvaluationLabels(18_000, slices=("west",))
    power = detection_power(fake_fit, [0, 4000], interventions=offer)
    np.testing.assert_allclose(power.sel(slice="west"), large.sel(slice="west"), atol=1e-9)
    np.testing.assert_allclose(power.drop_sel(slice="west"), plain.drop_sel(slice="west"), atol=1e-9)
    assert power["evaluation_labels"].values.tolist() == [2_000, 2_000, 2_000, 20_000]


def test_what_interventions_gain_can_be_seen_too(fake_fit):
    both = [Pretraining(excess=0.6), EvaluationLabels(8_000)]
    few, more = (detection_power(fake_fit, [0], interventions=done).mean(SAMPLE) for done in (both[:1], both))
    assert (few > 0.2).all()  # nothing would be seen in one case of twenty
    assert (more > few).all()
    with pytest.raises(InputError, match="share of wrong labels, which is not known"):
        detection_power(fake_fit, [0], interventions=Relabel(0.5))
    assert (detection_power(fake_fit, [0], interventions=Relabel(0.9), noise=0.3).mean(SAMPLE) > 0.06).all()


def test_the_evaluation_set_that_would_do_just_does(fake_fit):
    needed = evaluation_needed(fake_fit, [8000], power=0.6, replicates=3)
    finite = needed.sel(budget=8000).to_series()
    assert np.isfinite(finite).any()
    name = finite[np.isfinite(finite)].index[0]
    for factor, enough in ((1.02, True), (0.9, False)):
        size = xr.full_like(evaluation_size(fake_fit), finite[name] * factor)
        power = power_of(fake_fit, predict_gain(fake_fit, [8000]), size, 3)
        assert bool(power.sel(slice=name).mean() >= 0.6) == enough


def test_no_set_is_large_enough_where_training_varies_too_much(fake_fit, change):
    wild = change(fake_fit, posterior={names.TRAINING_SD: fake_fit.posterior[names.TRAINING_SD] * 100})
    assert np.isinf(evaluation_needed(wild, [500])).all()


def test_the_present_set_is_that_of_the_runs(fake_fit):
    np.testing.assert_allclose(evaluation_size(fake_fit), 2000)
    runs = fake_fit.runs.drop_vars([names.ERRORS, names.TRIALS])
    np.testing.assert_allclose(evaluation_size(altered(fake_fit, runs=runs)), 2000, rtol=0.25)


@pytest.mark.parametrize(
    "given",
    [
        {"money": 1_000, "price": 1.0, "evaluation_price": 0.02, "replicates": 20},  # cheap evaluation labels
        {"money": 200_000, "price": 0.1, "replicates": 20},  # more money than training labels can use
        {"money": 800, "price": 0.1, "replicates": 3},  # trainings vary too much for evaluation labels to help
    ],
)
def test_d22_the_split_is_the_best_of_all_that_were_tried(fake_fit, given):
    """By hand: for every share of the sum, the gain times the power to see it, slice by slice."""
    money, price = given["money"], given["price"]
    each = given.get("evaluation_price", price)
    rows = []
    for share in SHARES:
        labels, more = int(money * (1 - share) / price), int(money * share / each)
        gain = predict_gain(fake_fit, [labels])
        power = power_of(fake_fit, gain, evaluation_size(fake_fit) + more, given["replicates"])
        seen = (gain * power).mean(SAMPLE).isel(budget=0, drop=True)
        rows.append(seen.reset_coords(drop=True).assign_coords(share=share))
    grid = xr.concat(rows, dim="share")
    split = split_budget(fake_fit, **given)
    np.testing.assert_allclose(split["seen"], grid.max("share"), rtol=1e-9)
    np.testing.assert_allclose(split["unsplit"], grid.sel(share=0.0), rtol=1e-9)
    share = split[names.EVALUATION_LABELS] * each / money
    np.testing.assert_allclose(share, grid["share"][grid.argmax("share")], atol=1e-3)
    spent = price * split["labels"] + each * split[names.EVALUATION_LABELS]
    assert (abs(spent - money) < 2 * price).all()


def test_d22_both_budgets_together_show_more_where_evaluation_labels_are_cheap(fake_fit):
    """Training labels at 1.00, evaluation labels at 0.02: every slice gets some, and a twentieth more gain is seen."""
    split = split_budget(fake_fit, 1_000, price=1.0, evaluation_price=0.02, replicates=20)
    assert (split[names.EVALUATION_LABELS] > 0).all()
    assert (split["seen"] > 1.05 * split["unsplit"]).all()
    dear = split_budget(fake_fit, 1_000, price=1.0, evaluation_price=50.0, replicates=20)
    assert not dear[names.EVALUATION_LABELS].any()
    np.testing.assert_array_equal(dear["seen"], dear["unsplit"])


def test_settings_are_checked(fake_fit):
    with pytest.raises(InputError, match="'replicates'"):
        detection_power(fake_fit, [500], replicates=0)
