"""One training and its evaluation on every suite and slice; and the loop in which a strategy chooses labels."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labelvalue.observe.evaluation import EvaluationSet
from labelvalue.observe.label_errors import WrongLabels, choose_wrong
from labelvalue.observe.learners import Trained, fit_learner, take
from labelvalue.observe.sampling import SYNTHESIS, seed_of, training_seed
from labelvalue.observe.scores import Measure, Scorer
from labelvalue.observe.strategies import Query, Strategy, choose_checked
from labelvalue.observe.synthetic import Synthesise, add_synthetic

RANDOM = "random"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One training: which learner, which rows, which seed.

    Parameters
    ----------
    learner : str
        Name of the training recipe.
    replicate, size : int
        Number of the re-draw, and labels in the training set.
    rows : numpy.ndarray
        Positions of the training rows.
    seed : int
        ``random_state`` for every part of the estimator that takes one.
    strategy : str
        How the rows were chosen.
    wrong : numpy.ndarray, optional
        Which of the rows carry a wrong label (bool).
    synthetic : float
        Synthetic examples per label.
    """

    learner: str
    replicate: int
    size: int
    rows: np.ndarray
    seed: int
    strategy: str = RANDOM
    wrong: np.ndarray | None = None
    synthetic: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop:
    """Trainings of which each chooses the labels of the next.

    Parameters
    ----------
    learner, strategy : str
        Names of the training recipe and of the strategy.
    number, replicate : int
        Number of the learner, and of the re-draw.
    pool : numpy.ndarray
        Positions of the rows that may be chosen.
    start : numpy.ndarray
        Positions in ``pool`` of the labels to start from.
    sizes : list of int
        Ascending sizes at which to evaluate.
    batch_size : int, optional
        Labels chosen at a time.
    share : float, optional
        Share of wrong labels.
    synthetic : float
        Synthetic examples per label.
    entropy : int
        Seed of the simulation.
    """

    learner: str
    strategy: str
    number: int
    replicate: int
    pool: np.ndarray
    start: np.ndarray
    sizes: list[int]
    batch_size: int | None
    share: float | None
    synthetic: float
    entropy: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a training gave: a measurement per suite and slice (``None`` where undefined); or why it was skipped."""

    task: Task
    measures: Mapping[tuple[str, str], Measure | None] = dataclasses.field(default_factory=dict)
    synthetic: Mapping[str, int] = dataclasses.field(default_factory=dict)
    skipped: str = ""
    seconds: float = float("nan")
    measured_at: dt.datetime | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """What all trainings share: how they are measured, and how synthetic examples are made."""

    scorer: Scorer
    evaluations: Sequence[EvaluationSet]
    synthesise: Synthesise | None = None


def train(task: Task, learner: Any, x: Any, y: np.ndarray, slices: np.ndarray, bench: Bench) -> Outcome:
    """Train on the task's rows (given as ``x``, ``y`` and their ``slices``) and evaluate on every suite."""
    return _train(task, learner, x, y, slices, bench)[0]


def _train(
    task: Task, learner: Any, x: Any, y: np.ndarray, slices: np.ndarray, bench: Bench
) -> tuple[Outcome, Trained | None]:
    if bench.scorer.classes.size and _one_class(y):
        return Outcome(task=task, skipped="only one class among the labels"), None
    counts: dict[str, int] = {}
    try:
        if task.synthetic and bench.synthesise is not None:
            x, y, counts = add_synthetic(x, y, slices, task.synthetic, bench.synthesise, seed_of(task.seed, SYNTHESIS))
        start = time.perf_counter()
        trained = fit_learner(learner, x, y, task.seed)
        seconds = time.perf_counter() - start
        measures = {
            (e.suite, name): measure
            for e in bench.evaluations
            for name, measure in bench.scorer.measure(trained, e.x, e.y, e.parts).items()
        }
    except Exception as error:
        where = f"learner {task.learner!r}, replicate {task.replicate}, {task.size} labels"
        raise RuntimeError(f"training failed ({where}): {error}") from error
    if not any(measures.values()):
        return Outcome(task=task, skipped="no slice shows the metric with its noise"), trained
    now = dt.datetime.now(dt.UTC)
    return Outcome(task=task, measures=measures, synthetic=counts, seconds=seconds, measured_at=now), trained


def _one_class(y: np.ndarray) -> bool:
    return bool(pd.unique(y).size < 2)


def run_loop(
    loop: Loop,
    strategy: Strategy,
    learner: Any,
    data: tuple[Any, np.ndarray, np.ndarray, Any],
    wrong_labels: tuple[WrongLabels, np.ndarray] | None,
    bench: Bench,
) -> list[Outcome]:
    """Let ``strategy`` choose labels from the pool, batch by batch, and evaluate at every size after the first.

    ``data`` holds features, target, slices and numeric features of the pool; ``wrong_labels`` those of its rows, and
    what they say.
    """
    x, y, slices, features = data
    labelled, ends = loop.start, [loop.start.size]
    outcomes = []
    trained: Trained | None = None
    for size in loop.sizes:
        while labelled.size < size:
            given, _ = _given(y, labelled, ends, loop.share, wrong_labels)
            count = min(size - labelled.size, loop.batch_size or size)
            seed = training_seed(loop.entropy, loop.number, loop.replicate, labelled.size)
            if trained is None and not _one_class(given):
                trained = fit_learner(learner, take(x, labelled), given, seed)
            query = Query(
                trained=trained,
                train=lambda rows, labels, s: fit_learner(learner, take(x, rows), labels, s),
                x=x,
                features=features,
                labelled=labelled,
                labels=given,
                candidates=np.setdiff1d(np.arange(y.size), labelled),
                classes=bench.scorer.classes,
                count=count,
                seed=seed,
            )
            labelled, trained = np.concatenate([labelled, choose_checked(strategy, query, loop.strategy)]), None
            ends.append(labelled.size)
        given, wrong = _given(y, labelled, ends, loop.share, wrong_labels)
        task = Task(
            learner=loop.learner,
            replicate=loop.replicate,
            size=size,
            rows=loop.pool[labelled],
            seed=training_seed(loop.entropy, loop.number, loop.replicate, size),
            strategy=loop.strategy,
            wrong=wrong,
            synthetic=loop.synthetic,
        )
        outcome, trained = _train(task, learner, take(x, labelled), given, slices[labelled], bench)
        outcomes.append(outcome)
    return outcomes


def _given(
    y: np.ndarray,
    rows: np.ndarray,
    ends: list[int],
    share: float | None,
    wrong_labels: tuple[WrongLabels, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the labels as they are given, and which of them are wrong."""
    if share is None or wrong_labels is None:
        return y[rows], None
    drawn, said = wrong_labels
    wrong = choose_wrong(drawn.order[rows], ends, share)
    return np.where(wrong, said[rows], y[rows]), wrong
