"""Runs from the user's own data: train on nested random subsets, count errors slice by slice."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.protocol.protocol import Protocol
from labelvalue.observe.protocol.settings import check_generator, check_minutes, choose_protocol
from labelvalue.observe.simulate.execution import Checkpoint, Execution
from labelvalue.observe.simulate.learners import check_learners
from labelvalue.observe.simulate.perturbations import ClassMix
from labelvalue.observe.simulate.simulation import prepare
from labelvalue.observe.simulate.strategies import Strategy
from labelvalue.observe.simulate.suites import Suite
from labelvalue.observe.simulate.synthetic import Synthesise


def simulate_runs(
    estimator: Any,
    X: Any,
    y: Any,
    slices: Any,
    *,
    protocol: Protocol | None = None,
    metric: str | None = None,
    positive: str | None = None,
    sizes: Sequence[int] | None = None,
    replicates: int | None = None,
    resampling: str | None = None,
    test_size: float | None = None,
    evaluation: Sequence[int] | np.ndarray | None = None,
    jitter: float | None = None,
    strategies: Sequence[str | ClassMix] | Mapping[str, Strategy | None] | None = None,
    batch_size: int | None = None,
    label_noise: Sequence[float] | None = None,
    noise_kind: str | None = None,
    synthetic: Sequence[float] | None = None,
    generator: str | Synthesise | None = None,
    suites: Sequence[Suite] | None = None,
    metadata: pd.DataFrame | None = None,
    diversity: bool | None = None,
    random_state: int | None = None,
    n_jobs: int = 1,
    checkpoint: str | os.PathLike[str] | None = None,
    minutes: float | None = None,
    dask: str | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Train on random subsets of labelled data and return the runs.

    One training set serves all slices. Inside a replicate the training sets are nested and drawn
    without replacement; the slices' shares vary between replicates and sizes, so that the effect of
    a slice's own labels and that of the others' can be told apart. The evaluation set is the same
    for all runs, or for all of a fold. Joint subsets after Tae and Whang, "Slice Tuner", SIGMOD 2021.

    Learners share their subsets; strategies their first labels and evaluation sets; shares of wrong labels their
    rows; suites their trained models. Where several of these are listed, every combination is trained.

    What is left open suits the data, and the notes say what it became and why. Where one split would leave a slice
    fewer than 200 rows to evaluate on, replicates are folds: each trains on four fifths of the rows or more, and every
    row is evaluated on once. The column ``labels_now`` holds the labels that there are of each slice, held-out ones
    included since a final model is trained on all: forecasts start there.

    Parameters
    ----------
    estimator : scikit-learn estimator, function, or mapping of str to either
        An estimator is cloned for each training. A function ``(X, y, seed)`` returns what predicts: a function of
        rows, or an object with ``predict`` and perhaps ``predict_proba``. The keys of a mapping become ``learner``.
    X : DataFrame, array or sparse matrix
        Features, (rows, features).
    y : Series or array
        Target, (rows,).
    slices : str, Series or array
        Slice of each row, or the name of a column of ``X`` (which stays a feature). The target itself, where classes
        are the slices.
    protocol : Protocol, optional
        Settings from a file; those that are given here by name take the place of its own.
    metric : str, optional
        Metric of the catalogue (see ``read_runs``); by default wrong answers are counted, or ``mae`` for regressors.
        ``error_rate`` and ``accuracy`` are counts; others come as ``value`` and ``stderr``, by a bootstrap over the
        evaluation items, or in closed form for a mean. Of more than two classes ``f1``, ``precision`` and ``recall``
        are means over classes.
    positive : str, optional
        Class that ``f1``, ``precision`` and ``recall`` of two classes are about; by default the last in order.
    sizes : sequence of int, optional
        Training-set sizes, all slices together, ≥ 2; by default six to ten, half a doubling apart or more. The smallest
        holds about 5 labels of every class and 10 of every slice that is not rare, but at most an eighth of the
        largest. The largest is all that folds leave to train on, or 85 % of what one split leaves: all of it would be
        the same training set in every replicate.
    replicates : int, optional
        Re-draws of the training set, ≥ 1, by default 5; the number of folds where replicates are folds, by default as
        many as leave four fifths of the rows to train on.
    resampling : {"subsets", "folds", "bootstrap"}, optional
        What a replicate is: a subset; a cross-validation fold with its own evaluation set; a bootstrap draw, with
        replacement, in which a row drawn twice counts as two labels. By default folds where labels are few, unless
        ``test_size``, ``evaluation`` or fewer than 5 replicates are asked for; else subsets.
    test_size : float, optional
        Share of each slice that is evaluated on, 0 < share < 1, by default 0.25.
    evaluation : array of int or bool, optional
        Positions (or a mask) of the rows to evaluate on, instead of ``test_size``. They are taken for a test set that
        is never trained on, and do not count in ``labels_now``.
    jitter : float, optional
        Standard deviation of the log of the slices' sampling weights, ≥ 0, by default 0.7; 0 draws rows evenly.
    strategies : sequence of str or ClassMix, or mapping, optional
        How labels are chosen: ``random`` (the default); ``stratified`` (slices at their shares) and ``balanced``
        (classes at equal shares); ``uncertainty``, ``margin``, ``entropy``, ``committee``, ``diversity``, which go on
        from the smallest random training set, recorded once, as ``random``; or mixes of classes. A mapping gives
        names to one's own functions from a ``Query`` to the rows to label, or ``None`` to known names.
    batch_size : int, optional
        Labels that a strategy chooses before it trains again; by default all that lead to the next size.
    label_noise : sequence of float, optional
        Shares of wrong labels to inject into the training sets, on top of what errs already.
    noise_kind : {"uniform", "class_conditional", "annotators"}, optional
        Who errs: everybody alike (the default), some classes more than others, or some annotators.
    synthetic : sequence of float, optional
        Synthetic examples per label, made from each training set slice by slice and never counted in ``labels``.
    generator : {"smote", "bootstrap"} or function, optional
        What makes them; a function ``(X, y, n, seed)`` gets the labelled rows of a slice and returns ``n`` new ones.
    suites : sequence, optional
        What else each model is evaluated on: ``TimeSplit``, ``DomainSplit``, ``FeatureNoise``, ``MissingValues``,
        ``WrongEvaluation``, ``ClassMix``.
    metadata : DataFrame, optional
        Columns that suites name and that are no features, such as times, (rows, …).
    diversity : bool, optional
        Whether to score how diverse the labels of each slice are (column ``diversity``): effective clusters of features
        that they cover, over those of as many drawn at random. By default where there are several strategies.
    random_state : int, optional
        Seed ≥ 0 of everything; the same seed gives the same table, whatever ``n_jobs``, apart from
        ``seconds`` and ``measured_at``. Without one that of the checkpoint is taken, or a fresh one is drawn and noted.
    n_jobs : int
        Trainings run at once, as in joblib, whose other backends serve too. Where a worker dies, what was under way is
        repeated once, by itself; what kills its worker again is left out and listed in the notes.
    checkpoint : path, optional
        Folder in which every finished training is kept, made if need be. The same call goes on from there, however
        the one before it ended.
    minutes : float, optional
        After how many minutes no further training is begun, > 0; what is done is returned.
    dask : str, optional
        Address of the scheduler of a Dask cluster to train on, such as ``tcp://host:8786`` (extra ``distributed``).
    progress : bool
        Show progress on stderr.

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
    ...                      replicates=2, random_state=1, progress=False)
    >>> runs.sizes["run"]
    12

    A learner may be a plain function, whatever it trains:

    >>> def nearest_mean(X, y, seed):
    ...     low, high = X[~y].mean(axis=0), X[y].mean(axis=0)
    ...     return lambda rows: ((rows - high) ** 2).sum(axis=1) < ((rows - low) ** 2).sum(axis=1)
    >>> both = simulate_runs({"mean": nearest_mean, "logistic": LogisticRegression()}, X, y, slices,
    ...                      sizes=[50, 200], replicates=1, random_state=1, progress=False)
    >>> sorted(set(both["learner"].values))
    ['logistic', 'mean']
    """
    learners = check_learners(estimator)
    own = {name: s for name, s in strategies.items() if s is not None} if isinstance(strategies, Mapping) else {}
    given = {
        names.METRIC: metric,
        "positive": positive,
        "slices": slices if isinstance(slices, str) else None,
        "sizes": sizes,
        "replicates": replicates,
        "resampling": resampling,
        "test_size": test_size,
        "jitter": jitter,
        "strategies": None if strategies is None else tuple(strategies),
        "batch_size": batch_size,
        names.LABEL_NOISE: label_noise,
        "noise_kind": noise_kind,
        "synthetic": synthetic,
        "generator": None if generator is None else check_generator(generator),
        "suites": suites,
        "random_state": random_state,
    }
    settled = choose_protocol(protocol, given, n_jobs)
    check_minutes(minutes)
    kept = None if checkpoint is None else Checkpoint(Path(checkpoint))
    seed = None if kept is None else kept.seed
    simulation = prepare(settled, learners, own, X, y, slices, evaluation, metadata, generator, diversity, seed)
    how = Execution(n_jobs=n_jobs, progress=progress, checkpoint=kept, minutes=minutes, dask=dask)
    return simulation.run(how)
