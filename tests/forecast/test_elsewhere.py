"""What is expected from elsewhere, scored beside what is said in sample (F25); fits are stood in for by known ones."""

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr

from labelvalue import names, predict_error, testing
from labelvalue.diagnostics import leave_one_out
from labelvalue.forecast.gains import left_out
from labelvalue.problems import InputError
from tests.fits import altered, with_suites
from tests.forecast.conftest import changed


def grouped(fit, elasticity=-1.5, spread=0.3):
    """The fit with a group level that its own curves were drawn from."""
    like = xr.zeros_like(fit.posterior["churn"])
    known = {
        "error_mean": -1.6, "error_spread": 0.4, "elasticity_mean": elasticity, "elasticity_spread": spread,
        "floor_mean": -0.4, "floor_spread": 0.3, "discrepancy_mean": -4.0, "discrepancy_spread": 0.2,
        "discrepancy_power": 0.5, "transfer_mean": 0.1, "transfer_spread": 0.02,
    }  # fmt: skip
    return changed(fit, posterior={name: like + value for name, value in known.items()})


@pytest.fixture(scope="module")
def fit():
    return grouped(testing.fake_fit(seed=1, draws=100))


@pytest.fixture
def stand_in(monkeypatch, fit):
    """Instead of fitting: the same fit without what is left out. Remembers what it was asked to fit."""
    asked = []

    def use(make):
        def fake(runs, model, **settings):
            asked.append((runs, settings | {"model": model}))
            return make(runs)

        monkeypatch.setattr(left_out, "fit_runs", fake)
        return asked

    return use


def test_f25_an_odd_slice_is_missed_from_outside_and_met_in_sample(fit, stand_in):
    """A slice that falls ten times as fast as the others' population: only who has seen it can know."""
    steep = fit.posterior[names.CURVE_ELASTICITY].copy(deep=True)
    steep.loc[{"slice": "west"}] = 0.9
    low = fit.posterior[names.FLOOR_SHARE].copy(deep=True)
    low.loc[{"slice": "west"}] = 0.02
    level = fit.posterior[names.ERROR_REFERENCE].copy(deep=True)
    level.loc[{"slice": "west"}] *= 0.05 / level.sel(slice="west").mean()
    parts = {names.CURVE_ELASTICITY: steep, names.FLOOR_SHARE: low, names.ERROR_REFERENCE: level}
    odd = changed(fit, posterior=parts)
    runs = odd.runs.copy(deep=True)
    mine = runs["slice"].values == "west"
    total = (runs["labels"] + runs["other_labels"]).values[mine]
    runs["error"].values[mine] = 0.05 * (total / total.max()) ** -0.9
    runs["errors"].values[mine] = np.round(runs["error"].values[mine] * runs["trials"].values[mine])
    odd = altered(odd, runs=runs)
    asked = stand_in(lambda left: changed(odd, keep=sorted({*left["slice"].values.tolist()})))
    found = leave_one_out(odd, progress=False)
    assert [sorted({*left["slice"].values.tolist()}) for left, _ in asked][3] == ["east", "north", "south"]
    for _, settings in asked:
        assert settings["progress"] is False
        assert settings["model"] is odd.model, "with its priors"
        assert settings["random_seed"] == odd.settings["random_seed"]
    assert found["crps"].dims == ("how", "slice")
    assert found["fall"].dims == ("how", "chain", "draw", "slice")
    out, inside = (found.sel(how=how) for how in ("left out", "in sample"))
    assert float(out["covers_90"].sel(slice="west")) == 0.0
    assert float(out["bias"].sel(slice="west")) < -0.2, "the others lead one to expect less"
    assert float(inside["crps"].sel(slice="west")) < 0.5 * float(out["crps"].sel(slice="west"))
    assert (out["width"] > inside["width"]).all()
    assert (out["covers_90"].sel(slice=["east", "north", "south"]) == 1.0).all()
    assert json.loads(found.attrs["refits"]) == dict.fromkeys(odd.slices.tolist(), "ok")
    assert "left out, 90 % intervals held 3 of 4 falls" in found.attrs["sentence"]


def test_falls_are_those_of_the_forecast(fit, stand_in):
    """In sample: the share of the error that is gone between two sizes, as predict_error gives it."""
    stand_in(lambda left: changed(fit, keep=sorted({*left["slice"].values.tolist()})))
    found = leave_one_out(fit, progress=False)
    frame = fit.runs.to_dataframe()
    frame["total"] = frame["labels"] + frame["other_labels"]
    own = frame[frame["slice"] == "north"]
    ends = [own[(own["total"] - total).abs() < 10].mean(numeric_only=True) for total in (1000, 8000)]
    errors = [
        predict_error(fit, [round(row["labels"])], other_labels=[round(row["other_labels"])])
        .sel(slice="north")
        .squeeze()
        for row in ends
    ]
    np.testing.assert_allclose(
        found["fall"].sel(how="in sample", slice="north"), 1 - errors[1] / errors[0], rtol=2e-2, atol=2e-3
    )
    assert float(found["truth"].sel(slice="north")) == pytest.approx(1 - ends[1]["error"] / ends[0]["error"], abs=1e-9)


def test_a_refused_refit_is_missing(fit, stand_in):
    def make(left):
        made = changed(fit, keep=sorted({*left["slice"].values.tolist()}))
        verdict = "refused" if "north" not in made.slices else "ok"
        return dataclasses.replace(made, diagnostics=dataclasses.replace(made.diagnostics, verdict=verdict))

    stand_in(make)
    found = leave_one_out(fit, progress=False)
    assert np.isnan(found["crps"].sel(how="left out", slice="north"))
    assert np.isfinite(found["crps"].sel(how="in sample")).all()
    assert "held 3 of 3" in found.attrs["sentence"]


@pytest.fixture(scope="module")
def suites():
    """Two suites; on the second every curve falls half as fast."""
    made = testing.fake_fit(seed=1, slices=("east", "west"), learners=("holdout", "shifted"), draws=100)
    return with_suites(grouped(made))


def test_f25_every_suite_is_expected_from_the_others(suites, stand_in):
    from labelvalue.forecast.gains.learners_and_suites import on_suite

    asked = stand_in(lambda left: on_suite(suites, str(left["suite"].values[0])))
    found = leave_one_out(suites, "suite", progress=False)
    assert [{*left["suite"].values.tolist()} for left, _ in asked] == [{"shifted"}, {"holdout"}]
    assert found["crps"].dims == ("how", "slice", "suite")
    outside, inside = (found["point"].sel(how=how) for how in ("left out", "in sample"))
    for mine, other in (("holdout", "shifted"), ("shifted", "holdout")):
        np.testing.assert_allclose(outside.sel(suite=mine), inside.sel(suite=other), rtol=0.1, atol=0.02)
    assert "the other suites lead to expect" in found.attrs["sentence"]


def test_f25_a_related_project_needs_no_fit(fit, monkeypatch):
    monkeypatch.setattr(left_out, "fit_runs", None)
    alike = grouped(testing.fake_fit(seed=5, slices=("a", "b", "c"), draws=100))
    other = grouped(testing.fake_fit(seed=5, slices=("a", "b", "c"), draws=100), elasticity=-5.0, spread=0.1)
    near, far = (leave_one_out(fit, "project", related=one) for one in (alike, other))
    assert float(near["covers_90"].sel(how="left out").mean()) > float(far["covers_90"].sel(how="left out").mean())
    assert (far["bias"].sel(how="left out") < -0.1).all()
    assert float(near["crps"].sel(how="left out").mean()) < 0.5 * float(far["crps"].sel(how="left out").mean())
    np.testing.assert_allclose(near["crps"].sel(how="in sample"), far["crps"].sel(how="in sample"))
    assert "all slices of another project lead to expect" in near.attrs["sentence"]


def test_what_cannot_be_left_out_is_said(fit):
    with pytest.raises(ValueError, match="over must be one of slice, suite, project"):
        leave_one_out(fit, "learner")
    with pytest.raises(ValueError, match="go together"):
        leave_one_out(fit, "project")
    with pytest.raises(ValueError, match="go together"):
        leave_one_out(fit, "slice", related=fit)
    with pytest.raises(InputError, match="there is one suite"):
        leave_one_out(fit, "suite")
    with pytest.raises(InputError, match="there is one slice"):
        leave_one_out(testing.fake_fit(seed=1, slices=("only",), draws=20))
    refused = testing.fake_fit(seed=1, draws=20, verdict="refused")
    for call in ({"fit": refused}, {"fit": fit, "over": "project", "related": refused}):
        with pytest.raises(ValueError, match="was refused"):
            leave_one_out(**call)
    noisy = changed(fit, posterior={names.EVALUATION_NOISE: 0.1 + 0.0 * fit.posterior[names.FLOOR_SHARE]})
    with pytest.raises(ValueError, match="wrong evaluation labels"):
        leave_one_out(noisy)
    with pytest.raises(ValueError, match="one learner and one suite"):
        leave_one_out(fit, "project", related=testing.fake_fit(seed=1, learners=("a", "b"), draws=20))


def test_one_draw_that_rises_without_end_is_not_the_whole_score():
    assert left_out._gone(np.array([-np.inf, 0.0, np.log(1.5), 50.0])).tolist() == pytest.approx([1.0, 0.0, -0.5, -1.0])
