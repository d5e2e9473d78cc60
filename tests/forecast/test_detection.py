"""Whether a gain can be seen: power against simulation, and evaluation sets that would do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from labelvalue import InputError, names
from labelvalue.forecast import detection_power, evaluation_needed, predict_gain, split_budget
from labelvalue.forecast.detection import evaluation_size

SAMPLE = ("chain", "draw")


def test_power_is_what_simulation_says(fake_fit):
    """Measure twice, with the noise of the fit, many times over; count how often the drop is larger than chance."""
    rng = np.random.default_rng(1)
    place, level, times = (0, 3), 0.05, 40_000
    posterior = fake_fit.posterior.sel(slice="west")
    power = detection_power(fake_fit, [2000], level=level, evaluation_labels=3000).sel(slice="west", budget=2000)[place]
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
    anchor = float(posterior["error_reference"].mean())
    one_run = float(position["one_run_variance"]) * today / 3000
    variance = 0.0
    for error, size in zip((before, after), growth, strict=True):
        sampling = churn * error**2 * one_run * (1 / error - 1) / (1 / float(posterior["error_reference"][place]) - 1)
        training = (error * sd) ** 2 * size ** (-decay)
        variance += sampling + training
        measured.append(error + rng.normal(0.0, np.sqrt(sampling + training), times))
    assert anchor > 0
    seen = (measured[0] - measured[1] > 1.6448536 * np.sqrt(variance)).mean()
    assert float(power) == pytest.approx(seen, abs=0.01)


def test_nothing_is_seen_as_often_as_chance_allows(fake_fit):
    power = detection_power(fake_fit, [0], level=0.1)
    np.testing.assert_allclose(power, 0.1)


def test_more_labels_and_more_trainings_show_more(fake_fit):
    few, many = (detection_power(fake_fit, [4000], evaluation_labels=n).mean(SAMPLE) for n in (200, 20_000))
    assert (many > few).all()
    again = detection_power(fake_fit, [4000], evaluation_labels=20_000, replicates=5).mean(SAMPLE)
    assert (again > many).all()


def test_the_evaluation_set_that_would_do_just_does(fake_fit):
    needed = evaluation_needed(fake_fit, [8000], power=0.6, replicates=3)
    finite = needed.sel(budget=8000).to_series()
    assert np.isfinite(finite).any()
    name = finite[np.isfinite(finite)].index[0]
    for factor, enough in ((1.02, True), (0.9, False)):
        labels = int(finite[name] * factor)
        power = detection_power(fake_fit, [8000], evaluation_labels=labels, replicates=3)
        assert bool(power.sel(slice=name).mean() >= 0.6) == enough


def test_no_set_is_large_enough_where_training_varies_too_much(fake_fit, change):
    wild = change(fake_fit, posterior={names.TRAINING_SD: fake_fit.posterior[names.TRAINING_SD] * 100})
    assert np.isinf(evaluation_needed(wild, [500])).all()


def test_the_present_set_is_that_of_the_runs(fake_fit):
    np.testing.assert_allclose(evaluation_size(fake_fit), 2000)
    runs = fake_fit.runs.drop_vars([names.ERRORS, names.TRIALS])
    tree = fake_fit.tree.copy()
    tree[names.RUNS] = type(tree)(runs)
    np.testing.assert_allclose(evaluation_size(dataclasses.replace(fake_fit, tree=tree)), 2000, rtol=0.25)


def test_the_budget_is_split_where_that_shows_more(fake_fit):
    split = split_budget(fake_fit, 800, price=0.1, replicates=3)
    assert (split["seen"] >= split["unsplit"]).all()
    spent = 0.1 * (split["labels"] + split[names.EVALUATION_LABELS])
    assert (abs(spent - 800) < 0.2).all()
    dear = split_budget(fake_fit, 800, price=0.1, evaluation_price=50.0, replicates=3)
    assert (dear[names.EVALUATION_LABELS] <= split[names.EVALUATION_LABELS]).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"level": 1.5}, "'level'"), ({"replicates": 0}, "'replicates'"), ({"evaluation_labels": 0}, "evaluation_labels")],
)
def test_settings_are_checked(fake_fit, settings, says):
    with pytest.raises(InputError, match=says):
        detection_power(fake_fit, [500], **settings)
