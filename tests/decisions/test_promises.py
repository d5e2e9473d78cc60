"""Promises are about the population, not the items at hand."""

import pytest

from labelvalue import decide, names
from labelvalue.model.fitting.result import on_items
from labelvalue.plans import plan_outcomes
from labelvalue.rules import check_guardrails
from labelvalue.testing import fake_fit
from tests.fits import case_of, share_items


@pytest.fixture(scope="module")
def shared():
    """A fit whose runs share one evaluation set in every slice but west."""
    return share_items(fake_fit(seed=1, draws=1000), ["east", "north", "south"])


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
