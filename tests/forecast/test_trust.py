"""The sentence and the table, on backtests whose scores are written by hand."""

import json

import numpy as np
import pytest
import xarray as xr

from labelvalue import names, testing
from labelvalue.diagnostics import backtest_verdict, summarise_backtest
from labelvalue.forecast.backtesting.backtesting import MODEL
from labelvalue.forecast.backtesting.trust import LEAST_CHECKS, distrust, gain_reliability

FORECASTERS = [MODEL, "last value", "least squares"]


def by_hand(
    hits,
    slices,
    crps=(1.0, 2.0, 4.0),
    *,
    by="size",
    holdout=None,
    verdicts=("ok",),
    half_hits=None,
    bias=0.0,
    wobble=1e-3,
):
    """One origin; ``hits[d]`` of ``slices`` intervals of the model hold at distance d + 1; CRPS by method."""
    distances = np.arange(1, len(hits) + 1)
    shape = (len(FORECASTERS), 1, slices, len(hits))
    dims = (names.FORECASTER, names.ORIGIN, names.SLICE, names.DISTANCE)
    covers = np.zeros(shape)
    for i, count in enumerate(hits):
        covers[0, 0, :count, i] = 1.0
    level = np.asarray(crps, float)
    level = level[:, None] if level.ndim == 1 else level
    full = np.broadcast_to(level[:, None, None, :], shape).copy()
    half = np.zeros(shape)
    half[0, 0, : slices // 2 if half_hits is None else half_hits] = 1.0
    values = {names.INTERVAL_SCORE: (dims, np.zeros(shape)), names.COVERS_50: (dims, half)}
    apart = wobble * (-1.0) ** np.arange(slices)[:, None]
    values |= {names.BIAS: (dims, np.zeros(shape) + bias + apart), names.GAIN: (dims[1:], np.full(shape[1:], 0.02))}
    values |= {names.CRPS: (dims, full), names.COVERS_90: (dims, covers), names.P_GAIN: (dims, np.full(shape, 0.75))}
    values[names.GAINED] = dims[1:], np.ones(shape[1:])
    coords = {names.FORECASTER: FORECASTERS, names.ORIGIN: [len(hits)], names.SLICE: [f"s{i}" for i in range(slices)]}
    settings = {"holdout": [holdout or len(hits)], "refits": [{"verdict": v} for v in verdicts]}
    attrs = {names.BY: by, "settings": json.dumps(settings)}
    return xr.Dataset(values, coords=coords | {names.DISTANCE: distances}, attrs=attrs)


def test_trust_with_something_unchecked():
    said = backtest_verdict(by_hand([8, 6], 8, (0.63, 1.0, 2.0), holdout=3))
    assert said == (
        "Trust forecasts up to 4x the labels: 90 % intervals held 14 of 16 later errors and CRPS is 0.63 of that "
        "of the best simple rule (last value); at 8x there was nothing to check."
    )


def test_trust_ends_where_intervals_fail():
    said = backtest_verdict(by_hand([8, 3, 8], 8))
    assert said.startswith("Trust forecasts up to 2x the labels: 90 % intervals held 8 of 8")
    assert said.endswith("; not at 4x, where they held 3 of 8.")


def test_trust_ends_where_a_rule_does_better():
    said = backtest_verdict(by_hand([8, 8], 8, [[1.0, 3.0], [2.0, 2.0], [4.0, 4.0]]))
    assert said.endswith("; not at 4x, where a simple rule did better (last value, ratio 1.50).")


def test_no_trust():
    said = backtest_verdict(by_hand([3], 8, (2.0, 1.0, 3.0)))
    assert said == (
        "Do not trust forecasts at 2x the labels or beyond: 90 % intervals held 3 of 8 later errors and CRPS is "
        "2.00 of that of the best simple rule (last value)."
    )


@pytest.mark.parametrize(("slices", "hits", "trusted"), [(8, 6, True), (8, 5, False), (40, 33, True), (40, 32, False)])
def test_how_many_misses_are_too_many(slices, hits, trusted):
    """P(at most 5 of 8) is 0.038, of 6 0.187; P(at most 32 of 40) is 0.042, of 33 0.100."""
    assert backtest_verdict(by_hand([hits], slices)).startswith("Trust") == trusted


@pytest.mark.parametrize(("slices", "hits", "chance"), [(8, 5, True), (8, 4, False), (24, 18, True), (24, 15, False)])
def test_misses_that_come_together_may_be_chance(slices, hits, chance):
    """P(at most 15 of 24) is 0.049 where hits correlate by a tenth; one error more or less condemns no fit."""
    result = by_hand([hits], slices)
    said, share = backtest_verdict(result), f"held {hits} of {slices}"
    assert said.startswith("Too little to say" if chance else "Do not trust")
    assert share in said
    assert bool(distrust(result)) != chance


@pytest.mark.parametrize(("ratio", "trusted"), [(1.09, True), (1.11, False)])
def test_how_much_worse_is_too_much(ratio, trusted):
    assert backtest_verdict(by_hand([8], 8, (ratio, 1.0, 2.0))).startswith("Trust") == trusted


@pytest.mark.parametrize(
    ("slices", "half_hits", "trusted"), [(8, 3, True), (8, 2, False), (40, 16, True), (40, 14, False)]
)
def test_intervals_of_half_must_hold_some(slices, half_hits, trusted):
    """P(at most 14 of 40) is 0.040, of 16 0.134; a quarter or fewer never do."""
    said = backtest_verdict(by_hand([slices], slices, half_hits=half_hits))
    assert said.startswith("Trust") == trusted
    assert trusted or f"50 % intervals held {half_hits} of {slices}" in said


@pytest.mark.parametrize(("bias", "trusted"), [(0.009, True), (-0.009, True), (0.011, False), (-0.011, False)])
def test_gains_off_by_half_are_not_trusted(bias, trusted):
    """A gain of 2 points came; the error was forecast too high or too low by so much."""
    said = backtest_verdict(by_hand([8], 8, bias=bias))
    assert said.startswith("Trust") == trusted
    assert trusted or said.endswith(f"; gains of {2 - 100 * bias:.2g} points were forecast where 2 points came.")


def test_a_bias_that_may_be_chance_is_too_little_to_say():
    uneven = by_hand([8], 8, bias=-0.011, wobble=0.03)
    assert backtest_verdict(uneven).startswith("Too little to say")
    assert distrust(uneven) == ""


def test_flat_curves_that_all_forecast_exactly_are_a_tie():
    flat = by_hand([8], 8, (0.0, 0.0, -1e-9))
    assert summarise_backtest(flat)[names.CRPS_RATIO].tolist() == [1.0, 1.0, 1.0]
    assert backtest_verdict(flat).startswith("Trust")


def test_few_checks_say_nothing():
    said = backtest_verdict(by_hand([LEAST_CHECKS - 1], LEAST_CHECKS - 1))
    assert said.startswith("Too little to say whether to trust forecasts: 90 % intervals held 4 of 4")
    assert backtest_verdict(by_hand([LEAST_CHECKS], LEAST_CHECKS)).startswith("Trust")


def test_batches_are_called_batches():
    said = backtest_verdict(by_hand([8, 8], 8, by="batch", holdout=3))
    assert said.startswith("Trust forecasts up to 2 batches ahead:")
    assert said.endswith("at 3 batches ahead there was nothing to check.")


def test_bad_refits_are_counted():
    said = backtest_verdict(by_hand([8], 8, verdicts=("ok", "flagged", "refused")))
    assert said.endswith("(of 3 re-fits 1 flagged and 1 refused).")
    nothing = by_hand([8], 8, verdicts=("refused",))
    nothing[names.CRPS].loc[{names.FORECASTER: MODEL}] = np.nan
    assert backtest_verdict(nothing).startswith("Nothing could be checked: every re-fit was refused")


def test_table_averages_origins_then_curves_and_pairs_methods():
    result = by_hand([2], 2, (1.0, 2.0, 4.0))
    two = xr.concat([result, result.assign_coords(origin=[9])], "origin")
    two[names.CRPS].loc[{"forecaster": MODEL, "slice": "s0"}] = [[3.0], [5.0]]
    two[names.CRPS].loc[{"forecaster": MODEL, "slice": "s1", "origin": 9}] = np.nan
    two[names.CRPS].loc[{"forecaster": "last value", "slice": "s1", "origin": 9}] = 1000.0
    table = summarise_backtest(two).set_index(names.FORECASTER)
    assert table.loc[MODEL, names.CRPS] == pytest.approx(((3 + 5) / 2 + 1) / 2)
    assert table.loc["last value", names.CRPS] == 2.0, "a forecast that the model lacks counts for nobody"
    assert table[names.FORECASTS].tolist() == [3, 3, 3]
    assert table[names.CRPS_RATIO].tolist() == pytest.approx([1.25, 1.0, 2.0])
    assert table[names.BRIER].tolist() == pytest.approx([0.0625] * 3)


def test_reliability_of_the_probability_of_a_gain():
    table = gain_reliability(by_hand([8], 8))
    assert table[["low", "high", "forecast", "realised"]].values.tolist() == [[0.7, 0.9, 0.75, 1.0]]


def test_honest_forecasts_of_simulated_runs_are_trusted_and_shifted_ones_are_not():
    verdicts = [backtest_verdict(testing.fake_backtest(seed)) for seed in range(3)]
    assert all(v.startswith("Trust") for v in verdicts)
    shifted = [backtest_verdict(testing.fake_backtest(seed, shift=0.3)) for seed in range(2)]
    assert all(v.startswith("Do not trust") for v in shifted)


@pytest.mark.parametrize("function", [backtest_verdict, summarise_backtest, gain_reliability])
def test_what_is_no_backtest_is_refused(function):
    with pytest.raises(TypeError, match="must be a backtest"):
        function(testing.fake_runs(seed=1))


def test_a_fit_is_flagged_only_beyond_chance():
    """One of eight 50 % intervals (p = 0.09), and a rule that did better on half of the curves, may be luck."""
    few, none = (distrust(by_hand([8], 8, half_hits=held)) for held in (1, 0))
    assert (few, none[:19]) == ("", "Do not trust foreca")
    close, beaten = by_hand([8], 8), by_hand([8], 8, (2.0, 1.0, 3.0))
    uneven = np.where(np.arange(8) % 2, 4.0, 0.5)[:, None]
    close[names.CRPS].loc[{names.FORECASTER: MODEL}] = np.broadcast_to(uneven, close[names.CRPS].shape[1:])
    assert backtest_verdict(close).startswith("Too little to say")
    assert distrust(close) == ""
    assert distrust(beaten).startswith("Do not trust")
