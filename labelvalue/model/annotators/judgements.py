"""Judgements counted by pattern, and the confusion of annotators that is made of levels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import namespace, softplus
from labelvalue.problems import did_you_mean, input_error

MOST_CLASSES = 50
CHOICE = "choice"
UNNAMED = "unnamed"  # stands for all annotators whom an export does not tell apart
PATTERN, VOTE, GROUP = "pattern", "vote", "group"
UNIT = [names.SOURCE, names.ITEM, names.QUESTION]  # what was judged: an item under a question
NOT = "not "
YES, NO = "yes", "no"

type Audits = Mapping[str, tuple[int, int]]


def count_judgements(
    annotations: pd.DataFrame | None, *, classes: Sequence[str] | None = None, audits: Audits | None = None
) -> tuple[xr.Dataset, pd.DataFrame]:
    """Count judgements by pattern."""
    table = _usable(annotations)
    votes, truth = table[~table["reference"]], table[table["reference"]]
    known = _classes(table, classes)
    slices = sorted({*votes[names.SLICE].unique(), *map(str, audits or {})})
    items, packed = _pack(votes, truth, slices, known)
    wrong, checked = _audited(slices, audits)
    judgements = packed.assign(wrong=(names.SLICE, wrong), checked=(names.SLICE, checked))
    _check_informed(judgements)
    return judgements, items


def _usable(annotations: pd.DataFrame | None) -> pd.DataFrame:
    """Choices, one a person and item, yes/no answers about several classes under two classes of their own."""
    columns = [*UNIT, names.SLICE, names.ANNOTATOR, names.LABEL, names.REFERENCE]
    if annotations is None:
        return pd.DataFrame({name: pd.Series(dtype=bool if name == names.REFERENCE else object) for name in columns})
    table = annotations[annotations[names.KIND] == CHOICE]
    table = table[columns].assign(**{names.ANNOTATOR: table[names.ANNOTATOR].replace("", UNNAMED)})
    asked = table[names.QUESTION]
    answers = table[names.LABEL]
    if len(table) and bool(((answers == asked) | (answers == NOT + asked)).all()):
        table = table.assign(**{names.LABEL: np.where(answers == asked, YES, NO)})
    named = table[names.ANNOTATOR] != UNNAMED
    repeated = table.duplicated([*UNIT, names.ANNOTATOR, names.REFERENCE], keep="last") & named
    return table[~repeated]


def _classes(table: pd.DataFrame, given: Sequence[str] | None) -> list[str]:
    found = sorted(table[names.LABEL].unique())
    if given is not None:
        unknown = [name for name in found if name not in set(given)]
        if unknown:
            why = f"label {unknown[0]!r} is none of the classes{did_you_mean(unknown[0], given)}"
            raise input_error(why, "name every class", column="classes")
        found = list(dict.fromkeys(given))
    by_question = {str(name): set(labels) for name, labels in table.groupby(names.QUESTION)[names.LABEL]}
    if len(by_question) > 1 and not set.intersection(*by_question.values()):
        asked = ", ".join(map(repr, list(by_question)[:5]))
        fix = "estimate one at a time: annotations[annotations['question'] == 'topic']"
        raise input_error(f"several questions with classes of their own: {asked}", fix, column=names.QUESTION)
    if len(found) > MOST_CLASSES:
        why = f"{len(found)} distinct labels, more than {MOST_CLASSES} classes"
        raise input_error(why, "merge rare classes, or drop free text", column=names.LABEL)
    return found if len(found) >= 2 else [*found, "other"] if found else [YES, NO]


def _pack(
    votes: pd.DataFrame, truth: pd.DataFrame, slices: list[str], classes: list[str]
) -> tuple[pd.DataFrame, xr.Dataset]:
    votes = votes.assign(
        label_code=pd.Categorical(votes[names.LABEL], classes).codes,
        slice_code=pd.Categorical(votes[names.SLICE], slices).codes,
    )
    annotators = sorted(votes[names.ANNOTATOR].unique()) or [UNNAMED]
    grouped = votes.groupby(["slice_code", names.ANNOTATOR], sort=True)
    groups = grouped.size().rename("judged").reset_index()
    votes["group_code"] = grouped.ngroup()
    votes = votes.sort_values([*UNIT, "group_code", "label_code"], kind="stable")
    known = truth.drop_duplicates(UNIT, keep="last").set_index(UNIT)[names.LABEL]
    of_item = pd.MultiIndex.from_frame(votes[UNIT])
    votes["truth"] = pd.Categorical(known.reindex(of_item).to_numpy(), classes).codes
    number = votes.groupby(UNIT, sort=False).ngroup().to_numpy()
    place = votes.groupby(number).cumcount().to_numpy()
    items = votes.drop_duplicates(UNIT)[[*UNIT, names.SLICE, "slice_code", "truth"]].reset_index(drop=True)
    width = int(place.max()) + 1 if len(votes) else 1
    cells = np.full((len(items), 2 * width), -1, dtype=np.int32)
    cells[number, place] = votes["group_code"]
    cells[number, width + place] = votes["label_code"]
    keys = np.column_stack([items[["slice_code", "truth"]].to_numpy(np.int32), cells])
    patterns, which, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    items["pattern"] = which.ravel()
    packed = xr.Dataset(
        {
            "count": (PATTERN, count.astype(float)),
            "slice_code": (PATTERN, patterns[:, 0]),
            "truth": (PATTERN, patterns[:, 1]),
            "group_code": ((PATTERN, VOTE), patterns[:, 2 : 2 + width]),
            "label_code": ((PATTERN, VOTE), patterns[:, 2 + width :]),
            "group_slice": (GROUP, groups["slice_code"].to_numpy(np.int32)),
            "group_annotator": (GROUP, pd.Categorical(groups[names.ANNOTATOR], annotators).codes.astype(np.int32)),
            "judged": (GROUP, groups["judged"].to_numpy(float)),
        },
        coords={names.SLICE: slices, names.ANNOTATOR: annotators, names.TRUE_CLASS: classes},
    )
    return items.drop(columns=["slice_code", "truth"]), packed


def _audited(slices: list[str], audits: Audits | None) -> tuple[np.ndarray, np.ndarray]:
    wrong, checked = np.zeros(len(slices)), np.zeros(len(slices))
    for name, pair in (audits or {}).items():
        place = slices.index(str(name))
        wrong[place], checked[place] = pair
        if not 0 <= wrong[place] <= checked[place] or wrong[place] % 1 or checked[place] % 1:
            why = f"{pair!r} are no counts of wrong labels and of labels checked"
            raise input_error(why, "give (7, 200)", column=f"audits.{name}")
    return wrong, checked


def _check_informed(judgements: xr.Dataset) -> None:
    several = (judgements["group_code"] >= 0).sum(VOTE) > 1
    if bool(several.any()) or bool((judgements["truth"] >= 0).any()) or bool((judgements["checked"] > 0).any()):
        return
    why = "nothing tells errors: no item was judged twice, none has a reference, and no audit is given"
    raise input_error(why, "have some items judged twice, or give audits={'slice': (wrong, checked)}")


DENSE_CLASSES = 10
"""Classes up to which annotators differ in which classes they miss; beyond, in how often they are wrong, and what is
taken for what is one matrix for all of them: of 50 classes and 40 people there are 100,000 entries."""
OWN_CONFUSIONS = 2_000  # Off-diagonal entries of all annotators up to which each annotator has their own

LEVELS = ("ability", "of_slice", "of_class", "leaning", "confusing", "own_confusing")


def levels_of(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return those variables of a model or a posterior draw that confusion is made of."""
    return {name: variables[name] for name in LEVELS if name in variables}


def log_right(levels: Mapping[str, Any], slices: Any, annotators: Any) -> Any:
    """Return the logit that a vote is right (group, class)."""
    logit = levels["ability"][annotators][:, None]
    if "of_slice" in levels:
        logit = logit + levels["of_slice"][slices][:, None]
    if "of_class" in levels:
        logit = logit + levels["of_class"][None, :]
    if "leaning" in levels:
        logit = logit + levels["leaning"][annotators]
    return logit


def log_confusion(levels: Mapping[str, Any], slices: Any, annotators: Any, classes: int) -> Any:
    """Return log probabilities of every label given every true class, (group, true class, label given)."""
    logit = log_right(levels, slices, annotators)
    right, wrong = -softplus(-logit), -softplus(logit)
    diagonal = np.eye(classes)
    shares = log_shares(levels, annotators, classes)
    return right[:, :, None] * diagonal + (wrong[:, :, None] + shares) * (1.0 - diagonal)


def log_shares(levels: Mapping[str, Any], annotators: Any, classes: int) -> Any:
    """Return log shares of the other classes among wrong answers, (group or 1, true class, label given)."""
    if classes == 2 or "confusing" not in levels:
        return np.full((1, classes, classes), -np.log(classes - 1.0))
    off = levels["confusing"][None]
    if "own_confusing" in levels:
        off = off + levels["own_confusing"][annotators]
    xp = namespace(off)
    log_shares = off - xp.log(xp.exp(off).sum(axis=-1, keepdims=True))
    others = classes - 1
    place = [k * others + (c - (c > k) if c != k else 0) for k in range(classes) for c in range(classes)]
    flat = log_shares.reshape((-1, classes * others)).T[np.array(place)].T
    return flat.reshape((-1, classes, classes))


def log_prevalence(variables: Mapping[str, Any]) -> Any:
    """Return log shares of classes by slice, (slice or 1, class)."""
    level = variables["class_level"][None, :]
    if "class_of_slice" in variables:
        level = level + variables["class_of_slice"]
    xp = namespace(level)
    return level - xp.log(xp.exp(level).sum(axis=-1, keepdims=True))


LENT = 5.0  # votes at the typical rate lent to each annotator, slice and class, so that none starts at 0 or 1


def majority_levels(judgements: xr.Dataset, typical: float) -> dict[str, np.ndarray]:
    """Return what would be estimated if the class with most of several votes were the true one: a start, too rosy."""
    slices, annotators, classes = (judgements.sizes[d] for d in (names.SLICE, names.ANNOTATOR, names.TRUE_CLASS))
    group, label = judgements["group_code"].values, judgements["label_code"].values
    pattern, vote = np.nonzero(group >= 0)
    who, said = group[pattern, vote], label[pattern, vote]
    heard = np.zeros((group.shape[0], classes))
    np.add.at(heard, (pattern, said), 1.0)
    truth = judgements["truth"].values
    taken = np.where(truth >= 0, truth, heard.argmax(axis=1))[pattern]
    items = judgements["count"].values * ((heard.sum(axis=1) > 1) | (truth >= 0))
    told = np.zeros((classes, classes))
    np.add.at(told, (taken, said), items[pattern])
    right = taken == said

    def level(code: np.ndarray, size: int) -> np.ndarray:
        votes = np.bincount(code, items[pattern], size) + LENT
        agreeing = np.bincount(code, items[pattern] * right, size) + LENT / (1.0 + np.exp(-typical))
        return np.log(agreeing) - np.log(np.maximum(votes - agreeing, 0.1))

    of_slice, of_class = level(judgements["slice_code"].values[pattern], slices), level(taken, classes)
    off = np.log(told[~np.eye(classes, dtype=bool)].reshape(classes, classes - 1) + 1.0)
    return {
        "ability": level(judgements["group_annotator"].values[who], annotators),
        "of_slice": of_slice - of_slice.mean(),
        "of_class": of_class - of_class.mean(),
        "confusing": off - off.mean(axis=1, keepdims=True),
    }
