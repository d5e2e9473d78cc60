"""Judgements counted by pattern: items that were judged alike by the same people are one, with a count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.problems import InputError, Problem, did_you_mean

MOST_CLASSES = 50
CHOICE = "choice"
UNNAMED = "unnamed"
"""Stands for all annotators whom an export does not tell apart."""
PATTERN, VOTE, GROUP = "pattern", "vote", "group"
UNIT = [names.SOURCE, names.ITEM, names.QUESTION]
"""What was judged: an item under a question."""
NOT = "not "
YES, NO = "yes", "no"

type Audits = Mapping[str, tuple[int, int]]


def count_judgements(
    annotations: pd.DataFrame | None, *, classes: Sequence[str] | None = None, audits: Audits | None = None
) -> tuple[xr.Dataset, pd.DataFrame]:
    """Count judgements by pattern.

    Parameters
    ----------
    annotations : pandas.DataFrame or None
        Annotations table; judgements of kind ``choice`` are used, references as the truth about their items.
    classes : sequence of str, optional
        All classes, where not every one was given.
    audits : mapping of str to (int, int), optional
        By slice: wrong labels among labels that were checked.

    Returns
    -------
    judgements : xarray.Dataset
        Dims pattern, vote, group (annotator within slice), slice, annotator, ``true_class``. Per pattern: ``count``,
        ``slice_code``, ``truth`` (code of the class known from a reference, else −1); per vote: ``group_code`` and
        ``label_code`` (−1 beyond the votes of a pattern); per group: ``group_slice``, ``group_annotator``,
        ``judged`` (judgements); per slice: ``wrong`` and ``checked``.
    items : pandas.DataFrame
        One row an item: ``source``, ``item``, ``question``, ``slice``, ``pattern``.

    Raises
    ------
    InputError
        If there is nothing that tells errors: no item with two judgements, no reference with a judgement, no audit; or
        more than 50 classes, fewer than two, or several questions with different classes.

    Examples
    --------
    >>> table = pd.DataFrame({"item": ["1", "1"], "annotator": ["a", "b"], "label": ["x", "y"], "slice": "all",
    ...                       "source": "", "question": "", "kind": "choice", "reference": False})
    >>> count_judgements(table)[0]["count"].values.tolist()
    [1.0]
    """
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
            raise InputError([Problem(column="classes", why=why, fix="name every class")])
        found = list(dict.fromkeys(given))
    by_question = {str(name): set(labels) for name, labels in table.groupby(names.QUESTION)[names.LABEL]}
    if len(by_question) > 1 and not set.intersection(*by_question.values()):
        asked = ", ".join(map(repr, list(by_question)[:5]))
        why = f"several questions with classes of their own: {asked}"
        fix = "estimate one at a time: annotations[annotations['question'] == 'topic']"
        raise InputError([Problem(column=names.QUESTION, why=why, fix=fix)])
    if len(found) > MOST_CLASSES:
        why = f"{len(found)} distinct labels, more than {MOST_CLASSES} classes"
        raise InputError([Problem(column=names.LABEL, why=why, fix="merge rare classes, or drop free text")])
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
            raise InputError([Problem(column=f"audits.{name}", why=why, fix="give (7, 200)")])
    return wrong, checked


def _check_informed(judgements: xr.Dataset) -> None:
    several = (judgements["group_code"] >= 0).sum(VOTE) > 1
    if bool(several.any()) or bool((judgements["truth"] >= 0).any()) or bool((judgements["checked"] > 0).any()):
        return
    why = "nothing tells errors: no item was judged twice, none has a reference, and no audit is given"
    fix = "have some items judged twice, or give audits={'slice': (wrong, checked)}"
    raise InputError([Problem(why=why, fix=fix)])
