"""Plans from a fit and a case; nothing is sampled."""

import dataclasses
import itertools

import numpy as np
import pytest
import xarray as xr

from labelvalue import Case, Target, decide, names
from labelvalue.decisions.search.listing import list_purchases, seen_from
from labelvalue.decisions.search.optimise import best_purchase
from labelvalue.plans import cheapest_plan, plan_outcomes
from labelvalue.risk import Aspiration, CVaR, ExponentialUtility, Mean, Quantile
from labelvalue.testing import fake_fit
from tests.fits import case_of


@pytest.fixture(scope="module")
def two():
    return fake_fit(seed=3, slices=("a", "b"), draws=50)


def enb(plan, name=names.RECOMMENDED) -> float:
    return float(plan.outcomes[names.NET_BENEFIT].sel(plan=name).mean())


def best_of_all(fit, case, most, lot) -> float:
    """Every purchase in lots, valued as a whole plan."""
    every = itertools.product(range(0, most + 1, lot), repeat=2)
    plans = {f"{a},{b}": {"a": a, "b": b} for a, b in every if a + b <= most}
    return float(plan_outcomes(fit, case, plans)[names.NET_BENEFIT].mean(("chain", "draw")).max())


@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.parametrize("price", [0.05, 0.4, 2.0])
def test_plan_is_the_best_of_all_plans_as_a_whole(seed, price):
    """Transfer between slices counts: the search, which looks at slices one by one, ends at the joint optimum."""
    fit = fake_fit(seed=seed, slices=("a", "b"), draws=25)
    case = case_of(price, costs={"setup_per_batch": 20})
    plan = decide(fit, case, max_labels=2000, measure=False)
    best = best_of_all(fit, case, 2000, 100)
    assert enb(plan) >= best - 0.02 * abs(best)


def test_plan_keeps_whole_labels_within_the_budget(two):
    plan = decide(two, case_of(), max_labels=777, measure=False)
    assert all(isinstance(n, int) for n in plan.labels.values())
    assert sum(plan.labels.values()) <= 777
    assert plan.total == 777  # labels are cheap here
    lots = decide(two, case_of(), max_labels=777, lot=50, measure=False)
    assert all(n % 50 == 0 for n in lots.labels.values())
    assert lots.total == 750


@pytest.mark.parametrize("risk", [Mean(), CVaR(0.9), Quantile(0.1), ExponentialUtility(200.0), Aspiration(50.0)])
def test_never_worse_than_a_split_or_nothing(two, risk):
    for price in (0.05, 1.0, 20.0):
        evidence = decide(two, case_of(price, risk=risk), max_labels=1500, measure=False).certificate
        assert evidence.objective >= max(evidence.equal, evidence.proportional, evidence.nothing)


def test_one_large_order_is_tried_where_tiers_make_it_cheap():
    """From between two orders that reach a tier no small step leads to either of them; both are valued as wholes."""
    fit = fake_fit(seed=12, slices=("a", "b", "c"), draws=100)
    costs = {"price_per_label": 0.1, "tiers": [{"above": 2500, "factor": 0.6}]}
    rules = {"maximum_budget": {"limit": 400}}
    case = Case(costs=costs, value={"per_error_point": 2000}, guardrails=rules)
    found = decide(fit, case, max_labels=9000, measure=False)
    large = plan_outcomes(fit, case, {"large": {"a": 3928, "b": 643}})
    assert (large["cost"].sel(plan="large") <= 400).mean() >= 0.9
    assert enb(found) >= 0.999 * float(large["net_benefit"].sel(plan="large").mean())


@pytest.mark.parametrize("risk", [Quantile(0.1), Aspiration(20.0), Aspiration(200.0)])
def test_what_no_programme_maximises_is_the_best_of_all_plans_as_well(two, risk):
    """An appetite without a bound of its own: as good as the best purchase in lots, but for the draws' own steps."""
    case = case_of(0.4, risk=risk)
    every = itertools.product(range(0, 1501, 50), repeat=2)
    net = plan_outcomes(two, case, {f"{a},{b}": {"a": a, "b": b} for a, b in every if a + b <= 1500})["net_benefit"]
    best = float(risk.score(net - net.sel(plan=names.NOTHING, drop=True)).max())
    found = decide(two, case, max_labels=1500, measure=False)
    assert float(risk.score(found.advantage())) >= best - 0.01 * abs(best)


def test_the_plan_most_likely_to_reach_a_target_buys_more_than_the_one_worth_most(two):
    """D10: P(target reached) as an appetite, where the value of the case is a target."""
    goal = float(two.posterior["error_now"].mean() * 0.97)
    case = Case(costs={"price_per_label": 0.1}, value={"target": {"error": goal, "worth": 400}})
    worth = decide(two, case, max_labels=3000, measure=False)
    sure = decide(two, dataclasses.replace(case, risk=Aspiration(1.0)), max_labels=3000, measure=False)
    reached = [float(one.outcomes["target_reached"].sel(plan=names.RECOMMENDED).mean()) for one in (worth, sure)]
    assert reached[1] > reached[0]
    assert sure.total > worth.total


def test_a_plan_is_worth_as_much_on_draws_that_did_not_choose_it():
    """No optimiser's curse of the draws: what is promised is what draws that the search never saw say."""
    case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    optimism, spread = [], []
    for seed in range(3):
        fit = fake_fit(seed=seed, slices=("a", "b"), draws=400)
        for one, other in itertools.permutations(thinned(fit, start) for start in (0, 1)):
            made = decide(one, case, 2_000, measure=False)
            net = plan_outcomes(other, case, {"p": made.labels})[names.NET_BENEFIT]
            there = net.sel({names.PLAN: "p"}) - net.sel({names.PLAN: names.NOTHING})
            optimism.append(float(made.advantage().mean() - there.mean()))
            spread.append(float(there.std()) / np.sqrt(there.size))
    assert np.mean(optimism) <= 3 * np.sqrt(2 * np.mean(np.square(spread)) / len(spread))


def thinned(fit, start):
    """Every second draw of a fit."""
    parts = {name: part.to_dataset() for name, part in fit.tree.children.items()}
    kept = {n: d.isel(draw=slice(start, None, 2)) if "draw" in d.dims else d for n, d in parts.items()}
    tree = xr.DataTree.from_dict(kept)
    tree.attrs = fit.tree.attrs
    return dataclasses.replace(fit, tree=tree)


def test_nothing_is_bought_where_labels_cost_too_much(two):
    plan = decide(two, case_of(price=1e5), max_labels=1000, measure=False)
    assert plan.total == 0
    assert plan.verdict.advice == "wait"
    assert enb(plan) == 0.0


def test_no_budget_is_doing_nothing(two):
    assert decide(two, case_of(), max_labels=0, measure=False).total == 0


@pytest.mark.parametrize("wrong", [-1, 10.5, "many", float("nan")])
def test_budget_is_a_whole_number(two, wrong):
    with pytest.raises(ValueError, match="must be a whole number ≥ 0"):
        decide(two, case_of(), max_labels=wrong, measure=False)


@pytest.mark.parametrize(("name", "value"), [("lot", 0), ("lot", True), ("max_spend", 0.0)])
def test_other_numbers_are_checked(two, name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        decide(two, case_of(), max_labels=10, **{name: value}, measure=False)


def test_limits_of_slices_hold_and_have_prices(two):
    free = decide(two, case_of(), max_labels=1000, measure=False)
    dear = max(free.labels, key=free.labels.get)
    plan = decide(two, case_of(slices={dear: {"maximum": 200}}), max_labels=1000, measure=False)
    assert plan.labels[dear] == 200
    assert enb(plan) < enb(free)
    assert f"{dear} ≤ 200" in plan.prices["limit"].tolist()


@pytest.mark.parametrize("name", ["a", "b"])
def test_d15_the_stakes_of_a_class_move_the_plan_and_its_worth(two, name):
    plain, staked = case_of(price=1.0), case_of(price=1.0, classes={"high": {"slices": [name], "stakes": 6.0}})
    plans = [decide(two, case, max_labels=2000, measure=False) for case in (plain, staked)]
    assert plans[0].total == 0 < plans[1].labels[name] == plans[1].total
    out = plan_outcomes(two, staked, {"p": {"a": 300, "b": 200}}).sel(plan="p")
    gain = out[names.GAIN].sel(slice=name) * 6 + out[names.GAIN].drop_sel(slice=name).sum("slice")
    assert np.allclose(out[names.VALUE], gain * 100 * 400)


def test_d15_the_minimum_of_a_class_is_bought_wherever_it_is_best_or_there_is_no_plan(two):
    def made(minimum, **slices):
        case = case_of(classes={"high": {"slices": ["a", "b"], "minimum": minimum}}, price=1e3, slices=slices)
        return decide(two, case, max_labels=2000, measure=False)

    free, held = made(0), made(700, a={"maximum": 100})
    assert (free.total, held.labels) == (0, {"a": 100, "b": 600})
    row = held.rules.set_index("rule").loc["minimum labels of a class"]
    assert (row["slice"], row["limit"], row["reached"], row["kept"]) == ("high", 700, 700, True)
    none = made(700, a={"maximum": 100}, b={"maximum": 500})
    assert (none.verdict.advice, none.state) == ("no plan", names.STOP)
    assert "labels of class high ≥ 700" in none.verdict.reasons[0]


def test_minima_above_the_budget_are_named(two):
    case = case_of(slices={"a": {"minimum": 700}, "b": {"minimum": 500}})
    found = decide(two, case, max_labels=1000)
    assert (found.verdict.advice, found.total, found.state) == ("no plan", 0, names.STOP)
    said = "needs 1200, allowed 1000; binding: a ≥ 700, b ≥ 500. Fix: raise max_labels by 200"
    assert said in found.verdict.reasons[0]


def test_floor_is_kept_with_its_probability(two):
    now = two.posterior[names.ERROR_NOW]
    free = decide(two, case_of(price=3.0), max_labels=20_000, measure=False)
    name = min(free.labels, key=free.labels.get)
    limit = float(now.sel(slice=name).mean()) * 0.93
    floors = [{"slice": name, "error": limit, "probability": 0.9}]
    plan = decide(two, case_of(price=3.0, guardrails={"floors": floors}), max_labels=20_000, measure=False)
    error = plan.outcomes[names.ERROR].sel(plan=names.RECOMMENDED, slice=name)
    assert float((error <= limit).mean()) >= 0.9
    assert plan.labels[name] > free.labels[name]
    assert plan.rules["kept"].all()


def test_floor_out_of_reach_says_what_would_do(two):
    floors = [{"slice": s, "error": 0.001, "probability": 0.9} for s in ("a", "b")]
    problems = decide(two, case_of(guardrails={"floors": floors}), max_labels=100).problems
    assert [p.column for p in problems] == ["a", "b"]
    limit = float(str(problems[0]).split("an error of ")[1].split(",")[0])
    freed = [{"slice": "a", "error": limit, "probability": 0.9}]
    assert decide(two, case_of(guardrails={"floors": freed}), max_labels=100, measure=False).rules["kept"].all()


def test_budget_rule_holds_under_uncertain_prices(two):
    rule = {"maximum_budget": {"limit": 100, "probability": 0.9}}
    case = case_of(price={"low": 0.05, "high": 0.2}, guardrails=rule)
    plan = decide(two, case, max_labels=20_000, measure=False)
    cost = plan.outcomes[names.COST].sel(plan=names.RECOMMENDED)
    assert float((cost <= 100).mean()) >= 0.9
    assert float(cost.quantile(0.9)) > 95  # and the money that is allowed is spent


def test_gap_rule_holds_or_says_what_would_do(two):
    now = two.posterior[names.ERROR_NOW]
    gap = float(abs(now.diff("slice")).mean())

    def ruled(limit):
        return case_of(guardrails={"largest_gap": {"limit": limit, "probability": 0.8}})

    plan = decide(two, ruled(0.9 * gap), max_labels=5000, measure=False)
    error = plan.outcomes[names.ERROR].sel(plan=names.RECOMMENDED)
    assert float((error.max("slice") - error.min("slice") <= 0.9 * gap).mean()) >= 0.8
    assert "Fix: allow a gap of" in decide(two, ruled(0.1 * gap), max_labels=500).verdict.reasons[0]


def test_minimum_gain_turns_the_verdict(two):
    rule = {"minimum_gain": {"limit": 0.5, "probability": 0.8}}
    found = decide(two, case_of(guardrails=rule), max_labels=1000)
    assert (found.verdict.advice, found.state) == ("wait", names.STOP)
    assert "guardrail" in found.verdict.reasons[0]


def test_minimum_gain_makes_a_plan_smaller_until_it_holds(two):
    """Each thousand labels bring less than the one before: what holds is bought, and allowing more never hurts."""

    def made(most, limit, probability=0.8):
        rule = {"minimum_gain": {"limit": limit, "probability": probability}}
        return decide(two, case_of(price=0.001, guardrails=rule), most, measure=False)

    free = decide(two, case_of(price=0.001), 40_000, measure=False)
    rate = float((free.outcomes[names.GAIN].sel(plan=names.RECOMMENDED).mean("slice") / free.total * 1000).mean())
    few, many = made(2_000, 1.5 * rate), made(40_000, 1.5 * rate)
    assert free.total == 40_000
    assert 2_000 == few.total < many.total < 40_000
    assert many.rules["p_kept"].item() >= 0.8
    assert many.verdict.advice == "buy"
    net = [float(one.advantage().mean()) for one in (few, many, free)]
    assert net == sorted(net)
    unsure = made(
        40_000, float(made(1, 1e-9).outcomes[names.GAIN].sel(plan=names.RECOMMENDED).mean("slice").median()) * 1000
    )
    assert (unsure.verdict.advice, unsure.state) == ("wait", names.INCONCLUSIVE)


def test_batches_are_paid_for_each(two, monkeypatch):
    """A set-up that costs more than a batch brings stops the plan at a whole number of batches; few are searched."""
    case = case_of(price=0.01, costs={"setup_per_batch": 150, "batch_size": 300})
    allowed = []

    def best(menu, *given):
        allowed.append(menu.max_labels)
        return best_purchase(menu, *given)

    monkeypatch.setattr("labelvalue.decisions.search.allocation.best_purchase", best)
    plan = decide(two, case, max_labels=3000, measure=False)
    assert len(allowed) <= 3  # of ten that there may be
    batches = -(-plan.total // 300)
    known = {
        n: enb(decide(two, case, max_labels=300 * n, measure=False))
        for n in {1, batches, min(batches + 1, 10), max(batches - 1, 1)}
    }
    assert enb(plan) >= max(known.values()) - 1e-9


def test_menu_seen_from_a_plan_is_exact_there(two):
    case = case_of(costs={"retraining": 30})
    listing = list_purchases(two, case, 1000)
    bought = np.array([300, 400])
    net = plan_outcomes(two, case, {"p": {"a": 300, "b": 400}})[names.NET_BENEFIT]
    advantage = net.sel(plan="p").values.ravel()
    view = seen_from(two, case, listing, bought, advantage, 1).menu
    assert np.allclose(view.outcome(bought), advantage)
    # One label more of either slice is worth what the whole plans say.
    for place, name in enumerate("ab"):
        more = bought + 50 * (np.arange(2) == place)
        plan = {"a": int(more[0]), "b": int(more[1])}
        exact = plan_outcomes(two, case, {"p": plan})[names.NET_BENEFIT].sel(plan="p").mean() - advantage.mean()
        assert view.outcome(more).mean() - advantage.mean() == pytest.approx(float(exact), rel=0.1), name


def test_table_says_what_is_bought(two):
    plan = decide(two, case_of(), max_labels=500, measure=False)
    table = plan.table()
    assert table[names.LABELS].sum() == plan.total
    assert ((table["low"] <= table[names.GAIN]) & (table[names.GAIN] <= table["high"])).all()
    with pytest.raises(ValueError, match="ci_prob"):
        plan.table(ci_prob=1.5)


# --- the cheapest plan for a target -----------------------------------------------------------------

PRICES = {"a": 0.1, "b": 0.3}
MOST, STEP = 16_000, 500


@pytest.fixture(scope="module")
def every(two):
    """Every plan in steps: what it costs, and the errors that it leaves."""
    many = [(a, b) for a in range(0, MOST + 1, STEP) for b in range(0, MOST + 1 - a, STEP)]
    out = plan_outcomes(two, case_of(price=PRICES), {f"{a} and {b}": {"a": a, "b": b} for a, b in many})
    return out[[names.COST, names.ERROR]].drop_sel(plan=names.NOTHING)


@pytest.mark.parametrize(
    ("of", "share", "probability", "reached"),
    [("mean", 0.9, 0.8, True), ("worst", 0.9, 0.6, True), ("gap", 0.8, 0.6, True), ("gap", 0.5, 0.8, False)],
)
def test_d33_no_plan_reaches_a_target_for_less_or_more_probably(two, every, of, share, probability, reached):
    low, high = every[names.ERROR].min("slice"), every[names.ERROR].max("slice")
    error = {"mean": every[names.ERROR].mean("slice"), "worst": high, "gap": high - low}[of]
    limit = share * float(error.sel(plan="0 and 0").mean())
    held = (error <= limit).mean(("chain", "draw"))
    cost = every[names.COST].mean(("chain", "draw")).where(held >= probability)
    target = Target(error=limit, of=of)
    found = cheapest_plan(two, case_of(price=PRICES), target, probability=probability, max_labels=MOST)
    bought = dict(zip(found["slice"], found["labels"], strict=True))
    own = plan_outcomes(two, case_of(price=PRICES), {"p": bought}).sel(plan="p")
    left = own[names.ERROR]
    left = {"mean": left.mean("slice"), "worst": left.max("slice"), "gap": left.max("slice") - left.min("slice")}[of]
    told = found.attrs
    assert told["found"] is reached is bool(cost.notnull().any())
    assert told["p_target"] == pytest.approx(float((left <= limit).mean()))
    assert told[names.COST] == pytest.approx(float(own[names.COST].mean()))
    if reached:
        assert told["p_target"] >= probability
        assert told[names.COST] <= 1.005 * float(cost.min())
    else:
        assert probability > told["p_target"] >= float(held.max())
    assert told["total"] == sum(bought.values()) <= MOST


def test_d33_what_is_reached_already_costs_nothing_and_rules_are_kept(two):
    now = float(two.posterior[names.ERROR_NOW].mean("slice").max())
    assert cheapest_plan(two, case_of(), Target(error=1.01 * now)).attrs["total"] == 0
    ruled = case_of(slices={"a": {"minimum": 70}}, guardrails={"maximum_budget": {"limit": 60, "probability": 0.9}})
    found = cheapest_plan(two, ruled, Target(error=0.5 * now), probability=0.9)
    assert (found.attrs["found"], found.attrs[names.COST] <= 60 * (1 + 1e-9)) == (False, True)
    assert found.set_index("slice").loc["a", names.LABELS] >= 70


def test_a_plan_has_no_crumbs(monkeypatch):
    """Single labels of slices that hardly count, bought because nothing says they must not be."""
    case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 60})
    fit = fake_fit(seed=1, slices=tuple("abcde"), draws=100)
    made = decide(fit, case, max_labels=2_000, measure=False)
    assert all(n == 0 or n >= 0.02 * made.total for n in made.labels.values())
    monkeypatch.setattr("labelvalue.decisions.search.allocation.CRUMB", 0.0)
    with_crumbs = decide(fit, case, max_labels=2_000, measure=False)
    assert min(n for n in with_crumbs.labels.values() if n) == 1
    apart = made.outcomes[names.NET_BENEFIT] - with_crumbs.outcomes[names.NET_BENEFIT]
    lost = -float(apart.sel({names.PLAN: names.RECOMMENDED}).mean())
    assert lost <= 0.25 * float(with_crumbs.advantage().std()) / np.sqrt(apart.sizes["chain"] * apart.sizes["draw"])
    wanted = dataclasses.replace(case, slices={"e": {"minimum": 1}})
    assert decide(fit, wanted, max_labels=2_000, measure=False).labels["e"] >= 1, "what a case asks for is no crumb"
