"""Runs from the user's own data: train on nested random subsets, count errors slice by slice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.progress import track
from labelvalue.observe.runs import read_runs
from labelvalue.observe.sampling import (
    ORDER,
    Outcome,
    Split,
    Task,
    evaluation_id,
    fresh_seed,
    nested_order,
    stream,
    training_seed,
)
from labelvalue.observe.settings import (
    check_data,
    check_learners,
    check_numbers,
    check_sizes,
    make_split,
)
from labelvalue.problems import InputError, Problem


def simulate_runs(
    estimator: Any,
    X: Any,
    y: Any,
    slices: Any,
    *,
    sizes: Sequence[int] | None = None,
    replicates: int = 5,
    test_size: float = 0.25,
    evaluation: Sequence[int] | np.ndarray | None = None,
    jitter: float = 0.7,
    random_state: int | None = None,
    n_jobs: int = 1,
    progress: bool = True,
) -> xr.Dataset:
    """Train on random subsets of labelled data and return the runs.

    One training set serves all slices. Inside a replicate the training sets are nested and drawn
    without replacement; the slices' shares vary between replicates and sizes, so that the effect of
    a slice's own labels and that of the others' can be told apart. The evaluation set is the same
    for all runs. Joint subsets after Tae and Whang, "Slice Tuner", SIGMOD 2021.

    Parameters
    ----------
    estimator : scikit-learn estimator, or mapping of str to estimator
        Anything with ``fit``, ``predict`` and ``get_params``; each training fits a clone. The keys of
        a mapping become ``learner``. All classifiers (wrong answers are counted) or all regressors
        (mean absolute error).
    X : DataFrame, array or sparse matrix
        Features, (rows, features).
    y : Series or array
        Target, (rows,).
    slices : str, Series or array
        Slice of each row, or the name of a column of ``X`` (which stays a feature).
    sizes : sequence of int, optional
        Training-set sizes, all slices together, ≥ 2; by default eight, log-spaced up to all that is
        not evaluated on.
    replicates : int
        Re-draws of the training set, ≥ 1.
    test_size : float
        Share of each slice that is evaluated on, 0 < share < 1.
    evaluation : array of int or bool, optional
        Positions (or a mask) of the rows to evaluate on, instead of ``test_size``.
    jitter : float
        Standard deviation of the log of the slices' sampling weights, ≥ 0; 0 draws rows evenly.
    random_state : int, optional
        Seed ≥ 0 of everything; the same seed gives the same table, whatever ``n_jobs``, apart from
        ``seconds`` and ``measured_at``. Without one a fresh seed is drawn and noted.
    n_jobs : int
        Trainings run at once, as in joblib.
    progress : bool
        Show progress on stderr.

    Returns
    -------
    xarray.Dataset
        Dim ``run``, as ``read_runs`` returns it: one row per learner, replicate, size and slice, with
        ``errors`` and ``trials``, or ``value`` and ``stderr`` of ``mae`` in the unit of ``y``. A
        training set with a single class is skipped and counted in the notes. Interrupted from the
        keyboard, it returns the runs that are done, and says so in the notes.

    Raises
    ------
    InputError
        With everything that is wrong with the data or the settings; a ``ValueError``.
    RuntimeError
        If a training fails; it names the learner, replicate and size.

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
    """
    learners = check_learners(estimator)
    problems = check_numbers(replicates, test_size, jitter, random_state, n_jobs)
    if problems:
        raise InputError(problems)
    X, y, texts = check_data(X, y, slices)
    entropy = fresh_seed() if random_state is None else int(random_state)
    split = make_split(texts, test_size, evaluation, entropy)
    chosen = check_sizes(sizes, split.pool.size)
    tasks = _tasks(list(learners), texts, split, chosen, replicates, jitter, entropy)
    outcomes = _train_all(tasks, learners, X, y, split, n_jobs)
    rows: list[dict[str, object]] = []
    skipped: Counter[str] = Counter()
    notes = [f"simulated with random_state {entropy}, jitter {jitter:g}"]
    done = 0
    try:
        for outcome in track(outcomes, len(tasks), "training", show=progress):
            done += 1
            if outcome.skipped:
                skipped[outcome.skipped] += 1
            else:
                rows += _rows(outcome, texts, split)
    except KeyboardInterrupt:
        if not rows:
            raise
        notes.append(f"interrupted after {done} of {len(tasks)} trainings")
    if not rows:
        why = f"no training could be done: {', '.join(skipped)}"
        raise InputError([Problem(why=why, fix="give larger sizes or other data")])
    notes += [f"{count} trainings skipped: {why}" for why, count in sorted(skipped.items())]
    return _checked(rows, notes)


def _tasks(
    learners: list[str],
    slices: np.ndarray,
    split: Split,
    sizes: list[int],
    replicates: int,
    jitter: float,
    entropy: int,
) -> list[Task]:
    """Return every training; all learners of a replicate share its nested training sets."""
    tasks = []
    for replicate in range(replicates):
        rng = stream(entropy, ORDER, replicate)
        order = split.pool[nested_order(slices[split.pool], sizes, jitter, rng)]
        for size in sizes:
            for i, learner in enumerate(learners):
                seed = training_seed(entropy, i, replicate, size)
                tasks.append(
                    Task(
                        learner=learner,
                        replicate=replicate,
                        size=size,
                        rows=order[:size],
                        seed=seed,
                    )
                )
    return tasks


def _train_all(
    tasks: list[Task], learners: Mapping[str, Any], X: Any, y: Any, split: Split, n_jobs: int
) -> Iterator[Outcome]:
    """Yield the outcomes in the order of the tasks."""
    from joblib import Parallel, delayed

    from labelvalue.observe.training import check_kind, take, train

    regress = check_kind(learners)
    held_rows = np.concatenate(list(split.evaluation.values()))
    ends = np.cumsum([rows.size for rows in split.evaluation.values()])
    starts = np.concatenate([[0], ends[:-1]])
    held = {name: slice(int(a), int(b)) for name, a, b in zip(split.evaluation, starts, ends, strict=True)}
    x_held, y_held = take(X, held_rows), np.asarray(take(y, held_rows))
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    return parallel(
        delayed(train)(
            task,
            learners[task.learner],
            take(X, task.rows),
            take(y, task.rows),
            x_held,
            y_held,
            held,
            regress=regress,
        )
        for task in tasks
    )


def _rows(outcome: Outcome, slices: np.ndarray, split: Split) -> list[dict[str, object]]:
    """Return the rows of the runs table that one training gives, one per slice."""
    task = outcome.task
    counts = Counter(slices[task.rows].tolist())
    shared = {
        names.LEARNER: task.learner,
        names.REPLICATE: task.replicate,
        names.SECONDS: outcome.seconds,
        names.MEASURED_AT: outcome.measured_at,
    }
    return [
        {
            names.SLICE: name,
            names.LABELS: counts[name],
            names.OTHER_LABELS: task.size - counts[name],
            names.EVALUATION_SET: evaluation_id(split.evaluation[name]),
            **measure,
            **shared,
        }
        for name, measure in outcome.measures.items()
    ]


def _checked(rows: list[dict[str, object]], notes: list[str]) -> xr.Dataset:
    """Pass the rows through the reader, as any other runs table."""
    metric = "mae" if names.VALUE in rows[0] else None
    runs = read_runs(pd.DataFrame(rows), metric=metric)
    notes += json.loads(runs.attrs[names.NOTES])
    runs.attrs |= {
        names.SOURCE: "simulate_runs",
        names.NOTES: json.dumps(notes, ensure_ascii=False),
    }
    return runs
