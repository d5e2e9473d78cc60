"""Dawid and Skene's model of judgements, hierarchical: annotators, slices and classes are pooled.

Judgements come counted by pattern, and the true class is summed over. Up to ten classes annotators differ in which
classes they miss, and up to 2,000 entries also in what they take them for; beyond ten, in how often they are wrong, and
one matrix of what is missed and what for is shared.
"""

from importlib.resources import files
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.annotators.judgements import (
    DENSE_CLASSES,
    OWN_CONFUSIONS,
    VOTE,
    levels_of,
    log_confusion,
    log_prevalence,
    log_right,
    log_shares,
    majority_levels,
)
from labelvalue.model.annotators.true_class import SumOverTruth
from labelvalue.model.curve.families import softplus
from labelvalue.model.hierarchy.building import variable
from labelvalue.model.hierarchy.specification import LabelModel
from labelvalue.model.prior.priors import Priors, read_priors

MANY_VOTES = 200
"""Judgements for each level from which levels are sampled as they are, and not as deviations from the mean of all."""


def _sizes(judgements: xr.Dataset) -> tuple[int, int, int]:
    return tuple(judgements.sizes[d] for d in (names.SLICE, names.ANNOTATOR, names.TRUE_CLASS))  # type: ignore[return-value]


def _variables(judgements: xr.Dataset, priors: Priors) -> dict[str, Any]:
    """Random variables of annotators, slices and classes."""
    slices, annotators, classes = _sizes(judgements)
    dense = classes <= DENSE_CLASSES
    judged = bool((judgements["group_code"] >= 0).any())
    start = majority_levels(judgements, priors["ability_mean"].center) if judged else {}
    mean = variable("ability_mean", priors["ability_mean"])
    made: dict[str, Any] = {}
    if annotators > 1:
        spread = variable("ability_spread", priors["ability_spread"])
        made["ability"] = pm.Normal("ability", mean, spread, dims=names.ANNOTATOR, initval=start.get("ability"))
    else:
        made["ability"] = pm.Deterministic("ability", pt.atleast_1d(mean), dims=names.ANNOTATOR)
    if slices > 1:
        made["of_slice"] = _of(
            (names.SLICE,), "of_slice", "slice_spread", priors, judgements, start=start.get("of_slice")
        )
    if judged:
        begun = start["of_class"]
        made["of_class"] = _of((names.TRUE_CLASS,), "of_class", "class_spread", priors, judgements, start=begun)
        if dense and annotators > 1:
            made["leaning"] = _of((names.ANNOTATOR, names.TRUE_CLASS), "leaning", "leaning_spread", priors, judgements)
        made |= _confusing(annotators, classes, priors, dense, start.get("confusing"))
    voted = _voted(judgements)
    typical = None if dense else voted.mean(axis=0)
    wide = priors["class_level"].spread
    made["class_level"] = pm.ZeroSumNormal("class_level", wide, dims=names.TRUE_CLASS, initval=typical)
    if slices > 1:
        dims, mean = (names.SLICE, names.TRUE_CLASS), made["class_level"][None, :]
        made["class_of_slice"] = _of(dims, "class_of_slice", "prevalence_spread", priors, judgements, mean, voted)
    return made


def _of(
    dims: tuple[str, ...],
    name: str,
    spread: str,
    priors: Priors,
    judgements: xr.Dataset,
    mean: Any = 0.0,
    start: Any = None,
) -> Any:
    """Deviations that sum to nothing along the last dim, pooled; in coordinates that suit the data.

    Standardised where judgements are few, else levels under a density of spread 1, which the potential replaces,
    started where the majority of votes puts them.
    """
    shape = tuple(judgements.sizes[d] for d in dims)
    scale = variable(spread, priors[spread])
    if _votes(judgements) < MANY_VOTES * np.prod(shape):
        apart = scale * pm.ZeroSumNormal(f"{name}_deviation", 1.0, shape=shape)
    else:
        initval = np.zeros(shape) if start is None else start
        level = pm.ZeroSumNormal(f"{name}_level", 1.0, shape=shape, initval=initval)
        apart = level - mean
        free = np.prod(shape[:-1]) * (shape[-1] - 1)
        instead = 0.5 * pt.sum(level**2) - 0.5 * pt.sum((apart / scale) ** 2) - free * pt.log(scale)
        pm.Potential(f"{name}_density", instead)
    return pm.Deterministic(name, apart, dims=dims)


def _votes(judgements: xr.Dataset) -> float:
    return float(judgements["count"] @ (judgements["label_code"] >= 0).sum(VOTE))


def _voted(judgements: xr.Dataset) -> np.ndarray:
    """Log shares of votes by slice, less their mean: where levels start, or else classes may change places."""
    slices, _, classes = _sizes(judgements)
    label = judgements["label_code"].values
    votes = np.ones((slices, classes))
    times = np.broadcast_to(judgements["count"].values[:, None], label.shape)
    of_slice = np.broadcast_to(judgements["slice_code"].values[:, None], label.shape)
    np.add.at(votes, (of_slice[label >= 0], label[label >= 0]), times[label >= 0])
    share = np.log(votes)
    return share - share.mean(axis=1, keepdims=True)


def _confusing(annotators: int, classes: int, priors: Priors, dense: bool, start: Any) -> dict[str, Any]:
    """Which classes are taken for which: pooled, each annotator's own where they are few."""
    if classes == 2:
        return {}
    shape, spread = (classes, classes - 1), priors["confusing"].spread
    made = {"confusing": pm.ZeroSumNormal("confusing", spread, shape=shape, initval=start)}
    if dense and annotators > 1 and annotators * classes * (classes - 1) <= OWN_CONFUSIONS:
        own = pm.ZeroSumNormal("own_confusing_deviation", 1.0, shape=(annotators, classes, classes - 1))
        made["own_confusing"] = pm.Deterministic(
            "own_confusing", variable("own_confusing_spread", priors["own_confusing_spread"]) * own
        )
    return made


def _dense(judgements: xr.Dataset, made: dict[str, Any], count: Any) -> Any:
    """Log likelihood of patterns where every class is weighed for every one."""
    classes = judgements.sizes[names.TRUE_CLASS]
    groups = judgements["group_slice"].values, judgements["group_annotator"].values
    table = log_confusion(levels_of(made), *groups, classes)
    votes = table.transpose((0, 2, 1)).reshape((groups[0].size * classes, classes))
    votes = pt.concatenate([votes, pt.zeros((1, classes))])
    group, label = judgements["group_code"].values, judgements["label_code"].values
    place = np.where(group >= 0, group * classes + label, groups[0].size * classes)
    told = votes[place.ravel()].reshape((*place.shape, classes)).sum(axis=1)
    return _summed_over_truth(judgements, made, told, count)


def _summed_over_truth(judgements: xr.Dataset, made: dict[str, Any], told: Any, count: Any) -> Any:
    truth = judgements["truth"].values
    prevalence = log_prevalence(made)
    of_slice = judgements["slice_code"].values if judgements.sizes[names.SLICE] > 1 else np.zeros(truth.size, dtype=int)
    total: Any = 0.0
    if (truth < 0).any():
        open_ = np.flatnonzero(truth < 0)
        total = pt.sum(count[open_] * pt.logsumexp(told[open_] + prevalence[of_slice[open_]], axis=1))
    if (truth >= 0).any():
        known = np.flatnonzero(truth >= 0)
        classes = judgements.sizes[names.TRUE_CLASS]
        total = total + pt.sum(count[known] * told.reshape((-1,))[known * classes + truth[known]])
    return total


def _many(judgements: xr.Dataset, made: dict[str, Any], count: Any) -> Any:
    """Log likelihood of patterns with many classes: in parts that all share, and not in a table for every group."""
    levels = levels_of(made)
    logit = log_right(levels, judgements["group_slice"].values, judgements["group_annotator"].values)
    shares = log_shares(levels, None, judgements.sizes[names.TRUE_CLASS])[0].T
    tables = log_prevalence(made), -softplus(-logit), -softplus(logit), shares
    several = judgements.sizes[names.SLICE] > 1
    of_slice = judgements["slice_code"].values * several
    data = (judgements[name].values for name in ("truth", "group_code", "label_code"))
    return SumOverTruth()(*tables, of_slice, *data, count)


def _audits(judgements: xr.Dataset, made: dict[str, Any]) -> None:
    """Wrong labels among those checked, given the share of wrong ones in each slice."""
    checked = judgements["checked"].values
    if not checked.any():
        return
    slices = np.flatnonzero(checked > 0)
    noise = []
    for place in slices:
        mine = np.flatnonzero(judgements["group_slice"].values == place)
        who = judgements["group_annotator"].values[mine] if mine.size else np.arange(judgements.sizes[names.ANNOTATOR])
        weight = judgements["judged"].values[mine] if mine.size else np.ones(who.size)
        wrong = pt.sigmoid(-log_right(levels_of(made), np.full(who.size, place), who))
        prevalence = pt.exp(log_prevalence(made))[place if judgements.sizes[names.SLICE] > 1 else 0]
        by_annotator = (wrong * prevalence[None, :]).sum(axis=1) if "of_class" in made else wrong[:, 0]
        noise.append((by_annotator * (weight / weight.sum())).sum())
    pm.Binomial("audit", checked[slices].astype(int), pt.stack(noise), observed=judgements["wrong"].values[slices])


def _build(judgements: xr.Dataset, priors: Priors) -> pm.Model:
    coords = {d: judgements[d].values for d in (names.SLICE, names.ANNOTATOR, names.TRUE_CLASS)}
    with pm.Model(coords=coords) as model:
        made = _variables(judgements, priors)
        if judgements.sizes[VOTE] and bool((judgements["group_code"] >= 0).any()):
            dense = judgements.sizes[names.TRUE_CLASS] <= DENSE_CLASSES
            count = pm.Data("count", judgements["count"].values)
            pm.Potential("judgements", (_dense if dense else _many)(judgements, made, count))
        _audits(judgements, made)
    return model


MODEL = LabelModel(
    name="dawid_skene",
    description="Annotators' confusion, pooled over annotators, slices and classes; true classes summed over.",
    priors=read_priors(files("labelvalue_models.annotators") / "priors" / "dawid_skene.toml"),
    build=_build,
)
