"""Judgements with wrong ones among them: counted, modelled, and told apart."""

import dataclasses
import importlib
import itertools
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from labelvalue import Case, InputError, summarise, testing
from labelvalue.decisions.case.case import parse_case
from labelvalue.forecast.interventions.intervention import noise_draws
from labelvalue.label_quality import estimate_label_noise
from labelvalue.model.annotators.judgements import count_judgements, log_confusion, log_prevalence
from labelvalue.model.annotators.label_noise import class_probabilities
from labelvalue.model.hierarchy.specification import LABEL_GROUP, get_label_model
from labelvalue.observe.exports.annotations import settled
from tests.model import make_crowd_kit

SAMPLE = ("chain", "draw")


def judged(*rows, kind="choice"):
    """An annotations table from (item, annotator, label) and further columns."""
    columns = ["item", "annotator", "label", "slice", "reference", "question"]
    defaults = ("all", False, "")
    full = [(*row, *defaults[len(row) - 3 :]) for row in rows]
    table = pd.DataFrame(full, columns=columns).assign(kind=kind, source_id=[str(i) for i in range(len(full))])
    return settled(table, batch="b")


def em(votes, classes, annotators, rounds=200):
    """Dawid and Skene's own EM, written down here as an independent reference; votes are (item, annotator, class)."""
    items = votes[:, 0].max() + 1
    told = np.zeros((items, annotators, classes))
    told[votes[:, 0], votes[:, 1], votes[:, 2]] = 1.0
    truth = told.sum(1) / told.sum((1, 2))[:, None]
    for _ in range(rounds):
        prevalence = truth.mean(0)
        confusion = np.einsum("ik,ial->akl", truth, told) + 0.01
        confusion /= confusion.sum(-1, keepdims=True)
        logs = np.log(prevalence) + np.einsum("ial,akl->ik", told, np.log(confusion))
        truth = np.exp(logs - logs.max(1, keepdims=True))
        truth /= truth.sum(1, keepdims=True)
    return truth, confusion, prevalence


@pytest.fixture(scope="session")
def campaign():
    """A campaign with known annotators, in one slice for the EM and for crowd-kit to follow."""
    return make_crowd_kit.campaign()


@pytest.fixture(scope="session")
def estimated(campaign):
    return estimate_label_noise(campaign[1], draws=300, tune=200, chains=2, progress=False, random_seed=1)


def test_items_judged_alike_are_one_pattern():
    table = judged(("1", "a", "x"), ("1", "b", "y"), ("2", "b", "y"), ("2", "a", "x"), ("3", "a", "x"))
    judgements, items = count_judgements(table)
    assert sorted(judgements["count"].values) == [1, 2]
    assert items.set_index("item")["pattern"].nunique() == 2
    assert judgements["judged"].values.tolist() == [3, 2]
    assert int(judgements["count"].sum()) == len(items) == 3


def test_the_order_of_rows_changes_nothing():
    table = testing.fake_annotations(seed=1, items=30)
    mixed = table.sample(frac=1.0, random_state=1)
    one, other = count_judgements(table)[0], count_judgements(mixed)[0]
    assert one.equals(other)


def test_one_person_is_heard_once_and_yes_no_is_one_question():
    again = judged(("1", "a", "x"), ("1", "a", "y"), ("1", "b", "x"))
    assert count_judgements(again)[0]["judged"].values.tolist() == [1, 1]
    asked = judged(
        ("1", "a", "A", "all", False, "A"), ("1", "b", "not A", "all", False, "A"), ("1", "a", "B", "all", False, "B")
    )
    judgements, items = count_judgements(asked)
    assert judgements["true_class"].values.tolist() == ["no", "yes"]
    assert len(items) == 2


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (judged(("1", "a", "x"), ("2", "b", "y")), "nothing tells errors"),
        (judged(*[(str(i), "a", f"c{i}") for i in range(51)], ("0", "b", "c0")), "more than 50 classes"),
        (judged(("1", "a", "x", "all", False, "p"), ("1", "b", "u", "all", False, "q")), "several questions"),
    ],
)
def test_what_tells_nothing_is_refused(table, says):
    with pytest.raises(InputError, match=says):
        count_judgements(table)
    with pytest.raises(InputError, match="no counts of wrong labels"):
        count_judgements(None, audits={"all": (7, 5)})
    with pytest.raises(InputError, match="label 'x' is none of the classes"):
        count_judgements(judged(("1", "a", "x"), ("1", "b", "x")), classes=["y", "z"])


def levels(slices, annotators, classes, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "ability": rng.normal(1.5, 0.5, annotators),
        "of_slice": rng.normal(0, 0.3, slices),
        "of_class": rng.normal(0, 0.3, classes),
        "leaning": rng.normal(0, 0.3, (annotators, classes)),
        "confusing": rng.normal(0, 0.5, (classes, classes - 1)),
        "own_confusing": rng.normal(0, 0.5, (annotators, classes, classes - 1)),
        "class_level": rng.normal(0, 0.5, classes),
        "class_of_slice": rng.normal(0, 0.5, (slices, classes)),
    }


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_confusion_is_a_distribution_over_labels(classes):
    made = levels(2, 4, classes)
    pairs = np.array(list(itertools.product(range(2), range(4))))
    table = np.exp(log_confusion(made, pairs[:, 0], pairs[:, 1], classes))
    np.testing.assert_allclose(table.sum(-1), 1.0)
    logit = made["ability"][3] + made["of_slice"][1] + made["of_class"][0] + made["leaning"][3, 0]
    assert table[-1, 0, 0] == pytest.approx(1 / (1 + np.exp(-logit)))


def brute(made, judgements, classes):
    """Log likelihood and truth of every pattern, item by item and class by class."""
    groups = judgements["group_slice"].values, judgements["group_annotator"].values
    table = np.exp(log_confusion(made, *groups, classes))
    share = np.exp(log_prevalence(made))
    total, truth = 0.0, []
    for p in range(judgements["count"].size):
        place, known = int(judgements["slice_code"][p]), int(judgements["truth"][p])
        chance = share[place].copy() if known < 0 else np.eye(classes)[known]
        for group, label in zip(judgements["group_code"].values[p], judgements["label_code"].values[p], strict=True):
            if group >= 0:
                chance = chance * table[group, :, label]
        total += float(judgements["count"][p]) * np.log(chance.sum())
        truth.append(chance / chance.sum())
    return total, np.array(truth)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_likelihood_is_that_of_enumeration(classes):
    import importlib

    from pytensor import tensor as pt

    truth = testing.fake_annotation_truth(seed=2, classes=classes, annotators=4, slices=("a", "b"))
    table = testing.fake_annotations(seed=2, truth=truth, items=25, votes=3, references=4)
    judgements, _ = count_judgements(table)
    made = levels(2, 4, classes)
    if classes == 2:
        made = {name: value for name, value in made.items() if "confusing" not in name}
    expected, chances = brute(made, judgements, classes)
    module = importlib.import_module("labelvalue_models.annotators.dawid_skene")
    tensors = {name: pt.as_tensor(value) for name, value in made.items()}
    assert float(
        module._dense(judgements, tensors, judgements["count"].values).eval(mode="FAST_COMPILE")
    ) == pytest.approx(expected)
    import xarray as xr

    dims = {n: [f"{n}{i}" for i in range(v.ndim)] for n, v in made.items()}
    posterior = xr.Dataset({n: (("chain", "draw", *dims[n]), v[None, None]) for n, v in made.items()})
    np.testing.assert_allclose(class_probabilities(posterior, judgements), chances, atol=1e-12)


def test_annotators_are_recovered(campaign, estimated):
    truth, _ = campaign
    assert estimated.diagnostics.verdict in ("ok", "flagged")
    low, high = (estimated.annotator_noise.quantile(q, SAMPLE).values for q in (0.005, 0.995))
    known = truth["annotator_noise"].values
    assert ((low <= known) & (known <= high)).all()
    mean = estimated.posterior["confusion"].mean(SAMPLE)
    diagonal = [mean.values[:, k, k] for k in range(3)]
    actual = [truth["confusion"].values[0][:, k, k] for k in range(3)]
    assert np.abs(np.array(diagonal) - np.array(actual)).mean() < 0.04
    noise = float(estimated.label_noise.mean())
    assert noise == pytest.approx(float(truth["label_noise"].mean()), abs=0.02)
    table = summarise(estimated.label_noise)
    assert table.loc[0, "slice"] == "all"
    assert table.loc[0, "lower"] < noise < table.loc[0, "upper"]


def test_consensus_beats_the_majority_and_knows_how_sure_it_is(campaign, estimated):
    _, table = campaign
    truth = pd.Series(table.attrs["truth"])
    consensus = estimated.consensus.set_index("item")
    right = consensus["label"] == truth.loc[consensus.index]
    majority = table.groupby("item")["label"].agg(lambda labels: labels.mode().iloc[0])
    assert right.mean() > (majority == truth.loc[majority.index]).mean()
    assert consensus["probability"].mean() == pytest.approx(right.mean(), abs=0.03)
    np.testing.assert_allclose(consensus.filter(like="p(").sum(axis=1), 1.0)


def test_what_is_estimated_is_what_a_case_states(estimated):
    """Intervals by slice with their origin; they hold the posterior, and a case file gives them back."""
    case = Case(costs={"price_per_label": 1}, value={"per_error_point": 1}, **estimated.quantities())
    assert case.label_noise_origin == "from annotations"
    assert list(case.label_noise) == ["all"]
    drawn = estimated.label_noise.sel(slice="all").values.ravel()
    stated = case.label_noise["all"]
    assert [stated.low, stated.high] == pytest.approx(np.quantile(drawn, [0.05, 0.95]))
    assert stated.quantile(0.5) == pytest.approx(np.median(drawn), rel=0.03)
    assert parse_case(case.to_toml()) == case


def test_shares_near_what_guessing_gives_are_stated_as_they_were_drawn(estimated):
    """Of two classes no more than half the labels can be wrong; no interval that goes beyond is given to a case."""
    rng = np.random.default_rng(1)
    shares = rng.uniform(0.3, 0.49, estimated.label_noise.shape)
    wild = estimated.posterior.assign(label_noise=estimated.label_noise.copy(data=shares))
    classes = estimated.judgements.isel(true_class=[0, 1])
    noisy = dataclasses.replace(estimated, posterior=wild, judgements=classes).quantities()["label_noise"]["all"]
    assert len(noisy) == 10
    assert sum(one.probability for one in noisy) == pytest.approx(1)
    assert all(one.value < 0.5 for one in noisy)
    assert np.mean([one.value for one in noisy]) == pytest.approx(0.395, abs=0.005)
    fit = testing.fake_fit(seed=1, draws=20, slices=("all", "other"))
    drawn, origin = noise_draws(fit, {"all": noisy, "other": 0.1}, "from annotations")
    assert float(drawn.max()) < 0.5
    assert origin == "from annotations"


def test_it_agrees_with_expectation_maximisation(campaign, estimated):
    _, table = campaign
    codes = [pd.Categorical(table[c]).codes for c in ("item", "annotator", "label")]
    told, confusion, prevalence = em(np.column_stack(codes).astype(int), 3, 6)
    wrong = 1 - np.einsum("akk,k->a", confusion, prevalence)
    np.testing.assert_allclose(estimated.annotator_noise.mean(SAMPLE), wrong, atol=0.04)
    labels = np.array(estimated.classes)[told.argmax(1)]
    ours = estimated.consensus.set_index("item").loc[pd.Categorical(table["item"]).categories, "label"]
    assert (labels == ours.to_numpy()).mean() > 0.97


def test_it_agrees_with_crowd_kit(campaign, estimated):
    """With the labels that crowd-kit gave for this very campaign, kept by ``make_crowd_kit.py``."""
    kept = json.loads(make_crowd_kit.FILE.read_text())
    assert kept["judgements_sha256"] == make_crowd_kit.digest(campaign[1])
    ours = estimated.consensus.set_index("item")["label"].sort_index()
    together = (ours == kept["dawid_skene"]).mean()
    assert together > 0.97
    assert together > (ours == kept["majority"]).mean()


@pytest.mark.filterwarnings("ignore:The .* keyword")  # crowd-kit's own use of pandas
def test_what_is_kept_is_what_crowd_kit_says(campaign):
    """Where it is installed: pip install --no-deps crowd-kit nltk regex."""
    pytest.importorskip("crowdkit.aggregation")
    kept = json.loads(make_crowd_kit.FILE.read_text())
    for name, labels in make_crowd_kit.labels_of(campaign[1]).items():
        assert labels.tolist() == kept[name], name


def test_audits_alone_tell_noise():
    audits = {"fr": (30, 300), "de": (6, 300), "it": (3, 20)}
    found = estimate_label_noise(audits=audits, draws=300, tune=200, chains=2, progress=False, random_seed=1)
    mean = found.label_noise.mean(SAMPLE)
    assert float(mean.sel(slice="fr")) == pytest.approx(0.1, abs=0.02)
    assert float(mean.sel(slice="de")) < 0.05
    low, high = (found.label_noise.quantile(q, SAMPLE) for q in (0.05, 0.95))
    assert float((high - low).sel(slice="it")) > float((high - low).sel(slice="fr"))
    # Pooled: few audits are drawn from what they say themselves towards the others, and say more with them.
    alone = stats.beta(0.5 + 3, 0.5 + 17)
    assert float(mean.sel(slice=["fr", "de"]).mean()) < float(mean.sel(slice="it")) < 0.15 < alone.mean()
    assert float((high - low).sel(slice="it")) < alone.ppf(0.95) - alone.ppf(0.05)
    assert found.consensus.empty


@pytest.mark.slow
def test_gold_items_alone_tell_noise(campaign):
    """Nobody judges an item twice; of half the items the truth is known, and the other half says nothing of noise."""
    _, table = campaign
    once = table.drop_duplicates("item")
    truth = pd.Series(table.attrs["truth"])
    known = once.iloc[::2]
    gold = known.assign(annotator="gold", label=truth.loc[known["item"]].to_numpy(), reference=True)
    found = estimate_label_noise(pd.concat([once, gold]), draws=300, tune=200, chains=2, progress=False, random_seed=1)
    right = known["label"].to_numpy() == truth.loc[known["item"]].to_numpy()
    assert float(found.label_noise.mean(SAMPLE).sel(slice="all")) == pytest.approx(1 - right.mean(), abs=0.03)
    counted = pd.Series(~right).groupby(known["annotator"].to_numpy()).agg(["mean", "size"])
    ours = found.annotator_noise.mean(SAMPLE).sel(annotator=counted.index.to_numpy())
    error = np.sqrt(counted["mean"] * (1 - counted["mean"]) / counted["size"])
    assert (np.abs(ours.to_numpy() - counted["mean"]) < 3 * error + 0.02).all()


def test_many_judgements_change_the_coordinates_and_nothing_else(monkeypatch):
    """Levels are mean + spread × deviation: the densities differ by the logarithms of the spreads alone."""
    module = importlib.import_module("labelvalue_models.annotators.dawid_skene")
    truth = testing.fake_annotation_truth(1, classes=3, annotators=4)
    judgements, _ = count_judgements(settled(testing.fake_annotations(1, truth=truth, items=20, votes=2)))
    model = get_label_model("dawid_skene")
    few, many = (
        (monkeypatch.setattr(module, "MANY_VOTES", n), model.build(judgements, model.priors))[1] for n in (1e9, 0.0)
    )
    rng = np.random.default_rng(1)
    point = {name: rng.normal(0, 0.5, np.shape(value)) for name, value in few.initial_point().items()}
    moved, jacobian = {}, 0.0
    for name, value in point.items():
        stem = name.removesuffix("_deviation_zerosum__")
        if f"{stem}_level_zerosum__" not in many.initial_point() or stem == name:
            moved[name] = value
            continue
        spread = {"of_slice": "slice", "of_class": "class", "class_of_slice": "prevalence"}.get(stem, stem)
        log_scale = point[f"{spread}_spread_log__"]
        mean = point["class_level_zerosum__"] if stem == "class_of_slice" else 0.0
        moved[f"{stem}_level_zerosum__"] = mean + np.exp(log_scale) * value
        jacobian += value.size * log_scale
    assert set(moved) == set(many.initial_point())
    assert moved.keys() != point.keys()
    quick = {"mode": "FAST_COMPILE"}  # for one value
    before, after = (float(m.compile_logp(**quick)(p)) for m, p in ((few, point), (many, moved)))
    assert before == pytest.approx(after + jacobian, rel=1e-10)


def test_many_levels_start_where_nobody_is_worse_than_chance():
    truth = testing.fake_annotation_truth(1, classes=2, annotators=2)
    judgements, _ = count_judgements(settled(testing.fake_annotations(1, truth=truth, items=1000, votes=2)))
    model = get_label_model("dawid_skene")
    built = model.build(judgements, model.priors)
    starts = built.rvs_to_initial_values
    able = np.asarray(starts[built["ability"]])[:, None] + np.asarray(starts[built["of_slice_level"]])
    assert (able > 0.5).all()
    share = judgements["count"] * (judgements["label_code"] == 0).sum("vote")
    share = share.groupby(judgements["slice_code"]).sum() / (2 * 1000)
    made = built.rvs_to_initial_values[built["class_of_slice_level"]]
    np.testing.assert_allclose(np.exp(made)[:, 0] / np.exp(made).sum(axis=1), share, atol=0.005)


def test_models_of_judgements_have_a_door_of_their_own():
    assert get_label_model("dawid_skene").build is not None
    with pytest.raises(ValueError, match="unknown label model 'skene'"):
        get_label_model("skene")
    assert LABEL_GROUP == "labelvalue.label_models"
