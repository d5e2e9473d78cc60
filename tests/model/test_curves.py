"""The curve is one function on floats, tensors and DataArrays, and means what it says."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from labelvalue.model.curves import (
    HALF_LABEL,
    log_effective_labels,
    own_share,
    power_law,
    power_law_elasticity,
)

ELASTICITY = st.floats(1e-3, 3.0)
FLOOR = st.floats(1e-3, 0.95)
RATIO = st.floats(-6.0, 10.0)
COUNT = st.integers(0, 10**7).map(float)
TRANSFER = st.floats(-0.5, 1.5)

POINTS = np.array([[-4.0, 0.2, 0.3], [0.0, 0.6, 0.01], [0.7, 1.4, 0.8], [6.0, 0.05, 0.5]]).T


@pytest.mark.parametrize(
    ("function", "points"),
    [
        (power_law, POINTS),
        (power_law_elasticity, POINTS),
        (log_effective_labels, np.array([[0.0, 50.0, 0.2], [10.0, 0.0, 0.3], [7.0, 90.0, -0.3], [5.0, 20.0, 0.1]]).T),
        (own_share, np.array([[0.0, 50.0, 0.2], [10.0, 0.0, 0.3], [7.0, 90.0, -0.3], [5.0, 20.0, 0.1]]).T),
    ],
)
def test_same_on_floats_arrays_tensors_and_dataarrays(function, points):
    one_by_one = [float(function(*map(float, column))) for column in points.T]
    arrays = function(*points)
    inputs = [pt.dvector() for _ in points]
    tensors = function(*inputs).eval(dict(zip(inputs, points, strict=True)))
    mixed = function(points[0], *inputs[1:]).eval(dict(zip(inputs[1:], points[1:], strict=True)))
    labelled = function(*(xr.DataArray(row, dims="draw") for row in points))
    assert isinstance(labelled, xr.DataArray)
    assert labelled.dims == ("draw",)
    for other in (arrays, tensors, mixed, labelled.values):
        np.testing.assert_allclose(other, one_by_one, rtol=1e-13, atol=1e-14)


def test_the_power_law_is_the_textbook_formula():
    ratio, elasticity, floor = POINTS[:, [0, 2]]
    textbook = floor + (1 - floor) * np.exp(ratio) ** (-elasticity / (1 - floor))
    np.testing.assert_allclose(np.exp(power_law(ratio, elasticity, floor)), textbook, rtol=1e-12)


@given(ELASTICITY, FLOOR)
def test_at_the_reference_the_value_is_one_and_the_slope_the_elasticity(elasticity, floor):
    step = 1e-5
    assert power_law(0.0, elasticity, floor) == 0.0
    assert power_law_elasticity(0.0, elasticity, floor) == pytest.approx(elasticity)
    ends = power_law(step, elasticity, floor), power_law(-step, elasticity, floor)
    assert (ends[1] - ends[0]) / (2 * step) == pytest.approx(elasticity, rel=1e-5)


@given(RATIO, ELASTICITY, FLOOR)
def test_slope_is_the_numeric_derivative(ratio, elasticity, floor):
    step = 1e-4
    slope = (power_law(ratio - step, elasticity, floor) - power_law(ratio + step, elasticity, floor)) / (2 * step)
    assert power_law_elasticity(ratio, elasticity, floor) == pytest.approx(slope, rel=1e-4, abs=1e-8)


@given(RATIO, RATIO, ELASTICITY, FLOOR)
def test_monotone_and_above_the_floor(one, two, elasticity, floor):
    fewer, more = sorted((one, two))
    assert power_law(more, elasticity, floor) <= power_law(fewer, elasticity, floor)
    assert np.exp(power_law(more, elasticity, floor)) >= floor * (1 - 1e-12)


@given(st.floats(0.2, 3.0), FLOOR)
def test_labels_without_end_leave_the_floor(elasticity, floor):
    assert np.exp(power_law(1e4, elasticity, floor)) == pytest.approx(floor)


@given(RATIO, ELASTICITY)
def test_without_a_floor_it_is_a_plain_power_law(ratio, elasticity):
    lost = 1e-13 * np.exp(elasticity * ratio)  # what a floor of 1e-13, or a rounding, makes of small errors
    assert power_law(ratio, elasticity, 1e-13) == pytest.approx(-elasticity * ratio, abs=2 * lost + 1e-9)


@given(COUNT, COUNT, TRANSFER)
def test_effective_labels_are_always_a_number(labels, other, transfer):
    assert np.isfinite(log_effective_labels(labels, other, transfer))
    assert own_share(labels, other, transfer) > 0


@given(COUNT, COUNT)
def test_without_transfer_effective_labels_are_the_own(labels, other):
    assert log_effective_labels(labels, other, 0.0) == pytest.approx(np.log(max(labels, HALF_LABEL)))
    assert own_share(labels, other, 0.0) == 1.0


@given(st.integers(1, 10**6).map(float), COUNT, st.floats(0.0, 1.5))
def test_positive_transfer_adds_labels(labels, other, transfer):
    assert np.exp(log_effective_labels(labels, other, transfer)) == pytest.approx(labels + transfer * other, rel=1e-9)


@given(st.integers(1, 10**5).map(float), st.integers(0, 10**5).map(float), st.floats(-0.5, 0.0))
def test_negative_transfer_shrinks_them_exponentially(labels, other, transfer):
    expected = np.log(labels) + transfer * other / labels
    assert log_effective_labels(labels, other, transfer) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.integers(1, 10**6).map(float), st.integers(1, 10**6).map(float), COUNT, TRANSFER)
def test_more_own_labels_are_never_fewer_effective_labels(one, two, other, transfer):
    fewer, more = sorted((one, two))
    assert log_effective_labels(more, other, transfer) >= log_effective_labels(fewer, other, transfer) - 1e-9


@given(COUNT, COUNT, COUNT, TRANSFER)
def test_more_other_labels_move_effective_labels_the_way_of_their_worth(labels, one, two, transfer):
    fewer, more = sorted((one, two))
    move = log_effective_labels(labels, more, transfer) - log_effective_labels(labels, fewer, transfer)
    assert move * np.sign(transfer) >= -1e-9


@given(st.floats(20.0, 1e5), st.floats(0.0, 1e5), TRANSFER)
def test_own_share_is_the_numeric_derivative(labels, other, transfer):
    step = 1e-6
    ends = (log_effective_labels(labels * np.exp(sign * step), other, transfer) for sign in (1, -1))
    slope = np.subtract(*ends) / (2 * step)
    assert own_share(labels, other, transfer) == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_effective_labels_are_smooth_where_transfer_changes_its_sign():
    just_below, just_above = (
        [log_effective_labels(100.0, 300.0, t + step) for step in (-1e-6, 0.0, 1e-6)] for t in (-2e-6, 2e-6)
    )
    slopes = [(v[2] - v[0]) / 2e-6 for v in (just_below, just_above)]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-4)
    assert slopes[0] == pytest.approx(3.0, rel=1e-4)


def test_no_logarithm_of_zero_is_taken():
    with np.errstate(all="raise"):
        assert np.isfinite(log_effective_labels(0.0, 0.0, 0.3))
        assert np.isfinite(log_effective_labels(np.array([0, 1]), np.array([0, 5]), -0.2)).all()
