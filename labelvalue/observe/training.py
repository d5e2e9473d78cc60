"""One training and its evaluation on every slice."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_regressor

from labelvalue import names
from labelvalue.observe.sampling import Outcome, Task
from labelvalue.problems import InputError, Problem


def check_kind(learners: Mapping[str, Any]) -> bool:
    """Tell whether the learners are regressors; a mix has no common error."""
    kinds = {name: _regresses(learner) for name, learner in learners.items()}
    if len(set(kinds.values())) > 1:
        mixed = ", ".join(f"{n!r} is a {'regressor' if k else 'classifier'}" for n, k in kinds.items())
        fix = "simulate them apart"
        raise InputError([Problem(why=f"errors have no common unit: {mixed}", fix=fix)])
    return next(iter(kinds.values()))


def _regresses(learner: Any) -> bool:
    return hasattr(learner, "__sklearn_tags__") and bool(is_regressor(learner))


def take(table: Any, rows: np.ndarray) -> Any:
    """Return some rows of a DataFrame, Series, array or sparse matrix."""
    return table.iloc[rows] if isinstance(table, pd.DataFrame | pd.Series) else table[rows]


def train(
    task: Task,
    estimator: Any,
    x: Any,
    y: Any,
    x_held: Any,
    y_held: np.ndarray,
    held: Mapping[str, slice],
    *,
    regress: bool,
) -> Outcome:
    """Fit a seeded clone on the task's rows and count its wrong answers slice by slice.

    ``held`` maps each slice to its part of ``x_held``. Regressors give the mean absolute error and
    its standard error instead of counts.
    """
    if not regress and pd.unique(np.asarray(y)).size < 2:
        return Outcome(task=task, skipped="only one class among the labels")
    fresh = seeded(estimator, task.seed)
    start = time.perf_counter()
    try:
        fresh.fit(x, y)
        seconds = time.perf_counter() - start
        predicted = np.asarray(fresh.predict(x_held))
    except Exception as error:
        where = f"learner {task.learner!r}, replicate {task.replicate}, {task.size} labels"
        raise RuntimeError(f"training failed ({where}): {error}") from error
    measure = _mean_absolute if regress else _wrong
    measures = {name: measure(predicted[part], y_held[part]) for name, part in held.items()}
    if any(m.get(names.STDERR, 1.0) <= 0 for m in measures.values()):
        return Outcome(task=task, skipped="the residuals of a slice show no noise")
    now = dt.datetime.now(dt.UTC)
    return Outcome(task=task, measures=measures, seconds=seconds, measured_at=now)


def seeded(estimator: Any, seed: int) -> Any:
    """Return an unfitted copy whose every ``random_state`` is ``seed``."""
    fresh = clone(estimator)
    params = fresh.get_params(deep=True)
    states = [p for p in params if p == "random_state" or p.endswith("__random_state")]
    return fresh.set_params(**dict.fromkeys(states, seed)) if states else fresh


def _wrong(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    return {names.ERRORS: int(np.count_nonzero(predicted != truth)), names.TRIALS: truth.size}


def _mean_absolute(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    residuals = np.abs(predicted - truth)
    spread = float(residuals.std(ddof=1)) if residuals.size > 1 else 0.0
    stderr = spread / np.sqrt(residuals.size)
    return {names.VALUE: float(residuals.mean()), names.STDERR: float(stderr)}
