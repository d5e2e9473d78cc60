"""One training and its evaluation on every suite and slice; and the loop in which a strategy chooses labels."""

import dataclasses
import datetime as dt
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from labelvalue.observe.simulate.evaluation import EvaluationSet, Measure, Scorer
from labelvalue.observe.simulate.learners import Trained, fit_learner, take
from labelvalue.observe.simulate.strategies import (
    SYNTHESIS,
    Query,
    Strategy,
    StrategyError,
    choose_checked,
    seed_of,
    training_seed,
)
from labelvalue.observe.simulate.suites import WrongLabels, choose_wrong
from labelvalue.observe.simulate.synthetic import Synthesise, add_synthetic

RANDOM = "random"

Key = tuple[str, str, int, int, float | None, float]
"""Learner, strategy, replicate, size, share of wrong labels, synthetic examples per label: what names a training."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One training: which learner, which rows, which seed."""

    learner: str
    replicate: int
    size: int
    rows: np.ndarray
    seed: int
    strategy: str = RANDOM
    wrong: np.ndarray | None = None  # which of the rows carry a wrong label
    synthetic: float = 0.0  # examples per label
    share: float | None = None  # of wrong labels, as asked for

    @property
    def key(self) -> Key:
        """What names the training among all of the simulation."""
        return (self.learner, self.strategy, self.replicate, self.size, self.share, self.synthetic)

    @property
    def text(self) -> str:
        """The training in words."""
        what = "" if self.strategy == RANDOM else f", {self.strategy}"
        return f"learner {self.learner!r}, replicate {self.replicate}, {self.size} labels{what}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop:
    """Trainings of which each chooses the labels of the next."""

    learner: str
    strategy: str
    number: int
    replicate: int
    pool: np.ndarray  # positions of the rows that may be chosen
    start: np.ndarray  # positions in ``pool`` of the labels to start from
    sizes: list[int]
    batch_size: int | None
    share: float | None
    synthetic: float
    entropy: int

    def task(self, size: int, rows: np.ndarray | None = None, wrong: np.ndarray | None = None) -> Task:
        """Return the training at a size, once its rows are known."""
        return Task(
            learner=self.learner,
            replicate=self.replicate,
            size=size,
            rows=np.zeros(0, dtype=np.int64) if rows is None else rows,
            seed=training_seed(self.entropy, self.number, self.replicate, size),
            strategy=self.strategy,
            wrong=wrong,
            synthetic=self.synthetic,
            share=self.share,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a training gave: a measurement per suite and slice (``None`` where undefined); or why it gave nothing."""

    task: Task
    measures: Mapping[tuple[str, str], Measure | None] = dataclasses.field(default_factory=dict)
    synthetic: Mapping[str, int] = dataclasses.field(default_factory=dict)
    skipped: str = ""
    failed: str = ""
    trace: str = ""
    seconds: float = float("nan")
    measured_at: dt.datetime | None = None
    ends: tuple[int, ...] = ()  # sizes at which a strategy chose


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """What all trainings share: how they are measured, how synthetic examples are made, when to stop."""

    scorer: Scorer
    evaluations: Sequence[EvaluationSet]
    synthesise: Synthesise | None = None
    until: float | None = None
    keep: Callable[[Outcome], None] | None = None  # told of each training of a loop as soon as it is done


def train(task: Task, learner: Any, x: Any, y: np.ndarray, slices: np.ndarray, bench: Bench) -> Outcome:
    """Train on the task's rows (given as ``x``, ``y`` and their ``slices``) and evaluate on every suite."""
    return _train(task, learner, x, y, slices, bench)[0]


def _train(
    task: Task, learner: Any, x: Any, y: np.ndarray, slices: np.ndarray, bench: Bench
) -> tuple[Outcome, Trained | None]:
    if bench.scorer.classes.size and _one_class(y):
        return Outcome(task=task, skipped="only one class among the labels"), None
    try:
        trained, counts, seconds = _fit(task, learner, x, y, slices, bench)
        measures = {
            (e.suite, name): measure
            for e in bench.evaluations
            for name, measure in bench.scorer.measure(trained, e.x, e.y, e.parts).items()
        }
    except Exception as error:
        return _failed(task, error), None
    if not any(measures.values()):
        return Outcome(task=task, skipped="no slice shows the metric with its noise"), trained
    now = dt.datetime.now(dt.UTC)
    return Outcome(task=task, measures=measures, synthetic=counts, seconds=seconds, measured_at=now), trained


def _fit(
    task: Task, learner: Any, x: Any, y: np.ndarray, slices: np.ndarray, bench: Bench
) -> tuple[Trained, dict[str, int], float]:
    counts: dict[str, int] = {}
    if task.synthetic and bench.synthesise is not None:
        x, y, counts = add_synthetic(x, y, slices, task.synthetic, bench.synthesise, seed_of(task.seed, SYNTHESIS))
    start = time.perf_counter()
    trained = fit_learner(learner, x, y, task.seed)
    return trained, counts, time.perf_counter() - start


def _failed(task: Task, error: Exception) -> Outcome:
    return Outcome(task=task, failed=str(error) or type(error).__name__, trace=traceback.format_exc())


def _one_class(y: np.ndarray) -> bool:
    return y.size < 2 or bool((y == y[0]).all())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """What a strategy chooses from: features, target, slices, numeric features; ``wrong`` holds wrong labels."""

    x: Any
    y: np.ndarray
    slices: np.ndarray
    features: Any
    wrong: tuple[WrongLabels, np.ndarray] | None


def run_loop(
    loop: Loop, strategy: Strategy, learner: Any, pool: Pool, bench: Bench, last: Outcome | None
) -> list[Outcome]:
    """Let ``strategy`` choose batches and evaluate at each size after ``last``, till a training fails or time is up."""
    labelled, ends = loop.start, [loop.start.size]
    trained: Trained | None = None
    sizes = loop.sizes
    if last is not None:
        labelled, ends = np.searchsorted(loop.pool, last.task.rows), list(last.ends)
        sizes = [size for size in sizes if size > last.task.size]
        given, _ = _given(pool, labelled, ends, loop.share)
        if sizes and not _one_class(given):
            trained = _fit(last.task, learner, take(pool.x, labelled), given, pool.slices[labelled], bench)[0]
    outcomes = []
    for size in sizes:
        if bench.until is not None and time.time() >= bench.until:
            break
        try:
            while labelled.size < size:
                query = _query(loop, learner, pool, labelled, ends, size, trained, bench)
                labelled, trained = np.concatenate([labelled, choose_checked(strategy, query, loop.strategy)]), None
                ends.append(labelled.size)
        except StrategyError:
            raise
        except Exception as error:
            outcomes.append(_failed(loop.task(size), error))
            break
        given, wrong = _given(pool, labelled, ends, loop.share)
        task = loop.task(size, loop.pool[labelled], wrong)
        outcome, trained = _train(task, learner, take(pool.x, labelled), given, pool.slices[labelled], bench)
        outcomes.append(dataclasses.replace(outcome, ends=tuple(ends)))
        if outcome.failed:
            break
        if bench.keep is not None:
            bench.keep(outcomes[-1])
    return outcomes


def _query(
    loop: Loop,
    learner: Any,
    pool: Pool,
    labelled: np.ndarray,
    ends: list[int],
    size: int,
    trained: Trained | None,
    bench: Bench,
) -> Query:
    given, _ = _given(pool, labelled, ends, loop.share)
    seed = training_seed(loop.entropy, loop.number, loop.replicate, labelled.size)
    if trained is None and not _one_class(given):
        trained = fit_learner(learner, take(pool.x, labelled), given, seed)
    return Query(
        trained=trained,
        train=lambda rows, labels, s: fit_learner(learner, take(pool.x, rows), labels, s),
        x=pool.x,
        features=pool.features,
        labelled=labelled,
        labels=given,
        candidates=np.setdiff1d(np.arange(pool.y.size), labelled),
        classes=bench.scorer.classes,
        count=min(size - labelled.size, loop.batch_size or size),
        seed=seed,
    )


def _given(pool: Pool, rows: np.ndarray, ends: list[int], share: float | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the labels as they are given, and which of them are wrong."""
    if share is None or pool.wrong is None:
        return pool.y[rows], None
    drawn, said = pool.wrong
    wrong = choose_wrong(drawn.order[rows], ends, share)
    return np.where(wrong, said[rows], pool.y[rows]), wrong
