"""Plans where new labels are better or worse than they are taken to be (D12, D18), with truths that are known."""

import dataclasses
import itertools

import numpy as np
import pytest

import labelvalue as lv
from labelvalue import InputError, names
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.sensitivity.noise import NO_PLAN
from labelvalue.forecast.interventions.intervention import noise_draws
from labelvalue.testing import fake_fit
from tests.fits import altered

SAMPLE = ("chain", "draw")


def case_of(noise=0.15, price=0.1, **more) -> lv.Case:
    costs = {"price_per_label": price, **more.pop("costs", {})}
    return lv.Case(costs=costs, value={"per_error_point": 400}, label_noise=noise, **more)


@pytest.fixture(scope="module")
def made():
    fit, case = fake_fit(seed=1, slices=("a", "b", "c"), draws=50), case_of({"low": 0.1, "high": 0.2})
    plan = lv.decide(fit, case, max_labels=1200, measure=False)
    return fit, case, plan, lv.label_quality.noise_sensitivity(plan, factors=(0.0, 0.5, 1.0, 2.0, 3.0))


def test_d18_as_is_it_is_the_plan_to_the_last_digit(made):
    fit, case, plan, table = made
    row = table.set_index("noise_factor").loc[1.0]
    net = plan.advantage().values
    own = plan.outcomes[names.GAIN].sel(plan=names.RECOMMENDED)
    gain = (own * volumes(fit, case.value)).sum("slice").values
    assert row["net_benefit"] == row["best"] == net.mean()
    assert [row["lower"], row["upper"]] == np.quantile(net, [0.5 - 0.9 / 2, 0.5 + 0.9 / 2]).tolist()
    assert row["gain"] == gain.mean()
    assert row["p_positive"] == (net > 0).mean()
    assert (row["advice"], row["labels"], row["same"], row["more"]) == (plan.verdict.advice, plan.total, True, 0.0)
    assert table.attrs["plans"][2] == dict(plan.labels)
    assert table.attrs["origin"] == "elicited"


def test_d18_gain_and_worth_fall_as_noise_rises(made):
    fit, case, _, table = made
    assert (table["gain"].diff().dropna() < 0).all()
    assert (table["net_benefit"].diff().dropna() < 0).all()
    share = noise_draws(fit, case.label_noise)[0].values
    assert table["wrong_share"].tolist() == pytest.approx(
        [np.minimum(f * share, 0.5).mean() for f in (0, 0.5, 1, 2, 3)]
    )
    assert (table["best"] >= table["net_benefit"]).all()
    np.testing.assert_allclose(table["more"], table["best"] - table["net_benefit"], atol=1e-9)


def test_d18_a_factor_acts_by_the_same_arithmetic_as_in_the_forecast():
    fit, case = fake_fit(seed=2, draws=50), case_of(0.2)
    found = [lv.plans.plan_outcomes(fit, case, {"it": {"west": 900}}, noise_factor=f) for f in (0.5, 2.0)]
    told = [lv.predict_gain_with(fit, lv.interventions.Guideline(f), [900], noise=0.2) for f in (0.5, 2.0)]
    for outcomes, gains in zip(found, told, strict=True):
        expected = gains.sel(slice="west", budget=900)
        gain = outcomes[names.GAIN].sel(plan="it", slice="west").transpose(*SAMPLE)
        np.testing.assert_allclose(gain, expected.transpose(*SAMPLE), atol=1e-12)
    np.testing.assert_array_equal(found[0][names.COST], found[1][names.COST])


def test_d18_what_buys_nothing_neither_gains_nor_pays():
    fit, case = fake_fit(seed=2, draws=20), case_of(0.2, costs={"retraining": 70})
    outcomes = lv.plans.plan_outcomes(fit, case, {"none": {}}, noise_factor=2.0)
    assert not outcomes[names.COST].any()
    np.testing.assert_allclose(outcomes[names.GAIN], 0.0, atol=1e-12)
    plain = lv.plans.plan_outcomes(fit, case, {"it": {"west": 500}})
    assert plain.identical(lv.plans.plan_outcomes(fit, case, {"it": {"west": 500}}, noise_factor=1.0))


def test_d18_the_other_plan_is_as_good_as_any_on_a_grid():
    """One slice has bad labels: twice as bad, its money goes to the other."""
    fit = fake_fit(seed=3, slices=("a", "b"), draws=50)
    case = case_of({"a": 0.01, "b": 0.2})
    plan = lv.decide(fit, case, max_labels=2000, measure=False)
    table = lv.label_quality.noise_sensitivity(plan, factors=(2.0,))
    row, labels = table.iloc[0], table.attrs["plans"][0]
    assert plan.labels == {"a": 0, "b": 2000}
    assert labels["a"] > 1000
    assert not row["same"]
    every = {f"{a},{b}": {"a": a, "b": b} for a, b in itertools.product(range(0, 2001, 100), repeat=2) if a + b <= 2000}
    net = lv.plans.plan_outcomes(fit, case, every, noise_factor=2.0)[names.NET_BENEFIT].mean(SAMPLE)
    assert row["best"] >= 0.995 * float(net.max())
    assert row["best"] > 1.02 * row["net_benefit"]


def test_d18_labels_that_say_nothing_are_not_bought():
    fit = fake_fit(seed=1, draws=50)
    case = case_of(0.3)
    plan = lv.decide(fit, case, max_labels=800, measure=False)
    row = lv.label_quality.noise_sensitivity(plan, factors=(2.0,)).iloc[0]
    assert plan.verdict.advice == "buy"
    assert (row["advice"], row["labels"], row["best"]) == ("wait", 0, 0.0)
    assert row["net_benefit"] < 0
    assert row["wrong_share"] == pytest.approx(0.5)


def test_d18_quality_is_advised_where_it_comes_to_pay():
    fit = fake_fit(seed=1, draws=50)
    offered = lv.interventions.Guideline(0.4, cost=800, name="quality of new labels")
    case = case_of(0.08, interventions=(offered,))
    plan = lv.decide(fit, case, max_labels=1500, measure=False)
    table = lv.label_quality.noise_sensitivity(plan, factors=(1.0, 4.0)).set_index("noise_factor")
    assert plan.interventions == ()
    assert table["advice"].to_dict() == {1.0: "buy", 4.0: "spend on quality"}
    assert table.loc[4.0, "interventions"] == offered.name


def test_d12_a_rule_that_worse_labels_break_is_named_and_kept_by_what_is_advised():
    fit = fake_fit(seed=1, slices=("a", "b"), draws=50)
    then = lv.plans.plan_outcomes(fit, case_of(0.2), {"it": {"a": 1500}})[names.ERROR].sel(plan="it", slice="a")
    rules = {"floors": [{"slice": "a", "error": float(then.quantile(0.9)), "probability": 0.7}]}
    case = case_of(0.2, price=0.3, guardrails=rules)
    plan = lv.decide(fit, case, max_labels=4000, measure=False)
    table = lv.label_quality.noise_sensitivity(plan, factors=(1.0, 1.4, 2.4))
    rows = table.to_dict("records")
    assert [row["kept"] for row in rows] == [True, False, False]
    assert not rows[1]["same"]
    outcomes = lv.plans.plan_outcomes(fit, case, {"it": table.attrs["plans"][1]}, noise_factor=1.4)
    kept = lv.rules.check_guardrails(fit, case, outcomes).set_index("plan")["kept"]
    assert kept["it"]
    assert table.attrs["plans"][1]["a"] > plan.labels["a"]
    assert (rows[2]["advice"], rows[2]["labels"]) == (NO_PLAN, 0)
    assert np.isnan(rows[2]["best"])


def test_d18_the_fits_own_noise_counts_where_the_case_has_none():
    fit = fake_fit(seed=1, slices=("a", "b"), draws=50)
    case = case_of(None)
    plan = lv.decide(fit, case, max_labels=800, measure=False)
    with pytest.raises(InputError, match="nothing says how many labels are wrong"):
        lv.label_quality.noise_sensitivity(plan)
    noisy = altered(fit, posterior={names.EVALUATION_NOISE: 0.12 + 0.0 * fit.posterior[names.ERROR_NOW]})
    both = ((noisy, case), (fit, case_of(0.12)))
    table, stated = (
        lv.label_quality.noise_sensitivity(dataclasses.replace(plan, fit=f, case=c), factors=(1.0, 2.0))
        for f, c in both
    )
    assert table.attrs["origin"] == "from runs"
    # Twice the noise leaves less than the labels now: below them, the runs' own noise moves the walk that they show.
    np.testing.assert_allclose(table["gain"], stated["gain"], rtol=1e-3)
    assert table["wrong_share"].tolist() == pytest.approx([0.12, 0.24])


@pytest.mark.parametrize("factors", [(-1.0,), ("two",)])
def test_factors_that_are_none_are_refused(made, factors):
    plan = made[2]
    with pytest.raises(InputError, match="factors"):
        lv.label_quality.noise_sensitivity(plan, factors=factors)
