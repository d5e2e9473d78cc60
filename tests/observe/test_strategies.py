"""Strategies: what each chooses, what the loops train on, and that they pay where they should."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from labelvalue import names
from labelvalue.observe.simulate.learners import Trained
from labelvalue.observe.simulate.strategies import QUERIES, Query, fill_quotas
from labelvalue.observe.simulate.suites import ClassMix
from labelvalue.problems import InputError
from tests.observe.asked import simulated


class Scores:
    """A model with the probabilities that stand in the rows."""

    def __init__(self, classes):
        self.classes_ = classes

    def predict_proba(self, x):
        return x

    def predict(self, x):
        return self.classes_[x.argmax(axis=1)]


def ask(name, x, labelled=(0,), count=1, train=None, classes=3):
    classes = np.arange(classes)
    labelled = np.array(labelled)
    return QUERIES[name](
        Query(
            trained=Trained(Scores(classes), classes),
            train=train,
            x=x,
            features=x,
            labelled=labelled,
            labels=np.arange(labelled.size) % 2,
            candidates=np.setdiff1d(np.arange(len(x)), labelled),
            classes=classes,
            count=count,
            seed=1,
        )
    )


def test_each_strategy_chooses_by_its_rule():
    x = np.array(
        [
            [1.0, 0.0, 0.0],
            [0.45, 0.44, 0.11],  # closest margin
            [0.42, 0.29, 0.29],  # likeliest class least likely
            [0.9, 0.05, 0.05],
            [0.43, 0.285, 0.285],
        ]
    )
    assert ask("margin", x).tolist() == [1]
    assert ask("uncertainty", x).tolist() == [2]
    assert ask("entropy", x).tolist() == [2]
    assert set(ask("uncertainty", x, count=2)) == {2, 4}


def test_equal_scores_are_broken_at_random_and_the_same_way_again():
    x = np.full((50, 3), 1 / 3)
    first = ask("entropy", x, count=5)
    assert first.tolist() == ask("entropy", x, count=5).tolist()
    assert first.tolist() != [1, 2, 3, 4, 5]


def test_a_committee_chooses_where_it_disagrees():
    x = np.array([[0.0], [1.0], [0.5], [0.0], [1.0], [0.5]])

    class Member:
        def __init__(self, threshold):
            self.threshold = threshold

        def predict(self, rows):
            return (rows[:, 0] > self.threshold).astype(int)

    thresholds = iter([0.2, 0.8, 0.3, 0.7, 0.4])

    def train(rows, labels, seed):
        return Trained(Member(next(thresholds)), np.arange(2))

    # The bootstrap draws of ten labels are of two classes; rows 2 and 5 lie between the members' thresholds.
    big = np.concatenate([x, np.zeros((10, 1))])
    assert set(ask("committee", big, labelled=range(6, 16), count=2, train=train, classes=2)) == {2, 5}


def test_diversity_covers_clusters():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [20, 0], [0, 20], [20, 20], [40, 40]])
    x = np.repeat(centres, 40, axis=0) + rng.normal(size=(200, 2))
    chosen = ask("diversity", x, labelled=[0, 1], count=4)
    assert {row // 40 for row in chosen} == {1, 2, 3, 4}
    assert ask("diversity", np.zeros((6, 2)), count=3).size == 3


def test_quotas_are_met_as_far_as_the_pool_allows():
    groups = np.repeat([0, 1], [90, 10])
    rng = np.random.default_rng(0)
    none = np.zeros(0, dtype=int)
    order = fill_quotas(groups, np.array([0.5, 0.5]), none, [6, 20, 60], rng)
    assert [np.bincount(groups[order[:n]], minlength=2).tolist() for n in (6, 20, 60)] == [[3, 3], [10, 10], [50, 10]]
    assert np.unique(order).size == 60
    start = np.flatnonzero(groups == 0)[:10]
    order = fill_quotas(groups, np.array([0.5, 0.5]), start, [10, 20], rng)
    assert order[:10].tolist() == start.tolist()
    assert np.bincount(groups[order]).tolist() == [10, 10]


@pytest.fixture(scope="module")
def runs(simulate):
    return simulate(strategies=["random", "stratified", "balanced", *QUERIES], sizes=[40, 80, 120]).to_dataframe()


def test_strategies_go_on_from_the_first_random_set(runs):
    total = runs[names.LABELS] + runs[names.OTHER_LABELS]
    sizes = {strategy: sorted(set(total[rows.index])) for strategy, rows in runs.groupby(names.STRATEGY)}
    assert sizes.pop("random") == [40, 80, 120]
    assert set(map(tuple, sizes.values())) == {(80, 120)}
    assert set(sizes) == {"stratified", "balanced", *QUERIES}
    assert runs.groupby(names.SLICE)[names.EVALUATION_SET].nunique().eq(1).all()


def test_random_is_what_it_is_without_the_others(runs, simulate):
    alone = simulate(sizes=[40, 80, 120]).to_dataframe()
    random = runs[runs[names.STRATEGY] == "random"]
    keys = [names.SLICE, names.LABELS, names.OTHER_LABELS, names.ERRORS]
    assert random[keys].to_numpy().tolist() == alone[keys].to_numpy().tolist()


def test_a_strategy_alone_starts_from_a_random_set(simulate):
    runs = simulate(strategies=["margin"], sizes=[40, 80]).to_dataframe()
    assert runs.groupby(names.STRATEGY).size().to_dict() == {"margin": 6, "random": 6}


def test_the_seed_says_everything(simulate):
    options = {"strategies": ["random", "committee", "diversity"], "label_noise": [0.1], "sizes": [40, 80]}
    clock = [names.SECONDS, names.MEASURED_AT]
    one, two = (simulate(**options, n_jobs=n).drop_vars(clock) for n in (1, 2))
    assert one.drop_attrs().identical(two.drop_attrs())
    assert one.attrs[names.PROTOCOL] == two.attrs[names.PROTOCOL]


def test_training_sets_are_nested_and_as_large_as_said(people, simulate):
    x, _, _ = people
    place = {tuple(row): i for i, row in enumerate(x)}
    seen = []

    def spy(rows, labels, seed):
        seen.append({place[tuple(row)] for row in rows})
        return GaussianNB().fit(rows, labels)

    simulate(spy, strategies=["margin"], sizes=[40, 80, 120], replicates=1, batch_size=20)
    assert [len(s) for s in seen] == [40, 40, 60, 80, 100, 120]  # the random one, then the loop
    assert seen[0] == seen[1]
    assert all(a <= b for a, b in pairwise(seen[1:]))


def test_wrong_labels_in_a_loop_are_as_many_as_stated(simulate):
    runs = simulate(strategies=["uncertainty"], label_noise=[0.25], sizes=[40, 80], batch_size=8).to_dataframe()
    assert set(runs[names.LABEL_NOISE]) == {0.25}


def test_choosing_pays_where_it_should():
    """A rare class that decides the error: uncertain rows lie at its border."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(4000, 2))
    y = x[:, 0] > 1.6
    runs = simulated(
        LogisticRegression(C=100.0),
        x,
        y,
        ["all"] * 4000,
        sizes=[60, 120],
        replicates=6,
        strategies=["random", "uncertainty"],
        random_state=2,
        progress=False,
    ).to_dataframe()
    errors = runs[runs[names.LABELS] == 120].groupby(names.STRATEGY)[names.ERRORS].sum()
    assert errors["uncertainty"] < 0.8 * errors["random"]


def test_mixes_of_classes_are_met_at_every_size(people, simulate):
    x, y, _ = people
    runs = simulate(data=(x, y, y), strategies=["random", ClassMix({"yes": 0.9, "no": 0.1})], sizes=[40, 160, 600])
    frame = runs.to_dataframe()
    mixed = frame[frame[names.STRATEGY] == "mix no=0.1 yes=0.9"]
    yes = mixed[mixed[names.SLICE] == "yes"]
    assert sorted(set(yes[names.LABELS])) == [36, 144]
    assert set(yes[names.OTHER_LABELS]) == {4, 16}
    assert "mix no=0.1 yes=0.9: too few rows of a class for sizes 600" in runs.attrs[names.NOTES].splitlines()


def test_balance_brings_classes_together(people, simulate):
    x, _, _ = people
    rare = np.where(x[:, 0] > 1.0, "rare", "common")
    runs = simulate(data=(x, rare, rare), strategies=["random", "balanced"], sizes=[40, 120], jitter=0).to_dataframe()
    labels = runs[(runs[names.SLICE] == "rare") & (runs[names.LABELS] + runs[names.OTHER_LABELS] == 120)]
    share = labels.groupby(names.STRATEGY)[names.LABELS].mean() / 120
    assert share["random"] < 0.25
    assert share["balanced"] == pytest.approx(0.5, abs=0.01)


def test_strategies_of_ones_own(simulate):
    asked = []

    def first_come(query):
        asked.append((query.features.shape, query.count))
        return query.candidates[: query.count]

    runs = simulate(strategies={"random": None, "first": first_come}, sizes=[40, 80], replicates=1).to_dataframe()
    assert set(runs[names.STRATEGY]) == {"random", "first"}
    assert asked == [((675, 3), 40)]
    with pytest.raises(RuntimeError, match="strategy 'greedy' must return 40 different rows"):
        simulate(strategies={"greedy": lambda query: query.candidates}, sizes=[40, 80])


class Silent(GaussianNB):
    predict_proba = property()  # hasattr says no


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"strategies": ["magrin"]}, "did you mean 'margin'"),
        ({"strategies": []}, "'strategies': names none"),
        ({"strategies": ["margin"], "estimator": Silent()}, "margin need probabilities, which 'default'"),
        ({"strategies": {"margin": lambda q: q}}, "the name of a built-in strategy"),
        ({"strategies": ["margin"], "resampling": "bootstrap"}, "bootstrap draws with it"),
        ({"strategies": [ClassMix({"yess": 1.0})]}, "no such class; did you mean 'yes'"),
    ],
)
def test_strategies_that_cannot_be(options, pattern, simulate):
    with pytest.raises(InputError, match=pattern):
        simulate(**options)
