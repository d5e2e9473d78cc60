"""A fit carries its backtest, good or bad, into the file it is saved in."""

import json

import numpy as np
import pytest
import xarray as xr

from labelvalue import load_fit, names, predict_gain, testing
from labelvalue.diagnostics import attach_backtest, backtest_verdict
from labelvalue.model.fitting.fitting import runs_digest
from tests.fits import altered, judged


@pytest.fixture(scope="module")
def result():
    return testing.fake_backtest(seed=1)


@pytest.mark.parametrize("settings", [{}, {"shift": 0.3}, {"by": "batch"}, {"learners": ("a", "b")}])
def test_saved_and_loaded(fake_fit, tmp_path, settings):
    made = testing.fake_backtest(seed=1, **settings)
    fit = testing.fake_fit(seed=1, learners=settings["learners"]) if "learners" in settings else fake_fit
    if "by" in settings:  # the runs name their batches, so they are other runs: let the fit be theirs
        fit = altered(fit, settings={"runs_sha256": json.loads(made.attrs["settings"])["runs_sha256"]})
    carrying = attach_backtest(fit, made)
    loaded = load_fit(carrying.save(tmp_path / "fit.nc"))
    xr.testing.assert_identical(loaded.backtest, made)
    assert backtest_verdict(loaded.backtest) == backtest_verdict(made)
    assert loaded.diagnostics == carrying.diagnostics


def test_the_fit_itself_stays_as_it_was(fake_fit, result):
    carrying = attach_backtest(fake_fit, result)
    assert fake_fit.backtest is None
    assert carrying.backtest is not None
    xr.testing.assert_identical(carrying.posterior, fake_fit.posterior)
    xr.testing.assert_identical(predict_gain(carrying, [500]), predict_gain(fake_fit, [500]))


def test_a_second_one_replaces_the_first(fake_fit, result):
    worse = testing.fake_backtest(seed=1, shift=0.3)
    twice = attach_backtest(attach_backtest(fake_fit, result), worse)
    xr.testing.assert_identical(twice.backtest, worse)
    assert twice.diagnostics.verdict == "flagged"
    again = attach_backtest(twice, result)
    assert (again.diagnostics.verdict, again.diagnostics.reasons) == ("ok", ()), "its reason went with it"


def test_forecasts_that_did_not_come_true_flag_the_fit(fake_fit, result):
    bad = testing.fake_backtest(seed=1, shift=0.3)
    told = backtest_verdict(bad).removesuffix(".")
    assert attach_backtest(fake_fit, result).diagnostics == fake_fit.diagnostics
    found = attach_backtest(fake_fit, bad).diagnostics
    assert (found.verdict, found.reasons) == ("flagged", (told,))
    for verdict in ("flagged", "refused"):
        other = judged(fake_fit, verdict, "R-hat 1.2")
        found = attach_backtest(other, bad)
        assert (found.diagnostics.verdict, found.diagnostics.reasons) == (verdict, ("R-hat 1.2", told))
        assert attach_backtest(found, result).diagnostics == other.diagnostics


@pytest.mark.parametrize("kept", [4, 0])
def test_too_little_to_say_is_no_reason(fake_fit, kept):
    """Four forecasts that all miss, or none at all."""
    bad = testing.fake_backtest(seed=1, shift=0.3)
    first = bad[names.CRPS].sel(distance=1, forecaster="labelvalue").notnull()
    order = first.stack(cell=first.dims).cumsum("cell").unstack().transpose(*first.dims)
    few = bad.where((order <= kept) & first & (bad["distance"] == 1)).transpose(*bad[names.CRPS].dims)
    few = few.assign_attrs(bad.attrs)
    assert backtest_verdict(few).startswith("Too little to say" if kept else "Nothing could be checked")
    assert attach_backtest(fake_fit, few).diagnostics == fake_fit.diagnostics


def test_a_discount_makes_no_other_runs_of_them(fake_fit, result):
    runs = fake_fit.runs.assign({names.WEIGHT: (names.RUN, np.full(fake_fit.runs.sizes[names.RUN], 0.5))})
    assert (
        attach_backtest(altered(fake_fit, runs=runs, settings={"runs_sha256": runs_digest(runs)}), result).backtest
        is not None
    )


def test_of_other_runs_or_another_model_is_refused(fake_fit, result):
    with pytest.raises(ValueError, match=r"another runs .* Fix: make both"):
        attach_backtest(fake_fit, testing.fake_backtest(seed=2))
    for what, name, other in (("priors", "priors_sha256", "0" * 64), ("number of classes", "classes", 10)):
        settings = json.loads(result.attrs["settings"]) | {name: other}
        with pytest.raises(ValueError, match=f"another {what}"):
            attach_backtest(fake_fit, result.assign_attrs(settings=json.dumps(settings)))
    settings = json.loads(result.attrs["settings"]) | {"model": "other"}
    with pytest.raises(ValueError, match=r"another model \(other\) than the fit \(power_law\)"):
        attach_backtest(fake_fit, result.assign_attrs(settings=json.dumps(settings)))
