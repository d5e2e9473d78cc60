import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks import forecast, lcdb_data, slice_data, tables
from benchmarks.methods import Method, find_method


def constant(value, verdicts=()):
    def forecast(problem, seed):
        noise = np.random.default_rng(seed).normal(0, 0.01, (*problem.truth.shape, 200))
        return np.full((*problem.truth.shape, 200), value) + noise, verdicts

    return forecast


def failing(problem, seed):
    raise RuntimeError("out of ideas")


@pytest.fixture
def run(monkeypatch, tmp_path, power_law_problem, capsys):
    """Run the command on the one power-law problem; returns exit code, printed table and written JSON."""
    monkeypatch.setenv("LABELVALUE_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(lcdb_data, "load_problems", lambda half, **_: [power_law_problem])
    monkeypatch.setattr(
        slice_data, "load_problems", lambda half, **_: [replace(power_law_problem, name=f"slices, {half}")]
    )

    def call(*arguments):
        out = tmp_path / "result.json"
        code = forecast.main([*arguments, "--out", str(out)])
        return code, capsys.readouterr().out, json.loads(out.read_text()) if out.exists() else None

    return call


def test_table_and_json_hold_every_method(run):
    code, printed, result = run("--methods", "last_value,floor")
    assert code == 0
    assert "least squares, floor" in printed
    assert (result["problems"], result["curves"]) == (1, 1)
    good, bad = result["methods"]["floor"], result["methods"]["last_value"]
    assert good["crps"] < bad["crps"]
    assert bad["crps_ratio"]["best_peer"] in {"floor", forecast.LEAST_SQUARES}
    assert set(good["by_distance"]) == {"2x", "4x", "8x"}
    assert good["gain_calibration"]
    assert good["gain_ratio"]["ratio"] == pytest.approx(good["forecast_gain"] / good["gain"])


def test_the_calibration_of_gains_is_printed_for_every_method(run):
    _, printed, result = run("--methods", "last_value,floor")
    line = next(line for line in printed.splitlines() if line.startswith("- least squares, floor: "))
    # A falling curve: the forecast is sure of a gain, the gain came, and all forecasts say so.
    assert line.endswith(" 100 → 100 (100)")
    assert sum(part["share"] for part in result["methods"]["floor"]["gain_calibration"]) == pytest.approx(1)


def test_slices_are_problems_of_their_own_and_halves_share_a_table(run, tmp_path):
    code, printed, result = run("--problems", "slices", "--half", "both", "--methods", "floor")
    assert code == 0
    assert "slices, both halves: 2 problems, 2 curves" in printed
    assert (result["problem_set"], result["half"], result["problems"]) == ("slices", "both", 2)
    folders = {path.parent.parent.name for path in (tmp_path / "forecasts-slices-v1").rglob("*.npz")}
    assert folders == {"development-all-replicates", "test-all-replicates"}


def test_labelvalue_is_measured_against_each_curve_alone(run, monkeypatch):
    methods = {
        "labelvalue": Method("labelvalue", "together", constant(0.12, ("ok",)), version="1", peer=False),
        "labelvalue:unpooled": Method(
            "labelvalue:unpooled", "alone", constant(0.5, ("flagged", "ok")), version="1", peer=False
        ),
    }
    monkeypatch.setattr(forecast, "find_method", lambda name: methods.get(name) or find_method(name))
    code, printed, result = run("--sparse", "--methods", "floor,labelvalue,labelvalue:unpooled")
    assert code == 0
    assert "1 curves that were left two sizes" in printed
    assert result["sparse"]
    together, alone = (result["methods"][name] for name in methods)
    ratio = together["against_alone"]["crps"]["ratio"]
    assert ratio == pytest.approx(together["crps"] / alone["crps"])
    assert ratio < 0.2
    assert (together["verdicts"], alone["verdicts"]) == ({"ok": 1}, {"flagged": 1, "ok": 1})
    assert "| 1 of 2 |" in printed
    assert f"- together: CRPS {ratio:.2f} (" in printed
    assert together["better_than"] == {"floor": 0.0, "labelvalue:unpooled": 1.0, forecast.LEAST_SQUARES: 0.0}
    assert "- together: 0 % least squares, floor, 100 % alone" in printed
    assert alone["against_alone"]["absolute_error"]["ratio"] == 1
    _, printed, result = run("--methods", "floor")
    assert "alone" not in printed
    assert "against_alone" not in result["methods"]["floor"]


def test_every_run_measures_against_least_squares_on_two_doublings(run):
    _, printed, result = run("--methods", "last_value")
    assert list(result["methods"]) == ["last_value", forecast.LEAST_SQUARES]
    last, own = (entry["ratio_to_ls2"] for entry in result["methods"].values())
    assert own["crps"] == own["interval_score"] == {"ratio": 1, "low": 1, "high": 1}
    assert last["crps"]["ratio"] > 1
    assert f"- last value: CRPS {last['crps']['ratio']:.2f} (" in printed


def test_the_first_day_has_forecasts_of_its_own(run, tmp_path):
    _, printed, result = run("--first-day", "--methods", "last_value")
    assert result["first_day"]
    assert "curves, first day, development half" in printed
    assert {path.parents[2].name for path in tmp_path.rglob("*.npz")} == {"forecasts-first-day-v1"}


def test_saturated_curves_are_told_apart():
    """By what eight times the labels brought: the second curve lost a hundredth, the first half."""
    row = {"problem": "p", "error_now": 0.2, "forecast_gain": 0.05, "truth_se": 0.001, "p_gain_1_percent": 0.7}
    gains = {0: (0.03, 0.06, 0.1), 1: (0.004, 0.001, 0.002)}
    rows = pd.DataFrame(
        row | {"curve": curve, "distance": distance, "gain": gain}
        for curve, found in gains.items()
        for distance, gain in zip((2, 4, 8), found, strict=True)
    )
    found = forecast.saturated(rows)
    assert found["curves"] == 1
    assert [part["gain"] for part in found["by_distance"].values()] == list(gains[1])
    assert found["by_distance"]["8x"]["p_gain_1_percent"] == pytest.approx(0.7)
    line = tables.saturated_lines({"m": {"saturated": found}}, {"m": "M"})
    assert "1 saturated curves" in line
    assert "- M: 0.0500 / 0.0040, 0.0500 / 0.0010, 0.0500 / 0.0020; P(gain > 1 %) 70, 70, 70 %" in line
    assert forecast.saturated(rows[rows["curve"] == 0]) == {"curves": 0, "by_distance": {}}


def test_only_sparse_curves_are_judged(tmp_path, power_law_problem):
    """A second curve, not sparse, may be forecast as NaN and counts for nothing."""
    doubled = {
        name: np.repeat(getattr(power_law_problem, name), 2, axis=0) for name in ("truth", "truth_se", "error_now")
    }
    problem = replace(power_law_problem, curves=(("a", "b"), ("c", "b")), sparse=np.array([True, False]), **doubled)

    def sparse_alone(problem, seed):
        samples, _ = constant(0.1)(problem, seed)
        samples[1] = np.nan
        return samples, ()

    outcome = forecast.run_method(Method("m", "m", sparse_alone, version="1"), problem, tmp_path)
    assert not outcome.failure
    rows = forecast.score_table([problem], [outcome])
    assert rows["distance"].tolist() == [2, 4, 8]
    assert rows.notna().all(axis=None)
    blind = replace(problem, sparse=~problem.sparse)
    assert "not finite" in forecast.run_method(Method("m", "m", sparse_alone, version="2"), blind, tmp_path).failure


def test_a_second_run_reads_the_first_ones_forecasts(run, monkeypatch):
    _, _, first = run("--methods", "last_value")
    monkeypatch.setattr("benchmarks.peers.resample_replicates", None)
    _, _, second = run("--methods", "last_value")
    assert second == first


def test_another_version_is_forecast_anew(tmp_path, power_law_problem):
    old = Method("m", "m", constant(0.1), version="1")
    new = Method("m", "m", constant(0.2), version="2")
    means = [forecast.run_method(m, power_law_problem, tmp_path).samples.mean() for m in (old, new, old)]
    assert means == pytest.approx([0.1, 0.2, 0.1], abs=0.005)


def test_a_failure_is_reported_and_takes_its_problem_out_for_all(run, monkeypatch):
    methods = {"bad": Method("bad", "bad", failing, version="1")}
    monkeypatch.setattr(forecast, "find_method", lambda name: methods.get(name) or find_method(name))
    code, _, _ = run("--methods", "last_value,bad")
    assert code == 1


def test_verdicts_are_kept_with_the_forecast(tmp_path, power_law_problem):
    judged = Method("m", "m", constant(0.1, ("flagged",)), version="1")
    assert [forecast.run_method(judged, power_law_problem, tmp_path).verdicts for _ in range(2)] == [("flagged",)] * 2


def test_what_is_not_a_forecast_is_a_failure(tmp_path, power_law_problem):
    wrong = Method("nan", "nan", lambda problem, seed: (np.full((1, 3, 10), np.nan), ()), version="1")
    outcome = forecast.run_method(wrong, power_law_problem, tmp_path)
    assert outcome.samples is None
    assert "not finite" in outcome.failure


def test_an_unknown_method_is_a_usage_error(run):
    with pytest.raises(SystemExit) as stop:
        run("--methods", "crystal_ball")
    assert stop.value.code == 2
