"""Gains forecast on one suite against those that came on all (F24), with curves that are known."""

import numpy as np
import pandas as pd
import pytest

from labelvalue import names, predict_error, read_runs
from labelvalue.forecast.gains.learners_and_suites import step_value
from labelvalue.problems import InputError
from labelvalue.suites import forecast_persistence
from labelvalue.testing import fake_fit

KEPT = {"holdout": 1.0, "shifted": 0.5, "reversed": -1.0}


@pytest.fixture(scope="module")
def fit():
    return fake_fit(seed=1, slices=("a", "b"), draws=200)


def later(fit, kept=KEPT, noise=0.0, more=()):
    """Runs at the fit's largest size and at four times as many labels, whose gains are shares of the mean forecast."""
    rng = np.random.default_rng(4)
    seen = fit.runs.to_dataframe()
    total = seen[names.LABELS] + seen[names.OTHER_LABELS]
    start = int(total.max())
    last = seen[total == start].groupby(names.SLICE)[[names.LABELS, names.OTHER_LABELS]].mean().round().astype(int)
    rows = []
    for suite, share in kept.items():
        for name, (own, _) in last.iterrows():
            sizes = [(own, start - own), (4 * own, 4 * start - 4 * own)]
            errors = [float(predict_error(fit, [n], other_labels=[o]).sel(slice=name).mean()) for n, o in sizes]
            gain = errors[0] - errors[1]
            for replicate in range(4):
                for (n, o), error in zip(sizes, (0.4, 0.4 - share * gain), strict=True):
                    rows.append((name, n, o, error + noise * rng.standard_normal(), 0.001, replicate, suite))
    columns = ["slice", "labels", "other_labels", "value", "stderr", "replicate", "suite"]
    return read_runs(pd.concat([pd.DataFrame(rows, columns=columns), *more]), metric="error_rate")


def test_what_came_is_set_against_what_was_forecast(fit):
    found = forecast_persistence(fit, later(fit))
    assert found["forecast"].dims == ("chain", "draw", "slice")
    assert found["realised"].dims == ("suite", "slice")
    assert found["persistence"].dims == ("chain", "draw", "suite")
    middle = found["persistence"].median(("chain", "draw"))
    for suite, share in KEPT.items():
        assert float(middle.sel(suite=suite)) == pytest.approx(share, abs=0.1)
    np.testing.assert_allclose(found["stderr"], 0.0, atol=1e-12)
    forecast = found["forecast"].mean(("chain", "draw"))
    np.testing.assert_allclose(found["realised"].sel(suite="holdout"), forecast, rtol=1e-6)


def test_noise_of_what_was_measured_widens_it(fit):
    quiet, loud = (
        forecast_persistence(fit, later(fit, noise=n))["persistence"].sel(suite="holdout") for n in (0, 0.05)
    )
    assert float(loud.std()) > 1.2 * float(quiet.std())


def test_what_was_not_measured_is_left_open(fit):
    runs = later(fit)
    some = runs.isel(run=~((runs["slice"].values == "a") & (runs["suite"].values == "shifted")))
    found = forecast_persistence(fit, some)
    assert np.isnan(found["realised"].sel(suite="shifted", slice="a"))
    assert float(found["persistence"].sel(suite="shifted").median()) == pytest.approx(0.5, abs=0.1)


def test_runs_that_reach_no_farther(fit):
    runs = later(fit)
    start = int((fit.runs["labels"] + fit.runs["other_labels"]).max())
    total = (runs["labels"] + runs["other_labels"]).values
    with pytest.raises(InputError, match="runs reach"):
        forecast_persistence(fit, runs.isel(run=total <= start))
    with pytest.raises(InputError, match="no runs at the fit's size"):
        forecast_persistence(fit, runs.isel(run=total > start))


# --- the worth of a step (M17) --------------------------------------------------------------------


def test_a_step_whose_worth_grows_is_told_from_one_whose_worth_shrinks():
    fit = fake_fit(seed=1, slices=("a", "b"), learners=("raw", "calibrated"), draws=100)
    error = predict_error(fit, [1000, 8000])
    raw = error.sel(learner="raw")
    made = error.copy()
    made.loc[{"learner": "calibrated"}] = raw - 0.01 * (error["labels"] / 1000)
    found = step_value(made, "calibrated", "raw")
    np.testing.assert_allclose(found["value"].sel(labels=1000), 0.01)
    np.testing.assert_allclose(found["interaction"], 0.07)
    assert (found["p_grows"] == 1.0).all()
    other = step_value(made, "raw", "calibrated")
    np.testing.assert_allclose(other["interaction"], -0.07)
    assert (other["p_grows"] == 0.0).all()
