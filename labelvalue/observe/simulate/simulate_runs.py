"""Runs from the user's own data: train on nested random subsets, count errors slice by slice."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.simulate.execution import Execution
from labelvalue.observe.simulate.learners import check_learners
from labelvalue.observe.simulate.protocol import Protocol
from labelvalue.observe.simulate.simulation import prepare
from labelvalue.observe.simulate.strategies import Strategy
from labelvalue.observe.simulate.suites import ClassMix, Suite


def simulate_runs(
    estimator: Any,
    X: Any,
    y: Any,
    slices: Any,
    *,
    metric: str | None = None,
    sizes: Sequence[int] | None = None,
    replicates: int | None = None,
    strategies: Sequence[str | ClassMix] | Mapping[str, Strategy | None] | None = None,
    suites: Sequence[Suite] | None = None,
    random_state: int | None = None,
    evaluation: Sequence[int] | np.ndarray | None = None,
    metadata: pd.DataFrame | None = None,
    protocol: Protocol | None = None,
    execution: Execution | None = None,
) -> xr.Dataset:
    """Train on random subsets of labelled data and return the runs.

    One training set serves all slices. Inside a replicate the training sets are nested; the slices' shares vary, so
    that the effect of a slice's own labels can be told from that of the others' (Tae and Whang 2021, "Slice Tuner",
    SIGMOD). Of learners, strategies, shares of wrong labels and suites every combination is trained.

    What is left open suits the data, and the notes say what it became and why: replicates are folds where one split
    would leave a slice fewer than 200 rows to evaluate on. The column ``labels_now`` holds the labels that there are of
    each slice, held-out ones included: forecasts start there.

    Parameters
    ----------
    estimator : object with ``fit`` and ``predict``, function, or mapping of str to either
        An estimator of scikit-learn is cloned for each training, an object of a plain class copied. A function
        ``(X, y, seed)`` returns what predicts: a function of rows, or an object with ``predict`` and perhaps
        ``predict_proba``. The keys of a mapping become ``learner``.
    X : DataFrame, array or sparse matrix
        Features, (rows, features).
    y : Series or array
        Target, (rows,).
    slices : str, Series or array
        Slice of each row, or the name of a column of ``X`` (which stays a feature). The target itself, where classes
        are the slices.
    metric, sizes, replicates : optional
        As of :class:`Protocol`. ``error_rate`` and ``accuracy`` are counts; others come as ``value`` and ``stderr``, by
        a bootstrap over the evaluation items, or in closed form for a mean. Of more than two classes ``f1``,
        ``precision`` and ``recall`` are means over classes.
    strategies : sequence of str or ClassMix, or mapping, optional
        As of :class:`Protocol`; those that ask a model go on from the smallest random training set, recorded once, as
        ``random``. A mapping gives names to one's own functions from a ``Query`` to the rows to label, or ``None`` to
        known names.
    suites, random_state : optional
        As of :class:`Protocol`. The same seed gives the same table, whatever ``n_jobs``, apart from ``seconds`` and
        ``measured_at``; without one that of the checkpoint is taken, or a fresh one is drawn and noted.
    evaluation : array of int or bool, optional
        Positions (or a mask) of the rows to evaluate on, instead of a share of each slice. They are taken for
        a test set that is never trained on, and do not count in ``labels_now``.
    metadata : DataFrame, optional
        Columns that suites name and that are no features, such as times, (rows, …).
    protocol : Protocol, optional
        Everything that decides what the runs mean, from a file or made here: beside the settings above resampling, the
        share that is evaluated on, wrong labels, synthetic examples and more. Settings that are given here by name take
        the place of its own.
    execution : Execution, optional
        How it is run, which changes nothing in the runs: workers, progress, a checkpoint to go on from, minutes, a
        cluster.

    Returns
    -------
    xarray.Dataset
        Dim ``run``, as ``read_runs`` returns it: one row per training, suite and slice; attribute ``protocol`` holds
        what was done, as TOML. A training set with a single class is skipped and counted in the notes; trainings that
        fail are listed there, and the others go on. Interrupted from the keyboard, it returns the runs that are done,
        and says so in the notes.

    Raises
    ------
    InputError
        With everything that is wrong with the data or the settings, or where the checkpoint is of another simulation;
        a ``ValueError``.
    RuntimeError
        If every training fails, with the first failure; or if a strategy of one's own does not return rows to label.
    StorageError
        If the checkpoint cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 2))
    >>> y = X[:, 0] + rng.normal(size=400) > 0
    >>> slices = np.where(X[:, 1] > 0, "north", "south")
    >>> runs = simulate_runs(LogisticRegression(), X, y, slices, sizes=[50, 100, 200],
    ...                      replicates=2, random_state=1, execution=Execution(progress=False))
    >>> runs.sizes["run"]
    12

    A learner may be a plain function, whatever it trains:

    >>> def nearest_mean(X, y, seed):
    ...     low, high = X[~y].mean(axis=0), X[y].mean(axis=0)
    ...     return lambda rows: ((rows - high) ** 2).sum(axis=1) < ((rows - low) ** 2).sum(axis=1)
    >>> both = simulate_runs({"mean": nearest_mean, "logistic": LogisticRegression()}, X, y, slices,
    ...                      sizes=[50, 200], replicates=1, random_state=1, execution=Execution(progress=False))
    >>> sorted(set(both["learner"].values))
    ['logistic', 'mean']
    """
    learners = check_learners(estimator)
    how = Execution() if execution is None else execution
    if not isinstance(how, Execution):
        raise TypeError(f"execution must be an Execution, not {type(how).__name__}")
    own = {name: s for name, s in strategies.items() if s is not None} if isinstance(strategies, Mapping) else {}
    if not isinstance(protocol, Protocol | None):
        raise TypeError(f"protocol must be a Protocol, not {type(protocol).__name__}")
    given: dict[str, Any] = {
        names.METRIC: metric,
        "slices": slices if isinstance(slices, str) else None,
        "sizes": sizes,
        "replicates": replicates,
        "strategies": None if strategies is None else tuple(strategies),
        "suites": suites,
        "random_state": random_state,
    }
    named = {name: value for name, value in given.items() if value is not None}
    settled = dataclasses.replace(protocol or Protocol(), **named)
    seed = None if how.kept is None else how.kept.seed
    return prepare(settled, learners, own, X, y, slices, evaluation, metadata, seed).run(how)
