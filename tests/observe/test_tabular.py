"""Labelled tables as they come: read with slices as text, and learnt from with gaps and rare categories."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelvalue.observe.simulate.tabular import LEARNERS, read_table, tabular_classifier
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
    model = tabular_classifier(table, learner=learner, random_state=1).fit(table, target)
    other = table.assign(city="Rome", street="elsewhere")
    assert np.mean(model.predict(other) == target) > 0.9


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
