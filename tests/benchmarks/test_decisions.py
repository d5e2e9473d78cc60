"""The closed loop's rules and sums, without any training."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.decisions import measure, summarise_loop, summarise_steps
from benchmarks.loop_rules import State, by_error, slice_tuner_like, spread, uniform, water_filling
from labelvalue import read_runs


def state(counts, available, batch, runs=None) -> State:
    names = [f"s{i}" for i in range(len(counts))]
    return State(names, np.array(counts), np.array(available), batch, lambda: runs, 1)


def runs_of(errors, sizes=(10, 40)):
    """Runs of 100 trials: at the larger size these errors, at the smaller all wrong."""
    rows = [(f"s{i}", n, n, e if n == max(sizes) else 100, 100) for i, e in enumerate(errors) for n in sizes]
    return read_runs(pd.DataFrame(rows, columns=["slice", "labels", "other_labels", "errors", "trials"]))


@pytest.mark.parametrize("rule", [uniform, by_error, water_filling])
def test_simple_rules_spend_the_batch_and_no_more_than_there_is(rule):
    bought = rule(state([3, 50, 10], [100, 4, 100], 40, runs_of([30, 20, 10])))
    assert bought.sum() == 40
    assert (bought <= [100, 4, 100]).all()
    assert rule(state([3, 5], [2, 1], 40, runs_of([30, 20]))).sum() == 3


def test_water_filling_levels():
    assert (np.array([3, 50, 10]) + water_filling(state([3, 50, 10], [99, 99, 99], 37))).tolist() == [25, 50, 25]


def test_by_error_goes_by_the_largest_trainings():
    assert by_error(state([10, 10], [99, 99], 40, runs_of([30, 10]))).tolist() == [30, 10]


def test_spread_rounds_to_the_batch():
    assert spread(np.array([1.4, 1.3, 1.3]), np.array([9, 9, 9]), 4).tolist() == [2, 1, 1]


def test_single_curves_go_where_the_curve_is_steep():
    sizes = np.array([10, 20, 40, 80])
    rows = [("s0", n, 400 * n**-0.1, 1000) for n in sizes] + [("s1", n, 2000 * n**-0.6, 1000) for n in sizes]
    runs = read_runs(pd.DataFrame(rows, columns=["slice", "labels", "errors", "trials"]).round())
    bought = slice_tuner_like(state([80, 80], [500, 500], 50, runs))
    assert bought.sum() == 50
    assert bought[1] > 40


def test_summary_pairs_ours_with_every_rule():
    def trace(*error):
        return {"trace": [{"labels": [10, 10], "error": [0.5, 0.3]}, {"labels": [20, 20], "error": error}]}

    found = [
        {"uniform": trace(0.4, 0.2), "labelvalue": trace(0.3, 0.2)},
        {"uniform": trace(0.5, 0.1), "labelvalue": trace(0.3, 0.0)},
    ]
    summary = summarise_loop(found)
    assert summary["uniform"]["mean"] == pytest.approx(0.3)
    assert summary["uniform"]["ours less, mean"] == pytest.approx([-0.1, 0.05])
    assert summary["labelvalue"]["ours less, worst"] == [0.0, 0.0]
    assert measure(trace(0.4, 0.1)["trace"])["gap"].tolist() == pytest.approx([0.2, 0.3])


def test_steps_hold_what_was_promised_beside_what_came():
    def step(ours):
        return {"promised": {"uniform": 0.01, "labelvalue": 0.04}, "error": {"nothing": 0.2, "uniform": 0.18} | ours}

    steps = [step({"labelvalue": 0.16}), step({"labelvalue": 0.18})]
    summary = summarise_steps([{"steps": {"steps": steps[:1]}}, {"steps": {"steps": steps[1:]}}])
    row = summary["labelvalue"]
    assert [row[k] for k in ("promised", "came")] == pytest.approx([0.04, 0.03])
    assert [row[k] for k in ("more, promised", "more", "more, error")] == pytest.approx([0.03, 0.01, 0.01])
