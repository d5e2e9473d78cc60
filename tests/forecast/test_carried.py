"""A fit carries its backtest, good or bad, into the file it is saved in."""

from __future__ import annotations

import dataclasses
import json

import pytest
import xarray as xr

from labelvalue import attach_backtest, backtest_verdict, load_fit, predict_gain, testing


@pytest.fixture(scope="module")
def result():
    return testing.fake_backtest(seed=1)


@pytest.mark.parametrize("settings", [{}, {"shift": 0.3}, {"by": "batch"}, {"learners": ("a", "b")}])
def test_saved_and_loaded(fake_fit, tmp_path, settings):
    made = testing.fake_backtest(seed=1, **settings)
    fit = testing.fake_fit(seed=1, learners=settings["learners"]) if "learners" in settings else fake_fit
    if "by" in settings:  # the runs name their batches, so they are other runs: let the fit be theirs
        changed = fit.settings | {"runs_sha256": json.loads(made.attrs["settings"])["runs_sha256"]}
        tree = fit.tree.copy()
        tree.attrs = tree.attrs | {"settings": json.dumps(changed)}
        fit = dataclasses.replace(fit, tree=tree)
    loaded = load_fit(attach_backtest(fit, made).save(tmp_path / "fit.nc"))
    xr.testing.assert_identical(loaded.backtest, made)
    assert backtest_verdict(loaded.backtest) == backtest_verdict(made)
    assert loaded.diagnostics == fit.diagnostics


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
