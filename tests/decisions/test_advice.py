"""Verdicts, pilots, ties, sensitivity, stability, milestones."""

import functools
import re

import numpy as np
import pytest
import xarray as xr

from labelvalue import Case, InputError, decide, names, predict_gain, predict_observed_gain
from labelvalue.decisions.advice.rules import check_guardrails
from labelvalue.decisions.measuring.pilots import PILOT, OpenPlans, in_two
from labelvalue.decisions.search.listing import alternatives
from labelvalue.plans import decision_stability, plan_outcomes, plan_sensitivity, target_slices
from labelvalue.report.numbers.plan import plan_numbers
from labelvalue.report.render.terminal import plan_text
from labelvalue.report.words.verdicts import decision_sentence
from labelvalue.rules import plan_milestones
from labelvalue.testing import fake_fit
from labelvalue.voi import detection, detection_power, evaluation_needed, price_measurements
from tests.fits import altered, case_of

SAMPLE = (names.CHAIN, names.DRAW)


def unsure(fit, spread: float = 1.2, slices: tuple[str, ...] = ("west",)):
    """The same fit, with elasticities of some slices that are hardly known."""
    rng = np.random.default_rng(9)
    own = fit.posterior[names.CURVE_ELASTICITY]
    wild = np.exp(spread * rng.standard_normal(own.shape))
    at = xr.DataArray(np.isin(own[names.SLICE].values.astype(str), slices), dims=names.SLICE)
    floor = fit.posterior[names.FLOOR_SHARE].where(~at, 0.05)
    return altered(fit, posterior={names.CURVE_ELASTICITY: own.where(~at, 0.15 * wild), names.FLOOR_SHARE: floor})


@pytest.fixture(scope="module")
def fit():
    return fake_fit(seed=1, draws=150)


@pytest.fixture(scope="module")
def plan(fit):
    return decide(fit, case_of(), max_labels=1200, measure=False)


# --- verdicts -------------------------------------------------------------------------------------


def test_one_label_is_no_labels_and_a_limit_that_binds_says_what_loosening_it_brings():
    plan = decide(fake_fit(seed=1), case_of(price=0.001, point=4000, currency="USD"), max_labels=1, measure=False)
    assert plan.verdict.reasons[0].startswith("1 label: expected net benefit ")
    told = " ".join(plan_text(plan_numbers(plan)).split())
    assert re.search(r"Were the limit all labels ≤ 1 looser, each 1,000 labels would be worth [\d,.]+ USD", told)


def test_a_plan_as_large_as_nobody_said_tells_that_more_may_be_allowed(fit):
    """Money for three times the labels there are, and nobody says how many may be bought: the cap is told."""
    rich = case_of(price=0.001, point=4000)
    assert [note for note in decide(fit, rich, measure=False).notes if "max_labels allows others" in note]
    assert not [note for note in decide(fit, rich, max_labels=1200, measure=False).notes if "max_labels" in note]


def test_cheap_labels_are_bought_and_dear_ones_waited_for(fit):
    cheap, dear = case_of(0.02), case_of(50.0)
    assert decide(fit, cheap, max_labels=1000).verdict.advice == "buy"
    waited = decide(fit, dear, max_labels=1000)
    assert waited.verdict.advice == "wait"
    assert waited.total == 0


def test_where_much_hangs_on_an_unknown_curve_a_pilot_comes_first():
    """The learning curve of west may be flat or steep, and labels cost about what they bring: measure."""
    fit = unsure(fake_fit(seed=1, draws=500, slices=("east", "west")))
    gain = predict_gain(fit, [16_000]).sel(slice="west", budget=16_000)
    price = float(gain.mean()) * 100 * 400 / 16_000
    case = case_of({"default": 100.0, "west": price}, slices={"east": {"maximum": 0}})
    plan = decide(fit, case, max_labels=16_000)
    assert plan.verdict.advice == "measure first"
    pilot = plan.verdict.pilot
    assert pilot["slice"] == "west"
    assert pilot["kind"] == "pilot batch"
    assert 0 < pilot["size"] < 16_000
    assert 0 < pilot["lower"] <= pilot[names.ENBS] <= pilot["upper"]
    assert "west first, then decide" in plan.verdict.reasons[0]
    # No measurement can be worth more than the truth itself.
    assert pilot[names.EVSI] <= plan.measurements.attrs[names.EVPI] + 4 * plan.measurements[names.MCSE].max()


def test_known_curves_need_no_pilot(fit, plan):
    table = price_measurements(plan)
    assert (table[names.ENBS] <= 2 * table[names.MCSE] + 1e-9).all()
    assert np.allclose(table[names.ENBS], table[names.EVSI] - table[names.COST])


def test_dear_fixed_costs_take_the_worth_of_two_steps():
    fit = unsure(fake_fit(seed=1, draws=300, slices=("east", "west")))
    worth = {}
    for fixed in (0, 40):
        case = case_of(0.3, costs={"retraining": fixed}, slices={"east": {"maximum": 0}})
        plan = decide(fit, case, max_labels=8_000, measure=False)
        worth[fixed] = price_measurements(plan, slices=["west"], sizes=[800])[names.ENBS].max()
    assert worth[40] < worth[0]


RULES = {
    "sum": {},
    "money": {"guardrails": {"maximum_budget": {"limit": 130, "probability": 0.9}}},
    "time": {"guardrails": {"deadline": {"limit": 18, "probability": 0.9}}},
    "floor": {"guardrails": {"floors": [{"slice": "west", "error": 0.2, "probability": 0.7}]}},
    "minima": {"slices": {"east": {"minimum": 300}, "west": {"available": 500}}},
}


@pytest.mark.parametrize("rule", RULES)
def test_whatever_follows_a_pilot_keeps_every_rule(fit, rule):
    """Pilot, second order, second set-up and training together; and a pilot after which nothing may follow is none."""
    costs = {"setup_per_batch": 5, "retraining": 10, "start_delay": 2, "labels_per_day": {"low": 60, "high": 90}}
    case = case_of({"low": 0.08, "high": 0.12}, 400, costs=costs, **RULES[rule])
    max_spend = 110.0 if rule == "sum" else np.inf
    plan = decide(fit, case, max_labels=1200, max_spend=max_spend, measure=False)
    plans = OpenPlans(fit, case, alternatives(plan), 1200, max_spend)
    first = plans.least | {"west": 200}
    (later,) = plans.after([first], functools.partial(in_two, fit, case))
    assert names.RECOMMENDED in later[names.PLAN].values
    assert check_guardrails(fit, case, later)["kept"].all()
    assert float(later[names.COST].mean(SAMPLE).max()) <= max_spend * (1 + 1e-9)
    assert int(later[names.LABELS].sum(names.SLICE).max()) <= 1200
    twice = later.sel({names.PLAN: names.RECOMMENDED})
    lot = {str(s): int(n) for s, n in zip(twice[names.SLICE].values, twice[names.LABELS].values, strict=True)}
    rest = {name: n - first[name] for name, n in lot.items()}
    apart = plan_outcomes(fit, case, {"first": first, "rest": rest})
    assert np.allclose(twice[names.COST], apart[names.COST].sel(plan=["first", "rest"]).sum(names.PLAN))
    table = price_measurements(plan)
    assert (table[names.COST] >= -1e-9).all()
    assert (table[names.EVSI] <= table.attrs[names.EVPI] + 4 * table[names.MCSE] + 1e-9).all()


def test_a_pilot_beyond_the_money_is_no_candidate(fit):
    case = case_of(0.1, guardrails={"maximum_budget": {"limit": 30}})
    plan = decide(fit, case, max_labels=1200, measure=False)
    table = price_measurements(plan, slices=["west"], sizes=[100, 299, 301])
    assert set(table[table["kind"] == PILOT]["size"]) == {100, 299}
    for wrong in ({"slices": ["wets"]}, {"sizes": [0]}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            price_measurements(plan, **wrong)


def test_what_is_ordered_later_is_worth_less(fit):
    """With ten days until the first label of either order, the second one comes after twenty."""
    value = {"per_error_point": 400, "horizon_days": 100, "target": {"error": 0.1, "worth": 50}}
    costs = {"price_per_label": 0.1}
    once, twice = (Case(costs=costs | {"start_delay": days}, value=value) for days in (10, 20))
    bought = {"east": 100, "west": 900, "north": 0, "south": 0}
    first = {"east": 0, "west": 200, "north": 0, "south": 0}
    out = plan_outcomes(fit, once, {"all": bought}).sel({names.PLAN: ["all"]})
    made = in_two(fit, once, out, out[names.LABELS].copy(data=[[first[str(s)] for s in fit.slices]]))
    late = plan_outcomes(fit, twice, {"all": bought}).sel({names.PLAN: ["all"]})
    for what in (names.VALUE, names.DAYS):
        assert np.allclose(made[what], late[what].transpose(*made[what].dims))


def test_a_guardrail_on_the_gain_stays_wait(fit):
    rule = {"minimum_gain": {"limit": 0.5, "probability": 0.8}}
    case = case_of(guardrails=rule)
    assert decide(fit, case, max_labels=500).verdict.advice == "wait"


# --- which slice ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alike():
    """Slices with one and the same curve."""
    fit = fake_fit(seed=4, draws=500)
    posterior = fit.posterior.copy()
    for name in (names.ERROR_REFERENCE, names.CURVE_ELASTICITY, names.FLOOR_SHARE, names.TRANSFER):
        rng = np.random.default_rng(len(name))
        posterior[name] = posterior[name].mean() * np.exp(0.2 * xr.DataArray(
            rng.standard_normal(posterior[name].shape), dims=posterior[name].dims))  # fmt: skip
    sizes = ("labels_now", "other_labels_now", "reference_labels", "reference_other_labels")
    means = {name: fit.position[name] * 0 + float(fit.position[name].mean()) for name in sizes}
    return altered(fit, posterior=posterior, position=means)


def test_d20_ties_are_called_ties_and_the_cheap_ones_bought(alike):
    """Slices with one and the same curve: which of them gets labels does not matter, so the cheap one comes first."""
    table = target_slices(alike, case_of({"default": 0.02, "north": 0.019}), 300)
    assert table.attrs["tie"]
    assert "hardly matters" in table.attrs["sentence"]
    assert "buy the cheap ones, north first" in table.attrs["sentence"]
    dear = target_slices(alike, case_of({"default": 0.02, "north": 0.3}), 300)  # north now brings less for its money
    assert dear.attrs["tie"]
    assert "is not known" in dear.attrs["sentence"]
    assert "cheap" not in dear.attrs["sentence"]


def test_d20_a_tie_and_a_plan_for_one_slice_agree_in_words(alike):
    """Beside a tie, a plan with nearly all in one slice says why, and one that spreads says so."""
    prices = {"default": 0.02, "north": 0.019}
    others = {name: {"maximum": 10} for name in ("east", "west", "south")}
    for limits, words in ((others, "still puts 9"), ({}, "The plan spreads over 4 slices")):
        case = case_of(prices, slices=limits)
        plan = decide(alike, case, max_labels=2000)
        said = plan.target.attrs["sentence"]
        assert plan.target.attrs["tie"]
        assert words in said
        assert plan.verdict.reasons[-1] == said
        if limits:
            assert "hardly matters" not in said
            more = float((plan.advantage() - plan.advantage(names.EQUAL_SPLIT)).mean())
            assert f"worth {more:,.3g} utility more than an equal split" in said


def test_a_clear_winner_is_named(fit):
    case = case_of({"default": 30.0, "south": 0.01})
    table = target_slices(fit, case, 500)
    assert not table.attrs["tie"]
    assert table[names.SLICE].iloc[0] == "south"
    assert "south is worth most (with probability 1.00" in table.attrs["sentence"]
    assert table[names.P_BEST].sum() == pytest.approx(1.0)


# --- what it hangs on -----------------------------------------------------------------------------


def test_tornado_finds_the_price_that_varies_most(fit):
    case = case_of({"low": 0.01, "high": 1.5}, costs={"rework": {"low": 0.01, "high": 0.02}})
    plan = decide(fit, case, max_labels=1200, measure=False)
    table = plan_sensitivity(plan, refit=False)
    inputs = table[table["kind"] == "input"].set_index("what")
    assert inputs.index[0] == "costs.price_per_label"
    assert inputs.loc["costs.price_per_label", "first_order"] > 0.8
    assert inputs.loc["costs.rework", "first_order"] < 0.05
    assert inputs["first_order"].sum() + table.attrs["unexplained"] <= 1.2
    settings = table[table["kind"] == "setting"]["what"].tolist()
    for start in ("budget", "costs.price_per_label", "value.per_error_point", "volume of", "wrong labels"):
        assert any(what.startswith(start) for what in settings), start


def test_settings_of_the_tornado_are_computed_again(fit, plan):
    table = plan_sensitivity(plan, refit=False).set_index("what")
    row = table.loc["costs.price_per_label ÷ 2, × 2"]
    enb = float(plan.advantage().mean())
    assert row["low"] - enb == pytest.approx(0.05 * plan.total)
    assert row["high"] - enb == pytest.approx(-0.1 * plan.total)
    noise = table.loc["wrong labels among new ones"]
    assert noise["low"] < noise["high"] == pytest.approx(enb)
    with pytest.raises(ValueError, match="swing"):
        plan_sensitivity(plan, swing=1.0)


def test_first_order_shares_of_a_sum_are_its_variances(fit):
    """Net benefit is a sum of independent parts here: shares are those of their variances."""
    case = case_of(0.0, costs={"retraining": {"low": 10, "high": 400}, "setup_per_batch": {"low": 10, "high": 200}})
    plan = decide(fit, case, max_labels=1200, measure=False)
    table = plan_sensitivity(plan, refit=False).set_index("what")
    out = plan_outcomes(fit, case, {"p": plan.labels})
    total = float(out[names.NET_BENEFIT].sel(plan="p").var())
    from labelvalue.forecast.gains.curves import draws

    for key in ("retraining", "setup_per_batch"):
        own = float(draws(fit, f"costs.{key}", getattr(case.costs, key)).var())
        assert table.loc[f"costs.{key}", "first_order"] == pytest.approx(own / total, abs=0.08), key


# --- would the advice be another ------------------------------------------------------------------


def test_a_plan_far_from_break_even_is_stable(fit, plan):
    table = decision_stability(plan, refit=False)
    assert {"priors", "noise", "without slice", "without replicate"} <= set(table["change"])
    assert table.attrs["reliable"][1] == len(table)
    trusted = table[table["advice"] == ""]
    assert len(trusted) >= 3
    assert (trusted[names.PARETO_K] <= 0.7).all()
    assert (table.loc[table[names.PARETO_K] > 0.7, "advice"] == "re-fit instead").all()
    assert table.attrs["index"] == trusted["changes"].mean()
    assert table.attrs["index"] <= 0.2


def test_unchanged_priors_change_nothing(fit, plan, monkeypatch):
    monkeypatch.setattr("labelvalue.decisions.sensitivity.what_if.SCALES", (1.0,))
    table = decision_stability(plan, refit=False)
    same = table[table["change"] == "priors"]
    assert not same["changes"].any()
    assert np.allclose(same["enb"], float(plan.advantage().mean()))


def test_reweighting_is_importance_weighting(fit, plan):
    """The expected net benefit under other priors is the weighted mean, here worked out without the library."""
    from labelvalue.forecast.gains.prior_sensitivity import scaled_priors

    table = decision_stability(plan, refit=False)
    row = table[(table["what"] == "churn to the power 2") & (table["advice"] == "")]
    assert len(row) == 1
    weights = np.exp(scaled_priors(fit, ["churn"], [2.0])[0].ratios.values)
    net = plan.advantage().transpose(*SAMPLE).values
    assert row["enb"].item() == pytest.approx((weights * net).sum() / weights.sum(), rel=0.01)


# --- batch by batch -------------------------------------------------------------------------------


def test_milestones_add_up_and_narrow_towards_the_plan(fit, plan):
    table = plan_milestones(plan, steps=4)
    assert table[names.LABELS].tolist() == [plan.total * s // 4 for s in (1, 2, 3, 4)]
    assert table[names.ERROR].is_monotonic_decreasing
    assert ((table["low"] < table[names.ERROR]) & (table[names.ERROR] < table["high"])).all()
    assert table["go_if_gain"].iloc[-1] != table["go_if_gain"].iloc[-1]  # nothing to decide after the last
    with pytest.raises(InputError, match="too few to cut"):
        plan_milestones(decide(fit, case_of(50.0), max_labels=500, measure=False))


def test_rule_goes_on_where_that_always_pays(fit, plan):
    table = plan_milestones(plan, steps=3).iloc[:-1]
    assert (table["p_go"] == 1.0).all()
    assert (table["false_stop"] == 0.0).all()


def test_rule_is_worth_something_where_much_is_open():
    fit = unsure(fake_fit(seed=1, draws=500, slices=("east", "west")))
    gain = predict_gain(fit, [16_000]).sel(slice="west", budget=16_000)
    price = float(gain.mean()) * 100 * 400 / 16_000 * 0.9
    case = case_of({"default": 100.0, "west": price}, slices={"east": {"maximum": 0}, "west": {"minimum": 12_000}})
    table = plan_milestones(decide(fit, case, max_labels=16_000, measure=False), steps=4).iloc[:-1]
    assert (table["worth"] >= 0).all()
    assert table["worth"].max() > 0
    stopping = table[table["p_go"] < 1]
    assert len(stopping) > 0
    assert (stopping["false_stop"] <= 1 - stopping["p_go"] + 1e-12).all()
    assert (stopping["false_stop"] < 0.5).all()


def test_bands_hold_what_a_new_run_would_show(fit, plan):
    """The band of the last step, against errors drawn again with the same noise."""
    table = plan_milestones(plan, steps=2, ci_prob=0.8)
    again = plan_milestones(plan, steps=2, ci_prob=0.98)
    assert (again["high"] - again["low"] > table["high"] - table["low"]).all()


def test_detection_needs_larger_sets_for_smaller_gains(fit):
    case = case_of(0.0)
    small, large = (detection(decide(fit, case, max_labels=n, measure=False)) for n in (400, 40_000))
    assert (large["p_detected"] >= small["p_detected"] - 1e-9).all()
    assert large["p_detected"].max() > 0.9
    needed = large["trials_needed"].dropna()
    assert len(needed) > 0
    assert (needed <= 2000).any()  # as many as there are


def test_a_plan_is_seen_as_a_gain_is(fit):
    """Page and `lv.voi.detection_power` speak of one measurement: the same models, the same evaluation set."""
    others = {str(name): {"maximum": 0} for name in fit.slices if name != "west"}
    plan = decide(fit, case_of(0.0, slices=others), max_labels=900, measure=False)
    found = detection(plan).set_index(names.SLICE).loc["west"]
    power = detection_power(fit, [plan.labels["west"]]).sel(slice="west").mean()
    assert (plan.total, found["p_detected"]) == (900, pytest.approx(float(power)))
    enough = evaluation_needed(fit, [900]).sel(slice="west", budget=900)
    assert found["trials_needed"] == np.ceil(float(enough)) or not np.isfinite(enough)


# --- time -----------------------------------------------------------------------------------------


def test_deadline_bounds_the_plan(fit):
    costs = {"labels_per_day": {"low": 80, "high": 140}, "start_delay": 2}
    free = decide(fit, case_of(0.01, costs=costs), max_labels=4000, measure=False)
    rule = {"deadline": {"limit": 12, "probability": 0.9}}
    bound = decide(fit, case_of(0.01, costs=costs, guardrails=rule), max_labels=4000, measure=False)
    days = bound.outcomes[names.DAYS].sel(plan=names.RECOMMENDED)
    assert float((days <= 12).mean()) >= 0.9
    assert 400 < bound.total < free.total
    assert bound.rules.set_index("rule").loc["deadline", "kept"]


# --- rules that look back and ahead ---------------------------------------------------------------


def test_p8_an_open_rule_says_how_many_labels_would_decide_it():
    """By what remains unknown about what the rule holds once so many labels of every slice were measured."""
    fit = fake_fit(seed=1, draws=500)

    def ruled(limit):
        rule = {"minimum_gain": {"limit": limit}}
        case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, guardrails=rule)
        return decide(fit, case, 2_000, measure=False)

    held = gain_per_thousand(ruled(0.01))  # of the labels that gain most, since no plan keeps it
    middle = ruled(float(np.median(held)))
    assert middle.state == names.INCONCLUSIVE
    assert np.isnan(middle.rules["labels_to_decide"]).all(), "at the limit itself none would"
    assert "measuring labels within reach would not decide it" in middle.verdict.reasons[0]
    unlikely = ruled(float(np.quantile(held, 0.87)))
    (labels,) = unlikely.rules["labels_to_decide"]
    assert unlikely.state == names.INCONCLUSIVE
    assert f"measured after {labels:,.0f} more labels of each slice, it would be decided" in unlikely.verdict.reasons[0]
    held, limit = gain_per_thousand(unlikely), float(unlikely.rules["limit"].iloc[0])
    kept = [(held.mean() + left(fit, held, n) >= limit).mean() for n in (round(labels / 2), round(labels))]
    assert kept[1] < kept[0], "the more is measured, the surer it is that the rule is broken"
    assert kept[1] <= 0.13
    assert np.isnan(ruled(1e-6).rules["labels_to_decide"]).all(), "what is kept needs none"


def gain_per_thousand(decision):
    """Draws of what the rule holds, worked out again."""
    own = decision.outcomes.sel({names.PLAN: names.RECOMMENDED})
    return (own[names.GAIN].mean(names.SLICE) / decision.total * 1000).values.ravel()


def left(fit, held, labels):
    """What measuring so many labels of each slice leaves of the draws about their mean, by least squares."""
    seen = predict_observed_gain(fit, [labels]).isel(budget=0)
    columns = seen.transpose("slice", ...).values.reshape(fit.slices.size, -1).T
    columns = np.column_stack([np.ones(len(columns)), columns])
    return held - columns @ np.linalg.lstsq(columns, held, rcond=None)[0]


@pytest.mark.parametrize(("rule", "unit"), [("maximum_spend", "money"), ("labels_in_all", "labels")])
def test_p8_what_came_before_a_plan_counts_in_limits_on_all_batches(rule, unit):
    fit = fake_fit(seed=1)
    have = int(fit.position[names.LABELS_NOW].sum())
    before = 850.0 if unit == "money" else have

    def allowed(more):
        told = {"limit": before + more, "spent": before} if unit == "money" else before + more
        costs = {"price_per_label": 0.1, "retraining": 5}
        case = Case(costs=costs, value={"per_error_point": 400}, guardrails={rule: told})
        return decide(fit, case, 2_000, measure=False)

    made, none, over = allowed(50), allowed(3 if unit == "money" else 0), allowed(-1)
    used = float(made.outcomes[names.COST].sel(plan=names.RECOMMENDED).mean()) if unit == "money" else made.total
    assert (made.verdict.advice, made.state) == ("buy", names.PASS)
    assert 0.9 * 50 <= used <= 50, "all that is left, and no more"
    assert (none.verdict.advice, none.total, none.state) == ("wait", 0, names.PASS), "too little is left for anything"
    assert (over.verdict.advice, over.state) == ("no plan", names.STOP)
    assert f"guardrails.{rule}" in over.verdict.reasons[0]
    assert "raise the limit by 1 or more" in over.verdict.reasons[0]


# --- nothing is bought ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "most", "said"),
    [
        (5, 900, "no label can be bought: 1 of the cheapest, with all that comes once, costs 20.1 utility, and 5 are"),
        (5000, 0, "no label can be bought: at most 0 are allowed"),
    ],
)
def test_a_budget_below_one_label_is_said_and_not_taken_for_labels_that_are_not_worth_it(fit, limit, most, said):
    case = case_of(0.1, 400, costs={"retraining": 20}, guardrails={"maximum_budget": {"limit": limit}})
    made = decide(fit, case, max_labels=most, measure=False)
    assert (made.verdict.advice, made.total) == ("wait", 0)
    assert made.verdict.reasons[0].startswith(said)
    sentence = decision_sentence(plan_numbers(made))
    assert said.removeprefix("no label") in sentence, "the page gives the same reason"


def test_beside_a_plan_that_buys_nothing_no_slice_gets_labels(fit):
    made = decide(fit, case_of(500.0, 1), max_labels=900)
    assert made.total == 0
    assert made.verdict.reasons[-1].startswith("Were labels bought all the same: ")


def test_tables_that_ask_for_the_same_change_share_its_fit(fit, plan, monkeypatch, capsys):
    from labelvalue.forecast.gains import prior_sensitivity

    made = []

    def counting(of, **how):
        made.append((None if how["counts"] is None else how["counts"].tobytes(), str(how["priors"])))
        return of

    monkeypatch.setattr(prior_sensitivity, "fit_again", counting)
    monkeypatch.setattr(prior_sensitivity, "WORST_K", -1.0)  # no draw is re-weighted
    refits = prior_sensitivity.Refits(progress=True)
    plan_sensitivity(plan, refit=refits)
    first = len(made)
    table = decision_stability(plan, refit=refits)
    fitted = table[table["advice"] == "fitted again"]
    assert first == (fitted["change"] == "priors").sum() > 0
    assert len(made) == len(set(made)) == len(fitted)
    assert capsys.readouterr().err.count("fitted again: ") == len(made)
