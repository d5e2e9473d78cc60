"""Decisions at other budgets, prices and values: exact where they are looked up, and never better than they are."""

import dataclasses

import pytest

import labelvalue as lv
from labelvalue import names, testing
from labelvalue.decisions.sensitivity.tornado import scaled


@pytest.fixture(scope="module")
def made():
    fit = testing.fake_fit(seed=1, draws=100)
    case = lv.Case(
        costs={"price_per_label": {"low": 0.05, "high": 0.2}, "retraining": 50, "rework": {"low": 0.02, "high": 0.1}},
        value={"per_error_point": {"low": 100, "high": 300}},
        guardrails={"maximum_budget": {"limit": 700, "probability": 0.8}},
        currency="USD",
    )
    plan = lv.decide(fit, case, max_labels=3000, measure=False)
    return fit, case, plan, lv.what_if(plan)


def changed(case, price, value):
    costs = dataclasses.replace(case.costs, price_per_label=scaled(case.costs.price_per_label, price))
    worth = dataclasses.replace(case.value, per_error_point=scaled(case.value.per_error_point, value))
    return dataclasses.replace(case, costs=costs, value=worth)


def test_nothing_changed_is_the_plan(made):
    _, _, plan, grid = made
    at = grid.sel(budget=3000, price=1.0, value=1.0)
    assert at["verdict"] == plan.verdict.advice
    assert grid["labels"].isel(candidate=int(at["chosen"])).values.tolist() == list(plan.labels.values())
    assert float(at["net_benefit"]) == pytest.approx(float(plan.advantage().mean()))


@pytest.mark.parametrize(
    ("price", "value", "budget"), [(2.0, 1.0, 3000), (0.5, 2.0, 6000), (1.4, 0.7, 1500), (2.0, 0.5, 300)]
)
def test_a_point_is_what_the_changed_case_gives(made, price, value, budget):
    fit, case, _, grid = made
    other, at = changed(case, price, value), grid.sel(budget=budget, price=price, value=value)
    labels = grid["labels"].isel(candidate=int(at["chosen"]))
    bought = {str(name): int(n) for name, n in zip(grid["slice"].values, labels.values, strict=True)}
    outcomes = lv.plans.plan_outcomes(fit, other, {"it": bought})
    net = outcomes["net_benefit"].sel(plan="it") - outcomes["net_benefit"].sel(plan=names.NOTHING)
    assert float(at["net_benefit"]) == pytest.approx(float(net.mean()), abs=1e-6)
    assert float(at["p_positive"]) == float((net > 0).mean())
    assert float(at["cost"]) == pytest.approx(float(outcomes["cost"].sel(plan="it").mean()))
    assert sum(bought.values()) <= budget
    assert float((outcomes["cost"].sel(plan="it") <= 700).mean()) >= 0.8
    best = lv.decide(fit, other, max_labels=budget, measure=False)
    assert float(best.advantage().mean()) >= float(net.mean()) - 2.0 * float(net.std()) / net.size**0.5
    assert (str(at["verdict"].item()) == "wait") == (best.verdict.advice == "wait")


def test_money_is_lost_by_no_point(made):
    grid = made[3]
    assert float(grid["net_benefit"].min()) >= 0
    assert bool((grid["net_benefit"].diff("value") >= -1e-9).all())
    assert bool((grid["net_benefit"].diff("price") <= 1e-9).all())


def test_factors_are_checked(made):
    plan = made[2]
    with pytest.raises(ValueError, match="prices must be > 0 with 1 among them"):
        lv.what_if(plan, prices=(0.5, 2.0))


def test_what_is_done_beside_labels_is_decided_again_as_well():
    """Relabelling at a price of its own: worth it at the case's worth of a point, not where that is a hundredth."""
    fit = testing.fake_fit(seed=1, draws=100)
    work = lv.interventions.Relabel(0.5, caught=0.9, cost=100, unit_cost=0.0)
    costs, value = {"price_per_label": 0.1}, {"per_error_point": 400}
    case = lv.Case(costs=costs, value=value, label_noise=0.2, interventions=(work,))
    plan = lv.decide(fit, case, max_labels=1000, measure=False)
    grid = lv.what_if(plan, values=(0.01, 1.0), shares=(0.5, 1.0))
    assert plan.interventions == ("relabel",)
    done = {value: grid.sel(budget=1000, price=1.0, value=value) for value in (0.01, 1.0)}
    assert done[1.0]["verdict"] == plan.verdict.advice == "spend on quality"
    assert float(done[1.0]["net_benefit"]) == pytest.approx(float(plan.advantage().mean()))
    assert done[0.01]["verdict"] in ("buy", "wait")
    for at in done.values():
        beside = str(grid["interventions"].isel(candidate=int(at["chosen"])).item())
        assert (beside == "relabel") == (at["verdict"] == "spend on quality")
    half = grid.sel(budget=500, price=2.0, value=1.0)
    labels = grid["labels"].isel(candidate=int(half["chosen"]))
    bought = {str(name): int(n) for name, n in zip(grid["slice"].values, labels.values, strict=True)}
    dear = changed(case, 2.0, 1.0)
    outcomes = lv.plans.plan_outcomes(fit, dear, {"it": bought}, interventions=("relabel",))
    assert half["verdict"] == "spend on quality"
    assert float(half["cost"]) == pytest.approx(float(outcomes["cost"].sel(plan="it").mean()))
