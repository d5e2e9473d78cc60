"""Every family is anchored: value, slope and ends mean what the parameters say, whatever the shape."""

import numpy as np
import pytensor.tensor as pt
import pytest
import xarray as xr
from hypothesis import given, strategies as st
from labelvalue_models.broken_power_law import broken_power_law
from labelvalue_models.exponential import exponential
from labelvalue_models.morgan_mercer_flodin import morgan_mercer_flodin
from labelvalue_models.power_law import power_law

from labelvalue.model.curve.families import HIGHEST, above_floor

RATE = st.floats(-0.5, 3.0)
FLOOR = st.floats(1e-3, 0.95)
SHAPES = {power_law: (), exponential: (), morgan_mercer_flodin: (2.5,), broken_power_law: (1.5, 0.2)}
FAMILIES = pytest.mark.parametrize(("family", "shape"), SHAPES.items(), ids=lambda f: getattr(f, "__name__", ""))
RATIOS = np.array([-3.0, -0.4, 0.0, 0.7, 2.0])


@FAMILIES
def test_same_on_floats_arrays_tensors_and_dataarrays(family, shape):
    one_by_one = [float(family(float(r), 0.4, *shape)) for r in RATIOS]
    inputs = [pt.dvector(), *(pt.dscalar() for _ in shape)]
    tensors = family(inputs[0], 0.4, *inputs[1:]).eval(dict(zip(inputs, (RATIOS, *shape), strict=True)))
    labelled = family(xr.DataArray(RATIOS, dims="size"), 0.4, *shape)
    assert labelled.dims == ("size",)
    for other in (family(RATIOS, 0.4, *shape), tensors, labelled.values):
        np.testing.assert_allclose(other, one_by_one, rtol=1e-12, atol=1e-14)


@FAMILIES
@given(rate=RATE, floor=FLOOR)
def test_at_the_reference_the_value_is_one_and_the_slope_the_elasticity(family, shape, rate, floor):
    step = 1e-5
    assert family(0.0, rate, *shape) == pytest.approx(0.0, abs=1e-15)
    ends = [above_floor(family(r, rate, *shape), floor) for r in (-step, step)]
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(rate * (1 - floor), rel=1e-4, abs=1e-8)


@FAMILIES
@given(one=st.floats(-6.0, 10.0), two=st.floats(-6.0, 10.0), rate=st.floats(1e-3, 3.0), floor=FLOOR)
def test_monotone_and_above_the_floor(family, shape, one, two, rate, floor):
    fewer, more = (above_floor(family(r, rate, *shape), floor) for r in sorted((one, two)))
    assert more <= fewer + 1e-12
    assert np.exp(more) >= floor * (1 - 1e-12)


def test_the_power_law_is_the_textbook_formula():
    textbook = 0.3 + 0.7 * np.exp(RATIOS) ** (-0.4)
    np.testing.assert_allclose(np.exp(above_floor(power_law(RATIOS, 0.4), 0.3)), textbook, rtol=1e-12)


def test_the_exponential_is_the_textbook_formula():
    labels = 1000 * np.exp(RATIOS)
    textbook = np.exp(-(0.4 / 1000) * labels) / np.exp(-0.4)
    np.testing.assert_allclose(np.exp(exponential(RATIOS, 0.4)), textbook, rtol=1e-12)


def test_morgan_mercer_flodin_is_the_textbook_formula():
    """(a b + c n^d) / (b + n^d), divided by itself at the reference, where floor is c."""
    a, b, c, d, reference = 0.9, 3000.0, 0.1, 0.8, 1000.0

    def textbook(n):
        return (a * b + c * n**d) / (b + n**d)

    now = textbook(reference)
    headroom = reference**d / b
    rate = d * headroom / (1 + headroom)
    ours = above_floor(morgan_mercer_flodin(RATIOS, rate, headroom), c / now)
    np.testing.assert_allclose(np.exp(ours), textbook(reference * np.exp(RATIOS)) / now, rtol=1e-12)


def test_a_headroom_without_end_is_a_power_law():
    np.testing.assert_allclose(morgan_mercer_flodin(RATIOS, 0.4, 1e9), power_law(RATIOS, 0.4), atol=1e-7)


def test_a_broken_power_law_has_two_slopes():
    far, step = -12.0 * np.log(2.0), 1e-3
    early = (broken_power_law(far, 0.4, 2.0, 0.1) - broken_power_law(far + step, 0.4, 2.0, 0.1)) / step
    late = (broken_power_law(5.0, 0.4, 2.0, 0.1) - broken_power_law(5.0 + step, 0.4, 2.0, 0.1)) / step
    assert early == pytest.approx(0.04, rel=1e-4)
    assert late == pytest.approx(0.4, rel=0.03)


def test_without_a_change_of_slope_it_is_a_power_law():
    np.testing.assert_allclose(broken_power_law(RATIOS, 0.4, 2.0, 1.0), power_law(RATIOS, 0.4), atol=1e-12)


def test_far_above_the_reference_nothing_overflows():
    with np.errstate(all="raise"):
        assert np.isfinite(above_floor(np.array([10.0 * HIGHEST, 1e6]), 0.3)).all()
