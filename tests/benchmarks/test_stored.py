"""What was measured last on real curves, as it is stored: the targets that forecasts have to keep there.

The files are written by ``python -m benchmarks.forecast``; who measures anew and finds less must say so here.
"""

from __future__ import annotations

import json

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


@pytest.mark.parametrize("ahead", ["2x", "4x", "8x"])
def test_m11_intervals_cover_real_curves_at_2_4_and_8_times_the_labels(measured, ahead):
    """839 curves of 51 problems that took no part in any choice."""
    found = measured("forecast_test")["by_distance"][ahead]
    assert 0.87 <= found["covers_90"] <= 0.93
    assert 0.45 <= found["covers_50"] <= 0.55


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
