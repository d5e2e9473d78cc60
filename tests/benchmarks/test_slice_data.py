from collections import Counter

import numpy as np
import pandas as pd
import pytest

from benchmarks import downloads, problems, slice_data, slice_sources
from benchmarks.slice_sources import SOURCES, LabelledData, Source

SHARES = {"large": 0.7, "middle": 0.25, "small": 0.05}
SIZES = [64, 90, 128, 181, 256, 362, 512, 1024, 2048, 4096]


def law(labels):
    return 0.05 + 0.4 * np.asarray(labels, float) ** -0.3


@pytest.fixture
def runs() -> pd.DataFrame:
    """Runs of three slices at ten training-set sizes; labels scatter by two about their share."""
    rows = []
    for total in SIZES:
        for replicate in range(5):
            for name, share in SHARES.items():
                labels = round(share * total) + replicate - 2
                errors = round(1e6 * law(labels)) + replicate
                rows.append((name, "bayes", labels, total - labels, replicate, name, errors, 1_000_000))
    return pd.DataFrame(rows, columns=slice_data.COLUMNS)


def test_an_eighth_is_seen_and_the_rest_forecast(runs):
    problem = slice_data.make_problem("toy.slices.bayes", runs)
    assert problem.curves == (("large", "bayes"), ("middle", "bayes"))  # the small one has two sizes from 16 labels on
    total = problem.runs["labels"] + problem.runs["other_labels"]
    assert problem.runs.groupby("slice")[["labels"]].min().squeeze().tolist() == [43, 14]
    assert total.groupby(problem.runs["slice"]).agg(["min", "max"]).to_numpy().tolist() == [[64, 512], [64, 512]]
    assert problem.now.tolist() == [358, 128]
    assert (problem.targets + problem.target_other).tolist() == [[1024, 2048, 4096]] * 2
    assert problem.targets[1].tolist() == [256, 512, 1024]
    assert problem.truth[1] == pytest.approx(law([256, 512, 1024]), abs=1e-3)
    assert problem.error_now == pytest.approx(law(problem.now), abs=1e-3)


def test_methods_that_want_a_table_of_sizes_get_one(runs):
    problem = slice_data.make_problem("toy.slices.bayes", runs)
    assert problem.runs["labels"].nunique() > problem.curve_runs()[0]["labels"].nunique() == 7
    for curve, now in zip(problem.curve_runs(), problem.now, strict=True):
        assert curve.groupby("labels").size().eq(5).all()
        assert curve["labels"].max() == now


def test_few_replicates_leave_the_truth_alone(runs):
    few, everything = (slice_data.make_problem("toy", runs, replicates=n) for n in (2, None))
    assert few.runs["replicate"].max() == 1
    assert np.array_equal(few.truth, everything.truth)


def test_slices_without_errors_are_left_out(runs):
    perfect = runs.assign(errors=runs["errors"].where(runs["slice"] == "middle", 0))
    assert slice_data.make_problem("toy", perfect).curves == (("middle", "bayes"),)
    assert slice_data.make_problem("toy", runs.assign(errors=0)) is None


def test_the_standard_error_counts_what_overlapping_training_sets_share():
    """Against simulation: the mean of some rows of a pool, for the mean of the population the pool comes from."""
    rng = np.random.default_rng(1)
    sizes, rows = np.array([5, 10, 20, 40, 80]), 100
    pools = rng.normal(size=(4000, rows))
    drawn = rng.permuted(np.repeat(pools[:, None], slice_data.REPLICATES, axis=1), axis=-1)
    means = np.stack([drawn[..., :size].mean(axis=-1) for size in sizes], axis=-1)
    variance = means.var(axis=1, ddof=1).mean(axis=0)
    naive = np.sqrt(variance / slice_data.REPLICATES)
    found = slice_data.fresh_factor(variance, sizes / rows) * naive
    missed = means.mean(axis=1).std(axis=0)
    assert found == pytest.approx(missed, rel=0.06)
    assert missed[-1] > 4 * naive[-1]


def test_without_scatter_nothing_is_corrected():
    share = np.array([0.1, 0.2, 0.8])
    assert slice_data.fresh_factor(np.zeros(3), share).tolist() == [1, 1, 1]
    # More scatter at the end than the small sizes promise: nothing is hidden.
    assert slice_data.fresh_factor(np.array([1.0, 0.5, 5.0]), share)[-1] == 1


def test_sizes_are_half_doublings_and_end_at_four_fifths():
    slices = pd.Series(["a"] * 8000 + ["b"] * 2000)
    sizes = np.array(slice_data.training_sizes(slices))
    assert sizes[-1] == int(0.8 * 7000)
    assert sizes[-4:] / sizes[-1] == pytest.approx([1 / 8, 1 / 4, 1 / 2, 1], rel=1e-3)
    assert np.diff(np.log2(sizes[:-3])) == pytest.approx(0.5, abs=0.1)
    assert 16 <= 0.8 * sizes[0] < 16 * np.sqrt(2) + 1


def test_the_first_day_ends_at_three_hundred_labels():
    slices = pd.Series(["a"] * 8000 + ["b"] * 2000)
    sizes = np.array(slice_data.training_sizes(slices, first_day=True))
    assert sizes[-4:].tolist() == [300, 600, 1200, 2400]
    assert sizes[0] >= slice_data.FIRST_DAY_TOTAL
    assert 4 <= 0.8 * sizes[0] < 4 * 4
    many = np.array(slice_data.training_sizes(pd.Series(np.repeat(np.arange(26), 500)), first_day=True))
    assert (many <= 300).sum() >= slice_data.MIN_SIZES
    few = slice_data.training_sizes(pd.Series(["a"] * 2000), first_day=True)
    assert few[-1] == int(0.8 * 1400)  # a small data set ends where it would have to


def test_on_the_first_day_four_labels_of_a_slice_count(runs):
    problem = slice_data.make_problem("toy", runs, first_day=True)
    assert [name for name, _ in problem.curves] == ["large", "middle", "small"]
    assert problem.runs[problem.runs["slice"] == "small"]["labels"].min() >= 2
    assert problem.runs[problem.runs["slice"] == "small"].groupby("replicate").size().tolist() == [6] * 5
    assert (problem.targets + problem.target_other)[0].tolist() == [1024, 2048, 4096]


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """One small data set with a rare slice, instead of the real ones; counts how often it is read."""
    rng = np.random.default_rng(2)
    rows = 3000
    slices = pd.Series(rng.choice(["east", "west", "rare", None], rows, p=[0.5, 0.35, 0.05, 0.1]), dtype=object)
    features = pd.DataFrame({"x": rng.normal(size=rows), "where": slices.fillna("nowhere")})
    target = features["x"] + rng.normal(size=rows) > 0
    reads = []

    def load():
        reads.append(1)
        return LabelledData(features, target, {"region": slices})

    source = Source(load, ("region",), ("logistic", "bayes"))
    monkeypatch.setattr(slice_data, "SOURCES", {"toy": source})
    monkeypatch.setenv("LABELVALUE_BENCH_CACHE", str(tmp_path))
    return reads


def test_runs_are_computed_once_and_learners_share_training_sets(toy):
    half = problems.half_of("toy")
    with pytest.raises(FileNotFoundError, match=r"toy\.region\.bayes.*Fix: python -m"):
        slice_data.load_problems(half)
    slice_data.make_all()
    first, second = slice_data.load_problems(half)
    assert {first.name, second.name} == {"toy.region.logistic", "toy.region.bayes"}
    assert [name for name, _ in first.curves] == ["east", "west"]
    same = ["slice", "labels", "other_labels", "replicate", "evaluation_set", "trials"]
    pd.testing.assert_frame_equal(first.runs[same], second.runs[same])
    assert slice_data.load_problems("test" if half == "development" else "development") == []

    slice_data.make_all()
    assert toy == [1]
    slice_data.all_keys()[0].path.unlink()
    slice_data.make_all()
    assert toy == [1, 1]
    assert np.array_equal(slice_data.load_problems(half)[0].truth, first.truth)


def test_the_first_day_has_runs_of_its_own(toy):
    half = problems.half_of("toy")
    slice_data.make_all(first_day=True)
    with pytest.raises(FileNotFoundError, match=r"slice_data$"):
        slice_data.load_problems(half)
    first, _ = slice_data.load_problems(half, first_day=True)
    assert (first.runs["labels"] + first.runs["other_labels"]).max() <= slice_data.FIRST_DAY


@pytest.mark.parametrize("learner", slice_data.WORD_LEARNERS)
def test_texts_are_learned_from_by_counting_words(learner):
    rng = np.random.default_rng(1)
    spam = rng.random(400) < 0.5
    texts = [
        f"hello {'buy' if bad else 'meet'} {word}" for bad, word in zip(spam, rng.integers(0, 50, 400), strict=True)
    ]
    features = pd.DataFrame({slice_sources.TEXT: texts})
    trained = slice_data.pipeline(features, learner).fit(features[:300], spam[:300])
    assert (trained.predict(features[300:]) == spam[300:]).mean() > 0.95


def test_a_word_is_told_by_its_surroundings_and_its_tag_by_how_it_begins():
    words = ["The", "jury", "said", "Atlanta's"]
    assert slice_sources._surroundings(words, 3).split() == [
        *("word=atlanta's", "shape=Xx'x", "last1=s", "last2='s", "last3=a's", "first2=at", "-2=jury", "-1=said")
    ]
    tags = {"nn-tl": "noun", "bedz": "verb", "jj": "adjective", "``": "punctuation", "uh": "other", "*": "adverb"}
    assert {tag: slice_sources._word_class(tag) for tag in tags} == tags


def test_a_mail_is_its_subject_and_body():
    mail = "Received: from spam.example\nSubject: Free OFFER\nDate: now\n\nCall me!\n\nBye"
    assert slice_sources._mail_words(mail) == "free offer call me ! bye"


def test_a_tarball_is_fetched_once_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("LABELVALUE_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(downloads.shutil, "which", lambda name: f"/bin/{name}")
    calls = []

    def run(command, **_):
        calls.append(command)
        (tmp_path / "text" / "some-text-1.0.0.tgz").touch()

    monkeypatch.setattr(downloads.subprocess, "run", run)
    for _ in range(2):
        assert downloads.fetch_npm("some-text@1.0.0", "text").name == "some-text-1.0.0.tgz"
    assert [(command[:2], command[-1]) for command in calls] == [(["/bin/npm", "pack"], "some-text@1.0.0")]


def test_every_source_names_its_slicings_and_known_learners():
    halves = {key.data: key.half for key in slice_data.all_keys()}
    assert Counter(halves.values()) == {"development": 13, "test": 4}
    assert halves["adult"] == "development" != problems.half_of("adult")  # declared: it was looked at throughout
    assert len({key.name for key in slice_data.all_keys()}) == len(slice_data.all_keys()) >= 20
    assert {key.learner for key in slice_data.all_keys()} <= {*slice_data.LEARNERS, *slice_data.WORD_LEARNERS}


def test_adult_gives_the_slicings_that_it_is_said_to():
    data = SOURCES["adult"].load()
    assert set(data.slicings) == set(SOURCES["adult"].slicings)
    assert "?" not in set(data.slicings["occupation"].dropna())
    assert not {"income", "fnlwgt", "split"} & set(data.features.columns)


def test_a_package_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match=r"no_such_package.*Fix"):
        downloads.package_file("no_such_package", "data.csv")
    with pytest.raises(FileNotFoundError, match=r"numpy.*no such\.csv.*Fix"):
        downloads.package_file("numpy", "no such.csv")
