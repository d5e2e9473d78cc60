"""Plans side by side: what is said of them against numbers worked out by hand."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from labelvalue import Case, InputError, Target, decide, names, predict_error
from labelvalue.plans import (
    compare_pairs,
    compare_plans,
    fairness,
    gain_under_mix,
    plan_outcomes,
    rank_stability,
    scenario_sets,
    score_plans,
)
from labelvalue.report.numbers.plan import plan_numbers
from labelvalue.report.render.terminal import plan_text
from labelvalue.risk import Score
from labelvalue.testing import fake_fit

SAMPLE = (names.CHAIN, names.DRAW)


def outcomes_of(net: dict[str, np.ndarray], cost: float = 1.0) -> xr.Dataset:
    """Outcomes whose net benefits are given; doing nothing is among them."""
    every = {names.NOTHING: np.zeros(next(iter(net.values())).size), **net}
    stacked = np.stack([v.reshape(4, -1) for v in every.values()], axis=-1)
    dims = (*SAMPLE, names.PLAN)
    costs = np.array([0.0, *[cost] * len(net)])
    made = {
        names.NET_BENEFIT: (dims, stacked),
        names.VALUE: (dims, stacked + costs),
        names.COST: (dims, np.broadcast_to(costs, stacked.shape)),
        names.DAYS: (dims, np.zeros_like(stacked)),
        names.LABELS: ((names.PLAN, names.SLICE), np.arange(len(every))[:, None] * 10.0),
    }
    return xr.Dataset(made, coords={names.PLAN: list(every), names.SLICE: ["a"]})


@pytest.fixture(scope="module")
def real():
    fit = fake_fit(seed=2, draws=100)
    case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    return plan_outcomes(fit, case, {"west": {"west": 900}, "all": dict.fromkeys(map(str, fit.slices), 225)})


def test_probability_of_the_best_and_regret_of_two_gaussians():
    """X ~ N(1, 2), Y ~ N(2, 1), independent: P(Y > X) and E(X − Y)⁺ have closed forms."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(101.0, 2.0, 20_000), rng.normal(102.0, 1.0, 20_000)
    table = compare_plans(outcomes_of({"x": x, "y": y})).set_index(names.PLAN)
    sd = np.sqrt(5.0)
    assert table.loc["y", names.P_BEST] == pytest.approx(stats.norm.cdf(1 / sd), abs=0.015)
    regret = sd * stats.norm.pdf(1 / sd) - stats.norm.sf(1 / sd)
    assert table.loc["y", "regret"] == pytest.approx(regret, abs=0.04)
    assert table.loc["x", "regret"] == pytest.approx(regret + 1.0, abs=0.06)
    assert table.loc["x", "enb"] == pytest.approx(101.0, abs=4 * table.loc["x", names.MCSE])
    assert table.index[0] == "y"
    assert table.loc[names.NOTHING, names.P_BEST] == 0.0


def test_ties_share_the_best():
    draws = np.random.default_rng(2).normal(5.0, 0.1, 400)
    table = compare_plans(outcomes_of({"x": draws, "twin": draws})).set_index(names.PLAN)
    assert table.loc["x", names.P_BEST] == table.loc["twin", names.P_BEST] == 0.5


def test_differences_are_of_paired_draws():
    """Two plans that share all their luck differ by exactly what they differ by."""
    luck = np.random.default_rng(3).normal(0.0, 50.0, 2000)
    pairs = compare_pairs(outcomes_of({"x": luck, "better": luck + 1.0})).set_index([names.PLAN, "against"])
    row = pairs.loc[("better", "x")]
    assert row["difference"] == pytest.approx(1.0)
    assert row["upper"] - row["lower"] == pytest.approx(0.0, abs=1e-9)
    assert row["p_better"] == 1.0
    assert row["regret"] == 0.0
    assert pairs.loc[("x", "better"), "regret"] == pytest.approx(1.0)


def test_stochastic_dominance():
    rng = np.random.default_rng(4)
    base = np.sort(rng.normal(10.0, 1.0, 2000))
    shuffled = rng.permutation(base)
    spread = 10.0 + 3.0 * (shuffled - base.mean())
    pairs = compare_pairs(outcomes_of({"x": base, "higher": shuffled + 0.5, "wilder": spread}))
    pairs = pairs.set_index([names.PLAN, "against"])
    # First order: whatever the pairing of draws; it implies second order.
    assert pairs.loc[("higher", "x"), ["first_order", "second_order"]].tolist() == [True, True]
    assert pairs.loc[("x", "higher"), ["first_order", "second_order"]].tolist() == [False, False]
    # About the same mean, more spread: dominated for the risk-averse, not for all.
    assert pairs.loc[("x", "wilder"), ["first_order", "second_order"]].tolist() == [False, True]


def test_score_never_stands_without_its_parts():
    rng = np.random.default_rng(5)
    safe, risky = rng.normal(10.0, 1.0, 4000), rng.normal(12.0, 30.0, 4000)
    table = score_plans(outcomes_of({"safe": safe, "risky": risky}), Score(weight=0.5, level=0.9))
    assert {"value", "cost", "enb", "cvar", "score", "rank", "efficient"} <= set(table.columns)
    assert np.allclose(table["score"], table["enb"] - 0.5 * table["cvar"])
    assert table[names.PLAN].tolist()[0] == "safe"
    at = rank_stability(outcomes_of({"safe": safe, "risky": risky}), Score(), weights=(0.0, 1.0))
    first = at[at["rank"] == 1].set_index("weight")[names.PLAN]
    assert first.to_dict() == {0.0: "risky", 1.0: "safe"}


def test_dominated_plans_are_not_efficient():
    rng = np.random.default_rng(6)
    good = rng.normal(10.0, 1.0, 400)
    table = score_plans(outcomes_of({"good": good, "worse": good - 1.0}), Score()).set_index(names.PLAN)
    assert table["efficient"].to_dict() == {"good": True, "worse": False, names.NOTHING: True}


def test_scenarios_are_whole_draws_whose_probabilities_sum_to_one(real):
    sets = scenario_sets(real, "west", tail=0.2)
    assert float(sets[names.PROBABILITY].sum()) == pytest.approx(1.0)
    net = sets[names.NET_BENEFIT].sel(plan="west").values
    assert net[0] < net[1] < net[2]
    # Averaged with their probabilities, the sets are all the draws again, for every plan.
    back = (sets[names.NET_BENEFIT] * sets[names.PROBABILITY]).sum("scenario")
    assert np.allclose(back, real[names.NET_BENEFIT].mean(SAMPLE))
    assert np.allclose(sets[names.P_BEST].sum(names.PLAN), 1.0)
    # Coherent: net benefit is value less cost inside every scenario, as it is in every draw.
    assert np.allclose(sets[names.NET_BENEFIT], sets[names.VALUE] - sets[names.COST])


@pytest.mark.parametrize(("plan", "tail"), [("nowhere", 0.1), ("west", 0.5), ("west", 0.0)])
def test_scenarios_need_a_plan_and_a_tail(real, plan, tail):
    with pytest.raises(InputError):
        scenario_sets(real, plan, tail=tail)


def test_fairness_by_hand():
    dims = (*SAMPLE, names.PLAN, names.SLICE)
    error = xr.DataArray([[[[0.1, 0.2, 0.6]]]], dims=dims, coords={names.SLICE: list("abc")})
    drawn = fairness(xr.Dataset({names.ERROR: error}))
    assert drawn[names.WORST_ERROR].item() == 0.6
    assert drawn[names.GAP].item() == pytest.approx(0.5)
    assert drawn[names.DISPARITY].item() == pytest.approx((0.2 + 0.1 + 0.3) / 3)


def test_probability_of_a_gap_is_read_off_the_draws(real):
    gap = fairness(real)[names.GAP].sel(plan="all")
    assert 0 < float((gap <= gap.median()).mean()) < 1


def test_other_mixes_reweight_the_same_draws(real):
    even = gain_under_mix(real, dict.fromkeys(real[names.SLICE].values.astype(str), 7.0))
    assert np.allclose(even, real[names.GAIN].mean(names.SLICE))
    with pytest.raises(InputError, match="unknown slice 'wets'; did you mean 'west'"):
        gain_under_mix(real, {"wets": 1.0})
    with pytest.raises(InputError, match="all shares are 0"):
        gain_under_mix(real, {"west": 0.0})


@pytest.mark.parametrize("prob", [0.0, 1.0, "most"])
def test_intervals_have_a_probability(real, prob):
    for function in (compare_plans, compare_pairs):
        with pytest.raises(InputError, match="ci_prob"):
            function(real, ci_prob=prob)


# --- targets, the worst slice, stated plans ---------------------------------------------------------

ALONE = {"price_per_label": 0.1}
STATED = {"name": "mine", "labels": {"a": 600, "b": 300}}


@pytest.fixture(scope="module")
def two():
    return fake_fit(seed=3, slices=("a", "b"), draws=50)


def measured(error: xr.DataArray, of: str) -> xr.DataArray:
    """What a target is about, by hand: slice a is used three times as much as b."""
    a, b = error.sel(slice="a"), error.sel(slice="b")
    return {"mean": 0.75 * a + 0.25 * b, "worst": np.maximum(a, b), "gap": abs(a - b)}[of]


@pytest.mark.parametrize("of", ["mean", "worst", "gap"])
def test_d10_the_probability_that_a_target_is_reached_is_that_of_the_draws(two, of):
    plans = {"a": {"a": 4000}, "b": {"b": 4000}}
    value = {"per_error_point": 400, "volume": {"a": 3.0, "b": 1.0}}
    reached = measured(plan_outcomes(two, Case(costs=ALONE, value=value), plans)[names.ERROR], of)
    limit = float(reached.sel(plan="a").quantile(0.7))
    aimed = Case(costs=ALONE, value=value | {"target": Target(error=limit, of=of, worth=500)})
    table = compare_plans(plan_outcomes(two, aimed, plans)).set_index(names.PLAN)
    by_hand = (reached <= limit).mean(SAMPLE).to_series()
    assert table["p_target"].to_dict() == pytest.approx(by_hand.to_dict())
    assert by_hand["a"] == pytest.approx(0.7, abs=0.01)
    assert by_hand.nunique() == 3
    plain = compare_plans(plan_outcomes(two, Case(costs=ALONE, value=value), plans)).set_index(names.PLAN)
    assert (table["value"] - plain["value"]).to_dict() == pytest.approx(
        (500 * (by_hand - by_hand[names.NOTHING])).to_dict(), abs=1e-9
    )


def test_d35_mean_and_worst_slice_are_told_side_by_side(two):
    """The worst slice is improved so far that another becomes the worst, by hand."""
    value = {"per_error_point": 400, "volume": {"a": 3}}
    plan = decide(two, Case(costs=ALONE, value=value), max_labels=1500, measure=False)
    luck = np.random.default_rng(7).normal(0.0, 0.01, (4, 50))
    luck = xr.DataArray(luck - luck.mean(), dims=SAMPLE)
    known = {"a": {names.NOTHING: 0.30, names.RECOMMENDED: 0.12}, "b": {names.NOTHING: 0.10, names.RECOMMENDED: 0.14}}
    outcomes = plan.outcomes.copy()
    for name, errors in known.items():
        for which, error in errors.items():
            outcomes[names.ERROR].loc[{"slice": name, "plan": which}] = (error + luck).values
    told = dataclasses.replace(plan, outcomes=outcomes)
    found = plan_numbers(told)
    assert [found["mean_error"][when]["mean"] for when in ("now", "then")] == pytest.approx([0.25, 0.125])
    worst = found["worst_slice"]
    assert [worst[key] for key in ("now", "then")] == pytest.approx([0.30, 0.14])
    assert (worst["slice_now"], worst["slice_then"]) == ("a", "b")
    said = "mean 0.2500 → 0.1250, worst (a) 0.3000 → 0.1400 (b)"
    assert said in " ".join(plan_text(found).split())


@pytest.mark.parametrize(
    ("lot", "budget", "why"), [(2000, None, ""), (1, None, "brings less"), (1, 50, "rule of the case")]
)
def test_d16_a_stated_plan_is_taken_where_it_is_worth_more_and_told_where_not(two, lot, budget, why):
    """No lot of the search fits within the labels allowed: the plan that the case states is the only one."""
    rules = {} if budget is None else {"maximum_budget": {"limit": budget}}
    case = Case(costs=ALONE, value={"per_error_point": 400}, scenarios=[STATED], guardrails=rules)
    made = decide(two, case, max_labels=1500, lot=lot, measure=False)
    worth = plan_outcomes(two, case, {"mine": STATED["labels"]})[names.NET_BENEFIT]
    worth = worth.sel(plan="mine") - worth.sel(plan=names.NOTHING)
    row = made.weighed.set_index("option").loc["mine"]
    taken = names.RECOMMENDED if row["chosen"] else "mine"
    assert row["chosen"] == (why == "")
    assert (dict(made.labels) == STATED["labels"]) == (why == "")
    assert np.allclose(made.advantage(taken), worth)
    assert why in row["why"]
    if why != "rule of the case":
        assert row[names.NET_BENEFIT] == pytest.approx(float(worth.mean()))
        assert row["less"] == pytest.approx(float((made.advantage() - worth).mean()))
    if why:
        assert f"mine {row['why']}" in made.verdict.reasons[-1]
        assert float(made.advantage().mean()) > float(worth.mean()) or budget
    else:
        assert made.verdict.advice == "buy"


def test_d16_a_named_scenario_is_valued_as_its_labels_and_prices_say():
    """Worked out from the learning curves themselves: own labels in its slices, others' labels everywhere else."""
    fit = fake_fit(seed=2)
    named = {"west": 700, "east": 100}
    costs = {"price_per_label": {"default": 0.1, "east": 0.3}, "retraining": 20}
    value = {"per_error_point": 400, "stakes": {"west": 2.0}}
    case = Case(costs=costs, value=value, scenarios=[{"name": "uncertain regions", "labels": named}])
    made = decide(fit, case, 2_000, measure=False)
    total, worth = sum(named.values()), 0.0
    for name in map(str, fit.slices):
        now, others = (int(fit.position[key].sel(slice=name)) for key in ("labels_now", "other_labels_now"))
        own = named.get(name, 0)
        ends = [([now], [others]), ([now + own], [others + total - own])]
        before, after = (predict_error(fit, *end).sel(slice=name).isel(labels=0, drop=True) for end in ends)
        fall = (before - after).drop_vars(["doublings", "flags"], errors="ignore")
        worth = worth + 100 * 400 * value["stakes"].get(name, 1.0) * fall
    worth = worth - (0.1 * 700 + 0.3 * 100 + 20)
    plan = names.RECOMMENDED if "uncertain regions" not in made.outcomes[names.PLAN].values else "uncertain regions"
    np.testing.assert_allclose(made.advantage(plan).values, worth.values, rtol=1e-9)


def test_d16_the_regret_matrix_adds_up_over_cases(two):
    from labelvalue.report.numbers.plan import regret_numbers

    case = Case(costs=ALONE, value={"per_error_point": 400}, scenarios=[STATED])
    made = decide(two, case, max_labels=1500, measure=False)
    rows = {row[names.PLAN]: row for row in regret_numbers(made)}
    net = made.outcomes[names.NET_BENEFIT]
    own = net.sel({names.PLAN: names.RECOMMENDED}).values.ravel()
    worst = np.argsort(own, kind="stable")[: max(1, round(0.1 * own.size))]
    assert {*rows} == {*map(str, net[names.PLAN].values)}
    for plan, row in rows.items():
        short = (net.max(names.PLAN) - net.sel({names.PLAN: plan})).values.ravel()
        assert row["stress"] == pytest.approx(short[worst].mean())
        assert row["all"] == pytest.approx(short.mean())
        assert 0.1 * row["stress"] + 0.8 * row["base"] + 0.1 * row["best"] == pytest.approx(row["all"])
    assert rows[names.NOTHING]["all"] > rows[names.RECOMMENDED]["all"]
