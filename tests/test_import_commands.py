"""Importing on the command line: what is said, what is written, and what stays as it was."""

import json
import stat

import pytest

from labelvalue.cli import main
from labelvalue.label_quality import load_annotations

RECORD = {
    "id": "r1", "text": "late", "country": "FR", "topic.responses": ["delivery", "billing"],
    "topic.responses.users": ["u-3", "u-4"], "topic.responses.status": ["submitted", "draft"],
}  # fmt: skip


def export(path, *records):
    path.write_text(json.dumps(records or [RECORD]))
    return str(path)


def test_an_import_is_counted_and_written(tmp_path, capsys):
    out = tmp_path / "annotations.parquet"
    code = main(["import", "argilla", export(tmp_path / "a.json"), "--slice", "country", "--out", str(out)])
    assert code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 kept, 1 draft"
    assert lines[1] == "labels by slice: FR 1"
    assert lines[2] == "missing: seconds, which would tell how long a label takes, and so what it costs by the hour"
    assert [line.split(",")[0] for line in lines[2:-1]] == [
        *("missing: seconds", "missing: time", "missing: item", "missing: reference", "missing: slice")
    ]
    assert lines[-1] == str(out)
    salt = tmp_path / ".annotations.salt"
    assert stat.S_IMODE(salt.stat().st_mode) == 0o600
    assert len(load_annotations(out)) == 1


def test_the_same_again_adds_nothing(tmp_path, capsys):
    out, file = tmp_path / "annotations.csv", export(tmp_path / "a.json")
    first = ["import", "argilla", file, "--slice", "country", "--out", str(out), "--batch", "march"]
    assert main(first) == 0
    before = out.read_bytes()
    assert main(["import", "argilla", file, "--slice", "country", "--out", str(out)]) == 0
    assert "already imported as batch march; nothing added" in capsys.readouterr().out
    assert out.read_bytes() == before
    more = export(tmp_path / "a.json", RECORD, RECORD | {"id": "r2"})
    assert main(["import", "argilla", more, "--slice", "country", "--out", str(out)]) == 0
    assert "1 added, 0 replaced, 1 unchanged" in capsys.readouterr().out


def test_json_says_the_same(tmp_path, capsys):
    out = tmp_path / "a.parquet"
    assert main(["import", "argilla", export(tmp_path / "a.json"), "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kept"] == 1
    assert document["left_out"] == {"draft": 1}
    assert document["labels"] == {"all": 1}
    assert list(document["missing"]) == ["seconds", "time", "item", "reference", "slice"]


def test_nothing_is_written_where_anything_is_wrong(tmp_path, capsys):
    out = tmp_path / "a.parquet"
    file = export(tmp_path / "a.json")
    assert main(["import", "label-studio", file, "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert "not a Label Studio JSON export; found keys id, text, country" in said
    assert "closest: Argilla" in said
    assert not out.exists()
    assert main(["import", "argilla", file, "--slice", "land", "--out", str(out)]) == 1
    assert main(["import", "argilla", file, "--out", str(tmp_path / "a.xlsx")]) == 1
    assert not out.exists()


@pytest.mark.parametrize("keep", [False, True])
def test_names_are_kept_only_when_asked_for(tmp_path, keep):
    out = tmp_path / "a.parquet"
    options = ["--keep-annotators"] if keep else []
    assert main(["import", "argilla", export(tmp_path / "a.json"), "--out", str(out), *options]) == 0
    assert (load_annotations(out)["annotator"].tolist() == ["u-3"]) == keep


def test_a_table_is_mapped(tmp_path, capsys):
    own = tmp_path / "own.csv"
    own.write_text("task,answer\n1,yes\n")
    out = str(tmp_path / "a.csv")
    command = ["import", "csv", str(own), "--out", out]
    assert main([*command, "--map", "item=task", "--map", "label=answer"]) == 0
    assert main([*command, "--map", "item"]) == 1
    assert "not of the form OURS=THEIRS" in capsys.readouterr().err
