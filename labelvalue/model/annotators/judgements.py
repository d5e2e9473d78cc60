"""Judgements counted by pattern, and answers to plain questions, checked one by one and against each other."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import namespace, softplus
from labelvalue.problems import InputError, Problem, did_you_mean, input_error

ERROR_AT_DOUBLE, BEST_ERROR = "error_at_double", "best_error"
GAIN_OF_NEXT, ERROR_OF_SLICES = "gain_of_next", "error_of_slices"
"""The questions, by the names of the arguments that take their answers."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer: quantiles that a person gave, with their probabilities, by the argument that takes it."""

    question: str
    values: tuple[float, ...]
    probabilities: tuple[float, ...]

    @property
    def width(self) -> float:
        """Distance from low to high."""
        return round(self.values[-1] - self.values[0], 12)

    @property
    def middle(self) -> float:
        """The median where one was given, else halfway."""
        return self.values[1] if len(self.values) == 3 else (self.values[0] + self.values[-1]) / 2


def read_answers(given: Mapping[str, Sequence[float] | None], probability: float, upper: float) -> dict[str, Answer]:
    """Check answers, and give each its probabilities."""
    if not 0.0 < probability < 1.0:
        raise ValueError(f"probability must lie between 0 and 1, got {probability!r}. Fix: give such as 0.8.")
    answered = {question: values for question, values in given.items() if values is not None}
    problems = [p for question, values in answered.items() for p in _malformed(question, values, upper)]
    if problems:
        raise InputError(problems)
    tail = round((1.0 - probability) / 2.0, 12)
    ends = (tail, round(1.0 - tail, 12))
    answers = {
        question: Answer(
            question, tuple(float(v) for v in values), ends if len(values) == 2 else (ends[0], 0.5, ends[1])
        )
        for question, values in answered.items()
    }
    problems = _contradictions(answers)
    if problems:
        raise InputError(problems)
    return answers


def _malformed(question: str, values: Sequence[float], upper: float) -> list[Problem]:
    def problem(why: str, fix: str) -> list[Problem]:
        return [Problem(column=question, value=values, why=why, fix=fix)]

    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if numbers.shape not in ((2,), (3,)) or not np.isfinite(numbers).all():
        return problem("not two or three numbers", "give (low, high) or (low, median, high), such as (0.10, 0.14)")
    if not (np.diff(numbers) > 0).all():
        return problem("not in rising order", "give (low, high) or (low, median, high) with low below high")
    if question == GAIN_OF_NEXT:
        return []  # a gain may be negative
    if numbers[0] <= 0 or numbers[-1] >= upper:
        bound = f"above 0 and below {upper:g}" if np.isfinite(upper) else "above 0"
        return problem(f"errors lie {bound}", "give errors on the scale of the metric, such as 0.12 for 12 %")
    return []


_BELOW = (
    (ERROR_AT_DOUBLE, names.ERROR_NOW, "more labels would not lower the error"),
    (BEST_ERROR, names.ERROR_NOW, "the error would lie below the floor already"),
    (BEST_ERROR, ERROR_AT_DOUBLE, "twice the labels would bring the error below its floor"),
)  # pairs of errors of which the first is below the second in every model, and what it would mean otherwise


def _contradictions(answers: Mapping[str, Answer]) -> list[Problem]:
    found = []
    for lower, higher, means in _BELOW:
        if lower in answers and higher in answers and not _below(answers[lower], answers[higher]):
            values = answers[higher].values
            found.append(
                Problem(
                    column=lower,
                    value=answers[lower].values,
                    why=f"not below {higher} {values} at every quantile, so that {means}",
                    fix=f"lower {lower} or raise {higher}, or leave one of them out",
                )
            )
    if GAIN_OF_NEXT in answers:
        found += _too_much(answers)
    return found


def _below(lower: Answer, higher: Answer) -> bool:
    ends = lower.values[0] < higher.values[0] and lower.values[-1] < higher.values[-1]
    return ends and lower.middle < higher.middle


def _too_much(answers: Mapping[str, Answer]) -> list[Problem]:
    """A gain beyond all that labels can remove."""
    gain, now = answers[GAIN_OF_NEXT], answers[names.ERROR_NOW]
    floor = answers[BEST_ERROR].middle if BEST_ERROR in answers else 0.0
    if gain.middle < now.middle - floor:
        return []
    left = f"{names.ERROR_NOW} {now.values}" + (f" and {BEST_ERROR} {answers[BEST_ERROR].values}" if floor else "")
    return [
        Problem(
            column=GAIN_OF_NEXT,
            value=gain.values,
            why=f"at its middle it is more than {left} leave to gain",
            fix=f"lower {GAIN_OF_NEXT}; it is a drop in error, not the error that remains",
        )
    ]


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
