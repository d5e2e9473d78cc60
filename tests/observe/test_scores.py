"""Metrics and their standard errors: against scikit-learn, closed forms, and repeated sampling."""

import numpy as np
import pytest
from sklearn import metrics as sk

from labelvalue import names
from labelvalue.observe.simulate import training
from labelvalue.observe.simulate.learners import Trained
from labelvalue.observe.simulate.training import RESAMPLES, Scorer


class Oracle:
    """A model that answers what it was told."""

    def __init__(self, labels=None, probabilities=None, classes=None):
        self.labels, self.given, self.classes_ = labels, probabilities, classes

    def predict(self, x):
        return self.labels[x]

    def predict_proba(self, x):
        return self.given[x]


def measure(metric, truth, labels=None, probabilities=None, classes=None, positive=1):
    classes = np.unique(truth) if classes is None else classes
    trained = Trained(Oracle(labels, probabilities, classes), classes)
    scorer = Scorer(
        metric=metric, classes=classes if metric not in training.NUMERIC else np.zeros(0), positive=positive
    )
    return scorer.measure(trained, np.arange(len(truth)), truth, {"all": slice(0, len(truth))})["all"]


@pytest.fixture(scope="module", params=[2, 3])
def predictions(request):
    rng = np.random.default_rng(request.param)
    classes = np.array(["a", "b", "c"][: request.param])
    codes = rng.choice(request.param, size=400, p=rng.dirichlet(np.full(request.param, 9.0)))
    logits = 1.5 * np.eye(request.param)[codes] + rng.normal(size=(400, request.param))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    p = np.round(p, 2) / np.round(p, 2).sum(axis=1, keepdims=True)  # with ties
    return classes, classes[codes], classes[p.argmax(axis=1)], p


def test_values_are_those_of_scikit_learn(predictions):
    classes, truth, labels, p = predictions
    two = classes.size == 2
    average = {"average": "binary", "pos_label": "b"} if two else {"average": "macro"}
    codes = np.searchsorted(classes, truth)
    expected = {
        "balanced_accuracy": sk.balanced_accuracy_score(truth, labels),
        "f1": sk.f1_score(truth, labels, **average),
        "precision": sk.precision_score(truth, labels, **average),
        "recall": sk.recall_score(truth, labels, **average),
        "log_loss": sk.log_loss(truth, p, labels=classes),
        "auc": sk.roc_auc_score(codes == 1, p[:, 1]) if two else sk.roc_auc_score(truth, p, multi_class="ovr"),
        "brier": np.mean(((p - np.eye(classes.size)[codes]) ** 2).sum(axis=1)) / 2,
    }
    for metric, value in expected.items():
        assert measure(metric, truth, labels, p)[names.VALUE] == pytest.approx(value, rel=1e-9), metric


def test_the_positive_class_is_chosen(predictions):
    classes, truth, labels, _ = predictions
    if classes.size == 2:
        for index, name in enumerate(classes):
            value = sk.precision_score(truth, labels, pos_label=name)
            assert measure("precision", truth, labels, positive=index)[names.VALUE] == pytest.approx(value)


def test_counts(predictions):
    _, truth, labels, _ = predictions
    assert measure("error_rate", truth, labels) == {names.ERRORS: (truth != labels).sum(), names.TRIALS: truth.size}


def test_means_have_their_closed_form():
    rng = np.random.default_rng(0)
    truth, given = rng.normal(size=300), rng.normal(size=300)
    gap = np.abs(truth - given)
    mae = measure("mae", truth, given)
    assert mae == {names.VALUE: pytest.approx(gap.mean()), names.STDERR: pytest.approx(gap.std(ddof=1) / 300**0.5)}
    draws = np.random.default_rng(1).normal(size=(2, 4000, 300))
    roots = np.sqrt(((draws[0] - draws[1]) ** 2).mean(axis=1))
    assert measure("rmse", truth, given)[names.STDERR] == pytest.approx(roots.std(), rel=0.2)


def test_calibration_of_a_calibrated_and_of_a_boastful_model():
    rng = np.random.default_rng(2)
    p = rng.uniform(0.5, 1.0, 20_000)
    right = rng.random(p.size) < p
    truth = np.where(right, "a", "b")
    calibrated = measure("ece", truth, probabilities=np.c_[p, 1 - p])
    assert calibrated[names.VALUE] < 0.02
    boastful = measure("ece", truth, probabilities=np.c_[np.full(p.size, 0.95), np.full(p.size, 0.05)])
    assert boastful[names.VALUE] == pytest.approx(0.95 - right.mean())


@pytest.mark.parametrize(
    "metric", ["f1", "precision", "recall", "balanced_accuracy", "auc", "ece", "brier", "log_loss"]
)
def test_standard_errors_are_the_spread_over_evaluation_sets(metric):
    """The bootstrap from one set of items must agree with fresh sets of items."""

    def draw(rng):
        codes = (rng.random(600) < 0.3).astype(int)
        score = 1 / (1 + np.exp(-(2.0 * codes - 1.2 + rng.normal(size=600))))
        return codes, (score > 0.5).astype(int), np.c_[1 - score, score]

    rng = np.random.default_rng(5)
    made = [measure(metric, *draw(rng)) for _ in range(200)]
    spread = np.std([m[names.VALUE] for m in made])
    claimed = np.mean([m[names.STDERR] for m in made])
    assert claimed == pytest.approx(spread, rel=0.2)


def test_what_is_not_defined_is_left_out():
    only = np.array(["a"] * 20)
    classes = np.array(["a", "b"])
    p = np.full((20, 2), 0.5)
    assert measure("auc", only, only, p, classes) is None
    assert measure("recall", only, only, p, classes) is None
    assert measure("mae", np.ones(5), np.ones(5)) is None


def test_perfect_answers_are_not_free_of_noise():
    truth = np.array(["a", "b"] * 20)
    assert 0 < measure("f1", truth, truth)[names.STDERR] < 0.05


def test_labels_that_are_no_class_are_wrong():
    truth = np.array(["a", "b"] * 20)
    assert measure("balanced_accuracy", truth, np.array(["z"] * 40))[names.VALUE] == 0


def test_probabilities_are_put_at_their_classes():
    trained = Trained(Oracle(probabilities=np.array([[0.25, 0.75]]), classes=np.array(["a", "c"])), np.array([]))
    assert trained.probabilities(np.array([0]), np.array(["a", "b", "c"])).tolist() == [[0.25, 0.0, 0.75]]


def test_resamples_are_shared_by_runs_of_one_size():
    first = training._weights(50)
    assert first.shape == (RESAMPLES + 1, 50)
    assert (first.sum(axis=1) == 50).all()
    assert first is training._weights(50)
