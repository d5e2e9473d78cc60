"""Defaults of a simulation: what few and many labels get, what is said of it, and that what is asked for wins."""

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from labelvalue import names, read_runs, write_runs
from labelvalue.observe.simulate.plan import choose_sizes, settle
from labelvalue.observe.simulate.protocol import Protocol, parse_protocol
from labelvalue.suites import TimeSplit
from tests.observe.asked import simulated


def labelled(*counts: int, classes: int = 2):
    """Features (the row's number first), target and slices, of so many rows a slice."""
    rng = np.random.default_rng(4)
    slices = rng.permutation(np.repeat([f"s{i}" for i in range(len(counts))], counts))
    y = rng.integers(0, classes, slices.size)
    return np.column_stack([np.arange(slices.size), y + rng.normal(size=slices.size)]), y, slices


def simulate(data, estimator=None, **options):
    return simulated(estimator or GaussianNB(), *data, **({"random_state": 1, "progress": False} | options))


class Watching:
    """A learner that remembers the rows of each training and answers what it saw last."""

    def __init__(self):
        self.seen: dict[int, list[frozenset]] = {}

    def __call__(self, x, y, seed):
        self.seen.setdefault(len(y), []).append(frozenset(x[:, 0].astype(int).tolist()))
        return lambda rows: np.full(len(rows), y[0])


def done(runs) -> Protocol:
    return parse_protocol(runs.attrs[names.PROTOCOL])


def told(runs) -> list[str]:
    return runs.attrs[names.NOTES].splitlines()


# --- replicates -----------------------------------------------------------------------------------


def test_few_labels_are_all_evaluated_on_and_no_training_set_is_drawn_twice():
    learner = Watching()
    runs = simulate(labelled(225, 225, 225, 225), learner)
    assert (done(runs).resampling, done(runs).replicates, max(done(runs).sizes)) == ("folds", 5, 720)
    assert all(len(sets) == len({*sets}) == 5 for sets in learner.seen.values())
    frame = runs.to_dataframe().assign(total=(runs[names.LABELS] + runs[names.OTHER_LABELS]).values)
    assert (frame.groupby(["total", names.SLICE])[names.TRIALS].sum() == 225).all()
    assert told(runs)[1] == (
        "sizes 40 to 720 in 9 steps, all that folds leave to train on; "
        "5 folds, because one split would leave slice 's0' 56 rows to evaluate on"
    )


def test_many_labels_are_split_once_and_no_training_set_is_drawn_twice():
    learner = Watching()
    runs = simulate(labelled(1000, 1000, 1000, 1000), learner)
    assert (done(runs).resampling, done(runs).replicates, max(done(runs).sizes)) == ("subsets", 5, 2550)
    assert all(len(sets) == len({*sets}) == 5 for sets in learner.seen.values())
    assert (runs[names.TRIALS] == 250).all()
    assert np.unique(runs[names.EVALUATION_SET]).size == 4
    assert "85 % of what is left to train on" in told(runs)[1]
    assert "one split, because it leaves every slice 200 rows or more" in told(runs)[1]


@pytest.mark.parametrize("counts", [(231, 229, 223, 217), (400, 30), (8,) * 50, (13, 17, 19, 23, 29, 31)])
def test_folds_leave_four_fifths_to_train_on(counts):
    rows = {f"s{i}": count for i, count in enumerate(counts)}
    protocol, _ = settle(Protocol(), rows)
    assert protocol.resampling == "folds"
    left = sum(count - -(-count // protocol.replicates) for count in counts)
    assert left >= 0.8 * sum(counts)
    assert 5 <= protocol.replicates <= min(10, *counts)


@pytest.mark.parametrize(
    ("counts", "asked", "why"),
    [
        ((400, 3), {}, "slice 's1' has 3 rows, too few for 5 folds"),
        ((400, 300), {"replicates": 3}, "take 5 replicates, not 3"),
        ((400, 7), {"replicates": 8}, "slice 's1' has 7 rows, too few for 8 folds"),
        ((400, 300), {"sizes": (40, 600)}, "folds leave less than 600 rows"),
        ((400, 300), {"test_size": 0.3}, None),
        ((400, 300), {"resampling": "bootstrap"}, None),
        ((400, 300), {"resampling": "subsets"}, None),
    ],
)
def test_where_folds_are_not_taken_it_is_said_why(counts, asked, why):
    protocol, said = settle(Protocol(**asked), {f"s{i}": count for i, count in enumerate(counts)})
    assert protocol.resampling == asked.get("resampling", "subsets")
    assert protocol.replicates == asked.get("replicates", 5)
    assert protocol.test_size == asked.get("test_size", 0.25)
    assert (why is None and not said) or why in said[0]


def test_what_is_asked_for_is_done():
    data = labelled(120, 120)
    asked = {"sizes": (20, 40), "replicates": 2, "resampling": "subsets", "test_size": 0.5}
    runs = simulate(data, **asked)
    assert {name: getattr(done(runs), name) for name in asked} == asked
    assert len(told(runs)) == 1
    by_file = simulate(data, protocol=Protocol(**asked))
    assert by_file[names.ERRORS].equals(runs[names.ERRORS])
    folds = simulate(data, resampling="folds", sizes=[20])
    assert done(folds).replicates == 5
    assert done(simulate(data, evaluation=np.arange(60), sizes=[20])).resampling == "subsets"


def test_settled_protocols_do_the_same_again():
    data = labelled(90, 60)
    runs = simulate(data)
    again = simulate(data, protocol=done(runs))
    assert again[names.PROTOCOL].equals(runs[names.PROTOCOL])
    assert again[names.ERRORS].equals(runs[names.ERRORS])


# --- sizes ----------------------------------------------------------------------------------------

FOLDS = Protocol(resampling="folds", replicates=5)


@pytest.mark.parametrize("rows", [60, 250, 900, 5_000, 100_000])
def test_there_are_six_to_ten_sizes_evenly_spaced(rows):
    slices = np.arange(rows) % 4
    sizes, _ = choose_sizes(4 * rows // 5, FOLDS, slices, np.arange(rows) % 3)
    assert 6 <= len(sizes) <= 10
    assert sizes[-1] == 4 * rows // 5
    assert sizes[0] <= sizes[-1] / 8
    assert sizes[0] >= 2
    if rows > 250:
        assert np.ptp(np.diff(np.log2(sizes))) < 0.1
        assert np.diff(np.log2(sizes)).min() > 0.4
        assert sizes[0] == 40


def test_the_smallest_training_set_holds_every_class_and_slice_that_is_not_rare():
    rng = np.random.default_rng(1)
    slices = rng.choice(list("abcd"), size=5000, p=[0.4, 0.3, 0.2, 0.1])
    sizes, _ = choose_sizes(4000, FOLDS, slices)
    assert 0.9 * 10 <= sizes[0] * 0.1 <= 1.1 * 10
    classes = rng.integers(0, 20, 5000)
    twenty, _ = choose_sizes(4000, FOLDS, np.zeros(5000), classes)
    assert twenty[0] * np.bincount(classes).min() / 5000 >= 5
    rare = np.where(rng.random(5000) < 0.004, 2, rng.integers(0, 2, 5000))
    assert choose_sizes(4000, FOLDS, np.zeros(5000), rare)[0][0] < 20


def test_every_class_is_in_the_smallest_training_sets_of_twenty_classes():
    data = labelled(225, 225, 225, 225, classes=20)
    seen = []

    def learner(x, y, seed):
        seen.append((len(y), np.unique(y).size))
        return lambda rows: np.full(len(rows), y[0])

    runs = simulate(data, learner)
    smallest = [kinds for size, kinds in seen if size == min(done(runs).sizes)]
    assert min(smallest) >= 18
    assert not any("skipped" in note for note in told(runs))


@pytest.mark.parametrize("pool", [2, 3, 10])
def test_a_handful_of_rows_is_enough(pool):
    sizes, _ = choose_sizes(pool, FOLDS, np.zeros(pool), np.arange(pool) % 2)
    assert sizes[0] == 2
    assert sizes[-1] == pool


@pytest.mark.parametrize(
    ("asked", "share"),
    [
        ({"resampling": "subsets", "replicates": 5}, 0.85),
        ({"resampling": "subsets", "replicates": 1}, 1.0),
        ({"resampling": "bootstrap", "replicates": 5}, 1.0),
        ({"resampling": "folds", "replicates": 5, "strategies": ("random", "margin")}, 0.85),
    ],
)
def test_all_that_can_be_trained_on_is_taken_only_where_training_sets_differ(asked, share):
    sizes, _ = choose_sizes(1000, Protocol(**asked), np.zeros(1200))
    assert sizes[-1] == share * 1000


# --- labels now -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_labels_there_are_stay_with_the_runs(suffix, tmp_path):
    runs = simulate(labelled(120, 50), sizes=[20, 40])
    frame = runs.to_dataframe()
    assert frame.groupby(names.SLICE)[names.LABELS_NOW].unique().str[0].to_dict() == {"s0": 120, "s1": 50}
    again = read_runs(write_runs(runs, tmp_path / f"runs.{suffix}"))
    assert again[names.LABELS_NOW].equals(runs[names.LABELS_NOW])
    assert told(again) == []


def test_a_test_set_of_ones_own_does_not_count_and_rows_of_suites_do():
    x, y, slices = labelled(120, 50)
    runs = simulate((x, y, slices), evaluation=np.arange(60), sizes=[20], replicates=1).to_dataframe()
    now = runs.groupby(names.SLICE)[names.LABELS_NOW].first()
    assert now.to_dict() == pd.Series(slices[60:]).value_counts().to_dict()
    days = pd.DataFrame({"day": np.arange(170)})
    suites = simulate((x, y, slices), sizes=[20], replicates=1, suites=[TimeSplit("day", 0.2)], metadata=days)
    assert {*suites[names.LABELS_NOW].values.tolist()} == {120, 50}


# --- other data -----------------------------------------------------------------------------------


def test_texts_go_in_as_they_are():
    rng = np.random.default_rng(0)
    y = rng.choice(["good", "bad"], 200).tolist()
    texts = [f"a {word} film {number}" for number, word in enumerate(y)]
    learner = make_pipeline(HashingVectorizer(n_features=64), LogisticRegression())
    for given in (texts, pd.Series(texts)):
        runs = simulate((given, y, ["web", "shop"] * 100), learner)
        assert done(runs).resampling == "folds"
        assert float(runs[names.ERROR][-1]) < 0.2


def test_numbers_as_a_target_have_no_classes_to_hold():
    x, y, slices = labelled(150, 150)
    runs = simulate((x, x[:, 1] + y, slices), LinearRegression())
    assert runs.attrs[names.METRIC] == "mae"
    assert min(done(runs).sizes) == 20
