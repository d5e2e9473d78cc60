"""The filter's values and gradients, from NumPy and from numba, against the same filter unrolled in PyTensor."""

from __future__ import annotations

import ctypes

import numpy as np
import nutpie
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.gradient import NullTypeGradError
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key

from labelvalue.model.likelihood import walk_loglikelihood
from labelvalue.model.walk_filter import MISMATCH
from labelvalue.model.walk_operation import WalkFilter

NDIM = {"residual": 3, "variance": 3, "used": 3, "distance": 2, "slope_sd": 1}
CURVES, KNOTS, SLOTS = 4, 5, 3
AS_WRITTEN = Mode(linker="py", optimizer=None)


def unrolled(residual, variance, used, distance, slope_sd, knots):
    """The filter as PyTensor's own operations, whose gradient PyTensor finds."""
    precision = used / variance
    weight, pull = pt.sum(precision, axis=2), pt.sum(precision * residual, axis=2)
    square = pt.sum(precision * residual**2, axis=2)
    total = 0.5 * pt.sum(used * (pt.log(precision + (1.0 - used)) - np.log(2 * np.pi)), axis=(1, 2))
    level = slope = a = b = d = before = 0.0
    for k in range(knots):
        step, before = distance[:, k] - before, distance[:, k]
        level = level + step * slope
        a = a + 2 * step * b + step**2 * d + slope_sd**2 * step**3 / 3
        b = b + step * d + slope_sd**2 * step**2 / 2
        d = d + slope_sd**2 * step
        shrink = 1 + a * weight[:, k]
        away = pull[:, k] - level * weight[:, k]
        misfit = square[:, k] - 2 * level * pull[:, k] + level**2 * weight[:, k] - a * away**2 / shrink
        total = total - 0.5 * (pt.log(shrink) + misfit)
        level, slope = level + a * away / shrink, slope + b * away / shrink
        a, b, d = a / shrink, b / shrink, d - b**2 * weight[:, k] / shrink
    return total


def compiled(loglikelihood, mode):
    """Value of each curve, and the gradient of a weighted sum of them by all that has one."""
    inputs = {name: pt.TensorType("float64", (None,) * ndim)(name=name) for name, ndim in NDIM.items()}
    value = loglikelihood(*inputs.values(), KNOTS)
    weighted = pt.sum(value * pt.arange(1.0, CURVES + 1))
    slopes = pt.grad(weighted, [inputs[name] for name in ("residual", "variance", "slope_sd")])
    return pytensor.function(list(inputs.values()), [value, *slopes], mode=mode)


@pytest.fixture(scope="module")
def reference():
    return compiled(unrolled, AS_WRITTEN)


@pytest.fixture(scope="module", params=["numpy", "numba"])
def walk(request):
    return compiled(walk_loglikelihood, AS_WRITTEN if request.param == "numpy" else "NUMBA")


def layout(seed, **changed):
    rng = np.random.default_rng(seed)
    shape = CURVES, KNOTS, SLOTS
    given = {
        "residual": rng.normal(0, 1, shape),
        "variance": np.exp(rng.normal(-2, 2, shape)),
        "used": (rng.random(shape) < 0.7).astype(float),
        "distance": np.cumsum(rng.choice([0.0, 0.5, 1.0], (CURVES, KNOTS)), axis=1),
        "slope_sd": np.exp(rng.normal(-1, 1, CURVES)),
    }
    return given | changed


def with_empty_knots():
    given = layout(1)
    given["used"][:, 1] = 0.0
    given["used"][0] = 0.0
    given["used"][1, -2:] = 0.0
    return given


CASES = {
    "as it comes": layout(0),
    "knots and a curve without cells": with_empty_knots(),
    "one slot used": layout(2, used=np.tile([1.0, 0.0, 0.0], (CURVES, KNOTS, 1))),
    "no distance at all": layout(3, distance=np.zeros((CURVES, KNOTS))),
    "all far away": layout(4, distance=np.full((CURVES, KNOTS), 12.0)),
    "a walk that hardly moves": layout(5, slope_sd=np.full(CURVES, 1e-9)),
    "a walk that stands still": layout(6, slope_sd=np.zeros(CURVES)),
    "a wild walk": layout(7, slope_sd=np.full(CURVES, 1e4)),
    "almost exact cells": layout(8, variance=np.full((CURVES, KNOTS, SLOTS), 1e-4)),
}


@pytest.mark.parametrize("which", CASES)
def test_value_and_gradient_are_those_of_the_unrolled_filter(which, walk, reference):
    given = CASES[which].values()
    for got, wanted in zip(walk(*given), reference(*given), strict=True):
        assert np.isfinite(wanted).all()
        np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-9 * np.abs(wanted).max())


def test_strided_inputs_are_read_as_they_lie(walk, reference):
    given = CASES["as it comes"]
    strided = {name: np.asfortranarray(value) for name, value in given.items()}
    for got, wanted in zip(walk(*strided.values()), reference(*given.values()), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", NDIM)
def test_arrays_that_do_not_go_together_are_refused(name, walk):
    given = layout(0)
    given[name] = np.concatenate([given[name], given[name][:1]])
    with pytest.raises(ValueError, match="must have one shape"):
        walk(*given.values())
    assert name in MISMATCH


def test_the_number_of_dims_is_checked_when_the_graph_is_built():
    one = np.ones((1, 1, 1))
    with pytest.raises(ValueError, match="2 dims"):
        walk_loglikelihood(one, one, one, np.zeros(1), np.ones(1), 1)


def test_the_number_of_knots_is_checked_where_it_is_known():
    one = np.ones((1, 1, 1))
    with pytest.raises(ValueError, match="2 knots, not 1"):
        walk_loglikelihood(one, one, one, np.zeros((1, 2)), np.ones(1), 1)


def test_second_derivatives_are_refused_and_not_wrong():
    residual = pt.tensor3()
    one = np.ones((1, 1, 1))
    value = walk_loglikelihood(residual, one, one, np.zeros((1, 1)), np.ones(1), 1)
    first = pt.grad(value.sum(), residual)
    with pytest.raises(NullTypeGradError, match="no second derivatives"):
        pt.grad(first.sum(), residual)


def test_the_compiled_form_can_be_kept_on_disk():
    one = pt.as_tensor(np.ones((1, 1, 1)))
    node = walk_loglikelihood(one, one, one, np.zeros((1, 1)), np.ones(1), 1).owner
    _, key = numba_funcify_and_cache_key(WalkFilter(), node=node)
    assert key


def call(made, point):
    """Log-density and gradient as nutpie's sampler asks for them."""
    logp, gradient = np.empty(1), np.empty(point.size)
    pointers = [x.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for x in (point, gradient, logp)]
    assert made.compiled_logp_func.ctypes(point.size, *pointers, made.user_data.ctypes.data) == 0
    return logp[0], gradient


def test_a_compiled_model_takes_other_data(reference):
    """As a re-fit does: another layout of the same shape in the same machine code."""
    first, second = CASES["as it comes"], CASES["knots and a curve without cells"]
    with pm.Model() as model:
        data = {name: pm.Data(name, first[name]) for name in ("variance", "used", "distance", "slope_sd")}
        residual = pm.Flat("residual", shape=first["residual"].shape)
        weights = np.arange(1.0, CURVES + 1)
        pm.Potential("curves", pt.sum(weights * walk_loglikelihood(residual, *data.values(), KNOTS)))
    made = nutpie.compile_pymc_model(model)
    for given in (first, second):
        value, slopes, *_ = reference(*given.values())
        now = made.with_data(**{name: given[name] for name in data})
        logp, gradient = call(now, given["residual"].ravel())
        assert logp == pytest.approx(weights @ value)
        np.testing.assert_allclose(gradient, slopes.ravel(), rtol=1e-8, atol=1e-12)
