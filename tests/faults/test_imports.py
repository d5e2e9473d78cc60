"""Everything that reads tables and exports: one reader each, in bounded memory; refused with a place, or read whole."""

import csv
import io
import json
import os
import random
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import labelvalue as lv
from labelvalue import InputError, cli, storage
from labelvalue.cli import runs
from labelvalue.observe.exports import annotations, judgements
from labelvalue.observe.importers import cvat, doccano
from labelvalue.observe.simulate.learners import read_table
from tests.faults.corpus import archive
from tests.observe.test_annotations import ANA, BO, CVAT, DOCCANO, EVENTS, LABEL_STUDIO, PRODIGY

# --- tables that are not what their header says ---------------------------------------------------

EVENT = ["send:working_time", "2026-03-02T08:00:00Z", "9", "21", '{"working_time": 90000}']
JUDGED = ["1", "FR", "", "spam", "", "", "b", "False", "s", "1", "choice", "", "1", ""]
READERS = {
    "runs": (lv.read_runs, ["slice", "labels", "errors", "trials"], ["FR", "100", "30", "100"]),
    "judgements": (
        lambda path: lv.label_quality.read_annotations(path, "csv", slice="c"), ["item", "label", "c"],
        ["1", "spam", "FR"],
    ),
    "annotations": (lv.label_quality.load_annotations, list(annotations.COLUMNS), JUDGED),
    "events": (
        lambda path: lv.label_quality.read_annotations(path, "cvat"),
        ["scope", "timestamp", "job_id", "user_id", "payload"], EVENT,
    ),
    "mlflow": (
        lv.read_mlflow, ["run_id", "status", "params.slice", "params.labels", "metrics.errors", "metrics.trials"],
        ["a", "FINISHED", "FR", "100", "30", "100"],
    ),
    "wandb": (
        lv.read_wandb, ["Name", "State", "slice", "labels", "errors", "trials"],
        ["a", "finished", "FR", "100", "30", "100"],
    ),
    "examples": (lambda path: read_table(path, target="y", slices="c"), ["y", "c", "x"], ["1", "FR", "2.5"]),
}  # fmt: skip


def separated(rows, separator=","):
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)
    return out.getvalue()


FAULTS = {
    "every row too long": (lambda header, row: separated([header, [*row, ""], [*row, ""]]), r"\.csv:2: \d+ cells"),
    "a long row": (lambda header, row: separated([header, row, [*row, "more"]]), r"\.csv:3: \d+ cells, header has"),
    "a short row": (lambda header, row: separated([header, row, row[:-1]]), r"\.csv:3: \d+ cells, header has"),
    "after a cell of lines": (
        lambda header, row: separated([[*header, "note"], [*row, "a\nb\n\nc"], [*row, "d"], row]), r"\.csv:7: \d+ cells"
    ),
    "a name twice": (
        lambda header, row: separated([[*header, header[0]], [*row, "x"]]), r"\.csv:1, column '.*' appears at positions"
    ),
    "an open quote": (
        lambda header, row: separated([header, row, row]) + f'"{",".join(row[:-1])}\n\n',
        r"\.csv:4: quote opened on line 4 is never closed",
    ),
    "text after a quote": (
        lambda header, row: separated([header]) + f'"{row[0]}"x,{",".join(row[1:-1])},1\n', "text follows a quote"
    ),
    "two separators": (
        lambda header, row: f"{header[0]};{','.join(header[1:])}\n" + f"{row[0]};{','.join('a' for _ in row[1:])}\n",
        "separator is ambiguous" ,
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("reader", READERS)
def test_a_table_whose_rows_do_not_fit_is_refused_by_line(tmp_path, reader, fault):
    read, header, row = READERS[reader]
    make, said = FAULTS[fault]
    if fault == "two separators" and len(header) < 4:
        header, row = [*header, "d"], [*row, "d"]
    path = tmp_path / "t.csv"
    path.write_text(make(header, row))
    with pytest.raises(InputError, match=said):
        read(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("reader", READERS)
def test_a_table_that_fits_is_read_in_every_dialect(tmp_path, reader, separator):
    read, header, row = READERS[reader]
    path = tmp_path / "t.csv"
    second = {"runs": ["DE"], "mlflow": ["b"], "wandb": ["b"]}.get(reader, ["2"])
    made = [row] if reader == "events" else [row, [*second, *row[1:]]]
    if reader == "events":
        made.append(["create:shapes", *row[1:-1], "{}"])
    content = separated([header, *made], separator).encode()
    for text in (content, b"\xef\xbb\xbf" + content, content.decode().encode("utf-16")):
        path.write_bytes(text)
        assert read(path) is not None


def test_the_columns_of_a_table_are_not_shifted(tmp_path, capsys):
    path, out = tmp_path / "own.csv", tmp_path / "a.csv"
    path.write_text("item,label,c\n1,spam,FR,\n2,ham,DE,\n")
    assert cli.main(["import", "csv", str(path), "--slice", "c", "--out", str(out)]) == 1
    assert "own.csv:2: 4 cells, header has 3" in capsys.readouterr().err
    assert not out.exists()


def test_a_slice_that_is_empty_is_no_slice(tmp_path):
    (tmp_path / "own.csv").write_text("item,label,c\n1,spam,FR\n2,ham, \n")
    with pytest.raises(InputError, match="no value at 'c' in items 2"):
        lv.label_quality.read_annotations(tmp_path / "own.csv", "csv", slice="c")


def test_decimal_commas_of_a_table_are_read_and_told(tmp_path):
    (tmp_path / "own.csv").write_text("item;label;seconds\n1;spam;2,5\n")
    table = lv.label_quality.read_annotations(tmp_path / "own.csv", "csv")
    assert table["seconds"].tolist() == [2.5]
    assert "separator is ';', decimal comma" in table.attrs["notes"]


# --- limits ---------------------------------------------------------------------------------------


def many(count):
    frame = pd.DataFrame({"item": [str(i) for i in range(count)], "slice": "FR", "label": "a"})
    return annotations.settled(frame, batch="b")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_more_judgements_than_runs_may_be_come_back(tmp_path, suffix):
    """They were written, and could not be read: the limit was that of runs."""
    table = many(200_001)
    again = lv.label_quality.load_annotations(lv.label_quality.write_annotations(table, tmp_path / f"a{suffix}"))
    pd.testing.assert_frame_equal(again, table)


def test_the_limit_of_judgements_holds_wherever_a_table_is_made(tmp_path, monkeypatch):
    for module in (judgements, annotations):
        monkeypatch.setattr(module, "MAX_JUDGEMENTS", 3)
    full = lv.label_quality.write_annotations(many(3), tmp_path / "full.parquet")
    assert len(lv.label_quality.load_annotations(full)) == 3
    with pytest.raises(InputError, match="4 judgements than a table may hold, over the limit of 3"):
        lv.label_quality.write_annotations(many(4), tmp_path / "more.csv")
    assert not (tmp_path / "more.csv").exists()
    with pytest.raises(InputError, match="over the limit of 3"):
        lv.label_quality.add_annotations(many(3), many(4))
    (tmp_path / "own.csv").write_text("item,label\n" + "".join(f"{i},a\n" for i in range(4)))
    with pytest.raises(InputError, match="over the limit of 3"):
        lv.label_quality.read_annotations(tmp_path / "own.csv", "csv")
    many(4).to_parquet(tmp_path / "more.parquet")
    many(4).to_csv(tmp_path / "more.csv", index=False)
    for name in ("more.parquet", "more.csv"):
        with pytest.raises(InputError, match="over the limit of 3 rows"):
            lv.label_quality.load_annotations(tmp_path / name)
    with pytest.raises(InputError, match="over the limit of 131072 characters"):
        lv.label_quality.write_annotations(many(1).assign(label="x" * 131_073), tmp_path / "long.csv")


def test_faults_are_found_up_to_a_number(tmp_path, monkeypatch):
    (tmp_path / "own.csv").write_text("item,label\n" + ",a\n" * 50)
    monkeypatch.setattr(judgements, "MAX_PROBLEMS", 30)
    with pytest.raises(InputError) as caught:
        lv.label_quality.read_annotations(tmp_path / "own.csv", "csv")
    assert len(caught.value.problems) == 30


def test_cells_of_an_annotations_table_are_checked(tmp_path):
    table = many(3).astype(object)
    table["seconds"], table["units"], table["reference"] = ["x", "1e400", ""], ["9" * 30, "1.5", "1"], ["yes", "", ""]
    table["time"] = ["yesterday", "9999-01-01", ""]
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError) as caught:
        lv.label_quality.load_annotations(tmp_path / "a.csv")
    places = {(p.line, p.column) for p in caught.value.problems}
    assert places == {
        (2, "seconds"),
        (3, "seconds"),
        (2, "units"),
        (3, "units"),
        (2, "reference"),
        (2, "time"),
        (3, "time"),
    }


DEEP = "[" * 65 + "]" * 65
BOTTOMLESS = {
    "e.json": ("label-studio", f'[{{"id": 1, "data": {DEEP}, "annotations": []}}]', "nested too deeply"),
    "p.jsonl": ("prodigy", f'{{"_input_hash": 1, "answer": "accept", "x": {DEEP}}}\n', "nested too deeply"),
    "v.csv": ("cvat", EVENTS + f'a,,client,2026-03-02T08:00:00Z,1,0,4,9,21,ana,,"{DEEP}"\n', "broken JSON"),
    "many.jsonl": ("doccano", '{"id": 1, "label": [' + "[]," * 1_000_000 + "[]]}\n", "of more than 500000 lists"),
    "a.xml": (
        "cvat",
        "<annotations><meta>" + "<a>" * 63 + "</a>" * 63 + "</meta></annotations>",
        "over the limit of 64",
    ),
    "tag.xml": ("cvat", f'<annotations><a b="{"x" * 17 * 1024**2}"/></annotations>', "an element over the limit"),
}


@pytest.mark.parametrize("name", BOTTOMLESS)
def test_nesting_and_elements_without_a_bottom_are_bad_input(tmp_path, name):
    tool, content, said = BOTTOMLESS[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        lv.label_quality.read_annotations(tmp_path / name, tool)


def test_a_record_of_its_limit_is_read_and_one_over_it_refused(tmp_path):
    task = json.loads(LABEL_STUDIO)[0]
    for size, fits in ((15, True), (17, False), (40, False), (100, False)):
        task["data"]["text"] = "x" * (size * 1024**2)
        (tmp_path / "e.json").write_text(json.dumps([task]))
        if fits:
            assert len(lv.label_quality.read_annotations(tmp_path / "e.json", "label-studio")) == 2
        else:
            with pytest.raises(InputError, match="a record over the limit of 16777216 bytes"):
                lv.label_quality.read_annotations(tmp_path / "e.json", "label-studio")


@pytest.mark.parametrize("reader", ["judgements", "runs", "events", "annotations", "mlflow", "examples"])
def test_a_cell_without_an_end_is_refused_in_linear_time(tmp_path, reader):
    """60 MB in one cell took 56 s."""
    read, header, row = READERS[reader]
    path = tmp_path / "t.csv"
    with path.open("w") as file:
        file.write(separated([header]) + f'{row[0]},"')
        for _ in range(60):
            file.write(("x" * 99 + "\n") * 10_000)
    with pytest.raises(InputError, match=r"t\.csv:2: quote opened on line 2 is not closed within \d+ characters"):
        read(path)


# --- Parquet that comes to more than it seems -----------------------------------------------------


def bomb(path, header, rows=190_000, size=20_000):
    """Twenty kilobytes of text in every cell, each of them once in the file."""
    texts = pa.array([f"{i}" + "x" * size for i in range(3)])
    column = pa.DictionaryArray.from_arrays(pa.array(np.arange(rows, dtype="int32") % 3), texts)
    pq.write_table(pa.table({name: column for name in header}), path)
    assert path.stat().st_size < 1024**2
    return path


SMALL = """
import resource, sys
import pyarrow.parquet
import labelvalue as lv
from labelvalue.observe.simulate.learners import read_table
read = {"judgements": lambda p: lv.label_quality.read_annotations(p, "csv"), "mlflow": lv.read_mlflow,
        "runs": lv.read_runs, "annotations": lv.label_quality.load_annotations, "examples":
        lambda p: read_table(p, target="y", slices="c")}
for given in sys.argv[1:]:
    reader = given.rpartition("/")[2].partition(".")[0]
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (used + 384 * 1024**2, resource.RLIM_INFINITY))
    try:
        read[reader](given)
    except lv.InputError as error:
        print(reader, str(error)[:200])
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="limits of memory as Linux has them")
def test_a_parquet_of_repeated_texts_is_refused_in_little_memory(tmp_path):
    readers = ("judgements", "mlflow", "runs", "annotations", "examples")
    given = [str(bomb(tmp_path / f"{name}.parquet", READERS[name][1])) for name in readers]
    done = subprocess.run([sys.executable, "-c", SMALL, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert [name for name in readers if "over the limit" not in told.get(name, "")] == [], told


@pytest.mark.parametrize("reader", ["judgements", "examples", "annotations"])
def test_a_damaged_parquet_is_refused_or_read(tmp_path, reader):
    """An index beside its dictionary, or half a letter, was found where nobody had asked."""
    read, header, row = READERS[reader]
    path = tmp_path / "a.parquet"
    pd.DataFrame([row, ["é", *row[1:]]] * 5, columns=header).to_parquet(path, compression=None)
    content = path.read_bytes()
    refused = 0
    for place in range(0, len(content) * 8, 61 if len(content) < 6_000 else 301):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            read(path)
        except InputError:
            refused += 1
    assert refused > 0


def test_a_parquet_that_holds_no_cells_is_refused_by_column(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"item": pa.array([["1"], ["2"]]), "label": ["a", "b"]}), path)
    with pytest.raises(InputError, match=r"column 'item': the column holds list<.*>, not text, numbers or times"):
        lv.label_quality.read_annotations(path, "csv")
    frame = pd.DataFrame({"item": [1.0, 2.0], "label": [True, None], "seconds": [1.5, None], "c": ["x", "x"]})
    frame.to_parquet(path)
    table = lv.label_quality.read_annotations(path, "csv", slice="c")
    assert table["item"].tolist() == ["1"]
    assert table["label"].tolist() == ["True"]


# --- damaged archives -----------------------------------------------------------------------------


SMALL_XML = '<annotations><image id="0" name="a"><box label="car"/></image></annotations>'


def collected(read, path):
    kept = judgements.Judgements()
    into = judgements.Collector(path.name, kept, slice_path=None, salt="s" * 16, keep_annotators=False)
    read(path, into)
    into.finish()
    return kept.texts


@pytest.mark.parametrize(("packing", "step"), [(zipfile.ZIP_STORED, 7), (zipfile.ZIP_DEFLATED, 1)])
@pytest.mark.parametrize(
    ("read", "members"),
    [
        (doccano.read, {"ana.jsonl": ANA.splitlines()[0], "bo.jsonl": BO.splitlines()[0]}),
        (cvat.read, {"annotations.xml": SMALL_XML, "images/": ""}),
    ],
)
def test_an_archive_with_any_bit_flipped_is_refused_by_name_or_reads_the_same(tmp_path, read, members, packing, step):
    """33 of 40 flips ended in a traceback of zipfile or zlib: its errors were caught where nobody reads."""
    path = tmp_path / "e.zip"
    content = archive(members, packing)
    path.write_bytes(content)
    sound = collected(read, path)
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that stand in an archive twice
        for place in range(0, len(content) * 8, step):
            flipped = bytearray(content)
            flipped[place // 8] ^= 1 << place % 8
            path.write_bytes(flipped)
            try:
                assert collected(read, path) == sound, place
            except InputError:
                refused += 1
    assert refused > len(content) * 4 / step


@pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_rare_packings_are_refused_by_name(tmp_path, capsys, packing):
    (tmp_path / "e.zip").write_bytes(archive({"ana.jsonl": ANA}, packing))
    assert cli.main(["import", "doccano", str(tmp_path / "e.zip"), "--out", str(tmp_path / "a.csv")]) == 1
    assert "value 'ana.jsonl': unsafe archive member: packed by a method" in capsys.readouterr().err


def test_a_broken_member_is_named_and_nothing_imported(tmp_path, capsys):
    content = bytearray(archive({"ana.jsonl": ANA, "bo.jsonl": BO * 50}))
    content[content.index(b"bo.jsonl") + 60] ^= 4
    (tmp_path / "e.zip").write_bytes(content)
    assert cli.main(["import", "doccano", str(tmp_path / "e.zip"), "--out", str(tmp_path / "a.csv")]) == 1
    assert "e.zip: 'bo.jsonl' in the archive is broken" in capsys.readouterr().err
    assert not (tmp_path / "a.csv").exists()


# --- numbers, encodings, halves of characters -----------------------------------------------------

COUNT = EVENTS.replace("server,2026-03-02T08:01:30Z,6", "server,2026-03-02T08:01:30Z,COUNT")
WORK = EVENTS.replace("90000", "WORK")
WANDB = "Name,State,slice,labels,errors,trials,Created,Runtime\na,finished,FR,100,30,100,2026-03-01T10:00:00Z,{}\n"
ODD = [
    *(("cvat", "e.csv", COUNT.replace("COUNT", n), "e.csv:3, column 'count'")
      for n in ("9" * 20, "9" * 5000, "1.5", "-1", "x")),
    *(("cvat", "e.csv", WORK.replace("WORK", n), "e.csv:2, column 'payload'")
      for n in ("1e400", '""nan""', '""x""', "[]", "1e30")),
    *(("wandb", "w.csv", WANDB.format(n), "w.csv:2, column 'Runtime'") for n in ("inf", "1e400", "-5", "1 day")),
    ("wandb", "w.csv", WANDB.format("1e300"), None),
    ("prodigy", "p.jsonl", PRODIGY.replace("1772442000", "1e400"), "p.jsonl:1, field '_timestamp'"),
    ("prodigy", "p.jsonl", PRODIGY.replace("1772442000", "9" * 400), "p.jsonl:1, field '_timestamp'"),
    *(("cvat", "a.xml", CVAT.replace("utf-8", name), "a.xml:1: the encoding")
      for name in ("foo", "shift_jis", "gb2312", "rot13", "utf-7", "hex")),
    ("cvat", "e.csv", EVENTS.replace("ana,", "ané,").encode("latin-1"), "e.csv:2: not UTF-8 at byte"),
    ("csv", "o.csv", "item,label\n1,é\n".encode("latin-1"), "o.csv:2: not UTF-8 at byte 13"),
    ("mlflow", "m.csv", "run_id,status\né,x\n".encode("latin-1"), "m.csv:2: not UTF-8"),
    ("label-studio", "e.json", LABEL_STUDIO.replace('"billing"', '"\\ud800"'), "e.json, item 1, field 'label'"),
    ("doccano", "d.jsonl", DOCCANO.replace('"delivery"', '"\\ud800"'), "d.jsonl:1, field 'label'"),
    ("prodigy", "p.jsonl", PRODIGY.replace('"DELIVERY"', '"\\udfff"'), "p.jsonl:1, field 'label'"),
    ("label-studio", "e.json", LABEL_STUDIO.replace('"id": 1,', '"id": 1, "id": 2,'), "the key 'id' stands twice"),
    ("doccano", "d.jsonl", b"\xef\xbb\xbf" + DOCCANO.encode(), None),
    ("prodigy", "p.jsonl", b"\xef\xbb\xbf" + PRODIGY.encode(), None),
    ("label-studio", "e.json", b"\xef\xbb\xbf" + LABEL_STUDIO.encode(), None),
    ("cvat", "a.xml", b"\xef\xbb\xbf" + CVAT.encode(), None),
    ("cvat", "a.xml", CVAT.replace("utf-8", "utf-16").encode("utf-16"), None),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "name", "content", "said"), ODD, ids=lambda value: str(value)[:30])
def test_odd_numbers_and_encodings_are_read_or_refused_by_place(tmp_path, capsys, tool, name, content, said):
    path, out = tmp_path / name, tmp_path / "out.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    code = cli.main(["import", tool, str(path), "--out", str(out)])
    told = capsys.readouterr().err
    assert code == (1 if said else 0), told
    assert out.exists() == (said is None)
    if said:
        assert said in told
        assert "Fix: " in told


@pytest.mark.parametrize(
    ("tool", "name", "content"),
    [
        ("label-studio", "e.json", LABEL_STUDIO.replace('["delivery"]', '[{"x": 1}]')),
        ("label-studio", "e.json", LABEL_STUDIO.replace('["delivery"]', '[["a", {}]]')),
        ("doccano", "d.jsonl", DOCCANO.replace('["delivery"]', "[{}]")),
        ("prodigy", "p.jsonl", PRODIGY.replace('"label": "DELIVERY"', '"accept": [["DELIVERY"]]')),
        ("prodigy", "p.jsonl", PRODIGY.replace('"label": "DELIVERY"', '"spans": [{"label": {}}]')),
        (
            "argilla",
            "r.json",
            '[{"id": 1, "q.responses": [[{"label": 1}, {"label": {}}]], "q.responses.users": ["u"]}]',
        ),
    ],
)
def test_labels_that_are_no_texts_are_not_made_into_texts(tmp_path, tool, name, content):
    (tmp_path / name).write_text(content)
    table = lv.label_quality.read_annotations(tmp_path / name, tool)
    assert "other" in set(table["kind"])
    assert not table["label"].str.contains("{", regex=False).any()


def test_truth_values_are_labels_as_they_are_written(tmp_path):
    (tmp_path / "d.jsonl").write_text(DOCCANO.replace('["delivery"]', "[true]"))
    assert lv.label_quality.read_annotations(tmp_path / "d.jsonl", "doccano")["label"].tolist()[0] == "true"


def test_half_a_character_in_a_text_that_is_not_kept_does_no_harm(tmp_path):
    (tmp_path / "d.jsonl").write_text(DOCCANO.replace("hello", "\\ud83d"))
    assert len(lv.label_quality.read_annotations(tmp_path / "d.jsonl", "doccano")) == 2


@pytest.mark.parametrize("member", ["ana.jsonl", "all.jsonl"])
def test_a_byte_order_mark_in_an_archive_is_no_part_of_it(tmp_path, member):
    (tmp_path / "e.zip").write_bytes(archive({member: b"\xef\xbb\xbf" + ANA.encode()}))
    assert len(lv.label_quality.read_annotations(tmp_path / "e.zip", "doccano")) == 2


def test_reasons_and_scopes_that_stand_in_a_file_are_counted_together_where_they_are_many(tmp_path):
    records = [
        {"id": i, "q.responses": ["a"], "q.responses.users": ["u"], "q.responses.status": [f"s{i}" * 100]}
        for i in range(200)
    ]
    records.append(records[0] | {"q.responses.status": ["submitted"]})
    (tmp_path / "r.json").write_text(json.dumps(records))
    counts = lv.label_quality.read_annotations(tmp_path / "r.json", "argilla").attrs["counts"]
    assert len(counts) <= judgements.REASONS + 1
    assert sum(counts.values()) == 200
    assert max(map(len, counts)) <= 100


# --- into one table -------------------------------------------------------------------------------


def labels(path, items, who=""):
    path.write_text("item,label,annotator\n" + "".join(f"{i},a,{who}\n" for i in items))
    return str(path)


@pytest.mark.skipif(os.name != "posix", reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("kind", [".parquet", ".csv"])
def test_imports_at_once_into_one_table_lose_nothing(tmp_path, kind):
    """Two of them had left 51 of 101 judgements, each with '50 added'."""
    out = tmp_path / f"a{kind}"
    children = []
    for number in range(4):
        given = labels(tmp_path / f"{number}.csv", range(number * 50, number * 50 + 50), "ana")
        child = os.fork()
        if child == 0:
            try:
                code = cli.main(["import", "csv", given, "--out", str(out), "--batch", "b", "--json"])
            except BaseException:
                code = 99
            os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    table = lv.label_quality.load_annotations(out)
    assert sorted(table["item"], key=int) == [str(i) for i in range(200)]
    assert len(set(table["annotator"])) == 1, "all of them hash with the salt that the first one made"


def test_a_table_that_somebody_else_writes_is_busy(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(storage, "PATIENCE_S", 0.0)
    out = tmp_path / "a.parquet"
    with storage.alone(out):
        assert cli.main(["import", "csv", labels(tmp_path / "o.csv", [1]), "--out", str(out)]) == 4
    assert "a.parquet: busy: another process is writing it. Fix: " in capsys.readouterr().err
    assert not out.exists()


def test_a_link_leads_to_the_table_and_stays_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    out, real = tmp_path / "a.csv", tmp_path / "far" / "real.csv"
    out.symlink_to(real)
    for items in ([1], [2]):
        assert cli.main(["import", "csv", labels(tmp_path / "o.csv", items), "--out", str(out)]) == 0
    assert out.is_symlink()
    assert sorted(lv.label_quality.load_annotations(real)["item"]) == ["1", "2"]
    assert (tmp_path / "far" / ".real.salt").is_file()


@pytest.mark.parametrize("content", [b"", b" \n", b"short", b"\xff" * 40, b"x" * 5000])
def test_a_salt_that_hides_nobody_is_refused(tmp_path, capsys, content):
    salt = tmp_path / "salt"
    salt.write_bytes(content)
    out = tmp_path / "a.csv"
    assert cli.main(["import", "csv", labels(tmp_path / "o.csv", [1]), "--out", str(out), "--salt", str(salt)]) == 1
    assert "salt" in capsys.readouterr().err
    assert not out.exists()
    assert salt.read_bytes() == content
    with pytest.raises(InputError, match="column 'salt'"):
        lv.label_quality.read_annotations(tmp_path / "o.csv", "csv", salt=" ")


def test_a_salt_is_kept_when_it_was_of_use_and_is_its_owner_s_alone(tmp_path):
    out = tmp_path / "a.csv"
    (tmp_path / "bad.csv").write_text("item,label\n1\n")
    assert cli.main(["import", "csv", str(tmp_path / "bad.csv"), "--out", str(out)]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"], "an import that fails leaves nothing"
    before = os.umask(0)
    try:
        first, second = (runs.Salt(tmp_path / "salt") for _ in range(2))
        assert first.keep()
        assert first.keep()
    finally:
        os.umask(before)
    assert (tmp_path / "salt").stat().st_mode & 0o777 == 0o600
    assert first.text != second.text
    assert not second.keep(), "the first one's is there by now"
    assert second.text == first.text
    assert second.keep()


# --- formulas -------------------------------------------------------------------------------------

FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\tx", "'=x", "-102", "-1.5", "plain"]


def test_formulas_in_tables_are_guarded_and_come_back(tmp_path):
    rng = random.Random(1)
    records = [
        {"id": text, "text": "t", "label": [text], "country": rng.choice("ab"), "Comments": []} for text in FORMULAS
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, records)))
    out = tmp_path / "a.csv"
    assert cli.main(["import", "doccano", str(tmp_path / "d.jsonl"), "--out", str(out), "--slice", "country"]) == 0
    cells = [cell for row in csv.reader(io.StringIO(out.read_text())) for cell in row]
    assert [cell for cell in cells if cell[:1] in "=+@\t" and cell] == []
    assert {cell for cell in cells if cell.startswith("-")} == {"-102", "-1.5"}, "numbers are left as they are"
    table = lv.label_quality.load_annotations(out)
    assert table["item"].tolist() == FORMULAS
    assert table["label"].tolist() == FORMULAS
    exact = lv.label_quality.write_annotations(table, tmp_path / "exact.csv", spreadsheet=False)
    assert "\n=cmd|" in exact.read_text()
    assert lv.label_quality.load_annotations(exact)["item"].tolist() == FORMULAS


# --- memory ---------------------------------------------------------------------------------------

MEASURED = """
import resource, sys
from labelvalue.cli import main
code = main(["import", *sys.argv[1:]])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, code)
"""


def fill(path, megabytes, head, line):
    with path.open("w") as file:
        written, count = file.write(head), 0
        while written < megabytes * 1024**2:
            written += file.write(line(count))
            count += 1
    return path


WORDS = "parcel late again where is my order and who will tell me when it comes to my door at last " * 2
WIDE = [f"params.p{i}" for i in range(60)]
LARGE = {
    "prodigy": ("", lambda i: json.dumps({
        "text": WORDS, "label": "A", "answer": "accept", "meta": {"c": "FR"}, "_input_hash": i, "_task_hash": -i,
        "_timestamp": 1772442000 + i, "_annotator_id": f"who-{i % 40}"}) + "\n"),
    "csv": ("item,who,label,seconds,time,c,text\n",
            lambda i: f"item-{i},who{i % 40},A,{i % 77}.5,2026-03-02T09:{i % 60:02d}:00Z,FR,{WORDS}\n"),
    "mlflow": ("run_id,status,params.slice,params.labels,metrics.errors,metrics.trials," + ",".join(WIDE) + "\n",
               lambda i: f"{i:032x},FINISHED,FR,{100 + i},30,100," + ",".join(f"v{i + k:09d}" for k in range(60)) + "\n"
              ),
    "cvat": ("scope,obj_name,source,timestamp,count,duration,task_id,job_id,user_id,user_name,user_email,payload\n",
             lambda i: f"create:shapes,shape,client,2026-03-02T08:00:{i % 60:02d}Z,1,0,4,{i // 2},{i % 20},w{i % 20},"
                       f"w@example.org,\"{{\"\"working_time\"\": {i}, \"\"more\"\": \"\"{WORDS}\"\"}}\"\n"),
}  # fmt: skip


@pytest.mark.slow  # 60 MB in each of four formats
@pytest.mark.skipif(sys.platform != "linux", reason="kilobytes as Linux counts them")
@pytest.mark.parametrize(("tool", "suffix"), [*((tool, ".parquet") for tool in LARGE), ("csv", ".csv")])
def test_an_import_takes_less_than_two_bytes_for_one_of_its_file(tmp_path, tool, suffix):
    """It took six to seven."""
    used = []
    for megabytes in (1, 61):
        path = fill(tmp_path / "in", megabytes, *LARGE[tool])
        path = path.rename(tmp_path / ("in.csv" if tool != "prodigy" else "in.jsonl"))
        out = str(tmp_path / f"{megabytes}{suffix}")
        command = [sys.executable, "-c", MEASURED, tool, str(path), "--out", out]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        peak, code = done.stdout.split()[-2:]
        assert code == "0", done.stdout + done.stderr
        used.append(int(peak) / 1024)
    assert used[1] - used[0] < 2 * 60, used
