"""Labels chosen anew beside interventions; votes and items together."""

import itertools

import numpy as np
import pytest

from labelvalue import Case, decide, names
from labelvalue.decisions.search.mixtures import climb
from labelvalue.interventions import Consensus, Guideline, Relabel
from labelvalue.label_quality import quality_frontier
from labelvalue.plans import compare_plans, plan_outcomes
from labelvalue.testing import fake_fit


def case_of(*interventions, price=0.1, noise=0.15, **more) -> Case:
    costs = {"price_per_label": price}
    return Case(
        costs=costs, value={"per_error_point": 400}, label_noise=noise, interventions=interventions, **more
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
def test_d7_climbing_ends_where_every_plan_was_tried(seed):
    """Concave worth with labels that help one another, in lots, within limits: the best of all plans."""
    rng = np.random.default_rng(seed)
    rate, cross = rng.uniform(1, 9, 3), rng.uniform(0, 0.2)
    low, high = np.array([0, 10, 0]), np.array([100, 100, 40])

    def worth(plans):
        seen = plans + cross * (plans.sum(axis=1, keepdims=True) - plans)
        return (rate * np.sqrt(seen)).sum(axis=1) - 0.35 * plans.sum(axis=1)

    def allows(plan):
        return plan[0] <= 2 * plan[1] + 20

    found = climb(np.array([0, 10, 0]), worth, allows, low=low, high=high, most=150, lot=5)
    every = itertools.product(range(0, 101, 5), range(10, 101, 5), range(0, 41, 5))
    plans = np.array([p for p in every if sum(p) <= 150 and allows(p)])
    assert allows(found)
    assert (found % 5 == 0).all()
    assert worth(found[None])[0] >= worth(plans).max() - 0.002 * abs(worth(plans).max())


def test_d7_labels_are_chosen_anew_beside_an_intervention():
    """What cleaning a slice leaves to gain there is less: labels go to the other one, as good as any on a grid."""
    fit = fake_fit(seed=3, slices=("a", "b"), draws=25)
    cleaning = Relabel(0.9, caught=0.95, unit_cost=0.005, slices=("a",), name="cleaning")
    case = case_of(cleaning, noise={"a": 0.4, "b": 0.01})
    plan = decide(fit, case, max_labels=8000, lot=40, measure=False)
    assert plan.interventions == ("cleaning",)
    assert all(n % 40 == 0 for n in plan.labels.values())
    alone = decide(fit, case_of(), max_labels=8000, measure=False).labels
    assert plan.labels["a"] < 0.2 * alone["a"]
    every = {f"{a},{b}": {"a": a, "b": b} for a, b in itertools.product(range(0, 8001, 400), repeat=2) if a + b <= 8000}
    every |= {f"{share:g} of it": {s: int(n * share) for s, n in alone.items()} for share in (1.0, 0.75, 0.5, 0.25)}
    net = plan_outcomes(fit, case, every, interventions=["cleaning"])[names.NET_BENEFIT].mean(("chain", "draw"))
    mine = float(plan.advantage().mean())
    assert mine >= 0.995 * float(net.max())
    shares = [name for name in every if "of it" in name]
    assert mine > 1.05 * float(net.sel(plan=shares).max())  # no share of the plan of labels alone is near it


def test_d23_votes_and_items_are_chosen_together_for_a_sum():
    """One slice with few items and many wrong votes: the plan takes as many votes as the frontier does."""
    fit = fake_fit(seed=1, draws=150, slices=("east", "west"))
    money, price, items, noise = 120.0, 0.1, 400, 0.3
    votes = (1, 3, 5, 7)
    frontier = quality_frontier(fit, money, price=price, noise=noise, votes=votes, available=items)
    chosen = int(frontier["votes_chosen"].sel(slice="west"))
    assert chosen > 1
    offers = [Consensus(r, name=f"{r} votes", slices=("west",)) for r in votes if r > 1]
    limits = {"east": {"maximum": 0}, "west": {"available": items}}
    plan = decide(
        fit, case_of(*offers, price=price, noise=noise, slices=limits), max_labels=4000, max_spend=money, measure=False
    )
    assert plan.interventions == (f"{chosen} votes",)
    assert plan.labels["west"] == int(frontier[names.LABELS].sel(votes=chosen))
    gain = float(frontier[names.GAIN].sel(votes=chosen, slice="west").mean())
    own = plan.outcomes[names.GAIN].sel(plan=names.RECOMMENDED, slice="west")
    assert float(own.mean()) == pytest.approx(gain, rel=1e-6)
    assert float(plan.outcomes[names.COST].sel(plan=names.RECOMMENDED).mean()) <= money * (1 + 1e-9)
    table = compare_plans(plan.outcomes).set_index(names.PLAN)  # P(optimal) of the chosen point
    assert table.loc[names.RECOMMENDED, names.P_BEST] > 0.4


def test_d23_two_numbers_of_votes_are_alternatives():
    fit = fake_fit(seed=1, draws=25)
    offers = (Consensus(3, name="three"), Consensus(5, name="five", slices=("west",)), Guideline(0.5, cost=5))
    plan = decide(fit, case_of(*offers, noise=0.3), max_labels=500, measure=False)
    tried = [str(p) for p in plan.outcomes[names.PLAN].values] + [" + ".join(plan.interventions)]
    assert not any("three" in one and "five" in one for one in tried)
