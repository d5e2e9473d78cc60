"""Elasticities and effective labels are one function on floats, tensors and DataArrays, and mean what they say."""

import numpy as np
import pytensor.tensor as pt
import pytest
import xarray as xr
from hypothesis import given, strategies as st

from labelvalue.model.curve.families import (
    HALF_LABEL,
    SLIGHT_ELASTICITY,
    log_effective_labels,
    log_steepness,
    own_share,
    signed_exp,
    signed_log,
    softplus,
)

LEVEL = st.floats(-11.0, 3.0)
COUNT = st.integers(0, 10**7).map(float)
TRANSFER = st.floats(-0.5, 1.5)

LEVELS = np.array([[-9.0, -5.5, -3.0, 0.4]])


@pytest.mark.parametrize(
    ("function", "points"),
    [
        (signed_exp, LEVELS),
        (signed_log, LEVELS / 10),
        (log_steepness, LEVELS),
        (softplus, LEVELS),
        (log_effective_labels, np.array([[0.0, 50.0, 0.2], [10.0, 0.0, 0.3], [7.0, 90.0, -0.3], [5.0, 20.0, 0.1]]).T),
        (own_share, np.array([[0.0, 50.0, 0.2], [10.0, 0.0, 0.3], [7.0, 90.0, -0.3], [5.0, 20.0, 0.1]]).T),
    ],
)
def test_same_on_floats_arrays_tensors_and_dataarrays(function, points):
    one_by_one = [float(function(*map(float, column))) for column in points.T]
    arrays = function(*points)
    inputs = [pt.dvector() for _ in points]
    tensors = function(*inputs).eval(dict(zip(inputs, points, strict=True)))
    mixed = (
        arrays
        if len(points) == 1
        else function(points[0], *inputs[1:]).eval(dict(zip(inputs[1:], points[1:], strict=True)))
    )
    labelled = function(*(xr.DataArray(row, dims="draw") for row in points))
    assert isinstance(labelled, xr.DataArray)
    assert labelled.dims == ("draw",)
    for other in (arrays, tensors, mixed, labelled.values):
        np.testing.assert_allclose(other, one_by_one, rtol=1e-13, atol=1e-14)


@given(LEVEL)
def test_the_signed_exponential_has_an_inverse(level):
    assert signed_log(signed_exp(level)) == pytest.approx(level, abs=1e-9)


@given(LEVEL, LEVEL)
def test_a_higher_level_is_a_higher_elasticity(one, two):
    low, high = sorted((one, two))
    assert signed_exp(low) <= signed_exp(high)


@given(st.floats(-4.0, 3.0))
def test_all_but_slight_elasticities_are_exponentials(level):
    assert signed_exp(level) == pytest.approx(np.exp(level), rel=0.06)
    assert log_steepness(level) == pytest.approx(level, abs=0.06)


@given(st.floats(0.0, 5.0))
def test_rising_curves_mirror_falling_ones(away):
    middle = np.log(SLIGHT_ELASTICITY)
    assert signed_exp(middle - away) == pytest.approx(-signed_exp(middle + away), rel=1e-9, abs=1e-15)
    assert log_steepness(middle - away) == pytest.approx(log_steepness(middle + away))


@given(st.floats(-700.0, 700.0))
def test_softplus_is_the_logarithm_of_one_plus_the_exponential(x):
    assert softplus(x) == pytest.approx(np.logaddexp(0.0, x), rel=1e-12)


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
