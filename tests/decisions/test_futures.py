"""Several learners in money, waiting for what users will need, and evidence weighed otherwise."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from labelvalue import InputError, decide, names
from labelvalue.forecast.gains.prior_sensitivity import importance_weights, prior_groups
from labelvalue.interventions import Guideline, benefit_over_learners
from labelvalue.model.curve.discrepancy import BETWEEN_LEARNERS
from labelvalue.numerals import estimated
from labelvalue.plans import compare_plans, gain_under_mix, plan_outcomes, plan_sensitivity
from labelvalue.report.numbers.plan import plan_numbers
from labelvalue.report.render.terminal import plan_text
from labelvalue.testing import fake_fit
from labelvalue.voi import value_of_waiting
from tests.fits import altered, case_of

SAMPLE = (names.CHAIN, names.DRAW)
LEARNERS = ("line", "tree")


# --- several learners -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both():
    return fake_fit(seed=1, learners=LEARNERS, draws=50)


@pytest.fixture(scope="module")
def learners(both):
    case = case_of(learner="line", costs={"retraining": 30})
    plan = decide(both, case, max_labels=900, measure=False)
    return case, plan, benefit_over_learners(plan)


def test_f27_mean_spread_and_best_are_those_of_the_learners_cases(both, learners):
    case, plan, found = learners
    for name in LEARNERS:
        own = plan_outcomes(both, dataclasses.replace(case, learner=name), {"p": plan.labels})[names.NET_BENEFIT]
        drawn = own.sel(plan="p") - own.sel(plan=names.NOTHING)
        assert np.allclose(found[names.NET_BENEFIT].sel(learner=name), drawn)
    net = found[names.NET_BENEFIT]
    assert np.allclose(found["mean"], net.mean("learner"))
    assert np.allclose(found["spread"], abs(net.diff("learner").squeeze()) / 2)
    assert np.allclose(found["best"], net.max("learner"))
    assert found.attrs["best_learner"] in found.attrs["sentence"]


def test_f27_a_learner_far_above_the_average_is_flagged(both, monkeypatch):
    """One learner gains, the other has a flat curve: the best is twice the average."""
    by_law = dataclasses.replace(BETWEEN_LEARNERS, by_shape=0.0)  # its runs are not flat
    monkeypatch.setattr("labelvalue.model.fitting.result.BETWEEN_LEARNERS", by_law)
    draws = {name: both.posterior[name] for name in (names.CURVE_ELASTICITY, names.DISCREPANCY)}
    flat = xr.where(both.posterior["learner"] == "line", 1e-6, 1.0)
    uneven = altered(both, posterior={name: (own * flat).transpose(*own.dims) for name, own in draws.items()})
    case = case_of(learner="tree")
    plan = decide(uneven, case, max_labels=900, measure=False)
    found = benefit_over_learners(plan)
    assert bool(found["hidden"])
    assert float(found["p_hidden"]) > 0.8
    assert found.attrs["best_learner"] == "tree"
    assert "which hides tree" in found.attrs["sentence"]
    even = benefit_over_learners(dataclasses.replace(plan, fit=both))
    assert float(even["p_hidden"]) == float((even["value"].max("learner") > 1.5 * even["value"].mean("learner")).mean())


def test_f28_labels_are_paid_once_and_every_training_for_itself(both, learners):
    """Portfolio and synergy by hand, from the errors of the single learners."""
    case, plan, found = learners
    out = [plan_outcomes(both, dataclasses.replace(case, learner=n), {"p": plan.labels}) for n in LEARNERS]
    error = xr.concat([o[names.ERROR].reset_coords(drop=True) for o in out], dim="learner")
    start = error.sel(plan=names.NOTHING).min("learner")
    gain = start - error.sel(plan="p").min("learner")
    assert np.allclose(found[names.GAIN], gain)
    value = gain.sum("slice") * 100 * 400
    labels = 0.1 * plan.total
    assert np.allclose(found["portfolio"], value - labels - 2 * 30)
    single = [(start - error.sel(plan="p").isel(learner=i)).sum("slice") * 100 * 400 - labels - 30 for i in (0, 1)]
    best = max(single, key=lambda one: float(one.mean()))
    assert np.allclose(found["synergy"], found["portfolio"] - best)
    assert (found["synergy"] >= -30 - 1e-6).all()  # at worst a training for nothing


def test_f28_a_mixture_of_one_is_that_learner(learners):
    _, plan, found = learners
    alone = benefit_over_learners(plan, mixture={"tree": 2.0})
    assert np.allclose(alone["portfolio"], found[names.NET_BENEFIT].sel(learner="tree"))
    assert np.allclose(alone["synergy"], 0.0)
    uneven = benefit_over_learners(plan, mixture={"tree": 3.0, "line": 1.0})
    value = 0.75 * found["value"].sel(learner="tree") + 0.25 * found["value"].sel(learner="line")
    assert np.allclose(uneven[names.GAIN].sum("slice") * 100 * 400, value)
    assert np.allclose(uneven["portfolio"] + 2 * 30, value - 0.1 * plan.total)


def test_f28_what_is_missing_is_said(learners, fake_fit):
    _, plan, _ = learners
    with pytest.raises(InputError, match="unknown learner 'tre'; did you mean 'tree'"):
        benefit_over_learners(plan, mixture={"tre": 1.0})
    with pytest.raises(InputError, match="the fit has one learner"):
        benefit_over_learners(dataclasses.replace(plan, fit=fake_fit, case=case_of()))
    target = case_of(learner="line", value={"target": {"error": 0.1}})
    with pytest.raises(InputError, match="a target is reached by all"):
        benefit_over_learners(dataclasses.replace(plan, case=target))


# --- another mix, and waiting ---------------------------------------------------------------------


def test_f12_another_mix_in_money_is_the_same_gains_at_other_volumes():
    fit, volume = fake_fit(seed=1, draws=50), {"west": 0.7, "east": 0.1, "north": 0.1, "south": 0.1}
    labels = {"p": {"west": 300, "south": 200}}
    gain = gain_under_mix(plan_outcomes(fit, case_of(), labels), volume).sel(plan="p")
    money = plan_outcomes(fit, case_of(value={"volume": volume}), labels)[names.VALUE].sel(plan="p")
    assert np.allclose(money, gain * 100 * 400)


@pytest.mark.parametrize(("delay", "after"), [(0.0, 30), (2.0, 30), (0.0, 90)])
def test_d28_value_of_waiting_for_one_change_by_hand(delay, after):
    """Labels that only pay if west comes to matter: wait, and buy if it does; by two branches and a horizon."""
    horizon, chance, factor, most = 100, 0.3, 40.0, 200
    fit = fake_fit(seed=1, draws=500)
    change = {"after_days": after, "factors": {"west": factor}, "probability": chance, "reason": "a new market"}
    costs = {"delay_per_day": delay}
    only = {name: {"maximum": 0} for name in ("east", "north", "south")}
    price = {"default": 1.0, "west": 1.2}
    case = case_of(price, 10, costs=costs, value={"horizon_days": horizon, "mix_changes": [change]}, slices=only)
    plan = decide(fit, case, max_labels=most, measure=False)
    table = value_of_waiting(plan)
    gain = plan_outcomes(fit, case_of(), {"p": {"west": most}})[names.GAIN].sel(plan="p").mean(SAMPLE) * 100 * 10
    own, spill = float(gain.sel(slice="west")), float(gain.sum() - gain.sel(slice="west"))  # worth over all the time
    rest = 1 - after / horizon
    came = float(
        table.set_index("comes").loc[f"west × {factor:g} after {after} days (a new market)", names.PROBABILITY]
    )
    assert came == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 2000))
    cost = 1.2 * most
    now = max(own * (1 + came * rest * (factor - 1)) + spill - cost, 0.0)
    later = came * max(rest * (own * factor + spill) - cost - delay * after, 0.0)
    later += (1 - came) * max(rest * (own + spill) - cost - delay * after, 0.0)
    tolerance = 4 * table.attrs[names.MCSE] + 0.03 * max(now, later)
    assert table.attrs[names.VALUE] == pytest.approx(later - now, abs=tolerance)
    assert table.attrs["advice"] == ("wait" if later - now > 2 * table.attrs[names.MCSE] else "decide now")
    assert table.attrs["days"] == after


def test_d28_what_is_certain_or_unknown_is_not_waited_for():
    fit = fake_fit(seed=1, draws=25)
    certain = {"after_days": 30, "factors": {"west": 3.0}}
    case = case_of(value={"horizon_days": 100, "mix_changes": [certain]})
    plan = decide(fit, case, max_labels=300, measure=False)
    with pytest.raises(InputError, match="nothing is learnt by waiting"):
        value_of_waiting(plan)
    late = case_of(value={"horizon_days": 100, "mix_changes": [certain | {"probability": 0.5}]})
    plan = dataclasses.replace(plan, case=late)
    with pytest.raises(InputError, match="nothing is learnt by waiting"):
        value_of_waiting(plan, days=29)
    with pytest.raises(InputError, match="days"):
        value_of_waiting(plan, days=0)


@pytest.mark.parametrize(
    ("costs", "more"),
    [
        ({"delay_per_day": 2.0}, {}),
        ({}, {"value": {"horizon_days": 300}}),
        ({"delay_per_day": 1.0}, {"value": {"horizon_days": 300, "drift": 0.01}}),
        ({"delay_per_day": 2.0}, {"label_noise": 0.2, "interventions": (Guideline(0.2, redone=1.0, unit_cost=0.0),)}),
    ],
    ids=["days cost", "a horizon", "drift", "with a guideline"],
)
def test_d8_waiting_is_priced_by_every_decision_and_told(costs, more):
    """Waiting is what the same plan, with all that is done, loses where it starts so many days later."""
    fit = fake_fit(seed=3, slices=("a", "b"), draws=50)
    made = decide(fit, case_of(costs=costs, **more), max_labels=1500)
    days = made.waiting["days"]
    now, later = (
        plan_outcomes(
            fit, case_of(costs=costs | {"start_delay": start}, **more), {"p": made.labels},
            interventions=made.interventions,
        )
        for start in (0, days)
    )  # fmt: skip
    net = [
        one[names.NET_BENEFIT].sel(plan="p") - one[names.NET_BENEFIT].sel(plan=names.NOTHING) for one in (now, later)
    ]
    assert made.waiting[names.VALUE] == pytest.approx(float((net[1] - net[0]).mean()))
    assert made.waiting[names.VALUE] < 0 == made.waiting["learnt"]
    assert made.verdict.advice == ("spend on quality" if made.interventions else "buy")
    assert bool(made.interventions) == ("interventions" in more)
    (said,) = [reason for reason in made.verdict.reasons if reason.startswith(f"waiting {days:.0f} days costs")]
    assert float(said.split()[4].replace(",", "")) == pytest.approx(-made.waiting[names.VALUE], rel=0.02)
    rows = {row[names.PLAN]: row for row in plan_numbers(made)["plans"]}
    assert rows["waiting"]["enb"] == pytest.approx(float(later[names.NET_BENEFIT].sel(plan="p").mean()))
    assert rows["waiting"][names.COST] == pytest.approx(float(later[names.COST].sel(plan="p").mean()))
    assert rows["waiting"][names.P_BEST] <= rows["recommended"][names.P_BEST]
    text, short = plan_text(plan_numbers(made)), " ".join(str(made).split())
    shown = [line.split("  ")[0] for line in text.splitlines()]
    assert {"recommended", "waiting", "do nothing", "equal split"} <= {*shown}
    assert f"waiting: the plan, {days:.0f} days later" in " ".join(text.split())
    told = short.partition("Instead (ENB, ")[2]
    for name in ("waiting", "do nothing"):
        assert f"{name} {estimated(rows[name]['enb'], rows[name][names.MCSE])}" in told


def test_d8_where_days_cost_nothing_no_price_of_waiting_is_made_up():
    made = decide(fake_fit(seed=3, slices=("a", "b"), draws=50), case_of(), max_labels=1500)
    assert (dict(made.waiting), [reason for reason in made.verdict.reasons if "waiting" in reason]) == ({}, [])
    assert names.WAITING not in made.outcomes[names.PLAN].values
    assert "days cost nothing" in made.notes[-1]


@pytest.mark.parametrize(("chance", "advice"), [(0.3, "wait"), (0.97, "buy")])
def test_d28_a_decision_waits_where_a_dated_change_makes_that_worth_more(chance, advice):
    """Dear labels pay if west comes to matter: what may not come is waited for, what nearly surely does is not."""
    fit, only = fake_fit(seed=1, draws=50), {name: {"maximum": 0} for name in ("east", "north", "south")}
    change = {"after_days": 30, "factors": {"west": 40.0}, "probability": chance}
    gain = plan_outcomes(fit, case_of(), {"p": {"west": 200}})[names.GAIN].sel(plan="p", slice="west").mean(SAMPLE)
    price = float(gain) * 100 * 10 * 8 / 200  # eight times what they are worth now, forty if it comes
    case = case_of(price, 10, value={"horizon_days": 100, "mix_changes": [change]}, slices=only)
    made = decide(fit, case, max_labels=200)
    told = value_of_waiting(made).attrs
    assert [made.waiting[key] for key in ("days", names.VALUE, "learnt")] == [30, told[names.VALUE], 1]
    assert made.verdict.advice == advice
    row = compare_plans(made.outcomes).set_index(names.PLAN).loc["waiting"]  # a plan of draws that know what has come
    assert row["enb"] == pytest.approx(float(made.advantage().mean()) + told[names.VALUE])
    came = made.outcomes[names.COST].sel(plan="waiting") > 0
    assert float(came.mean()) == pytest.approx(chance, abs=0.1)
    assert row[names.LABELS] == pytest.approx(float(came.mean()) * made.total, abs=1)
    known = "waiting 30 days, until it is known whether users' needs change,"
    (said,) = [reason for reason in made.verdict.reasons if reason.startswith(known)]
    if advice == "wait":
        assert told["advice"] == "wait"
        assert said == made.verdict.reasons[0]
        assert "more than deciding now" in said
        assert made.total > 0  # deciding now would have been to buy
    else:
        assert told[names.VALUE] < 0
        assert " costs " in said


def test_d28_a_plan_beside_an_intervention_is_held_against_itself_and_a_wait_is_told():
    """What is done now counts on both sides; where waiting is worth more, that leads what is said."""
    fit, only = fake_fit(seed=1, draws=50), {name: {"maximum": 0} for name in ("east", "north", "south")}
    change = {"after_days": 30, "factors": {"west": 40.0}, "probability": 0.3}
    more = {"value": {"horizon_days": 100, "mix_changes": [change]}, "slices": only, "label_noise": 0.2}

    def decided(cost: float, measure: bool):
        work = Guideline(0.2, redone=1.0, cost=cost, unit_cost=0.0)
        return decide(fit, case_of(0.01, 30, interventions=(work,), **more), max_labels=200, measure=measure)

    free = decided(0.0, False)
    made = decided(0.6 * float((free.advantage() - free.advantage(names.LABELS_ONLY)).mean()), True)
    assert made.interventions == ("guideline",)
    table = value_of_waiting(made)
    assert float((table["now"] * table[names.PROBABILITY]).sum()) == pytest.approx(float(made.advantage().mean()))
    assert made.verdict.advice == "wait"
    said = " ".join(str(made).split())
    assert "Wait: buy nothing now. Waiting 30 days, until it is known whether" in said
    assert "more than deciding now. Decided now, the plan would be guideline" in said


# --- evidence -------------------------------------------------------------------------------------


def test_d18_priors_and_old_runs_stand_in_the_tornado():
    """Rows of evidence are weighted means; with the runs of one batch there is nothing old to discount."""
    fit = fake_fit(seed=1, draws=150)
    case = case_of()
    plan = decide(fit, case, max_labels=900, measure=False)
    table = plan_sensitivity(plan, refit=False)
    rows = table[table["kind"] == "evidence"]
    assert rows["what"].str.startswith("priors of").sum() == len(prior_groups(fit)) > 3
    assert not rows["what"].str.startswith("runs of earlier").any()
    enb = float(plan.advantage().mean())
    assert ((rows["low"] - enb).abs() < 3 * float(plan.advantage().std())).all()
    batch = np.where(fit.runs[names.LABELS].values <= np.median(fit.runs[names.LABELS].values), "first", "second")
    order = np.argsort(batch, kind="stable")
    runs = fit.runs.assign({names.BATCH: (names.RUN, batch.astype(object))}).isel({names.RUN: order})
    later = altered(fit, runs=runs)
    table = plan_sensitivity(dataclasses.replace(plan, fit=later), refit=False)
    row = table.set_index("what").loc["runs of earlier batches × 0.5, × 1"]
    assert row["high"] == pytest.approx(enb)
    from labelvalue.model.fitting.arviz_tree import pointwise_loglikelihood

    pointwise = pointwise_loglikelihood(later)["log_likelihood"].to_dataset()["log_error"]
    small = pointwise["labels"].values <= np.median(fit.runs[names.LABELS].values)
    weights = np.exp(importance_weights(-0.5 * pointwise.isel(cell=small).sum("cell").reset_coords(drop=True)).values)
    assert row["low"] == pytest.approx(float((weights * plan.advantage().values).sum() / weights.sum()), rel=1e-6)
