"""Money of plans, part by part against sums by hand; rules held against draws; wrong labels."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from labelvalue import Case, InputError, decide, names, predict_gain, predict_total_gain
from labelvalue.decisions.outcomes.benefit import retraining_benefit
from labelvalue.decisions.outcomes.errors import chosen_curves, curves_of, errors_at
from labelvalue.decisions.outcomes.spending import fixed_cost
from labelvalue.decisions.sensitivity.offers import cost_parts
from labelvalue.forecast.gains.curves import SIZE, error_draws
from labelvalue.label_quality import stress_label_errors
from labelvalue.numerals import readable
from labelvalue.plans import marginal_benefit, plan_outcomes, slice_outcomes
from labelvalue.report.numbers.plan import plan_numbers
from labelvalue.risk import size_reserve
from labelvalue.rules import check_guardrails
from labelvalue.testing import fake_fit
from tests.fits import altered, case_of

SAMPLE = (names.CHAIN, names.DRAW)
POINTS = 100


@pytest.fixture(scope="module")
def fit():
    return fake_fit(seed=1, draws=100)


def mean(outcomes, variable, plan="p") -> float:
    return float(outcomes[variable].sel(plan=plan).mean())


def test_value_is_gain_times_worth_and_agrees_with_the_forecast(fit):
    case = case_of(value={"volume": {"west": 2.0}, "stakes": {"west": 3.0}})
    out = plan_outcomes(fit, case, {"p": {"west": 500}})
    own = predict_gain(fit, [500]).sel(slice="west", budget=500)
    assert np.allclose(out[names.GAIN].sel(plan="p", slice="west"), own)
    weight = np.where(out[names.SLICE].values == "west", 6.0, 1.0)
    by_hand = (out[names.GAIN].sel(plan="p") * weight).sum(names.SLICE) * POINTS * 400
    assert np.allclose(out[names.VALUE].sel(plan="p"), by_hand)
    assert np.allclose(out[names.NET_BENEFIT], out[names.VALUE] - out[names.COST])
    total = predict_total_gain(fit, [500]).sel(slice="west", budget=500)
    assert np.allclose(out[names.GAIN].sel(plan="p").mean(names.SLICE), total)


def test_doing_nothing_is_always_there_and_costs_nothing(fit):
    out = plan_outcomes(fit, case_of(costs={"retraining": 50, "setup_per_batch": 9}), {})
    assert out[names.PLAN].values.tolist() == [names.NOTHING]
    assert not out[names.NET_BENEFIT].any()
    drifting = plan_outcomes(fit, case_of(value={"drift": 0.01}), {"p": {"west": 1}})
    assert mean(drifting, names.NET_BENEFIT, names.NOTHING) == pytest.approx(-4 * POINTS * 400 * 0.01)
    assert mean(drifting, names.NET_BENEFIT) > mean(drifting, names.NET_BENEFIT, names.NOTHING)


def timed(fit, seconds, learner="default"):
    """The fit, of runs whose training took so long by what they were trained on."""
    total = (fit.runs[names.LABELS] + fit.runs[names.OTHER_LABELS]).values
    return altered(fit, runs={names.SECONDS: (names.RUN, seconds(total))})


def test_o14_retraining_costs_what_the_runs_took_at_the_rate_of_the_case(fit):
    """Seconds that grow by a power of the training set, carried on to today's labels; their scatter is in the cost."""
    now = float(fit.position[names.LABELS_NOW].sum())
    exact, case = timed(fit, lambda size: 3.0 * size**0.8), case_of(costs={"compute_per_hour": 36.0, "retraining": 2.0})
    took = 3.0 * now**0.8
    out = plan_outcomes(exact, case, {"p": {"west": 100}})
    np.testing.assert_allclose(out[names.COST].sel(plan="p"), 100 * 0.1 + 2.0 + 36.0 * took / 3600)
    assert float(out[names.COST].sel(plan=names.NOTHING).max()) == 0.0
    rng = np.random.default_rng(1)
    rough = timed(fit, lambda size: 3.0 * size**0.8 * np.exp(0.2 * rng.standard_normal(size.size)))
    cost = plan_outcomes(rough, case, {"p": {"west": 100}})[names.COST].sel(plan="p") - 12.0
    assert float(np.log(cost).std()) == pytest.approx(0.2, rel=0.25), "one more training, not the mean of them"
    assert float(np.log(cost).mean()) == pytest.approx(np.log(36.0 * took / 3600), abs=0.1)
    (note,) = [one for one in decide(exact, case, 300, measure=False).notes if "by the runs" in one]
    assert f"takes {readable(took, 2)} seconds" in note
    assert plan_outcomes(fit, case, {"p": {"west": 100}})[names.COST].sel(plan="p").max() == pytest.approx(12.0)
    assert "counts nothing, since no run tells its seconds" in " ".join(decide(fit, case, 300, measure=False).notes)
    parts = cost_parts(decide(exact, case, 300, measure=False))
    assert float(parts["retraining"].mean()) == pytest.approx(2.0 + 36.0 * took / 3600)


def test_o14_the_trigger_of_retraining_counts_the_hours_that_it_takes(fit):
    new = {"west": 400, "east": 400}
    slow = timed(fit, lambda size: 3.0 * size)
    cheap, dear = (retraining_benefit(slow, case_of(costs={"compute_per_hour": x}), new) for x in (0.001, 1e9))
    assert float((cheap > 0).mean()) >= 0.9
    assert not (dear > 0).any()


def test_drift_goes_on_until_the_last_label_is_there(fit):
    def net(**value):
        case = case_of(costs={"start_delay": 25}, value={"horizon_days": 100, **value})
        return mean(plan_outcomes(fit, case, {"p": {"west": 1}}), names.NET_BENEFIT)

    assert net(drift=0.01) - net() == pytest.approx(-4 * POINTS * 400 * 0.01 * 25 / 100)


@pytest.mark.parametrize(
    ("costs", "labels", "by_hand"),
    [
        ({}, {"west": 500, "east": 100}, 60.0),
        ({"price_per_label": {"default": 0.1, "west": 0.3}}, {"west": 500, "east": 100}, 160.0),
        ({"tiers": [{"above": 200, "factor": 0.5}, {"above": 400, "factor": 0.25}]}, {"west": 500}, 20 + 10 + 2.5),
        ({"minimum_order": 300}, {"west": 50, "east": 500}, 80.0),
        ({"rework": 0.2}, {"west": 500}, 60.0),
        ({"setup_per_batch": 7, "batch_size": 200}, {"west": 500}, 50 + 21.0),
        ({"retraining": 40}, {"west": 500}, 90.0),
        ({"labels_per_day": 100, "start_delay": 3, "delay_per_day": 2}, {"west": 500}, 50 + 8 * 2.0),
        ({"labels_per_day": 100, "opportunity_per_day": 2}, {"west": 500}, 50 + 10.0),
        ({"hours_per_label": {"default": 0.0, "west": 0.01}, "opportunity_per_hour": 30}, {"west": 500}, 50 + 150.0),
    ],
)
def test_costs_by_hand(fit, costs, labels, by_hand):
    assert mean(plan_outcomes(fit, case_of(costs=costs), {"p": labels}), names.COST) == pytest.approx(by_hand)


def test_branches_have_their_probabilities():
    fit = fake_fit(seed=1, draws=2500)
    branches = [{"value": 100, "probability": 0.8}, {"value": 300, "probability": 0.2}]
    cost = plan_outcomes(fit, case_of(costs={"retraining": branches}), {"p": {"west": 10}})[names.COST].sel(plan="p")
    share = float((cost > 250).mean())
    assert share == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / cost.size))
    assert set(np.round(np.unique(cost), 6)) == {101.0, 301.0}


def test_retraining_that_fails_brings_nothing_and_costs_all_the_same():
    fit = fake_fit(seed=1, draws=2500)
    out = plan_outcomes(fit, case_of(costs={"retraining_fails": 0.3}), {"p": {"west": 500}})
    value = out[names.VALUE].sel(plan="p")
    assert float((value == 0).mean()) == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / value.size))
    assert (out[names.COST].sel(plan="p") == 50.0).all()


def test_gains_that_come_later_are_worth_less(fit):
    late = {"labels_per_day": 10, "start_delay": 5}
    out = plan_outcomes(fit, case_of(costs=late, value={"horizon_days": 110}), {"p": {"west": 500}})
    soon = plan_outcomes(fit, case_of(value={"horizon_days": 110}), {"p": {"west": 500}})
    assert mean(out, names.DAYS) == 55.0
    assert mean(out, names.VALUE) == pytest.approx(0.5 * mean(soon, names.VALUE))


def test_change_of_the_mix_counts_from_its_day_with_its_probability():
    fit = fake_fit(seed=1, draws=2500)
    change = {"after_days": 50, "factors": {"west": 3.0}, "probability": 0.4}
    plain = plan_outcomes(fit, case_of(value={"horizon_days": 100}), {"p": {"west": 500}})
    changed = case_of(value={"horizon_days": 100, "mix_changes": [change]})
    west = mean(plain, names.VALUE) * float(
        (plain[names.GAIN].sel(plan="p", slice="west") / plain[names.GAIN].sel(plan="p").sum(names.SLICE)).mean()
    )
    more = mean(plan_outcomes(fit, changed, {"p": {"west": 500}}), names.VALUE) - mean(plain, names.VALUE)
    assert more == pytest.approx(0.4 * 0.5 * 2.0 * west, rel=0.05)


@pytest.mark.parametrize("of", ["mean", "worst", "gap"])
def test_target_is_worth_its_worth_times_the_probability(fit, of):
    out = plan_outcomes(fit, case_of(), {"p": dict.fromkeys(map(str, fit.slices), 4000)})
    error = out[names.ERROR]
    reached = {"mean": error.mean(names.SLICE), "worst": error.max(names.SLICE)}
    reached["gap"] = reached["worst"] - error.min(names.SLICE)
    level = float(reached[of].sel(plan="p").median())
    case = Case(costs={"price_per_label": 0.0}, value={"target": {"error": level, "of": of, "worth": 1000}})
    value = plan_outcomes(fit, case, {"p": dict.fromkeys(map(str, fit.slices), 4000)})[names.VALUE].sel(plan="p")
    before = float((reached[of].sel(plan=names.NOTHING) <= level).mean())
    assert float(value.mean()) == pytest.approx(1000 * (0.5 - before), abs=25)


def test_slice_by_slice_is_the_same_as_plan_by_plan(fit):
    costs = {"setup_per_batch": 30, "tiers": [{"above": 200, "factor": 0.5}]}
    case = case_of(costs=costs, value={"stakes": {"west": 2.0}})
    alone = slice_outcomes(fit, case, [500]).sel(slice="west", budget=500)
    plan = plan_outcomes(fit, case, {"p": {"west": 500}}).sel(plan="p")
    assert np.allclose(alone[names.VALUE], plan[names.VALUE])
    assert np.allclose(alone[names.COST] + fixed_cost(fit, case.costs), plan[names.COST])


@pytest.mark.parametrize("learners", [("default",), ("a", "b")])  # of several, half of the draws go by shape
def test_errors_read_at_once_are_those_of_the_forecast(learners):
    fit = fake_fit(seed=1, learners=learners, draws=50)
    case = dataclasses.replace(case_of(), learner=learners[-1] if len(learners) > 1 else "")
    now = fit.position[names.LABELS_NOW].min().item()
    added = np.array([0.0, -0.7 * now, -0.2 * now, 0.0, 500.0, 9000.0])  # either side of what was seen
    others = np.array([0.0, 0.0, 40.0, 900.0, 0.0, 2000.0])
    rows = (np.broadcast_to(one, (fit.slices.size, one.size)) for one in (added, others))
    found = errors_at(fit, case, *(xr.DataArray(row, dims=(names.SLICE, SIZE)) for row in rows))
    posterior, position = chosen_curves(fit, case)
    labels, other = (
        position[name] + xr.DataArray(one, dims=SIZE)
        for name, one in ((names.LABELS_NOW, added), (names.OTHER_LABELS_NOW, others))
    )
    wanted = error_draws(posterior, fit, labels, other)
    wanted = wanted.isel({d: 0 for d in wanted.dims if d not in found.dims})
    np.testing.assert_allclose(found, wanted.transpose(*found.dims), rtol=1e-12)
    assert curves_of(fit, case)[0] is curves_of(fit, case)[0]


# --- one more label -------------------------------------------------------------------------------


def test_marginal_benefit_adds_up_to_the_whole(fit):
    budgets = [0, 250, 500, 1000]
    found = marginal_benefit(fit, case_of(), budgets)
    steps = found[names.MARGINAL] * np.diff(budgets)
    whole = slice_outcomes(fit, case_of(), [1000]).sel(budget=1000)
    assert np.allclose(steps.sum(names.BUDGET), whole[names.VALUE] - whole[names.COST])


def test_where_one_more_label_stops_to_pay(fit):
    """By bisection of the same curve, finely; not a point: the draws have an interval around it."""
    case = case_of(costs={"price_per_label": 0.4})
    found = marginal_benefit(fit, case, np.unique(np.geomspace(1, 60_000, 80).astype(int)).tolist())
    at = found[names.LABELS_WORTH_BUYING]
    inner = at.where((at > 0) & np.isfinite(at), drop=True)
    assert inner.size >= 2
    for name in inner[names.SLICE].values:
        n = int(at.sel(slice=name))
        around = slice_outcomes(fit, case, [int(0.9 * n), n, int(1.1 * n)]).sel(slice=name)
        net = (around[names.VALUE] - around[names.COST]).mean(SAMPLE).values
        assert net[1] >= max(net[0], net[2]) - 1e-6
        draws = found[names.LABELS_WORTH_BUYING_DRAWS].sel(slice=name)
        low, high = draws.quantile([0.05, 0.95]).values
        assert low < n < high


def test_nothing_pays_or_everything(fit):
    never = marginal_benefit(fit, case_of(costs={"price_per_label": 1e6}), [0, 100, 200])
    assert (never[names.LABELS_WORTH_BUYING] == 0).all()
    always = marginal_benefit(fit, case_of(costs={"price_per_label": 0.0}), [0, 100, 200])
    assert np.isinf(always[names.LABELS_WORTH_BUYING]).all()
    with pytest.raises(InputError, match="two budgets"):
        marginal_benefit(fit, case_of(), [100])


# --- rules ----------------------------------------------------------------------------------------


def test_probability_of_a_budget_of_lognormal_prices():
    fit = fake_fit(seed=1, draws=2500)
    price = {"low": 0.05, "high": 0.2}
    rule = {"maximum_budget": {"limit": 60, "probability": 0.9}}
    case = case_of(costs={"price_per_label": price}, guardrails=rule)
    row = check_guardrails(fit, case, plan_outcomes(fit, case, {"p": {"west": 500}})).set_index(names.PLAN).loc["p"]
    sd = np.log(4.0) / 2 / stats.norm.ppf(0.95)
    exact = stats.norm.cdf((np.log(60 / 500) - np.log(0.1)) / sd)
    assert row["p_kept"] == pytest.approx(exact, abs=4 * row[names.MCSE])
    needed = 500 * 0.1 * np.exp(sd * stats.norm.ppf(0.9))
    assert row["reached"] == pytest.approx(needed, rel=0.05)
    assert bool(row["kept"]) == (exact >= 0.9)


def test_every_rule_of_a_case_is_a_row(fit):
    case = case_of(
        guardrails={
            "maximum_budget": {"limit": 1e9},
            "minimum_gain": {"limit": 1e-9},
            "largest_gap": {"limit": 0.9},
            "floors": [{"slice": "west", "error": 0.9, "reason": "regulation"}],
        },
        slices={"east": {"minimum": 10, "maximum": 20}},
    )
    table = check_guardrails(fit, case, plan_outcomes(fit, case, {"p": {"east": 15}}))
    own = table[table[names.PLAN] == "p"]
    assert own["rule"].tolist() == [
        "floor", "largest gap", "maximum budget", "minimum gain", "minimum labels", "maximum labels",
    ]  # fmt: skip
    assert own["kept"].all()
    nothing = table[table[names.PLAN] == names.NOTHING].set_index("rule")
    assert not nothing.loc["minimum labels", "kept"]
    assert "minimum gain" not in nothing.index
    assert own.set_index("rule").loc["floor", "reason"] == "regulation"


def test_reserve_keeps_the_probability_of_an_overrun():
    fit = fake_fit(seed=1, draws=2500)
    case = case_of(costs={"price_per_label": {"low": 0.05, "high": 0.2}, "rework": {"low": 0.02, "high": 0.3}})
    outcomes = plan_outcomes(fit, case, {"p": {"west": 500}})
    for wanted in (0.02, 0.1, 0.3):
        reserve = size_reserve(outcomes, "p", p_overrun=wanted)
        cost = outcomes[names.COST].sel(plan="p")
        assert float((cost > reserve.expected + reserve.reserve).mean()) <= wanted
        assert float((cost > 0.98 * (reserve.expected + reserve.reserve)).mean()) > wanted
    assert size_reserve(outcomes, "p", p_overrun=0.9).reserve == 0.0
    with pytest.raises(InputError, match="unknown plan"):
        size_reserve(outcomes, "q")


@pytest.mark.parametrize("rule", ["maximum_budget", "maximum_spend"])
def test_d14_the_reserve_is_withheld_from_every_limit_on_money(rule):
    """P(overrun) is a key of the case: the less may go wrong, the less is bought for the same money."""
    fit, made = fake_fit(seed=1, draws=500), []
    for overrun in (None, 0.3, 0.02):
        rules = {rule: {"limit": 90, "probability": 0.6}} | ({} if overrun is None else {"overrun": overrun})
        case = case_of(costs={"price_per_label": {"low": 0.05, "high": 0.2}}, guardrails=rules)
        plan = decide(fit, case, max_labels=3000, measure=False)
        cost, told = plan.outcomes[names.COST].sel(plan=names.RECOMMENDED), plan_numbers(plan)[names.COST]
        assert float((cost > 90).mean()) <= (overrun or 0.4)
        assert plan.rules["required"].tolist() == pytest.approx([0.6 if overrun is None else 1 - overrun])
        if overrun is not None:
            assert told["p_overrun"] == overrun
            assert told["mean"] + told["reserve"] <= 90 * (1 + 1e-9)
        made.append(plan.total)
    assert made[0] > made[1] > made[2] > 0


# --- wrong labels ---------------------------------------------------------------------------------


def test_wrong_labels_cost_what_the_theory_says(fit):
    """A share η of wrong labels among two classes leaves (1 − 2η)^c of the labels."""
    out = stress_label_errors(fit, case_of(label_errors=0.1), {"p": {"west": 1000}})
    cost = float(np.exp(fit.model.priors[names.NOISE_COST].center))
    fewer = round(1000 * 0.8**cost)
    clean = plan_outcomes(fit, case_of(), {"p": {"west": fewer}})
    noisy = out.sel(stress="everywhere", plan="p")
    assert float(noisy[names.ERROR].sel(slice="west").mean()) == pytest.approx(
        float(clean[names.ERROR].sel(plan="p", slice="west").mean()), rel=1e-4
    )
    assert float(noisy[names.COST].mean()) == 100.0  # wrong labels are paid for like right ones


def test_worst_case_is_no_better_than_the_plan_and_the_number_of_wrong_labels_stays(fit):
    labels = {"west": 1000, "east": 1000}
    out = stress_label_errors(fit, case_of(label_errors={"low": 0.01, "high": 0.1}), {"p": labels})
    enb = out[names.NET_BENEFIT].sel(plan="p").mean(SAMPLE)
    assert float(enb.sel(stress="none")) > float(enb.sel(stress="everywhere"))
    assert float(enb.sel(stress="none")) > float(enb.sel(stress="weakest slice"))
    share = out[names.WRONG_SHARE].sel(plan="p")
    wrong = (share * out[names.LABELS].sel(plan="p")).sum(names.SLICE)
    assert float(wrong.sel(stress="weakest slice")) == pytest.approx(float(wrong.sel(stress="everywhere")))
    assert float((share.sel(stress="weakest slice") > 0).sum()) == 1
    assert float(share.sel(stress="everywhere").max()) == pytest.approx(0.1, abs=0.02)  # 95 % quantile


def test_nothing_said_of_wrong_labels_is_an_error(fit):
    with pytest.raises(InputError, match="nothing says how many labels are wrong"):
        stress_label_errors(fit, case_of(), {"p": {"west": 10}})
