"""Drift: rates that are known are recovered, none is made up, and doing nothing gets worse by them."""

import numpy as np
import pandas as pd
import pytest

from labelvalue import (
    Case,
    InputError,
    decide,
    drift_rate,
    names,
    predict_idle_error,
    read_runs,
    summarise,
    testing,
)
from labelvalue.forecast.gains.drift import ASSUMED, BETWEEN, ORIGIN, PRIOR
from labelvalue.plans import plan_outcomes
from labelvalue.report.numbers.plan import plan_numbers
from labelvalue.report.render.terminal import plan_text
from labelvalue.report.words.assumptions import case_assumptions
from labelvalue.report.words.checks import limitations
from tests.fits import altered
from tests.forecast.conftest import changed

SLICES = ("east", "north", "south", "west")
SAMPLE = ("chain", "draw")


@pytest.fixture(scope="module")
def fit():
    return testing.fake_fit(seed=1, draws=250)


def with_runs(fit, rows, **settings):
    """The fit, of other runs."""
    return altered(fit, runs=read_runs(pd.DataFrame(rows)), settings=settings)


def again(rates, *, shared=True, months=(0, 6, 12, 18), trials=8000, seed=0, sizes=(500, 1000, 2000)):
    """Trained models evaluated again and again on fresh items, with the error that a rate a year gives them."""
    rng = np.random.default_rng(seed)
    return [
        {
            "slice": name, "labels": size, "other_labels": 0, "replicate": replicate, "trials": trials,
            "errors": rng.binomial(trials, 0.15 * (size / 2000) ** -0.2 * np.exp(rate * month / 12)),
            "measured_at": pd.Timestamp("2025-01-01T00:00:00Z") + pd.Timedelta(days=30.4375 * month),
            "evaluation_set": f"{month}" if shared else f"{month} {size} {replicate}",
        }
        for name, rate in zip(SLICES, rates, strict=True)
        for size in sizes for replicate in range(2) for month in months
    ]  # fmt: skip


def test_m22_a_rate_is_recovered_from_models_that_were_evaluated_again(fit):
    rates = (0.3, 0.2, 0.05, -0.1)
    found = drift_rate(with_runs(fit, again(rates)))
    assert found.dims == ("chain", "draw", "slice")
    assert found.attrs[ORIGIN] == names.FROM_RUNS
    low, high = found.quantile([0.005, 0.995], dim=SAMPLE).values
    assert (low < rates).all()
    assert (rates < high).all()
    assert float(found.std(SAMPLE).max()) < 0.1, "narrower than the prior's"
    assert float((found.sel(slice="east") > found.sel(slice="west")).mean()) > 0.95
    table = summarise(found)
    assert {"mean", "lower", "upper", "mcse"} <= set(table)


def test_intervals_cover_the_rates_that_they_should(fit):
    """Thirty worlds of four slices, whose rates are drawn from the prior: 90 % intervals hold 90 % of them."""
    rng = np.random.default_rng(4)
    held = []
    quiet = changed(fit, posterior={names.TRAINING_SD: fit.posterior[names.TRAINING_SD] * 0 + 1e-6})
    for world in range(30):
        rates = rng.normal(PRIOR.center, PRIOR.spread) + BETWEEN * rng.standard_normal(4)
        rows = again(rates, months=(0, 12), seed=world, sizes=(1000, 2000), shared=False, trials=2000)
        found = drift_rate(with_runs(quiet, rows))
        low, high = found.quantile([0.05, 0.95], dim=SAMPLE).values
        held += [*((low < rates) & (rates < high))]
    assert 0.8 < np.mean(held) < 0.98


@pytest.mark.parametrize("days", [90, 180])
def test_m22_a_rate_is_recovered_from_a_later_suite(fit, days):
    """The same trained models on the holdout and on later data; two evaluation sets, that all sizes share."""
    rng, rate = np.random.default_rng(1), 0.4
    rows = [
        {
            "slice": name, "labels": size, "replicate": replicate, "trials": 20_000, "suite": suite,
            "errors": rng.binomial(20_000, 0.15 * (size / 2000) ** -0.2 * np.exp(rate * later / 365.25)),
            "evaluation_set": "one",
        }
        for name in SLICES for size in (500, 1000, 2000) for replicate in range(3)
        for suite, later in (("holdout", 0), ("time day 0.2", days))
    ]  # fmt: skip
    suites = with_runs(fit, rows, suites=["holdout", "time day 0.2"])
    found = drift_rate(suites, elapsed={"time day 0.2": days})
    assert found.attrs[ORIGIN] == names.FROM_RUNS
    low, high = found.mean("slice").quantile([0.01, 0.99]).values
    assert low < rate < high
    assert drift_rate(suites).attrs[ORIGIN] == ASSUMED, "how much later must be said"


def test_what_two_sets_share_is_not_taken_for_certainty(fit):
    """Many models on the same two sets know the sets' luck no better than one model does."""
    one, many = (
        drift_rate(with_runs(fit, again((0.2,) * 4, months=(0, 12), sizes=sizes)))
        for sizes in ((1000,), tuple(range(1000, 3000, 100)))
    )
    assert float(many.std(SAMPLE).mean()) > 0.5 * float(one.std(SAMPLE).mean())


def test_m22_without_such_runs_it_is_the_priors_and_says_so(fit):
    for made in (fit, with_runs(fit, again((0.3,) * 4, months=(6,)))):
        found = drift_rate(made)
        assert found.attrs[ORIGIN] == ASSUMED
        assert "is an assumption" in found.attrs[names.NOTES].splitlines()[0]
        assert float(found.mean()) == pytest.approx(0.0, abs=0.03)
        assert float(found.std(SAMPLE).mean()) == pytest.approx(np.hypot(PRIOR.spread, BETWEEN), rel=0.1)


def test_m22_doing_nothing_gets_worse_by_the_drift(fit):
    drift = 0.3 + 0.25 * drift_rate(fit)
    error = predict_idle_error(fit, [0, 365, 730], drift)
    assert error.dims == ("chain", "draw", "slice", "days")
    np.testing.assert_array_equal(error.sel(days=0), fit.posterior[names.ERROR_NOW])
    grown = np.log(error.sel(days=730) / error.sel(days=0))
    below = (error.sel(days=730) < 1.0).values
    np.testing.assert_allclose(grown.values[below], (drift * 730 / 365.25).values[below], rtol=1e-9)
    assert float((error.sel(days=365) > error.sel(days=0)).mean()) > 0.9
    certain = predict_idle_error(fit, [10**6], drift)
    assert float(certain.max()) <= 1.0
    assert "assumption" in predict_idle_error(fit, [30]).attrs[names.NOTES].splitlines()[0]
    two = testing.fake_fit(seed=1, slices=("a", "b"), learners=("line", "tree"), draws=20)
    assert predict_idle_error(two, [30]).dims == ("chain", "draw", "slice", "learner", "days")


def test_m22_the_page_says_it(fit):
    told = [limitations(made, []) for made in (fit, with_runs(fit, again((0.3,) * 4)))]
    texts = [next(one["text"] for one in found if one["check"] == "drift") for found in told]
    assert "is an assumption: no runs of unchanged training data" in texts[0]
    assert "is estimated from runs of unchanged training data" in texts[1]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"elapsed": {"later": 30}}, "no suite 'later' among 'holdout'"),
        ({"elapsed": {"holdout": "soon"}}, "must be a number, got 'soon'"),
    ],
)
def test_what_is_wrong_is_said(fit, how, says):
    with pytest.raises(ValueError, match=says):
        drift_rate(fit, **how)


def test_m22_a_decision_counts_the_drift_that_the_runs_tell_where_the_case_states_none(fit):
    """Doing nothing loses what the told rate gives over the horizon, waiting costs more, and the text says so."""
    rising = with_runs(fit, again((0.4,) * 4))

    def decided(of, **value):
        costs = {"price_per_label": 0.05}
        return decide(of, Case(costs=costs, value={"per_error_point": 400, "horizon_days": 365.25} | value), 2000)

    told, none, still = decided(rising), decided(rising, drift=0.0), decided(fit)
    rate, now = drift_rate(rising), rising.posterior["error_now"]
    steps = np.linspace(0, 1, 2001)
    mean_rise = np.mean([np.exp(rate * t) for t in steps], axis=0)
    expected = -float((now * (mean_rise - 1)).sum("slice").mean()) * 100 * 400
    idle = told.outcomes[names.NET_BENEFIT].sel(plan=names.NOTHING)
    assert float(idle.mean()) == pytest.approx(expected, rel=1e-3)
    assert float(none.outcomes[names.NET_BENEFIT].sel(plan=names.NOTHING).mean()) == 0
    assert told.waiting["value"] < none.waiting["value"] + expected * 30 / 365.25 * 0.9, "a month of it, and more"
    (note,) = [one for one in told.notes if "estimated from the runs" in one]
    low, high = np.quantile(100 * np.expm1(rate.mean("slice")), [0.05, 0.95])
    assert f"(90 % {low:.0f} to {high:.0f})" in note
    assert not [one for made in (none, still) for one in made.notes if "estimated from the runs" in one]
    shown = plan_text(plan_numbers(told))
    assert "estimated from the runs" in " ".join(shown.split())
    (row,) = [row for row in case_assumptions(told.case, plan_numbers(told)) if row["id"] == "case/value.drift"]
    assert (row["text"], row["value"]) == (note, names.FROM_RUNS)


def test_m22_a_suite_of_later_data_feeds_doing_nothing_once_the_case_says_how_much_later(fit):
    rng = np.random.default_rng(1)
    rows = [
        {
            "slice": name, "labels": size, "trials": 20_000, "suite": suite, "evaluation_set": "one",
            "errors": rng.binomial(20_000, 0.15 * (size / 2000) ** -0.2 * np.exp(0.4 * later / 365.25)),
        }
        for name in SLICES for size in (500, 1000, 2000) for suite, later in (("holdout", 0), ("time day 0.2", 180))
    ]  # fmt: skip
    later = with_runs(fit, rows, suites=["holdout", "time day 0.2"])
    value = {"per_error_point": 400, "horizon_days": 365}

    def idle(**more):
        out = plan_outcomes(later, Case(costs={"price_per_label": 1}, value=value | more), {})
        return float(out[names.NET_BENEFIT].sel(plan=names.NOTHING).mean())

    assert idle() == 0 > idle(elapsed={"time day 0.2": 180})
    with pytest.raises(InputError, match=r"value.elapsed.time day 0.3': unknown suite"):
        idle(elapsed={"time day 0.3": 180})
