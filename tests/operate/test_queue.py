"""The very items to label next: as many as the plan says, by the strategy that pays, in files that tools import."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.linear_model import LogisticRegression

import labelvalue as lv
from labelvalue import cli, names
from labelvalue.label_quality import read_annotations
from labelvalue.observe.simulate.learners import text_classifier
from tests.fits import altered
from tests.operate.conftest import CASE, put_case

ROWS, LABELLED = 1200, 120


@pytest.fixture(scope="module")
def decision():
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, slices={"west": {"minimum": 20}})
    return lv.decide(lv.testing.fake_fit(seed=1), case, max_labels=120, measure=False)


@pytest.fixture(scope="module")
def pool(decision):
    """Items of two classes that a line parts; the first are labelled."""
    rng = np.random.default_rng(5)
    X = pd.DataFrame(rng.normal(size=(ROWS, 2)), columns=["a", "b"], index=[f"id{i}" for i in range(ROWS)])
    y = np.where(np.arange(ROWS) < LABELLED, np.where(X["a"] > 0, "yes", "no"), None)
    return X, y, rng.choice([str(name) for name in decision.fit.slices], ROWS)


def with_efficiency(decision, level):
    """The decision with a fit in which margin is worth so many random labels in the first slice, and half elsewhere."""
    fit = decision.fit
    like = xr.ones_like(fit.posterior[names.ERROR_REFERENCE]).expand_dims({names.STRATEGY: ["margin"]}, axis=-1)
    first = xr.where(fit.posterior[names.SLICE] == str(fit.slices[0]), level, 0.5)
    posterior = fit.posterior.assign({names.EFFICIENCY: like * first, names.EFFICIENCY_TREND: 0.0 * like})
    return dataclasses.replace(decision, fit=altered(fit, posterior=posterior))


def test_as_many_as_the_plan_says_none_labelled_none_twice(decision, pool):
    X, y, slices = pool
    found = lv.queue(decision, LogisticRegression(), X, y, slices)
    assert found["slice"].value_counts().to_dict() == {name: n for name, n in decision.labels.items() if n}
    assert found["item"].is_unique
    assert not set(found["item"]) & set(X.index[:LABELLED])
    here = pd.Series(slices, X.index)[found["item"]].to_numpy()
    assert (here == found["slice"]).all()
    assert (found.groupby("slice")["rank"].apply(list).map(lambda r: r == list(range(1, len(r) + 1)))).all()
    np.testing.assert_array_equal(found["a"], X.loc[found["item"], "a"])


def test_the_strategy_that_pays_chooses_where_it_pays_and_luck_elsewhere(decision, pool):
    X, y, slices = pool
    wanted = {str(name): 30 for name in decision.fit.slices}
    first = next(iter(wanted))
    found = lv.queue(with_efficiency(decision, 1.5), LogisticRegression(), X, y, slices, wanted=wanted)
    ways = found.groupby("slice")["strategy"].first().to_dict()
    assert ways == {name: "margin" if name == first else "random" for name in wanted}
    distance = found["a"].abs().groupby(found["slice"]).mean()
    assert distance[first] < 0.4 * distance.drop(first).min(), "margin asks for items near the line"
    assert any(note.startswith(f"{first}: margin; a label of margin is worth 1.50") for note in found.attrs["notes"])
    again = lv.queue(with_efficiency(decision, 0.9), LogisticRegression(), X, y, slices, wanted=wanted)
    assert set(again["strategy"]) == {"random"}


def test_what_may_not_be_labelled_is_not_queued_and_a_short_pool_is_said(decision, pool):
    X, y, slices = pool
    allowed = np.arange(ROWS) < LABELLED + 20
    found = lv.queue(decision, LogisticRegression(), X, y, slices, allowed=allowed, wanted={"west": 50})
    assert set(found["item"]) <= set(X.index[LABELLED : LABELLED + 20])
    assert any("items can be labelled, 50 are wanted" in note for note in found.attrs["notes"])


def test_a_pilot_is_queued_where_it_comes_first_and_nothing_where_to_wait(decision, pool):
    X, y, slices = pool
    pilot = {"kind": "pilot batch", "slice": "west", "size": 7, "enbs": 1.0}
    told = dataclasses.replace(decision.verdict, advice="measure first", pilot=pilot)
    first = dataclasses.replace(decision, verdict=told)
    assert lv.queue(first, LogisticRegression(), X, y, slices)["slice"].tolist() == ["west"] * 7
    wait = dataclasses.replace(decision, verdict=dataclasses.replace(decision.verdict, advice="wait"))
    with pytest.raises(lv.InputError, match="the decision is to wait"):
        lv.queue(wait, LogisticRegression(), X, y, slices)


def test_what_is_wrong_is_said(decision, pool):
    X, y, slices = pool
    with pytest.raises(lv.InputError, match="unknown slice 'wets'; did you mean 'west'"):
        lv.queue(decision, LogisticRegression(), X, y, slices, wanted={"wets": 3})
    with pytest.raises(lv.InputError, match="no item is labelled"):
        lv.queue(decision, LogisticRegression(), X, np.full(ROWS, None), slices)
    with pytest.raises(lv.InputError, match="stands twice"):
        lv.queue(decision, LogisticRegression(), X, y, slices, items=["a"] * ROWS)
    with pytest.raises(lv.InputError, match="unknown format 'labelstudio'"):
        lv.plans.write_queue(pd.DataFrame(), "x", "labelstudio")


def annotated(format, path):
    """What the tool's export looks like once somebody answered every task."""
    if format == "csv":
        pd.read_csv(path).assign(label="yes").to_csv(path, index=False)
        return "slice", {}
    if format == "label-studio":
        tasks = json.loads(path.read_text())
        result = [{"type": "choices", "value": {"choices": ["yes"]}}]
        done = [
            {"id": i, **t, "annotations": [{"id": i, "completed_by": 1, "result": result}]} for i, t in enumerate(tasks)
        ]
        path.write_text(json.dumps(done))
        return "data.slice", {}
    if format == "argilla":
        answer = {"label": [{"value": "yes", "user_id": "u", "status": "submitted"}]}
        path.write_text(json.dumps([r | {"responses": answer} for r in json.loads(path.read_text())]))
        return "metadata.slice", {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    if format == "doccano":
        path.write_text("\n".join(json.dumps({"id": i, **r, "label": ["yes"]}) for i, r in enumerate(rows)))
        return "slice", {}
    told = {
        "answer": "accept",
        "accept": ["yes"],
        "options": [{"id": "yes"}],
        "_view_id": "choice",
        "_timestamp": 1760000000,
    }
    path.write_text("\n".join(json.dumps({**r, "_input_hash": i, "_task_hash": i, **told}) for i, r in enumerate(rows)))
    return "meta.slice", {}


@pytest.mark.parametrize("format", ["label-studio", "argilla", "doccano", "prodigy", "csv"])
def test_a_queue_goes_through_the_tool_and_comes_back_slice_by_slice(decision, pool, tmp_path, format):
    X, y, slices = pool
    found = lv.queue(decision, LogisticRegression(), X, y, slices)
    path = tmp_path / ("queue.csv" if format == "csv" else "queue.json")
    lv.plans.write_queue(found, path, format)
    where, more = annotated(format, path)
    back = read_annotations(path, format, slice=where, batch_date="2026-03-02", keep_annotators=True, **more)
    assert back.attrs["labels"] == found["slice"].value_counts().to_dict()
    assert set(back["label"]) == {"yes"}


def command(decision, pool, tmp_path) -> list[str]:
    """Write fit, case and items, and ask for a queue of them."""
    X, y, slices = pool
    decision.fit.save(tmp_path / "fit.nc")
    (tmp_path / "case.toml").write_text("[costs]\nprice_per_label = 0.1\n[value]\nper_error_point = 400\n")
    X.assign(kind=y, region=slices, name=X.index).to_csv(tmp_path / "items.csv", index=False)
    files = [str(tmp_path / name) for name in ("fit.nc", "items.csv", "case.toml")]
    columns = ["--target", "kind", "--slice", "region", "--item", "name", "--learner", "logistic_regression"]
    return ["queue", *files[:2], "--case", files[2], *columns]


def test_the_command_writes_what_the_plan_says(decision, pool, tmp_path, capsys):
    X, asked = pool[0], command(decision, pool, tmp_path)
    asked += ["--max-labels", "120", "--out", str(tmp_path / "tasks.json"), "--json"]
    assert cli.main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    tasks = [task["data"] for task in json.loads((tmp_path / "tasks.json").read_text())]
    assert sum(told["items"].values()) == len(tasks) == 120
    assert {task["item"] for task in tasks} <= set(X.index[LABELLED:])
    assert all(X.loc[task["item"], "a"] == pytest.approx(task["a"]) for task in tasks)


def test_nothing_is_queued_from_a_fit_that_is_not_ok(pool, tmp_path, capsys):
    """As 'labelvalue plan' publishes no decision on it."""
    X, y, slices = pool
    lv.testing.fake_fit(seed=1, verdict="flagged").save(tmp_path / "fit.nc")
    (tmp_path / "case.toml").write_text("[costs]\nprice_per_label = 0.1\n[value]\nper_error_point = 400\n")
    X.assign(kind=y, region=slices).to_csv(tmp_path / "items.csv", index=False)
    asked = ["queue", str(tmp_path / "fit.nc"), str(tmp_path / "items.csv"), "--case", str(tmp_path / "case.toml")]
    assert cli.main([*asked, "--target", "kind", "--slice", "region", "--out", str(tmp_path / "tasks.json")]) == 2
    assert not (tmp_path / "tasks.json").exists()


def test_the_command_keeps_to_what_may_be_labelled(decision, pool, tmp_path, capsys):
    X, y, slices = pool
    decision.fit.save(tmp_path / "fit.nc")
    (tmp_path / "case.toml").write_text("[costs]\nprice_per_label = 0.1\n[value]\nper_error_point = 400\n")
    may = np.where(np.arange(ROWS) % 2, "yes", "no")
    X.assign(kind=y, region=slices, name=X.index, consent=may).to_csv(tmp_path / "items.csv", index=False)
    asked = ["queue", str(tmp_path / "fit.nc"), str(tmp_path / "items.csv"), "--case", str(tmp_path / "case.toml")]
    asked += ["--target", "kind", "--slice", "region", "--item", "name", "--max-labels", "120", "--format", "csv"]
    asked += ["--learner", "logistic_regression", "--out", str(tmp_path / "tasks.csv"), "--allowed"]
    assert cli.main([*asked, "consent"]) == 0
    found = pd.read_csv(tmp_path / "tasks.csv")
    assert set(found["item"]) <= set(X.index[1::2])
    assert "consent" not in found, "the model does not learn from it"
    capsys.readouterr()
    assert cli.main([*asked, "region"]) == 1
    assert "row 1 says neither yes nor no" in capsys.readouterr().err
    assert cli.main([*asked, "agreed"]) == 1
    assert "no such column" in capsys.readouterr().err


APPROVAL = '[[approvals]]\napprover = "board"\nabove = 1\n'


def test_a_queue_from_a_project_is_that_of_its_recorded_advice(decided, pool, tmp_path, capsys, monkeypatch):
    X, y, slices = pool
    X.assign(kind=y, region=slices).to_csv(tmp_path / "items.csv", index=False)
    out = tmp_path / "tasks.csv"
    asked = ["queue", str(decided.folder), str(tmp_path / "items.csv"), "--target", "kind", "--slice", "region"]
    asked += ["--learner", "logistic_regression", "--format", "csv", "--out", str(out)]

    def searched(*args, **how):
        raise AssertionError("a second search")

    (told,) = decided.ledger.records("advice")
    monkeypatch.setattr("labelvalue.decisions.advice.deciding.decide", searched)
    monkeypatch.setattr("labelvalue.operate.refit.advice.decide", searched)
    assert cli.main(asked) == 0
    free = pd.Series(slices[LABELLED:]).value_counts()
    wanted = {name: min(n, free[name]) for name, n in told.content["plan"].items() if n}
    assert pd.read_csv(out)["slice"].value_counts().to_dict() == wanted
    made = lv.queue(decided, LogisticRegression(), X, y, slices)
    assert made["slice"].value_counts().to_dict() == wanted
    assert cli.main([*asked, "--case", str(decided.folder / "case.toml"), "--max-labels", "9"]) == 1
    assert capsys.readouterr().err.count("a project says it itself") == 2
    monkeypatch.undo()

    put_case(decided, CASE + APPROVAL)
    assert cli.main(asked) == 1, "the case is another than that of the advice"
    assert "labelvalue refit" in capsys.readouterr().err
    decided.refit(progress=False)
    out.unlink()
    assert cli.main(asked) == 3
    assert "approval of 'board' is missing" in capsys.readouterr().out
    assert not out.exists()
    decided.decide("buy", approver="Board")
    assert cli.main(asked) == 0
    assert out.exists()


@pytest.mark.parametrize("blank", ["", "  ", float("nan")])
def test_a_label_of_blanks_is_none(decision, pool, blank):
    """A spreadsheet's empty cells come as texts: their items are those to label, and no class."""
    X, y, slices = pool
    given = np.where(np.arange(ROWS) < LABELLED, y, blank).astype(object)
    given[LABELLED:] = blank
    model = LogisticRegression()
    found = lv.queue(decision, model, X, given, slices)
    pd.testing.assert_frame_equal(found, lv.queue(decision, model, X, y, slices))


def test_classes_that_are_one_but_for_blanks_are_refused(decision, pool):
    X, y, slices = pool
    given = y.copy()
    given[3] = f"{given[3]} "
    said = rf"row 3.*'{y[3]} '.*but for blanks around it.*str\.strip"
    with pytest.raises(lv.InputError, match=said):
        lv.queue(decision, LogisticRegression(), X, given, slices)
    with pytest.raises(lv.InputError, match=said):
        lv.simulate_runs(LogisticRegression(), X[:LABELLED], given[:LABELLED], slices[:LABELLED])


def test_a_queue_named_csv_is_a_table(decision, pool, tmp_path):
    asked = command(decision, pool, tmp_path)
    assert cli.main([*asked, "--max-labels", "40", "--out", str(tmp_path / "tasks.csv")]) == 0
    assert set(pd.read_csv(tmp_path / "tasks.csv")["item"]) <= set(pool[0].index[LABELLED:])


COPIES, WANTED = 8, 20


def near_copies(kind, rng):
    """Items each there many times, but for a trifle; what a model is least sure of is among them."""
    if kind == "texts":
        words = np.array([f"w{i:03d}" for i in range(300)])
        own = [list(rng.choice(words, 14, replace=False)) for _ in range(ROWS // COPIES)]
        texts = [" ".join([*own[i // COPIES][:13], words[i % 300]]) for i in range(ROWS)]
        return pd.Series(texts), np.array([f"{own[i // COPIES][0]}" > "w150" for i in range(ROWS)])
    centres = rng.normal(size=(ROWS // COPIES, 4))
    X = np.repeat(centres, COPIES, axis=0) + 1e-3 * rng.normal(size=(ROWS, 4))
    return X, X[:, 0] > 0


@pytest.mark.parametrize("kind", ["numbers", "texts"])
@pytest.mark.parametrize("way", ["margin", "committee"])
def test_near_duplicates_of_one_another_are_not_all_queued(decision, kind, way):
    rng = np.random.default_rng(3)
    X, yes = near_copies(kind, rng)
    group, model = np.arange(ROWS) // COPIES, LogisticRegression() if kind == "numbers" else text_classifier()
    labelled = rng.choice(ROWS, LABELLED, replace=False)
    y = np.full(ROWS, None, dtype=object)
    y[labelled] = np.where(yes[labelled], "yes", "no")
    of = with_efficiency(decision, 1.5)
    posterior = of.fit.posterior.assign_coords({names.STRATEGY: [way]})
    of = dataclasses.replace(of, fit=altered(of.fit, posterior=posterior))
    first = str(of.fit.slices[0])
    found = lv.queue(of, model, X, y, np.full(ROWS, first), wanted={first: WANTED})
    assert set(found["strategy"]) == {way}
    assert np.unique(group[found["item"].astype(int)]).size == WANTED
    every = lv.queue(of, model, X, y, np.full(ROWS, first), wanted={first: ROWS - LABELLED})
    assert set(every["item"]) == set(np.flatnonzero(pd.isna(y))), "where all are wanted all are there"
