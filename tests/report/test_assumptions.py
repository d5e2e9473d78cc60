"""Assumptions of a case: each has a source, and says what would be decided instead or that nobody tested it."""

import dataclasses

import pandas as pd
import pytest

import labelvalue as lv
from labelvalue.decisions.case.case import example_case, parse_case
from labelvalue.numerals import significant
from labelvalue.report.numbers.numbers import report_numbers
from labelvalue.report.words.assumptions import case_assumptions, consequences, unsourced, with_consequences
from labelvalue.report.words.project import Context

PLAIN = {"costs": {"price_per_label": 0.1}, "value": {"per_error_point": 400}}


@pytest.fixture
def from_file(tmp_path):
    path = tmp_path / "adult.toml"
    path.write_text(example_case(), encoding="utf-8")
    return lv.read_case(path)


@pytest.fixture(scope="module")
def numbers(fake_fit, decided):
    _, plan = decided
    return report_numbers(plan, [500, 2000])


def test_every_number_of_a_case_file_has_its_source(from_file):
    rows = {row["id"]: row for row in case_assumptions(from_file, {})}
    keys = ("value.per_error_point", "guardrails.maximum_budget.limit", "costs.price_per_label.default", "costs.rework")
    wanted = {f"case/{key}" for key in (*keys, "costs.delay_per_day", "value.stakes.Exec-managerial")}
    assert wanted <= set(rows)
    assert all(row["source"].startswith("the case, adult.toml") for row in rows.values())
    assert rows["case/slices.Transport-moving.available"]["source"] == "the case, adult.toml; reason: consent"
    assert not any(key.endswith(".reason") for key in rows)
    assert unsourced(list(rows.values())) == []


def test_a_case_made_in_python_says_so(from_file):
    case = lv.Case(**PLAIN)
    assert {row["source"] for row in case_assumptions(case, {})} == {
        "the case, given in Python",
        "the case, given in Python: not stated there",
    }
    changed = dataclasses.replace(from_file, currency="EUR")  # no longer what stands in the file
    assert case_assumptions(changed, {})[0]["source"] == "the case, given in Python"


def test_the_source_is_no_setting_of_a_case(from_file):
    assert "adult.toml" not in from_file.to_toml()
    assert dataclasses.replace(from_file) == from_file
    with pytest.raises(TypeError, match="source"):
        lv.Case(**PLAIN, source="x")
    with pytest.raises(lv.InputError, match="unknown key 'source'"):
        parse_case("source = 'x'\n" + from_file.to_toml())


def test_what_a_case_does_not_state_is_an_assumption_too(from_file):
    silent = {row["id"]: row for row in case_assumptions(lv.Case(**PLAIN), {})}
    assert silent["case/costs.labels_per_day"]["text"] == "labels are there at once"
    assert silent["case/guardrails"]["text"] == "no guardrail limits the plan"
    assert "not stated" not in str(case_assumptions(from_file, {})[0])
    stated = {row["id"]: row["source"] for row in case_assumptions(from_file, {})}
    assert "not stated" not in stated["case/costs.labels_per_day"]
    assert "case/guardrails" not in stated


def test_what_was_not_tested_says_so_and_nothing_else_does(numbers):
    plan = numbers["plan"]
    untested = {row["id"] for row in numbers["assumptions"] if row["if_wrong"].startswith("not tested")}
    assert untested == set(), "everything that this case says, and does not say, is varied"
    varied = {f"case/{row['input']}" for row in plan["information"]["rows"] if "gain of" not in row["input"]}
    ruled = {row["id"] for row in numbers["assumptions"] if row["id"].startswith("case/guardrails.")}
    assert ruled
    assert not untested & (varied | ruled)
    assert {row["if_wrong"] for row in case_assumptions(lv.Case(**PLAIN), {})} == {"not tested"}


def test_r8_each_number_of_a_case_is_varied_or_says_why_not():
    """A case that says all there is to say: every number has what would be chosen instead, or a reason."""
    case = lv.Case(
        costs={
            "price_per_label": {"default": 0.1, "west": {"low": 0.1, "high": 0.3}},
            "tiers": [{"above": 300, "factor": 0.8}],
            "minimum_order": 10,
            "retraining": [{"value": 20, "probability": 0.9}, {"value": 60, "probability": 0.1}],
            "hours_per_label": 0.01,
            "opportunity_per_hour": 3,
        },
        value={
            "per_error_point": 400,
            "volume": {"west": 2},
            "target": {"error": 0.15, "worth": 50},
            "horizon_days": 365,
            "mix_changes": [{"after_days": 90, "factors": {"west": 0.5}, "probability": 0.4}],
        },
        classes={"high": {"slices": ["east"], "stakes": 2, "minimum": 10}},
        slices={"north": {"maximum": 300}},
        scenarios=[{"name": "mine", "labels": {"west": 50}}],
        interventions=[lv.interventions.Guideline(0.5, cost=2)],
        label_noise={"low": 0.02, "high": 0.1},
        risk=lv.risk.CVaR(0.5),
    )
    made = lv.decide(lv.testing.fake_fit(seed=1, draws=30), case, max_labels=900, measure=False)
    rows = report_numbers(made, [500])["assumptions"]
    assert [row["id"] for row in rows if row["if_wrong"] == "not tested"] == []
    reasons = {row["id"].removeprefix("case/"): row["if_wrong"] for row in rows if "not tested" in row["if_wrong"]}
    assert all(why.startswith("not tested: ") for why in reasons.values())
    assert {key.partition(".")[0] for key in reasons} <= {"guardrails", "classes", "scenarios", "interventions", "risk"}
    said = {row["id"].removeprefix("case/"): row["if_wrong"] for row in rows}
    for key in ("costs.tiers", "costs.retraining", "value.target.worth", "value.mix_changes", "value.stakes.east"):
        assert "would bring" in said[key], key
    assert said["costs.tiers"].startswith("Without it: ")


def test_r8_a_number_twice_as_high_is_worth_what_it_costs(numbers, decided):
    """Retraining costs 50: at 100 the plan is worth 50 less, at 25 it is worth 25 more, by hand."""
    said = {row["id"]: row["if_wrong"] for row in numbers["assumptions"]}["case/costs.retraining"]
    worth = float(decided[1].advantage().mean())
    assert f"{significant(worth + 25)} or {significant(worth - 50)} USD" in said


def test_another_price_says_what_would_be_bought(numbers):
    plan = numbers["plan"]
    (said,) = [row["if_wrong"] for row in numbers["assumptions"] if row["id"] == "case/costs.price_per_label"]
    budget, _, value = plan["what_if"]["at"]
    grid = plan["what_if"]
    for factor, word in ((0.5, "÷ 2"), (2.0, "× 2")):
        (row,) = [
            row
            for row in grid["rows"]
            if (row["budget"], row["price"], row["value"]) == (grid["budget"][budget], factor, grid["value"][value])
        ]
        total = sum(grid["plans"][row["plan"]])
        told = "the same plan" if total == plan["plan"]["total"] else f"{total:,} labels"
        assert word in said
        assert told in said


def grid(low, high):
    rows = [{"budget": 900, "price": p, "value": 1.0, "plan": i} for i, p in enumerate((0.5, 1.0, 2.0))]
    steps = {"budget": [900], "price": [0.5, 1.0, 2.0], "value": [1.0], "at": [0, 1, 0]}
    return {"slices": ["east", "west"], "plans": [low, [300, 600], high], "rows": rows, **steps}


def test_another_decision_is_told_from_the_same_one():
    case, own = lv.Case(**PLAIN), {"plan": {"labels": {"west": 600, "east": 300}}}

    def said(low, high, key="costs.price_per_label"):
        return consequences(key, case, own | {"what_if": grid(low, high)})["if_wrong"]

    assert said([300, 600], [300, 600]) == "÷ 2 or × 2: the same plan."
    assert said([600, 300], [0, 0]) == "÷ 2: 900 labels, split otherwise; × 2: nothing is bought."
    assert said([300, 600], [0, 500]) == "÷ 2: the same plan; × 2: 500 labels."
    assert said([300, 600], [0, 0], "costs.price_per_label.west").startswith("÷ 2 (of all slices): the same plan")
    assert said([300, 600], [0, 0], "value.per_error_point") == "not tested"  # one step is no test
    assert said([300, 600], [0, 0], "costs.price_per_labels") == "not tested"


def test_rules_and_limits_say_how_far_they_reach():
    rule = {"rule": "floor", "slice": "west", "p_kept": 0.97, "required": 0.9, "reached": 0.15, "kept": True}
    broken = rule | {"slice": "east", "p_kept": 0.4, "kept": False}
    limits = {"west": {"minimum": 600, "available": 700, "maximum": 650}, "east": {"maximum": 300}}
    case = lv.Case(**PLAIN, slices=limits)
    plan = {"rules": [rule, broken], "plan": {"labels": {"west": 600, "east": 200}}}
    assert consequences("guardrails.floors", case, plan)["if_wrong"] == (
        "The plan would keep a limit in west as tight as 0.150; a tighter one asks for another. "
        "The plan breaks it in east: P(kept) = 0.40."
    )
    assert consequences("slices.west.minimum", case, plan)["if_wrong"].startswith("It binds")
    assert consequences("slices.west.maximum", case, plan)["if_wrong"].startswith(
        "It does not bind: 600 labels of west"
    )
    assert consequences("slices.east.maximum", case, plan)["if_wrong"].endswith("the plan is the same down to there.")
    full = plan | {"plan": {"labels": {"west": 650, "east": 200}}}
    assert consequences("slices.west.maximum", case, full)["if_wrong"].startswith("It binds")
    assert consequences("slices.west.available", case, full)["if_wrong"].startswith(
        "It does not bind"
    )  # the maximum does


def test_a_projects_own_words_stand_and_get_what_was_computed(fake_fit, decided, numbers):
    told = [
        {"id": "A1", "text": "same sources", "value": "", "source": "A.", "if_wrong": "Measure anew."},
        {"id": "case/costs.price_per_label", "text": "", "value": "", "source": "offer", "if_wrong": "not tested"},
        {"id": "case/value.per_error_point", "text": "", "value": "", "source": "B.", "if_wrong": "Ask again."},
    ]
    _, plan = decided
    page = report_numbers(plan, [500, 2000], context=Context(assumptions=pd.DataFrame(told)))
    rows, computed = page["assumptions"], {row["id"]: row for row in numbers["assumptions"]}
    assert [row["id"] for row in rows[:3]] == [row["id"] for row in told]
    assert len({row["id"] for row in rows}) == len(rows) == len(computed) + 1
    assert rows[1] == told[1] | {
        key: computed["case/costs.price_per_label"][key] for key in ("if_wrong", "decided", "brings")
    }
    assert rows[2] == told[2]
    assert with_consequences(told, []) == told
