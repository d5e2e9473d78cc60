"""Wrong labels: arithmetic against enumeration, and the ways to say how many there are."""

import numpy as np
import pandas as pd
import pytest

from labelvalue import Prior, fit, read_runs, testing
from labelvalue.model.curve.families import information_left, measured_error, set_evaluation_noise, true_labels
from labelvalue.model.curve.observations import observe


def confusion(error, noise, classes):
    """Measured error by enumeration: answer right or wrong, label kept or replaced by any other class."""
    right, wrong = 1 - error, error
    hit_by_chance = 1 / (classes - 1)  # a wrong answer names the class that the wrong label names
    return right * noise + wrong * (1 - noise) + wrong * noise * (1 - hit_by_chance)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.4])
def test_measured_error_is_what_enumeration_says(classes, noise):
    for error in (0.0, 0.2, 0.9):
        assert measured_error(error, noise, classes) == pytest.approx(confusion(error, noise, classes))


def test_labels_at_random_carry_no_information():
    assert information_left(0.0, 5) == 1.0
    assert information_left(4 / 5, 5) == pytest.approx(0.0)


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_true_labels_undo_what_noise_did(noise):
    error = np.array([0.15, 0.3, 0.5])
    measured = measured_error(error, noise, 2)
    data = {"log_error": np.log(measured), "sampling_variance": 0.01, "rounding": 0.0, "scatter": 0.0}
    changed, log_kept = true_labels(data, noise, 2)
    np.testing.assert_allclose(np.exp(changed["log_error"]), error, rtol=2e-3)
    # Relative noise of what is left grows as the whole over the rest.
    np.testing.assert_allclose(changed["sampling_variance"], 0.01 * (measured / (measured - noise)) ** 2, rtol=5e-3)
    np.testing.assert_allclose(log_kept, np.log((measured - noise) / measured), atol=3e-3)


def test_an_error_below_the_noise_stays_above_nothing():
    data = {"log_error": np.log(0.01), "sampling_variance": 0.01, "rounding": 0.0, "scatter": 0.0}
    changed, _ = true_labels(data, 0.05, 2)
    assert np.isfinite(changed["log_error"])
    assert np.exp(changed["log_error"]) < 0.01


def test_noise_is_given_by_slice_or_for_all():
    seen = observe(testing.fake_runs(seed=1))
    everywhere = set_evaluation_noise(seen, 0.1)
    np.testing.assert_allclose(everywhere["noise_center"], np.log(0.1 / 0.9))
    some = set_evaluation_noise(seen, {"north": Prior("logitnormal", -3.0, 0.4)})
    assert some["noise_spread"].values.tolist() == [0.0, 0.4, 0.0, 0.0]
    assert "noise_center" not in set_evaluation_noise(seen, None)


@pytest.mark.parametrize(
    ("noise", "says"),
    [
        ({"nroth": 0.1}, "did you mean 'north'"),
        (0.5, "must be a share, 0 ≤ x < 0.5 with 2 classes"),
        (Prior("normal", 0.0, 1.0), "must be 'logitnormal'"),
    ],
)
def test_noise_that_makes_no_sense_is_refused(noise, says):
    with pytest.raises(ValueError, match=says):
        set_evaluation_noise(observe(testing.fake_runs(seed=1)), noise)


@pytest.mark.parametrize("metric", ["auc", "f1", "brier", "ece", "balanced_accuracy"])
def test_errors_that_are_no_share_of_wrong_answers_are_not_corrected(metric):
    """The arithmetic above is of wrong answers; wrong labels change an AUC in another way."""
    rows = [{"slice": "a", "labels": n, "value": 0.8, "stderr": 0.01} for n in (100, 200, 400)]
    with pytest.raises(ValueError, match=f"share of wrong answers.*{metric}"):
        set_evaluation_noise(observe(read_runs(pd.DataFrame(rows), metric=metric)), 0.1)


def test_accuracy_is_a_share_of_wrong_answers():
    rows = [{"slice": "a", "labels": n, "value": 0.8, "stderr": 0.01} for n in (100, 200, 400)]
    seen = observe(read_runs(pd.DataFrame(rows), metric="accuracy"))
    assert "noise_center" in set_evaluation_noise(seen, 0.1)


def test_labels_without_information_are_refused(table):
    rows = [("a", n, 20, 100, {"label_noise": 0.6}) for n in (100, 200, 400)]
    with pytest.raises(ValueError, match="carry no information"):
        fit(table(rows), progress=False)


@pytest.mark.parametrize("classes", [1, 2.5, True])
def test_classes_are_a_whole_number(classes):
    with pytest.raises(ValueError, match="classes must be a whole number"):
        fit(testing.fake_runs(seed=1), classes=classes, progress=False)
