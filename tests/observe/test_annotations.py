"""Exports of annotation tools: every printed example with what it must give."""

import json
import stat
import zipfile

import numpy as np
import pandas as pd
import pytest

from labelvalue import InputError
from labelvalue.label_quality import add_annotations, load_annotations, read_annotations, write_annotations
from labelvalue.observe.exports import streams

LABEL_STUDIO = """[
 {"id": 1, "project": 7, "data": {"text": "parcel late again", "meta": {"country": "FR"}},
  "annotations": [
   {"id": 11, "completed_by": 3, "was_cancelled": false, "ground_truth": false, "lead_time": 6.5,
    "updated_at": "2026-03-02T09:00:06Z", "result": [{"from_name": "topic", "to_name": "text", "type": "choices",
    "value": {"choices": ["delivery"]}}]},
   {"id": "12", "completed_by": {"id": 4, "email": "b@example.org"}, "was_cancelled": false, "ground_truth": false,
    "lead_time": 9.0, "updated_at": "2026-03-02T09:30:00Z",
    "result": [{"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": ["billing"]}}]}],
  "predictions": [{"model_version": "m1", "score": 0.7, "result": []}]},
 {"id": 2, "project": 7, "data": {"text": "wrong invoice", "meta": {"country": "NA"}},
  "annotations": [
   {"id": 13, "completed_by": 3, "was_cancelled": true, "ground_truth": false, "lead_time": 2.1,
    "updated_at": "2026-03-02T09:01:00Z", "result": []},
   {"id": 14, "completed_by": 4, "was_cancelled": false, "ground_truth": true, "lead_time": null,
    "updated_at": "2026-03-02T09:31:00Z",
    "result": [{"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": ["billing"]}}]}]},
 {"id": 3, "project": 7, "data": {"text": "where is my order", "meta": {"country": "NA"}},
  "annotations": [{"id": 15, "completed_by": 3, "was_cancelled": false, "ground_truth": false, "lead_time": 86400,
    "updated_at": "2026-03-02T09:02:00Z",
    "result": [{"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": ["delivery"]}}]}]},
 {"id": 4, "project": 7, "data": {"text": "hello", "meta": {"country": "FR"}}, "annotations": []}
]"""

ARGILLA_FLAT = """[
 {"id": "r1", "text": "parcel late again", "country": "FR",
  "topic.responses": ["delivery", "billing"],
  "topic.responses.users": ["u-3", "u-4"],
  "topic.responses.status": ["submitted", "submitted"],
  "topic.suggestion": "delivery", "topic.suggestion.score": 0.7, "topic.suggestion.agent": "m1"},
 {"id": "r2", "text": "wrong invoice", "country": "007",
  "topic.responses": ["billing", "other", "spam"],
  "topic.responses.users": ["u-3", "u-4", "u-5"],
  "topic.responses.status": ["submitted", "draft", "discarded"],
  "topic.suggestion": null, "topic.suggestion.score": null, "topic.suggestion.agent": null},
 {"id": "r3", "text": "hello", "country": "FR",
  "topic.responses": null, "topic.responses.users": null, "topic.responses.status": null,
  "topic.suggestion": null, "topic.suggestion.score": null, "topic.suggestion.agent": null}
]"""

ARGILLA_NESTED = """[{"id": "r1", "fields": {"text": "parcel late again"}, "metadata": {"country": "FR"},
  "suggestions": {"topic": {"value": "delivery", "score": 0.7, "agent": "m1"}},
  "responses": {"topic": [{"value": "delivery", "user_id": "u-3"}, {"value": "billing", "user_id": "u-4"}]},
  "vectors": {}, "_server_id": "s1"}]"""

DOCCANO = """{"id": 1, "text": "parcel late again", "label": ["delivery"], "country": "FR", "Comments": []}
{"id": 2, "text": "wrong invoice", "label": ["billing", "other"], "country": "DE", "Comments": ["unsure"]}
{"id": 3, "text": "hello", "label": [], "country": "FR", "Comments": []}
"""
ANA = """{"id": 1, "text": "parcel late again", "label": ["delivery"], "country": "FR", "Comments": []}
{"id": 2, "text": "wrong invoice", "label": ["billing"], "country": "DE", "Comments": []}
{"id": 3, "text": "hello", "label": [], "country": "FR", "Comments": []}
"""
BO = """{"id": 1, "text": "parcel late again", "label": ["billing"], "country": "FR", "Comments": []}
{"id": 2, "text": "wrong invoice", "label": [], "country": "DE", "Comments": []}
{"id": 3, "text": "hello", "label": ["other"], "country": "FR", "Comments": []}
"""

PRODIGY = "\n".join(
    json.dumps(
        {"text": text, "label": "DELIVERY", "answer": answer, "meta": {"country": country}, "_input_hash": item,
         "_task_hash": task, "_timestamp": time, "_annotator_id": who, "_session_id": who, "_view_id": "classification"}
    )
    for text, answer, country, item, task, time, who in [
        ("parcel late again", "accept", "FR", 101, 201, 1772442000, "mail-ana"),
        ("wrong invoice", "reject", "DE", -102, 202, 1772442007, "mail-ana"),
        ("hello", "ignore", "FR", 103, 203, 1772442010, "mail-ana"),
        ("where is it", "accept", "FR", 104, 204, 1772452000, "mail-ana"),
        ("parcel late again", "reject", "FR", 101, 201, 1772442030, "mail-bo"),
        ("parcel late again", "reject", "FR", 101, 201, 1772442030, "mail-bo"),
    ]
)  # fmt: skip

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task>
    <id>4</id><name>streets</name><size>3</size><mode>annotation</mode>
    <updated>2026-03-02 11:38:27.301183+03:00</updated>
    <owner><username>admin</username><email></email></owner>
  </task></meta>
  <image id="0" name="night/a.jpg" width="640" height="480">
    <box label="car" source="manual" occluded="0" xtl="10.0" ytl="20.0" xbr="110.0" ybr="90.0" z_order="0"></box>
    <box label="person" source="manual" occluded="1" xtl="200.0" ytl="50.0" xbr="240.0" ybr="150.0" z_order="0"></box>
  </image>
  <image id="1" name="day/b.jpg" width="640" height="480">
    <box label="car" source="auto" occluded="0" xtl="5.0" ytl="5.0" xbr="50.0" ybr="50.0" z_order="0"></box>
  </image>
  <image id="2" name="day/c.jpg" width="640" height="480"></image>
</annotations>
"""

EVENTS = """scope,obj_name,source,timestamp,count,duration,task_id,job_id,user_id,user_name,user_email,payload
send:working_time,,client,2026-03-02T08:00:00Z,1,0,4,9,21,ana,ana@example.org,"{""working_time"": 90000}"
create:shapes,shape,server,2026-03-02T08:01:30Z,6,0,4,9,21,ana,ana@example.org,{}
send:working_time,,client,2026-03-02T08:03:00Z,1,0,4,9,21,ana,ana@example.org,"{""working_time"": 30000}"
create:shapes,shape,server,2026-03-02T08:03:10Z,4,0,4,9,21,ana,ana@example.org,{}
send:working_time,,client,2026-03-02T09:00:00Z,1,0,,,22,bo,bo@example.org,"{""working_time"": 45000}"
debug:info,,client,2026-03-02T09:00:05Z,1,12,4,9,22,bo,bo@example.org,{}
"""


@pytest.fixture
def put(tmp_path):
    """Write a file and return its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def pack(tmp_path):
    """Make an archive and return its path."""

    def write(name, members):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members:
                archive.writestr(member, content)
        return path

    return write


def test_label_studio(put):
    table = read_annotations(put("export.json", LABEL_STUDIO), "label-studio", slice="data.meta.country")
    assert len(table) == 4
    assert table["reference"].sum() == 1
    counts = table.attrs["counts"]
    assert (counts["cancelled"], counts["items without judgement"]) == (1, 1)
    assert table.attrs["labels"] == {"FR": 1, "NA": 1}
    assert table.loc[table["seconds"].notna(), "source_id"].tolist() == ["11", "12"]
    assert counts["durations of 0, negative or above 1 hour, labels kept"] == 1
    twice = table[table["item"] == "1"]
    assert twice["annotator"].nunique() == 2
    assert twice["label"].tolist() == ["delivery", "billing"]
    assert table["time"].iloc[0] == pd.Timestamp("2026-03-02T09:00:06Z")
    assert table["source"].unique().tolist() == ["7"]
    assert not table["annotator"].isin(["3", "4", "b@example.org"]).any()


def test_argilla_flattened(put):
    table = read_annotations(put("records.json", ARGILLA_FLAT), "argilla", slice="country")
    assert len(table) == 3
    assert table.attrs["counts"] == {"draft": 1, "discarded": 1, "records without response": 1}
    assert set(table["label"]) == {"delivery", "billing"}
    assert table.attrs["labels"] == {"FR": 1, "007": 1}
    assert table["seconds"].isna().all()
    assert table["time"].isna().all()


def test_argilla_nested(put):
    table = read_annotations(put("records.json", ARGILLA_NESTED), "argilla", slice="metadata.country")
    assert table["label"].tolist() == ["delivery", "billing"]
    assert "do not tell drafts from answers" in table.attrs["notes"][0]


def test_argilla_lists_must_match(put):
    broken = ARGILLA_FLAT.replace('["u-3", "u-4"],\n  "topic.responses.status": ["submitted", "submitted"]',
                                  '["u-3"],\n  "topic.responses.status": ["submitted", "submitted"]')  # fmt: skip
    with pytest.raises(InputError, match=r"item 1, field 'topic.responses': .*unequal length"):
        read_annotations(put("records.json", broken), "argilla", slice="country")


def test_doccano_shared(put):
    table = read_annotations(put("all.jsonl", DOCCANO), "doccano", slice="country", batch_date="2026-03-02")
    assert len(table) == 2
    assert table.attrs["counts"] == {"unlabelled": 1}
    assert table.attrs["labels"] == {"FR": 1, "DE": 1}
    assert (table["annotator"] == "").all()
    assert table["label"].tolist() == ["delivery", '["billing", "other"]']
    assert (table["time"] == pd.Timestamp("2026-03-02", tz="UTC")).all()


def test_doccano_by_member(pack):
    table = read_annotations(pack("export.zip", [("ana.jsonl", ANA), ("bo.jsonl", BO)]), "doccano", slice="country")
    assert len(table) == 4
    assert table["annotator"].nunique() == 2
    assert table.attrs["counts"] == {"unlabelled": 2}
    assert table.attrs["labels"] == {"FR": 2, "DE": 1}
    twice = table.groupby("item")["label"].nunique()
    assert twice[twice > 1].index.tolist() == ["1"]


def test_doccano_spans(put):
    line = '{"id": 9, "text": "Ana in Rome", "label": [[0, 3, "PER"], [7, 11, "LOC"]]}'
    table = read_annotations(put("all.jsonl", line), "doccano")
    assert table[["label", "kind", "slice"]].values.tolist() == [['["LOC", "PER"]', "spans", "all"]]


def test_prodigy(put):
    table = read_annotations(put("mail.jsonl", PRODIGY), "prodigy", slice="meta.country")
    assert len(table) == 4
    assert table.attrs["counts"]["ignored"] == 1
    assert table.attrs["counts"]["duplicate"] == 1
    assert table.attrs["labels"] == {"FR": 2, "DE": 1}
    known = table[table["seconds"].notna()]
    assert known[["item", "seconds", "seconds_from"]].values.tolist() == [["-102", 7.0, "gaps"]]
    assert table.loc[table["item"] == "101", "label"].tolist() == ["DELIVERY", "not DELIVERY"]


def test_prodigy_other_questions(put):
    lines = [
        {"options": [], "accept": ["b", "a"], "answer": "accept", "_input_hash": 1, "_task_hash": 1},
        {"spans": [{"label": "PER"}], "answer": "accept", "_input_hash": 2, "_task_hash": 2},
        {"spans": [{"label": "PER"}], "answer": "reject", "_input_hash": 3, "_task_hash": 3},
        {
            "label": "A",
            "answer": "accept",
            "_input_hash": 4,
            "_task_hash": 4,
            "_session_id": "mail-2026-03-02_09-00-00",
        },
    ]
    table = read_annotations(put("x.jsonl", "\n".join(map(json.dumps, lines))), "prodigy")
    assert table["label"].tolist() == ['["a", "b"]', "PER", "A"]
    assert table["kind"].tolist() == ["choice", "spans", "choice"]
    assert table.attrs["counts"] == {"rejected": 1}
    assert (table["annotator"] == "").all()


@pytest.mark.parametrize("zipped", [False, True])
def test_cvat(put, pack, zipped):
    path = pack("task.zip", [("annotations.xml", CVAT)]) if zipped else put("annotations.xml", CVAT)
    table = read_annotations(path, "cvat", slice="path.0")
    assert table[["item", "slice", "label", "annotator"]].values.tolist() == [
        ["night/a.jpg", "night", '["car", "person"]', ""]
    ]
    assert table.attrs["labels"].get("night") == 1
    assert table.attrs["labels"].get("day", 0) == 0
    assert table.attrs["counts"] == {"images with automatic shapes only": 1, "images without shapes": 1}
    assert table["time"].iloc[0] == pd.Timestamp("2026-03-02 08:38:27", tz="UTC")


def test_cvat_by_task_and_by_tag(put):
    tagged = CVAT.replace('height="480"></image>', 'height="480"><tag label="rain" source="manual"/></image>')
    by_task = read_annotations(put("a.xml", tagged), "cvat", slice="task")
    assert by_task["slice"].tolist() == ["streets", "streets"]
    with pytest.raises(InputError, match=r"no value at 'tag' in items night/a.jpg"):
        read_annotations(put("a.xml", tagged), "cvat", slice="tag")


def test_cvat_video(put):
    video = """<annotations><meta><task><id>5</id><name>drive</name></task></meta>
      <track id="0" label="car" source="manual">
       <box frame="0" keyframe="1" outside="0"/><box frame="1" keyframe="0" outside="0"/>
       <box frame="9" keyframe="1" outside="1"/></track></annotations>"""
    table = read_annotations(put("a.xml", video), "cvat", slice="task")
    assert table[["item", "slice", "label"]].values.tolist() == [["frame 0", "drive", "car"]]


def test_cvat_events(put):
    table = read_annotations(put("events.csv", EVENTS), "cvat", slice="job_id")
    assert len(table) == 1
    row = table.iloc[0]
    assert (row["seconds"], row["units"], row["seconds"] / row["units"]) == (120, 10, 12)
    assert row["slice"] == "9"
    assert any("45 s of working time without a job, left out" in note for note in table.attrs["notes"])
    assert any("debug:info (1)" in note for note in table.attrs["notes"])
    assert "ana" not in table["annotator"].iloc[0]
    assert table.attrs["labels"] == {}


def test_cvat_events_need_columns(put):
    with pytest.raises(InputError, match=r"not a CVAT event log: no column payload; found scope"):
        read_annotations(put("events.csv", EVENTS.replace("payload", "load", 1)), "cvat")


@pytest.mark.parametrize(
    ("content", "format", "says"),
    [
        (ARGILLA_NESTED, "label-studio", r"not a Label Studio JSON export; found keys id, fields.*; closest: Argilla"),
        (ARGILLA_FLAT, "label-studio", r"found keys id, text, country.*; closest: Argilla"),
        (LABEL_STUDIO, "argilla", r"not an Argilla JSON export; .*closest: Label Studio"),
        (PRODIGY, "doccano", r"not a doccano export; .*closest: Prodigy"),
        (DOCCANO, "prodigy", r"not a Prodigy JSONL export; .*closest: doccano"),
        ('[{"id": 1, "annotator": 3, "annotation_id": 4, "lead_time": 2, "topic": "a"}]', "label-studio",
         r"closest: Label Studio \(JSON_MIN or CSV\). Fix: these exports lose what several annotators did"),
        ("id,annotator,annotation_id,lead_time\n1,2,3,4\n", "label-studio", r"Label Studio \(JSON_MIN or CSV\)"),
        ("<html/>", "cvat", r"not a CVAT XML 1.1 export; found element 'html'"),
        (LABEL_STUDIO, "cvat", r"not a CVAT XML"),
        ("[]", "label-studio", r"0 usable labels"),
        ("", "label-studio", r"0 usable labels: the file is empty"),
    ],
)  # fmt: skip
def test_other_layouts_are_named(put, content, format, says):
    with pytest.raises(InputError, match=says):
        read_annotations(put("export.json", content), format)


@pytest.mark.parametrize(
    ("name", "content", "format", "says"),
    [
        ("e.json", LABEL_STUDIO[:700], "label-studio", r"e.json:\d+: cut-off JSON.*at byte \d+"),
        ("e.json", LABEL_STUDIO[:-1], "label-studio", r"cut-off JSON, at byte \d+"),
        ("e.json", LABEL_STUDIO.replace('"id": 2,', '"id": 2'), "label-studio", r"e.json:11: broken JSON.*at byte"),
        ("e.json", LABEL_STUDIO + "x", "label-studio", r"'x' after the end of the list"),
        ("e.json", LABEL_STUDIO.replace("6.5", "NaN"), "label-studio", r"NaN is no JSON"),
        ("e.json", "[" * 200_000, "label-studio", r"nested too deeply"),
        ("e.json", b'[{"id": "\xff"}]', "label-studio", r"not UTF-8 at byte 9"),
        ("a.jsonl", DOCCANO + '{"id": 4, "la', "doccano", r"a.jsonl:4: cut-off JSON: .*at byte \d+"),
        ("a.jsonl", DOCCANO.replace('"id": 2,', '"id": 2'), "doccano", r"a.jsonl:2: broken JSON"),
        ("a.xml", CVAT[:800], "cvat", r"a.xml:\d+: broken or cut-off XML: .*at byte"),
    ],
)  # fmt: skip
def test_broken_files_say_where(put, name, content, format, says):
    with pytest.raises(InputError, match=says):
        read_annotations(put(name, content), format)


def test_entities_are_refused(put):
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]>' + CVAT.removeprefix('<?xml version="1.0" encoding="utf-8"?>\n')
    with pytest.raises(InputError, match="entities are declared in the XML"):
        read_annotations(put("a.xml", bomb), "cvat")
    outside = bomb.replace('<!ENTITY b "c">', '<!ENTITY b SYSTEM "file:///etc/passwd">')
    with pytest.raises(InputError, match="entities are declared in the XML"):
        read_annotations(put("a.xml", outside), "cvat")


@pytest.mark.parametrize("name", ["/etc/x.jsonl", "../x.jsonl", "a/../../x.jsonl", "C:\\x.jsonl", "..\\x.jsonl"])
def test_archives_that_reach_outside_are_refused(pack, name):
    with pytest.raises(InputError, match="unsafe archive member"):
        read_annotations(pack("e.zip", [(name, ANA)]), "doccano")


def test_archives_with_links_and_bombs_are_refused(pack, monkeypatch):
    link = zipfile.ZipInfo("link.jsonl")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(InputError, match="unsafe archive member: a link or device"):
        read_annotations(pack("e.zip", [(link, "/etc/passwd")]), "doccano")
    with pytest.raises(InputError, match="unsafe archive member: packed more than 100-fold"):
        read_annotations(pack("e.zip", [("a.jsonl", b" " * 500_000)]), "doccano")
    monkeypatch.setattr("labelvalue.observe.exports.streams.MAX_UNPACKED", 100)
    with pytest.raises(InputError, match="unsafe archive member: 1 files of"):
        read_annotations(pack("e.zip", [("a.jsonl", ANA)]), "doccano")


def test_what_is_left_out_is_counted_and_too_little_refused(put):
    tasks = json.loads(LABEL_STUDIO)
    for task in tasks:
        task["drafts"] = [{"id": 1}]
        for one in task["annotations"]:
            one["was_cancelled"] = True
    with pytest.raises(InputError, match=r"0 usable labels: 4 draft, 5 cancelled, 4 items without judgement"):
        read_annotations(put("e.json", json.dumps(tasks)), "label-studio")


def test_slices_must_be_there_and_be_text(put):
    path = put("e.json", LABEL_STUDIO)
    with pytest.raises(
        InputError, match=r"no item has a value at 'data.country'; paths that exist: id.*data.meta.country"
    ):
        read_annotations(path, "label-studio", slice="data.country")
    some = LABEL_STUDIO.replace('"text": "wrong invoice", "meta": {"country": "NA"}', '"text": "wrong invoice"')
    with pytest.raises(InputError, match=r"no value at 'data.meta.country' in items 2"):
        read_annotations(put("e.json", some), "label-studio", slice="data.meta.country")
    with pytest.raises(InputError, match=r"item 1, field 'data.meta', value .*: not text or number"):
        read_annotations(path, "label-studio", slice="data.meta")
    numbers = LABEL_STUDIO.replace('"country": "NA"', '"country": 1.50').replace('"country": "FR"', '"country": true')
    table = read_annotations(put("e.json", numbers), "label-studio", slice="data.meta.country")
    assert set(table["slice"]) == {"1.50", "true"}


def test_overlapping_exports_keep_the_latest(put):
    first = put("one.json", LABEL_STUDIO)
    later = json.loads(LABEL_STUDIO)
    later[0]["annotations"][0] |= {"id": "11", "updated_at": "2026-03-05T00:00:00Z"}
    later[0]["annotations"][0]["result"][0]["value"]["choices"] = ["billing"]
    second = put("two.json", json.dumps(later[:2]))
    for order in ([first, second], [second, first]):
        table = read_annotations(order, "label-studio", slice="data.meta.country")
        assert len(table) == 4
        assert table.loc[table["source_id"] == "11", "label"].tolist() == ["billing"]
        assert table.attrs["counts"]["replaced by a later version"] == 3


def test_one_broken_file_of_several_stops_the_import(put):
    with pytest.raises(InputError) as caught:
        read_annotations([put("a.json", "[{"), put("b.json", "{}")], "label-studio")
    assert {problem.file for problem in caught.value.problems} == {"a.json", "b.json"}


def test_annotators_are_hashed_with_the_salt(put):
    path = put("e.json", LABEL_STUDIO)
    one, same, other = (read_annotations(path, "label-studio", salt=salt)["annotator"] for salt in ("a", "a", "b"))
    assert one.tolist() == same.tolist()
    assert set(one).isdisjoint(other)
    named = read_annotations(path, "label-studio", keep_annotators=True)["annotator"]
    assert set(named) == {"3", "4"}


def test_free_words_are_no_classes(put):
    records = [{"id": str(i), "q.responses": [f"answer {i}"], "q.responses.users": ["u"]} for i in range(60)]
    table = read_annotations(put("r.json", json.dumps(records)), "argilla")
    assert set(table["kind"]) == {"text"}
    assert any("in free words" in note for note in table.attrs["notes"])
    relation = json.loads(LABEL_STUDIO)
    relation[0]["annotations"][0]["result"] = [{"type": "relation", "from_id": "a", "to_id": "b"}]
    table = read_annotations(put("e.json", json.dumps(relation)), "label-studio")
    assert table["kind"].tolist()[0] == "other"
    assert any("agreement is not computed" in note for note in table.attrs["notes"])


def test_a_table_of_one_s_own(put):
    text = "task,who,answer,country,took,when\n1,ana,yes,NA,5,2026-03-02\n1,bo,no,NA,-1,2026-03-02\n2,bo,,FR,3,\n"
    names = {"item": "task", "annotator": "who", "label": "answer", "seconds": "took", "time": "when"}
    table = read_annotations(put("own.csv", text), "csv", slice="country", columns=names)
    assert table.attrs["labels"] == {"NA": 1}
    assert table.attrs["counts"]["unlabelled"] == 1
    assert table["seconds"].tolist()[0] == 5
    assert np.isnan(table["seconds"].tolist()[1])
    with pytest.raises(InputError, match="no column 'item'; found task"):
        read_annotations(put("own.csv", text), "csv")
    with pytest.raises(InputError, match="unknown format 'docano'; did you mean 'doccano'"):
        read_annotations(put("own.csv", text), "docano")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_come_back_as_they_went(put, tmp_path, suffix):
    table = read_annotations(put("e.json", LABEL_STUDIO), "label-studio", slice="data.meta.country")
    again = load_annotations(write_annotations(table, tmp_path / f"a{suffix}"))
    pd.testing.assert_frame_equal(again, table.reset_index(drop=True), check_like=False)
    assert add_annotations(table, again)[1] == {"added": 0, "replaced": 0, "unchanged": 4}


def test_a_judgement_that_a_table_tells_twice_is_counted(put):
    """A table that somebody edited: its latest version stays, and the import says how many do not."""
    table = read_annotations(put("e.json", LABEL_STUDIO), "label-studio", slice="data.meta.country")
    edited = pd.concat([table, table.iloc[:2].assign(label="other")], ignore_index=True)
    together, counts = add_annotations(edited, table)
    assert counts["repeated"] == 2
    assert len(together) == len(table)


def test_records_longer_than_what_is_read_at_once(put, monkeypatch):
    monkeypatch.setattr(streams, "CHUNK", 7)
    table = read_annotations(put("e.json", LABEL_STUDIO), "label-studio", slice="data.meta.country")
    assert len(table) == 4
    with pytest.raises(InputError, match=r"e.json:11: broken JSON"):
        read_annotations(put("e.json", LABEL_STUDIO.replace('"id": 2,', '"id": 2')), "label-studio")


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("e.json", LABEL_STUDIO, "label-studio"),
        ("r.json", ARGILLA_FLAT, "argilla"),
        ("a.jsonl", DOCCANO, "doccano"),
        ("p.jsonl", PRODIGY, "prodigy"),
        ("a.xml", CVAT, "cvat"),
        ("events.csv", EVENTS, "cvat"),
        ("own.csv", "item,label\n1,yes\n", "csv"),
    ],
)
def test_exports_over_the_limit_are_not_read(put, monkeypatch, name, content, format):
    path = put(name, content)
    size = path.stat().st_size
    monkeypatch.setattr(streams, "MAX_BYTES", size)
    assert len(read_annotations(path, format))
    monkeypatch.setattr(streams, "MAX_BYTES", size - 1)
    with pytest.raises(InputError, match=f"{name}: {size} bytes are over the limit of {size - 1} bytes"):
        read_annotations(path, format)


@pytest.mark.parametrize(
    ("name", "content", "format", "place"),
    [
        ("e.json", LABEL_STUDIO, "label-studio", "e.json:2"),
        ("r.json", ARGILLA_FLAT, "argilla", "r.json:2"),
        ("a.jsonl", DOCCANO.replace("hello", "hello" * 400), "doccano", "a.jsonl:3"),
        ("p.jsonl", PRODIGY.replace("where is it", "where is it" * 200), "prodigy", "p.jsonl:4"),
    ],
)
def test_records_over_the_limit_are_not_read(put, monkeypatch, name, content, format, place):
    path = put(name, content)
    monkeypatch.setattr(streams, "CHUNK", 16)
    monkeypatch.setattr(streams, "MAX_RECORD", 10_000)
    assert len(read_annotations(path, format))
    monkeypatch.setattr(streams, "MAX_RECORD", 1_000 if name.endswith("l") else 200)
    with pytest.raises(InputError, match=f"{place}: a record over the limit of .* bytes, at byte"):
        read_annotations(path, format)


def test_memory_holds_one_record(put):
    """A long export is never held whole: the judgements alone grow with it."""
    import tracemalloc

    task = json.loads(LABEL_STUDIO)[2]
    task["data"]["text"] = "x" * 20_000
    path = put("big.json", "[" + ",".join(json.dumps(task | {"id": i}) for i in range(1000)) + "]")
    tracemalloc.start()
    read_annotations(path, "label-studio", slice="data.meta.country")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 20e6
    assert peak < 0.7 * path.stat().st_size
