"""Interventions beside plain labels: outcomes, mixed plans, and the verdict to spend on quality."""

import json

import numpy as np
import pytest

from labelvalue import Case, InputError, cli, decide, names, predict_gain_with
from labelvalue.decisions.case.case import parse_case
from labelvalue.forecast.interventions.intervention import KINDS
from labelvalue.interventions import (
    ActiveLearning,
    Consensus,
    EvaluationLabels,
    Guideline,
    NewLearner,
    Pretraining,
    Relabel,
    SyntheticData,
)
from labelvalue.plans import compare_plans, plan_outcomes, plan_sensitivity
from labelvalue.testing import fake_fit

SAMPLE = (names.CHAIN, names.DRAW)


@pytest.fixture(scope="module")
def fit():
    return fake_fit(seed=1, draws=150)


def case_of(*interventions, price=0.1, **more) -> Case:
    return Case(
        costs={"price_per_label": price} | more.pop("costs", {}),
        value={"per_error_point": 400},
        label_noise=more.pop("label_noise", 0.15),
        interventions=interventions,
        **more,
    )


WEST = {"slices": ("west",), "delay": 7}
# Each offer, and what it costs beside 400 labels for west at 0.10, of which there are n now.
OFFERS = {
    "guideline": (Guideline(0.5, redone=0.2, unit_cost=0.05, cost=300, **WEST), lambda n: 300 + 0.05 * 0.2 * n),
    "relabel": (Relabel(0.5, caught=0.8, **WEST), lambda n: 0.1 * 0.5 * n),
    "consensus": (Consensus(3, **WEST), lambda n: 0.1 * 2 * 400),
    "active learning": (ActiveLearning("margin", efficiency=1.5, unit_cost=0.02, **WEST), lambda n: 0.02 * 400),
    "synthetic data": (SyntheticData(2_000, worth=0.1, unit_cost=0.001, **WEST), lambda n: 0.001 * 2_000),
    "pre-training": (Pretraining(excess=0.9, cost=30, **WEST), lambda n: 30),
    "new learner": (NewLearner("b", excess=0.9, floor=0.8, cost=70, **WEST), lambda n: 70),
    "evaluation labels": (EvaluationLabels(500, **WEST), lambda n: 0.1 * 500),
}


@pytest.mark.parametrize("kind", KINDS.values())
def test_gain_of_an_intervention_is_that_of_the_forecast(fit, kind):
    """In one slice that gets labels, others being left alone: the same numbers as ``predict_gain_with``."""
    one, cost = OFFERS[kind]
    case = case_of(one)
    out = plan_outcomes(fit, case, {"p": {"west": 400}}, interventions=[kind]).sel(plan="p")
    forecast = predict_gain_with(fit, one, [400], noise=0.15).sel(slice="west", budget=400)
    assert np.allclose(out[names.GAIN].sel(slice="west"), forecast)
    plain = plan_outcomes(fit, case, {"p": {"west": 400}}).sel(plan="p")[names.GAIN].sel(slice="west")
    assert np.allclose(plain, forecast) == (kind == "evaluation labels")  # all others change the gain
    now = float(fit.position["labels_now"].sel(slice="west"))
    assert float(out[names.COST].mean()) == pytest.approx(40 + cost(now))
    assert float(out[names.DAYS].mean()) == 7


def test_a_case_file_holds_every_kind():
    case = case_of(*(one for one, _ in OFFERS.values()))
    assert {one.kind for one in case.interventions} == set(KINDS.values())
    assert parse_case(case.to_toml()) == case


def test_doing_nothing_does_no_intervention(fit):
    out = plan_outcomes(fit, case_of(Guideline(0.4, redone=0.5, cost=100)), {"p": {}}, interventions=["guideline"])
    assert not out[names.NET_BENEFIT].sel(plan=names.NOTHING).any()
    assert float(out[names.GAIN].sel(plan="p").mean()) > 0  # without any label


def test_costs_and_delays_by_hand(fit):
    now = fit.position["labels_now"]
    guide = Guideline(0.5, redone=0.2, cost=300, delay=10, unit_cost=0.05)
    votes = Consensus(3, slices=("west",))
    case = case_of(guide, votes, costs={"retraining": 40, "labels_per_day": 100})
    both = plan_outcomes(fit, case, {"p": {"west": 200, "east": 100}}, interventions=["guideline", "consensus"])
    by_hand = 300 * 0.1 + 40 + 300 + 0.05 * 0.2 * float(now.sum()) + 2 * 200 * 0.1
    assert float(both[names.COST].sel(plan="p").mean()) == pytest.approx(by_hand)
    assert float(both[names.DAYS].sel(plan="p").mean()) == pytest.approx(3 + 10)
    alone = plan_outcomes(fit, case, {"p": {}}, interventions=["guideline"])
    assert float(alone[names.COST].sel(plan="p").mean()) == pytest.approx(300 + 0.01 * float(now.sum()) + 40)


def test_cheap_cleaning_wins_over_dear_labels(fit):
    case = case_of(Relabel(0.3, caught=0.9, unit_cost=0.001, name="cleaning"), price=2.0)
    plan = decide(fit, case, max_labels=2000)
    assert plan.verdict.advice == "spend on quality"
    assert plan.interventions == ("cleaning",)
    assert "cleaning" in plan.verdict.reasons[0]
    assert "labels only would bring" in plan.verdict.reasons[1]
    table = compare_plans(plan.outcomes).set_index(names.PLAN)
    assert table.loc[names.RECOMMENDED, "enb"] > table.loc["labels only", "enb"]
    assert table.loc[names.RECOMMENDED, names.P_BEST] > 0.5
    assert {names.NOTHING, names.EQUAL_SPLIT} <= set(table.index)


def test_an_intervention_that_costs_too_much_is_shown_and_not_done(fit):
    case = case_of(Guideline(0.9, cost=1e6))
    plain = decide(fit, case_of(), max_labels=1000, measure=False)
    plan = decide(fit, case, max_labels=1000, measure=False)
    assert plan.labels == plain.labels
    assert plan.interventions == ()
    assert plan.verdict.advice == "buy"
    assert "guideline" in plan.outcomes[names.PLAN].values


def test_d9_what_is_better_within_monte_carlo_error_alone_is_a_tie_that_is_told(fit):
    """Two draws more or less would turn it: labels alone stay, and the other is named."""
    free = decide(fit, case_of(Guideline(0.5, redone=0.5, unit_cost=0.0)), 1000, measure=False)
    worth = free.advantage() - free.advantage(names.LABELS_ONLY)
    error = float(worth.std() / np.sqrt(worth.size))
    for better, advice in ((0.3 * error, "buy"), (6.0 * error, "spend on quality")):
        case = case_of(Guideline(0.5, redone=0.5, unit_cost=0.0, cost=float(worth.mean()) - better))
        made = decide(fit, case, 1000, measure=False)
        assert made.verdict.advice == advice
        assert ("guideline is as good within Monte Carlo error" in made.verdict.reasons[-1]) == (advice == "buy")


def test_mixed_plan_is_the_best_of_all_that_were_tried(fit):
    offers = (Relabel(0.3, caught=0.9, unit_cost=0.01, name="cleaning"), Guideline(0.5, cost=60), Consensus(3))
    case = case_of(*offers, price=0.15)
    plan = decide(fit, case, max_labels=1500, measure=False)
    best = float(plan.advantage().mean())
    for done in ([], ["cleaning"], ["guideline"], ["cleaning", "guideline"], ["cleaning", "consensus"]):
        for share in (0.5, 1.0):
            labels = {
                name: int(n * share) for name, n in decide(fit, case_of(price=0.15), 1500, measure=False).labels.items()
            }
            out = plan_outcomes(fit, case, {"p": labels}, interventions=done)[names.NET_BENEFIT]
            assert float((out.sel(plan="p") - out.sel(plan=names.NOTHING)).mean()) <= best + 1e-6, (done, share)


def test_rules_bind_mixed_plans_too(fit):
    rule = {"maximum_budget": {"limit": 120, "probability": 0.9}}
    case = case_of(Guideline(0.2, redone=0.5, cost={"low": 50, "high": 400}), guardrails=rule)
    plan = decide(fit, case, max_labels=4000, measure=False)
    cost = plan.outcomes[names.COST].sel(plan=names.RECOMMENDED)
    assert float((cost <= 120 * (1 + 1e-9)).mean()) >= 0.9
    assert plan.rules["kept"].all()


def test_sensitivity_of_a_mixed_plan_is_about_that_plan(fit):
    case = case_of(Relabel(0.3, caught=0.9, unit_cost=0.001, name="cleaning"), price=2.0)
    plan = decide(fit, case, max_labels=2000, measure=False)
    assert plan_sensitivity(plan, refit=False).attrs["enb"] == pytest.approx(float(plan.advantage().mean()))


CASE = """
label_noise = { low = 0.05, high = 0.25 }
[costs]
price_per_label = 2.0
[value]
per_error_point = 400
[[interventions]]
kind = "relabel"
name = "cleaning"
share = 0.3
caught = 0.9
unit_cost = 0.001
[[interventions]]
kind = "consensus"
votes = 3
slices = ["west"]
"""


def test_case_file_states_interventions_and_gives_them_back():
    case = parse_case(CASE)
    assert [one.name for one in case.interventions] == ["cleaning", "consensus"]
    assert parse_case(case.to_toml()) == case


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (CASE.replace('"relabel"', '"relable"'), r"key 'interventions\[0\]\.kind'.*did you mean 'relabel'"),
        (CASE.replace("votes = 3", "votes = 0"), r"key 'interventions\[1\]\.votes'.*whole number ≥ 1"),
        (CASE.replace("share = 0.3", "share = 3"), r"interventions\[0\]\.share"),
        (CASE.replace("votes = 3", 'votes = 3\nname = "cleaning"'), "two are called 'cleaning'"),
    ],
)
def test_faults_of_interventions_are_placed(text, pattern):
    with pytest.raises(InputError, match=pattern):
        parse_case(text, file="case.toml")


def test_unknown_slices_names_and_missing_noise(fit):
    with pytest.raises(InputError, match="unknown slice 'wets'; did you mean 'west'"):
        case_of(Consensus(3, slices=("wets",))).check(fit)
    with pytest.raises(InputError, match="unknown intervention 'guidline'; did you mean 'guideline'"):
        plan_outcomes(fit, case_of(Guideline(0.5)), {"p": {}}, interventions=["guidline"])
    with pytest.raises(InputError, match="share of wrong labels, which is not known"):
        decide(fit, case_of(Guideline(0.5), label_noise=None), max_labels=100, measure=False)


def test_pretraining_needs_no_noise(fit):
    case = case_of(Pretraining(excess=0.8, cost=10), label_noise=None)
    plan = decide(fit, case, max_labels=500, measure=False)
    assert plan.interventions == ("pre-training",)


def test_command_says_spend_on_quality(tmp_path, fit, capsys):
    fit.save(tmp_path / "fit.nc")
    (tmp_path / "case.toml").write_text(CASE)
    arguments = ["plan", str(tmp_path / "fit.nc"), "--case", str(tmp_path / "case.toml"), "--max-labels", "1000"]
    assert cli.main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "spend on quality"
    assert "cleaning" in found["plan"]["interventions"]
    assert cli.main(arguments) == 0
    assert "Verdict: SPEND ON QUALITY" in capsys.readouterr().out
