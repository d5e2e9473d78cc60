"""A round on one's own model: train, add, fit again and decide in one call; what came beside what was promised."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import labelvalue as lv
from labelvalue import Execution, InputError, Protocol, cli, testing

TRAINED = {"execution": Execution(progress=False)}
QUIET = TRAINED | {"progress": False}
PROTOCOL = Protocol(sizes=[60, 120, 200], replicates=2, test_size=0.3, random_state=1)


@pytest.fixture(scope="module")
def data():
    """Items of four slices whose class many features tell, the first 300 of them labelled; and a test set."""
    rng = np.random.default_rng(4)
    X, slices = rng.normal(size=(2400, 12)), rng.choice(testing.SLICES, 2400)
    y = np.where(X.sum(axis=1) + 2 * rng.normal(size=2400) > 0, "yes", "no").astype(object)
    test = X[1800:], y[1800:], slices[1800:]
    seen = np.where(np.arange(1800) < 300, y[:1800], None)
    return X[:1800], y[:1800], seen, slices[:1800], test


def test_two_rounds_and_what_came_between(project, data):
    X, y, seen, slices, test = data
    result = project.next_round(LogisticRegression(), X, seen, slices, protocol=PROTOCOL, cost=12.5, **QUIET)
    (batch,) = project.ledger.records("batch")
    assert (batch.content["batch"], batch.content["cost"]) == ("round 1", 12.5)
    assert result.new
    lines = str(result).splitlines()
    assert lines[0] == f"new fit {result.fit}, verdict ok"
    assert len(lines) <= 16, "a dozen or so"
    assert max(map(len, lines)) <= 80
    assert result._repr_html_().startswith(f"<p><strong>{lines[0]}</strong></p><ul><li>")
    assert repr(result) == f"<labelvalue.Refit {result.fit!r}: verdict 'ok'>"
    now = pd.Series(slices[:300]).value_counts()
    more = np.where(np.arange(1800) < 900, y, None)
    found = project.realised(LogisticRegression(), X, more, slices, test=test).set_index("slice")
    assert found["labels"].to_dict() == pd.Series(slices[:900]).value_counts().to_dict()
    assert (found["labels"] > now[found.index]).all()
    wrong = LogisticRegression().fit(X[:900], y[:900].astype(str)).predict(test[0]) != test[1]
    for name, row in found.iterrows():
        assert row["before"] - row["came"] == pytest.approx(wrong[test[2] == name].mean())
        assert row["inside"] == (row["lower"] <= row["came"] <= row["upper"])
        assert row["lower"] < row["promised"] < row["upper"]
    assert len(project.ledger.records("batch")) == 1, "nothing is recorded"
    project.next_round(LogisticRegression(random_state=7), X, more, slices, protocol=PROTOCOL, **QUIET)
    assert [r.content["batch"] for r in project.ledger.records("batch")] == ["round 1", "round 2"]
    project.verify()
    other = LogisticRegression(C=0.1)
    with pytest.raises(InputError, match=r"in batch 'round 2', where it was LogisticRegression\(\); now .*\(C=0.1\)"):
        project.next_round(other, X, more, slices, protocol=PROTOCOL, **QUIET)
    with pytest.raises(InputError, match="another learner than in batch"):
        project.realised(other, X, y, slices, test=test)
    runs = [lv.simulate_runs(model, X, y, slices, protocol=PROTOCOL, **TRAINED) for model in (other, {"own": other})]
    with pytest.raises(InputError, match="give the new one a name"):
        project.add(runs[0], batch="other")
    project.add(runs[1], batch="other")


def test_what_is_wrong_is_said(project, data):
    X, _, seen, slices, test = data
    with pytest.raises(InputError, match="no item is labelled"):
        project.next_round(LogisticRegression(), X, np.full(1800, None), slices, **QUIET)
    with pytest.raises(InputError, match="no published fit that saw fewer labels"):
        project.realised(LogisticRegression(), X, seen, slices, test=test)


def test_the_same_as_commands(project, data, tmp_path, capsys):
    X, y, seen, slices, test = data
    columns = [f"x{i}" for i in range(X.shape[1])]
    for name, labels in {"now": seen, "later": np.where(np.arange(1800) < 900, y, None)}.items():
        frame = pd.DataFrame(X, columns=columns).assign(kind=labels, region=slices)
        frame.to_parquet(tmp_path / f"{name}.parquet")
    pd.DataFrame(test[0], columns=columns).assign(kind=test[1], region=test[2]).to_parquet(tmp_path / "test.parquet")
    asked = [
        "--target", "kind", "--slice", "region", "--learner", "logistic_regression", "--random-seed", "1", "--json",
    ]  # fmt: skip
    folder = str(project.folder)
    assert cli.main(["round", folder, str(tmp_path / "now.parquet"), *asked, "--cost", "9"]) == 0
    assert json.loads(capsys.readouterr().out)["new"]
    assert cli.main(["round", folder, str(tmp_path / "later.parquet"), *asked[:4]]) == 1
    assert "--learner" in capsys.readouterr().err
    assert project.ledger.records("batch")[-1].content["cost"] == 9
    places = [str(tmp_path / "later.parquet"), str(tmp_path / "test.parquet")]
    assert cli.main(["realised", folder, *places, *asked]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["slice"] for row in rows} == set(testing.SLICES)
    assert cli.main(["realised", folder, *places, *asked[:-1]]) == 0
    assert "labels of east now: promised" in capsys.readouterr().out
