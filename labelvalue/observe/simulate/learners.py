"""Learners in one shape: a scikit-learn estimator, or a plain function that trains and returns what predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from labelvalue.problems import input_error

ESTIMATOR_METHODS = ("fit", "predict", "get_params")


class Trained:
    """A trained learner, an object with ``predict`` or a function: labels and class probabilities for rows."""

    def __init__(self, model: Any, labels: np.ndarray):
        self.model = model
        self._labels = labels

    def predict(self, x: Any) -> np.ndarray:
        """Return one label, or one number, per row."""
        return np.asarray(self.model.predict(x) if hasattr(self.model, "predict") else self.model(x))

    def probabilities(self, x: Any, classes: np.ndarray) -> np.ndarray:
        """Return the probability of each class (rows, classes); 0 for classes that training never saw."""
        given = np.asarray(self.model.predict_proba(x), dtype=float)
        out = np.zeros((given.shape[0], classes.size))
        seen = self.model.classes_ if hasattr(self.model, "classes_") else np.unique(self._labels)
        out[:, np.searchsorted(classes, np.asarray(seen))] = given
        return out


def check_learners(estimator: Any) -> dict[str, Any]:
    """Return the learners by name; raise ``TypeError`` for what is neither an estimator nor a function."""
    learners = dict(estimator) if isinstance(estimator, Mapping) else {"default": estimator}
    for name, learner in learners.items():
        lacking = [m for m in ESTIMATOR_METHODS if not hasattr(learner, m)]
        if isinstance(learner, type) or (lacking and not callable(learner)):
            lack = f"; it lacks {', '.join(lacking)}" if lacking else ""
            raise TypeError(
                f"learner {name!r} must be a scikit-learn estimator object, or a function (X, y, seed) that "
                f"returns what predicts{lack}"
            )
    if not learners:
        raise input_error("no estimator given", "give at least one")
    return learners


def is_estimator(learner: Any) -> bool:
    """Tell a scikit-learn estimator from a plain function."""
    return all(hasattr(learner, m) for m in ESTIMATOR_METHODS)


def find_regressors(learners: Mapping[str, Any]) -> bool | None:
    """Tell whether the learners are regressors, ``None`` where all are functions; a mix has no common error."""
    kinds = {name: _regresses(learner) for name, learner in learners.items() if is_estimator(learner)}
    if len(set(kinds.values())) > 1:
        mixed = ", ".join(f"{n!r} is a {'regressor' if k else 'classifier'}" for n, k in kinds.items())
        raise input_error(f"errors have no common unit: {mixed}", "simulate them apart")
    return next(iter(kinds.values()), None)


def lacking_probabilities(learners: Mapping[str, Any]) -> list[str]:
    """Return the names of estimators that give no class probabilities."""
    return [n for n, learner in learners.items() if is_estimator(learner) and not hasattr(learner, "predict_proba")]


def _regresses(learner: Any) -> bool:
    from sklearn.base import is_regressor

    return hasattr(learner, "__sklearn_tags__") and bool(is_regressor(learner))


def fit_learner(learner: Any, x: Any, y: np.ndarray, seed: int) -> Trained:
    """Train on ``x`` and ``y``: a seeded clone of an estimator, or the function with the seed."""
    model = seeded(learner, seed).fit(x, y) if is_estimator(learner) else learner(x, y, seed)
    return Trained(model, y)


def seeded(estimator: Any, seed: int) -> Any:
    """Return an unfitted copy whose every ``random_state`` is ``seed``."""
    from sklearn.base import clone

    fresh = clone(estimator)
    params = fresh.get_params(deep=True)
    states = [p for p in params if p == "random_state" or p.endswith("__random_state")]
    return fresh.set_params(**dict.fromkeys(states, seed)) if states else fresh


def take(table: Any, rows: np.ndarray) -> Any:
    """Return some rows of a DataFrame, Series, array or sparse matrix."""
    return table.iloc[rows] if isinstance(table, pd.DataFrame | pd.Series) else table[rows]


def stack(tables: list[Any]) -> Any:
    """Return tables of one kind, one under the other."""
    first = tables[0]
    if isinstance(first, pd.DataFrame | pd.Series):
        return pd.concat(tables, ignore_index=True)
    if hasattr(first, "tocsr"):
        from scipy import sparse

        return sparse.vstack(tables, format="csr")
    return np.concatenate(tables)
