"""Value of information against conjugate closed forms, and within its bounds."""

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from labelvalue import names
from labelvalue.decisions.measuring.information import conditional_mean, evsi
from labelvalue.voi import evpi, evppi

SAMPLE = (names.CHAIN, names.DRAW)


def draws_of(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values.reshape(4, -1), dims=SAMPLE)


def plans(*net: np.ndarray) -> xr.DataArray:
    named = [names.NOTHING, *(f"plan {i}" for i in range(1, len(net)))]
    return xr.concat([draws_of(n) for n in net], dim=names.PLAN).assign_coords({names.PLAN: named})


def unit_loss(mean: float, sd: float) -> float:
    """E[max(X, 0)] − max(mean, 0) of a normal X: what knowing X is worth where the choice is X or nothing."""
    u = abs(mean) / sd
    return sd * (stats.norm.pdf(u) - u * stats.norm.sf(u))


@pytest.mark.parametrize("mean", [0.0, -0.7, 1.5])
def test_normal_perfect_information(mean):
    x = np.random.default_rng(1).normal(mean, 2.0, 20_000)
    found = evpi(plans(np.zeros_like(x), x))
    assert float(found[names.EVPI]) == pytest.approx(unit_loss(mean, 2.0), abs=4 * float(found[names.MCSE]))


@pytest.mark.parametrize("mean", [0.0, 0.8])
def test_normal_partial_information(mean):
    """Net benefit is the sum of two normals; knowing one of them is worth the loss of that one's spread."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(mean, 1.5, 16_000), rng.normal(0.0, 0.7, 16_000)
    net = plans(np.zeros_like(a), a + b)
    table = evppi(net, {"a": draws_of(a), "b": draws_of(b)}).set_index("input")
    for name, sd in (("a", 1.5), ("b", 0.7)):
        error = 4 * table.loc[name, names.MCSE] + 0.01
        assert table.loc[name, names.EVPPI] == pytest.approx(unit_loss(mean, sd), abs=error), name
    assert table.index[0] == "a"
    assert (table[names.EVPPI] <= table.attrs[names.EVPI]).all()


def test_bent_and_crossed_inputs_are_followed():
    """Knowing an input that enters squared, or as a product with another, is found by the splines and products."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 12_000))
    assert np.corrcoef(conditional_mean((x**2)[:, None], x[:, None])[:, 0], x**2)[0, 1] > 0.99
    both = np.column_stack([x, y])
    assert np.corrcoef(conditional_mean((x * y)[:, None], both)[:, 0], x * y)[0, 1] > 0.98


def test_noise_is_worth_nothing_and_truth_everything():
    rng = np.random.default_rng(4)
    x, noise = rng.normal(size=(2, 8000))
    net = plans(np.zeros_like(x), x)
    table = evppi(net, {"noise": draws_of(noise), "all": draws_of(x)}).set_index("input")
    evpi = table.attrs[names.EVPI]
    assert table.loc["noise", names.EVPPI] < 0.02 * evpi
    assert table.loc["all", names.EVPPI] == pytest.approx(evpi, rel=0.01)
    assert 0 <= table.loc["noise", "changes"] <= table.loc["all", "changes"] <= 1


def test_the_plan_that_knowing_brings_most_often_is_named():
    x = np.random.default_rng(4).normal(size=8000)
    net = plans(np.full_like(x, 0.1), x, x - 5.0, np.full_like(x, -9.0))
    table = evppi(net, {"x": draws_of(x), "flat": draws_of(np.round(x * 0))}).set_index("input")
    today, instead = str(net["plan"].values[0]), str(net["plan"].values[1])
    assert today != instead
    assert table["instead"].to_dict() == {"x": instead, "flat": ""}
    assert table.loc["x", "changes"] == pytest.approx(float((x > 0.1).mean()), abs=0.05)


@pytest.mark.parametrize("observations", [1, 4, 25])
@pytest.mark.parametrize("mean", [0.0, 0.6])
def test_conjugate_normal_sample_information(observations, mean):
    """θ ~ N(mean, 1), the mean of m observations with sd 3: EVSI is the loss of the posterior mean's spread."""
    rng = np.random.default_rng(5)
    theta = rng.normal(mean, 1.0, 20_000)
    seen = theta + rng.normal(0.0, 3.0 / np.sqrt(observations), theta.size)
    net = plans(np.zeros_like(theta), theta)
    found = evsi(net, draws_of(seen), cost=0.05)
    spread = np.sqrt(1.0 / (1.0 + 9.0 / observations))
    exact = unit_loss(mean, spread)
    error = 4 * float(found[names.MCSE])
    assert float(found[names.EVSI]) == pytest.approx(exact, abs=error)
    assert float(found[names.ENBS]) == pytest.approx(float(found[names.EVSI]) - 0.05)
    assert float(found["lower"]) < float(found[names.ENBS]) < float(found["upper"])


def repeated(mean: float, spread: float, options: int) -> tuple[float, dict[str, np.ndarray]]:
    """EVSI in closed form and as estimated from a hundred sets of draws; plans are equal but for noise of their own."""
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        theta = rng.normal(mean, 1.0, 1000)
        seen = theta + rng.normal(0.0, spread, theta.size)
        net = plans(np.zeros_like(theta), *(theta + 0.3 * rng.normal(size=theta.size) for _ in range(options)))
        made = evsi(net, draws_of(seen))
        found.append({key: float(made[key]) for key in (names.EVSI, names.MCSE, "lower", "upper")})
    return unit_loss(mean, np.sqrt(1.0 / (1.0 + spread**2))), {k: np.array([one[k] for one in found]) for k in found[0]}


@pytest.mark.parametrize(("mean", "spread"), [(0.6, 0.6), (0.3, 1.0)])
def test_the_interval_holds_the_errors_of_the_regression_too(mean, spread):
    exact, found = repeated(mean, spread, options=1)
    error = found[names.MCSE].mean()
    assert abs(found[names.EVSI].mean() - exact) < 0.5 * error
    assert error == pytest.approx(found[names.EVSI].std(), rel=0.3)
    assert ((found["lower"] <= exact) & (exact <= found["upper"])).mean() >= 0.85


def test_luck_among_equal_plans_is_not_taken_for_information():
    """Of eight equal plans, a regression that values its own choice prefers whichever was lucky where."""
    exact, found = repeated(0.9, 1.0, options=8)
    assert exact - 2 * found[names.MCSE].mean() < found[names.EVSI].mean() < exact


def test_a_sample_is_worth_no_more_than_what_it_is_about():
    rng = np.random.default_rng(6)
    theta, other = rng.normal(0.2, 1.0, (2, 10_000))
    net = plans(np.zeros_like(theta), theta + other)
    partial = evppi(net, {"theta": draws_of(theta)})
    worth = [
        float(evsi(net, draws_of(theta + rng.normal(0.0, sd, theta.size)))[names.EVSI]) for sd in (3.0, 1.0, 0.3, 0.0)
    ]
    slack = 4 * float(partial[names.MCSE].iloc[0])
    assert all(a <= b + slack for a, b in itertools.pairwise(worth))
    assert worth[-1] <= float(partial[names.EVPPI].iloc[0]) + slack
    assert float(partial[names.EVPPI].iloc[0]) <= partial.attrs[names.EVPI]


def test_one_plan_leaves_nothing_to_know():
    assert float(evpi(plans(np.random.default_rng(1).normal(size=400)))[names.EVPI]) == 0.0


def test_inputs_are_needed():
    with pytest.raises(ValueError, match="no input"):
        evppi(plans(np.zeros(40)), {})
