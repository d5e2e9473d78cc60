"""A simulation, checked and ready to run: from settings and data to the table of runs."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.evaluation import EvaluationSet, make_evaluations, make_splits, rows_held
from labelvalue.observe.features import comparable
from labelvalue.observe.label_errors import WrongLabels
from labelvalue.observe.learners import take
from labelvalue.observe.perturbations import ClassMix
from labelvalue.observe.plan import Plan
from labelvalue.observe.progress import track
from labelvalue.observe.protocol import Protocol
from labelvalue.observe.runs import read_runs
from labelvalue.observe.sampling import fresh_seed
from labelvalue.observe.schema import KEY
from labelvalue.observe.scores import COUNTED, Scorer
from labelvalue.observe.settings import (
    STRATEGIES,
    check_classes,
    check_data,
    check_generator,
    check_sizes,
    check_strategies,
    choose_metric,
    make_scorer,
)
from labelvalue.observe.strategies import QUERIES, Strategy
from labelvalue.observe.synthetic import Synthesise, find_generator
from labelvalue.observe.training import Bench, Loop, Outcome, Task, run_loop, train
from labelvalue.problems import InputError, Problem


def prepare(
    protocol: Protocol,
    learners: Mapping[str, Any],
    own: Mapping[str, Strategy],
    X: Any,
    y: Any,
    slices: Any,
    evaluation: Sequence[int] | np.ndarray | None,
    metadata: pd.DataFrame | None,
    generator: str | Synthesise | None,
) -> Simulation:
    """Check everything that was asked for against the data, and settle sizes, seed and evaluation sets."""
    X, y, texts = check_data(X, y, slices)
    y = np.asarray(y)
    if metadata is not None and len(metadata) != y.size:
        why = f"lengths differ: y has {y.size}, metadata has {len(metadata)}"
        raise InputError([Problem(why=why, fix="give one row of metadata per row")])
    metric = choose_metric(protocol, learners)
    scorer = make_scorer(metric, protocol.positive, y)
    problems = [*check_classes(protocol, scorer), *check_strategies(protocol, own, learners)]
    if evaluation is not None and protocol.resampling == "folds":
        problems.append(Problem(column="evaluation", why="folds make their own", fix="leave it out"))
    if problems:
        raise InputError(problems)
    entropy = fresh_seed() if protocol.random_state is None else protocol.random_state
    held = rows_held(protocol.suites, X, metadata)
    reserved = np.logical_or.reduce([np.zeros(y.size, dtype=bool), *held.values()])
    splits = make_splits(texts, protocol, evaluation, reserved, entropy)
    sizes = check_sizes(protocol.sizes, min(split.pool.size for split in splits))
    check_generator(protocol.generator if generator is None else generator)
    made = functools.partial(
        make_evaluations, suites=protocol.suites, held=held, x=X, y=y, slices=texts, entropy=entropy
    )
    evaluations = {id(split): made(split) for split in splits}
    plan = Plan(
        protocol=dataclasses.replace(protocol, metric=metric, sizes=tuple(sizes), random_state=entropy),
        learners=list(learners),
        slices=texts,
        codes=np.searchsorted(scorer.classes, y) if scorer.classes.size else np.zeros(0, dtype=int),
        classes=scorer.classes,
        splits=splits,
        entropy=entropy,
    )
    return Simulation(
        plan=plan,
        learners=learners,
        queries=QUERIES | dict(own),
        x=X,
        y=y,
        features=comparable(X) if _measures_distances(protocol) else None,
        scorer=scorer,
        evaluations=[evaluations[id(split)] for split in splits],
        synthesise=find_generator(generator or protocol.generator, numeric_target=not scorer.classes.size),
    )


def _measures_distances(protocol: Protocol) -> bool:
    built_in = {name for name in STRATEGIES if name != "diversity"}
    return any(not isinstance(s, ClassMix) and s not in built_in for s in protocol.strategies)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Simulation:
    """Everything that is needed to train.

    Parameters
    ----------
    plan : Plan
        The trainings.
    learners : mapping of str to object
        Estimators and functions by name.
    queries : mapping of str to Strategy
        Strategies that ask a model, by name.
    x, y : table and numpy.ndarray
        Features and target of all rows.
    features : array, optional
        Features as numbers, where a strategy asks for them.
    scorer : Scorer
        How predictions are measured.
    evaluations : sequence of sequence of EvaluationSet
        Per replicate: the holdout and the suites.
    synthesise : callable
        Maker of synthetic examples.
    """

    plan: Plan
    learners: Mapping[str, Any]
    queries: Mapping[str, Strategy]
    x: Any
    y: np.ndarray
    features: Any
    scorer: Scorer
    evaluations: Sequence[Sequence[EvaluationSet]]
    synthesise: Synthesise

    def run(self, n_jobs: int, progress: bool) -> xr.Dataset:
        """Train everything and return the runs."""
        protocol = self.plan.protocol
        jobs = list(self.plan.jobs())
        total = self.plan.count(jobs)
        rows: list[dict[str, object]] = []
        skipped: Counter[str] = Counter()
        notes = [f"simulated with random_state {protocol.random_state}, jitter {protocol.jitter:g}"]
        done = 0
        try:
            for outcome in track(self._train(jobs, n_jobs), total, "training", show=progress):
                done += 1
                if outcome.skipped:
                    skipped[f"trainings skipped: {outcome.skipped}"] += 1
                else:
                    rows += self._rows(outcome)
                    undefined = sum(measure is None for measure in outcome.measures.values())
                    skipped[f"measurements left out: {protocol.metric} not defined, or without noise"] += undefined
        except KeyboardInterrupt:
            if not rows:
                raise
            notes.append(f"interrupted after {done} of {total} trainings")
        if not rows:
            reasons = ", ".join(sorted(why.removeprefix("trainings skipped: ") for why in skipped)) or "no size fits"
            why = f"no training could be done: {reasons}"
            raise InputError([Problem(why=why, fix="give larger sizes or other data")])
        notes += [f"{count} {why}" for why, count in sorted(skipped.items()) if count]
        notes += self._shortened(jobs)
        return self._checked(rows, notes)

    def _train(self, jobs: list[Task | Loop], n_jobs: int) -> Iterator[Outcome]:
        """Yield the outcomes in the order of the jobs."""
        from joblib import Parallel, delayed

        wrong_labels = functools.lru_cache(maxsize=1)(self.plan.wrong_labels)

        def calls() -> Iterator[Any]:
            for job in jobs:
                evaluations = self.evaluations[job.replicate]
                bench = Bench(scorer=self.scorer, evaluations=evaluations, synthesise=self.synthesise)
                learner, drawn = self.learners[job.learner], wrong_labels(job.replicate)
                if isinstance(job, Task):
                    slices = self.plan.slices[job.rows]
                    yield delayed(_one)(job, learner, take(self.x, job.rows), self._given(job, drawn), slices, bench)
                else:
                    strategy = self.queries[job.strategy]
                    yield delayed(run_loop)(job, strategy, learner, self._pool(job), self._said(job, drawn), bench)

        for outcomes in Parallel(n_jobs=n_jobs, return_as="generator")(calls()):
            yield from outcomes

    def _given(self, task: Task, drawn: WrongLabels | None) -> np.ndarray:
        """Return the labels of a training set, wrong ones included."""
        right = self.y[task.rows]
        if task.wrong is None or drawn is None:
            return right
        return np.where(task.wrong, self.scorer.classes[drawn.codes[task.rows]], right)

    def _pool(self, loop: Loop) -> tuple[Any, np.ndarray, np.ndarray, Any]:
        features = None if self.features is None else take(self.features, loop.pool)
        return take(self.x, loop.pool), self.y[loop.pool], self.plan.slices[loop.pool], features

    def _said(self, loop: Loop, drawn: WrongLabels | None) -> tuple[WrongLabels, np.ndarray] | None:
        if drawn is None:
            return None
        here = WrongLabels(codes=drawn.codes[loop.pool], order=drawn.order[loop.pool])
        return here, self.scorer.classes[here.codes]

    def _rows(self, outcome: Outcome) -> list[dict[str, object]]:
        """Return the rows of the runs table that one training gives, one per suite and slice."""
        task = outcome.task
        counts = Counter(self.plan.slices[task.rows].tolist())
        ids = {e.suite: e.ids for e in self.evaluations[task.replicate]}
        shared: dict[str, object] = {
            names.LEARNER: task.learner,
            names.STRATEGY: task.strategy,
            names.REPLICATE: task.replicate,
            names.PROTOCOL: self.plan.protocol.id,
            names.SECONDS: outcome.seconds,
            names.MEASURED_AT: outcome.measured_at,
        }
        if task.wrong is not None:
            shared[names.LABEL_NOISE] = np.count_nonzero(task.wrong) / task.size
        if self.plan.protocol.synthetic:
            made = sum(outcome.synthetic.values())
        return [
            {
                names.SLICE: name,
                names.SUITE: suite,
                names.LABELS: counts[name],
                names.OTHER_LABELS: task.size - counts[name],
                names.EVALUATION_SET: ids[suite][name],
                **(_synthetic(outcome.synthetic, name, made) if self.plan.protocol.synthetic else {}),
                **measure,
                **shared,
            }
            for (suite, name), measure in outcome.measures.items()
            if measure is not None
        ]

    def _shortened(self, jobs: list[Task | Loop]) -> list[str]:
        """Return a note per mix of classes that the pool cannot serve at every size."""
        wanted = set(self.plan.sizes)
        notes = []
        for mix in [s for s in self.plan.protocol.strategies if isinstance(s, ClassMix)]:
            served = {job.size for job in jobs if isinstance(job, Task) and job.strategy == mix.name}
            if wanted - served:
                lost = ", ".join(map(str, sorted(wanted - served)))
                notes.append(f"{mix.name}: too few rows of a class for sizes {lost}")
        return notes

    def _checked(self, rows: list[dict[str, object]], notes: list[str]) -> xr.Dataset:
        """Pass the rows through the reader, as any other runs table."""
        protocol = self.plan.protocol
        frame = pd.DataFrame(rows)
        if protocol.label_noise or protocol.synthetic:  # shares that come to the same count are one run
            frame = frame.drop_duplicates([name for name in KEY if name in frame], ignore_index=True)
        classes = self.scorer.classes.size
        metric = None if protocol.metric in COUNTED[:1] else protocol.metric
        runs = read_runs(frame, metric=metric, classes=classes if classes > 1 else None)
        notes += json.loads(runs.attrs[names.NOTES])
        runs.attrs |= {
            names.SOURCE: "simulate_runs",
            names.PROTOCOL: protocol.to_toml(),
            names.NOTES: json.dumps(notes, ensure_ascii=False),
        }
        return runs


def _one(task: Task, learner: Any, x: Any, y: np.ndarray, slices: np.ndarray, bench: Bench) -> list[Outcome]:
    return [train(task, learner, x, y, slices, bench)]


def _synthetic(made: Mapping[str, int], name: str, total: int) -> dict[str, int]:
    own = made.get(name, 0)
    return {names.SYNTHETIC_LABELS: own, names.OTHER_SYNTHETIC_LABELS: total - own}
