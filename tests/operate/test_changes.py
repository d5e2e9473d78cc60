"""Why the advice changed: every difference by itself, and all of them together the whole."""

import pandas as pd
import pytest

from labelvalue import InputError, Project, testing
from labelvalue.operate.history.changes import as_forecast
from labelvalue.operate.store.identity import code_version
from tests.operate.conftest import CASE, QUIET, configure, put_case

SOBER = QUIET + "[triggers]\nsurprise = 1e-6\n"
"""A limit that the second batch keeps (its p-value is 1e-4), and one with twice its errors does not."""

CALM = SOBER.replace("1e-6", "1e-300")


def whole(table, quantity, name):
    rows = table[(table["quantity"] == quantity) & (table["slice"] == name)]
    return rows["before"].iloc[0], rows["after"].iloc[-1], rows["change"].sum()


def test_a_change_needs_two(fitted):
    with pytest.raises(InputError, match="1 fit published; a change needs two"):
        fitted.explain(progress=False)


def test_every_difference_has_its_step_and_they_add_up(decided, sampler, second, monkeypatch):
    monkeypatch.setattr("labelvalue.operate.refit.refit.code_version", lambda: code_version() | {"source": "other"})
    prior = "[priors.churn]\ndistribution='logitnormal'\ncenter=0.1\nspread=1.0\n[fit]\nrandom_seed = 5\n"
    other = CASE.replace("price_per_label = 0.1", "price_per_label = 0.4").replace("= 400", "= 900")
    put_case(decided, other, more=prior)
    result = decided.add(second, batch="b").refit(progress=False)
    fits = len(sampler.calls)
    table = decided.explain(budget=500, progress=False)
    assert list(dict.fromkeys(table["step"])) == [
        "code", "data", "drift", "priors", "settings", "price", "case"]  # fmt: skip
    assert len(sampler.calls) - fits == 4, "the last fit is at hand"
    old, new = (record.content for record in decided.ledger.records("advice"))
    before, after, change = whole(table, "net_benefit", "")
    assert (before, after) == (old["net_benefit"]["mean"], new["net_benefit"]["mean"])
    assert change == pytest.approx(after - before)
    for name, count in new["plan"].items():
        before, after, change = whole(table, "labels", name)
        assert (before, after) == (old["plan"][name], count)
        assert change == count - before
    assert table.attrs == {"budget": 500, "fits": [old["fit"], result.fit]}


def test_steps_of_the_case_need_no_fit(decided, sampler):
    put_case(decided, CASE.replace("price_per_label = 0.1", "price_per_label = 4"))
    decided.refit(progress=False)
    table = decided.explain(progress=False)
    assert set(table["step"]) == {"price"}
    assert sampler.calls == []
    assert (table[table["quantity"] == "gain"]["change"] == 0).all(), "a price moves no curve"
    assert (table[table["quantity"] == "net_benefit"]["change"] < 0).all()
    put_case(decided, CASE.replace("per_error_point = 400", "per_error_point = 900"))
    decided.refit(progress=False)
    assert set(decided.explain(progress=False)["step"]) == {"price", "case"}
    then = decided.ledger.records("advice")[1].number
    assert decided.explain(at=then, progress=False).equals(table)


def test_a_new_learner_is_told_from_new_labels(project, sampler, first, second):
    configure(project, CALM)
    project.add(first, batch="a").refit(progress=False)
    both = testing.fake_runs(seed=1, learners=("default", "new"), sizes=(16000,), replicates=2)
    project.add(both, batch="b")
    made = Project.open(project.folder).refit(progress=False)
    table = project.explain(budget=500, progress=False)
    assert made.new
    # the stand-in for the sampler knows one learner, so the later fit does not say that there are two
    assert set(table["step"]) == {"data"}


def test_a_learner_is_a_step_of_its_own(project, sampler, first, monkeypatch):
    fits = {("default",): testing.fake_fit(seed=1, draws=100),
            ("default", "new"): testing.fake_fit(seed=2, learners=("default", "new"), draws=100),
            ("new",): testing.fake_fit(seed=2, learners=("new",), draws=100)}  # fmt: skip
    asked = []

    def fit(place, runs, spec, *, memory_gb, minutes=None, progress, checkpoint=None):
        asked.append(tuple(sorted({*runs["learner"].values.tolist()})))
        return fits[asked[-1]]

    monkeypatch.setattr("labelvalue.operate.refit.subprocess_fit.fit_in_subprocess", fit)
    configure(project, CALM)
    project.add(first, batch="a").refit(progress=False)
    project.add(testing.fake_runs(seed=1, learners=("default", "new"), sizes=(16000,), replicates=2), batch="b")
    project.refit(progress=False)
    asked.clear()
    table = project.explain(budget=500, progress=False)
    assert list(dict.fromkeys(table["step"])) == ["data", "learner"]
    assert asked == [("default",)], "new labels of the learner that was there, first"


def columns(runs):
    return runs.to_dataframe()[["slice", "labels", "other_labels", "replicate", "errors", "trials"]]


def test_p6_a_surprise_is_split_into_what_was_forecast_and_drift(project, sampler, first, second):
    configure(project, SOBER)
    project.add(first, batch="a").refit(progress=False)
    raised = columns(second).assign(errors=lambda t: (t["errors"] * 2).clip(upper=t["trials"]))
    project.add(raised, batch="b").refit(progress=False)
    fits = len(sampler.calls)
    table = project.explain(budget=500, progress=False)
    assert list(dict.fromkeys(table["step"])) == ["data", "drift"]
    assert len(sampler.calls) == fits + 1
    expected = sampler.calls[-1]["runs"].to_dataframe().query("batch == 'b'").groupby("slice")[["errors", "trials"]]
    measured = raised.groupby("slice")[["errors", "trials"]].sum()
    forecast = project.ledger.records("forecast")[-2].content
    assert forecast["of"] == "batch"
    for cell in forecast["cells"]:
        counts = expected.sum().loc[cell["slice"]]
        assert counts["errors"] / counts["trials"] == pytest.approx(cell["quantiles"]["0.5"], abs=2e-3)
        assert counts["errors"] < measured.loc[cell["slice"], "errors"]
    before, after, change = whole(table, "gain", "west")
    assert change == pytest.approx(after - before)


def test_p6_drift_that_was_mended_is_taken_back_before_the_new_data(project, sampler, first, second):
    configure(project, SOBER)
    project.add(first, batch="a").refit(progress=False)
    raised = columns(second).assign(errors=lambda t: (t["errors"] * 2).clip(upper=t["trials"]))
    project.add(raised, batch="b").refit(progress=False)
    project.add(second, batch="b", supersede=True).refit(progress=False)
    table = project.explain(budget=500, progress=False)
    assert list(dict.fromkeys(table["step"])) == ["drift", "data"]


def test_p6_values_are_moved_towards_the_forecast_and_stay_legal():
    table = pd.DataFrame({"slice": ["w", "w", "e"], "learner": "a", "suite": "holdout", "value": [0.8, 0.1, 0.5]})
    metric = {"direction": "higher", "bounds": [0.0, 1.0]}
    moved = as_forecast(table, metric, {("w", "a", "holdout"): 2.0})["value"]
    assert moved.tolist() == pytest.approx([0.6, 0.0, 0.5])
    lower = as_forecast(table, {"direction": "lower", "bounds": [0.0, None]}, {("w", "a", "holdout"): 0.5})["value"]
    assert lower.tolist() == pytest.approx([0.4, 0.05, 0.5])
