"""Backtests of known forecasts, and the real path from runs to scores."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from labelvalue import InputError, Prior, backtest, names, predict_error, read_runs, testing
from labelvalue.forecast.backtesting import backtesting
from labelvalue.forecast.backtesting.backtesting import MODEL, RULES, SAMPLES, Forecast, model_samples, score
from labelvalue.forecast.backtesting.holdout import frame_of, measure, origins
from labelvalue.model.fitting.fitting import runs_digest
from tests.fits import altered


@pytest.fixture(scope="module")
def runs():
    return testing.fake_runs(seed=1)


@pytest.fixture
def fake_fits(monkeypatch, fake_fit):
    """``fit`` answers at once with the fit of all runs, and notes what it was asked."""
    asked = []

    def use(*verdicts):
        def fit(runs, model, **settings):
            asked.append((runs, model, settings))
            verdict = verdicts[(len(asked) - 1) % len(verdicts)] if verdicts else "ok"
            reasons = () if verdict == "ok" else ("R-hat 1.2",)
            diagnostics = dataclasses.replace(fake_fit.diagnostics, verdict=verdict, reasons=reasons)
            return dataclasses.replace(fake_fit, diagnostics=diagnostics)

        monkeypatch.setattr(backtesting, "fit", fit)
        return asked

    return use


def constant(value, spread=0.0):
    """A forecaster that forecasts the truth plus ``value``."""

    def forecaster(origin, cells):
        noise = spread * np.random.default_rng(1).standard_normal((len(cells), SAMPLES))
        return Forecast(cells[names.TRUTH].to_numpy()[:, None] + value + noise)

    return forecaster


def scored(runs, forecaster, **settings):
    return score(runs, forecaster, **{"by": "size", "holdout": (1, 2), "random_seed": 1, "settings": {}} | settings)


def test_bias_truth_and_gain_are_what_they_say(runs):
    result = scored(runs, constant(0.01))
    assert result[names.BIAS].sel(forecaster=MODEL).values[np.isfinite(result[names.TRUTH])] == pytest.approx(0.01)
    frame = runs.to_dataframe()
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    mean = frame[(frame[names.SLICE] == "west") & (abs(total - 8000) < 4)][names.ERROR].mean()
    now = frame[(frame[names.SLICE] == "west") & (abs(total - 2000) < 4)][names.ERROR].mean()
    at = {"slice": "west", "origin": 2, "distance": 2}
    assert float(result[names.TRUTH].sel(at)) == pytest.approx(mean)
    assert float(result[names.GAIN].sel(at)) == pytest.approx(now - mean)
    assert float(result[names.POINT].sel(at | {"forecaster": "last value"})) == pytest.approx(now, abs=0.005)
    assert int(result[names.RUN_COUNT].sel(at)) == 4


def test_scores_are_those_of_the_samples_with_the_truths_noise(runs):
    """CRPS of a Gaussian forecast whose spread is its own and the truth's."""
    result = scored(runs, constant(0.0, spread=0.02), holdout=[1])
    cells = measure(next(origins(frame_of(runs, "size"), "size", [1])))
    sd = np.sqrt(0.02**2 + cells[names.TRUTH_STDERR].to_numpy() ** 2)
    expected = sd * (np.sqrt(2) - 1) / np.sqrt(np.pi)
    assert result[names.CRPS].sel(forecaster=MODEL, origin=1, distance=1).values == pytest.approx(expected, rel=0.15)
    width = result[names.WIDTH].sel(forecaster=MODEL, origin=1, distance=1).values
    assert width == pytest.approx(2 * 1.645 * sd, rel=0.12)


def test_layout(runs):
    result = scored(runs, constant(0.0))
    assert result[names.CRPS].dims == ("forecaster", "origin", "slice", "distance")
    assert result["forecaster"].values.tolist() == [MODEL, *RULES]
    assert names.FORECASTER not in result[names.TRUTH].dims
    far = result.sel(origin=1, distance=2)
    assert np.isnan(far[names.CRPS]).all(), "one doubling held out leaves nothing at two"
    assert json.loads(result.attrs["settings"])["runs_sha256"] == runs_digest(runs)


def test_learners_have_a_dim_where_there_are_several():
    result = testing.fake_backtest(seed=1, learners=("a", "b"))
    assert result[names.CRPS].dims == ("forecaster", "origin", "slice", "learner", "distance")
    assert result["learner"].values.tolist() == ["a", "b"]


def test_slices_that_cannot_be_scored_stay_as_missing(runs):
    few = runs.isel(run=~((runs["slice"] == "west") & (runs["labels"] > 60)).values)
    result = scored(few, constant(0.0), holdout=[1])
    assert result["slice"].values.tolist() == ["east", "north", "south", "west"]
    assert np.isnan(result[names.TRUTH].sel(slice="west")).all()
    assert np.isfinite(result[names.TRUTH].sel(slice="east")).all()


def test_same_seed_same_scores(runs):
    one, two, other = (scored(runs, constant(0.0, 0.02), random_seed=seed) for seed in (1, 1, 2))
    assert one.identical(two)
    assert not one[names.CRPS].equals(other[names.CRPS])


def test_errors_of_a_forecast_stay_within_bounds(runs):
    result = scored(runs, constant(5.0))
    assert float(result[names.POINT].max()) <= 1.0
    assert float(result[names.POINT].min()) >= 0.0


def test_batches_that_differ_by_little_are_sizes_of_their_own_to_the_rules():
    """Errors fall by 0.01 a batch; the last value is that of the last batch, not of the last half doubling."""
    rows = [
        {"slice": "a", "labels": n, "errors": round(1e5 * e), "trials": 10**5, "batch": b, "replicate": r}
        for n, e, b in [(1000, 0.3, "0"), (2000, 0.25, "0"), (4000, 0.2, "0"), (4600, 0.19, "1"), (5200, 0.18, "2")]
        for r in range(2)
    ]
    result = scored(read_runs(pd.DataFrame(rows)), constant(0.0), by="batch", holdout=[1])
    point = result[names.POINT].squeeze().to_series()
    assert point["last value"] == pytest.approx(0.19)
    assert point["last gain repeats"] == pytest.approx(0.18)
    assert float(result[names.GAIN].squeeze()) == pytest.approx(0.01)


def test_flat_and_perfect_errors_are_scored(runs):
    none = runs.assign({names.ERRORS: runs[names.ERRORS] * 0, names.ERROR: runs[names.ERROR] * 0})
    result = scored(none, constant(0.0))
    assert float(result[names.CRPS].max()) < 1e-3
    assert float(result[names.GAINED].max()) == 0


# --- the model --------------------------------------------------------------------------------------


def test_the_model_sees_only_the_past_and_is_asked_as_told(runs, fake_fits):
    asked = fake_fits()
    backtest(runs, "power_law", holdout=[1, 2], random_seed=7, draws=200, progress=False)
    assert len(asked) == 2
    for steps, (seen, model, settings) in enumerate(asked, start=1):
        assert int((seen[names.LABELS] + seen[names.OTHER_LABELS]).max()) <= 8000 / 2**steps + 4
        assert seen.attrs == runs.attrs
        assert model.name == "power_law"
        assert {k: settings[k] for k in ("random_seed", "draws", "chains")} == {
            "random_seed": 7,
            "draws": 200,
            "chains": 4,
        }


def test_the_models_forecast_is_that_of_predict_error_at_the_labels_of_the_runs(fake_fit):
    origin = next(origins(frame_of(fake_fit.runs, "size"), "size", [1]))
    cells = measure(origin)
    samples = model_samples(fake_fit, origin, cells)
    future = origin.future[origin.future[names.SLICE] == "north"]
    draws = predict_error(
        fake_fit, future[names.LABELS].tolist(), other_labels=future[names.OTHER_LABELS].tolist()
    ).sel(slice="north")
    expected = draws.mean(names.LABELS).values.ravel()
    assert np.sort(samples[1]) == pytest.approx(np.sort(expected))


def test_learners_are_forecast_by_their_own_curves(two_learners):
    origin = next(origins(frame_of(two_learners.runs, "size"), "size", [1]))
    cells = measure(origin).reset_index()
    samples = model_samples(two_learners, origin, measure(origin))
    assert samples.mean(axis=1) == pytest.approx(cells[names.TRUTH].to_numpy(), rel=0.25)
    assert len(cells) == 4


def test_a_refused_refit_is_missing_and_a_flagged_one_scored(runs, fake_fits):
    fake_fits("refused", "flagged")
    result = backtest(runs, holdout=[1, 2], progress=False)
    own = result[names.CRPS].sel(forecaster=MODEL)
    assert np.isnan(own.sel(origin=1)).all()
    assert np.isfinite(own.sel(origin=2)).all()
    assert np.isfinite(result[names.CRPS].sel(forecaster="last value", origin=1, distance=1)).all()
    refits = json.loads(result.attrs["settings"])["refits"]
    assert [r["verdict"] for r in refits] == ["refused", "flagged"]
    assert refits[0]["reasons"] == ["R-hat 1.2"]


def test_the_model_tested_is_the_model_that_is_trusted(runs, fake_fits):
    """Classes, noise, discounts and priors reach every re-fit, less what is said of batches that are held out."""
    asked = fake_fits()
    size = (runs[names.LABELS] + runs[names.OTHER_LABELS]).values
    batch = np.where(size < np.median(size), "old", "new").astype(object)
    told = runs.assign({names.BATCH: (names.RUN, batch)})
    priors = {"churn": Prior("logitnormal", 0.0, 0.3)}
    given = {"classes": 10, "evaluation_noise": {"east": 0.05, "elsewhere": 0.1}, "discount": {"old": 0.5, "new": 0.9}}
    result = backtest(told, by="batch", holdout=[1], priors=priors, **given, progress=False)
    past, model, settings = asked[0]
    assert settings["classes"] == 10
    assert settings["evaluation_noise"] == {"east": 0.05}
    assert settings["discount"] == {"old": 0.5}
    assert set(past[names.BATCH].values) == {"old"}
    assert model.priors["churn"] == priors["churn"]
    kept = json.loads(result.attrs["settings"])
    assert kept["classes"] == 10
    assert kept["priors_sha256"] != json.loads(plain_backtest(runs, fake_fits).attrs["settings"])["priors_sha256"]


def plain_backtest(runs, fake_fits):
    fake_fits()
    return backtest(runs, holdout=[1], progress=False)


def test_errors_are_forecast_as_noisy_evaluation_labels_show_them(runs, fake_fit):
    """The runs hold measured errors: a forecast of true ones would be scored against another quantity."""
    origin = next(origins(frame_of(runs, "size"), "size", [1]))
    cells = measure(origin)
    none = 0.0 * fake_fit.posterior[names.ERROR_REFERENCE]

    def samples(**noise):  # on the family's law: what the runs say of its walk depends on how they are read
        return model_samples(altered(fake_fit, posterior={names.DISCREPANCY: none} | noise), origin, cells)

    clean, noisy = samples(), samples(**{names.EVALUATION_NOISE: none + 0.1})
    np.testing.assert_allclose(noisy, 0.1 + 0.8 * clean)


def test_progress_is_said_on_stderr(runs, fake_fits, capsys):
    fake_fits()
    backtest(runs, holdout=[1, 2])
    assert "backtest, 2 doublings held out" in capsys.readouterr().err
    backtest(runs, holdout=[1], progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"by": "time"}, ValueError, "'size' or 'batch'"),
        ({"holdout": [0, 1]}, ValueError, "≥ 1"),
        ({"holdout": []}, ValueError, "no holdout"),
        ({"holdout": [1.5]}, ValueError, "whole number"),
        ({"by": "batch"}, InputError, "batch"),
        ({"holdout": [9]}, InputError, "hold out fewer"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_fit(runs, fake_fits, settings, error, said):
    asked = fake_fits()
    with pytest.raises(error, match=said):
        backtest(runs, **settings, progress=False)
    assert asked == []


def test_a_table_that_is_none_is_refused():
    with pytest.raises(TypeError, match="runs table"):
        backtest(pd.DataFrame())


@pytest.mark.slow  # one fit, most of it compilation
def test_from_runs_to_scores(runs):
    """Runs that follow the model: its forecasts are scored as better than the last value, and hold the truth."""
    result = backtest(runs, holdout=[2], random_seed=1, draws=300, tune=500, progress=False)
    own = result.sel(forecaster=MODEL, origin=2)
    assert np.isfinite(own[names.CRPS]).all()
    assert float(own[names.COVERS_90].mean()) >= 0.6
    assert float(own[names.CRPS].mean()) < 0.5 * float(result[names.CRPS].sel(forecaster="last value").mean())
