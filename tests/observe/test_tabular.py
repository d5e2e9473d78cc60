"""Labelled tables as they come: read with slices as text, and learnt from with gaps and rare categories."""

import json

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

import labelvalue as lv
from labelvalue import cli
from labelvalue.observe.simulate.learners import LEARNERS, learners_of, read_table, tabular_classifier, text_classifier
from labelvalue.problems import InputError


@pytest.fixture
def table():
    rng = np.random.default_rng(1)
    rows = 200
    return pd.DataFrame(
        {
            "age": rng.normal(size=rows),
            "paid": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
            "empty": np.nan,
            "member": rng.random(rows) < 0.5,
            "city": rng.choice(["Ulm", "Bonn", None], size=rows),
            "street": [f"street {i}" for i in range(rows)],
        }
    )


@pytest.mark.parametrize("learner", LEARNERS)
def test_learns_from_gaps_and_predicts_for_unseen_categories(table, learner):
    target = np.where(table["age"] > 0, "yes", "no")
    with threadpool_limits(1):  # threads of many tests that wait for each other
        model = tabular_classifier(table, learner=learner, random_state=1).fit(table, target)
        predicted = model.predict(table.assign(city="Rome", street="elsewhere"))
    assert np.mean(predicted == target) > 0.9


def test_same_seed_same_model(table):
    target = table["age"] + np.random.default_rng(2).normal(size=len(table)) > 0
    first, second = (
        tabular_classifier(table, learner="random_forest", random_state=3).fit(table, target) for _ in range(2)
    )
    np.testing.assert_array_equal(first.predict_proba(table), second.predict_proba(table))


def test_unknown_learner_is_named_with_the_known_ones(table):
    with pytest.raises(InputError, match="did you mean 'random_forest'"):
        tabular_classifier(table, learner="randomforest")


def test_slices_stay_text(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("﻿y,code\n1,007\n0,NA\n1,1e5\n", encoding="utf-8")
    assert list(read_table(path, target="y", slices="code")["code"]) == ["007", "NA", "1e5"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("data.csv", "y,code\n", "0 data rows"),
        ("data.csv", "y,kode\n1,a\n", "did you mean 'kode'"),
        ("data.csv", "y,code\n1,a\n,b\n", "data.csv:3, column 'y'"),
        ("data.csv", "", "0 data rows"),
        ("data.parquet", "no parquet", "not a readable Parquet file"),
        ("data.xlsx", "x", "'.xlsx' is not known"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        read_table(path, target="y", slices="code")


def test_all_missing_columns_at_once(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError) as caught:
        read_table(path, target="y", slices="code")
    assert [p.column for p in caught.value.problems] == ["y", "code"]


@pytest.fixture(scope="module")
def mails():
    """Texts whose class a few words tell, of two slices."""
    rng = np.random.default_rng(3)
    usual = [f"word{i}" for i in range(60)]
    rows = []
    for _ in range(300):
        kind = rng.choice(["spam", "ham"])
        words = [*rng.choice(usual, 9), *rng.choice({"spam": ["prize", "win"], "ham": ["meeting", "minutes"]}[kind], 2)]
        rows.append({"text": " ".join(rng.permutation(words)), "kind": kind, "team": str(rng.choice(["a", "b"]))})
    return pd.DataFrame(rows)


def written(mails, path):
    """The same texts as a table, as JSON lines, and as an export of Label Studio; with the names of their columns."""
    if path.suffix == ".csv":
        mails.to_csv(path, index=False)
        return {"target": "kind", "slices": "team", "texts": "text"}
    if path.suffix == ".jsonl":  # as doccano and Prodigy write
        rows = [{"text": m.text, "label": [m.kind], "meta": {"team": m.team}} for m in mails.itertuples()]
        path.write_text("\n".join(map(json.dumps, rows)))
        return {"target": "label", "slices": "meta.team", "texts": "text"}
    tasks = [
        {"data": {"text": m.text, "team": m.team}, "annotations": [{"result": [{"value": {"choices": [m.kind]}}]}]}
        for m in mails.itertuples()
    ]
    path.write_text(json.dumps(tasks))
    return {"target": "annotations.0.result.0.value.choices", "slices": "data.team", "texts": "data.text"}


@pytest.mark.parametrize("name", ["mails.csv", "mails.jsonl", "mails.json"])
def test_texts_are_learnt_from_a_table_and_from_exports(mails, tmp_path, name):
    columns = written(mails, tmp_path / name)
    table = read_table(tmp_path / name, **columns)
    assert table[columns["target"]].tolist() == mails["kind"].tolist()
    assert table[columns["slices"]].tolist() == mails["team"].tolist()
    texts = table[columns["texts"]]
    runs = lv.simulate_runs(
        learners_of(texts, None, 1)["logistic_regression"],
        texts,
        table[columns["target"]],
        table[columns["slices"]],
        protocol=lv.Protocol(
            sizes=[40, 200], replicates=1, test_size=0.3, strategies=["random", "margin", "diversity"], random_state=1
        ),
        execution=lv.Execution(progress=False),
    ).to_dataframe()
    assert set(runs["strategy"]) == {"random", "margin", "diversity"}
    error = runs.assign(size=runs["labels"] + runs["other_labels"]).groupby("size")["error"].mean()
    assert error.iloc[-1] < 0.05 < error.iloc[0], "words are learnt, and more of them from more labels"


def test_free_text_is_refused_by_a_learner_of_tables(mails):
    with pytest.raises(InputError, match=r"free text.*--text text"):
        tabular_classifier(mails[["text", "team"]])
    with pytest.raises(InputError, match="unknown learner of texts 'random_forest'"):
        text_classifier(learner="random_forest")


def test_a_learner_of_ones_own_is_imported_by_name(mails):
    made = learners_of(mails["text"], ["sklearn.dummy:DummyClassifier"], None)
    assert made["sklearn.dummy:DummyClassifier"].fit(mails["text"], mails["kind"]).predict(["x"]).size == 1
    with pytest.raises(InputError, match="No module named 'nothing'"):
        learners_of(mails["text"], ["nothing:here"], None)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"text": "a b", "label": ["x", "y"], "team": "a"}, "a list of 2 here"),
        ({"text": "a b", "team": "a"}, "no value here"),
        ({"text": {"de": "a"}, "label": "x", "team": "a"}, "an object with de here"),
    ],
)
def test_what_is_wrong_in_json_is_said(tmp_path, record, said):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"text": "c d", "label": "x", "team": "b"}) + "\n" + json.dumps(record))
    with pytest.raises(InputError, match=said) as caught:
        read_table(path, target="label", slices="team", texts="text")
    assert caught.value.problems[0].line == 2


def test_what_names_the_rows_is_left_out_and_said(tmp_path, capsys):
    """An id is a category of its own in each row: nothing that it tells holds of another row."""
    rng = np.random.default_rng(7)
    ids = pd.DataFrame({"age": rng.normal(size=120), "id": [f"v{i:03d}" for i in range(120)]})
    target = np.where(ids["age"] > 0, "yes", "no")
    model = tabular_classifier(ids, learner="logistic_regression").fit(ids, target)
    assert model[:-1].get_feature_names_out().tolist() == ["numbers__age"]
    only = tabular_classifier(ids[["id"]], learner="logistic_regression").fit(ids[["id"]], target)
    assert only.predict(ids[["id"]]).size == 120, "where nothing else is there it is all there is"
    ids.assign(kind=target, place=np.where(np.arange(120) % 2, "a", "b")).to_csv(tmp_path / "data.csv", index=False)
    asked = ["simulate", str(tmp_path / "data.csv"), "--target", "kind", "--slice", "place", "--sizes", "20,40"]
    asked += ["--learner", "logistic_regression", "--replicates", "2", "--random-seed", "1"]
    assert cli.main([*asked, "--out", str(tmp_path / "runs.csv")]) == 0
    assert "note: column 'id' names the rows; nothing is learnt from it" in capsys.readouterr().out
