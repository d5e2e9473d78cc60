"""What the trained models are evaluated on: the holdout, slice by slice, and every suite beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labelvalue.observe.learners import take
from labelvalue.observe.protocol import Protocol
from labelvalue.observe.sampling import (
    SUITE,
    Split,
    evaluation_id,
    split_by_folds,
    split_by_rows,
    split_by_share,
    stream,
)
from labelvalue.observe.suites import HOLDOUT, SplitSuite, Suite
from labelvalue.problems import InputError, Problem, did_you_mean


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """The rows of one suite, slice after slice.

    Parameters
    ----------
    suite : str
        Name of the suite.
    x, y : table and numpy.ndarray
        Features and target.
    parts : mapping of str to slice
        Where each slice's rows stand.
    ids : mapping of str to str
        ``evaluation_set`` of each slice.
    """

    suite: str
    x: Any
    y: np.ndarray
    parts: Mapping[str, slice]
    ids: Mapping[str, str]


def make_splits(
    slices: np.ndarray,
    protocol: Protocol,
    evaluation: np.ndarray | None,
    free: np.ndarray,
    entropy: int,
) -> list[Split]:
    """Return the split of each replicate into pool and evaluation rows; rows that are not ``free`` are in neither.

    The protocol is settled; ``evaluation`` holds positions.
    """
    count, share = protocol.replicates or 1, protocol.test_size or 0.0
    if protocol.resampling == "folds":
        splits = split_by_folds(slices, free, count, entropy)
    elif evaluation is None:
        splits = [split_by_share(slices, free, share, entropy)] * count
    else:
        splits = [split_by_rows(slices, free, evaluation)] * count
    lacking = {name for split in splits for name, rows in split.evaluation.items() if not rows.size}
    problems = [
        Problem(column="slice", value=name, why="no rows to evaluate on", fix="hold some out")
        for name in sorted(lacking)
    ]
    if min(split.pool.size for split in splits) < 2:
        problems.append(Problem(why="no rows left to train on", fix="hold fewer rows out"))
    if problems:
        raise InputError(problems)
    return splits


def positions(evaluation: Sequence[int] | np.ndarray, size: int) -> np.ndarray:
    """Return the rows that the user named to evaluate on, by position or as a mask."""
    rows = np.asarray(evaluation)
    if rows.dtype == bool and rows.shape == (size,):
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise TypeError("evaluation must hold row positions, or a mask as long as y")
    if rows.size and not (rows.min() >= 0 and rows.max() < size):
        raise InputError([Problem(why=f"evaluation rows outside 0 … {size - 1}", fix="give positions in X")])
    return rows.astype(np.int64)


def rows_held(suites: Sequence[Suite], x: Any, metadata: pd.DataFrame | None) -> dict[str, np.ndarray]:
    """Return the rows (bool) that each suite keeps from training."""

    def column(name: str) -> np.ndarray:
        for table in (metadata, x):
            if isinstance(table, pd.DataFrame) and name in table.columns:
                if table[name].isna().any():
                    gap = int(table[name].isna().to_numpy().argmax())
                    raise InputError([Problem(line=gap, column=name, why="no value here", fix="fill it in")])
                return table[name].to_numpy()
        known = [str(c) for t in (metadata, x) if isinstance(t, pd.DataFrame) for c in t.columns]
        why = f"no such column{did_you_mean(name, known)}"
        raise InputError([Problem(column=name, why=why, fix="name a column of metadata or X")])

    return {suite.name: suite.held(column) for suite in suites if isinstance(suite, SplitSuite)}


def make_evaluations(
    split: Split,
    suites: Sequence[Suite],
    held: Mapping[str, np.ndarray],
    x: Any,
    y: np.ndarray,
    slices: np.ndarray,
    entropy: int,
) -> list[EvaluationSet]:
    """Return the holdout and every suite of one split; rows of a slice stand together."""
    rows = np.concatenate(list(split.evaluation.values()))
    here = slices[rows]
    x_held, y_held = take(x, rows), y[rows]
    made = [_evaluation(HOLDOUT, x_held, y_held, here, rows, "")]
    for number, suite in enumerate(suites):
        if isinstance(suite, SplitSuite):
            kept = np.flatnonzero(held[suite.name])
            kept = kept[np.argsort(slices[kept], kind="stable")]
            made.append(_evaluation(suite.name, take(x, kept), y[kept], slices[kept], kept, ""))
        else:
            copy = suite.copy(x_held, y_held, here, stream(entropy, SUITE, number))
            if not copy.keep.size:
                raise InputError([Problem(value=suite.name, why="no slice has rows for it", fix="give another suite")])
            what = f"{suite.name} {entropy} {number}"
            made.append(_evaluation(suite.name, copy.x, copy.y, here[copy.keep], rows[copy.keep], what))
    return made


def _evaluation(suite: str, x: Any, y: np.ndarray, slices: np.ndarray, rows: np.ndarray, copy: str) -> EvaluationSet:
    names_, starts, counts = np.unique(slices, return_index=True, return_counts=True)
    parts = {str(n): slice(int(a), int(a + c)) for n, a, c in zip(names_, starts, counts, strict=True)}
    ids = {name: evaluation_id(rows[part], copy) for name, part in parts.items()}
    return EvaluationSet(suite=suite, x=x, y=y, parts=parts, ids=ids)
