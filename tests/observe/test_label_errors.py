"""Wrong labels: as many as stated, nested, of the kind that was asked for, and in the table."""

import numpy as np
import pytest
from scipy import stats
from sklearn.naive_bayes import GaussianNB

from labelvalue import names
from labelvalue.observe.simulate.suites import ANNOTATORS, NOISE_KINDS, WrongEvaluation, choose_wrong, draw_wrong_labels
from labelvalue.problems import InputError


def draw(kind, n=6000, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(classes, size=n)
    process, rows = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    return codes, draw_wrong_labels(codes, classes, kind, process, rows)


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_wrong_labels_are_wrong(kind):
    codes, drawn = draw(kind)
    assert (drawn.codes != codes).all()
    assert set(drawn.codes) == {0, 1, 2, 3}


@pytest.mark.parametrize("kind", NOISE_KINDS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.37])
def test_the_share_is_exact_at_every_size_and_sets_are_nested(kind, share):
    _, drawn = draw(kind, n=500)
    sizes = [7, 40, 41, 500]
    wrong = choose_wrong(drawn.order, sizes, share)
    assert [int(wrong[:size].sum()) for size in sizes] == [round(share * size) for size in sizes]
    less = choose_wrong(drawn.order, sizes, share / 2)
    assert np.count_nonzero(less & ~wrong) <= len(sizes)  # but for rounding, those of a smaller share


def rates(kind):
    """Share of wrong labels by class, and what is said by class."""
    codes, drawn = draw(kind)
    wrong = choose_wrong(drawn.order, [codes.size], 0.2)
    table = np.zeros((4, 4))
    np.add.at(table, (codes[wrong], drawn.codes[wrong]), 1)
    return np.bincount(codes[wrong], minlength=4) / np.bincount(codes), table


def test_uniform_errors_spare_no_class():
    by_class, said = rates("uniform")
    assert by_class == pytest.approx(0.2, abs=0.035)
    for row, cells in enumerate(said):
        assert stats.chisquare(np.delete(cells, row)).pvalue > 0.001


@pytest.mark.parametrize("kind", ["class_conditional", "annotators"])
def test_other_errors_prefer_some_classes(kind):
    by_class, said = rates(kind)
    assert by_class.max() > 1.5 * by_class.min()
    assert max(stats.chisquare(np.delete(cells, row)).statistic for row, cells in enumerate(said)) > 30


def test_annotators_differ():
    """With one class of errors only, rows of different annotators still err at different rates."""
    codes = np.zeros(20_000, dtype=int)
    drawn = draw_wrong_labels(codes, 2, "annotators", np.random.default_rng(1), np.random.default_rng(2))
    worker = np.random.default_rng(2).integers(ANNOTATORS, size=codes.size)  # the first draw of that stream
    wrong = choose_wrong(drawn.order, [codes.size], 0.2)
    share = [wrong[worker == a].mean() for a in range(ANNOTATORS)]
    assert max(share) > 2 * min(share)


def test_the_table_says_the_share(simulate):
    runs = simulate(label_noise=(0, 0.1, 0.4), sizes=[40, 160]).to_dataframe()
    assert sorted(set(runs[names.LABEL_NOISE])) == [0.0, 0.1, 0.4]
    assert len(runs) == 3 * 3 * 2 * 2
    clean = simulate(sizes=[40, 160]).to_dataframe()
    assert clean[names.LABEL_NOISE].isna().all()
    without = runs[runs[names.LABEL_NOISE] == 0]
    assert without[names.ERRORS].tolist() == clean[names.ERRORS].tolist()
    keys = [names.SLICE, names.REPLICATE, names.LABELS, names.OTHER_LABELS]
    assert (runs.groupby(keys)[names.LABEL_NOISE].nunique() == 3).all()


def test_wrong_labels_reach_the_learner(people, simulate):
    x, y, _ = people
    right = dict(zip(map(tuple, x), y, strict=True))
    seen = []

    def spy(rows, labels, seed):
        wrong = np.mean([right[tuple(row)] != label for row, label in zip(rows, labels, strict=True)])
        seen.append((len(labels), wrong))
        return GaussianNB().fit(rows, labels)

    simulate(spy, label_noise=[0.25], replicates=1)
    assert seen == [(40, 0.25), (80, 0.25), (160, 0.25)]


def test_many_wrong_labels_cost_accuracy(simulate):
    runs = simulate(label_noise=[0, 0.45], sizes=[160], replicates=4).to_dataframe()
    errors = runs.groupby(names.LABEL_NOISE)[names.ERRORS].sum()
    assert errors[0.45] > 1.15 * errors[0.0]


def test_shares_that_come_to_the_same_labels_are_one_run(simulate):
    runs = simulate(label_noise=[0, 0.001, 0.1], sizes=[40], replicates=1).to_dataframe()
    assert sorted(set(runs[names.LABEL_NOISE])) == [0.0, 0.1]
    assert len(runs) == 2 * 3


def test_wrong_evaluation_labels_are_a_suite(simulate):
    """An error of e becomes e (1 − share) + (1 − e) share, where errors do not depend on the answer."""
    runs = simulate(suites=[WrongEvaluation(0.2)], replicates=6).to_dataframe()
    by_suite = runs.groupby(names.SUITE)[[names.ERRORS, names.TRIALS]].sum()
    rate = by_suite[names.ERRORS] / by_suite[names.TRIALS]
    clean = rate["holdout"]
    assert rate["wrong labels 0.2 uniform"] == pytest.approx(clean * 0.8 + (1 - clean) * 0.2, abs=0.03)
    ids = runs.groupby(names.SUITE)[names.EVALUATION_SET].unique()
    assert not set(ids["holdout"]) & set(ids["wrong labels 0.2 uniform"])


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"label_noise": [0.5]}, "labels carry no information: 2 classes, limit 1/2"),
        ({"label_noise": [1.0]}, "must lie in 0 ≤ … < 1"),
        ({"label_noise": [0.1], "noise_kind": "unifrom"}, "did you mean 'uniform'"),
        ({"suites": [WrongEvaluation(0.6)]}, "labels carry no information"),
    ],
)
def test_noise_that_cannot_be(options, pattern, simulate):
    with pytest.raises(InputError, match=pattern):
        simulate(**options)


def test_numbers_have_no_wrong_classes(simulate, people):
    from sklearn.linear_model import LinearRegression

    x, _, slices = people
    with pytest.raises(InputError, match="the target is a number"):
        simulate(LinearRegression(), data=(x, x[:, 0], slices), label_noise=[0.1])
