"""Interventions: each against arithmetic of its own, together in any order, and in plain labels."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from labelvalue import InputError, names, predict_error, predict_gain, predict_gain_with, read_runs, summarise, testing
from labelvalue.forecast.gains.curves import error_draws
from labelvalue.forecast.interventions.alternatives import synthetic_worth
from labelvalue.forecast.interventions.intervention import delay_days, fixed_money, money, noise_cost
from labelvalue.forecast.interventions.label_quality import consensus_error
from labelvalue.interventions import (
    ActiveLearning,
    Consensus,
    EvaluationLabels,
    Guideline,
    NewLearner,
    Pretraining,
    Relabel,
    SyntheticData,
    exchange_rate,
)
from labelvalue.label_quality import break_even_noise
from labelvalue.model.curve.observations import observe
from labelvalue.report.numbers.tables import P_NEVER
from tests.fits import altered

SAMPLE = ("chain", "draw")


def effects(gain):
    return [one["effect"] for one in json.loads(gain.attrs[names.INTERVENTIONS])]


def test_nothing_is_the_plain_gain(fake_fit):
    budgets = [0, 500, 8000]
    xr.testing.assert_allclose(predict_gain_with(fake_fit, [], budgets), predict_gain(fake_fit, budgets))
    xr.testing.assert_allclose(predict_gain_with(fake_fit, [], budgets, noise=0.2), predict_gain(fake_fit, budgets))
    xr.testing.assert_allclose(
        predict_gain_with(fake_fit, Consensus(1), budgets, noise=0.2), predict_gain(fake_fit, budgets)
    )


def test_synthetic_examples_count_for_their_worth(fake_fit):
    gain = predict_gain_with(fake_fit, SyntheticData(2000, worth=0.25), [0, 1500])
    plain = predict_gain(fake_fit, [500, 2000])
    np.testing.assert_allclose(gain.values, plain.values)
    assert effects(gain) == ["elicited"]


def test_active_learning_multiplies_what_is_bought(fake_fit):
    gain = predict_gain_with(fake_fit, ActiveLearning("margin", efficiency=1.5), [0, 1000])
    np.testing.assert_allclose(gain.values, predict_gain(fake_fit, [0, 1500]).values, atol=1e-12)


def test_a_strategy_of_the_runs_has_the_fit_s_efficiency(fake_fit, change):
    like = fake_fit.posterior["error_now"]
    worth = xr.full_like(like, 2.0).expand_dims({"strategy": ["margin"]}, axis=-1)
    trend = xr.full_like(like.isel(slice=0, drop=True), -0.5).expand_dims({"strategy": ["margin"]}, axis=-1)
    fit = change(fake_fit, posterior={"efficiency": worth, "efficiency_trend": trend})
    gain = predict_gain_with(fit, ActiveLearning("margin"), [1000])
    assert effects(gain) == ["from runs"]
    now = fit.position["labels_now"].sel(slice="west").item()
    counted = round(2.0 * ((now + 1000) / now) ** -0.5 * 1000)
    np.testing.assert_allclose(
        gain.sel(slice="west", budget=1000), predict_gain(fit, [counted]).sel(slice="west", budget=counted), rtol=1e-2
    )
    with pytest.raises(InputError, match="no run was made with strategy 'margn'; did you mean 'margin'"):
        predict_gain_with(fit, ActiveLearning("margn"), [1000])


def test_votes_cleaning_and_guidelines_by_hand(fake_fit):
    """Effective labels: those there and those bought, times the information left in their mixture over today's."""
    noise, budget = 0.2, 3000
    slice_ = fake_fit.posterior.sel(slice="east")
    now = fake_fit.position["labels_now"].sel(slice="east").item()
    cost = noise_cost(fake_fit)[0]
    done = [Consensus(3), Relabel(0.5, caught=0.8, remaining=0.02), Guideline(0.5, redone=0.1)]
    guided = noise * 0.5
    old = (0.9 * noise + 0.1 * guided) * (1 - 0.8) + 0.5 * 0.02
    mixed = (now * old + budget * consensus_error(guided, 3)) / (now + budget)
    count = (now + budget) * ((1 - 2 * mixed) / (1 - 2 * noise)) ** cost
    gain = predict_gain_with(fake_fit, done, [budget], noise=noise).sel(slice="east", budget=budget)
    for place in [(0, 0), (1, 7), (3, 100)]:
        size = round(float(count[place]))
        curve = predict_error(fake_fit, [size]).sel(slice="east", labels=size)[place]
        assert float(gain[place]) == pytest.approx(float(slice_["error_now"][place] - curve), rel=1e-3, abs=1e-6)
    for order in (done[::-1], [done[1], done[0], done[2]]):
        again = predict_gain_with(fake_fit, order, [budget], noise=noise).sel(slice="east", budget=budget)
        xr.testing.assert_equal(again, gain)


def test_quality_helps_more_where_labels_are_worse(fake_fit):
    little, much = (predict_gain_with(fake_fit, Guideline(0.5, redone=1), [0], noise=n).mean() for n in (0.05, 0.3))
    assert 0 < little < much
    worse = predict_gain_with(fake_fit, Guideline(1.5, redone=1), [0], noise=0.1)
    assert (worse < 0).mean() > 0.95


def test_only_the_slices_named_are_changed(fake_fit):
    gain = predict_gain_with(fake_fit, Relabel(1, slices=("west",)), [0, 500], noise=0.2)
    others = ["east", "north", "south"]
    np.testing.assert_allclose(gain.sel(slice=others), predict_gain(fake_fit, [0, 500]).sel(slice=others), atol=1e-12)
    assert gain.sel(slice="west", budget=0).mean() > 0


def test_pretraining_shifts_level_and_floor(fake_fit):
    posterior = fake_fit.posterior
    lower = predict_gain_with(fake_fit, Pretraining(excess=0.8), [0])
    now = posterior["error_now"] - posterior["floor"]
    np.testing.assert_allclose(lower.sel(budget=0), 0.2 * now, rtol=0.2)
    floor = predict_gain_with(fake_fit, Pretraining(floor=0.5, name="floor"), [0]).sel(budget=0)
    np.testing.assert_allclose(floor, 0.5 * posterior["floor"], rtol=0.2)
    steeper = predict_gain_with(fake_fit, Pretraining(elasticity=1.5, name="steeper"), [8000])
    assert (steeper > predict_gain(fake_fit, [8000])).mean() > 0.95


def test_a_new_learner_comes_from_the_runs(two_learners):
    gain = predict_gain_with(two_learners, NewLearner("b"), [0, 2000])
    assert effects(gain) == ["from runs"]
    later = predict_gain(two_learners, [2000]).sel(budget=2000)
    np.testing.assert_allclose(gain.sel(learner="b", budget=2000), later.sel(learner="b"), atol=1e-12)
    now = two_learners.posterior["error_now"]
    switched = now.sel(learner="a") - now.sel(learner="b")
    np.testing.assert_allclose(gain.sel(learner="a", budget=0), switched, atol=0.02)
    with pytest.raises(InputError, match="hold no curve of a learner 'c'"):
        predict_gain_with(two_learners, NewLearner("c"), [0])
    stated = predict_gain_with(two_learners, NewLearner("c", excess={"low": 0.7, "high": 0.9}), [0])
    assert effects(stated) == ["elicited"]
    assert stated.sizes["learner"] == 2


def test_evaluation_labels_remove_no_error(fake_fit):
    xr.testing.assert_allclose(
        predict_gain_with(fake_fit, EvaluationLabels(500), [0, 500]), predict_gain(fake_fit, [0, 500])
    )


def test_noise_may_come_from_annotations(fake_fit):
    rng = np.random.default_rng(1)
    drawn = xr.DataArray(
        rng.beta(20, 180, (2, 50, 4)), dims=("chain", "draw", "slice"), coords={"slice": fake_fit.slices[::-1]}
    )
    gain = predict_gain_with(fake_fit, Consensus(5), [2000], noise=drawn)
    assert effects(gain) == ["from annotations"]
    stated = predict_gain_with(fake_fit, Consensus(5), [2000], noise=0.1)
    np.testing.assert_allclose(gain.mean(SAMPLE), stated.mean(SAMPLE), rtol=0.05)
    with pytest.raises(InputError, match="no label noise for slice 'west'"):
        predict_gain_with(fake_fit, Consensus(5), [2000], noise=drawn.sel(slice=["east", "north", "south"]))


@pytest.mark.parametrize(
    ("done", "noise", "says"),
    [
        (Consensus(3), None, "depends on the share of wrong labels"),
        (Consensus(3), 0.5, "carry no information"),
        (Consensus(3), {"east": 0.1}, "no number for slice 'north'"),
        (Consensus(3), {"default": 0.1, "eats": 0.1}, "unknown slice 'eats'"),
        ([Consensus(3), Consensus(5)], 0.1, "two are called 'consensus'"),
        (Consensus(3, slices=("eats",)), 0.1, "unknown slice 'eats'; did you mean 'east'"),
        (SyntheticData(100), None, "no run holds synthetic examples"),
        (["votes"], 0.1, "is no intervention"),
    ],
)
def test_what_cannot_be_is_said(fake_fit, done, noise, says):
    with pytest.raises(InputError, match=says):
        predict_gain_with(fake_fit, done, [500], noise=noise)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Consensus(0), "'votes'.*whole number ≥ 1"),
        (lambda: Consensus(3, correlation=1.5), "'correlation'.*share"),
        (lambda: Relabel(1.5), "'share'.*0 < … ≤ 1"),
        (lambda: Guideline(-1), "'factor'.*≥ 0"),
        (lambda: SyntheticData(0), "'examples'.*whole number ≥ 1"),
        (lambda: Consensus(3, cost="8 cents"), "'cost'.*expected a number"),
        (lambda: Consensus(3, slices="east"), "'slices'.*expected a list"),
    ],
)
def test_settings_are_checked(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_money_and_days(fake_fit):
    now = fake_fit.position["labels_now"]
    assert (money(Consensus(5), fake_fit, 100, price=0.5) == 4 * 100 * 0.5).all()
    redone = money(Relabel(0.2, unit_cost=2.0, slices=("east",)), fake_fit, 0, price=0.5)
    np.testing.assert_allclose(redone.values, [0.4 * now.sel(slice="east").item(), 0, 0, 0])
    assert (money(SyntheticData(1000, unit_cost=0.01), fake_fit, 0) == 10).all()
    assert (money(ActiveLearning("margin"), fake_fit, 100, price=0.5) == 0).all()
    assert (money(EvaluationLabels(50), fake_fit, 0, price=0.5) == 25).all()
    unsure = Guideline(0.5, cost={"low": 100, "high": 400}, delay={"low": 5, "high": 20})
    assert fixed_money(unsure, fake_fit).sizes["draw"] == fake_fit.posterior.sizes["draw"]
    assert float((delay_days(unsure, fake_fit) > 0).mean()) == 1


def test_equivalent_labels_bring_the_same_gain(fake_fit):
    done = [Guideline(0.6, redone=0.5), SyntheticData(500, worth=0.1)]
    rate = exchange_rate(fake_fit, done, noise=0.2, labels=500, price=0.2)
    worth = rate[names.EQUIVALENT_LABELS]
    with_them = predict_gain_with(fake_fit, done, [500], noise=0.2).sel(budget=500)
    for place in [(0, 0, 0), (2, 11, 1), (3, 249, 3)]:
        labels = round(float(worth[place])) + 500
        plain = predict_gain(fake_fit, [labels]).sel(budget=labels)[place]
        assert float(plain) == pytest.approx(float(with_them[place]), rel=5e-3, abs=1e-6)
    np.testing.assert_allclose(rate[names.BREAK_EVEN], 0.2 * worth)
    table = summarise(worth)
    assert table[P_NEVER].max() < 0.05
    assert (table["lower"] < table["median"]).all()


def test_equivalent_labels_of_harm_and_of_the_impossible(straight):
    worse = exchange_rate(straight, Guideline(1.5, redone=1), noise=0.1)[names.EQUIVALENT_LABELS]
    assert (worse < 0).all()
    assert (worse >= -straight.position["labels_now"]).all()
    never = exchange_rate(straight, Pretraining(floor=0.0, excess=0.01))[names.EQUIVALENT_LABELS]
    assert np.isinf(never).all()
    none = exchange_rate(straight, EvaluationLabels(100))[names.EQUIVALENT_LABELS]
    np.testing.assert_allclose(none, 0.0, atol=1e-3)


def test_votes_are_priced_by_the_thousand(straight):
    rate = exchange_rate(straight, Consensus(3), noise=0.3)
    assert rate.attrs[names.LABELS] == 1000
    assert 0 < float(rate[names.EQUIVALENT_LABELS].median()) < 3000


def with_synthetic(fit, worth, examples=(2000, 8000)):
    """The fake runs, and runs on the typical curves of the fake fit with synthetic examples."""
    plain = testing.fake_runs(seed=1).to_dataframe().reset_index(drop=True)
    rng = np.random.default_rng(7)
    rows = []
    for row in plain[plain["replicate"] < 1].to_dict("records"):
        posterior = fit.posterior.sel(slice=[row["slice"]])
        for count in examples:
            labels, other = (xr.DataArray([[float(n)]], dims=("slice", "size")) for n in (row["labels"], 0))
            counted = labels + worth * count, other + row["other_labels"]
            error = error_draws(posterior, fit, *(v.assign_coords(slice=[row["slice"]]) for v in counted))
            wrong = rng.binomial(row["trials"], float(np.exp(np.log(error).mean())))
            rows.append({**row, "errors": wrong, "synthetic_labels": count})
    kept = ["slice", "labels", "other_labels", "errors", "trials", "replicate", "synthetic_labels"]
    every = pd.concat([plain.assign(synthetic_labels=0), pd.DataFrame(rows)])[kept]
    return read_runs(every)


def test_curves_are_of_real_labels_alone(fake_fit):
    runs = with_synthetic(fake_fit, 0.2)
    xr.testing.assert_identical(observe(runs), observe(testing.fake_runs(seed=1)))
    only = runs.isel(run=np.flatnonzero(runs["synthetic_labels"].values > 0))
    with pytest.raises(ValueError, match="every run holds synthetic examples"):
        observe(only)


@pytest.mark.parametrize("worth", [0.02, 0.3])
def test_the_worth_of_a_synthetic_example_is_found(fake_fit, worth):
    fit = altered(fake_fit, runs=with_synthetic(fake_fit, worth))
    found = synthetic_worth(fit)
    low, high = found.quantile([0.05, 0.95]).values
    assert low < worth < high
    assert high < 20 * low
    gain = predict_gain_with(fit, SyntheticData(1000), [0])
    assert effects(gain) == ["from runs"]
    assert gain.mean() > 0


def test_guidelines_are_worth_their_cost_from_some_reduction_on(straight):
    one = {"noise": 0.2, "price": 0.1, "labels": 2000}
    cheap, dear = (break_even_noise(straight, Guideline(0.5, cost=cost, redone=0.2), **one) for cost in (20, 100))
    never = break_even_noise(straight, Guideline(0.5, cost=1e6), **one)
    assert (cheap < dear).all()
    assert np.isinf(never).all()
    place = (0, 5, 2)
    reduction = float(cheap[place])
    now = straight.position["labels_now"][2].item()
    money = 20 + 0.2 * now * 0.1
    done = Guideline(1 - reduction, redone=0.2)
    with_it = predict_gain_with(straight, done, [2000], noise=0.2).sel(budget=2000)[place]
    same = round(2000 + money / 0.1)
    plain = predict_gain(straight, [same]).sel(budget=same)[place]
    assert float(with_it) == pytest.approx(float(plain), rel=2e-3)
