"""Suites: what is held out, what is changed, and that one trained model is evaluated on all of them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from labelvalue import names
from labelvalue.observe.simulate.learners import tabular_classifier
from labelvalue.observe.simulate.suites import (
    SUITES,
    ClassMix,
    DomainSplit,
    FeatureNoise,
    MissingValues,
    TimeSplit,
    WrongEvaluation,
)
from labelvalue.problems import InputError

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def metadata():
    return pd.DataFrame(
        {"day": np.arange(900)[::-1] // 3, "site": np.array(["Lyon", "Oslo", "Rome"])[np.arange(900) % 3]}
    )


def test_the_latest_rows_are_held_back(metadata):
    held = TimeSplit("day", 0.1)._held(lambda name: metadata[name].to_numpy())
    assert held.sum() == 90
    assert metadata["day"][held].min() > metadata["day"][~held].max()
    tied = TimeSplit("day", 0.5)._held(lambda name: np.array([1, 2, 2, 2]))
    assert tied.tolist() == [False, True, True, True]
    text = TimeSplit("day", 0.25)._held(lambda name: np.array(["2026-01-02", "2025-12-31", "2026-01-10", "2025-01-01"]))
    assert text.tolist() == [False, False, True, False]


def test_domains_are_held_back(metadata):
    held = DomainSplit("site", ("Oslo",))._held(lambda name: metadata[name].to_numpy())
    assert set(metadata["site"][held]) == {"Oslo"}
    assert "Oslo" not in set(metadata["site"][~held])


def test_noise_has_the_stated_scale():
    x = RNG(0).normal(size=(5000, 2)) * [1.0, 100.0]
    made = FeatureNoise(0.5)._copy(x, np.zeros(5000), np.zeros(5000), RNG(1))
    assert (made.x - x).std(axis=0) / x.std(axis=0) == pytest.approx([0.5, 0.5], rel=0.05)
    frame = pd.DataFrame({"n": x[:, 0], "whole": np.arange(5000), "text": ["a"] * 5000, "flag": [True] * 5000})
    noisy = FeatureNoise(0.5)._copy(frame, np.zeros(5000), np.zeros(5000), RNG(1)).x
    assert (noisy["text"] == "a").all()
    assert noisy["flag"].all()
    assert noisy["n"].ne(frame["n"]).all()


def test_cells_are_emptied_at_the_stated_share():
    frame = pd.DataFrame(
        {
            "n": RNG(0).normal(size=4000),
            "text": pd.Series(["a"] * 4000, dtype=object),
            "kind": pd.Categorical(["x", "y"] * 2000),
            "whole": np.arange(4000),
        }
    )
    made = MissingValues(0.2)._copy(frame, np.zeros(4000), np.zeros(4000), RNG(1)).x
    assert made.isna().mean().tolist() == pytest.approx([0.2] * 4, abs=0.03)
    assert made["kind"].dtype == frame["kind"].dtype
    kept = made["whole"].notna()
    assert (made["whole"][kept] == frame["whole"][kept]).all()


def test_mixes_have_the_stated_shares_and_as_many_rows_as_there_are():
    y = np.repeat(["no", "yes"], [90, 30])
    slices = np.array(["a"] * 120)
    made = ClassMix({"yes": 0.5, "no": 0.5})._copy(np.arange(120), y, slices, RNG(0))
    assert pd.Series(made.y).value_counts().to_dict() == {"no": 30, "yes": 30}
    assert (y[made.keep] == made.y).all()
    lacking = np.where(np.arange(120) < 10, "b", "a")  # slice b is all "no"
    assert set(lacking[ClassMix({"yes": 0.5, "no": 0.5})._copy(np.arange(120), y, lacking, RNG(0)).keep]) == {"a"}


def test_one_model_meets_every_suite(people, simulate, metadata):
    fitted = []

    def count(x, y, seed):
        fitted.append(len(y))
        return GaussianNB().fit(x, y)

    suites = [
        TimeSplit("day", 0.2),
        DomainSplit("site", ("Oslo",)),
        FeatureNoise(1.0),
        ClassMix({"no": 0.7, "yes": 0.3}),
    ]
    runs = simulate(count, suites=suites, metadata=metadata, sizes=[40, 160]).to_dataframe()
    assert fitted == [40, 160] * 2
    assert set(runs[names.SUITE]) == {"holdout", *(suite.name for suite in suites)}
    assert runs.groupby([names.SUITE, names.SLICE])[names.EVALUATION_SET].nunique().eq(1).all()
    assert runs[names.EVALUATION_SET].nunique() == 5 * 3
    keys = [names.SLICE, names.REPLICATE, names.LABELS]
    assert runs.groupby(keys)[names.SECONDS].nunique().eq(1).all()
    trials = runs.drop_duplicates(names.EVALUATION_SET).groupby(names.SUITE)[names.TRIALS].sum()
    assert trials["time day 0.2"] == 180
    assert trials["domain site=Oslo"] == 300
    rate = runs.groupby(names.SUITE)[[names.ERRORS, names.TRIALS]].sum().eval("errors / trials")
    assert rate["noise 1"] > 1.3 * rate["holdout"]


def test_rows_held_back_are_never_trained_on(people, simulate, metadata):
    x, _, _ = people
    place = {tuple(row): i for i, row in enumerate(x)}
    seen = set()

    def spy(rows, labels, seed):
        seen.update(place[tuple(row)] for row in rows)
        return GaussianNB().fit(rows, labels)

    simulate(spy, suites=[DomainSplit("site", ("Oslo",))], metadata=metadata, sizes=None)
    assert set(metadata["site"][sorted(seen)]) == {"Lyon", "Rome"}


def test_a_slice_may_be_the_domain_left_out(people, simulate):
    x, y, slices = people
    frame = pd.DataFrame(x).assign(region=slices)
    frame.columns = ["a", "b", "c", "region"]
    learner = tabular_classifier(frame, learner="logistic_regression")
    runs = simulate(learner, data=(frame, y, "region"), suites=[DomainSplit("region", ("west",))]).to_dataframe()
    west = runs[runs[names.SLICE] == "west"]
    assert set(west[names.SUITE]) == {"domain region=west"}
    assert set(west[names.LABELS]) == {0}


def test_missing_values_need_a_learner_that_takes_them(people, simulate):
    x, y, slices = people
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    learner = tabular_classifier(frame, learner="logistic_regression")
    runs = simulate(learner, data=(frame, y, slices), suites=[MissingValues(0.5)]).to_dataframe()
    rate = runs.groupby(names.SUITE)[names.ERRORS].sum()
    assert rate["missing 0.5"] > rate["holdout"]
    with pytest.raises(RuntimeError, match=r"training failed .*NaN"):
        simulate(make_pipeline(GaussianNB()), suites=[MissingValues(0.5)])


def test_suites_are_the_same_again(simulate):
    options = {"suites": [FeatureNoise(0.3), WrongEvaluation(0.1, "annotators")], "sizes": [40]}
    one, two = (simulate(**options).drop_vars([names.SECONDS, names.MEASURED_AT]) for _ in range(2))
    assert one.drop_attrs().identical(two.drop_attrs())
    other = simulate(**options, random_state=2)
    assert not set(one[names.EVALUATION_SET].values) & set(other[names.EVALUATION_SET].values)


def test_the_name_says_every_setting():
    made = {
        "time": TimeSplit("day", 0.3),
        "domain": DomainSplit("site", ("a", "b")),
        "noise": FeatureNoise(0.3),
        "missing": MissingValues(0.3),
        "wrong_labels": WrongEvaluation(0.3, "annotators"),
        "mix": ClassMix({"a": 0.3, "b": 0.7}),
    }
    assert set(made) == set(SUITES)
    for suite in made.values():
        values = [v for f in vars(suite).values() for v in (f.items() if isinstance(f, dict) else [(f,)])]
        said = [
            str(part)
            for value in values
            for whole in value
            for part in (whole if isinstance(whole, tuple) else [whole])
        ]
        assert all(part in suite.name for part in said), suite.name


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (lambda: FeatureNoise(0), "must be a finite number > 0"),
        (lambda: FeatureNoise(float("nan")), "must be a finite number > 0"),
        (lambda: MissingValues(1), "'share', value .*must lie in 0 < … < 1"),
        (lambda: TimeSplit("day", 0.0), "'share', value .*must lie in 0 < … < 1"),
        (lambda: WrongEvaluation(0.1, "unifrom"), "did you mean 'uniform'"),
        (lambda: ClassMix({"a": 0.5, "b": 0.4}), "with sum 1"),
    ],
)
def test_suites_that_cannot_be(make, pattern):
    with pytest.raises(InputError, match=pattern):
        make()


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (lambda: FeatureNoise("1"), "'scale', value '1': expected a number"),
        (lambda: TimeSplit(3), "'column', value 3: expected text"),
        (lambda: DomainSplit("site", "Oslo"), "'domains', value 'Oslo': expected a list"),
        (lambda: MissingValues(True), "'share', value True: expected a number"),
    ],
)
def test_suites_of_the_wrong_type(make, pattern):
    with pytest.raises(InputError, match=pattern):
        make()


@pytest.mark.parametrize(
    ("suites", "pattern"),
    [
        ([TimeSplit("dya")], r"column 'dya': no such column; did you mean 'day'\?"),
        ([DomainSplit("site", ("Olso",))], "did you mean 'Oslo'"),
        ([DomainSplit("site", ("Lyon", "Oslo", "Rome"))], "leave no rows to train on"),
        ([FeatureNoise(1), FeatureNoise(1)], "given twice"),
        ([ClassMix({"maybe": 1.0})], "no such class"),
    ],
)
def test_suites_that_do_not_go_with_the_data(suites, pattern, simulate, metadata):
    with pytest.raises(InputError, match=pattern):
        simulate(suites=suites, metadata=metadata)


def test_a_gap_in_time_is_placed(simulate, metadata):
    gap = metadata.assign(day=metadata["day"].where(np.arange(900) != 5))
    with pytest.raises(InputError, match="row 5, column 'day': no value here"):
        simulate(suites=[TimeSplit("day")], metadata=gap)
    with pytest.raises(InputError, match="y has 900, metadata has 10"):
        simulate(suites=[TimeSplit("day")], metadata=metadata[:10])


def test_sparse_features_cannot_be_perturbed(people, simulate):
    from scipy.sparse import csr_array
    from sklearn.linear_model import LogisticRegression

    x, y, slices = people
    with pytest.raises(InputError, match="sparse features cannot be perturbed"):
        simulate(LogisticRegression(), data=(csr_array(x), y, slices), suites=[FeatureNoise(1)])
    assert simulate(LogisticRegression(), data=(csr_array(x), y, slices), sizes=[40]).attrs[names.NOTES].splitlines()
