"""Every row of the table of bad and odd inputs that concerns a runs table: place and words, or acceptance."""

# ruff: noqa: E501 (one case a line)

import os
import pickle
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelvalue import names, read_runs
from labelvalue.observe.table import delimited, files, runs
from labelvalue.problems import InputError

COUNTS = "slice,labels,errors,trials\n"
GOOD = COUNTS + "a,10,30,100\na,20,25,100\n"
VALUES = "slice,labels,value,trials\n"


def notes(dataset):
    return dataset.attrs[names.NOTES].splitlines()


@pytest.fixture
def write(tmp_path):
    def _write(content, name="runs.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def problems(source, **options):
    with pytest.raises(InputError) as caught:
        read_runs(source, **options)
    return caught.value.problems


# (row of the table, file content, options, [(line, column, pattern), ...]); the list is complete.
ERRORS = [
    (2, "", {}, [(None, "", "0 data rows")]),
    (2, COUNTS, {}, [(None, "", "0 data rows")]),
    (2, "\ufeff", {}, [(None, "", "0 data rows")]),
    (2, "\n\n", {}, [(None, "", "0 data rows")]),
    (4, GOOD.encode() + b"caf\xe9,10,3,100\n", {}, [(4, "", r"not UTF-8 at byte 54")]),
    (4, GOOD.encode() + b"\xe9", {}, [(4, "", r"not UTF-8 at byte 51")]),
    (4, GOOD.encode() + b"\x81", {"encoding": "cp1252"}, [(4, "", r"not cp1252 at byte 51")]),
    (4, GOOD, {"encoding": "klingon"}, [(None, "", "unknown encoding")]),
    (5, "slice,labels;errors,trials\na,1;2,3\nb,1;2,3\n", {}, [(None, "", "separator is ambiguous")]),
    (6, GOOD + "a,30,20\na,40,20,100,7\n", {}, [(4, "", "3 cells, header has 4"), (5, "", "5 cells, header has 4")]),
    (7, GOOD + '"b,30,20,100\nc,1,1,10\n', {}, [(4, "", "quote opened on line 4 is never closed")]),
    (7, COUNTS + '"a\n""b",1,1,"9\n\n', {}, [(3, "", "quote opened on line 3 is never closed")]),
    (7, COUNTS + '"b,30,20,100\n"c",1,1,10\n', {}, [(2, "", "quote opened on line 2 is never closed")]),
    (8, GOOD + "a" * 140_000 + ",1,1,10\n", {}, [(4, "", "over the limit of")]),
    (11, "n_labels,errors,trials,slice\n1,1,9,a\n", {}, [
        (1, "", r"required column 'labels' is missing; found 'n_labels', .*; did you mean 'n_labels'\?")]),
    (11, "labels,errors,trials\n1,1,9\n", {}, [(1, "", "required column 'slice' is missing")]),
    (12, "slice,labels\na,1\n", {}, [(1, "", "needs 'errors' and 'trials', or 'value' with 'stderr' or 'trials'")]),
    (12, "slice,labels,trials\na,1,9\n", {}, [(1, "", "needs 'errors' and 'trials'")]),
    (13, "slice,labels,errors,trials,value,stderr\na,1,1,9,.5,.1\n", {"metric": "accuracy"}, [
        (1, "", "'errors' and 'trials' .* 'value' and 'stderr'")]),
    (14, "slice,labels,value,stderr,trials,value\na,1,.5,.1,9,.5\n", {"metric": "f1"}, [
        (1, "value", "column 'value' appears at positions 3 and 6")]),
    (15, "slice,labels,errors,trials,replicat\na,1,1,9,0\n", {}, [(1, "replicat", r"did you mean 'replicate'\?")]),
    (15, "slice,labels,errors,trials,bacth\na,1,1,9,0\n", {}, [(1, "bacth", r"did you mean 'batch'\?")]),
    (16, VALUES + "a,10,.8,100\n", {}, [(None, "", "metric is not named; one of accuracy, ")]),
    (17, VALUES + "a,10,.8,100\n", {"metric": "acc"}, [(None, "", r"unknown metric 'acc'; did you mean 'accuracy'\?")]),
    (17, VALUES + "a,10,.8,100\n", {"metric": "bleu", "direction": "up", "bounds": (1, 0)}, [
        (None, "", "direction 'up'"), (None, "", "bounds")]),
    (17, VALUES + "a,10,.8,100\n", {"metric": "f1", "direction": "lower"}, [(None, "", "'f1' is known")]),
    (17, GOOD, {"metric": "rmse"}, [(None, "", "'rmse' is none")]),
    (18, "slice,labels,value\na,10,.8\n", {"metric": "accuracy"}, [
        (1, "value", "noise is unknown; add 'trials' or 'stderr'")]),
    (18, VALUES + "a,10,.8,100\n", {"metric": "rmse"}, [(2, "stderr", "noise is unknown; add 'stderr'")]),
    (18, "slice,labels,value,stderr,trials\na,10,.8,,\na,20,.8,,9\n", {"metric": "f1"}, [(2, "stderr", "missing")]),
    (19, COUNTS + "a,-5,1,10\n", {}, [(2, "labels", "must be ≥ 0")]),
    (21, COUNTS + "a,10.5,1,10\n", {}, [(2, "labels", "not a whole number")]),
    *[(22, COUNTS + f'a,"{n}",1,10\n', {}, [(2, "labels", "not a whole number; write 1000")])
      for n in ("1,000", "1 000", "1_000", "1k", "1\u202f000", "1'000")],
    (22, "slice;labels;errors;trials\na;1,000;1;10\n", {}, [(2, "labels", "not a whole number; write 1000")]),
    (22, COUNTS + "a,ten,1,10\n", {}, [(2, "labels", "not a whole number")]),
    (23, COUNTS + "a,1000000000001,1,2e12\n", {}, [(2, "labels", "over the limit"), (2, "trials", "over the limit")]),
    (24, COUNTS + "a,,1,10\na,NaN,1,10\na,1,nan,10\na,1,1,\n", {}, [
        (2, "labels", "missing"), (3, "labels", "missing"), (4, "errors", "missing"), (5, "trials", "missing")]),
    (24, COUNTS + "a,x,,10\n", {}, [(2, "labels", "not a whole number"), (2, "errors", "missing")]),
    (25, COUNTS + "a,inf,1,10\na,10,-inf,10\na,1e999,1,10\n", {}, [
        (2, "labels", "not finite"), (3, "errors", "not finite"), (4, "labels", "not finite")]),
    (26, COUNTS + "a,10,7,5\n", {}, [(2, "errors", "7 errors in 5 trials")]),
    (27, COUNTS + "a,10,0,0\na,20,0,-3\n", {}, [(2, "trials", "must be ≥ 1"), (3, "trials", "must be ≥ 1")]),
    (28, COUNTS + "a,10,0.3,10\n", {}, [
        (2, "errors", "not a whole number; for a mean use 'value' and 'stderr'")]),
    (29, VALUES + "a,10,87,100\na,20,.9,100\n", {"metric": "accuracy"}, [
        (2, "value", "looks like percent; divide by 100")]),
    (30, VALUES + "a,10,1.2,100\na,20,-0.1,100\n", {"metric": "accuracy"}, [
        (2, "value", r"outside \[0, 1\] for 'accuracy'"), (3, "value", r"outside \[0, 1\] for 'accuracy'")]),
    (30, "slice,labels,value,stderr\na,10,-1,1\n", {"metric": "rmse"}, [(2, "value", r"outside \[0, inf\) for 'rmse'")]),
    (30, VALUES + "a,10,high,100\n", {"metric": "accuracy"}, [(2, "value", "not a number")]),
    (32, "slice,labels,value,stderr\na,10,.5,0\na,20,.5,-1\n", {"metric": "f1"}, [
        (2, "stderr", "must be > 0"), (3, "stderr", "must be > 0")]),
    (33, "slice,labels,errors,trials,label_noise\na,1,1,9,1\na,2,1,9,-.1\n", {}, [
        (2, "label_noise", "share, 0 ≤ .* < 1"), (3, "label_noise", "share, 0 ≤ .* < 1")]),
    (34, "slice,labels,errors,trials,label_noise\na,1,1,9,.5\na,2,1,9,.49\n", {"classes": 2}, [
        (2, "label_noise", "labels carry no information")]),
    (35, "slice,labels,errors,trials,measured_at\na,1,1,9,2026-01-01T00:00Z\na,2,1,9,2026-01-02 00:00\n", {}, [
        (3, "measured_at", r"\(line 2\) and without \(line 3\)")]),
    (35, "slice,labels,errors,trials,measured_at\na,1,1,9,yesterday\na,2,1,9,2026-02-30\na,3,1,9,0001-01-01\n", {}, [
        (2, "measured_at", "not a time"), (3, "measured_at", "not a time"), (4, "measured_at", "not a time")]),
    (36, "slice,labels,errors,trials,measured_at\na,1,1,9,2026-10-25 02:30\na,2,1,9,2026-03-29 02:30\n",
     {"timezone": "Europe/Paris"}, [
        (2, "measured_at", "ambiguous"), (3, "measured_at", "does not exist in Europe/Paris")]),
    (36, GOOD, {"timezone": "Mars/Base"}, [(None, "", "unknown time zone")]),
    (38, "slice,labels,errors,trials,seconds\na,1,1,9,-1\n", {}, [(2, "seconds", "must be ≥ 0")]),
    (41, COUNTS + ",1,1,10\n  ,2,1,10\n", {}, [(2, "slice", "slice is empty"), (3, "slice", "slice is empty")]),
    (42, COUNTS + "FR,1,1,10\nfr,2,1,10\n FR,3,1,10\n", {}, [
        (4, "slice", r"slices ' FR', 'FR', 'fr' differ only in .*lines 4, 2, 3")]),
    (42, COUNTS + "caf\u00e9,1,1,10\ncafe\u0301,2,1,10\n", {}, [(3, "slice", "differ only in")]),
    (43, COUNTS + "a\u202eb,1,1,10\na\x00b,2,1,10\n" + "x" * 201 + ',3,1,10\n"a\nb",4,1,10\n', {}, [
        (2, "slice", r"contains U\+202E"), (3, "slice", r"contains U\+0000"),
        (4, "slice", "longer than 200 characters"), (5, "slice", r"contains U\+000A")]),
    (43, "slice,labels,errors,trials,batch\na,1,1,9,b\x1b\n", {}, [(2, "batch", r"contains U\+001B")]),
    (46, GOOD + "a,20,26,100\n", {}, [(4, "", "two results for one run .lines 3, 4")]),
    (47, "slice,labels,errors,trials,evaluation_set\na,1,1,500,v1\na,2,1,480,v1\na,3,1,480,v1\n", {}, [
        (3, "evaluation_set", "evaluation set 'v1' has 500 and 480 trials")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "content", "options", "expected"), ERRORS, ids=[f"{i}-row{e[0]}" for i, e in enumerate(ERRORS)]
)
def test_error(row, content, options, expected, write, tmp_path):
    path = write(content)
    found = problems(path, **options)
    assert len(found) == len(expected), [str(p) for p in found]
    for problem, (line, column, pattern) in zip(found, expected, strict=True):
        assert (problem.line, problem.column) == (line, column), str(problem)
        assert re.search(pattern, problem.why), str(problem)
        assert problem.fix
        if problem.file:
            assert str(problem).startswith("runs.csv" if line is None else f"runs.csv:{line}")
    assert [p.name for p in tmp_path.iterdir()] == ["runs.csv"]


# (row of the table, file content, options, check on the dataset, patterns of the notes; the list is complete)
ACCEPTED = [
    (3, b"\xef\xbb\xbf" + GOOD.encode(), {}, lambda d: d.sizes["run"] == 2, []),
    (3, GOOD.encode("utf-16"), {}, lambda d: d.sizes["run"] == 2, ["utf-16"]),
    (4, GOOD.replace("a,", "é,").encode("latin-1"), {"encoding": "latin-1"}, lambda d: d.slice.values[0] == "é",
     ["iso8859-1"]),
    (5, "slice;labels;value;stderr\na;10;0,5;0,01\n", {"metric": "f1"}, lambda d: d.value.item() == 0.5,
     ["separator is ';', decimal comma"]),
    (5, GOOD.replace(",", "\t"), {}, lambda d: d.sizes["run"] == 2, ["separator is tab, decimal point"]),
    (5, 'slice,labels,errors,trials,note\na,10,1,9,"x;y"\na,20,1,9,z\n', {}, lambda d: d.sizes["run"] == 2, ["'note'"]),
    (15, "run_id,slice,labels,errors,trials,error,error_stderr\n1,a,10,1,9,.1,\n", {},
     lambda d: d.error.item() == 1 / 9, ["ignored columns: 'run_id', 'error', 'error_stderr'"]),
    (17, "slice,labels,value,stderr\na,10,30,1\n", {"metric": "bleu", "direction": "higher", "bounds": (0, 100)},
     lambda d: d.error.item() == 70 and d.upper == 100, []),
    (20, COUNTS + "a,0,30,100\n", {}, lambda d: d.labels.item() == 0, []),
    (21, COUNTS + "a,10.0,1,10\na,1e3,1,10\n", {}, lambda d: d.labels.values.tolist() == [10, 1000], []),
    (24, GOOD + "b,,30,100\nb,10,,100\n", {"drop_missing": True}, lambda d: d.sizes["run"] == 2,
     ["dropped 2 rows with missing cells: lines 4, 5"]),
    (24, "slice,labels,errors,trials,other_labels,seconds,batch\na,10,1,9,,,\n", {},
     lambda d: d.other_labels.item() == 0 and np.isnan(d.seconds.item()) and d.batch.item() == "",
     ["1 empty cells of 'other_labels' read as 0"]),
    (31, COUNTS + "a,10,50,100\na,90,90,100\nb,10,45,100\nb,90,95,100\n", {}, lambda d: d.sizes["run"] == 4,
     [r"is 'error_rate' really an accuracy\?"]),
    (31, COUNTS + "a,10,50,100\na,90,90,100\nb,10,45,100\nb,90,30,100\n", {}, lambda d: d.sizes["run"] == 4, []),
    (35, "slice,labels,errors,trials,measured_at\na,1,1,9,2026-01-01T00:00Z\na,2,1,9,2026-01-02 01:00\n",
     {"timezone": "Europe/Paris"}, lambda d: d.measured_at.values[1] == np.datetime64("2026-01-02T00:00"), []),
    (35, "slice,labels,errors,trials,measured_at\na,1,1,9,2026-01-01T00:00+02:00\n", {},
     lambda d: d.measured_at.values[0] == np.datetime64("2025-12-31T22:00"), []),
    (35, "slice,labels,errors,trials,measured_at\na,1,1,9,2026-01-01\n", {},
     lambda d: d.measured_at.dtype == "datetime64[ns]", ["1 times without a zone read as UTC"]),
    (37, "slice,labels,errors,trials,measured_at\na,1,1,9,2199-01-01T00:00Z\n", {}, lambda d: d.sizes["run"] == 1,
     ["'measured_at' in the future: line 2"]),
    (39, COUNTS + "NA,1,1,9\nnull,1,1,9\nNone,1,1,9\nnan,1,1,9\n", {},
     lambda d: d.slice.values.tolist() == ["NA", "None", "nan", "null"], []),
    (40, COUNTS + "007,1,1,9\n1e5,1,1,9\nTrue,1,1,9\n", {},
     lambda d: d.slice.values.tolist() == ["007", "1e5", "True"], []),
    (42, COUNTS + "FR,1,1,10\nfr,2,1,10\nFR,3,1,10\n", {"merge_similar_slices": True},
     lambda d: set(d.slice.values) == {"FR"}, ["merged slices 'FR', 'fr' into 'FR'"]),
    (44, COUNTS + "<script>,1,1,9\n=cmd(),1,1,9\n../x,1,1,9\n$\\frac{,1,1,9\n_hidden,1,1,9\n", {},
     lambda d: set(d.slice.values) == {"<script>", "=cmd()", "../x", "$\\frac{", "_hidden"}, []),
    (45, GOOD + "a,20,25,100\na,20,25,100\n", {}, lambda d: d.sizes["run"] == 2,
     ["2 repeated rows counted once: lines 4, 5"]),
    (46, "slice,labels,errors,trials,replicate\na,1,1,9,0\na,1,2,9,1\n", {}, lambda d: d.sizes["run"] == 2, []),
    (47, "slice,labels,errors,trials,evaluation_set\na,1,1,500,v1\nb,2,1,480,v1\n", {},
     lambda d: d.sizes["run"] == 2, []),
    (49, GOOD, {}, lambda d: d.attrs == d.attrs | {"metric": "error_rate", "direction": "lower", "upper": 1.0}, []),
    (52, COUNTS + "a,10,0,100\n", {}, lambda d: d.error.item() == 0, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "content", "options", "check", "patterns"), ACCEPTED, ids=[f"{i}-row{e[0]}" for i, e in enumerate(ACCEPTED)]
)
def test_accepted(row, content, options, check, patterns, write):
    dataset = read_runs(write(content), **options)
    assert check(dataset), dataset
    assert len(notes(dataset)) == len(patterns), notes(dataset)
    for note, pattern in zip(notes(dataset), patterns, strict=True):
        assert re.search(pattern, note)


# --- rows that need more than a text ---------------------------------------------------------------


def test_row_1_paths(tmp_path):
    assert re.search("No such file", problems(tmp_path / "none.csv")[0].why)
    assert problems(tmp_path)[0].why == "cannot be read: Is a directory"
    assert re.search("cannot be read", problems("nul\0.csv")[0].why)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_row_1_unreadable(write):
    path = write(GOOD)
    path.chmod(0)
    assert problems(path)[0].why == "cannot be read: Permission denied"


def test_row_8_limits_are_decided_before_content_is_held(write, monkeypatch):
    path = write(GOOD)
    monkeypatch.setattr(delimited, "MAX_BYTES", 20)
    assert problems(path)[0].why == "51 bytes are over the limit of 20 bytes"


def test_row_8_long_line(write, monkeypatch):
    monkeypatch.setattr(delimited, "MAX_LINE", 30)
    monkeypatch.setattr(delimited, "_CHUNK", 7)
    read_runs(write(GOOD))
    assert re.search("over the limit of 30 bytes", problems(write(GOOD + "b" * 31))[0].why)


def test_arrow_reads_from_memory_of_its_own(write, tmp_path, monkeypatch):
    """Its thread may outlive the interpreter; one that then lets go of a Python object aborts the process."""
    pd.read_csv(write(GOOD)).to_parquet(tmp_path / "whole.parquet")
    real, roots = pq.ParquetFile, []

    def opened(source, **more):
        root = source.read_buffer(4)
        source.seek(0)
        while root.parent is not None:
            root = root.parent
        roots.append(root)
        return real(source, **more)

    monkeypatch.setattr(pq, "ParquetFile", opened)
    read_runs(tmp_path / "whole.parquet")
    assert [root.is_mutable for root in roots] == [True, True], "memory that Arrow allocated; bytes of Python are not"


@pytest.mark.parametrize("kind", ["csv", "frame", "parquet"])
def test_row_8_rows(kind, tmp_path, monkeypatch):
    frame = pd.DataFrame({"slice": "a", "labels": range(5), "errors": 1, "trials": 9})
    frame.to_csv(tmp_path / "r.csv", index=False)
    frame.to_parquet(tmp_path / "r.parquet")
    monkeypatch.setattr(files, "MAX_ROWS", 4)
    source = {"csv": tmp_path / "r.csv", "parquet": tmp_path / "r.parquet", "frame": frame}[kind]
    assert re.search("over the limit of 4 rows", problems(source)[0].why)


def test_row_8_slices():
    frame = pd.DataFrame({"slice": [f"s{i}" for i in range(5001)], "labels": 1, "errors": 1, "trials": 9})
    assert re.search("5001 slices are over the limit of 5000", problems(frame)[0].why)
    read_runs(frame[:5000])


@pytest.mark.parametrize("content", [b"PAR1 cut off", b"not at all", None])
def test_row_9_parquet(content, write, tmp_path):
    if content is None:
        pd.read_csv(write(GOOD)).to_parquet(tmp_path / "whole.parquet")
        content = (tmp_path / "whole.parquet").read_bytes()[:-40]
    (problem,) = problems(write(content, "r.parquet"))
    assert (problem.file, problem.why) == ("r.parquet", "not a readable Parquet file")


def test_row_9_parquet_by_content_whatever_its_suffix(write, tmp_path):
    pd.read_csv(write(GOOD)).to_parquet(tmp_path / "r.csv")
    assert read_runs(tmp_path / "r.csv").sizes["run"] == 2


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("suffix", ["csv", "parquet", "pkl"])
def test_row_10_pickle_is_never_loaded(protocol, suffix, write):
    (problem,) = problems(write(pickle.dumps(Bomb(), protocol), f"r.{suffix}"))
    assert problem.why == "not a supported format; csv, parquet"


@pytest.mark.parametrize("name", ["runs.xlsx", "runs.json"])
def test_row_10_other_formats(name, write):
    assert problems(write(GOOD, name))[0].why == "not a supported format; csv, parquet"


# --- where things are said to be ---------------------------------------------------------------------


def test_all_problems_are_found_in_one_pass_and_counted(write):
    bad = "".join(f"a,{n}.5,1,10\n" for n in range(57))
    with pytest.raises(InputError, match=r"runs.csv:21, column 'labels', value '19.5': .*\n… and 37 more$"):
        read_runs(write(COUNTS + bad))


def test_several_kinds_of_problems_at_once(write):
    content = "slice,labels,errors,trials,replicat\na,x,1,10,0\n,5,7,5,0\na,1,2\n"
    found = [(p.line, p.column) for p in problems(write(content))]
    assert found == [(1, "replicat"), (2, "labels"), (3, "slice"), (3, "errors"), (4, "")]


def test_lines_are_right_after_quoted_newlines_and_blank_lines(write):
    content = 'slice,labels,errors,trials,note\na,1,1,9,"two\nlines"\n\na,x,1,9,"three\r\n\r\nlines"\na,y,1,9,\n'
    assert [p.line for p in problems(write(content))] == [5, 8]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end, write):
    assert [p.line for p in problems(write((GOOD + "a,x,1,9\n").replace("\n", end)))] == [4]


def test_rows_of_a_frame_count_from_0():
    frame = pd.DataFrame({"slice": ["a", "a"], "labels": [1, -1], "errors": 1, "trials": 9}, index=[7, 7])
    with pytest.raises(InputError, match=r"^row 1, column 'labels', value -1: must be ≥ 0. Fix: "):
        read_runs(frame)


def test_rows_of_parquet_count_from_1(tmp_path):
    pq.write_table(pa.table({"slice": ["a"], "labels": [-1], "errors": [1], "trials": [9]}), tmp_path / "r.parquet")
    with pytest.raises(InputError, match=r"^r.parquet:1, column 'labels', value -1: must be ≥ 0"):
        read_runs(tmp_path / "r.parquet")


# --- frames and Parquet hold objects ------------------------------------------------------------------


def test_frames_with_missing_and_odd_objects():
    frame = pd.DataFrame(
        {
            "slice": pd.Series([7, "x", None, ["l"]], dtype=object),
            "labels": pd.array([1, None, 3, 4], dtype="Int64"),
            "errors": [True, 1.0, 2.5, "1"],
            "trials": [9, 9, 9, np.inf],
            "seconds": [1.0, np.nan, True, {}],
            "measured_at": [pd.Timestamp("2026-01-01"), pd.NaT, 5, "2026"],
        }
    )
    found = {(p.line, p.column): p.why for p in problems(frame)}
    assert found == {
        (2, "slice"): "slice is empty",
        (3, "slice"): "not text or number",
        (0, "errors"): "not a whole number",
        (1, "labels"): "missing",
        (2, "errors"): "not a whole number; for a mean use 'value' and 'stderr'",
        (3, "trials"): "not finite",
        (2, "seconds"): "not a number",
        (3, "seconds"): "not a number",
        (2, "measured_at"): "not a time",
        (3, "measured_at"): "not a time",
    }


def test_frames_keep_nanoseconds_and_accept_times_of_every_kind():
    import datetime as dt

    moments = [pd.Timestamp("2026-01-01T00:00:00.123456789"), dt.datetime(2026, 1, 2, 3), dt.date(2026, 1, 3)]
    frame = pd.DataFrame({"slice": ["NA", 7, 1.5], "labels": 1, "errors": 1, "trials": 9})
    dataset = read_runs(frame.assign(measured_at=pd.Series(moments, dtype=object)))
    assert dataset.slice.values.tolist() == ["1.5", "7", "NA"]
    assert str(dataset.measured_at.values[-1]) == "2026-01-01T00:00:00.123456789"


def test_duplicate_columns_of_parquet_and_frames(tmp_path):
    frame = pd.DataFrame([["a", 1, 1, 9, 1]], columns=["slice", "labels", "errors", "trials", "errors"])
    table = pa.Table.from_arrays([pa.array(["a"])] + [pa.array([1])] * 4, names=list(frame.columns))
    pq.write_table(table, tmp_path / "r.parquet")
    for source in (frame, tmp_path / "r.parquet"):
        assert problems(source)[0].why == "column 'errors' appears at positions 3 and 5"


# --- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"metric": 1},
        {"direction": 1},
        {"encoding": None},
        {"timezone": 2},
        {"drop_missing": "yes"},
        {"merge_similar_slices": 1},
        {"classes": 2.0},
        {"bounds": 3},
        {"bounds": (0, "1")},
    ],
)
def test_wrong_types_of_arguments(options, write):
    with pytest.raises(TypeError, match=next(iter(options))):
        read_runs(write(GOOD), **options)


def test_wrong_type_of_source():
    with pytest.raises(TypeError, match="source must be a path or a pandas DataFrame, not list"):
        read_runs([1, 2])
    assert runs.read_runs is read_runs
    with pytest.raises(InputError, match="1 classes"):
        read_runs(pd.DataFrame(), classes=1)


# --- corners ---------------------------------------------------------------------------------------


def test_row_1_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert problems(tmp_path / "pipe.csv")[0].why == "cannot be read: a pipe"


def test_row_5_no_separator_fits_every_row(write):
    found = problems(write("slice,labels,errors;trials\na,1,1\nb,1,1,1\n"))
    assert ["cells, header has 3" in p.why for p in found] == [False, True]


def test_row_5_a_quote_that_only_one_separator_understands(write):
    path = write('slice,labels,errors,trials,"x;y"\na,1,1,9,"1;2"\n')
    assert read_runs(path).sizes["run"] == 1


def test_row_10_text_that_ends_like_a_pickle_is_text(write):
    path = write("slice,labels,errors,trials,note\na,1,1,9,Fine.")
    assert read_runs(path).sizes["run"] == 1


@pytest.mark.parametrize(
    ("first", "name"),
    [
        ("slice", "slice {}"),  # SETITEM, LIST and INST, as an old pickle has them
        ("cost", "cat {}"),  # GLOBAL
        ("Value", "V {}"),  # UNICODE
        ("Place", "Prague {}"),  # PERSID
    ],
)
def test_row_10_a_table_whose_lines_are_opcodes_is_a_table(first, name, write):
    others = [column for column in ("slice", "labels", "errors", "trials") if column != first]
    rows = "".join(f"{name.format(i)},{','.join(map(str, (100, 3, 10, 7)[: len(others)]))}\n" for i in range(2000))
    text = f"{first},{','.join(others)}\n" + rows
    if first == "slice":
        assert read_runs(write(text)).sizes["run"] == 2000
    else:  # the columns are not what runs have, and that is what is said
        assert "not a supported format" not in str(problems(write(text)))


@pytest.mark.parametrize("what", [list(range(2000)), ["a text"] * 2000, {"a": [1.5] * 1000}])
@pytest.mark.parametrize("protocol", [0, 1])
def test_row_10_a_long_old_pickle_is_one(what, protocol, write):
    (problem,) = problems(write(pickle.dumps([what, Bomb()], protocol), "r.csv"))
    assert problem.why == "not a supported format; csv, parquet"


@pytest.mark.parametrize(
    ("cell", "why"),
    [("1.5k", "not a whole number; write 1500"), ("1.0005k", "not a whole number"), ("2M", "write 2000000")],
)
def test_row_22_thousands(cell, why, write):
    assert problems(write(COUNTS + f"a,{cell},1,10\n"))[0].why.endswith(why)


def test_row_22_a_point_before_three_digits_is_decimal(write):
    assert read_runs(write(COUNTS + "a,1.000,1,10\n")).labels.item() == 1


@pytest.mark.parametrize("cell", [True, b"7", [7], np.datetime64("2026-01-01")])
def test_odd_objects_in_a_number_column(cell):
    frame = pd.DataFrame({"slice": ["a"], "labels": pd.Series([cell], dtype=object), "errors": 1, "trials": 9})
    assert problems(frame)[0].why == "not a whole number"


def test_numbers_of_other_kinds():
    cells = pd.Series([Decimal("7"), np.int8(8), Fraction(9)], dtype=object)
    frame = pd.DataFrame({"slice": "a", "labels": cells, "errors": 1, "trials": 9})
    assert read_runs(frame).labels.values.tolist() == [7, 8, 9]


def test_a_problem_shows_the_cell_as_it_was_written(write):
    path = write(VALUES + "a,10,87,100\na,20,+1e3,100\n")
    assert [p.value for p in problems(path, metric="accuracy")] == ["87", "+1e3"]
    assert [p.value for p in problems(write(COUNTS + "a,10,7e0,5\na,,1,5\n"))] == ["7e0", None]
    dropped = problems(write(COUNTS + "a,,1,5\na,10,7e0,5\n"), drop_missing=True)
    assert [(p.line, p.value) for p in dropped] == [(3, "7e0")]
