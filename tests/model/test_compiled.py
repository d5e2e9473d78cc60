"""A compiled model: the numbers of nutpie's own wrappers, compiled once for all data of a shape, found by its graph."""

import json
import subprocess
import sys

import numpy as np
import nutpie
import pymc as pm
import pytensor.tensor as pt
import pytest

from labelvalue import names
from labelvalue.model.curve.observations import observe
from labelvalue.model.hierarchy.specification import get_model
from labelvalue.model.sampling import compiled as compiling, hmc
from labelvalue.model.sampling.sampling import compile_model
from labelvalue.testing import fake_runs


def model_of(data: np.ndarray, width: float = 1.0) -> pm.Model:
    with pm.Model(coords={"place": range(3)}) as model:
        seen = pm.Data("seen", data, shape=data.shape)
        times = pm.Data("times", np.array(2, dtype=np.int64))
        center = pm.Normal("center", 0.0, width, dims="place", initval=np.zeros(3))
        spread = pm.Gamma("spread", 2.0, 1.0)
        pm.Deterministic("twice", times * center, dims="place")
        pm.Potential("likelihood", pm.logp(pm.Normal.dist(center, spread), seen).sum())
    return model


def called(made, x: np.ndarray) -> tuple[float, np.ndarray]:
    slopes = np.empty((1, x.size))
    return float(hmc.gradients(made.density, made.pointers(), x[None], slopes)[0]), slopes[0]


def expanded(made, x: np.ndarray) -> np.ndarray:
    out = np.empty((1, made.layout.outputs))
    assert hmc.expand(made.variables, made.pointers(), x[None], out) == 0
    return out[0]


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return np.array([[0.1, 0.5, -0.3], [0.2, 0.4, -0.1]])


@pytest.fixture(scope="module")
def made(data):
    return compile_model(model_of(data)).model


def test_density_gradient_and_variables_are_pytensors_own(made, data):
    theirs = nutpie.compile_pymc_model(model_of(data))
    x = np.random.default_rng(1).normal(size=4)
    ours = made.for_nutpie()
    assert ours.n_dim == theirs.n_dim == 4
    assert ours.shapes == theirs.shapes
    assert {k: list(made.coords[k]) for k in made.coords} == {"place": [0, 1, 2]}
    value, gradient = called(made, x)
    expected = theirs.logp_func(x)
    np.testing.assert_allclose(value, expected[0], rtol=1e-12)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-10)
    np.testing.assert_allclose(expanded(made, x), theirs.expand_func(x)[0], rtol=1e-12)


def test_what_is_not_finite_is_said_so(made):
    assert called(made, np.full(4, np.nan))[0] == -np.inf


def test_other_data_of_the_same_shape_is_found_compiled_without_rewriting_a_graph(made, data, monkeypatch):
    """A nightly re-fit compiles nothing, whatever process and whatever data it is of."""
    monkeypatch.setattr(compiling, "_compile", lambda *_: pytest.fail("the graph is rewritten"))
    again = compile_model(model_of(data + 1.0)).model
    assert again.density.cache_hits == again.variables.cache_hits == 1
    x = np.zeros(4)
    assert called(again, x)[0] < called(made, x)[0]
    assert called(again, x)[0] == called(made.with_data(seen=data + 1.0), x)[0]
    with pytest.raises(KeyError, match="no data nothing"):
        made.with_data(nothing=data)


@pytest.mark.parametrize("lost", ["machine code", "recipe", "both"])
def test_what_is_lost_of_the_cache_is_made_again(data, lost, monkeypatch):
    model = model_of(data, width=2.0)
    x = np.array([0.1, 0.2, 0.3, 0.4])
    before = called(compile_model(model).model, x)
    file = compiling._recipe_file(compiling.fingerprint(model, compiling._shared_of(model)))
    recipe = json.loads(file.read_text())
    if lost in ("machine code", "both"):
        file.write_text(json.dumps(recipe | {"inner": ["0" * 64, "1" * 64]}))
    if lost in ("recipe", "both"):
        file.write_text(file.read_text()[:40])
    after = called(compile_model(model_of(data, width=2.0)).model, x)
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert json.loads(file.read_text()) == recipe


def test_another_model_has_another_fingerprint(data):
    def mark(model):
        return compiling.fingerprint(model, compiling._shared_of(model))

    first = mark(model_of(data))
    assert mark(model_of(data + 1.0)) == first
    others = [mark(model_of(data[:1])), mark(model_of(data, width=3.0))]
    with model_of(data) as model:
        pm.Deterministic("more", 2.0 * model["spread"])
    assert len({first, *others, mark(model)}) == 4


def test_an_operation_made_of_others_has_the_fingerprint_of_what_it_computes(data):
    """PyTensor pickles one with the counted names of its inner graph, which are others each time it is built."""

    def mark(axis):
        with model_of(data) as model:
            pm.Potential("more", pt.logsumexp(model["seen"] * model["center"], axis=axis).sum())
        return compiling.fingerprint(model, compiling._shared_of(model))

    assert mark(0) == mark(0)
    assert len({None, mark(0), mark(1)}) == 3


@pytest.mark.parametrize("upper", [1.0, np.inf])
def test_no_number_of_the_runs_is_a_constant_of_the_model(upper):
    """Else a fit of tomorrow's runs in today's layout would be compiled again."""
    model = get_model("power_law")
    runs = [fake_runs(seed=1).assign_attrs({names.UPPER: upper}) for _ in range(2)]
    runs[1][names.LABELS] = runs[1][names.LABELS] + 2
    runs[1][names.ERRORS] = runs[1][names.ERRORS] + 1
    built = [model.build(observe(table), model.priors) for table in runs]
    first, second = (compiling.fingerprint(one, compiling._shared_of(one)) for one in built)
    assert first is not None
    assert first == second
    assert any((a.get_value() != b.get_value()).any() for a, b in zip(*(m.data_vars for m in built), strict=True))


def test_a_command_finds_what_another_script_compiled():
    """PyTensor notes in a graph the lines that made it, and counts variables: no part of the model, or each script
    would compile anew."""
    ask = """
from labelvalue.model.sampling import compiled
from labelvalue.model.curve.observations import observe
from labelvalue.model.hierarchy.specification import get_model
from labelvalue.testing import fake_runs
model = get_model("power_law")
built = model.build(observe(fake_runs(seed=1)), model.priors)
print(compiled.fingerprint(built, compiled._shared_of(built)))
"""
    told = [
        subprocess.run([sys.executable, "-c", before + ask], check=True, capture_output=True, text=True).stdout
        for before in ("", "import pytensor.tensor as pt\n\nmade = pt.dscalar() + pt.dscalar()\n")
    ]
    assert len(told[0].strip()) == 64
    assert told[0] == told[1]
