"""What was measured last on real curves, as it is stored: the targets that forecasts have to keep there.

The files are written by ``python -m benchmarks.forecast`` and ``python -m benchmarks.label_quality``; who measures anew
and finds less must say so here.
"""

import json
import re

import pytest

US = "labelvalue"


@pytest.fixture(scope="module")
def measured(root):
    def read(name: str) -> dict:
        found = json.loads((root / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
        assert not found["quick"]
        assert found["failures"] == []
        return found["methods"][US]

    return read


@pytest.mark.parametrize("name", ["forecast_test", "forecast_test_latest"])
@pytest.mark.parametrize("ahead", ["2x", "4x", "8x"])
def test_m11_intervals_cover_real_curves_at_2_4_and_8_times_the_labels(measured, name, ahead):
    """839 curves of 51 problems that took no part in any choice; two forecasts together are wide in the middle."""
    found = measured(name)["by_distance"][ahead]
    assert 0.87 <= found["covers_90"] <= 0.93
    assert 0.45 <= found["covers_50"] <= (0.6 if name == "forecast_test_latest" else 0.55)


def test_f5_the_probability_of_a_gain_is_calibrated_on_real_curves(measured):
    found = measured("forecast_test")
    bins = found["gain_calibration"]
    assert sum(one["share"] for one in bins) == pytest.approx(1.0)
    away = sum(one["share"] * abs(one["forecast"] - one["realised"]) for one in bins)
    assert away < 0.03, "mean distance of forecast probabilities from how often a gain came"
    assert abs(found["p_gain"] - found["gained"]) < 0.03


def test_m2_pooling_forecasts_sparse_slices_better_than_each_alone(measured):
    """On slices with two sizes, at least 15 % less error than with every slice fitted alone."""
    against = measured("forecast_slices_sparse")["against_alone"]
    for score in ("crps", "absolute_error"):
        assert against[score]["high"] < 0.85


def test_m12_slices_of_two_sizes_have_sane_intervals(measured):
    found = measured("forecast_slices_sparse")
    for ahead in found["by_distance"].values():
        assert 0.87 <= ahead["covers_90"] <= 0.95
        assert ahead["width"] < 5 * ahead["gain"]


@pytest.fixture(scope="module")
def label_quality(root):
    def read(name: str) -> dict:
        return json.loads((root / "benchmarks" / "results" / f"label_quality_{name}.json").read_text(encoding="utf-8"))

    return read


def test_intervals_of_label_noise_cover_over_a_hundred_campaigns(label_quality):
    """Two slices and five annotators each: within two standard errors of the 50 and 90 % that were promised."""
    found = label_quality("coverage")
    assert found["campaigns"] == len(found["rows"]) == 100
    for whose, count in (("label_noise", 200), ("annotator_noise", 500)):
        for promised in (50, 90):
            share = promised / 100
            error = (share * (1 - share) / count) ** 0.5
            covered = found["mean"][f"{whose}_covers_{promised}"]
            assert covered == pytest.approx(share, abs=2 * error), (whose, promised)
    for name, value in found["mean"].items():
        assert value == pytest.approx(sum(row[name] for row in found["rows"]) / 100), name
    assert found["mean"]["consensus_right"] > max(found["mean"]["em_right"], found["mean"]["majority_right"])
    assert found["mean"]["confusion_rmse"] < found["mean"]["em_confusion_rmse"]


def test_real_judgements_agree_with_dawid_and_skene_by_em_and_by_crowd_kit(label_quality):
    """Six psychiatrists on thirty patients (Fleiss 1971)."""
    found = label_quality("real")
    assert found["verdict"] == "ok"
    assert found["agreement"]["em"] == found["agreement"]["crowd-kit Dawid-Skene"] == 1.0
    assert found["agreement"]["majority"] < 1.0


@pytest.mark.parametrize(("name", "classes", "most"), [("scale", 2, 600), ("scale_fifty", 50, 1200)])
def test_a_hundred_thousand_judgements_take_minutes(label_quality, name, classes, most):
    found = label_quality(name)
    assert found["classes"] == classes
    assert found["judgements"] > 99_000
    assert found["wall_s"] < most
    assert found["verdict"] == "ok"
    assert found["label_noise"] == pytest.approx(found["truth"], abs=0.01)


def test_two_hundred_projects_are_fitted_in_a_night_and_one_broken_stops_nobody(root):
    found = json.loads((root / "benchmarks" / "results" / "many_projects.json").read_text(encoding="utf-8"))
    first, nothing, tenth = found["nights"]
    assert (first["fitted"], nothing["fitted"], tenth["fitted"]) == (200, 0, 20)
    assert all(night["exit_codes"] == {"0": 200, "1": 1} for night in found["nights"])
    assert first["verdicts"] == {"ok": 200}
    assert first["seconds"] < 3600
    assert nothing["seconds"] < 60


def test_a_simulation_costs_little_beside_trainings_that_take_time(root):
    """At 50 ms a training and more, under 5 %; below that, milliseconds."""
    found = json.loads((root / "benchmarks" / "results" / "overhead.json").read_text(encoding="utf-8"))
    long = [row for row in found if row["training_ms"] >= 50]
    short = [row for row in found if row["training_ms"] < 50]
    assert len(long) >= 2
    assert all(row["overhead"]["ours"] < 0.05 for row in long)
    assert all(row["added_ms"]["ours"] < 3 for row in short)


def test_figures_of_the_queue_are_those_of_the_command_beside_them(root):
    text = (root / "benchmarks" / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## Which items") :].partition("\n## ")[0]
    loops, repetitions = re.search(r"--loops (\S+) --repetitions (\d+)`", section).groups()
    assert set(loops.split(",")) == {name.lower() for name in re.findall(r"^\| (\w+) \| \d", section, re.MULTILINE)}
    assert f"over {('two', 'three', 'four', 'five', 'six')[int(repetitions) - 2]} repetitions" in section
