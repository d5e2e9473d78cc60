"""Query strategies of scikit-activeml (extra ``activelearning``) as strategies of ours."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from labelvalue.observe.simulate.strategies import Query, Strategy

CLASSIFIER, FIT_CLASSIFIER = "clf", "fit_clf"
UNMET = ("ensemble", "discriminator", "reg", "estimator")
"""Models that some strategies ask for, and that cannot be made from a classifier."""


def activeml_strategy(query_strategy: Any, *, classifier: Any = None) -> Strategy:
    """Return a strategy for ``simulate_runs`` that asks a query strategy of scikit-activeml.

    It sees the pool as numbers of comparable scale: gaps filled, columns scaled, one column per category.

    Parameters
    ----------
    query_strategy : skactiveml.base.SingleAnnotatorPoolQueryStrategy
        Such as ``skactiveml.pool.CoreSet()`` or ``Badge()``; its ``random_state`` is set at each query.
    classifier : scikit-learn classifier, optional
        Model that the strategy asks, where it asks one, fitted to these numbers; by default logistic regression. It
        need not be the learner.

    Returns
    -------
    callable
        From a ``Query`` to the rows to label; a value for the mapping ``strategies``.

    Raises
    ------
    TypeError
        If this is no query strategy, or one that asks for another kind of model.

    Examples
    --------
    >>> from skactiveml.pool import CoreSet
    >>> strategies = {"random": None, "core set": activeml_strategy(CoreSet())}
    """
    from skactiveml.base import SingleAnnotatorPoolQueryStrategy
    from sklearn.linear_model import LogisticRegression

    name = type(query_strategy).__name__
    if not isinstance(query_strategy, SingleAnnotatorPoolQueryStrategy):
        raise TypeError(f"query_strategy must be a pool query strategy of scikit-activeml, not {name}")
    asked = inspect.signature(query_strategy.query).parameters
    unmet = [model for model in UNMET if model in asked]
    if unmet:
        raise TypeError(f"{name} asks for {unmet[0]!r}; only strategies that ask for 'clf', or for no model, are known")
    model = LogisticRegression() if classifier is None else classifier

    def choose(query: Query) -> np.ndarray:
        return _choose(query_strategy, model if CLASSIFIER in asked else None, query)

    return choose


def _choose(query_strategy: Any, classifier: Any, query: Query) -> np.ndarray:
    from skactiveml.classifier import SklearnClassifier
    from sklearn.base import clone

    features = query.features.toarray() if hasattr(query.features, "toarray") else query.features
    codes = np.full(features.shape[0], np.nan)
    codes[query.labelled] = np.searchsorted(query.classes, query.labels)
    options: dict[str, Any] = {}
    if classifier is not None:
        classes = np.arange(query.classes.size)
        options[CLASSIFIER] = SklearnClassifier(clone(classifier), classes=classes, random_state=query.seed)
        options[FIT_CLASSIFIER] = True
    fresh = clone(query_strategy).set_params(random_state=query.seed, missing_label=np.nan)
    return fresh.query(X=features, y=codes, candidates=query.candidates, batch_size=query.count, **options)
