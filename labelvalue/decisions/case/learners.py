"""The learner that decides, or a portfolio: the best of several in each slice, or each for its share of the items."""

import functools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from labelvalue.settings import Checks

type Learner = str | Sequence[str] | Mapping[str, float]
"""One name; several, of which the one with the lowest error counts; or shares of the items that each predicts."""


def learner_or_portfolio(checks: Checks, key: str, given: Any) -> Any:
    """Expect a name, a list of names, or a table of names and their shares, which are scaled to sum to 1."""
    if isinstance(given, Mapping):
        before = len(checks.problems)
        shares = checks.by_name(key, given, partial(Checks.number, above=True))
        if not shares:
            checks.wrong(key, "names none", "give at least one, or leave the key out")
        fine = len(checks.problems) == before
        return {name: share / sum(shares.values()) for name, share in shares.items()} if fine else given
    if isinstance(given, str):
        return given
    listed = checks.several(key, given, partial(Checks.text, said=True), "a name, or a list of them")
    if not listed and np.iterable(given):
        checks.wrong(key, "names none", "give at least one, or leave the key out")
    for name in sorted({str(name) for name in listed if listed.count(name) > 1}):
        checks.wrong(key, f"{name!r} is given twice", "name it once")
    return listed[0] if len(listed) == 1 else listed


def learner_names(learner: Learner) -> list[str]:
    """Name the learners that are kept: one, those of a portfolio, or an empty name where none is stated."""
    return [learner] if isinstance(learner, str) else [*learner]


def joined(learner: Learner, errors: Sequence[Any]) -> Any:
    """Join errors of the learners that are kept, in their order: the lowest of them, or their mean by shares."""
    if isinstance(learner, Mapping):
        return sum(share * error for share, error in zip(learner.values(), errors, strict=True))
    return functools.reduce(np.minimum, errors)
