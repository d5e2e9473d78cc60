"""What labels of other slices, of strategies and with noise amount to: in the model and in its draws alike."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from hypothesis import given, strategies as st

from labelvalue import Prior, get_model, read_runs
from labelvalue.model.curve.families import (
    TYPICAL_WORTH,
    beside_reference,
    effective_ratio,
    likeness_of_means,
    observed_ratio,
    transfer_from,
)
from labelvalue.model.curve.observations import FIRST_CELL, in_a_row, observe
from labelvalue.model.hierarchy.building import model_coords, observed_data, worths_of_labels

BESIDE = st.floats(1e-6, 200.0)


@given(BESIDE)
def test_at_the_typical_worth_level_and_worth_agree_to_first_order(beside):
    step = 1e-5
    assert transfer_from(TYPICAL_WORTH, beside) == pytest.approx(TYPICAL_WORTH, abs=1e-9)
    low, high = (transfer_from(TYPICAL_WORTH + s, beside) for s in (0.0, step))
    assert (high - low) / step == pytest.approx(1.0, rel=1e-2)


@given(BESIDE, st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_a_higher_level_is_a_higher_worth(beside, one, two):
    low, high = sorted((one, two))
    assert transfer_from(low, beside) <= transfer_from(high, beside) + 1e-12


@given(BESIDE, st.floats(-0.5, 0.03))
def test_below_the_typical_worth_effective_labels_are_straight_in_the_level(beside, level):
    """Whichever side of 0 the worth lies on, a step of level multiplies effective labels by the same factor."""

    def log_effective(at):
        added = transfer_from(at, beside) * beside
        return np.log1p(max(added, 0.0)) + min(added, 0.0)

    steps = np.diff([log_effective(level + s) for s in (0.0, 0.01, 0.02)])
    assert steps[0] == pytest.approx(steps[1], rel=1e-6, abs=1e-9)


@given(BESIDE, st.floats(0.0, 3.0))
def test_from_the_typical_worth_upwards_the_level_is_the_worth(beside, more):
    """However many labels stand beside: no label is worth thousands."""
    assert transfer_from(TYPICAL_WORTH + more, beside) == pytest.approx(TYPICAL_WORTH + more)


@pytest.mark.parametrize("center", [-0.5, -0.05, 0.0, 0.3])
def test_a_prior_may_hold_that_other_slices_harm(center):
    """With ninety-nine labels beside each own: the density is finite, whatever worth is expected."""
    rows = [(s, n, n // 10, n, {"other_labels": 99 * n}) for s in ("a", "b") for n in (100, 200, 400, 800)]
    runs = read_runs(pd.DataFrame([{"slice": s, "labels": n, "errors": e, "trials": t, **m} for s, n, e, t, m in rows]))
    model = get_model("power_law")
    priors = model.priors.replace({"transfer_mean": Prior("student", center, 0.15)})
    with model.build(observe(runs), priors) as built:
        assert np.isfinite(built.compile_logp(mode="FAST_COMPILE")(built.initial_point()))


def test_beyond_a_few_what_the_others_are_worth_together_differs_by_the_same():
    beside = np.array([5.0, 20.0, 500.0])
    assert (likeness_of_means(beside) * beside).tolist() == pytest.approx([5.0] * 3)
    assert likeness_of_means(np.array([0.0, 2.0, 5.0])).tolist() == [1.0] * 3


def world():
    rows = [
        (s, n, o, 20, 100, strategy, noise, diversity)
        for s in "ab" for n, o in ((100, 50), (200, 400)) for strategy in ("random", "margin", "diversity")
        for noise, diversity in ((0.0, 1.0), (0.2, 1.0), (0.1, 0.8))
    ]  # fmt: skip
    columns = ["slice", "labels", "other_labels", "errors", "trials", "strategy", "label_noise", "diversity"]
    return observe(read_runs(pd.DataFrame(rows, columns=columns)), classes=4)


def test_the_model_and_its_draws_have_the_same_effective_labels():
    """The draws' names are those of the model, by strategy, and what the model's cells see is what draws see."""
    observations, priors = world(), get_model("power_law").priors
    with pm.Model(coords=model_coords(observations)) as model:
        made = worths_of_labels(priors, observations, observed_data(observations))
    rng = np.random.default_rng(1)
    point = {v.name: rng.normal(0.1, 0.3, np.shape(x)) for v, x in
             ((v, model.initial_point()[v.name]) for v in model.value_vars)}  # fmt: skip
    wanted = ["transfer", "efficiency", "efficiency_trend", "noise_cost", "diversity_power"]
    outputs = model.replace_rvs_by_values([*made.values(), *(model[name] for name in wanted)])
    values = model.compile_fn(outputs, inputs=model.value_vars, on_unused_input="ignore", mode="FAST_COMPILE")(point)
    worths = dict(zip(made, values, strict=False))
    dims = [("curve",), ("curve", "strategy"), ("strategy",), (), ()]
    coords = {"strategy": observations.attrs["strategies"][1:]}
    draws = xr.Dataset({n: (d, v) for n, d, v in zip(wanted, dims, values[len(made) :], strict=True)}, coords)
    row = in_a_row(observations)
    of_curve = np.repeat(np.arange(2), np.diff(row[FIRST_CELL]))
    cells = {n: v[of_curve] if np.shape(v) == (2,) else v for n, v in (row | worths).items()}
    cells["transfer"] = transfer_from(cells["transfer"], beside_reference(cells))
    again = observed_ratio(draws, observations).transpose("curve", "knot", "slot").values
    used = observations["used"].values > 0
    np.testing.assert_allclose(effective_ratio(cells, cells, 4), again[used], rtol=1e-10, atol=1e-12)


def test_random_and_clean_labels_at_the_reference_are_the_reference():
    observations = world()
    draws = xr.Dataset(
        {
            "transfer": ("curve", [0.1, 0.2]),
            "efficiency": (("curve", "strategy"), [[2.0, 0.5]] * 2),
            "efficiency_trend": ("strategy", [0.0, 0.0]),
            "noise_cost": 2.0,
            "diversity_power": 0.5,
        },
        {"strategy": observations.attrs["strategies"][1:]},
    )
    ratio = observed_ratio(draws, observations).transpose("curve", "knot", "slot")
    at = (observations["distance"] == 0) & (observations["used"] > 0)
    random = at & (observations["strategy_code"] == 0)
    plain = random & (observations["label_noise"] == 0)
    chosen = at & (observations["strategy_code"] == 1) & (observations["label_noise"] == 0)
    noisy = random & (observations["label_noise"] == 0.2)
    alike = random & (observations["label_noise"] == 0.1)
    left, half = 1 - 0.2 * 4 / 3, 1 - 0.1 * 4 / 3
    fewer = 2 * np.log(half) + 0.5 * np.log(0.8)
    for cells, expected in ((plain, 0.0), (chosen, np.log(2.0)), (noisy, 2 * np.log(left)), (alike, fewer)):
        found = ratio.where(cells).values
        np.testing.assert_allclose(found[np.isfinite(found)], expected, atol=1e-12)
