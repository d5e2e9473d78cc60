"""Runs from what scikit-learn's ``learning_curve`` returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.table.runs import read_runs
from labelvalue.observe.table.schema import CATALOGUE
from labelvalue.problems import InputError, Problem, did_you_mean, quote

SCORINGS: dict[str, tuple[str, float]] = {
    "accuracy": ("accuracy", 1.0),
    "balanced_accuracy": ("balanced_accuracy", 1.0),
    "f1": ("f1", 1.0),
    "f1_macro": ("f1", 1.0),
    "precision": ("precision", 1.0),
    "recall": ("recall", 1.0),
    "roc_auc": ("auc", 1.0),
    "neg_brier_score": ("brier", -1.0),
    "neg_log_loss": ("log_loss", -1.0),
    "neg_mean_absolute_error": ("mae", -1.0),
    "neg_root_mean_squared_error": ("rmse", -1.0),
}  # scikit-learn's names of scores: our metric, and the sign that turns the one into the other


def runs_from_learning_curve(
    train_sizes: Sequence[int] | np.ndarray,
    test_scores: Any,
    *,
    trials: int | Sequence[int] | None = None,
    stderr: Any = None,
    scoring: str = "accuracy",
    slice: str = "all",
    learner: str = "default",
    fit_times: Any = None,
) -> xr.Dataset:
    """Turn the output of ``sklearn.model_selection.learning_curve`` into runs.

    Each fold of the cross-validation is a replicate with an evaluation set of its own. A mean score tells no noise:
    give the size of the folds, or standard errors.

    Parameters
    ----------
    train_sizes : array of int, shape (size,)
        First of what ``learning_curve`` returns.
    test_scores : array, shape (size, fold)
        Third of it.
    trials : int or sequence of int, optional
        Evaluation items of each fold.
    stderr : array, optional
        Standard errors of the scores, broadcastable to them; for scores without an upper bound of the error.
    scoring : str
        scikit-learn's name of the score.
    slice : str
        Name of the one slice that such a curve is of.
    learner : str
        Name of the training recipe.
    fit_times : array, shape (size, fold), optional
        Fourth of it, with ``return_times=True``.

    Returns
    -------
    xarray.Dataset
        As ``read_runs`` returns it; scores that are NaN are left out.

    Raises
    ------
    InputError
        If shapes do not match, the score is not known, or noise is not told; a ``ValueError``.

    Examples
    --------
    >>> runs = runs_from_learning_curve([50, 100], [[0.7, 0.74], [0.8, 0.82]], trials=250)
    >>> runs.sizes["run"], runs["error"].values.round(2).tolist()
    (4, [0.3, 0.2, 0.26, 0.18])
    """
    scores = np.atleast_2d(np.asarray(test_scores, dtype=float))
    sizes = np.asarray(train_sizes)
    problems = _problems(sizes, scores, scoring, trials, stderr)
    if problems:
        raise InputError(problems)
    metric, sign = SCORINGS[scoring]
    folds = np.arange(scores.shape[1])
    table = {
        names.SLICE: slice,
        names.LEARNER: learner,
        names.LABELS: np.repeat(sizes, folds.size),
        names.REPLICATE: np.tile(folds, sizes.size),
        names.EVALUATION_SET: [f"fold {fold}" for fold in np.tile(folds, sizes.size)],
        names.VALUE: (sign * scores).ravel(),
    }
    if trials is not None:
        table[names.TRIALS] = np.broadcast_to(np.asarray(trials), scores.shape).ravel()
    if stderr is not None:
        table[names.STDERR] = np.broadcast_to(np.asarray(stderr, dtype=float), scores.shape).ravel()
    if fit_times is not None:
        table[names.SECONDS] = np.asarray(fit_times, dtype=float).ravel()
    frame = pd.DataFrame(table)
    return read_runs(frame[np.isfinite(frame[names.VALUE])], metric=metric).assign_attrs(
        {names.SOURCE: "learning_curve"}
    )


def _problems(sizes: np.ndarray, scores: np.ndarray, scoring: str, trials: object, stderr: object) -> list[Problem]:
    problems = []
    if scoring not in SCORINGS:
        why = f"unknown scoring {quote(scoring)}{did_you_mean(str(scoring), SCORINGS)}"
        fix = f"give one of {', '.join(SCORINGS)}, or read a table with read_runs"
        problems.append(Problem(column="scoring", why=why, fix=fix))
    elif stderr is None and (trials is None or not np.isfinite(CATALOGUE[SCORINGS[scoring][0]].error_upper)):
        fix = "give 'stderr'" if trials is not None else "give 'trials', the evaluation items of each fold, or 'stderr'"
        problems.append(Problem(column="trials", why="noise is unknown", fix=fix))
    if sizes.ndim != 1 or scores.shape[0] != sizes.size:
        why = f"{sizes.size} sizes and scores of shape {scores.shape}"
        problems.append(Problem(column="test_scores", why=why, fix="give one row of scores a size"))
    return problems
