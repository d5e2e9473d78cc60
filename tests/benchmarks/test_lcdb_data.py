import tarfile

import numpy as np
import pandas as pd
import pytest

from benchmarks import lcdb_data, problems


@pytest.fixture
def tiny_lcdb(tmp_path, monkeypatch):
    """A database of one data set: six learners up to 4096 labels, one that stops early, one without error."""
    rng = np.random.default_rng(1)
    rows = []
    for learner in ["a", "b", "c", "d", "e", "pkg.f", "early", "perfect"]:
        for labels in lcdb_data.GRID:
            if labels > (512 if learner == "early" else 4096):
                continue
            for outer in range(5):
                for inner in range(6):
                    error = 0.0 if learner == "perfect" else labels**-0.3
                    errors = rng.binomial(700, error)
                    rows.append((44, learner, labels, 700, outer, inner, 0.1, round(1 - errors / 700, 4)))
    names = ["openmlid", "learner", "size_train", "size_test", "outer_seed", "inner_seed", "traintime"]
    folder = tmp_path / "source" / "lcdb"
    folder.mkdir(parents=True)
    pd.DataFrame(rows, columns=[*names, "score_test"]).to_csv(folder / lcdb_data.TABLE, index=False)
    monkeypatch.setenv("LABELVALUE_LCDB", str(folder.parent))
    monkeypatch.setenv("LABELVALUE_BENCH_CACHE", str(tmp_path / "cache"))
    return folder


def test_the_split_rule_is_the_one_agreed():
    halves = {i: problems.half_of(str(i)) for i in (3, 6, 44, 1461, 41168, 41972)}
    expected = dict.fromkeys((3, 44, 1461), "development") | dict.fromkeys((6, 41168, 41972), "test")
    assert halves == expected


def test_a_problem_shows_an_eighth_and_keeps_the_rest(tiny_lcdb):
    (problem,) = lcdb_data.load_problems("development")
    assert lcdb_data.load_problems("test") == []
    assert [learner for _, learner in problem.curves] == ["a", "b", "c", "d", "e", "f"]
    assert problem.now.tolist() == [512] * 6
    assert problem.targets.tolist() == [[1024, 2048, 4096]] * 6
    assert problem.runs["labels"].agg(["min", "max"]).tolist() == [16, 512]
    assert problem.truth[0] == pytest.approx(np.array([1024, 2048, 4096]) ** -0.3, abs=0.02)
    assert problem.runs.groupby(["learner", "labels"]).size().eq(25).all()
    assert not problem.runs.duplicated(["learner", "labels", "replicate"]).any()
    now = problem.runs[problem.runs["labels"] == 512]
    per_learner = now.groupby("learner")[["errors", "trials"]].sum()
    assert (per_learner["errors"] / per_learner["trials"]).to_numpy() == pytest.approx(problem.error_now)


def test_the_first_day_ends_at_128_labels(tiny_lcdb):
    (problem,) = lcdb_data.load_problems("development", first_day=True)
    assert problem.runs["labels"].agg(["min", "max"]).tolist() == [16, 128]
    assert problem.targets.tolist() == [[256, 512, 1024]] * len(problem.curves)
    assert problem.truth[0] == pytest.approx(np.array([256, 512, 1024]) ** -0.3, abs=0.02)


def test_few_replicates_are_spread_over_the_test_sets(tiny_lcdb):
    (problem,) = lcdb_data.load_problems("development", replicates=5)
    (everything,) = lcdb_data.load_problems("development")
    sets = problem.runs.groupby(["learner", "labels"])["evaluation_set"]
    assert sets.size().eq(5).all()
    assert sets.nunique().eq(5).all()
    assert np.array_equal(problem.truth, everything.truth)


def test_a_source_distribution_reads_like_a_folder(tiny_lcdb, tmp_path, monkeypatch):
    from_folder = lcdb_data.read_evaluations()
    archive = tmp_path / "lcdb-0.1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tiny_lcdb, "lcdb-0.1.0/lcdb")
    monkeypatch.setenv("LABELVALUE_LCDB", str(archive))
    monkeypatch.setenv("LABELVALUE_BENCH_CACHE", str(tmp_path / "other cache"))
    pd.testing.assert_frame_equal(lcdb_data.read_evaluations(), from_folder)


def test_a_wrong_place_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELVALUE_LCDB", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"LABELVALUE_LCDB is .*nowhere"):
        lcdb_data.locate()


def test_the_standard_error_leaves_out_what_evaluation_sets_share():
    rng = np.random.default_rng(2)
    sets = np.repeat(np.arange(200), 5)
    error = pd.Series(0.3 + 0.1 * rng.normal(size=200)[sets] + 0.02 * rng.normal(size=1000))
    key = pd.Series(np.zeros(1000, int), name="labels")
    table = problems.mean_errors(error, pd.Series(sets, name="set"), [key])
    assert table["se"].iloc[0] == pytest.approx(0.02 / np.sqrt(1000), rel=0.1)
    assert (table["n_runs"].iloc[0], table["n_sets"].iloc[0]) == (1000, 200)
    single = problems.mean_errors(error[::5], pd.Series(sets, name="set")[::5], [key[::5]])
    assert single["se"].iloc[0] == pytest.approx(0.1 / np.sqrt(200), rel=0.15)
