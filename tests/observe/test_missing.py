"""The list of what to measure next: complete, ordered, and right about each column."""

import json

import pandas as pd
import pytest

from labelvalue import names, read_runs
from labelvalue.diagnostics import what_is_missing
from labelvalue.label_quality import read_annotations
from labelvalue.observe.table.runs import ANSWERS
from labelvalue.observe.table.schema import COLUMNS, MEASURES, REQUIRED
from tests.observe.test_annotations import ARGILLA_FLAT, DOCCANO, EVENTS, LABEL_STUDIO

BARE = pd.DataFrame({"slice": ["a", "a"], "labels": [10, 20], "errors": [5, 4], "trials": [50, 50]})

SAID = {
    names.OTHER_LABELS: [0, 5],
    names.EVALUATION_SET: ["v1", "v1"],
    names.REPLICATE: [0, 1],
    names.MEASURED_AT: ["2026-01-01T00:00Z", "2026-01-02T00:00Z"],
    names.STRATEGY: ["random", "margin"],
    names.LABEL_NOISE: [0.1, None],
    names.SUITE: ["holdout", "late"],
    names.LEARNER: ["big", "small"],
    names.SYNTHETIC_LABELS: [0, 5],
    names.BATCH: ["b1", "b1"],
    names.DIVERSITY: [1.0, 1.2],
    names.SECONDS: [1.0, 2.0],
    names.PROTOCOL: ["v1", "v1"],
    names.LABELS_NOW: [25, 25],
}


def test_every_optional_column_has_its_answer():
    optional = set(COLUMNS) - set(MEASURES) - set(REQUIRED) - {names.OTHER_SYNTHETIC_LABELS, names.SOURCE_ID}
    assert set(ANSWERS) == optional == set(SAID)


def test_a_bare_table_lacks_everything():
    assert dict(what_is_missing(read_runs(BARE)).to_numpy()) == ANSWERS


@pytest.mark.parametrize("name", SAID)
def test_a_column_that_speaks_is_not_missing(name):
    missing = what_is_missing(read_runs(BARE.assign(**{name: SAID[name]})))["column"].tolist()
    assert missing == [other for other in ANSWERS if other != name]


@pytest.mark.parametrize("name", [names.STRATEGY, names.LEARNER, names.SUITE, names.OTHER_LABELS, names.REPLICATE])
def test_a_column_that_compares_nothing_is(name):
    same = [SAID[name][1]] * 2
    assert name in what_is_missing(read_runs(BARE.assign(**{name: same})))["column"].tolist()


def test_nothing_is_missing_where_all_is_said():
    assert what_is_missing(read_runs(BARE.assign(**SAID))).empty


def test_neither_runs_nor_annotations():
    with pytest.raises(TypeError, match="not DataFrame"):
        what_is_missing(BARE)


# --- annotations ----------------------------------------------------------------------------------


def read(tmp_path, text, format, **options):
    path = tmp_path / "export"
    path.write_text(text)
    return what_is_missing(read_annotations(path, format, **options))["column"].tolist()


def test_each_format_lacks_what_its_tool_does_not_tell(tmp_path):
    assert read(tmp_path, LABEL_STUDIO, "label-studio", slice="data.meta.country") == []
    assert read(tmp_path, LABEL_STUDIO, "label-studio") == ["slice"]
    flat = read(tmp_path, ARGILLA_FLAT, "argilla", slice="country")
    assert flat == ["seconds", "time", "reference"]
    dated = read(tmp_path, ARGILLA_FLAT, "argilla", slice="country", batch_date="2026-03-02")
    assert dated == ["seconds", "reference"]
    shared = read(tmp_path, DOCCANO, "doccano", slice="country")
    assert shared == ["seconds", "time", "item", "reference", "annotator"]
    by_job = read(tmp_path, EVENTS, "cvat", slice="job_id")
    assert by_job == ["item", "reference", "slice"]


def test_two_questions_about_an_item_are_not_two_judgements(tmp_path):
    records = [{"id": "1", **{f"{q}.{part}": ["a"] for q in "qr" for part in ("responses", "responses.users")}}]
    assert "item" in read(tmp_path, json.dumps(records), "argilla")


def test_a_gold_answer_and_a_judgement_are_not_two_judgements(tmp_path):
    table = "item,label,annotator,reference\n1,a,x,false\n1,b,y,true\n"
    assert "item" in read(tmp_path, table, "csv")
    assert "item" not in read(tmp_path, table.replace("true", "false"), "csv")
