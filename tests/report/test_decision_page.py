"""The page with a decision: its sentence, its cases, its money and what it takes for granted."""

import dataclasses
import inspect
import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import names, write_report
from labelvalue.decisions.measuring.information import budgets_at
from labelvalue.numerals import estimated, significant
from labelvalue.report.numbers.numbers import report_numbers
from labelvalue.report.render import html
from labelvalue.report.render.terminal import details_text, plan_text
from labelvalue.report.words import wording
from labelvalue.report.words.checks import backtest_numbers
from labelvalue.report.words.doubts import reservation
from labelvalue.report.words.project import Context, scorecard_numbers
from labelvalue.report.words.verdicts import decision_sentence, rules_text, uncertainty_text
from labelvalue.report.words.wording import percent

BUDGETS = [500, 2000]


@pytest.fixture(scope="module")
def numbers(fake_fit, decided):
    _, plan = decided
    return report_numbers(plan, BUDGETS)


@pytest.fixture(scope="module")
def words(decided_page, seen):
    return seen(decided_page).words


def test_the_first_sentence_is_the_decision(numbers, words, decided):
    plan = numbers["plan"]
    _, made = decided
    assert plan["verdict"] == made.verdict.advice == "buy"
    assert plan["sentence"].startswith(f"Buy now: {made.total:,} labels for {significant(plan['cost']['mean'])} USD")
    lead = plan["sentence"]
    assert len(re.findall(r"\.(?= |$)", lead)) == 2, "two sentences"
    close = words.replace(" ", "")
    assert lead.replace(" ", "") in close  # names stand in elements of their own
    folded = words.index("For the analyst")
    assert words.index(lead[:40]) < folded < words.index("Words used here") < words.index("Stress, base and best case")
    now, then = re.search(r"mean error over slices from (\S+) to (\S+)", lead).groups()
    assert f"Mean error {now} → {then}; worst slice" in words[:folded], "one mean error, in one precision"
    net = plan["net_benefit"]
    assert f"{significant(net['lower'])} to {significant(net['upper'])}" in lead
    assert plan["gain_sentence"] in words[folded:]
    assert f"{significant(plan['cost']['lower'])} to {significant(plan['cost']['upper'])}" in words[folded:]
    assert "guardrails are kept as asked, all at once with probability" in words[:folded]
    assert plan["reservation"].startswith("Strongest reservation: ")
    assert words.index(lead[-20:]) < words.index(plan["reservation"]) < words.index("against buying nothing")
    assert plan["reservation"] in " ".join(str(made).split()), "printed in the same words"
    assert all(text in words[folded:] for text in plan["reservations"])
    assert "worth most in slice" not in words, "one answer to which slice is best: by money, where there is a case"


def test_p8_who_must_agree_stands_beside_the_decision(numbers, words):
    assert numbers["plan"]["cost"]["mean"] > 100
    assert [one["approver"] for one in numbers["plan"]["approvals"]] == ["head of data"]
    said = words.index("Needs the approval of head of data: costs more than 100 USD (by-law 4).")
    assert words.index("Strongest reservation:") < said < words.index("For the analyst")
    assert "board" not in words


def test_numbers_of_the_page_are_those_of_the_plan(numbers, decided, words):
    _, plan = decided
    said = numbers["plan"]
    assert said["net_benefit"]["mean"] == pytest.approx(float(plan.advantage().mean()))
    assert {row["slice"]: row["labels"] for row in said["gain"]} == dict(plan.labels)
    table = plan.table(0.9).set_index("slice")
    for row in said["gain"]:
        assert row["gain"] == table.loc[row["slice"], "gain"]
        assert f"{row['labels']:,}" in words
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers


def test_json_beside_the_page_is_its_numbers(numbers, decided_file):
    assert json.loads(decided_file.with_suffix(".json").read_text("utf-8")) == numbers


def test_cases_are_whole_draws(numbers, words):
    plan = numbers["plan"]
    assert [row["scenario"] for row in plan["scenarios"]] == ["stress", "base", "best"]
    assert sum(row["probability"] for row in plan["scenarios"]) == pytest.approx(1.0)
    for key, whole in (("net_benefit", plan["net_benefit"]["mean"]), ("cost", plan["cost"]["mean"])):
        assert sum(row["probability"] * row[key] for row in plan["scenarios"]) == pytest.approx(whole)
    stress, base, best = (row["net_benefit"] for row in plan["scenarios"])
    assert stress < base < best
    assert stress == pytest.approx(-plan["risk"]["conditional_value_at_risk"])  # both: the worst tenth of draws
    assert "the worst for this plan, the middle and the best" in words
    assert f"stress {percent(plan['scenarios'][0]['probability'])}" in words
    assert "low (" in plan["scenarios"][0]["words"]


def test_the_risk_in_words_is_that_of_the_draws(numbers, words, decided):
    """VaR and CVaR of the loss against doing nothing, from the plan's own draws."""
    _, plan = decided
    loss = -plan.advantage()
    value, mean = (
        float(lv.risk.value_at_risk(loss, 0.9)["value_at_risk"]),
        float(lv.risk.conditional_value_at_risk(loss, 0.9)["conditional_value_at_risk"]),
    )
    own = np.sort(loss.values.ravel())
    worst = own[round(0.9 * own.size) :]
    assert worst.min() >= value
    assert worst.mean() == pytest.approx(mean)
    risk = numbers["plan"]["risk"]
    assert (risk["value_at_risk"], risk["conditional_value_at_risk"]) == pytest.approx((value, mean))
    kinds = ["a loss" if amount > 0 else "a net benefit" for amount in (value, mean)]
    said = (
        f"Against doing nothing, 10 % of draws are worse than {kinds[0]} of {significant(abs(value))} USD (VaR), and "
        f"their mean is {kinds[1]} of {significant(abs(mean))} USD (CVaR)."
    )
    assert numbers["plan"]["risk_sentence"].startswith(said)
    assert said in words[words.index(" Risk Against doing nothing") :]


def test_cost_parts_sum_to_the_cost(numbers):
    parts = {row["part"]: row["mean"] for row in numbers["plan"]["cost_parts"]}
    assert set(parts) == {"labels", "labels paid for twice", "days of waiting", "set-up of batches", "retraining"}
    assert sum(parts.values()) == pytest.approx(numbers["plan"]["cost"]["mean"])
    assert parts["retraining"] == pytest.approx(50)


def test_the_ladder_passes_through_the_plan(numbers):
    plan = numbers["plan"]
    planned = [row for row in plan["ladder"] if row["split"] == "as planned"]
    (own,) = [row for row in planned if row["labels"] == plan["plan"]["total"]]
    assert own["mean"] == pytest.approx(plan["net_benefit"]["mean"])
    assert own["cost"] == pytest.approx(plan["cost"]["mean"])
    assert own["gain"] == pytest.approx(plan["mean_gain"]["mean"])
    assert planned[0]["labels"] == 0
    assert planned[0]["mean"] == 0
    for row in plan["ladder"]:
        assert row["lower"] <= row["inner_lower"] <= row["inner_upper"] <= row["upper"]


def test_all_rules_at_once_hold_at_most_as_often_as_each(numbers, fake_fit, decided):
    plan = numbers["plan"]
    each = [row["p_kept"] for row in plan["rules"]]
    assert 1 - sum(1 - p for p in each) - 1e-9 <= plan["kept_together"] <= min(each) + 1e-9
    case, made = decided
    table = lv.rules.check_guardrails(fake_fit, case, made.outcomes)
    assert sorted(each) == sorted(table.loc[table["plan"] == names.RECOMMENDED, "p_kept"])


def test_a_rule_that_is_not_kept_is_said_first(numbers, fake_fit):
    plan = numbers["plan"]
    broken = [{**plan["rules"][0], "kept": False, "p_kept": 0.4, "required": 0.9}, *plan["rules"][1:]]
    changed = plan | {"rules": broken, "kept_together": 0.4}
    assert "not met as asked" in rules_text(changed)
    assert "0.40, asked for 0.9" in rules_text(changed)
    assert reservation(fake_fit, changed).startswith("Strongest reservation: 1 of")


def test_nothing_is_cut(fake_fit, numbers, words):
    plan = numbers["plan"]
    for row in plan["sensitivity"]:
        assert f"{significant(row['low'])} {significant(row['high'])}" in words
    assert f"All {len(plan['sensitivity'])} inputs, settings and" in words
    assert f"All {len(plan['stability']['rows'])} perturbations" in words
    for name in map(str, fake_fit.slices):
        assert words.count(name) >= 4
    many = plan | {"plan": {"labels": {f"s{i}": 10 for i in range(9)}, "total": 90, "interventions": []}}
    assert "and 50 for 5 more slices" in decision_sentence(many)


def test_r12_slices_that_were_not_looked_at_are_counted():
    """Of 14 slices 12 are left out in turn, and the gains of 12 are inputs: page, terminal and tables say so."""
    fit = lv.testing.fake_fit(seed=1, draws=30, slices=tuple(f"s{i:02d}" for i in range(14)))
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    plan = report_numbers(lv.decide(fit, case, max_labels=900, measure=False), [500])["plan"]
    assert (plan["stability"]["left_out"], plan["slices_left_out"]) == (2, 2)
    assert len([row for row in plan["stability"]["rows"] if row["change"] == "without slice"]) == 12
    assert len([row for row in plan["sensitivity"] if row["what"].startswith("gain of")]) == 12
    assert "2 more slices, replicates or batches, with fewer runs, were not left out" in plan["stability_sentence"]
    text = " ".join(details_text(plan, "USD").split())
    assert f"8 of {len(plan['sensitivity'])} inputs; --json has all" in text
    assert "The gains of 2 more slices, which vary least, are no inputs here" in text
    assert "2 more slices, replicates or batches" in text


def test_d17_the_best_plan_at_every_weight_of_the_risk_is_shown(numbers, decided, words):
    plan, rows = numbers["plan"], numbers["plan"]["weights"]
    assert {0.0, 1.0, 4.0, decided[0].score.weight} <= {row["weight"] for row in rows}
    for row in rows:
        scores = {one["plan"]: one["enb"] - row["weight"] * one["cvar"] for one in plan["plans"]}
        assert scores[row["best"]] == pytest.approx(max(scores.values()))
        assert row["rank"] == 1 + sum(score > scores["recommended"] + 1e-9 for score in scores.values())
        assert row["rank"] <= 2 or f"At λ = {significant(row['weight'])} the decision has rank {row['rank']}" in words
    assert [row["weight"] for row in rows if row["own"]] == [decided[0].score.weight]
    text = " ".join(plan_text(plan).split())
    assert f"Best by the score ENB − λ · CVaR: {rows[0]['best']} at λ = 0" in text
    assert plan["weights_sentence"] in words, "every weight, with the plan that is best there"
    assert plan["weights_sentence"] in text
    assert all(f"{row['weight']:g}" in plan["weights_sentence"] for row in rows)


def test_d12_errors_under_plausibly_many_wrong_labels_are_shown(numbers, decided, fake_fit, words):
    case, plan = decided
    case = case if case.label_errors else dataclasses.replace(case, label_errors=0.1)
    drawn = lv.label_quality.stress_label_errors(fake_fit, case, {"it": plan.labels})
    rows = {row["stress"]: row for row in numbers["plan"]["stress"]}
    assert list(rows) == ["none", "everywhere", "weakest slice"]
    for stress, row in rows.items():
        error = drawn["error"].sel(plan="it", stress=stress).mean(("chain", "draw"))
        assert (row["worst"], row["worst_slice"]) == (pytest.approx(float(error.max())), str(error.idxmax().item()))
        wrong = drawn["wrong_share"].sel(plan="it", stress=stress)
        assert row["wrong_share"] == pytest.approx(float(wrong.max()))
        assert f"{row['worst_slice']} {significant(row['net_benefit'])}" in words
    weakest = rows["weakest slice"]
    assert weakest["worst"] >= rows["none"]["worst"]
    assert weakest["slice"] == str(drawn["wrong_share"].sel(plan="it", stress="weakest slice").idxmax().item())
    assert weakest["wrong_share"] > rows["everywhere"]["wrong_share"] > rows["none"]["wrong_share"] == 0.0


def test_limitations_have_the_id_of_their_check_and_assumptions_their_consequence(numbers, decided_page, seen):
    found = numbers["limitations"]
    assert {"backtest", "curve", "money-as-stated", "data-distribution"} <= {item["check"] for item in found}
    assert "weights" not in {item["check"] for item in found}  # the case says how much slices weigh
    for item in found:
        assert f"<code>{item['check']}</code>" in decided_page
    by_id = {row["id"]: row for row in numbers["assumptions"]}
    wrong = by_id["case/costs.price_per_label"]["if_wrong"]
    row = next(r for r in numbers["plan"]["sensitivity"] if r["what"].startswith("costs.price_per_label ÷"))
    assert significant(row["low"]) in wrong
    assert significant(row["high"]) in wrong
    words = seen(decided_page).words
    assert [row["id"] for row in numbers["assumptions"] if row["decided"] not in words] == []
    assert f"{significant(row['low'])} {significant(row['high'])}" in words, (
        "what it would bring, in the table of risks"
    )


def test_r2_beside_a_plan_own_and_total_gain_stand_in_one_row(numbers, words):
    compared = numbers["decision"]["by_learner"][0]["budget"]
    part = words.partition("Total gain")[2]
    for row in numbers["slices"]:
        (gain,) = [one for one in row["gains"] if one["budget"] == compared]
        mean, low, high = (significant(gain[key]) for key in ("total_mean", "total_lower", "total_upper"))
        assert f"{mean} {low} to {high}" in part.partition(row["slice"])[2][:200]


def test_r4_where_uncertainty_is_highest_stands_beside_the_recommendation(numbers, words):
    rows = numbers["plan"]["information"]["rows"]
    assert [row["evppi"] for row in rows] == sorted((row["evppi"] for row in rows), reverse=True)
    said = numbers["plan"]["uncertainty_sentence"]
    if rows[0]["evppi"] > 0:
        most = estimated(rows[0]["evppi"], rows[0]["mcse"])
        assert f"worth {most} USD" in said
        assert said in words, "in full"
        first = words.partition("For the analyst")[0]
        worth = f"knowing it exactly would be worth {most} USD at most"
        if rows[0]["evppi"] > rows[0]["mcse"]:
            shown = first.index("Uncertainty is highest in ")
            assert shown < first.index(worth)
        else:  # a figure below its own error is not for who pays
            assert "Uncertainty is highest in" not in first
    else:
        assert said == ""
    move = {"low": {"plan": "a", "labels": 1200, "cost": 150.0}, "high": {"plan": "b", "labels": 0, "cost": 0.0}}
    price = {"input": "costs.price_per_label", "evppi": 12.0, "changes": 0.25, "moves": move, "instead": "b"}
    other = price | {"input": "gain of west", "evppi": 3.0, "changes": 0.1}
    text = uncertainty_text({"unit": "USD", "information": {"rows": [price, other], "plans": {}}})
    assert "buys 1,200 labels for 150 USD; where it is highest, nothing." in text
    assert text.endswith("Next: gain of west (3.00 USD).")


def uncertain(low, high, instead, plans):
    """What the page says of one input, the plans of which are given by what they buy."""
    bought = {name: {s: {"labels": n, "cost": n / 10} for s, n in own.items()} for name, own in plans.items()}
    moves = {
        end: {"plan": name, "labels": sum(plans[name].values()), "cost": sum(plans[name].values()) / 10}
        for end, name in (("low", low), ("high", high))
    }
    row = {"input": "gain of west", "evppi": 12.0, "changes": 0.25, "moves": moves, "instead": instead}
    return uncertainty_text({"unit": "USD", "information": {"rows": [row], "plans": bought}})


def test_r4_what_moves_within_a_budget_is_said_slice_by_slice_and_in_money():
    plans = {"a": {"west": 500, "east": 300, "north": 200}, "b": {"west": 900, "south": 100}, "none": {}}
    said = uncertain("a", "b", "b", plans)
    assert said.endswith(
        "buys 1,000 labels; where it is high, 400 more of them go to west (40.0 USD), 100 to south "
        "(10.0 USD), 300 fewer to east (30.0 USD) and 200 to north (20.0 USD)."
    )
    assert "400 fewer to west (40.0 USD)" in uncertain("b", "a", "b", plans)
    assert "; where another plan is best, 400 more of them go to west" in uncertain("a", "a", "b", plans)
    assert uncertain("a", "a", "none", plans).endswith("; where another plan is best, it is nothing.")
    assert uncertain("a", "a", "", plans).endswith("buys 1,000 labels.")
    many = {"a": {"west": 900}, "b": {f"s{i}": 100 + i for i in range(8)} | {"west": 72}}
    assert "107 more of them go to s7 (10.7 USD), 106 to s6 (10.6 USD), 615 to 6 other slices (61.5 USD)" in uncertain(
        "a", "b", "b", many
    )


def test_r4_the_plans_that_an_input_moves_to_are_those_of_the_decision(numbers, decided):
    _, plan = decided
    information = numbers["plan"]["information"]
    own = {name: row["labels"] for name, row in information["plans"]["recommended"].items()}
    assert own == {name: labels for name, labels in plan.labels.items() if labels}
    # Price and rework are all that a label itself costs here, beside the days that it takes.
    (cost,) = [row for row in numbers["plan"]["cost_parts"] if row["part"] == "labels"]
    assert sum(row["cost"] for row in information["plans"]["recommended"].values()) > cost["mean"]
    for row in information["rows"]:
        assert bool(row["instead"]) == (row["changes"] > 0)
        assert {row["moves"]["low"]["plan"], row["moves"]["high"]["plan"]} <= set(information["plans"])


def test_r4_budgets_move_to_the_plan_that_is_best_where_the_input_lies():
    price = xr.DataArray(np.linspace(-1.0, 1.0, 100).reshape(2, 50), dims=("chain", "draw"))
    none = xr.zeros_like(price)
    outcomes = xr.Dataset(
        {
            "net_benefit": xr.concat([none, -price], dim="plan"),
            "cost": xr.concat([none, 5.0 + price], dim="plan"),
            "labels": (("plan", "slice"), [[0, 0], [30, 10]]),
        },
        coords={"plan": ["do nothing", "recommended"]},
    )
    moves = budgets_at(outcomes, price)
    assert moves["low"]["plan"] == "recommended"
    assert moves["low"]["labels"] == 40
    assert moves["low"]["cost"] == pytest.approx(5.0 + float(np.sort(price.values.ravel())[:10].mean()))
    assert moves["high"] == {"plan": "do nothing", "labels": 0, "cost": 0.0}
    assert budgets_at(outcomes, price.expand_dims("several")) is None


def test_an_assumption_without_a_source_is_a_warning(fake_fit):
    told = pd.DataFrame([{"id": "A1", "text": "prices stay", "value": "", "source": "", "if_wrong": "not tested"}])
    numbers = report_numbers(fake_fit, BUDGETS, context=Context(assumptions=told))
    assert numbers["unsourced"] == ["A1"]
    (warned,) = [item for item in numbers["limitations"] if item["check"] == "assumptions"]
    assert "1 of 1 assumptions name no source: A1" in warned["text"]
    drawn = {key: [] for key in ("curves", "gains", "impacts", "money", "tornado")} | {"ranks": None}
    drawn |= dict.fromkeys(["curve_caption", "gain_caption", "impact_caption"], "")
    assert "1 of 1 assumptions name no source: A1" in html.render(numbers, drawn)


def test_the_past_is_on_the_page_when_it_is_bad(fake_fit):
    card = pd.DataFrame(
        {"batch": ["<b>1", "2"], "covers_50": [0, 0], "covers_90": [0.0, 1.0], "crps": [0.1, 0.2], "bias": [-0.1, -0.3]}
    )
    numbers = report_numbers(fake_fit, BUDGETS, context=Context(scorecard=card, changes=("price up",)))
    assert "90 % intervals held 50 %" in numbers["scorecard"]["sentence"]
    assert [row["batch"] for row in numbers["scorecard"]["batches"]] == ["<b>1", "2"]


def test_every_technical_word_is_explained_where_it_stands_first(decided_page, words):
    explained = decided_page[: decided_page.index("budget compared")]
    for word, _ in wording.ALWAYS + wording.DECIDED:
        for single in word.split(", "):
            shown = single.replace("{ci}", "90 %").replace(">", "&gt;")
            assert f"<dt>{shown}" in explained or f", {shown}" in explained
    known = " ".join(w + " " + m for w, m in wording.ALWAYS + wording.DECIDED)
    for abbreviation in ("ENB", "CVaR", "VaR", "EVPI", "EVPPI", "EVSI", "ENBS"):
        assert abbreviation in words
        assert abbreviation in known
    assert words.index("Words used here") < min(words.index(w) for w in ("EVPPI", "EVSI", "frontier"))


GIVEN = {"USD", "UTC", "LCDB", "MODEL", "FIT", "RUNS"}
"""Currency, time zone, a data set, and what stands for something in a command or a place."""
IN_PLACE = {
    "ESS": "Effective sample size",
    "E-BFMI": "Does it reach likely and unlikely regions alike?",
    "SHA": "A SHA-256 is a fingerprint",
}  # abbreviations that are explained where they stand, and how


def test_r11_no_abbreviation_is_left_unexplained(numbers, seen):
    """On a page that has everything: a decision, a backtest and a scorecard."""
    card = {"covers_50": 0.0, "covers_90": 1.0, "crps": 0.01, "bias": 0.002, "rank": 0.4, "bias_money": 2.0}
    scored = scorecard_numbers(pd.DataFrame([{"batch": "b1"} | card]))
    numbers = numbers | {"backtest": backtest_numbers(lv.testing.fake_backtest(seed=1)), "scorecard": scored}
    drawn = {key: [] for key in ("curves", "gains", "impacts", "money", "tornado", "frontiers", "changes")}
    drawn |= {"ranks": None} | dict.fromkeys(["curve_caption", "gain_caption", "impact_caption"], "")
    words = seen(html.render(numbers, drawn)).words
    found = set(re.findall(r"\b[A-Z][A-Z-]+[A-Z]\b|\bCVaR\b|\bVaR\b", words)) - GIVEN
    assert {"CRPS", "EVPPI", "ENBS", "CVaR", "ESS"} <= found
    start = words.index("Words used here")
    for abbreviation in found - {*IN_PLACE}:
        explained = words.index(f" {abbreviation}", start)
        assert explained < words.index("budget compared"), abbreviation
        before = words[:start]
        assert not re.search(rf"\b{abbreviation}\b", before) or abbreviation == "CRPS", f"{abbreviation} before that"
    for abbreviation in found & {*IN_PLACE}:
        assert IN_PLACE[abbreviation] in words, abbreviation


def test_r14_scenarios_pillars_and_guardrails_are_on_one_page(numbers, words):
    plan = numbers["plan"]
    for row in plan["scenarios"]:
        assert f"{row['scenario']} {percent(row['probability'])}" in words
    for row in plan["plans"]:  # gain and its worth, cost, risk, and the score made of them
        cells = [significant(row[key]) for key in ("cost", "enb", "cvar", "score")]
        line = words[words.index(f" {row['plan']} {row['labels']:,} {cells[0]} {cells[1]}") :][:200]
        assert f"{cells[2]} {cells[3]}" in line
    for row in plan["rules"]:
        assert f"{row['rule']} {row['slice'] or 'all'}" in words


def test_r7_nothing_that_is_asked_for_leaves_a_limitation_out(fake_fit, numbers):
    """No argument of the page takes one away: each check is there whatever is chosen, and has its id."""
    plain = {item["check"] for item in report_numbers(fake_fit, BUDGETS)["limitations"]}
    for asked in ({"ci_prob": 0.5}, {"budgets": [1]}, {"context": Context(changes=("x",))}):
        found = report_numbers(fake_fit, **({"budgets": BUDGETS} | asked))["limitations"]
        assert plain <= {item["check"] for item in found}
        assert all(item["check"] and item["text"] for item in found)
    assert plain - {"weights"} <= {item["check"] for item in numbers["limitations"]}, "nor does a decision"
    switches = inspect.signature(write_report).parameters
    assert not [name for name in switches if re.search("limit|hide|show|warn|caveat", name)]


def test_words_are_those_of_the_design(words):
    lower = words.lower()
    for synonym in ("confidence interval", "cohort", "segment", "uplift", "annotation budget"):
        assert synonym not in lower


def test_a_flagged_fit_has_no_decision(fake_fit, decided):
    judged = dataclasses.replace(fake_fit.diagnostics, verdict="flagged", reasons=("R-hat 1.03",))
    flagged = dataclasses.replace(decided[1], fit=dataclasses.replace(fake_fit, diagnostics=judged))
    numbers = report_numbers(flagged, BUDGETS)
    assert numbers["plan"] is None
    assert "withheld" in numbers["decision"]["status"]


def test_verdicts_in_words(numbers):
    plan = numbers["plan"]
    nothing = plan | {"verdict": "wait", "plan": {"labels": {}, "total": 0, "interventions": []}}
    assert decision_sentence(nothing) == (
        "Wait: buy nothing now. No purchase within the limits is worth more than it costs."
    )
    pilot = {"kind": "pilot batch", "slice": "west", "size": 200, "enbs": 30.0, "lower": 10.0, "upper": 50.0}
    first = plan | {"verdict": "measure first", "pilot": pilot | {"changes": 0.25}}
    said = decision_sentence(first)
    assert said.startswith("Measure first, then decide: 200 labels for slice “west”, which is worth 30.0 USD")
    assert "worth 30.0 USD more than deciding now (90 % interval 10.0 to 50.0)" in said
    assert "0.25" in said
    audit = plan | {"verdict": "measure first", "pilot": pilot | {"kind": "audit", "changes": 0.25}}
    said = decision_sentence(audit)
    assert said.startswith("Measure first, then decide: 200 labels judged anew for slice “west”, which")
    done = plan | {"verdict": "spend on quality", "plan": plan["plan"] | {"interventions": ["relabel"]}}
    assert "Spend on quality: relabel, with " in decision_sentence(done)


def test_the_plan_is_marked_on_the_curves(numbers, fake_fit):
    planned = {row["slice"]: row for row in numbers["plan"]["planned"]}
    assert set(planned) == {name for name, n in numbers["plan"]["plan"]["labels"].items() if n}
    from labelvalue.report.plots.curves import curve_table, draw_curves

    (name, row), *_ = planned.items()
    table = curve_table(fake_fit, [name], pd.Series([500]).to_numpy(), (0.5, 0.9), {name: 90_000})
    now = float(fake_fit.position["labels_now"].sel(slice=name))
    assert table["labels"].max() == now + 90_000
    figure = draw_curves(fake_fit, table, foot="", planned=planned)
    (mark,) = [line for line in figure.axes[0].lines if line.get_gid() == "planned"]
    assert mark.get_xdata()[0] == now + row["labels"]
    assert mark.get_ydata()[0] == row["mean"]
    low = row | {"lower": float(table["lower"].min()) / 10, "mean": float(table["lower"].min()) / 9}
    (ax,) = draw_curves(fake_fit, table, foot="", planned={name: low}).axes
    assert ax.get_ylim()[0] < low["lower"]  # what a plan brings is inside the panel, however low


def test_page_is_small(decided_page):
    assert len(decided_page.encode()) < 3_000_000


def test_d16_a_case_with_plans_of_its_own_shows_the_regret_of_each(seen, tmp_path, words):
    fit = lv.testing.fake_fit(seed=1, draws=50)
    named = [{"name": "uncertain regions", "labels": {"west": 300}}]
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, scenarios=named)
    made = lv.decide(fit, case, 900, measure=False)
    path = tmp_path / "page.html"
    shown = seen(lv.write_report(made, path=path, budgets=[500], numbers=path.with_suffix(".json")).read_text("utf-8"))
    rows = json.loads(path.with_suffix(".json").read_text("utf-8"))["plan"]["regret"]
    assert "uncertain regions" in {row["plan"] for row in rows}
    table = shown.words.partition("Regret of each plan in each case")[2]
    for row in rows:
        assert significant(row["all"]) in table
    assert "Regret of each plan" not in words, "where a case names none there is none"
