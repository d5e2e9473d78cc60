"""What a simulation does where nobody says otherwise: re-draws and sizes that suit how many labels there are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from labelvalue.observe.perturbations import ClassMix
from labelvalue.observe.protocol import Protocol
from labelvalue.problems import quote

REPLICATES = 5
TEST_SIZE = 0.25
ENOUGH_ITEMS = 200
"""Evaluation rows of a slice from which on one split is enough: an error of 0.2 is then known to about ±0.03."""
LEAST_TRAINED_ON = 0.8
"""Share of the rows that folds leave to train on, at least."""
MOST_FOLDS = 10
BELOW_ALL = 0.85
"""Share of the rows left to train on that the largest training set takes where all of them would always be the same."""
PER_CLASS, PER_SLICE = 5, 10
"""Labels that the smallest training set is to hold, in expectation, of every class and slice that is not rare."""
RARE = 0.25
"""Of an even share: a class or slice with less is rare, and does not make the smallest training set larger."""
FEWEST_SIZES, MOST_SIZES, A_DOUBLING = 6, 10, 2
"""How many sizes there are, and how many to a doubling between these limits."""
SPAN = 8
"""By how much the largest training set is larger than the smallest, at least; less tells little of how errors fall."""


def settle(
    protocol: Protocol, rows: Mapping[str, int], *, evaluation_given: bool = False
) -> tuple[Protocol, list[str]]:
    """Choose where replicates come from, and how many there are, where the protocol leaves it open.

    Parameters
    ----------
    protocol : Protocol
        What was asked for; none of it is changed.
    rows : mapping of str to int
        Rows of each slice that may be trained or evaluated on.
    evaluation_given : bool
        Whether the user named the rows to evaluate on.

    Returns
    -------
    protocol : Protocol
        With ``resampling``, ``replicates`` and ``test_size``.
    said : list of str
        What was chosen and why; empty where ``resampling`` was asked for.

    Examples
    --------
    >>> settle(Protocol(), {"DE": 400, "FR": 500})[1]
    ["5 folds, because one split would leave slice 'DE' 100 rows to evaluate on"]
    >>> settle(Protocol(), {"DE": 4000, "FR": 5000})[1]
    ['one split, because it leaves every slice 200 rows or more to evaluate on']
    """
    resampling, said = protocol.resampling, []
    if resampling is None:
        resampling, why = _choose(protocol, rows, evaluation_given)
        said = [why] if why else []
    replicates = protocol.replicates or (_folds(rows) if resampling == "folds" else REPLICATES)
    test_size = TEST_SIZE if protocol.test_size is None else protocol.test_size
    chosen = dataclasses.replace(protocol, resampling=resampling, replicates=replicates, test_size=test_size)
    return chosen, said


def _choose(protocol: Protocol, rows: Mapping[str, int], evaluation_given: bool) -> tuple[str, str]:
    """Return subsets of one split or folds, and why; no reason where what was asked for decides."""
    if evaluation_given or protocol.test_size is not None:
        return "subsets", ""
    name, least = min(rows.items(), key=lambda item: item[1])
    items = max(1, round(TEST_SIZE * least))
    if items >= ENOUGH_ITEMS:
        return "subsets", f"one split, because it leaves every slice {ENOUGH_ITEMS} rows or more to evaluate on"
    folds = protocol.replicates or _folds(rows)
    if folds < REPLICATES:
        return "subsets", f"one split, because folds that train on most rows take {REPLICATES} replicates, not {folds}"
    if least < folds:
        return "subsets", f"one split, because slice {quote(name)} has {least} rows, too few for {folds} folds"
    if protocol.sizes is not None and max(protocol.sizes) > _left(rows, folds):
        return "subsets", f"one split, because {folds} folds leave less than {max(protocol.sizes)} rows to train on"
    return "folds", f"{folds} folds, because one split would leave slice {quote(name)} {items} rows to evaluate on"


def _folds(rows: Mapping[str, int]) -> int:
    """Return the fewest folds that leave enough to train on, or those that leave most; every slice is in each fold."""
    total = sum(rows.values())
    possible = range(REPLICATES, max(REPLICATES, min(MOST_FOLDS, *rows.values())) + 1)
    enough = [folds for folds in possible if _left(rows, folds) >= LEAST_TRAINED_ON * total]
    return enough[0] if enough else max(possible, key=lambda folds: (_left(rows, folds), -folds))


def _left(rows: Mapping[str, int], folds: int) -> int:
    """Return how many rows the largest fold leaves to train on."""
    return sum(count - math.ceil(count / folds) for count in rows.values())


def choose_sizes(
    pool: int, protocol: Protocol, slices: np.ndarray, classes: np.ndarray | None = None
) -> tuple[list[int], str]:
    """Choose training-set sizes: from a few labels of every class and slice up to what can be trained on.

    They are half a doubling apart, or so far that there are six to ten. The largest takes all rows that are left to
    train on where its replicates differ nevertheless, as folds and bootstrap draws do; else a part of them, since there
    is only one training set of all.

    Parameters
    ----------
    pool : int
        Rows left to train on, of the replicate with the fewest.
    protocol : Protocol
        With ``resampling`` and ``replicates``.
    slices : numpy.ndarray
        Slice of each row.
    classes : numpy.ndarray, optional
        Class of each row, as an index; none where the target is a number.

    Returns
    -------
    sizes : list of int
        Ascending.
    why : str
        What was chosen, in words.

    Examples
    --------
    >>> protocol = Protocol(resampling="folds", replicates=5)
    >>> slices = np.repeat(["DE", "FR", "IT", "NL"], 225)
    >>> choose_sizes(720, protocol, slices)
    ([40, 57, 82, 118, 170, 244, 350, 502, 720], 'sizes 40 to 720 in 9 steps, all that folds leave to train on')
    """
    whole = protocol.resampling != "subsets" or protocol.replicates == 1
    whole = whole and all(s == "random" or isinstance(s, ClassMix) for s in protocol.strategies)
    largest = pool if whole else max(2, math.floor(BELOW_ALL * pool))
    groups = (
        [(slices, PER_SLICE)] if classes is None or not classes.size else [(slices, PER_SLICE), (classes, PER_CLASS)]
    )
    smallest = max(2, min(max(_needed(of, least) for of, least in groups), largest // SPAN))
    steps = round(A_DOUBLING * math.log2(largest / smallest)) + 1
    spaced = np.geomspace(smallest, largest, min(max(steps, FEWEST_SIZES), MOST_SIZES)).round().astype(int)
    sizes = np.unique(spaced).tolist()
    left = "folds leave to train on" if protocol.resampling == "folds" else "is left to train on"
    end = f"all that {left}" if whole else f"{100 * BELOW_ALL:.0f} % of what {left}, because all is one training set"
    return sizes, f"sizes {sizes[0]} to {sizes[-1]} in {len(sizes)} steps, {end}"


def _needed(groups: np.ndarray, least: int) -> int:
    """Return how many labels hold so many of each group, in expectation, the rare ones left aside."""
    counts = np.unique(groups, return_counts=True)[1]
    shares = counts / counts.sum()
    return math.ceil(least / shares[shares >= RARE / counts.size].min())
