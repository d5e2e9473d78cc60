"""What is written is what is read, in any order, in every format, whatever the text."""

import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from labelvalue import names, read_runs, write_runs
from labelvalue.observe.table import files as write_module
from labelvalue.observe.table.schema import fold
from labelvalue.problems import InputError, StorageError

HOSTILE = [
    "NA", "'", "'a", "a;b", "\ufeff", "<script>", "007", "1e5", "=cmd()", "'=x", "''-y", "+1", "@a", "a,b", 'say "hi"',
    "../x", "$\\frac{", " pad ",
]  # fmt: skip


def is_legal(text):
    legal = not any(unicodedata.category(c) in ("Cc", "Cs") or c in "\u2028\u2029" for c in text)
    overrides = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    return legal and not overrides & set(text) and fold(text) != "" and text.strip() != ""


texts = st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(is_legal)
floats = st.floats(min_value=0, max_value=1e300, allow_subnormal=True)
counts = st.integers(min_value=0, max_value=10**12)


@st.composite
def tables(draw, form="counts"):
    size = draw(st.integers(min_value=1, max_value=8))
    slices = draw(st.lists(texts, min_size=1, max_size=4, unique_by=fold))

    def column(strategy):
        return draw(st.lists(strategy, min_size=size, max_size=size))

    frame = pd.DataFrame(
        {
            "slice": column(st.sampled_from(slices)),
            "labels": column(counts),
            "other_labels": column(counts),
            "replicate": range(size),  # makes every key its own
            "learner": column(texts),
            "batch": column(texts | st.just("")),
            "label_noise": column(st.none() | st.floats(0, 0.999)),
            "seconds": column(st.none() | floats),
            "measured_at": pd.to_datetime(
                pd.Series(column(st.none() | st.integers(0, 2**60)), dtype="Int64"), unit="ns", utc=True
            ),
        }
    )
    trials = column(st.integers(1, 10**12))
    if form == "counts":
        errors = [draw(st.integers(0, n)) for n in trials]
        return frame.assign(errors=errors, trials=trials)
    stderr = column(st.none() | st.floats(1e-300, 1e300))
    shown = [None if s is not None and i % 2 else n for i, (n, s) in enumerate(zip(trials, stderr, strict=True))]
    value = column(st.floats(0, 1))
    return frame.assign(value=value, stderr=stderr, trials=pd.array(shown, dtype="Int64"))


def assert_same(one, other):
    """Same variables, bit for bit."""
    assert list(one) == list(other)
    for name in one:
        assert one[name].dtype == other[name].dtype, name
        a, b = one[name].values, other[name].values
        same = np.array_equal(a, b) if a.dtype == object else a.tobytes() == b.tobytes()
        assert same, name


quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(frame=tables(), seed=st.integers(0, 2**32 - 1), spreadsheet=st.booleans())
def test_counts_survive(frame, seed, spreadsheet, tmp_path_factory):
    check_round_trip(frame, seed, spreadsheet, tmp_path_factory, {})


@quick
@given(frame=tables(form="value"), seed=st.integers(0, 2**32 - 1), spreadsheet=st.booleans())
def test_values_survive(frame, seed, spreadsheet, tmp_path_factory):
    check_round_trip(frame, seed, spreadsheet, tmp_path_factory, {"metric": "auc"})


def check_round_trip(frame, seed, spreadsheet, tmp_path_factory, options):
    folder = tmp_path_factory.mktemp("runs")
    runs = read_runs(frame, **options)
    shuffled = frame.sample(frac=1, random_state=seed)
    assert_same(runs, read_runs(shuffled, **options))
    assert runs.attrs == read_runs(shuffled, **options).attrs
    for name in ("runs.csv", "runs.parquet"):
        path = write_runs(runs, folder / name, spreadsheet=spreadsheet)
        assert_same(runs, read_runs(path, **options))
        assert [p.name for p in folder.iterdir()] == [name]
        path.unlink()


def test_numbers_in_files_may_come_in_any_order(tmp_path):
    lines = [f"s{i % 3},{i},{i % 7},100,{i % 2}\n" for i in range(60)]
    header = "slice,labels,errors,trials,replicate\n"
    (tmp_path / "a.csv").write_text(header + "".join(lines))
    (tmp_path / "b.csv").write_text(header + "".join(reversed(lines)))
    assert_same(read_runs(tmp_path / "a.csv"), read_runs(tmp_path / "b.csv"))


def test_attrs_name_the_file_and_its_digest(tmp_path):
    import hashlib

    path = tmp_path / "deep" / "runs.csv"
    path.parent.mkdir()
    path.write_text("slice,labels,errors,trials\na,1,1,9\n")
    attrs = read_runs(path).attrs
    assert attrs[names.SOURCE] == "runs.csv"
    assert attrs[names.SHA256] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert attrs[names.NOTES] == ""
    assert read_runs(pd.read_csv(path)).attrs[names.SOURCE] == "DataFrame"


def test_defaults_are_always_present():
    runs = read_runs(pd.DataFrame({"slice": ["a"], "labels": [1], "errors": [1], "trials": [4]}))
    kinds = {name: runs[name].dtype.kind for name in runs}
    text = dict.fromkeys(["slice", "learner", "strategy", "suite", "batch", "evaluation_set", "protocol"], "O")
    whole = dict.fromkeys(["labels", "other_labels", "replicate", "errors", "trials"], "i")
    whole |= dict.fromkeys(["synthetic_labels", "other_synthetic_labels"], "i")
    real = dict.fromkeys(["label_noise", "seconds", "error", "error_stderr"], "f")
    assert kinds == text | whole | real | {"measured_at": "M"}
    assert runs.learner.item() == "default"
    assert runs.strategy.item() == "random"
    assert runs.suite.item() == "holdout"
    assert runs.protocol.item() == ""
    assert runs.synthetic_labels.item() == runs.other_synthetic_labels.item() == 0
    assert runs.error.item() == 0.25
    assert np.isnan(runs.error_stderr.item())
    assert runs["run"].size == 1
    assert "run" not in runs.coords


def test_frame_of_a_dataset_is_read_back():
    runs = read_runs(pd.DataFrame({"slice": ["b", "a"], "labels": [1, 2], "errors": [1, 2], "trials": [4, 4]}))
    assert_same(runs, read_runs(runs.to_dataframe()))


@pytest.mark.parametrize("name", ["runs.tsv", "runs.xlsx"])
def test_other_suffixes_are_refused(name, tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        write_runs(one_run(), tmp_path / name)


def one_run():
    return read_runs(pd.DataFrame({"slice": ["a"], "labels": [1], "errors": [1], "trials": [4]}))


def test_only_runs_are_written(tmp_path):
    with pytest.raises(TypeError, match="not dict"):
        write_runs({}, tmp_path / "runs.csv")


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = write_runs(one_run(), tmp_path / "runs.csv")
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write_module.os, "fsync", full)
    with pytest.raises(StorageError, match=r"runs\.csv: cannot be written \(No space left on device: needs \d+ bytes"):
        write_runs(one_run(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["runs.csv"]


def test_spreadsheets_see_text_not_formulas(tmp_path):
    table = pd.DataFrame({"slice": ["=cmd()", "'=x", "plain"], "labels": 1, "errors": 1, "trials": 4})
    runs = read_runs(table)
    exact = write_runs(runs, tmp_path / "exact.csv", spreadsheet=False).read_text().splitlines()
    safe = write_runs(runs, tmp_path / "safe.csv").read_text().splitlines()
    assert exact[1:] == ["''=x,1,1,4", "=cmd(),1,1,4", "plain,1,1,4"]
    assert safe[1:] == ["''=x,1,1,4", "'=cmd(),1,1,4", "plain,1,1,4"]
