"""Trainings and their evaluation on every suite and slice, of which each may choose the labels of the next."""

import dataclasses
import datetime as dt
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from labelvalue import names
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


class Key(NamedTuple):
    """What names a training among all of a simulation."""

    learner: str
    strategy: str
    replicate: int
    size: int
    share: float | None  # of wrong labels, as asked for
    synthetic: float  # examples per label

    @property
    def text(self) -> str:
        """The training in words."""
        what = "" if self.strategy == RANDOM else f", {self.strategy}"
        return f"learner {self.learner!r}, replicate {self.replicate}, {self.size} labels{what}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """Trainings of which each may choose the labels of the next; labels in a fixed order are one training's start."""

    learner: str
    number: int  # of the learner
    strategy: str
    replicate: int
    sizes: Sequence[int]
    pool: np.ndarray  # positions of the rows that may be chosen
    start: np.ndarray  # positions in ``pool`` of the labels to start from
    ends: Sequence[int]  # sizes at which these were chosen
    share: float | None
    synthetic: float
    entropy: int
    batch_size: int | None

    @property
    def keys(self) -> list[Key]:
        """Names of its trainings."""
        return [self.key(size) for size in self.sizes]

    def key(self, size: int) -> Key:
        """Name the training at a size."""
        return Key(self.learner, self.strategy, self.replicate, size, self.share, self.synthetic)

    def seed(self, size: int) -> int:
        """Return the seed of the training at a size."""
        return training_seed(self.entropy, self.number, self.replicate, size)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a training gave: a measurement per suite and slice (``None`` where undefined); or why it gave nothing."""

    key: Key
    rows: np.ndarray
    noise: float | None = None  # share of wrong labels among them, where some were asked for
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
    synthesise: Synthesise
    until: float | None = None
    keep: Callable[[Outcome], None] | None = None  # told of each training as soon as it is done, but a job's last


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """What a job's labels are taken from: features, target, slices, numeric features; ``wrong`` holds wrong labels."""

    x: Any
    y: np.ndarray
    slices: np.ndarray
    features: Any
    wrong: tuple[WrongLabels, np.ndarray] | None


def run_job(
    job: Job, strategy: Strategy | None, learner: Any, pool: Pool, bench: Bench, last: Outcome | None
) -> list[Outcome]:
    """Train and evaluate at each size after ``last``, once at least, till a training fails or time is up."""
    labelled, ends = job.start, list(job.ends)
    trained: Trained | None = None
    sizes = job.sizes
    if last is not None:
        labelled, ends = np.searchsorted(job.pool, last.rows), list(last.ends)
        sizes = [size for size in sizes if size > last.key.size]
        given, _ = _given(pool, labelled, ends, job.share)
        if sizes and not _one_class(given):
            trained = _fit(job, last.key.size, learner, pool, labelled, given, bench)[0]
    outcomes: list[Outcome] = []
    for size in sizes:
        if outcomes and bench.until is not None and time.time() >= bench.until:
            break
        try:
            while strategy is not None and labelled.size < size:
                query = _query(job, learner, pool, labelled, ends, size, trained, bench)
                labelled, trained = np.concatenate([labelled, choose_checked(strategy, query, job.strategy)]), None
                ends.append(labelled.size)
        except StrategyError:
            raise
        except Exception as error:
            outcomes.append(Outcome(key=job.key(size), rows=job.pool[labelled], **_failed(error)))
            break
        given, noise = _given(pool, labelled, ends, job.share)
        found, trained = _train(job, size, learner, pool, labelled, given, bench)
        chosen = () if strategy is None else tuple(ends)
        outcomes.append(Outcome(key=job.key(size), rows=job.pool[labelled], noise=noise, ends=chosen, **found))
        if outcomes[-1].failed:
            break
        if bench.keep is not None and size < sizes[-1]:
            bench.keep(outcomes[-1])
    return outcomes


def _train(
    job: Job, size: int, learner: Any, pool: Pool, labelled: np.ndarray, given: np.ndarray, bench: Bench
) -> tuple[dict[str, Any], Trained | None]:
    """Train on labels as they are given and evaluate on every suite: what is said of the outcome, and the model."""
    if bench.scorer.classes.size and _one_class(given):
        return {"skipped": "only one class among the labels"}, None
    try:
        trained, synthetic, seconds = _fit(job, size, learner, pool, labelled, given, bench)
        measures = {
            (e.suite, name): measure
            for e in bench.evaluations
            for name, measure in bench.scorer.measure(trained, e.x, e.y, e.parts).items()
        }
    except Exception as error:
        return _failed(error), None
    if not any(measures.values()):
        return {"skipped": "no slice shows the metric with its noise"}, trained
    now = dt.datetime.now(dt.UTC)
    return {"measures": measures, "synthetic": synthetic, "seconds": seconds, names.MEASURED_AT: now}, trained


def _fit(
    job: Job, size: int, learner: Any, pool: Pool, labelled: np.ndarray, given: np.ndarray, bench: Bench
) -> tuple[Trained, dict[str, int], float]:
    x, y, seed = take(pool.x, labelled), given, job.seed(size)
    synthetic: dict[str, int] = {}
    if job.synthetic:
        seed_there = seed_of(seed, SYNTHESIS)
        x, y, synthetic = add_synthetic(x, y, pool.slices[labelled], job.synthetic, bench.synthesise, seed_there)
    start = time.perf_counter()
    return fit_learner(learner, x, y, seed), synthetic, time.perf_counter() - start


def _failed(error: Exception) -> dict[str, Any]:
    return {"failed": str(error) or type(error).__name__, "trace": traceback.format_exc()}


def _one_class(y: np.ndarray) -> bool:
    return y.size < 2 or bool((y == y[0]).all())


def _query(
    job: Job,
    learner: Any,
    pool: Pool,
    labelled: np.ndarray,
    ends: list[int],
    size: int,
    trained: Trained | None,
    bench: Bench,
) -> Query:
    given, _ = _given(pool, labelled, ends, job.share)
    seed = job.seed(labelled.size)
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
        count=min(size - labelled.size, job.batch_size or size),
        seed=seed,
    )


def _given(pool: Pool, rows: np.ndarray, ends: list[int], share: float | None) -> tuple[np.ndarray, float | None]:
    """Return the labels as they are given, and the share of them that is wrong."""
    if share is None or pool.wrong is None:
        return pool.y[rows], None
    drawn, said = pool.wrong
    wrong = choose_wrong(drawn.order[rows], ends, share)
    return np.where(wrong, said[rows], pool.y[rows]), np.count_nonzero(wrong) / rows.size
