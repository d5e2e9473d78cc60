"""Several learners in money, waiting for what users will need, and evidence weighed otherwise."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from labelvalue import Costs, InputError, decide, names
from labelvalue.decisions.case.case import parse_case
from labelvalue.decisions.outcomes.spending import retraining_cost
from labelvalue.forecast.gains.prior_sensitivity import importance_weights, prior_groups
from labelvalue.interventions import Guideline, benefit_over_learners, gain_over_learners
from labelvalue.model.curve.discrepancy import BETWEEN_LEARNERS
from labelvalue.numerals import estimated, readable
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
    plan = decide(both, case_of(learner=LEARNERS, costs={"retraining": 30}), max_labels=900, measure=False)
    return plan, benefit_over_learners(plan)


def errors_of_each(fit, plan):
    """Errors of the single learners under a plan and without it, and outcomes of the plan."""
    out = [plan_outcomes(fit, dataclasses.replace(plan.case, learner=n), {"p": plan.labels}) for n in LEARNERS]
    return out, xr.concat([o[names.ERROR].reset_coords(drop=True) for o in out], dim="learner")


def test_f27_mean_spread_and_best_are_those_of_the_learners_cases(both, learners):
    plan, found = learners
    for name, own in zip(LEARNERS, errors_of_each(both, plan)[0], strict=True):
        for key in (names.NET_BENEFIT, names.VALUE):
            assert np.allclose(found[key].sel(learner=name), own[key].sel(plan="p") - own[key].sel(plan=names.NOTHING))
    over = gain_over_learners(found[names.VALUE])
    assert np.allclose(over["spread"], abs(found[names.VALUE].diff("learner").squeeze()) / 2)
    assert np.allclose(over["best"], found[names.VALUE].max("learner"))


def test_f27_a_learner_far_above_the_average_is_flagged(both, monkeypatch):
    """One learner gains, the other has a flat curve: the best is twice the average."""
    by_law = dataclasses.replace(BETWEEN_LEARNERS, by_shape=0.0)  # its runs are not flat
    monkeypatch.setattr("labelvalue.model.fitting.result.BETWEEN_LEARNERS", by_law)
    draws = {name: both.posterior[name] for name in (names.CURVE_ELASTICITY, names.DISCREPANCY)}
    flat = xr.where(both.posterior["learner"] == "line", 1e-6, 1.0)
    uneven = altered(both, posterior={name: (own * flat).transpose(*own.dims) for name, own in draws.items()})
    plan = decide(uneven, case_of(learner="tree"), max_labels=900, measure=False)
    over = gain_over_learners(benefit_over_learners(plan)[names.VALUE])
    assert bool(over["hidden"])
    assert float(over["p_hidden"]) > 0.8


def test_f28_labels_are_paid_once_and_every_training_for_itself(both, learners):
    """A portfolio by hand, from the errors of the single learners: it decides, and says what it is worth."""
    plan, found = learners
    _, error = errors_of_each(both, plan)
    start, end = (error.sel(plan=at).min("learner") for at in (names.NOTHING, "p"))
    own = plan.outcomes.sel(plan=names.RECOMMENDED)
    assert np.allclose(own[names.GAIN], start - end)
    value = (start - end).sum("slice") * 100 * 400
    assert np.allclose(plan.advantage(), value - 0.1 * plan.total - 2 * 30)
    assert plan.total > 0
    single = (start - error.sel(plan="p")).sum("slice") * 100 * 400 - 0.1 * plan.total - 30
    assert np.allclose(found["synergy"], (plan.advantage() - single).transpose(*found["synergy"].dims))
    assert (found["synergy"] >= -30 - 1e-6).all()  # at worst a training for nothing
    best = found.attrs["best_learner"]
    assert best == LEARNERS[int(single.mean(SAMPLE).argmax("learner"))]
    (said,) = (note for note in plan.notes if note.startswith("learners kept: line, tree, in each slice the one"))
    worth = readable(float(found["synergy"].sel(learner=best).mean()), 3)
    assert f"beside the best single one, {best}, that is worth {worth} utility" in said
    assert said in " ".join(str(plan).split())


def test_f28_a_mixture_of_one_is_that_learner(both, learners):
    plan, _ = learners
    outcomes, error = errors_of_each(both, plan)
    for shares, wanted in (({"tree": 2.0}, error[1]), ({"tree": 3.0, "line": 1.0}, 0.75 * error[1] + 0.25 * error[0])):
        mixed = dataclasses.replace(plan.case, learner=shares)
        assert parse_case(mixed.to_toml()) == mixed
        made = plan_outcomes(both, mixed, {"p": plan.labels})
        assert np.allclose(made[names.ERROR].sel(plan="p"), wanted.sel(plan="p"))
        more = made[names.COST].sel(plan="p") - outcomes[0][names.COST].sel(plan="p")
        assert np.allclose(more, 30 * (len(shares) - 1))


def test_f28_every_learner_kept_is_paid_by_the_hours_that_its_runs_took(both):
    runs = both.runs
    seconds = xr.where(runs[names.LEARNER] == "tree", 7200.0, 3600.0) * runs[names.LABELS] / runs[names.LABELS].max()
    timed = altered(both, runs=runs.assign({names.SECONDS: seconds}))

    def cost(learner):
        return retraining_cost(timed, Costs(price_per_label=0.1, compute_per_hour=10), learner)

    assert np.allclose(cost(LEARNERS), cost("line") + cost("tree"))


@pytest.mark.parametrize(
    ("learner", "why"),
    [
        (["line", "tre"], "unknown learner 'tre'; did you mean 'tree'"),
        ({"tre": 1.0}, "unknown learner 'tre'; did you mean 'tree'"),
        (["line", "line"], "'line' is given twice"),
        ([], "names none"),
        ({"line": 0}, "must be a finite number > 0"),
        (7, "write it as a name, or a list of them"),
    ],
)
def test_f28_what_is_missing_is_said(both, learner, why):
    with pytest.raises(InputError, match=why):
        decide(both, case_of(learner=learner), max_labels=10, measure=False)


def test_f28_one_learner_has_none_beside_it(fake_fit):
    plan = decide(fake_fit, case_of(), max_labels=10, measure=False)
    with pytest.raises(InputError, match="the fit has one learner"):
        benefit_over_learners(plan)


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
