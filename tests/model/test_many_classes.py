"""Judgements among more classes than each annotator could have a confusion matrix for."""

import importlib

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from pytensor.gradient import NullTypeGradError
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key

from labelvalue import testing
from labelvalue.label_quality import estimate_label_noise
from labelvalue.model.annotators import label_noise
from labelvalue.model.annotators.judgements import DENSE_CLASSES, count_judgements, majority_levels
from labelvalue.model.annotators.label_noise import MANY_ACCEPT, class_probabilities, noise_from
from labelvalue.model.annotators.true_class import SumOverTruth, sum_over_truth
from labelvalue.model.hierarchy.specification import get_label_model
from labelvalue.model.sampling.diagnostics import Diagnostics, SamplerSettings, figures_of
from labelvalue.model.sampling.sampling import compile_model, sample_once
from tests.model.test_annotators import brute

SAMPLE = ("chain", "draw")
CLASSES = DENSE_CLASSES + 2
dawid_skene = importlib.import_module("labelvalue_models.annotators.dawid_skene")


def counted(votes, classes=CLASSES, references=4, items=15):
    truth = testing.fake_annotation_truth(seed=2, classes=classes, annotators=max(4, votes), slices=("a", "b"))
    table = testing.fake_annotations(seed=2, truth=truth, items=items, votes=votes, references=references)
    return count_judgements(table, classes=[f"class {k:02d}" for k in range(classes)])[0]


def drawn(judgements, seed=1):
    rng = np.random.default_rng(seed)
    slices, people, classes = (judgements.sizes[d] for d in ("slice", "annotator", "true_class"))
    return {
        "ability": rng.normal(1.5, 0.5, people),
        "of_slice": rng.normal(0, 0.3, slices),
        "of_class": rng.normal(0, 0.5, classes),
        "confusing": rng.normal(0, 1.0, (classes, classes - 1)),
        "class_level": rng.normal(0, 0.5, classes),
        "class_of_slice": rng.normal(0, 0.5, (slices, classes)),
    }


@pytest.mark.parametrize("votes", [1, 3, 11])
def test_the_likelihood_is_that_of_enumeration(votes):
    """All classes are weighed, also those that nobody voted for; eleven votes are more than are multiplied at once."""
    judgements = counted(votes)
    made = drawn(judgements)
    expected, chances = brute(made, judgements, CLASSES)
    tensors = {name: pt.as_tensor(value) for name, value in made.items()}
    count = judgements["count"].values
    assert (judgements["truth"] >= 0).any()
    assert float(dawid_skene._many(judgements, tensors, count).eval(mode="FAST_COMPILE")) == pytest.approx(expected)
    dims = {n: [f"{n}{i}" for i in range(v.ndim)] for n, v in made.items()}
    posterior = xr.Dataset({n: (("chain", "draw", *dims[n]), v[None, None]) for n, v in made.items()})
    np.testing.assert_allclose(class_probabilities(posterior, judgements), chances, atol=1e-12)


def enumerated(tables, judgements, count):
    """Log likelihood, every pattern and class for itself, in logarithms throughout."""
    prevalence, right, wrong, share = tables
    total = 0.0
    for place, truth, group, label, items in zip(*judgements, count, strict=True):
        told = np.zeros(len(share))
        for who, said in zip(group[group >= 0], label[group >= 0], strict=True):
            told += np.where(np.arange(len(share)) == said, right[who], wrong[who] + share[said])
        total += items * (told[truth] if truth >= 0 else np.logaddexp.reduce(told + prevalence[place]))
    return total


@pytest.fixture(scope="module")
def compiled():
    """The operation alone, with its derivatives, as numba compiles it."""
    kinds = [pt.dmatrix() for _ in range(4)] + [pt.lvector(), pt.lvector(), pt.lmatrix(), pt.lmatrix(), pt.dvector()]
    total = SumOverTruth()(*kinds)
    return pytensor.function(kinds, [total, *pt.grad(total, kinds[:4])], mode="NUMBA")


def test_compiled_value_and_gradient_are_those_of_enumeration(compiled):
    """Nine votes and more, some items of known class, some of several; the derivatives by finite differences."""
    judgements = counted(9)
    rng = np.random.default_rng(1)
    slices, groups = judgements.sizes["slice"], judgements.sizes["group"]
    shapes = (slices, CLASSES), (groups, CLASSES), (groups, CLASSES), (CLASSES, CLASSES)
    tables = [-rng.exponential(1.0, shape) - 0.05 for shape in shapes]
    data = [judgements[n].values.astype(np.int64) for n in ("slice_code", "truth", "group_code", "label_code")]
    data[2][3, 4:], data[3][3, 4:] = -1, -1
    count = np.linspace(1.0, 3.0, judgements["count"].size)
    value, *gradients = compiled(*tables, *data, count)
    assert float(value) == pytest.approx(enumerated(tables, data, count))
    python = [np.zeros(shape) for shape in shapes]
    assert sum_over_truth(tuple(tables), tuple(data), count, python) == pytest.approx(float(value))
    for table, gradient, same in zip(tables, gradients, python, strict=True):
        np.testing.assert_allclose(gradient, same, rtol=1e-10)
        for place in rng.choice(table.size, 12, replace=False):
            at, step = np.unravel_index(place, table.shape), []
            for move in (1e-5, -2e-5):
                table[at] += move
                step.append(enumerated(tables, data, count))
            table[at] += 1e-5
            assert gradient[at] == pytest.approx((step[0] - step[1]) / 2e-5, rel=1e-5, abs=1e-5)


def test_four_hundred_votes_on_an_item_are_not_too_many(compiled):
    tables = np.log([[0.6, 0.4]]), np.log([[0.9, 0.8]]), np.log([[0.1, 0.2]]), np.zeros((2, 2))
    label = np.arange(400)[None] % 2
    total = compiled(*tables, np.array([0]), np.array([-1]), 0 * label, label, np.array([3.0]))[0]
    by_class = np.log([0.6, 0.4]) + 200 * (np.log([0.9, 0.8]) + np.log([0.1, 0.2]))
    assert float(total) == pytest.approx(3 * np.logaddexp(*by_class))


def test_codes_outside_of_the_tables_are_refused(compiled):
    """Loops would read, and write, beyond the ends of the tables."""
    tables = np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((2, 2))
    for fault in ({"group": [[1]]}, {"label": [[2]]}, {"place": [1]}, {"truth": [2]}, {"count": [1.0, 1.0]}):
        given = {"place": [0], "truth": [-1], "group": [[0]], "label": [[0]], "count": [1.0]} | fault
        for run in (compiled, lambda *given: SumOverTruth()(*given).eval(mode="FAST_COMPILE")):
            with pytest.raises(ValueError, match="do not go with the tables"):
                run(*tables, *map(np.array, given.values()))


def test_second_derivatives_are_refused_and_not_wrong():
    prevalence, one = pt.matrix(), np.zeros((1, 2))
    total = SumOverTruth()(prevalence, one, one, np.zeros((2, 2)), [0], [-1], [[0]], [[0]], [1.0])
    first = pt.grad(total, prevalence)
    with pytest.raises(NullTypeGradError, match="no second derivatives"):
        pt.grad(first.sum(), prevalence)
    assert numba_funcify_and_cache_key(SumOverTruth(), node=total.owner)[1]


def test_beyond_ten_classes_annotators_share_a_matrix():
    model = get_label_model("dawid_skene")
    few, many = (
        {v.name for v in model.build(j, model.priors).free_RVs} for j in (counted(3, DENSE_CLASSES), counted(3))
    )
    assert few - many == {"leaning_spread", "leaning_deviation", "own_confusing_spread", "own_confusing_deviation"}
    assert many < few


def test_chains_of_many_classes_start_at_what_the_majority_says():
    """From anywhere else a chain of fifty classes spent hundreds of gradients on each of its first draws."""
    truth = testing.fake_annotation_truth(seed=3, annotators=6, classes=CLASSES)
    judgements, _ = count_judgements(testing.fake_annotations(seed=3, truth=truth, items=500, votes=3))
    start = majority_levels(judgements, 2.0)
    actual = -np.log(1.0 / (1.0 - truth["annotator_noise"].values) - 1.0)
    assert np.corrcoef(start["ability"], actual)[0, 1] > 0.95
    assert {name: value.shape for name, value in start.items()} == {
        "ability": (6,), "of_slice": (4,), "of_class": (CLASSES,), "confusing": (CLASSES, CLASSES - 1)
    }  # fmt: skip
    for name in ("of_slice", "of_class", "confusing"):
        np.testing.assert_allclose(start[name].sum(-1), 0.0, atol=1e-9)
    model = get_label_model("dawid_skene")
    built = model.build(judgements, model.priors)
    np.testing.assert_allclose(built.rvs_to_initial_values[built["ability"]], start["ability"])
    once = judgements.assign(count=0.0 * judgements["count"])
    np.testing.assert_allclose(majority_levels(once, 2.0)["ability"], 2.0)


@pytest.mark.slow(reason="a real fit of fourteen classes")
def test_noise_among_many_classes_is_recovered():
    """Annotators who confuse what everybody confuses, so that two wrong votes on an item are often the same."""
    classes = CLASSES + 2
    truth = testing.fake_annotation_truth(seed=3, slices=("north", "south"), annotators=8, classes=classes, ability=1.2)
    rng = np.random.default_rng(3)
    confusion = truth["confusion"].values.copy()
    for k in range(classes):
        others = [c for c in range(classes) if c != k]
        wrong = 1.0 - confusion[..., k, k]
        confusion[..., k, others] = wrong[..., None] * rng.dirichlet(np.full(classes - 1, 0.5))
    truth = truth.assign(confusion=(truth["confusion"].dims, confusion))
    table = testing.fake_annotations(seed=3, truth=truth, items=600, votes=3)
    judgements, items = count_judgements(table)
    model = get_label_model("dawid_skene")
    made = compile_model(model.build(judgements, model.priors))
    tree = sample_once(made, SamplerSettings(draws=150, tune=200, chains=2, target_accept=MANY_ACCEPT, random_seed=1))
    assert figures_of(tree)["rhat"] < 1.1
    found = noise_from(tree["posterior"].to_dataset(), Diagnostics("ok", (), {}), judgements, items)
    for name in ("label_noise", "annotator_noise"):
        draws, actual = found.posterior[name], truth[name].values
        error = (draws.mean(SAMPLE).values - actual) / draws.std(SAMPLE).values
        assert np.abs(error).max() < 3.3, name
    known = pd.Series(table.attrs["truth"])
    labels = found.consensus.set_index("item")
    right = labels["label"] == known.loc[labels.index]
    majority = table[~table["reference"]].groupby("item")["label"].agg(lambda given: given.mode().iloc[0])
    assert right.mean() > (majority == known.loc[majority.index]).mean()
    assert labels["probability"].mean() == pytest.approx(right.mean(), abs=0.03)
    assert "confusion" not in found.posterior


@pytest.mark.slow
def test_at_the_boundary_both_models_say_the_same(monkeypatch):
    """Ten classes as few and as many: noise agrees within its widths."""
    truth = testing.fake_annotation_truth(seed=5, slices=("north", "south"), annotators=8, classes=DENSE_CLASSES)
    table = testing.fake_annotations(seed=5, truth=truth, items=600, votes=3)
    found = []
    for most in (DENSE_CLASSES, DENSE_CLASSES - 1):
        for module in (dawid_skene, label_noise, label_noise):
            monkeypatch.setattr(module, "DENSE_CLASSES", most)
        found.append(estimate_label_noise(table, draws=400, tune=400, progress=False, random_seed=1))
    few, many = found
    for name in ("label_noise", "annotator_noise"):
        one, other = few.posterior[name], many.posterior[name]
        apart = (one.mean(SAMPLE) - other.mean(SAMPLE)) / one.std(SAMPLE)
        assert float(np.abs(apart).max()) < 1.0, name
        assert 0.75 < float((other.std(SAMPLE) / one.std(SAMPLE)).mean()) < 1.25
    assert (few.consensus["label"] == many.consensus["label"]).mean() > 0.97
