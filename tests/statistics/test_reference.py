"""A default fit of the shipped runs agrees with a stored long run of the same model."""

from __future__ import annotations

import json

import numpy as np
import pytest

import labelvalue as lv
from tests.statistics.make_reference import FILE, RUNS, moments


@pytest.mark.slow
def test_a_default_fit_has_the_long_runs_means():
    """Within five Monte Carlo errors; over some 150 figures that is a false alarm in 10,000 runs."""
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    fit = lv.fit(lv.read_runs(RUNS), random_seed=1, progress=False)
    assert fit.settings["runs_sha256"] == stored["runs_sha256"]
    assert fit.diagnostics.verdict == stored["verdict"] == "ok"
    found = moments(fit)
    assert set(found) == set(stored["posterior"])
    for name, long in stored["posterior"].items():
        error = np.hypot(found[name]["mcse"], long["mcse"])
        away = np.abs(np.array(found[name]["mean"]) - long["mean"])
        assert (away <= 5 * error + 1e-12).all(), name
        np.testing.assert_allclose(found[name]["sd"], long["sd"], rtol=0.25, err_msg=name)
