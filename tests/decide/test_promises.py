"""Promises in the population, and how often a rule on the gain stops in error; closed forms."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from labelvalue import InputError, names
from labelvalue.decide import Case, allocate, check_guardrails, guardrail_errors, plan_outcomes, rule_errors
from labelvalue.decide.population import in_population
from labelvalue.model.result import POSITION
from labelvalue.testing import fake_fit

SAMPLE = (names.CHAIN, names.DRAW)


def case_of(price=0.1, **more) -> Case:
    return Case(costs={"price_per_label": price}, value={"per_error_point": 400}, **more)


@pytest.fixture(scope="module")
def shared():
    """A fit whose runs share one evaluation set in every slice but west."""
    fit = fake_fit(seed=1, draws=1000)
    tree = fit.tree.copy()
    position = tree[POSITION].to_dataset().copy()
    position[names.SHARED] = position[names.SHARED] * 0 + (position[names.SLICE] != "west")
    tree[POSITION] = xr.DataTree(position)
    return dataclasses.replace(fit, tree=tree)


# --- errors in the population ---------------------------------------------------------------------


def test_d13_population_strays_from_the_items_by_the_variance_that_runs_share(shared):
    """Log population error over that on the items is normal with the sampling variance less its churn."""
    reference = shared.posterior[names.ERROR_REFERENCE]
    stray = np.log(in_population(shared, case_of(), reference) / reference)
    spread = shared.position[names.ONE_RUN_VARIANCE] * (1 - shared.posterior["churn"])
    z = (stray / np.sqrt(spread)).sel(slice=["east", "north", "south"])
    assert not stray.sel(slice="west").any()
    assert stats.kstest(z.sel(slice="east").values.ravel(), "norm").pvalue > 1e-3
    assert abs(float(z.mean())) < 4 / np.sqrt(z.size)
    assert float(z.std()) == pytest.approx(1.0, abs=4 / np.sqrt(2 * z.size))
    assert abs(np.corrcoef(z.stack(draws=SAMPLE).values)[0, 1]) < 4 / np.sqrt(4000)  # each slice has luck of its own


def test_d13_items_of_five_folds_stray_less_than_those_of_one_set(shared):
    """Each fold has a set of its own, and a fit speaks of all their items: five times as many."""
    position = shared.position.assign({names.EVALUATION_SETS: 0.0 * shared.position[names.SHARED] + 5.0})
    tree = shared.tree.copy()
    tree[POSITION] = xr.DataTree(position)
    folds = dataclasses.replace(shared, tree=tree)
    reference = shared.posterior[names.ERROR_REFERENCE]
    one, five = (
        np.log(in_population(fit, case_of(), reference) / reference).sel(slice="east") for fit in (shared, folds)
    )
    assert float(xr.corr(one, five)) > 0.99  # the same draws of luck, on another scale
    assert float(one.var() / five.var()) == pytest.approx(5.0, rel=0.15)


def test_d13_few_errors_are_relatively_less_well_known(shared):
    """A proportion's relative sampling variance is (1 − p) / (p n): at half the error it is more than doubled."""
    reference = shared.posterior[names.ERROR_REFERENCE]
    whole = np.log(in_population(shared, case_of(), reference) / reference).sel(slice="east").std()
    half = np.log(in_population(shared, case_of(), reference / 2) / (reference / 2)).sel(slice="east").std()
    p = float(reference.sel(slice="east").mean())
    assert float((half / whole) ** 2) == pytest.approx((2 / p - 1) / (1 / p - 1), rel=0.02)


def test_d13_wrong_evaluation_labels_make_the_population_less_well_known(shared):
    """It is the measured error that the luck of the items moves; the true one moves by that over 1 − 2η."""
    noise, draws = 0.1, shared.posterior
    tree = shared.tree.copy()
    tree[names.POSTERIOR] = xr.DataTree(draws.assign(evaluation_noise=0.0 * draws[names.ERROR_REFERENCE] + noise))
    noisy = dataclasses.replace(shared, tree=tree)
    true = 0.0 * draws[names.ERROR_REFERENCE] + 0.2
    moved = (in_population(noisy, case_of(), true) - true).sel(slice="east")
    measured = noise + 0.2 * (1 - 2 * noise)
    reference = noise + draws[names.ERROR_REFERENCE] * (1 - 2 * noise)
    spread = shared.position[names.ONE_RUN_VARIANCE] * (1 - draws["churn"]) * (1 / measured - 1) / (1 / reference - 1)
    wanted = measured * np.sqrt(float(spread.sel(slice="east").mean())) / (1 - 2 * noise)
    assert float(moved.std()) == pytest.approx(wanted, rel=0.06)


def test_d13_floors_are_about_the_population(shared):
    """A shared evaluation set makes a floor harder to promise; plan, promise and check agree on how much."""
    now = shared.posterior[names.ERROR_NOW].sel(slice="east")
    rule = {"floors": [{"slice": "east", "error": 0.9 * float(now.mean()), "probability": 0.8}]}
    case = case_of(price=2.0, guardrails=rule)
    own = fake_fit(seed=1, draws=1000)
    plan, easier = (allocate(fit, case, max_labels=40_000) for fit in (shared, own))
    row = plan.promises.iloc[0]
    assert row["kept"]
    on_items = plan.outcomes[names.ERROR].sel(plan=names.RECOMMENDED, slice="east") <= row["limit"]
    assert float(on_items.mean()) > row["reached"]
    assert plan.labels["east"] > easier.labels["east"]
    table = check_guardrails(shared, case, plan.outcomes).set_index(names.PLAN)
    assert table.loc[names.RECOMMENDED, "p_kept"] == pytest.approx(row["reached"])


# --- how often a rule stops in error --------------------------------------------------------------


def test_d24_false_stop_rate_of_a_normal_gain():
    """Gain N(m, s²), seen with N(0, t²): the posterior is conjugate, and the rates are those of two normals."""
    m, s, t, limit, q = 1.0, 0.8, 0.6, 0.7, 0.6
    rng = np.random.default_rng(3)
    gain = m + s * rng.standard_normal(40_000)
    seen = gain + t * rng.standard_normal(gain.size)
    shrink = s**2 / (s**2 + t**2)
    mean, sd = m + shrink * (seen - m), s * np.sqrt(1 - shrink)
    found = rule_errors(stats.norm.sf(limit, mean, sd), gain >= limit, q)
    # The rule stops where what is seen lies below this bound.
    bound = m + (limit - m - sd * stats.norm.ppf(1 - q)) / shrink
    joint = stats.multivariate_normal([m, m], [[s**2, s**2], [s**2, s**2 + t**2]])
    stops, low = stats.norm.cdf(bound, m, np.hypot(s, t)), stats.norm.cdf(limit, m, s)
    both = joint.cdf([limit, bound])
    assert found["stops"] == pytest.approx(stops, abs=4 * np.sqrt(stops * (1 - stops) / gain.size))
    assert found["false_stop"] == pytest.approx((stops - both) / (1 - low), abs=4 * found["false_stop_error"])
    assert found["false_go"] == pytest.approx(1 - both / low, abs=4 * found["false_go_error"])


def test_d24_worlds_and_probabilities_are_checked():
    with pytest.raises(InputError, match="probability"):
        rule_errors(np.array([0.5]), np.array([True]), 1.0)
    with pytest.raises(InputError, match="one probability and one truth"):
        rule_errors(np.array([0.5, 0.4]), np.array([True]), 0.5)
    only = rule_errors(np.array([0.5, 0.4]), np.array([True, True]), 0.45)
    assert only["false_stop"] == 0.5
    assert np.isnan(only["false_go"])


def test_d24_false_stops_of_a_project_fall_as_batches_come():
    """Today the rule stops always or never; what batches show brings both errors down together."""
    fit = fake_fit(seed=1, draws=500)
    case = case_of(price=0.01)
    plan = allocate(fit, case, max_labels=20_000)
    out = plan_outcomes(fit, case, {"p": plan.labels})[names.GAIN].sel(plan="p").mean(names.SLICE)
    limit = float((out / plan.total * 1000).median())
    ruled = case_of(price=0.01, guardrails={"minimum_gain": {"limit": limit, "probability": 0.5 - 1e-9}})
    table = guardrail_errors(fit, ruled, plan, steps=4)
    assert table.attrs["chance"] == pytest.approx(0.5, abs=0.01)
    assert table[names.LABELS].tolist() == [plan.total * step // 4 for step in range(4)]
    wrong = 0.5 * (table["false_stop"] + table["false_go"])
    assert wrong.iloc[0] == 0.5
    assert wrong.iloc[-1] < wrong.iloc[0] - 3 * table["false_stop_error"].iloc[-1]
    with pytest.raises(InputError, match="no such rule"):
        guardrail_errors(fit, case, plan)
    with pytest.raises(InputError, match="too few to cut"):
        guardrail_errors(fit, ruled, allocate(fit, case_of(price=1e6), max_labels=100))
