"""A simulation, checked and ready to run: from settings and data to the table of runs."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import joblib
import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.simulate.execution import (
    Call,
    Checkpoint,
    Execution,
    Tracker,
    choose_engine,
    describe_learner,
    is_over,
    tell_learners,
)
from labelvalue.observe.simulate.learners import comparable, find_regressors, lacking_probabilities, take
from labelvalue.observe.simulate.plan import Gathering, Plan, choose_sizes, settle
from labelvalue.observe.simulate.protocol import Protocol, as_toml
from labelvalue.observe.simulate.strategies import (
    ASK_CLASSES,
    ASK_PROBABILITIES,
    QUERIES,
    STRATEGIES,
    Clusters,
    Strategy,
    find_clusters,
    fresh_seed,
)
from labelvalue.observe.simulate.suites import ClassMix, Synthesise, WrongEvaluation, WrongLabels, find_generator
from labelvalue.observe.simulate.training import (
    NUMERIC,
    PROBABILISTIC,
    Bench,
    EvaluationSet,
    Job,
    Key,
    Outcome,
    Pool,
    Scorer,
    make_evaluations,
    make_splits,
    positions,
    rows_held,
    run_job,
)
from labelvalue.observe.table.schema import Fault, parse_slice
from labelvalue.problems import InputError, Problem, did_you_mean, input_error, quote


def check_data(X: Any, y: Any, slices: Any) -> tuple[Any, Any, np.ndarray]:
    """Return features, target and slices (text), of one length and without gaps."""
    X = X if hasattr(X, "shape") else np.asarray(X)
    y = y if isinstance(y, pd.Series) else np.asarray(y)
    if isinstance(slices, str):
        columns = list(X.columns) if isinstance(X, pd.DataFrame) else []
        if slices not in columns:
            hint = did_you_mean(slices, map(str, columns))
            raise input_error(f"unknown slice column {quote(slices)}{hint}", "name a column of X, or give the slices")
        slices = X[slices]
    cells = pd.Series(np.asarray(slices, dtype=object)).to_numpy()
    sizes = {"X": X.shape[0], "y": y.shape[0], "slices": cells.shape[0]}
    if len(set(sizes.values())) > 1:
        why = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise input_error(f"lengths differ: {why}", "give one value per row")
    problems = []
    codes, kinds = pd.factorize(cells, use_na_sentinel=False)
    texts = [parse_slice(None if pd.isna(kind) else kind) for kind in kinds.tolist()]
    for row in np.flatnonzero(np.array([isinstance(text, Fault) for text in texts], dtype=bool)[codes]).tolist():
        text = texts[codes[row]]
        problems.append(Problem(line=row, column=names.SLICE, value=cells[row], why=text.why, fix=text.fix))
    missing = np.flatnonzero(without_label(y))
    if missing.size:
        why = f"{missing.size} missing values"
        problems.append(Problem(line=int(missing[0]), column="y", why=why, fix="leave rows without a label out"))
    problems += told_apart_by_blanks(y)
    if problems:
        raise InputError(problems)
    return X, y, np.array(texts, dtype=str)[codes]


def without_label(y: Any) -> np.ndarray:
    """Tell which labels are missing, (rows,): a gap, or a text of nothing but blanks."""
    cells = np.asarray(y, dtype=object)
    missing = np.asarray(pd.isna(cells))
    texts = np.flatnonzero([isinstance(cell, str) and not cell.strip() for cell in cells])
    missing[texts] = True
    return missing


def told_apart_by_blanks(y: Any) -> list[Problem]:
    """Refuse classes that are one but for blanks around them."""
    first: dict[str, str] = {}
    found = []
    for kind in pd.unique(pd.Series(np.asarray(y, dtype=object))):
        if isinstance(kind, str) and first.setdefault(kind.strip(), kind) != kind:
            row = int(np.flatnonzero(np.asarray(y, dtype=object) == kind)[0])
            why = f"the same as the class {quote(first[kind.strip()])} but for blanks around it"
            found.append(Problem(line=row, column="y", value=kind, why=why, fix="strip the labels: y.str.strip()"))
    return found


def choose_metric(protocol: Protocol, learners: Mapping[str, Any]) -> str:
    """Return the metric, and refuse one that the learners cannot give."""
    regress = find_regressors(learners)
    metric = protocol.metric or ("mae" if regress else "error_rate")
    if regress is not None and regress != (metric in NUMERIC):
        kind = "regressors" if regress else "classifiers"
        fix = f"give one of {', '.join(NUMERIC)}" if regress else "give a metric of classes"
        raise input_error(f"{kind} do not give it", fix, column=names.METRIC, value=metric)
    lacking = lacking_probabilities(learners) if metric in PROBABILISTIC else []
    if lacking:
        why = f"{', '.join(map(quote, lacking))} give no probabilities"
        raise input_error(why, "calibrate them, or count errors", column=names.METRIC, value=metric)
    return metric


def make_scorer(metric: str, positive: str | None, y: np.ndarray) -> Scorer:
    """Return how predictions are measured."""
    if metric in NUMERIC:
        return Scorer(metric=metric, classes=np.zeros(0))
    classes = np.unique(y)
    texts = classes.astype(str).tolist()
    if positive is not None and (positive not in texts or len(texts) != 2):
        why = f"no such class among two{did_you_mean(positive, texts)}"
        fix = f"give one of {', '.join(texts[:10])}, or leave it out"
        raise input_error(why, fix, column="positive", value=positive)
    return Scorer(metric=metric, classes=classes, positive=texts.index(positive) if positive else len(texts) - 1)


def check_classes(protocol: Protocol, scorer: Scorer) -> list[Problem]:
    """Return which settings do not go with the classes of the target."""
    count = scorer.classes.size
    suites = [suite for suite in protocol.suites if isinstance(suite, WrongEvaluation | ClassMix)]
    asked = {
        names.LABEL_NOISE: bool(protocol.label_noise),
        "strategies": any(isinstance(s, ClassMix) or s in (*ASK_CLASSES, "balanced") for s in protocol.strategies),
        "suites": bool(suites),
    }
    if not count:
        why = "needs classes, and the target is a number"
        return [Problem(column=name, why=why, fix="leave it out") for name, there in asked.items() if there]
    problems = []
    shares = [*protocol.label_noise, *(s.share for s in suites if isinstance(s, WrongEvaluation))]
    for share in shares:
        if share >= (count - 1) / count:
            why = f"labels carry no information: {count} classes, limit {count - 1}/{count}"
            problems.append(Problem(column=names.LABEL_NOISE, value=share, why=why, fix="give a smaller share"))
    known = set(scorer.classes.astype(str).tolist())
    mixes = [m for m in (*protocol.strategies, *protocol.suites) if isinstance(m, ClassMix)]
    for unknown in sorted({c for mix in mixes for c in mix.shares} - known):
        why = f"no such class{did_you_mean(unknown, known)}"
        problems.append(Problem(column="shares", value=unknown, why=why, fix="name classes that are there"))
    return problems


def check_strategies(protocol: Protocol, own: Mapping[str, Strategy], learners: Mapping[str, Any]) -> list[Problem]:
    """Return which strategies and generators are not known, or ask what a learner does not give."""
    problems = [
        Problem(column="strategies", value=name, why="the name of a built-in strategy", fix="take another name")
        for name in own
        if name in STRATEGIES
    ]
    known = [*STRATEGIES, *own]
    chosen = [s for s in protocol.strategies if isinstance(s, str)]
    for unknown in [s for s in chosen if s not in known]:
        why = f"unknown strategy {quote(unknown)}{did_you_mean(unknown, known)}"
        problems.append(Problem(column="strategies", why=why, fix=f"give some of {', '.join(known)}"))
    lacking = lacking_probabilities(learners)
    asking = [s for s in chosen if s in ASK_PROBABILITIES and s not in own]
    if lacking and asking:
        why = f"{', '.join(asking)} need probabilities, which {', '.join(map(quote, lacking))} do not give"
        problems.append(Problem(column="strategies", why=why, fix="choose others, such as committee or diversity"))
    if protocol.resampling == "bootstrap" and chosen != ["random"]:
        why = "strategies choose without replacement, bootstrap draws with it"
        problems.append(Problem(column="strategies", why=why, fix="take resampling='subsets'"))
    return problems


def prepare(
    protocol: Protocol,
    learners: Mapping[str, Any],
    own: Mapping[str, Strategy],
    X: Any,
    y: Any,
    slices: Any,
    evaluation: Sequence[int] | np.ndarray | None,
    metadata: pd.DataFrame | None,
    seed: int | None = None,
) -> Simulation:
    """Check what was asked for against the data; settle sizes, evaluation sets, seed (``seed``, or else fresh)."""
    X, y, texts = check_data(X, y, slices)
    y = np.asarray(y)
    if metadata is not None and len(metadata) != y.size:
        why = f"lengths differ: y has {y.size}, metadata has {len(metadata)}"
        raise input_error(why, "give one row of metadata per row")
    metric = choose_metric(protocol, learners)
    scorer = make_scorer(metric, protocol.positive, y)
    problems = [*check_classes(protocol, scorer), *check_strategies(protocol, own, learners)]
    if evaluation is not None and protocol.resampling == "folds":
        problems.append(Problem(column="evaluation", why="folds make their own", fix="leave it out"))
    if problems:
        raise InputError(problems)
    entropy = next(s for s in (protocol.random_state, seed, fresh_seed()) if s is not None)
    held = rows_held(protocol.suites, X, metadata)
    free = ~np.logical_or.reduce([np.zeros(y.size, dtype=bool), *held.values()])
    if not free.any():
        raise input_error("the suites leave no rows to train on", "hold fewer rows out")
    tested = None if evaluation is None else positions(evaluation, y.size)
    codes = np.searchsorted(scorer.classes, y) if scorer.classes.size else np.zeros(0, dtype=int)
    protocol, said = settle(protocol, _counts(texts[free]), evaluation_given=tested is not None)
    splits = make_splits(texts, protocol, tested, free, entropy)
    pool = min(split.pool.size for split in splits)
    if protocol.sizes is None:
        sizes, chosen = choose_sizes(pool, protocol, texts[free], codes[free] if codes.size else None)
        said = [chosen, *said]
    else:
        sizes, why = list(protocol.sizes), f"not between 2 and the {pool} rows that are left to train on"
        if beyond := [size for size in sizes if not 2 <= size <= pool]:
            raise InputError(Problem(column="sizes", value=size, why=why, fix="change it") for size in beyond)
    made = functools.partial(
        make_evaluations, suites=protocol.suites, held=held, x=X, y=y, slices=texts, entropy=entropy
    )
    evaluations = {id(split): made(split) for split in splits}
    plan = Plan(
        protocol=dataclasses.replace(protocol, metric=metric, sizes=tuple(sizes), random_state=entropy),
        learners=list(learners),
        slices=texts,
        codes=codes,
        classes=scorer.classes,
        splits=splits,
        entropy=entropy,
        labels_now=_counts(texts if tested is None else np.delete(texts, tested)),
    )
    built_in = {name for name in STRATEGIES if name != "diversity"}
    distances = any(not isinstance(s, ClassMix) and s not in built_in for s in protocol.strategies)
    pools = np.unique(np.concatenate([split.pool for split in splits]))
    features = _as_numbers(X, distances, protocol)
    compared = features is not None and _compares(protocol)
    return Simulation(
        plan=plan,
        learners=learners,
        queries=QUERIES | dict(own),
        x=X,
        y=y,
        features=features if distances else None,
        clusters=find_clusters(features, texts, pools, entropy) if compared else None,
        metadata=metadata,
        scorer=scorer,
        evaluations=[evaluations[id(split)] for split in splits],
        synthesise=find_generator(protocol.generator, numeric_target=not scorer.classes.size),
        said=said,
    )


def _counts(slices: np.ndarray) -> dict[str, int]:
    found, counts = np.unique(slices, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _compares(protocol: Protocol) -> bool:
    """Whether diversity is to be scored: where several strategies may differ in it, unless the user says otherwise."""
    return len(protocol.strategies) > 1 if protocol.diversity is None else protocol.diversity


def _as_numbers(x: Any, distances: bool, protocol: Protocol) -> Any:
    """Return features as numbers where something asks for them; ``None`` where nobody insists and they are none."""
    if not (distances or _compares(protocol)):
        return None
    try:
        return comparable(x)
    except (TypeError, ValueError):
        if distances or protocol.diversity:
            raise
        return None


Left = tuple[Job, list[Key], Outcome | None]
"""A job that is not done, its trainings that are not, and the last that is."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Simulation:
    """Everything that is needed to train."""

    plan: Plan
    learners: Mapping[str, Any]
    queries: Mapping[str, Strategy]
    x: Any
    y: np.ndarray
    features: Any
    clusters: Clusters | None
    metadata: pd.DataFrame | None
    scorer: Scorer
    evaluations: Sequence[Sequence[EvaluationSet]]
    synthesise: Synthesise
    said: Sequence[str] = ()  # what was chosen where nobody said otherwise, and why

    @property
    def identity(self) -> dict[str, Any]:
        """What tells the simulation from others, for a checkpoint."""
        ids = [e.ids for split in self.evaluations for e in split]
        return {
            "random_state": self.plan.protocol.random_state,
            "protocol": self.plan.protocol.to_toml(),
            "learners": {name: describe_learner(learner) for name, learner in self.learners.items()},
            "data": joblib.hash((self.x, self.y, self.plan.slices, self.metadata)),
            "evaluation": hashlib.sha256(repr(ids).encode()).hexdigest(),
        }

    def run(self, how: Execution) -> xr.Dataset:
        """Train everything that is not done yet and return the runs."""
        protocol = self.plan.protocol
        jobs = list(self.plan.jobs())
        total = sum(len(job.sizes) for job in jobs)
        gathering = Gathering(plan=self.plan, evaluations=self.evaluations, clusters=self.clusters)
        notes = [f"simulated with random_state {protocol.random_state}, jitter {protocol.jitter:g}"]
        if self.said:
            notes.append("; ".join(self.said))
        until = None if how.minutes is None else time.time() + 60.0 * how.minutes
        checkpoint = how.kept
        if checkpoint is not None:
            checkpoint.claim(self.identity)
        left = self._kept(jobs, checkpoint, gathering.outcomes)
        if gathering.outcomes:
            notes.append(f"{len(gathering.outcomes)} of {total} trainings taken from the checkpoint")
        fixed = sum(self.plan.sizes) / len(self.plan.sizes)  # a training's time goes half with its size
        work = sum(key.size + fixed for _, keys, _ in left for key in keys)
        try:
            with Tracker(total - len(gathering.outcomes), work, "training", show=how.progress) as tracker:
                make = functools.partial(self._call, left, until, None if how.dask else checkpoint)
                for number, outcomes in choose_engine(make, len(left), until, how.n_jobs, how.dask):
                    if outcomes is None:
                        gathering.dead += left[number][1]
                        continue
                    for outcome in outcomes:
                        gathering.outcomes.append(outcome)
                        if checkpoint is not None:
                            checkpoint.keep(outcome)
                        tracker.advance(outcome.key.size + fixed)
        except KeyboardInterrupt:
            if not gathering.outcomes:
                raise
            notes.append(f"interrupted after {len(gathering.outcomes)} of {total} trainings")
        else:
            lost = total - len(gathering.outcomes) - len(gathering.dead)
            if lost and is_over(until):
                notes.append(f"stopped after {how.minutes:g} minutes: {total - lost} of {total} trainings done")
        runs = gathering.runs(notes, jobs, self.scorer.classes.size)
        told = tell_learners(self.learners).items()
        return runs.assign_attrs({names.TRAINED: "".join(f"{as_toml(k)} = {as_toml(v)}\n" for k, v in told)})

    def _kept(self, jobs: list[Job], checkpoint: Checkpoint | None, outcomes: list[Outcome]) -> list[Left]:
        """Return the jobs that are left, with their trainings and the last one that is done."""
        left: list[Left] = []
        for job in jobs:
            keys, last = job.keys, None
            while checkpoint is not None and keys and (found := checkpoint.find(keys[0], job.pool)):
                last, keys = found, keys[1:]
                outcomes.append(found)
            if keys:
                left.append((job, keys, last))
        return left

    def _call(self, left: list[Left], until: float | None, checkpoint: Checkpoint | None, number: int) -> Call:
        """Return what a job calls, with the rows it needs and no others."""
        job, _, last = left[number]
        bench = Bench(
            scorer=self.scorer,
            evaluations=self.evaluations[job.replicate],
            synthesise=self.synthesise,
            until=until,
            keep=None if checkpoint is None else checkpoint.keep,
        )
        strategy = self.queries.get(job.strategy)
        return run_job, (job, strategy, self.learners[job.learner], self._pool(job), bench, last)

    @functools.cached_property
    def _wrong_labels(self) -> Callable[[int], WrongLabels | None]:
        return functools.lru_cache(maxsize=1)(self.plan.wrong_labels)

    def _pool(self, job: Job) -> Pool:
        rows, wrong = job.pool, None
        if (drawn := self._wrong_labels(job.replicate)) is not None:
            here = WrongLabels(codes=drawn.codes[rows], order=drawn.order[rows])
            wrong = here, self.scorer.classes[here.codes]
        asked = self.features is not None and job.strategy in self.queries
        features = take(self.features, rows) if asked else None
        return Pool(x=take(self.x, rows), y=self.y[rows], slices=self.plan.slices[rows], features=features, wrong=wrong)
