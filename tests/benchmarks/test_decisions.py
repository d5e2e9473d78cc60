"""The closed loop's rules and sums, without any training."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.decisions import labels_to_reach, measure, summarise_loop
from benchmarks.loop_rules import State, proportional, slice_tuner_like, spread, uniform, water_filling


def state(counts, available, batch, runs=None) -> State:
    names = [f"s{i}" for i in range(len(counts))]
    return State(names, np.array(counts), np.array(available), batch, lambda: runs, 1)


@pytest.mark.parametrize("rule", [uniform, proportional, water_filling])
def test_simple_rules_spend_the_batch_and_no_more_than_there_is(rule):
    bought = rule(state([3, 50, 10], [100, 4, 100], 40))
    assert bought.sum() == 40
    assert (bought <= [100, 4, 100]).all()
    assert rule(state([3, 5], [2, 1], 40)).sum() == 3


def test_water_filling_levels():
    assert (np.array([3, 50, 10]) + water_filling(state([3, 50, 10], [99, 99, 99], 37))).tolist() == [25, 50, 25]


def test_spread_rounds_to_the_batch():
    assert spread(np.array([1.4, 1.3, 1.3]), np.array([9, 9, 9]), 4).tolist() == [2, 1, 1]


def test_single_curves_go_where_the_curve_is_steep():
    sizes = np.array([10, 20, 40, 80])
    rows = [("s0", n, 400 * n**-0.1, 1000) for n in sizes] + [("s1", n, 2000 * n**-0.6, 1000) for n in sizes]
    runs = pd.DataFrame(rows, columns=["slice", "labels", "errors", "trials"])
    bought = slice_tuner_like(state([80, 80], [500, 500], 50, runs))
    assert bought.sum() == 50
    assert bought[1] > 40


def test_labels_to_reach_is_linear_between_rounds():
    bought, error = np.array([0.0, 100.0, 200.0]), np.array([0.3, 0.2, 0.1])
    assert labels_to_reach(bought, error, 0.15) == pytest.approx(150.0)
    assert labels_to_reach(bought, error, 0.4) == 0.0
    assert np.isnan(labels_to_reach(bought, error, 0.05))


def test_summary_of_a_rule_twice_as_fast():
    def trace(speed):
        steps = [
            {"labels": [10 * i, 10 * i], "error": [0.5 / (1 + speed * i), 0.3 / (1 + speed * i)]} for i in range(5)
        ]
        return {"trace": steps, "seconds": 1.0}

    found = [{"uniform": trace(1), "water-filling": trace(1), "fast": trace(2)} for _ in range(3)]
    summary = summarise_loop(found, np.random.default_rng(1))
    assert summary["uniform"]["saved"][0] == 0.0
    assert summary["fast"]["saved"][0] == pytest.approx(0.5)
    assert summary["fast"]["mean against uniform"][2] < 0
    assert measure(trace(1)["trace"])["gap"].iloc[0] == pytest.approx(0.2)
