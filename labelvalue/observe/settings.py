"""What a simulation was asked to do, checked before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.observe.cells import Fault, parse_slice
from labelvalue.observe.sampling import Split, default_sizes, split_by_rows, split_by_share
from labelvalue.problems import InputError, Problem, did_you_mean, quote


def check_numbers(
    replicates: object, test_size: object, jitter: object, random_state: object, n_jobs: object
) -> list[Problem]:
    """Return what is wrong with the numbers; raise ``TypeError`` for what is none."""
    whole = {"replicates": replicates, "n_jobs": n_jobs}
    if random_state is not None:
        whole["random_state"] = random_state
    for name, value in whole.items():
        if not isinstance(value, int | np.integer) or isinstance(value, bool):
            raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    for name, value in {"test_size": test_size, "jitter": jitter}.items():
        if not isinstance(value, int | float | np.number) or isinstance(value, bool):
            raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    rules = {
        "replicates": (replicates, replicates >= 1, "must be ≥ 1"),  # type: ignore[operator]
        "test_size": (test_size, 0 < test_size < 1, "not a share, 0 < share < 1"),  # type: ignore[operator]
        "jitter": (jitter, 0 <= jitter < math.inf, "must be a finite number ≥ 0"),  # type: ignore[operator]
        "random_state": (random_state, random_state is None or random_state >= 0, "must be ≥ 0"),  # type: ignore[operator]
        "n_jobs": (n_jobs, n_jobs != 0, "must not be 0"),
    }
    return [
        Problem(column=name, value=value, why=why, fix=f"give another {name}")
        for name, (value, legal, why) in rules.items()
        if not legal
    ]


def check_learners(estimator: Any) -> dict[str, Any]:
    """Return the learners by name; raise ``TypeError`` for what is no estimator."""
    learners = dict(estimator) if isinstance(estimator, Mapping) else {"default": estimator}
    for name, learner in learners.items():
        lacking = [m for m in ("fit", "predict", "get_params") if not hasattr(learner, m)]
        if lacking or isinstance(learner, type):
            lack = f"; it lacks {', '.join(lacking)}" if lacking else ""
            raise TypeError(f"learner {name!r} must be a scikit-learn estimator object{lack}")
    if not learners:
        raise InputError([Problem(why="no estimator given", fix="give at least one")])
    return learners


def check_data(X: Any, y: Any, slices: Any) -> tuple[Any, Any, np.ndarray]:
    """Return features, target and slices (text), of one length and without gaps."""
    X = X if hasattr(X, "shape") else np.asarray(X)
    y = y if isinstance(y, pd.Series) else np.asarray(y)
    if isinstance(slices, str):
        columns = list(X.columns) if isinstance(X, pd.DataFrame) else []
        if slices not in columns:
            hint = did_you_mean(slices, map(str, columns))
            why = f"unknown slice column {quote(slices)}{hint}"
            raise InputError([Problem(why=why, fix="name a column of X, or give the slices")])
        slices = X[slices]
    cells = pd.Series(np.asarray(slices, dtype=object)).to_numpy()
    sizes = {"X": X.shape[0], "y": y.shape[0], "slices": cells.shape[0]}
    if len(set(sizes.values())) > 1:
        why = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise InputError([Problem(why=f"lengths differ: {why}", fix="give one value per row")])
    problems = []
    texts: dict[object, object] = {}
    for row, cell in enumerate(cells.tolist()):
        if cell not in texts:
            texts[cell] = parse_slice(None if pd.isna(cell) else cell)
        text = texts[cell]
        if isinstance(text, Fault):
            problem = Problem(line=row, column=names.SLICE, value=cell, why=text.why, fix=text.fix)
            problems.append(problem)
    missing = np.flatnonzero(pd.isna(y))
    if missing.size:
        why = f"{missing.size} missing values"
        fix = "leave rows without a label out"
        problems.append(Problem(line=int(missing[0]), column="y", why=why, fix=fix))
    if problems:
        raise InputError(problems)
    return X, y, np.array([texts[cell] for cell in cells.tolist()], dtype=object).astype(str)


def make_split(
    slices: np.ndarray,
    test_size: float,
    evaluation: Sequence[int] | np.ndarray | None,
    entropy: int,
) -> Split:
    """Return the split into pool and evaluation rows; every slice has some to evaluate on."""
    if evaluation is None:
        split = split_by_share(slices, test_size, entropy)
    else:
        rows = np.asarray(evaluation)
        if rows.dtype == bool and rows.shape == slices.shape:
            rows = np.flatnonzero(rows)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise TypeError("evaluation must hold row positions, or a mask as long as y")
        if rows.size and not (rows.min() >= 0 and rows.max() < slices.size):
            why = f"evaluation rows outside 0 … {slices.size - 1}"
            raise InputError([Problem(why=why, fix="give positions in X")])
        split = split_by_rows(slices, rows.astype(np.int64))
    problems = [
        Problem(column=names.SLICE, value=name, why="no rows to evaluate on", fix="hold some out")
        for name, rows in split.evaluation.items()
        if not rows.size
    ]
    if split.pool.size < 2:
        problems.append(Problem(why="no rows left to train on", fix="hold fewer rows out"))
    if problems:
        raise InputError(problems)
    return split


def check_sizes(sizes: Sequence[int] | None, pool: int) -> list[int]:
    """Return ascending training-set sizes that the pool can serve."""
    if sizes is None:
        return default_sizes(pool)
    problems = []
    for size in sizes:
        if not isinstance(size, int | np.integer) or isinstance(size, bool):
            raise TypeError(f"sizes must be whole numbers, not {type(size).__name__}")
        if not 2 <= size <= pool:
            why = f"not between 2 and the {pool} rows that are left to train on"
            problems.append(Problem(column="sizes", value=int(size), why=why, fix="change it"))
    if not len(sizes):
        problems.append(Problem(column="sizes", why="no size given", fix="give some, or None"))
    if problems:
        raise InputError(problems)
    return sorted({int(size) for size in sizes})
