"""The kernels of allocation, against trying every purchase."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from labelvalue.decisions.search.menu import Aim, Menu, greedy, split
from labelvalue.decisions.search.optimise import SolverError, best_purchase, least_labels, programme, shadow_prices
from labelvalue.problems import InputError


def random_menu(seed: int) -> tuple[Menu, Aim]:
    """A small menu with anything that can make it hard: losses, kinks, limits, fixed costs, fairness, risk."""
    rng = np.random.default_rng(seed)
    slices, steps, samples = rng.integers(1, 4), rng.integers(2, 5), rng.integers(1, 9)
    labels = np.concatenate([[0], np.sort(rng.choice(np.arange(1, 6), steps - 1, replace=False))])
    rises = rng.normal(0.3, 1.0, (slices, steps - 1, samples))
    if rng.random() < 0.5:
        rises = np.sort(rises, axis=1)[:, ::-1] * np.diff(labels)[:, None]
    none = np.zeros((slices, 1, samples))
    net = np.concatenate([none, np.cumsum(rises, axis=1)], axis=1)
    spend = np.concatenate([none[..., 0], np.cumsum(rng.uniform(0.1, 1.0, (slices, steps - 1)), axis=1)], axis=1)
    falls = np.concatenate([none[..., 0], np.cumsum(rng.uniform(0.0, 0.2, (slices, steps - 1)), axis=1)], axis=1)
    high = rng.integers(0, labels[-1] + 1, slices)
    fair = rng.random() < 0.3
    menu = Menu(
        slices=tuple("abc"[:slices]),
        labels=labels,
        net=net,
        spend=spend,
        low=np.minimum(rng.integers(0, 2, slices), high),
        high=high,
        max_labels=int(rng.integers(0, 12)),
        max_spend=np.inf if rng.random() < 0.5 else float(rng.uniform(0.5, 3.0)),
        fixed=rng.uniform(0.0, 0.5, samples) * (rng.random() < 0.5),
        fixed_spend=0.1,
        error=(1.0 - falls) * rng.uniform(0.5, 1.0, (slices, 1)) if fair else None,
        max_gap=float(rng.uniform(0.1, 0.5)) if fair and rng.random() < 0.6 else np.inf,
    )
    if rng.random() < 0.3:
        return menu, Aim()
    tailed = rng.random() < 0.5
    return menu, Aim(level=float(rng.uniform(0.1, 0.95))) if tailed else Aim(tolerance=float(rng.uniform(0.3, 3.0)))


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_purchase_is_as_good_as_the_best_of_all(seed):
    menu, aim = random_menu(seed)
    every = itertools.product(*(range(a, b + 1) for a, b in zip(menu.low, menu.high, strict=True)))
    best = max((menu.objective(x, aim) for x in map(np.array, every) if menu.allows(x)), default=-np.inf)
    try:
        bought, certificate = best_purchase(menu, aim)
    except (InputError, SolverError):
        assert best == -np.inf
        return
    assert bought.dtype.kind == "i"
    assert menu.allows(bought)
    assert certificate.objective == pytest.approx(best, abs=1e-5, rel=1e-5)
    assert certificate.bound >= best - 1e-6
    for other in (certificate.equal, certificate.proportional, certificate.nothing):
        assert np.isnan(other) or certificate.objective >= other


def concave(slices=4, samples=200, seed=1, **limits) -> Menu:
    """Slices whose error falls as a power of labels, priced."""
    rng = np.random.default_rng(seed)
    labels = np.unique(np.concatenate([[0, 1], np.round(np.geomspace(8, 1000, 16))])).astype(int)
    elasticity = np.exp(rng.normal(-1.3, 0.5, (slices, 1)) + rng.normal(0.0, 0.3, (slices, samples)))
    gone = 1.0 - ((100 + labels[:, None]) / 100) ** -elasticity[:, None, :]
    net = 300.0 * gone - 0.2 * labels[:, None]
    given = {"low": np.zeros(slices, int), "high": np.full(slices, 1000), "max_labels": 1000} | limits
    return Menu(
        slices=tuple(f"s{i}" for i in range(slices)),
        labels=labels,
        net=net,
        spend=np.tile(0.2 * labels, (slices, 1)),
        fixed=np.zeros(samples),
        **given,
    )


def test_greedy_and_linear_programme_agree_where_both_are_exact():
    menu = concave()
    bought, bound = greedy(menu, Aim().weights(menu.fixed))
    theirs = programme(menu, Aim(), whole=False)
    assert menu.objective(bought, Aim()) == pytest.approx(bound) == pytest.approx(theirs.objective, rel=1e-6)
    assert theirs.objective == pytest.approx(theirs.bound, rel=1e-6)


def test_tail_costs_mean_and_mean_costs_tail():
    menu, tail = concave(samples=500), Aim(level=0.9)
    bold, careful = best_purchase(menu, Aim())[0], best_purchase(menu, tail)[0]
    assert menu.objective(careful, tail) > menu.objective(bold, tail)
    assert menu.objective(bold, Aim()) > menu.objective(careful, Aim())


def test_risk_neutral_limits():
    """CVaR at a level near 0 and exponential utility with a large tolerance are the mean."""
    net = np.random.default_rng(1).normal(size=1000)
    assert Aim(level=1e-9).value(net) == pytest.approx(net.mean())
    assert Aim(tolerance=1e7).value(net) == pytest.approx(net.mean(), abs=1e-6)
    assert Aim(tolerance=0.5).value(net) == pytest.approx(-0.5 * np.log(np.exp(-net / 0.5).mean()))


@pytest.mark.parametrize("aim", [Aim(), Aim(level=0.8), Aim(tolerance=0.7)])
def test_tangents_bound_the_aim(aim):
    rng = np.random.default_rng(2)
    for _ in range(200):
        x, y = rng.normal(size=(2, 40))
        assert aim.value(x) + aim.weights(x) @ (y - x) >= aim.value(y) - 1e-9


def test_shadow_price_is_what_looser_limits_bring():
    low = np.array([0, 0, 0, 300])
    menu = concave(max_labels=400, low=low, high=np.array([1000, 1000, 40, 1000]))
    bought, certificate = best_purchase(menu, Aim())
    prices = shadow_prices(menu, Aim(), bought).set_index("limit")["price"]

    def reached(**looser):
        return best_purchase(dataclasses.replace(menu, **looser), Aim())[1].objective - certificate.objective

    assert prices["all labels ≤ 400"] == pytest.approx(1000 * reached(max_labels=401), rel=1e-6)
    assert prices["s3 ≥ 300"] == pytest.approx(1000 * reached(low=low - [0, 0, 0, 1]), rel=1e-6)
    worth = 1000 * reached(high=menu.high + np.array([0, 0, 1, 0]))
    assert prices.get("s2 ≤ 40", 0.0) == pytest.approx(max(worth, 0.0), rel=1e-6)


def test_money_has_a_price():
    menu = concave(max_spend=30.0)
    bought, certificate = best_purchase(menu, Aim())
    assert menu.spent(bought) <= 30.0 + 1e-9
    more = best_purchase(dataclasses.replace(menu, max_spend=30.2), Aim())[1].objective
    row = shadow_prices(menu, Aim(), bought).set_index("limit").loc["money ≤ 30"]
    assert row["per"] == "unit of money"
    assert row["price"] == pytest.approx((more - certificate.objective) / 0.2, rel=1e-3)


def test_infeasible_minima_are_all_named():
    menu = concave(low=np.array([700, 500, 0, 0]))
    with pytest.raises(InputError) as raised:
        best_purchase(menu, Aim())
    said = str(raised.value)
    assert "needs 1200, allowed 1000; binding: s0 ≥ 700, s1 ≥ 500. Fix: raise max_labels by 200." in said
    several = dataclasses.replace(menu, high=np.array([600, 1000, 1000, 1000]))
    with pytest.raises(InputError) as raised:
        best_purchase(several, Aim())
    assert len(raised.value.problems) == 2


def test_smallest_change_frees():
    menu = concave(low=np.array([700, 500, 0, 0]), max_labels=1200)
    assert best_purchase(menu, Aim())[0].sum() == 1200


def test_infeasible_money_and_gap_say_what_would_do():
    with pytest.raises(
        InputError, match=r"needs 100\.00, allowed 90\.00; binding: s0 ≥ 500.*raise max_spend by 10\.00"
    ):
        best_purchase(concave(low=np.array([500, 0, 0, 0]), max_spend=90.0), Aim())
    falls = np.linspace(0.0, 0.1, concave().labels.size)
    error = np.array([[0.5], [0.3], [0.3], [0.3]]) - falls
    with pytest.raises(InputError, match=r"Fix: allow a gap of 0\.10") as raised:
        best_purchase(concave(error=error, max_gap=0.05), Aim())
    freed = concave(error=error, max_gap=float(str(raised.value).split()[-1].rstrip(".")))
    assert freed.allows(best_purchase(freed, Aim())[0])


def test_fairness_moves_labels_to_the_worst_slice():
    labels = concave().labels
    error = np.array([0.5, 0.3, 0.3, 0.3])[:, None] * (1 + labels / 100) ** -0.2
    plain, _ = best_purchase(concave(error=error), Aim())
    after = concave(error=error).errors(plain)
    fair, _ = best_purchase(concave(error=error, max_gap=0.9 * float(np.ptp(after))), Aim())
    assert fair[0] > plain[0]
    assert concave(error=error).errors(fair).max() < after.max()


def test_split_spends_what_the_limits_allow():
    menu = concave(max_labels=103, high=np.array([10, 1000, 1000, 1000]))
    assert split(menu, np.ones(4)).tolist() == [10, 31, 31, 31]
    assert split(menu, np.array([1.0, 2.0, 1.0, 1.0])).sum() == 103
    assert split(menu, np.array([1.0, 0.0, 0.0, 2.0])).tolist() == [10, 0, 0, 93]


def test_least_labels_are_the_fewest():
    rng = np.random.default_rng(3)
    labels = np.array([0, 10, 30, 100])
    error = 0.3 * (1 + labels[:, None] / 20) ** -rng.uniform(0.25, 0.6, 300)
    least = least_labels(error, labels, 0.2, 0.8)

    def kept(n):
        return np.mean([np.interp(n, labels, error[:, s]) <= 0.2 for s in range(300)])

    assert least not in labels
    assert kept(least) >= 0.8 > kept(least - 1)
    assert least_labels(error, labels, 0.31, 0.9) == 0
    assert least_labels(error, labels, 0.01, 0.9) == np.inf
