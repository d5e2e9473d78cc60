"""Trainings, of which each may choose the labels of the next, and what their models are measured on, slice by slice."""

import dataclasses
import datetime as dt
import functools
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.observe.simulate.learners import Trained, fit_learner, take
from labelvalue.observe.simulate.protocol import Protocol
from labelvalue.observe.simulate.strategies import (
    SUITE,
    SYNTHESIS,
    Query,
    Split,
    Strategy,
    StrategyError,
    choose_checked,
    evaluation_id,
    seed_of,
    split_by_folds,
    split_by_rows,
    split_by_share,
    stream,
    training_seed,
)
from labelvalue.observe.simulate.suites import (
    HOLDOUT,
    SplitSuite,
    Suite,
    Synthesise,
    WrongLabels,
    add_synthetic,
    changed_copy,
    choose_wrong,
    held_rows,
)
from labelvalue.observe.table.schema import CATALOGUE
from labelvalue.problems import InputError, Problem, did_you_mean, input_error


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """The rows of one suite, slice after slice."""

    suite: str
    x: Any
    y: np.ndarray
    parts: Mapping[str, slice]
    ids: Mapping[str, str]  # ``evaluation_set`` of each slice


def make_splits(
    slices: np.ndarray, protocol: Protocol, evaluation: np.ndarray | None, free: np.ndarray, entropy: int
) -> list[Split]:
    """Return each replicate's split into pool and evaluation rows; rows that are not ``free`` are in neither."""
    count, share = protocol.replicates or 1, protocol.test_size or 0.0
    if protocol.resampling == "folds":
        splits = split_by_folds(slices, free, count, entropy)
    elif evaluation is None:
        splits = [split_by_share(slices, free, share, entropy)] * count
    else:
        splits = [split_by_rows(slices, free, evaluation)] * count
    lacking = {name for split in splits for name, rows in split.evaluation.items() if not rows.size}
    problems = [
        Problem(column="slice", value=name, why="no rows to evaluate on", fix="hold some out")
        for name in sorted(lacking)
    ]
    if min(split.pool.size for split in splits) < 2:
        problems.append(Problem(why="no rows left to train on", fix="hold fewer rows out"))
    if problems:
        raise InputError(problems)
    return splits


def positions(evaluation: Sequence[int] | np.ndarray, size: int) -> np.ndarray:
    """Return the rows that the user named to evaluate on, by position or as a mask."""
    rows = np.asarray(evaluation)
    if rows.dtype == bool and rows.shape == (size,):
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise TypeError("evaluation must hold row positions, or a mask as long as y")
    if rows.size and not (rows.min() >= 0 and rows.max() < size):
        raise input_error(f"evaluation rows outside 0 … {size - 1}", "give positions in X")
    return rows.astype(np.int64)


def rows_held(suites: Sequence[Suite], x: Any, metadata: pd.DataFrame | None) -> dict[str, np.ndarray]:
    """Return the rows (bool) that each suite keeps from training."""

    def column(name: str) -> np.ndarray:
        for table in (metadata, x):
            if isinstance(table, pd.DataFrame) and name in table.columns:
                if table[name].isna().any():
                    gap = int(table[name].isna().to_numpy().argmax())
                    raise input_error("no value here", "fill it in", line=gap, column=name)
                return table[name].to_numpy()
        known = [str(c) for t in (metadata, x) if isinstance(t, pd.DataFrame) for c in t.columns]
        raise input_error(f"no such column{did_you_mean(name, known)}", "name a column of metadata or X", column=name)

    return {suite.name: held_rows(suite, column) for suite in suites if isinstance(suite, SplitSuite)}


def make_evaluations(
    split: Split,
    suites: Sequence[Suite],
    held: Mapping[str, np.ndarray],
    x: Any,
    y: np.ndarray,
    slices: np.ndarray,
    entropy: int,
) -> list[EvaluationSet]:
    """Return the holdout and every suite of one split; rows of a slice stand together."""
    rows = np.concatenate(list(split.evaluation.values()))
    here = slices[rows]
    x_held, y_held = take(x, rows), y[rows]
    made = [_evaluation(HOLDOUT, x_held, y_held, here, rows, "")]
    for number, suite in enumerate(suites):
        if isinstance(suite, SplitSuite):
            kept = np.flatnonzero(held[suite.name])
            kept = kept[np.argsort(slices[kept], kind="stable")]
            made.append(_evaluation(suite.name, take(x, kept), y[kept], slices[kept], kept, ""))
        else:
            copy = changed_copy(suite, x_held, y_held, here, stream(entropy, SUITE, number))
            if not copy.keep.size:
                raise input_error("no slice has rows for it", "give another suite", value=suite.name)
            what = f"{suite.name} {entropy} {number}"
            made.append(_evaluation(suite.name, copy.x, copy.y, here[copy.keep], rows[copy.keep], what))
    return made


def _evaluation(suite: str, x: Any, y: np.ndarray, slices: np.ndarray, rows: np.ndarray, copy: str) -> EvaluationSet:
    names_, starts, counts = np.unique(slices, return_index=True, return_counts=True)
    parts = {str(n): slice(int(a), int(a + c)) for n, a, c in zip(names_, starts, counts, strict=True)}
    ids = {name: evaluation_id(rows[part], copy) for name, part in parts.items()}
    return EvaluationSet(suite=suite, x=x, y=y, parts=parts, ids=ids)


COUNTED = ("error_rate", "accuracy")  # metrics whose runs are counts of wrong answers
CONFUSION = ("balanced_accuracy", "f1", "precision", "recall")
PROBABILISTIC = ("auc", "brier", "ece", "log_loss")
NUMERIC = ("mae", "rmse")

RESAMPLES = 200  # bootstrap resamples of the evaluation items behind a standard error
BINS = 15  # bins of equal width of the expected calibration error
LEAST_PROBABILITY = float(np.finfo(float).eps)  # probabilities are kept this far from 0 and 1 in the log-loss

Measure = dict[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scorer:
    """How predictions are measured."""

    metric: str
    classes: np.ndarray  # ascending; empty for numbers
    positive: int = 1

    def measure(self, trained: Trained, x: Any, y: np.ndarray, parts: Mapping[str, slice]) -> dict[str, Measure | None]:
        """Return the measurement of each part of ``x``; ``None`` where the metric is not defined or shows no noise."""
        asked = self.metric in PROBABILISTIC
        given = trained.probabilities(x, self.classes) if asked else trained.predict(x)
        return {name: self._one(y[part], given[part]) for name, part in parts.items()}

    def _one(self, truth: np.ndarray, given: np.ndarray) -> Measure | None:
        if self.metric in COUNTED:
            return {names.ERRORS: int(np.count_nonzero(given != truth)), names.TRIALS: truth.size}
        if self.metric in NUMERIC:
            value, stderr = _numeric(self.metric, truth, given)
        elif self.metric in CONFUSION:
            value, stderr = _confused(self.metric, truth, given, self.classes, self.positive)
        else:
            codes = np.searchsorted(self.classes, truth)
            value, stderr = _probabilistic(self.metric, codes, given)
        metric = CATALOGUE[self.metric]
        if np.isfinite(metric.error_upper):  # a resample cannot show what no item shows: never less than half an item
            stderr = max(stderr, float(metric.stderr_from_trials(np.zeros(1), np.array([truth.size]))[0]))
        if not np.isfinite(value) or not stderr > 0:
            return None
        return {names.VALUE: float(value), names.STDERR: float(stderr)}


def _mean(losses: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error."""
    spread = float(losses.std(ddof=1)) if losses.size > 1 else 0.0
    return float(losses.mean()), spread / float(np.sqrt(losses.size))


def _numeric(metric: str, truth: np.ndarray, given: np.ndarray) -> tuple[float, float]:
    if metric == "mae":
        return _mean(np.abs(given - truth))
    mean, stderr = _mean((given - truth) ** 2)
    root = float(np.sqrt(mean))
    return root, stderr / (2 * root) if root > 0 else 0.0  # by the delta method


def _confused(
    metric: str, truth: np.ndarray, given: np.ndarray, classes: np.ndarray, positive: int
) -> tuple[float, float]:
    """Resampling items is drawing the confusion matrix anew from a multinomial."""
    count = classes.size
    place = np.minimum(np.searchsorted(classes, given), count - 1)
    place = np.where(classes[place] == given, place, count)  # a label that is no class is wrong for every class
    cells = np.bincount(np.searchsorted(classes, truth) * (count + 1) + place, minlength=count * (count + 1))
    drawn = _rng(truth.size).multinomial(truth.size, cells / truth.size, RESAMPLES)
    tables = np.concatenate([cells[None], drawn]).reshape(-1, count, count + 1)
    values = _from_tables(metric, tables, positive if count == 2 else None)
    return float(values[0]), _spread(values[1:])


def _from_tables(metric: str, tables: np.ndarray, positive: int | None) -> np.ndarray:
    """Return the metric of each (truth, given) table: of one class, or the mean over classes that occur."""
    hits = np.diagonal(tables, axis1=1, axis2=2).astype(float)
    real, called = tables.sum(axis=2), tables.sum(axis=1)[:, : hits.shape[1]]
    with np.errstate(invalid="ignore"):
        recall = hits / real
        precision = np.where(called > 0, hits / called, 0.0)
        f1 = 2 * hits / (real + called)
    each = {"balanced_accuracy": recall, "recall": recall, "precision": precision, "f1": f1}[metric]
    each = np.where(real > 0, each, np.nan)
    if positive is not None and metric != "balanced_accuracy":
        return each[:, positive]
    return np.nanmean(each, axis=1)


def _probabilistic(metric: str, codes: np.ndarray, given: np.ndarray) -> tuple[float, float]:
    if metric == "log_loss":
        chosen = np.clip(given[np.arange(codes.size), codes], LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        return _mean(-np.log(chosen))
    if metric == "brier":
        truth = np.eye(given.shape[1])[codes]
        return _mean(0.5 * ((given - truth) ** 2).sum(axis=1))
    kernel = _auc if metric == "auc" else _calibration
    values = kernel(codes, given, _weights(codes.size))
    return float(values[0]), _spread(values[1:])


def _calibration(codes: np.ndarray, given: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Expected calibration error of the likeliest class (Naeini et al. 2015), for each row of weights."""
    confidence = given.max(axis=1)
    gap = (given.argmax(axis=1) == codes) - confidence
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    by_bin = np.zeros((codes.size, BINS))
    by_bin[np.arange(codes.size), bins] = gap
    return np.abs(weights @ by_bin).sum(axis=1) / weights.sum(axis=1)


def _auc(codes: np.ndarray, given: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve for each row of weights; the mean of one class against the rest for more than two."""
    if given.shape[1] == 2:
        return _binary_auc(codes == 1, given[:, 1], weights)
    there = np.unique(codes)
    return np.mean([_binary_auc(codes == k, given[:, k], weights) for k in there], axis=0)


def _binary_auc(truth: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])  # equal scores make one step
    sorted_weights, sorted_truth = weights[:, order], truth[order]
    positive = np.add.reduceat(sorted_weights * sorted_truth, starts, axis=1)
    negative = np.add.reduceat(sorted_weights * ~sorted_truth, starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return (positive * (below + 0.5 * negative)).sum(axis=1) / np.where(pairs > 0, pairs, np.nan)


def _rng(items: int) -> np.random.Generator:
    """The resamples depend on the number of items alone, so that all runs of an evaluation set share them."""
    return np.random.default_rng([items, RESAMPLES])


@functools.lru_cache(maxsize=16)
def _weights(items: int) -> np.ndarray:
    """Row 0 counts each item once; each further row is a bootstrap resample."""
    drawn = _rng(items).integers(items, size=(RESAMPLES, items))
    shifted = drawn + items * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(shifted.ravel(), minlength=RESAMPLES * items).reshape(RESAMPLES, items)
    return np.concatenate([np.ones((1, items)), counts])


def _spread(values: np.ndarray) -> float:
    """Standard deviation of the resamples in which the metric is defined."""
    defined = values[np.isfinite(values)]
    return float(defined.std(ddof=1)) if defined.size > 1 else 0.0


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
