"""Policies of labelling in worlds with known truth: regret is a number, and every part of a world moves it."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import labelvalue as lv
from benchmarks import policies
from benchmarks.decision_worlds import rule_errors
from benchmarks.policies.buying import oracle
from benchmarks.policies.worlds import LABELS_EACH
from labelvalue import names

POLICIES = {"split": policies.split_equally, "none": policies.buy_nothing}


def knowing(seed):
    """A policy that is told the curves but for a few per cent, and decides by the product's own allocation."""
    return policies.follow_advice(lambda runs, _: lv.testing.fake_fit(seed=seed, draws=25), lot=200)


def test_x3_regret_of_policies_against_the_oracle_is_a_number_and_the_same_again():
    worlds = [policies.simulate_world(seed, label_noise=0.1, drift=0.01, labels_per_day=100) for seed in (1, 2)]
    table = policies.regret(worlds, POLICIES)
    assert table["regret"].tolist() == (table["oracle"] - table["net_benefit"]).tolist()
    assert (table["regret"] > 0).all()
    assert (table[table["policy"] == "none"]["net_benefit"] == 0).all()
    assert table["labels"].tolist() == [8000, 0, 8000, 0]
    anew = policies.simulate_world(1, label_noise=0.1, drift=0.01, labels_per_day=100)
    pd.testing.assert_frame_equal(policies.regret([anew], POLICIES), table[table["world"] == 1])


def test_x3_whoever_knows_the_curves_nearly_and_follows_the_advice_regrets_little():
    world = policies.simulate_world(1, per_error_point=200.0)
    table = policies.regret([world], POLICIES | {"advice": knowing(1)}, rounds=1).set_index("policy")
    assert 0 <= table.loc["advice", "regret"] < 0.1 * table.loc["advice", "oracle"]
    assert table.loc["advice", "regret"] < 0.5 * table.loc["split", "regret"]


def test_x3_the_oracle_is_as_good_as_the_best_of_all():
    world = policies.simulate_world(1, slices=("a", "b"), per_error_point=300.0)
    grid = [500.0 * n for n in range(17)]
    every = np.array([[[a, b]] for a, b in itertools.product(grid, grid) if a + b <= 8000])
    best = float(world.net_benefit(every, [0.0]).max())
    found = oracle(world, [0.0], 8000)
    assert 0 < found.sum() < 8000, "the best plan lies inside"
    assert best <= world.net_benefit(found, [0.0]) < 1.05 * best


@pytest.mark.parametrize(
    ("part", "worse", "better"),
    [("price", 0.4, 0.1), ("label_noise", 0.3, 0.0), ("labels_per_day", 30.0, 300.0), ("start_delay", 120.0, 0.0),
     ("drift", 0.0, 0.02), ("retraining", 500.0, 0.0)],
)  # fmt: skip
def test_x3_price_noise_delay_and_drift_each_move_what_labels_bring(part, worse, better):
    orders = np.array([[1000.0, 500.0, 0.0, 2000.0]])
    low, high = (
        float(policies.simulate_world(1, **{part: value}).net_benefit(orders, [0.0])) for value in (worse, better)
    )
    assert low < high


def test_x3_net_benefit_by_hand():
    """One order of all there is to wait for: error falls on day 65 of 365, and the rise until then is not undone."""
    world = policies.simulate_world(1, slices=("a",), drift=0.02, labels_per_day=100, start_delay=5, retraining=7)
    bought = np.array([[6000.0]])
    gain = float((world.errors(np.zeros(1)) - world.errors(bought[0]))[0])
    after = 1 - 65 / 365
    rise = 0.02 * (1 - (65 / 365) ** 2) / 2
    money = (gain * after + rise) * world.stakes[0] * 400 / 0.01
    assert float(world.net_benefit(bought, [0.0])) == pytest.approx(money - 6000 * world.price[0] - 7)
    assert float(world.net_benefit(bought, [400.0])) == pytest.approx(-6000 * world.price[0] - 7), "too late"


def test_runs_of_a_world_scatter_about_its_curves_and_show_what_has_arrived():
    world = policies.simulate_world(1, trials=50_000)
    bought = np.array([6000.0, 0.0, 0.0, 0.0])
    table = world.runs(bought).to_dataframe()
    largest = table[table[names.LABELS] + table[names.OTHER_LABELS] == 4 * LABELS_EACH + 6000]
    means = largest.groupby(names.SLICE)[names.ERROR].mean()
    assert means.to_numpy() == pytest.approx(world.errors(bought), rel=0.08)
    assert table.groupby(names.SLICE)[names.LABELS].max().tolist() == [8000, 2000, 2000, 2000]
    assert not world.runs(bought, 1).equals(world.runs(bought))


@pytest.mark.parametrize("wanted", [{"east": -1}, {"east": 9000}, {"east": 1.5}, {"nowhere": 1}])
def test_orders_that_cannot_be_are_refused(wanted):
    with pytest.raises(ValueError, match="policy 'bad' wants"):
        policies.regret([policies.simulate_world(1)], {"bad": lambda offer: wanted}, rounds=1)


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
    bound, passed = (m + (limit - m + sign * sd * stats.norm.ppf(q)) / shrink for sign in (-1, 1))
    joint = stats.multivariate_normal([m, m], [[s**2, s**2], [s**2, s**2 + t**2]])
    stops, low = stats.norm.cdf(bound, m, np.hypot(s, t)), stats.norm.cdf(limit, m, s)
    both, through = (joint.cdf([limit, at]) for at in (bound, passed))
    goes = stats.norm.sf(passed, m, np.hypot(s, t))
    assert found["stops"] == pytest.approx(stops, abs=4 * np.sqrt(stops * (1 - stops) / gain.size))
    assert found["false_stop"] == pytest.approx((stops - both) / (1 - low), abs=4 * found["false_stop_error"])
    assert found["false_go"] == pytest.approx(1 - through / low, abs=4 * found["false_go_error"])
    assert found["undecided"] == pytest.approx(1 - stops - goes, abs=0.01)
    only = rule_errors(np.array([0.5, 0.1]), np.array([True, True]), 0.9)
    assert (only["false_stop"], only["undecided"], np.isnan(only["false_go"])) == (0.5, 0.5, True)
