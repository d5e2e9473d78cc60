"""Promises in the population, and how often a rule on the gain stops in error; closed forms."""

import numpy as np
import pytest
from scipy import stats

from labelvalue import InputError, decide, names
from labelvalue.model.fitting.result import on_items
from labelvalue.plans import plan_outcomes
from labelvalue.rules import check_guardrails, rule_errors
from labelvalue.testing import fake_fit
from tests.fits import case_of, share_items


@pytest.fixture(scope="module")
def shared():
    """A fit whose runs share one evaluation set in every slice but west."""
    return share_items(fake_fit(seed=1, draws=1000), ["east", "north", "south"])


# --- errors in the population ---------------------------------------------------------------------


def test_d13_floors_are_about_the_population(shared):
    """A shared evaluation set makes a floor harder to promise; plan, promise and check agree on how much."""
    now = shared.posterior[names.ERROR_NOW].sel(slice="east")
    rule = {"floors": [{"slice": "east", "error": 0.9 * float(now.mean()), "probability": 0.8}]}
    case = case_of(price=2.0, guardrails=rule)
    own = fake_fit(seed=1, draws=1000)
    plan, easier = (decide(fit, case, max_labels=40_000, measure=False) for fit in (shared, own))
    row = plan.rules.iloc[0]
    assert row["kept"]
    outcome = plan_outcomes(on_items(shared), case, {names.RECOMMENDED: plan.labels})
    kept = outcome[names.ERROR].sel(plan=names.RECOMMENDED, slice="east") <= row["limit"]
    assert float(kept.mean()) > row["reached"]
    assert plan.labels["east"] > easier.labels["east"]
    table = check_guardrails(shared, case, plan.outcomes).set_index(names.PLAN)
    assert table.loc[names.RECOMMENDED, "p_kept"] == pytest.approx(row["p_kept"])


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
    bound, passed = (m + (limit - m + sign * sd * stats.norm.ppf(q)) / shrink for sign in (-1, 1))
    joint = stats.multivariate_normal([m, m], [[s**2, s**2], [s**2, s**2 + t**2]])
    stops, low = stats.norm.cdf(bound, m, np.hypot(s, t)), stats.norm.cdf(limit, m, s)
    both, through = (joint.cdf([limit, at]) for at in (bound, passed))
    goes = stats.norm.sf(passed, m, np.hypot(s, t))
    assert found["stops"] == pytest.approx(stops, abs=4 * np.sqrt(stops * (1 - stops) / gain.size))
    assert found["false_stop"] == pytest.approx((stops - both) / (1 - low), abs=4 * found["false_stop_error"])
    assert found["false_go"] == pytest.approx(1 - through / low, abs=4 * found["false_go_error"])
    assert found["undecided"] == pytest.approx(1 - stops - goes, abs=0.01)


def test_d24_worlds_and_probabilities_are_checked():
    with pytest.raises(InputError, match="probability"):
        rule_errors(np.array([0.5]), np.array([True]), 1.0)
    with pytest.raises(InputError, match="one probability and one truth"):
        rule_errors(np.array([0.5, 0.4]), np.array([True]), 0.5)
    only = rule_errors(np.array([0.5, 0.1]), np.array([True, True]), 0.9)
    assert (only["false_stop"], only["undecided"]) == (0.5, 0.5)
    assert np.isnan(only["false_go"])
