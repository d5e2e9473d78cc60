"""Fits of the usual length agree with stored long runs of the same model, on twelve data sets.

Within five Monte Carlo errors, means and standard deviations alike: over some 1,800 figures of each a false alarm in
1,000 runs. A standard deviation may also be 5 % off, whatever its error.
"""

import json

import numpy as np
import pytest

import labelvalue as lv
from labelvalue import names
from tests.statistics.make_reference import FILE, RUNS, SIMULATED, moments

QUICK = ("mixed sets, 600 evaluated, seed 70002", "own sets, 200 evaluated, seed 70005")
"""Those that every run of the tests looks at; the slow ones look at all."""


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))["data"]


def agree(fit: lv.Fit, long: dict) -> None:
    assert fit.settings["runs_sha256"] == long["runs_sha256"]
    assert long["verdict"] == "ok"
    found = moments(lv.on_items(fit))  # the stored runs are of the errors on the items
    assert set(found) >= set(long["posterior"])
    assert all(name.endswith(names.INNER) for name in set(found) - set(long["posterior"]))
    for name, far in long["posterior"].items():
        near = {key: np.array(values) for key, values in found[name].items()}
        away = np.abs(near["mean"] - far["mean"])
        assert (away <= 5 * np.hypot(near["mcse"], far["mcse"]) + 1e-12).all(), name
        away = np.abs(near["sd"] - far["sd"])
        allowed = np.maximum(5 * np.hypot(near["mcse_of_sd"], far["mcse_of_sd"]), 0.05 * np.array(far["sd"]))
        assert (away <= allowed + 1e-12).all(), name


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SIMULATED]
)
def test_a_fit_of_simulated_runs_agrees_with_the_long_run(bench, stored, name):
    fit = bench.fit(bench.simulate(**SIMULATED[name]).runs, 1, chains=4, tune=600, draws=1000, target_accept=0.95)
    agree(fit, stored[name])


@pytest.mark.slow
def test_a_default_fit_has_the_long_runs_moments(stored):
    fit = lv.fit(lv.read_runs(RUNS), random_seed=1, progress=False)
    assert fit.diagnostics.verdict == "ok"
    agree(fit, stored["adult"])


def test_twelve_data_sets_are_stored_and_a_shifted_one_fails(bench, stored):
    assert set(stored) == {"adult", *SIMULATED}
    assert len(stored) == 12
    assert set(QUICK) < set(SIMULATED)
    one, other = list(SIMULATED)[:2]
    long = stored[one] | {"posterior": stored[other]["posterior"]}
    fit = bench.fit(bench.simulate(**SIMULATED[one]).runs, 1)
    with pytest.raises(AssertionError):
        agree(fit, long)
