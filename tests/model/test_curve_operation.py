"""A curve's log-likelihood as one operation against its plain definition, and the posterior as it was."""

from functools import partial

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import NullTypeGradError
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key

from labelvalue import Prior, get_model, names, read_runs
from labelvalue.model.curve.families import of_strategy, set_evaluation_noise
from labelvalue.model.curve.observations import FIRST_CELL, cell_names, discounted, in_a_row, observe
from labelvalue.model.curve.operation import MISMATCH, CurveLoglikelihood, Terms, curve_loglikelihood, differentiate
from labelvalue.model.fitting.arviz_tree import together
from labelvalue.model.hierarchy.building import CHURN, DECAY, ERROR, POWER, terms_of_cell
from labelvalue.testing import fake_runs

SIZES = (500, 1000, 4000)
COUNTS = ["slice", "labels", "other_labels", "errors", "trials"]


def table(rows, columns, **how):
    frame = pd.DataFrame(rows, columns=columns)
    return read_runs(frame if "replicate" in frame else frame.assign(replicate=np.arange(len(frame))), **how)


def strategies():
    rows = [
        (s, n, o, 20, 100, strategy, noise, diversity)
        for s in "ab" for n, o in ((100, 50), (200, 400)) for strategy in ("random", "margin", "diversity")
        for noise, diversity in ((0.0, 1.0), (0.2, 1.0), (0.1, 0.8))
    ]  # fmt: skip
    return observe(table(rows, [*COUNTS, "strategy", "label_noise", "diversity"]), classes=4)


def noisy():
    seen = observe(fake_runs(seed=3, slices=("east", "north", "west"), sizes=SIZES, replicates=2), classes=3)
    return set_evaluation_noise(seen, {"east": 0.02, "north": Prior("logitnormal", -3.0, 0.5)})


def batches():
    runs = fake_runs(seed=1, slices=("east", "west"), sizes=SIZES, replicates=4)
    batch = np.where(runs[names.REPLICATE].values % 2 == 0, "old", "new").astype(object)
    return observe(discounted(runs.assign({names.BATCH: (names.RUN, batch)}), {"old": 0.3}))


def without_labels():
    rows = [("a", n, o, e, 200, r) for n, o, e in ((0, 600, 60), (100, 900, 50), (400, 1200, 33)) for r in range(2)]
    rows += [("b", n, n, 0, 200, r) for n in (300, 600) for r in range(3)]
    return observe(table(rows, [*COUNTS, "replicate"]))


def values():
    rng = np.random.default_rng(0)
    rows = [
        (s, n, 4 * (n / 2000) ** -0.2 * np.exp(0.02 * rng.standard_normal()), 0.12, r)
        for s in "ab" for n in (250, 500, 2000) for r in range(3)
    ]  # fmt: skip
    return observe(table(rows, ["slice", "labels", "value", "stderr", "replicate"], metric="rmse"))


def rising():
    rows = [
        (s, n, round(4000 * 0.2 * (n / 4000) ** k) + (r * 7) % 5, 4000, r, "one")
        for s, k in (("falls", -0.3), ("flat", 0.0), ("rises", 0.15)) for n in (250, 500, 1000, 2000, 4000)
        for r in range(3)
    ]  # fmt: skip
    return observe(table(rows, ["slice", "labels", "errors", "trials", "replicate", "evaluation_set"]))


def crossed():
    curves = enumerate((s, who, u) for s in "ab" for who in ("x", "y") for u in ("here", "moved"))
    rows = [
        (*curve, n, 40 + 9 * i - n // 200 + 7 * (curve[0] == "a"), 400, r)
        for i, curve in curves for n in (1000, 4000) for r in range(2)
    ]  # fmt: skip
    return observe(table(rows, ["slice", "learner", "suite", "labels", "errors", "trials", "replicate"]))


def one_curve():
    return observe(table([("a", 500, 0, 40, 200), ("a", 500, 0, 44, 200)], COUNTS))


WORLDS = {
    "plain": lambda: observe(fake_runs(seed=1, slices=("a", "b", "c"), sizes=SIZES, replicates=2)),
    "strategies": strategies,
    "evaluation noise": noisy,
    "discount": batches,
    "no labels": without_labels,
    "values": values,
    "rising": rising,
    "crossed": crossed,
    "one curve": one_curve,
}
FAMILIES = ("power_law", "exponential", "morgan_mercer_flodin", "broken_power_law")
CASES = [(family, "plain") for family in FAMILIES] + [("power_law", world) for world in WORLDS if world != "plain"]
CASES += [("broken_power_law", "strategies"), ("exponential", "evaluation noise")]


class Density:
    """The operation on some observations, with parameters by curve, and its plain definition."""

    def __init__(self, family, world):
        seen, model = WORLDS[world](), get_model(family)
        shape, curve = model.build.args
        how = {"upper": float(seen.attrs[names.UPPER]), "classes": seen.attrs[names.CLASSES]}
        self.definition = partial(terms_of_cell, shape=shape, curve=curve, **how)
        self.of_cell, self.row = cell_names(seen), in_a_row(seen)
        self.curves = self.row[FIRST_CELL].size - 1
        rng = np.random.default_rng(7)
        self.given = {name: rng.uniform(-0.7, 0.7, self.curves) for name in (ERROR, *model.stems, POWER)}
        self.given |= {DECAY: rng.uniform(0.2, 1.0, self.curves), CHURN: rng.uniform(0.1, 0.9, self.curves)}
        more = [names.TRANSFER] * bool(seen[names.OTHER_LABELS].any())
        more += [names.NOISE_COST] * bool(seen[names.LABEL_NOISE].any())
        more += [names.DIVERSITY_POWER] * (names.LOG_DIVERSITY in seen)
        for place in range(1, len(seen.attrs[names.STRATEGIES])):
            more += [of_strategy(names.EFFICIENCY, place), of_strategy(names.EFFICIENCY_TREND, place)]
        self.given |= {name: rng.uniform(0.0, 0.3, self.curves) for name in more}
        if "noise_center" in seen:
            self.given[names.EVALUATION_NOISE] = rng.uniform(0.0, 0.03, self.curves)

    def plain(self, **changed):
        """Log-likelihood of each curve: the definition on arrays, and a dense Gaussian."""
        found = np.zeros(self.curves)
        for curve, (begin, end) in enumerate(zip(self.row[FIRST_CELL][:-1], self.row[FIRST_CELL][1:], strict=True)):
            given = {name: value[curve] for name, value in (self.given | changed).items()}
            data = {name: self.row[name][begin:end] for name in self.of_cell}
            data |= {
                n: v if v.ndim == 0 else v[curve] for n, v in self.row.items() if n not in data and n != FIRST_CELL
            }
            terms = self.definition(given, data)
            every = [np.broadcast_to(term, end - begin) for term in terms[:4]]
            found[curve] = together(*every[:2], np.array(terms.slope_sd), data["distance"]) + sum(every[2:]).sum()
        return found

    def inputs(self):
        return [pt.TensorType("float64", (None,))(name=name) for name in self.given]

    def operation(self, inputs):
        return curve_loglikelihood(self.definition, dict(zip(self.given, inputs, strict=True)), self.row, self.of_cell)


@pytest.fixture(scope="module")
def density():
    made = {}
    return lambda *which: made.setdefault(which, Density(*which))


@pytest.mark.parametrize("which", CASES, ids=", ".join)
def test_value_and_derivatives_are_those_of_the_plain_definition(which, density):
    this = density(*which)
    node = this.operation(this.inputs()).owner
    terms, storage = node.op.terms, [[None] for _ in node.outputs]
    data = [np.broadcast_to(this.row[name], this.curves) for name in terms.of_curve]
    data += [this.row[name] for name in terms.of_cell]
    node.op.perform(node, [this.row[FIRST_CELL], this.row["distance"], *this.given.values(), *data], storage)
    np.testing.assert_allclose(storage[0][0], this.plain(), rtol=1e-9, atol=1e-9)
    for (slopes,), (name, value) in zip(storage[1:], this.given.items(), strict=True):
        ahead, behind = (this.plain(**{name: value + sign * 1e-5}) for sign in (1, -1))
        wanted = (ahead - behind) / 2e-5
        np.testing.assert_allclose(slopes, wanted, rtol=1e-4, atol=1e-5 * max(1.0, np.abs(wanted).max()), err_msg=name)


@pytest.mark.parametrize("which", [("power_law", "plain"), ("broken_power_law", "strategies")], ids=", ".join)
def test_compiled_it_is_the_same(which, density):
    this = density(*which)
    inputs = this.inputs()
    value = this.operation(inputs)
    outputs = [value, *pt.grad(pt.sum(value * np.arange(1.0, this.curves + 1)), inputs)]
    fast, slow = (
        pytensor.function(inputs, outputs, mode=mode) for mode in ("NUMBA", pytensor.compile.mode.Mode("py", None))
    )
    for got, wanted in zip(fast(*this.given.values()), slow(*this.given.values()), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-10)


def line(parameters, data):
    return Terms(data["y"] - parameters["level"], data["v"], 0.0, 0.0, parameters["walk"])


def of_line(level, cells=3):
    data = {FIRST_CELL: np.array([0, 1, cells]), "distance": np.zeros(cells), "y": np.ones(cells), "v": np.ones(cells)}
    return curve_loglikelihood(line, {"level": level, "walk": 0.1}, data, ["y", "v"])


@pytest.mark.parametrize("changed", range(6))
@pytest.mark.parametrize("mode", ["NUMBA", pytensor.compile.mode.Mode("py", None)], ids=["numba", "python"])
def test_arrays_that_do_not_go_together_are_refused(changed, mode):
    """Compiled loops would run beyond them."""
    op = CurveLoglikelihood(differentiate(line, ["level", "walk"], [], ["y", "v"]))
    inputs = [pt.lvector(), *(pt.dvector() for _ in range(5))]
    given = [np.array([0, 1, 3]), np.zeros(3), np.zeros(2), np.zeros(2), np.ones(3), np.ones(3)]
    call = pytensor.function(inputs, op(*inputs), mode=mode)
    assert np.isfinite(call(*given)).all()
    given[changed] = np.concatenate([given[changed], given[changed][:1]])
    with pytest.raises(ValueError, match="first_cell"):
        call(*given)
    assert "first_cell" in MISMATCH


def test_second_derivatives_are_refused_and_not_wrong():
    level = pt.dvector()
    first = pt.grad(of_line(level).sum(), level)
    with pytest.raises(NullTypeGradError, match="no second derivatives"):
        pt.grad(first.sum(), level)


def test_the_number_of_dims_is_checked_when_the_graph_is_built():
    with pytest.raises(ValueError, match="vectors"):
        of_line(pt.dmatrix())


def test_a_definition_that_is_no_arithmetic_is_refused():
    with pytest.raises(TypeError, match="arithmetic on numbers"):
        differentiate(lambda p, d: Terms(pt.sum(pt.stack([p["a"], d["y"]])), 1.0, 0.0, 0.0, 0.0), ["a"], [], ["y"])


def test_equal_arithmetic_is_compiled_once_and_kept_on_disk_and_other_arithmetic_is_not_taken_for_it():
    nodes = [of_line(pt.dvector()).owner, of_line(pt.dvector(), cells=7).owner]
    keys = [numba_funcify_and_cache_key(node.op, node=node)[1] for node in nodes]
    assert keys[0] is not None
    assert keys[0] == keys[1]
    other = CurveLoglikelihood(
        differentiate(lambda p, d: line(p, d)._replace(beside=1.0), ["level", "walk"], [], ["y", "v"])
    )
    assert numba_funcify_and_cache_key(other)[1] != keys[0]
