"""Advice by the project's case: recorded with its inputs, judged, decided on by a person, made again."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelvalue import InputError, Project, StorageError, cli, names, testing
from labelvalue.operate.refit.advice import again
from labelvalue.report.numbers.tables import default_budgets
from tests.operate.conftest import CASE, QUIET, WITH_CASE, configure, kinds, put_case

OTHER_PRICE = (
    "[[assumptions]]\nid = 'price'\ntext = 't'\nsource = 's'\nif_wrong = 'w'\nkey = 'costs.price_per_label'\n"
    "alternative = 0.05\n"
)


def advice(project):
    return [record.content for record in project.ledger.records("advice")]


def test_advice_is_recorded_with_all_that_it_was_made_from(decided):
    (made,) = advice(decided)
    assert made["fit"] == decided.ledger.records("fit")[0].content["fit"]
    assert made["case"] == CASE
    assert sum(made["plan"].values()) == made["total"] <= 2000
    assert all(count % 100 == 0 for count in made["plan"].values())
    assert (made["advice"], made["state"], made["unit"]) == ("buy", "PASS", "USD")
    assert made["net_benefit"]["low"] < made["net_benefit"]["mean"] < made["net_benefit"]["high"]
    assert made["cost"]["mean"] == pytest.approx(0.1 * made["total"] + 20)


def test_the_same_inputs_make_no_second_record_and_other_ones_do(decided):
    before = kinds(decided)
    assert decided.refit(progress=False).advice["record"] == decided.ledger.records("advice")[0].number
    assert kinds(decided) == before
    put_case(decided, CASE.replace("0.1", "0.2"))
    result = decided.refit(progress=False)
    assert not result.new, "a price is no reason to fit again"
    assert len(advice(decided)) == 2
    assert result.advice["record"] == decided.ledger.records("advice")[1].number
    assert result.advice["reservation"] in " ".join(str(result).split())


def test_no_advice_on_what_did_not_pass_the_gate(project, sampler, first):
    put_case(project)
    sampler.verdict = "flagged"
    result = project.add(first, batch="a").refit(progress=False)
    assert (result.exit_code, result.advice, advice(project)) == (2, None, [])


@pytest.mark.parametrize(
    ("rules", "code", "state"),
    [
        ('[guardrails]\nminimum_gain = { limit = 1e-6, probability = 0.5 }\n', 0, "PASS"),
        ('[guardrails]\nminimum_gain = { limit = 0.5, probability = 0.9 }\n', 3, "STOP"),
        ('[[guardrails.floors]]\nslice = "west"\nerror = 1e-4\n', 3, "STOP"),
    ],
)  # fmt: skip
def test_guardrails_of_the_case_decide_the_exit_code(project, first, rules, code, state, capsys):
    put_case(project, CASE + rules)
    project.add(first, batch="a")
    assert cli.main(["refit", str(project.folder), "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert (found["exit_code"], found["state"]) == (code, state)
    assert found["advice"]["state"] == state
    assert found["advice"]["reasons"]


def test_a_case_that_does_not_belong_costs_no_fit(project, first, sampler):
    put_case(project, CASE + "[value.stakes]\nnowhere = 2\n")
    project.add(first, batch="a")
    with pytest.raises(InputError, match="nowhere"):
        project.refit(progress=False)
    assert (project.published, sampler.calls) == (None, []), "it is refused before the fit"
    put_case(project)
    assert project.refit(progress=False).advice["advice"] == "buy"
    assert len(sampler.calls) == 1


def test_a_case_names_no_module_and_lies_inside(project, first):
    put_case(project, CASE + "model = 'os.system'\n")
    project.add(first, batch="a")
    with pytest.raises(InputError, match="model"):
        project.refit(progress=False)
    configure(project, 'case = "../case.toml"\n' + QUIET)
    with pytest.raises(InputError, match="outside the project"):
        project.refit(progress=False)


def test_an_approval_points_at_the_advice(decided):
    decided.decide("buy", approver="A. Lovelace", comment="as advised")
    content = decided.ledger.records("decision")[0].content
    made = decided.ledger.records("advice")[0]
    assert (content["advice_record"], content["plan"]) == (made.number, made.content["plan"])
    assert content["approver"] == "A. Lovelace"
    assert decided.history()["what"].iloc[-1] == f"buy on advice {made.number}, approved by A. Lovelace: as advised"


def test_a_decision_is_made_again_from_its_inputs(decided, capsys):
    assert len(decided.verify(reproduce=True)) == 64
    assert cli.main(["verify", str(decided.folder), "--reproduce"]) == 0
    assert "made again, the same" in capsys.readouterr().out


def test_a_plan_that_its_inputs_do_not_give_is_found(decided):
    """The whole chain written anew around another plan: only making it again tells."""
    records = decided.ledger.records()
    plan = {name: 2000 - count for name, count in records[-1].content["plan"].items()}
    forged = [(r.kind, dict(r.content) | ({"plan": plan} if r.kind == "advice" else {})) for r in records]
    type(decided.ledger).create(decided.ledger.path, forged)
    decided.verify()
    with pytest.raises(StorageError, match=r"record \d+ \(advice\) cannot be made again: plan differ"):
        decided.verify(reproduce=True)


def test_without_a_case_the_forecast_is_made_again(project, first):
    with pytest.raises(InputError, match="no advice and no forecast"):
        project.verify(reproduce=True)
    project.add(first, batch="a").refit(progress=False)
    project.verify(reproduce=True)


def test_assumptions_say_what_changes(project, first):
    more = (
        "[[assumptions]]\nid = 'price'\ntext = 'ten cents a label'\nsource = 'contract'\nif_wrong = 'Less is bought.'\n"
        "key = 'costs.price_per_label'\nalternative = 500\n"
        "[[assumptions]]\nid = 'same-task'\ntext = 'same sources'\nsource = 'A.'\nif_wrong = 'Measure anew.'\n"
    )
    put_case(project, more=more)
    result = project.add(first, batch="a").refit(progress=False)
    (tested,) = result.advice["assumptions"]
    assert (tested["advice"], tested["changes"], sum(tested["plan"].values())) == ("wait", True, 0)
    table = project.assumptions().set_index("id")
    assert table.loc["price", "if_wrong"].startswith(
        "Less is bought. With costs.price_per_label = 500 the advice is wait"
    )
    assert table.loc["same-task", "if_wrong"] == "Measure anew."
    assert table.loc["case/costs.price_per_label", "value"] == 0.1
    assert not (table["if_wrong"] == "not tested").any(), "what was not tested says why"
    assert table.loc["case/costs.retraining", "if_wrong"].startswith("÷ 2")
    assert table.loc["case/currency", "if_wrong"] == "not tested: it names, chooses or asks, and is no number"
    assert table.loc["case/value.drift", "value"] == "0", "what the case takes for granted where it says nothing"
    assert table.loc["prior/floor_mean", "source"]


def test_scores_and_assets_are_in_money(decided, second):
    decided.add(second, batch="b", cost=300.0)
    card = decided.scorecard()
    unit = 400 / 0.01
    assert card["bias_money"].tolist() == pytest.approx((card["bias"] * unit).tolist())
    table = decided.assets()
    before, after = (table[table["batch"] == name] for name in "ab")
    assert set(before["cost_from"]) == {"case"}
    assert before["cost"].tolist() == pytest.approx((0.1 * before["labels"]).tolist())
    assert set(after["cost_from"]) == {"ledger"}
    assert after["cost"].sum() == pytest.approx(300.0)
    assert after["promised"].notna().all()
    assert table.attrs["total"]["cost"] == pytest.approx(0.1 * before["labels"].sum() + 300)
    assert table.attrs["total"]["delivered"] == pytest.approx(after["delivered"].sum())
    labels = table.groupby("slice")["labels"].sum()
    runs = decided.runs[["slice", "labels"]].to_dataframe().groupby("slice")["labels"].max()
    pd.testing.assert_series_equal(labels, runs, check_dtype=False)


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf"), "ten"])
def test_costs_that_are_no_money(project, first, cost):
    with pytest.raises(InputError, match="no amount of money"):
        project.add(first, batch="a", cost=cost)
    assert kinds(project) == ["project"]


@pytest.mark.parametrize(("cost", "state", "code"), [(900.0, "STOP", 3), (100.0, "PASS", 0), (None, "STOP", 3)])
def test_a_cap_on_money(project, first, cost, state, code):
    """What batches cost, by the ledger or by the prices of the case, counts with the plan; so for each alternative."""
    put_case(project, f"{CASE}[guardrails]\nmaximum_spend = {{ limit = 500, spent = 30 }}\n", OTHER_PRICE)
    result = project.add(first, batch="a", cost=cost).refit(progress=False)
    (rule,) = result.advice["guardrails"]
    assert (rule["rule"], result.state, result.exit_code) == ("maximum spend", state, code)
    paid = project.assets().attrs["total"]["cost"] if cost is None else cost
    assert rule["limit"] == pytest.approx(500 - 30 - paid), "what is left"
    assert max(result.advice["cost"]["high"], result.advice["total"] * 0.1) <= max(rule["limit"], 0.0)
    (other,) = result.advice["assumptions"]
    assert (other["advice"], sum(other["plan"].values()) * 0.05 <= max(rule["limit"], 0.0)) == (
        "no plan" if state == "STOP" else "buy", True,
    )  # fmt: skip
    assert project.refit(progress=False).advice["record"] == result.advice["record"], "nothing new, nothing said anew"
    project.verify(reproduce=True)


@pytest.mark.parametrize(("retraining", "fired"), [(0, True), (10_000_000, False)])
def test_training_on_new_labels_is_called_for_where_it_pays(decided, second, retraining, fired):
    put_case(decided, CASE.replace("retraining = 20", f"retraining = {retraining}"))
    decided.add(second, batch="b")
    found = [t for t in decided.ledger.records("check")[-1].content["triggers"] if t["trigger"] == "retraining"]
    assert [t["fired"] for t in found] == [fired]
    assert found[0]["labels"] > 0
    assert 0.0 <= found[0]["value"] <= 1.0


def test_another_aim_is_called_goal_drift(decided):
    assert decided.assets().attrs["warnings"] == []
    put_case(decided, CASE.replace("0.1", "0.3"))
    assert decided.refit(progress=False).notes == (), "a price is no aim"
    put_case(decided, CASE + "[value.stakes]\nwest = 5\n")
    (note,) = decided.refit(progress=False).notes
    assert note.startswith("goal drift: ")
    assert note.endswith("value")


def test_values_are_those_of_the_learner_that_came_last(project, sampler, first, second, monkeypatch):
    from labelvalue import testing

    both = testing.fake_fit(seed=1, learners=("default", "transformer"), draws=100)
    put_case(project)
    project.add(first, batch="a").refit(progress=False)
    newer = second.assign({names.LEARNER: second[names.LEARNER].copy(data=["transformer"] * second.sizes["run"])})
    project.add(newer, batch="b")
    fired = {t["trigger"]: t["fired"] for t in project.ledger.records("check")[-1].content["triggers"]}
    assert fired["new_learner"]
    alone = testing.fake_fit(seed=1, learners=("transformer",), draws=100)

    def fit(place, runs, spec, *, memory_gb, minutes=None, progress, checkpoint=None):
        return both if len({*runs[names.LEARNER].values.tolist()}) > 1 else alone

    monkeypatch.setattr("labelvalue.operate.refit.subprocess_fit.fit_in_subprocess", fit)
    result = project.refit(progress=False)
    assert result.advice["learner"] == "transformer"
    (found,) = [r.content for r in project.ledger.records("check") if r.content["of"] == "learner"]
    assert (found["learner"], found["before"]) == ("transformer", ["default"])
    assert [row["slice"] for row in found["slices"]] == ["east", "north", "south", "west"]
    for row in found["slices"]:
        assert row["share"] == pytest.approx(max(0.0, 1.0 - (row["with"] / row["without"]) ** 2))
    factor = found["carry_over"]
    assert 0.0 < factor["low"] < factor["mean"] < factor["high"] < 1.0
    assert f"an old curve counts {factor['mean']:.2f} in its own" in project.history()["what"].str.cat()
    assert "old runs give" in project.history()["what"].str.cat()
    shown = {}  # what the page is given; that it shows it is tested where pages are
    monkeypatch.setattr(
        "labelvalue.report.render.html.write_report",
        lambda *made, path, **how: [shown.update(how), path.write_text("")],
    )
    configure(project, WITH_CASE)
    project.refit(progress=False)
    (carried,) = shown["context"].carried
    assert carried["slices"] == found["slices"]
    assert carried[names.LABELS] == max(default_budgets(project.published))


def test_the_commands_speak_json_and_fit_a_terminal(decided, second, capsys, tmp_path):
    from labelvalue import write_runs

    decided.add(second, batch="b", cost=10.0).refit(progress=False)
    path = str(decided.folder)
    runs = str(write_runs(second, tmp_path / "b.csv"))
    commands = [["history"], ["assets"], ["assumptions"], ["explain"], ["verify", "--reproduce"], ["refit"],
                ["add", runs], ["decide", "buy", "--approver", "A. Lovelace", "--comment", "so " * 40]]  # fmt: skip
    for name, *rest in commands:
        assert cli.main([name, path, *rest]) == 0, name
        text = capsys.readouterr().out
        assert max(map(len, text.splitlines())) <= 80, text
        assert not re.search(r"\d\.\d{8}", text), "digits that nobody reads"
        assert cli.main([name, path, *rest, "--json"]) == 0
        assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_every_stage_of_a_year_can_be_opened_by_another_process(decided):
    assert Project.open(decided.folder).assets().attrs["total"]["labels"] > 0


def test_p5_money_is_as_wide_as_the_record_of_forecasts_asks_for(decided, second):
    """Two batches of twice the errors, eight forecasts missed: the factor reaches plan, intervals and waterfall."""
    from labelvalue import testing

    decided.refit(progress=False)
    before = advice(decided)[-1]
    for batch, runs in (("b", second), ("c", testing.fake_runs(seed=1, sizes=(32_000,), replicates=3))):
        table = runs.to_dataframe()[["slice", "labels", "other_labels", "replicate", "errors", "trials"]]
        decided.add(table.assign(errors=(2 * table["errors"]).clip(upper=table["trials"])), batch=batch)
    result = decided.refit(progress=False)
    factor = result.calibration["factor"]
    made = advice(decided)[-1]
    assert before["settings"]["width"] == 1.0
    assert made["settings"]["width"] == factor > 1.5
    plain = again(decided.published, made | {"settings": made["settings"] | {"width": 1.0}})
    assert made["total"] == plain["total"] == 2000, "all that may be bought is bought, here and there"
    moved = [abs(made["plan"][name] - n) for name, n in plain["plan"].items()]
    assert max(moved) <= 100, "one lot at most goes elsewhere"
    wide, narrow = (found["net_benefit"]["high"] - found["net_benefit"]["low"] for found in (made, plain))
    assert wide == pytest.approx(factor * narrow, rel=0.15)
    forecast = [r.content for r in decided.ledger.records("forecast") if r.content["of"] == "gain"][-1]
    spread = {key: np.array([c[key]["0.95"] - c[key]["0.05"] for c in forecast["cells"]]) for key in
              ("quantiles", "widened")}  # fmt: skip
    assert spread["widened"] == pytest.approx(factor * spread["quantiles"], rel=0.15)
    decided.verify(reproduce=True)
    table = decided.explain(budget=500, progress=False)
    assert list(dict.fromkeys(table["step"])) == ["data", "drift", "width"]
    last = table[table["quantity"] == "net_benefit"]["after"].iloc[-1]
    assert last == made["net_benefit"]["mean"]


def test_d30_milestones_are_frozen_with_the_advice_and_judged_when_the_batch_arrives(decided):
    """The band and the rule are read off the record of the advice: nothing is forecast once the batch is known."""
    record = decided.ledger.records("advice")[-1]
    promised = record.content["milestones"]
    assert [row["labels"] for row in promised["rows"]] == [record.content["total"] * step // 4 for step in (1, 2, 3, 4)]
    now, step = promised["labels_now"], promised["rows"][1]
    wanted = {name: now[name] + count // 2 for name, count in record.content["plan"].items()}
    runs = pd.concat(
        pd.DataFrame({"slice": name, "labels": n, "replicate": range(2), "errors": errors, "trials": 10_000})
        for name, n in wanted.items()
        for errors in [round(1e4 * step["error"])]
    )
    decided.add(runs.iloc[2:], batch="three slices of four")
    assert not [r for r in decided.ledger.records("check") if r.content["of"] == "milestone"]
    decided.add(runs, batch="half", supersede=False)
    (judged,) = (r.content for r in decided.ledger.records("check") if r.content["of"] == "milestone")
    assert (judged["step"], judged["steps"], judged["labels"]) == (2, 4, sum(wanted.values()) - sum(now.values()))
    assert judged["low"] == pytest.approx(step["low"])
    assert judged["error"] == pytest.approx(step["error"], abs=1e-4)
    assert judged["inside"]
    assert judged["gain"] == pytest.approx(promised["now"] - judged["error"])
    assert judged["go"] == (step["p_go"] == 1 or judged["gain"] >= (step["go_if_gain"] or np.inf))
    said = decided.history()["what"].tolist()
    assert any(
        what.startswith("milestone 2 of 4 after batch 'half'") and "within the promised" in what for what in said
    )
    decided.add(runs.assign(errors=9_000), batch="half", supersede=True)
    assert not decided.ledger.records("check")[-2].content["inside"]


@pytest.mark.parametrize("learner", ['["line", "tree"]', "{ line = 1, tree = 3 }"])
def test_f28_a_project_decides_for_a_portfolio_and_judges_what_it_promised(project, learner, monkeypatch):
    """The page says what is kept, the ledger holds it, and a batch is held against the errors of all that are kept."""
    both = testing.fake_fit(seed=1, draws=100, learners=("line", "tree"))
    monkeypatch.setattr("tests.operate.conftest.pretended", lambda seed, verdict: both)
    put_case(project, f"learner = {learner}\n{CASE}")
    configure(project, WITH_CASE + "[report]\nbudgets = [500]\n")
    result = project.add(both.runs, batch="a").refit(progress=False)
    assert "learners kept: line" in Path(result.page).read_text("utf-8")
    record = project.ledger.records("advice")[-1].content
    promised, now = record["milestones"], record["milestones"]["labels_now"]
    kept = tomllib.loads(f"learner = {learner}")["learner"]
    kept = kept if isinstance(kept, list) else {"line": 0.25, "tree": 0.75}
    assert record["learner"] == promised["learner"] == kept
    errors = {"line": 2_000, "tree": 1_000}
    runs = pd.DataFrame(
        {"slice": name, "labels": now[name] + n, "learner": one, "errors": errors[one], "trials": 10_000}
        for name, n in record["plan"].items()
        for one in errors
    )
    project.add(runs[runs["learner"] == "line"], batch="of one learner")
    assert not [r for r in project.ledger.records("check") if r.content["of"] == "milestone"]
    project.add(runs, batch="whole", supersede=False)
    (judged,) = (r.content for r in project.ledger.records("check") if r.content["of"] == "milestone")
    assert judged["error"] == pytest.approx(0.1 if isinstance(kept, list) else 0.125)
    project.verify()


def test_a_case_that_lies_in_the_folder_and_is_not_named_is_said(project, first):
    project.add(first, batch="a")
    assert project.refit(progress=False).notes == ()
    (project.folder / "case.toml").write_text(CASE, encoding="utf-8")
    (note,) = project.refit(progress=False).notes
    assert note == 'no advice: case.toml lies here, and no line case = "case.toml" in labelvalue.toml'
    configure(project, WITH_CASE)
    again = project.refit(progress=False)
    assert (again.notes, again.advice is None) == ((), False)
