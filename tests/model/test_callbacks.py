"""What nutpie's sampler calls: the numbers of nutpie's own wrappers, compiled once for all data of a shape."""

from __future__ import annotations

import ctypes

import numpy as np
import nutpie
import pymc as pm
import pytest
from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS

from labelvalue import names
from labelvalue.model import callbacks
from labelvalue.model.catalogue import get_model
from labelvalue.model.observations import observe
from labelvalue.model.sampling import SamplerSettings, compile_model, sample_once
from labelvalue.testing import fake_runs

ADDRESS, COUNT = ctypes.c_void_p, ctypes.c_uint64


def model_of(data: np.ndarray) -> pm.Model:
    with pm.Model(coords={"place": range(3)}) as model:
        seen = pm.Data("seen", data, shape=data.shape)
        times = pm.Data("times", np.array(2, dtype=np.int64))
        center = pm.Normal("center", 0.0, 1.0, dims="place", initval=np.zeros(3))
        spread = pm.Gamma("spread", 2.0, 1.0)
        pm.Deterministic("twice", times * center, dims="place")
        pm.Potential("likelihood", pm.logp(pm.Normal.dist(center, spread), seen).sum())
    return model


def called(compiled, x: np.ndarray) -> tuple[int, float, np.ndarray]:
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, COUNT, ADDRESS, ADDRESS, ADDRESS, ADDRESS)
    gradient, value = np.empty(x.size), np.empty(())
    arrays = (a.ctypes.data for a in (x, gradient, value, compiled.user_data))
    status = kind(compiled.compiled_logp_func.address)(x.size, *arrays)
    return status, float(value), gradient


def expanded(compiled, x: np.ndarray) -> np.ndarray:
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, COUNT, COUNT, ADDRESS, ADDRESS, ADDRESS)
    out = np.empty(compiled.n_expanded)
    arrays = (a.ctypes.data for a in (x, out, compiled.user_data))
    assert kind(compiled.compiled_expand_func.address)(x.size, out.size, *arrays) == 0
    return out


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return np.array([[0.1, 0.5, -0.3], [0.2, 0.4, -0.1]])


@pytest.fixture(scope="module")
def compiled(data):
    return compile_model(model_of(data))


def test_density_gradient_and_variables_are_those_of_nutpies_own_wrappers(compiled, data):
    theirs = nutpie.compile_pymc_model(model_of(data))
    x = np.random.default_rng(1).normal(size=compiled.n_dim)
    assert compiled.n_dim == theirs.n_dim == 4
    assert compiled.shapes == theirs.shapes
    assert {k: list(v) for k, v in compiled.coords.items()} == {k: list(v) for k, v in theirs.coords.items()}
    status, value, gradient = called(compiled, x)
    assert status == 0
    np.testing.assert_allclose(value, called(theirs, x)[1], rtol=1e-12)
    np.testing.assert_allclose(gradient, called(theirs, x)[2], rtol=1e-10)
    np.testing.assert_allclose(expanded(compiled, x), expanded(theirs, x), rtol=1e-12)


def test_what_is_not_finite_is_said_so(compiled):
    assert called(compiled, np.full(4, np.nan))[0] != 0


def test_other_data_of_the_same_shape_is_found_compiled(compiled, data):
    """A nightly re-fit compiles nothing, whatever process and whatever data it is of."""
    again = compile_model(model_of(data + 1.0))
    assert again.compiled_logp_func.cache_hits == again.compiled_expand_func.cache_hits == 1
    x = np.zeros(4)
    assert called(again, x)[1] < called(compiled, x)[1]
    assert called(again, x)[1] == called(compiled.with_data(seen=data + 1.0), x)[1]


def test_another_shape_is_compiled_of_its_own(data):
    fewer = compile_model(model_of(data[:1]))
    more = compile_model(model_of(data))
    assert called(fewer, np.zeros(4))[1] > called(more, np.zeros(4))[1]  # every datum takes some away


def test_it_samples(compiled):
    tree = sample_once(compiled, SamplerSettings(draws=50, tune=100, chains=2, random_seed=3))
    posterior = tree["posterior"].to_dataset()
    np.testing.assert_allclose(posterior["twice"], 2 * posterior["center"])
    assert posterior["center"].dims == ("chain", "draw", "place")


@pytest.mark.parametrize("upper", [1.0, np.inf])
def test_no_number_of_the_runs_is_a_constant_of_the_model(upper, monkeypatch):
    """Else a fit of tomorrow's runs in today's layout would be compiled again."""
    monkeypatch.setattr(callbacks.numba, "cfunc", lambda *_, **__: CACHED_SRC_FUNCTIONS.__getitem__)
    model = get_model("power_law")
    runs = [fake_runs(seed=seed).assign_attrs({names.UPPER: upper}) for seed in (1, 2)]
    runs[1][names.LABELS] = runs[1][names.LABELS] + 2
    built = [compile_model(model.build(observe(table), model.priors)) for table in runs]
    for kind in ("compiled_logp_func", "compiled_expand_func"):
        first, second = (getattr(compiled, kind) for compiled in built)
        assert first == second
    assert any((built[0].shared_data[key] != built[1].shared_data[key]).any() for key in built[0].shared_data)
