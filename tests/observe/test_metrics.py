"""Metrics become errors: lower is better, 0 is best, with the noise of the evaluation set."""

import math

import numpy as np
import pandas as pd
import pytest

from labelvalue import read_runs
from labelvalue.observe.table.schema import CATALOGUE


def read(value, *, stderr=None, trials=None, **options):
    columns = {"slice": "a", "labels": [10], "value": value, "stderr": stderr, "trials": trials}
    return read_runs(pd.DataFrame({k: v for k, v in columns.items() if v is not None}), **options)


@pytest.mark.parametrize("metric", [m for m in CATALOGUE.values() if m.error_upper == 1], ids=lambda m: m.name)
def test_shares(metric):
    runs = read(0.8, trials=100, metric=metric.name)
    error = 0.2 if metric.direction == "higher" else 0.8
    assert runs.error.item() == pytest.approx(error)
    assert runs.error_stderr.item() == pytest.approx(math.sqrt(0.8 * 0.2 / 100))
    assert np.isnan(runs.stderr.item())
    assert (runs.attrs["metric"], runs.attrs["direction"]) == (metric.name, metric.direction)
    assert runs.attrs["upper"] == 1.0
    assert runs.attrs["bounds"] == [0.0, 1.0]


@pytest.mark.parametrize("name", ["log_loss", "rmse", "mae"])
def test_unbounded_metrics_are_their_own_error(name):
    runs = read(37.5, stderr=2.0, metric=name)
    assert runs.error.item() == 37.5
    assert runs.error_stderr.item() == 2.0
    assert runs.attrs["upper"] == math.inf
    assert "trials" not in runs


def test_stderr_goes_before_trials():
    runs = read(0.8, stderr=0.1, trials=100, metric="f1")
    assert runs.error_stderr.item() == 0.1
    assert runs.trials.item() == 100


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_run_is_noiseless(value):
    stderr = read(value, trials=50, metric="accuracy").error_stderr.item()
    assert stderr == pytest.approx(math.sqrt(0.01 * 0.99 / 50))
    assert read(value, trials=1, metric="accuracy").error_stderr.item() == 0.5


def test_a_metric_of_ones_own():
    runs = read(30, trials=400, metric="bleu", direction="higher", bounds=(0, 100))
    assert runs.error.item() == 70
    assert runs.error_stderr.item() == pytest.approx(100 * math.sqrt(0.7 * 0.3 / 400))
    assert runs.attrs["bounds"] == [0.0, 100.0]
    shifted = read(-3, stderr=1, metric="regret", direction="lower", bounds=(-5, math.inf))
    assert shifted.error.item() == 2


def test_counts_may_be_named():
    table = pd.DataFrame({"slice": ["a"], "labels": [10], "errors": [1], "trials": [4]})
    assert read_runs(table, metric="accuracy").error.item() == 0.25
    assert read_runs(table).attrs["metric"] == "error_rate"
