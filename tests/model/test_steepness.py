"""The elasticity's coordinates: another way of writing the same model, but for curves that rise."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from hypothesis import given, strategies as st
from labelvalue_models.power_law import power_law
from scipy import stats

from labelvalue import Prior, names, read_runs
from labelvalue.model.curve.families import above_floor, signed_exp
from labelvalue.model.curve.observations import observe
from labelvalue.model.hierarchy.building import (
    AMID,
    RISING_SPREAD,
    elasticity_level,
    log_flattening,
    model_coords,
    observed_data,
    steepness_level,
)
from labelvalue.model.prior.priors import Priors

SIZES = 250 * 2 ** np.arange(5)
SLOPES = {"falls": -0.3, "flat": 0.0, "rises": 0.15}
FLOOR = 0.3
COLUMNS = ["slice", "labels", "errors", "trials", "replicate"]
PRIORS = Priors({"elasticity_mean": Prior("normal", -1.8, 0.3), "elasticity_spread": Prior("lognormal", -1.0, 0.3)})


@pytest.fixture(scope="module")
def seen():
    rng = np.random.default_rng(1)
    rows = [
        (name, n, rng.binomial(4000, 0.2 * (n / 4000) ** slope), 4000, replicate)
        for name, slope in SLOPES.items() for n in SIZES for replicate in range(4)
    ]  # fmt: skip
    return observe(read_runs(pd.DataFrame(rows, columns=COLUMNS)))


@pytest.fixture(scope="module")
def built(seen):
    """``built(point)``: level and steepness, and the log density; the floor share is given."""
    with pm.Model(coords=model_coords(seen)) as model:
        data = observed_data(seen)
        level = elasticity_level(PRIORS, seen, data, pt.as_tensor(np.full(3, FLOOR)))
        outputs = model.replace_rvs_by_values([level, steepness_level(level, data)])
    both = model.compile_fn(
        [*outputs, model.logp()], inputs=model.value_vars, on_unused_input="ignore", mode="FAST_COMPILE"
    )
    return lambda where, mean=-1.7, spread=0.4: both(
        {"elasticity_mean": mean, "elasticity_spread_log__": np.log(spread), "elasticity_level": np.array(where)}
    )


def test_what_runs_plainly_show_is_read_off_them(seen):
    found = dict(zip(seen["slice"].values, seen[names.PLAIN_ELASTICITY].values, strict=True))
    assert found["falls"] == pytest.approx(0.3, abs=0.03)
    assert found["rises"] == pytest.approx(-0.15, abs=0.03)
    assert found["flat"] == 0.0
    assert seen[names.SPAN].values.tolist() == [3.0, 3.0, 3.0]


def test_two_sizes_show_nothing_plainly():
    rows = [("a", n, int(4000 * e), 4000, r) for n, e in ((500, 0.4), (1000, 0.2)) for r in range(4)]
    table = observe(read_runs(pd.DataFrame(rows, columns=COLUMNS)))
    assert table[names.PLAIN_ELASTICITY].values.tolist() == [0.0]


@given(st.floats(0.01, 0.9), st.floats(0.01, 1.0), st.floats(0.1, 6.0))
def test_a_power_law_flattens_by_as_much(floor, elasticity, doublings):
    """Against the slope of the family's own curve, by differences."""

    def slope(at):
        ratio = at * np.log(2.0) + np.array([-1e-4, 1e-4])
        return -np.diff(above_floor(power_law(ratio, elasticity / (1 - floor)), floor))[0] / 2e-4

    assert log_flattening(floor, elasticity, doublings) == pytest.approx(
        np.log(slope(0.0) / slope(-doublings)), abs=1e-5
    )


def test_pooled_curves_are_drawn_from_the_group_in_either_coordinates(seen, built):
    """A step of the sampled coordinate costs what the same step of the level costs under the group's normal."""
    where = np.array([-1.4, 0.5, 0.1])
    for curve in (0, 1):
        near, far = where.copy(), where.copy()
        far[curve] += 0.7
        (one, _, before), (two, _, after) = built(near), built(far)
        group = stats.norm(-1.7, 0.4)
        assert after - before == pytest.approx(group.logpdf(two[curve]) - group.logpdf(one[curve]))
    amid = where[0] + log_flattening(FLOOR, seen[names.PLAIN_ELASTICITY].values[0], 3.0 * AMID)
    assert built(where)[0][:2] == pytest.approx([amid, -1.7 + 0.4 * 0.5])


def test_a_rising_curve_knows_no_group_and_no_side(built):
    where = np.array([-1.4, 0.5, 0.2])
    level, _, density = built(where)
    assert signed_exp(level[2]) == pytest.approx(0.2)
    assert built(where, mean=-0.5)[0][2] == level[2]
    mirrored = built(where * [1, 1, -1])
    assert signed_exp(mirrored[0][2]) == pytest.approx(-0.2)
    assert mirrored[2] == pytest.approx(density)
    gone = built(where * [1, 1, 0])[2]
    assert density - gone == pytest.approx(-0.5 * (0.2 / RISING_SPREAD) ** 2)


def test_its_discrepancy_scales_with_the_slope_of_its_runs(seen, built):
    _, one, _ = built(np.array([-1.4, 0.5, 0.2]))
    _, two, _ = built(np.array([-1.2, 0.5, -0.6]))
    assert one[2] == two[2] == pytest.approx(np.log(-seen[names.PLAIN_ELASTICITY].values[2]), abs=1e-2)
    assert two[0] - one[0] == pytest.approx(0.2, abs=1e-3)


def curves(rng, count, sizes, replicates, *, slope=0.0, scatter=0.04, items=5_000, error=0.15):
    """Runs of curves that share an evaluation set each: what a model misses on it moves little from run to run."""
    rows = []
    for curve in range(count):
        luck = rng.normal(0.0, np.sqrt((1 - error) / (error * items)))
        for size in sizes:
            for replicate in range(replicates):
                true = error * np.exp(slope * np.log(size / sizes[-1]) + scatter * rng.standard_normal() + luck)
                wrong = items * true + rng.normal(0.0, np.sqrt(0.1 * items * error * (1 - error)))
                rows.append((f"s{curve:03d}", size, int(wrong), items, replicate, "one"))
    columns = ["slice", "labels", "errors", "trials", "replicate", "evaluation_set"]
    return observe(read_runs(pd.DataFrame(rows, columns=columns)))[names.PLAIN_ELASTICITY].values


@pytest.mark.parametrize(("sizes", "replicates"), [((250, 500, 1000, 2000), 1), ((500, 1000, 2000), 2)])
def test_curves_that_do_not_rise_are_not_said_to(sizes, replicates):
    """Few runs tell little of how trainings scatter; a flat curve among them must not leave the group."""
    assert np.mean(curves(np.random.default_rng(1), 300, sizes, replicates) < 0) < 0.005


def test_curves_that_rise_are_said_to():
    sizes = (500, 1000, 2000, 4000)
    assert np.mean(curves(np.random.default_rng(2), 100, sizes, 5, slope=0.1, scatter=0.03) < 0) > 0.95
    assert np.mean(curves(np.random.default_rng(2), 100, sizes, 1, slope=0.2, scatter=0.03) < 0) > 0.9
