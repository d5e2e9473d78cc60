"""Why the advice changed: every difference by itself, and all of them together the whole."""

from __future__ import annotations

import pytest

from labelvalue import InputError, testing
from labelvalue.operate import Project
from tests.operate.conftest import QUIET, configure
from tests.operate.test_advice import CASE, put_case


def whole(table, quantity, name):
    rows = table[(table["quantity"] == quantity) & (table["slice"] == name)]
    return rows["before"].iloc[0], rows["after"].iloc[-1], rows["change"].sum()


def test_a_change_needs_two(project, first):
    project.add(first, batch="a").refit(progress=False)
    with pytest.raises(InputError, match="1 fit published; a change needs two"):
        project.explain(progress=False)


def test_every_difference_has_its_step_and_they_add_up(project, sampler, first, second, monkeypatch):
    put_case(project)
    project.add(first, batch="a").refit(progress=False)
    monkeypatch.setattr("labelvalue.operate.refit.code_version", lambda: {"source": "other"})
    prior = "[priors.churn]\ndistribution='logitnormal'\ncenter=0.1\nspread=1.0\n[fit]\nrandom_seed = 5\n"
    other = CASE.replace("price_per_label = 0.1", "price_per_label = 0.4").replace("= 400", "= 900")
    put_case(project, other, more=prior)
    result = project.add(second, batch="b").refit(progress=False)
    fits = len(sampler.calls)
    table = project.explain(budget=500, progress=False)
    assert list(dict.fromkeys(table["step"])) == ["code", "data", "priors", "settings", "price", "case"]
    assert len(sampler.calls) - fits == 3, "the last fit is at hand"
    old, new = (record.content for record in project.ledger.records("advice"))
    before, after, change = whole(table, "net_benefit", "")
    assert (before, after) == (old["net_benefit"]["mean"], new["net_benefit"]["mean"])
    assert change == pytest.approx(after - before)
    for name, count in new["plan"].items():
        before, after, change = whole(table, "labels", name)
        assert (before, after) == (old["plan"][name], count)
        assert change == count - before
    assert table.attrs == {"budget": 500, "fits": [old["fit"], result.fit]}


def test_steps_of_the_case_need_no_fit(project, sampler, first):
    put_case(project)
    project.add(first, batch="a").refit(progress=False)
    put_case(project, CASE.replace("price_per_label = 0.1", "price_per_label = 4"))
    project.refit(progress=False)
    table = project.explain(progress=False)
    assert set(table["step"]) == {"price"}
    assert len(sampler.calls) == 1
    assert (table[table["quantity"] == "gain"]["change"] == 0).all(), "a price moves no curve"
    assert (table[table["quantity"] == "net_benefit"]["change"] < 0).all()
    put_case(project, CASE.replace("per_error_point = 400", "per_error_point = 900"))
    project.refit(progress=False)
    assert set(project.explain(progress=False)["step"]) == {"price", "case"}
    then = project.ledger.records("advice")[1].number
    assert project.explain(at=then, progress=False).equals(table)


def test_a_new_learner_is_told_from_new_labels(project, sampler, first, second):
    configure(project, QUIET)
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

    def fit(place, runs, spec, *, memory_gb, progress):
        asked.append(tuple(sorted({*runs["learner"].values.tolist()})))
        return fits[asked[-1]]

    monkeypatch.setattr("labelvalue.operate.apart.fit_apart", fit)
    project.add(first, batch="a").refit(progress=False)
    project.add(testing.fake_runs(seed=1, learners=("default", "new"), sizes=(16000,), replicates=2), batch="b")
    project.refit(progress=False)
    asked.clear()
    table = project.explain(budget=500, progress=False)
    assert list(dict.fromkeys(table["step"])) == ["data", "learner"]
    assert asked == [("default",)], "new labels of the learner that was there, first"
