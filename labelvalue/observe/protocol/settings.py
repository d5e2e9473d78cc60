"""What a simulation was asked to do, checked against data and learners before anything is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.observe.protocol.protocol import Protocol
from labelvalue.observe.simulate.evaluation import NUMERIC, PROBABILISTIC, Scorer
from labelvalue.observe.simulate.learners import find_regressors, lacking_probabilities
from labelvalue.observe.simulate.perturbations import ClassMix, WrongEvaluation
from labelvalue.observe.simulate.strategies import ASK_CLASSES, ASK_PROBABILITIES, QUERIES, Strategy
from labelvalue.observe.simulate.synthetic import GENERATORS
from labelvalue.observe.table.cells import Fault, parse_slice
from labelvalue.problems import InputError, Problem, did_you_mean, input_error, quote

ORDERED = ("stratified", "balanced")
"""Strategies that look at slices or classes and ask no model."""
STRATEGIES = ("random", *ORDERED, *QUERIES)


def choose_protocol(protocol: Protocol | None, given: Mapping[str, object]) -> Protocol:
    """Return the protocol with the settings that were given by name in the place of its own."""
    if protocol is not None and not isinstance(protocol, Protocol):
        raise TypeError(f"protocol must be a Protocol, not {type(protocol).__name__}")
    named = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(protocol or Protocol(), **named)  # type: ignore[arg-type]


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
    missing = np.flatnonzero(pd.isna(y))
    if missing.size:
        why = f"{missing.size} missing values"
        problems.append(Problem(line=int(missing[0]), column="y", why=why, fix="leave rows without a label out"))
    if problems:
        raise InputError(problems)
    return X, y, np.array(texts, dtype=str)[codes]


def check_sizes(sizes: Sequence[int], pool: int) -> list[int]:
    """Return ascending training-set sizes that the pool can serve."""
    why = f"not between 2 and the {pool} rows that are left to train on"
    problems = [
        Problem(column="sizes", value=size, why=why, fix="change it") for size in sizes if not 2 <= size <= pool
    ]
    if problems:
        raise InputError(problems)
    return list(sizes)


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


def check_generator(generator: str | Callable[..., Any]) -> None:
    """Refuse the name of a generator that there is not."""
    if isinstance(generator, str) and generator not in GENERATORS:
        why = f"unknown generator {quote(generator)}{did_you_mean(generator, GENERATORS)}"
        raise input_error(why, f"give one of {', '.join(GENERATORS)}, or a function", column="generator")
