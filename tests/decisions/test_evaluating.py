"""Audits priced before deciding, and evaluation labels that a rule asks for."""

import dataclasses
import re

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from labelvalue import Branch, InputError, Interval, decide, names
from labelvalue.decisions.case.case import parse_case
from labelvalue.decisions.case.risk import money_needed
from labelvalue.decisions.measuring.pilots import open_plans
from labelvalue.decisions.sensitivity.offers import cost_parts
from labelvalue.forecast.interventions.intervention import noise_draws
from labelvalue.interventions import EvaluationLabels, Guideline
from labelvalue.plans import plan_outcomes
from labelvalue.rules import check_guardrails
from labelvalue.testing import fake_fit
from labelvalue.voi import evppi, evsi, price_audits
from tests.fits import case_of

SAMPLE = (names.CHAIN, names.DRAW)


@pytest.fixture(scope="module")
def fit():
    return fake_fit(seed=1, draws=250)


# --- audits ---------------------------------------------------------------------------------------


def test_d14_audit_of_a_beta_share_is_that_of_the_closed_form():
    """A share of wrong labels U(0, 1), a repair worth a·share − c: after an audit its mean is (k + 1) / (m + 2)."""
    a, c, m = 10.0, 6.0, 12
    rng = np.random.default_rng(5)
    share = xr.DataArray(rng.uniform(size=(4, 5000)), dims=SAMPLE)
    net = xr.concat([0 * share, a * share - c], dim=names.PLAN).assign_coords({names.PLAN: ["no", "repair"]})
    seen = share.copy(data=rng.binomial(m, share.values) / m)
    found = evsi(net, seen)
    counts = np.arange(m + 1)
    after = np.maximum(a * (counts + 1) / (m + 2) - c, 0.0)
    exact = float((stats.betabinom.pmf(counts, m, 1, 1) * after).sum()) - max(a / 2 - c, 0.0)
    assert float(found[names.EVSI]) == pytest.approx(exact, abs=4 * float(found[names.MCSE]))


@pytest.fixture(scope="module")
def repair(fit):
    """Guidelines that pay if many labels are wrong, and do not if few are."""
    noise = (Branch(0.01, 0.5, "clean"), Branch(0.35, 0.5, "dirty"))
    free = Guideline(0.9, redone=1.0, unit_cost=0.0, name="rules")
    limits = {str(name): {"maximum": 0} for name in fit.slices}
    bare = case_of(label_noise=noise, interventions=(free,), slices=limits)
    worth = float(decide(fit, bare, max_labels=10, measure=False).advantage().mean())
    work = Guideline(0.9, redone=1.0, unit_cost=0.0, cost=1.05 * worth, name="rules")
    case = case_of(label_noise=noise, interventions=(work,), slices=limits)
    return case, decide(fit, case, max_labels=10, measure=False)


def test_d14_an_audit_asks_of_a_named_scenario_with_all_that_it_does(fit, repair):
    """Its interventions are not read off its name: without them it would bring nothing."""
    case, _ = repair
    named = dataclasses.replace(case, scenarios=({"name": "only rules", "interventions": ("rules",)},))
    made = decide(fit, named, max_labels=10, measure=False)
    held = open_plans(made)
    assert held.done["only rules"] == ("rules",)
    net = (one[names.NET_BENEFIT].sel(plan="only rules") for one in (held.today, made.outcomes))
    np.testing.assert_allclose(*net)


def test_d14_larger_audits_tell_more_and_none_more_than_the_truth(fit, repair):
    case, plan = repair
    table = price_audits(plan, slices=["west"], sizes=[1, 5, 50]).set_index("size")
    evsi = table.loc[[1, 5, 50], names.EVSI]
    assert evsi.is_monotonic_increasing
    noise = noise_draws(fit, case.label_noise)[0].sel(slice="west", drop=True)
    known = evppi(plan.outcomes[names.NET_BENEFIT], {"noise": noise})[names.EVPPI][0]
    assert 0 < evsi[1] < evsi[50] <= known + 4 * table[names.MCSE].max()
    assert evsi[50] == pytest.approx(known, rel=0.05)  # 50 labels tell 1 % from 35 % nearly surely
    assert np.allclose(table[names.COST], 0.1 * table.index)
    assert np.allclose(table[names.ENBS], table[names.EVSI] - table[names.COST])


def test_d14_money_for_an_audit_is_missing_for_what_it_recommends(fit, repair):
    """An audit of 20 labels costs 2, one of 50 costs 5: with 3 to spare beside the repair, the larger one ends it."""
    case, plan = repair
    (work,) = case.interventions
    audits = {
        spare: price_audits(dataclasses.replace(plan, max_spend=work.cost + spare), slices=["west"], sizes=[20, 50])
        for spare in (3, np.inf)
    }
    enbs = {spare: table.set_index("size")[names.ENBS] for spare, table in audits.items()}
    assert enbs[3][20] == pytest.approx(enbs[np.inf][20])
    assert enbs[3][20] > 0
    assert enbs[3][50] < 0 < enbs[np.inf][50]


@pytest.mark.parametrize(("overrun", "pays"), [(0.1, True), (0.6, False)])
def test_d14_the_reserve_of_a_plan_pays_an_audit(fit, repair, overrun, pays):
    """The cost of the repair is uncertain: what is held back for that pays 50 labels judged anew, if it is any."""
    case, _ = repair
    (work,) = case.interventions
    unsure = dataclasses.replace(work, cost=Interval(low=0.8 * work.cost, high=1.2 * work.cost))
    rules = dataclasses.replace(case.guardrails, overrun=overrun)
    case = dataclasses.replace(case, interventions=(unsure,), guardrails=rules)
    plan = decide(fit, case, max_labels=10, measure=False)
    cost = plan_outcomes(fit, case, {"repair": {}}, interventions=("rules",))[names.COST].sel(plan="repair")
    most = {"just enough": money_needed(cost, overrun), "all": np.inf}
    audits = {
        which: price_audits(dataclasses.replace(plan, max_spend=money), slices=["west"], sizes=[50])[names.ENBS][0]
        for which, money in most.items()
    }
    assert audits["all"] > 0
    assert audits["just enough"] == pytest.approx(audits["all"] if pays else -5.0)


def test_d14_where_an_audit_decides_it_comes_first(fit, repair):
    case, _ = repair
    advised = decide(fit, case, max_labels=10)
    assert advised.verdict.advice == "measure first"
    assert advised.verdict.pilot["kind"] == "audit"
    assert "labels judged anew for" in advised.verdict.reasons[0]


def test_d14_what_is_known_needs_no_audit(fit):
    case = case_of(label_noise=0.1, interventions=(Guideline(0.5, cost=10),))
    plan = decide(fit, case, max_labels=100, measure=False)
    assert price_audits(plan).empty
    with pytest.raises(InputError, match="unknown slice 'wets'; did you mean 'west'"):
        price_audits(plan, slices=["wets"])
    with pytest.raises(InputError, match="sizes"):
        price_audits(plan, sizes=[0])


# --- evaluation labels that a rule asks for -------------------------------------------------------

RULE = {"west": {"minimum_evaluation": 2400, "reason": "EN 1234, clause 5"}}


def test_d29_missing_evaluation_labels_are_bought_first_and_paid_for(fit):
    """Two thousand are there: 400 are missing, cost their price, and leave so many fewer for training."""
    free, ruled = (decide(fit, case_of(0.01, slices=rule), max_labels=1000, measure=False) for rule in ({}, RULE))
    assert ruled.evaluation == {"west": 400}
    assert free.evaluation == {}
    assert free.total == 1000
    assert ruled.total == 600
    cost = ruled.outcomes[names.COST].sel(plan=names.RECOMMENDED)
    assert np.allclose(cost, 0.01 * (600 + 400))
    assert any("EN 1234, clause 5" in note and "400 evaluation labels for west" in note for note in ruled.notes)
    assert not ruled.outcomes[names.COST].sel(plan=names.NOTHING).any()


def test_d29_evaluation_may_make_a_plan_not_worth_it(fit):
    """The missing labels are a fixed cost: dearer than all that training labels bring, nothing is bought."""
    price = {"default": 0.01, "west": 0.01}
    plain = decide(fit, case_of(price, point=20.0), max_labels=500, measure=False)
    assert plain.total > 0
    dear = float(plain.advantage().mean()) / 0.01 * 2
    rule = {"west": {"minimum_evaluation": 2000 + int(dear)}}
    plan = decide(fit, case_of(price, point=20.0, slices=rule), max_labels=500 + int(dear), measure=False)
    assert plan.total == 0
    assert plan.evaluation == {}


def test_d29_rules_out_of_reach_name_their_reason(fit):
    said = decide(fit, case_of(slices=RULE), max_labels=300).verdict.reasons[0]
    assert re.search(r"binding: 400 evaluation labels for west .*EN 1234, clause 5.*to 400 or more", said)
    floors = [{"slice": "west", "error": 0.001, "probability": 0.9, "reason": "law 7"}]
    assert "law 7" in decide(fit, case_of(guardrails={"floors": floors}), max_labels=300).verdict.reasons[0]


def test_d29_guardrails_and_case_files_hold_the_rule(fit):
    case = case_of(0.01, slices=RULE)
    assert parse_case(case.to_toml()) == case
    table = check_guardrails(fit, case, decide(fit, case, max_labels=1000, measure=False).outcomes)
    rows = table[table["rule"] == "minimum evaluation labels"].set_index(names.PLAN)
    assert rows.loc[names.RECOMMENDED, "kept"]
    assert names.NOTHING not in rows.index  # the rule is for plans that do anything
    assert (rows["reason"] == "EN 1234, clause 5").all()
    with pytest.raises(InputError, match="minimum_evaluation"):
        case_of(slices={"west": {"minimum_evaluation": -1}})


@pytest.mark.parametrize(("labels", "money"), [(1000, 20 + 100), (400, 20 + 40), (100, 20 + 10 + 30)])
def test_d29_evaluation_labels_that_an_intervention_brings_are_paid_for_once(fit, labels, money):
    """Of 2,400 that are asked for 400 are missing: a plan pays for those that nothing else brings."""
    offer = EvaluationLabels(labels, slices=("west",))
    case = case_of(slices=RULE, interventions=(offer,))
    found = plan_outcomes(fit, case, {"p": {"east": 200}}, interventions=[offer.name])
    assert np.allclose(found[names.COST].sel(plan="p"), money)
    own = found[names.EVALUATION_LABELS].sel(plan="p").to_series()
    assert own.to_dict() == {"east": 0, "north": 0, "south": 0, "west": max(labels, 400)}
    assert not found[names.EVALUATION_LABELS].sel(plan=names.NOTHING).any()


def test_d29_a_plan_that_only_brings_evaluation_labels_keeps_the_rule(fit):
    offer = EvaluationLabels(400, slices=("west",))
    case = case_of(slices=RULE, interventions=(offer,))
    table = check_guardrails(fit, case, plan_outcomes(fit, case, {"p": {}}, interventions=[offer.name]))
    kept = table[table["rule"] == "minimum evaluation labels"].set_index(names.PLAN)
    assert kept.loc["p", "kept"]
    assert kept.loc["p", "reached"] == 2400
    assert names.NOTHING not in kept.index


def test_d29_cheap_evaluation_labels_are_bought_instead_of_dear_ones(fit):
    """Ten times cheaper than labels of the plan, they are the better way to keep the rule."""
    offer = EvaluationLabels(400, slices=("west",), unit_cost=0.001)
    plain, offered = (
        decide(fit, case_of(0.01, slices=RULE, interventions=o), 1000, measure=False) for o in ((), (offer,))
    )
    assert offered.interventions == ("evaluation labels",)
    assert offered.evaluation == plain.evaluation == {"west": 400}
    assert offered.total == plain.total == 600
    saved = (offered.advantage() - plain.advantage()).mean()
    assert float(saved) >= 400 * (0.01 - 0.001) - 1e-9
    assert not any("with any plan" in note for note in offered.notes)


def test_d29_the_money_of_a_rule_is_a_part_of_its_own(fit):
    case = case_of(0.01, slices=RULE)
    parts = cost_parts(decide(fit, case, max_labels=1000, measure=False))
    money = {title: float(part.mean()) for title, part in parts.items() if part.any()}
    assert money == pytest.approx({"labels": 6.0, "evaluation labels by a rule": 4.0})
