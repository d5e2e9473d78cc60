"""The evaluation protocol: what a simulation does, frozen, and hashed."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
import re

import numpy as np

from labelvalue import names
from labelvalue.observe.label_errors import NOISE_KINDS
from labelvalue.observe.metrics import CATALOGUE
from labelvalue.observe.perturbations import ClassMix
from labelvalue.observe.suites import SUITES, Suite
from labelvalue.observe.toml_text import as_toml
from labelvalue.problems import InputError, Problem, did_you_mean, quote

RESAMPLING = ("subsets", "folds", "bootstrap")

OPEN = ("replicates", "test_size", "batch_size", "random_state")
"""Numbers that a protocol may leave open."""

_ID = re.compile(r"(?P<measured>[a-z_0-9]+(\(.*\))?)-[0-9a-f]{12}", re.DOTALL)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """What a simulation does: everything that decides what its runs mean, and nothing else.

    Parameters
    ----------
    metric : str, optional
        A metric of the catalogue; by default wrong answers are counted, or ``mae`` for regressors.
    positive : str, optional
        Class that ``precision``, ``recall`` and ``f1`` of two classes are about, as text; by default the last in order.
    slices : str, optional
        Column that holds the slices.
    sizes : tuple of int, optional
        Training-set sizes, all slices together, ≥ 2; by default six to ten that suit the data.
    replicates : int, optional
        Re-draws of the training set, ≥ 1; folds where ``resampling`` is ``folds``, ≥ 2; by default 5, or as many folds
        as leave four fifths of the rows to train on.
    resampling : {"subsets", "folds", "bootstrap"}, optional
        Where replicates come from: subsets drawn without replacement; cross-validation folds, each with an
        evaluation set of its own; or bootstrap draws, with replacement. By default folds where one split would leave
        few rows of a slice to evaluate on, else subsets.
    test_size : float, optional
        Share of each slice that is evaluated on, 0 < share < 1, by default 0.25; folds need none.
    jitter : float
        Standard deviation of the log of the slices' sampling weights, ≥ 0.
    strategies : tuple of str or ClassMix
        How labels are chosen: ``random``, ``stratified``, ``balanced``, ``uncertainty``, ``margin``, ``entropy``,
        ``committee``, ``diversity``, a mix of classes, or the name of a strategy of the user's own.
    batch_size : int, optional
        Labels that a strategy chooses at a time, ≥ 1; by default all that lead to the next size.
    label_noise : tuple of float
        Shares of wrong training labels, 0 ≤ share < 1; empty leaves labels as they are.
    noise_kind : {"uniform", "class_conditional", "annotators"}
        Who errs.
    synthetic : tuple of float
        Synthetic examples per label, ≥ 0; empty adds none.
    generator : str
        ``smote``, ``bootstrap``, or the name of a generator of the user's own.
    suites : tuple
        What is evaluated on beside the holdout: ``TimeSplit``, ``DomainSplit``, ``FeatureNoise``, ``MissingValues``,
        ``WrongEvaluation``, ``ClassMix``.
    random_state : int, optional
        Seed ≥ 0 of everything.

    Examples
    --------
    >>> Protocol(sizes=(100, 200), replicates=3).jitter
    0.7
    """

    metric: str | None = None
    positive: str | None = None
    slices: str | None = None
    sizes: tuple[int, ...] | None = None
    replicates: int | None = None
    resampling: str | None = None
    test_size: float | None = None
    jitter: float = 0.7
    strategies: tuple[str | ClassMix, ...] = ("random",)
    batch_size: int | None = None
    label_noise: tuple[float, ...] = ()
    noise_kind: str = "uniform"
    synthetic: tuple[float, ...] = ()
    generator: str = "smote"
    suites: tuple[Suite, ...] = ()
    random_state: int | None = None

    def __post_init__(self) -> None:
        for name in ("strategies", names.LABEL_NOISE, "synthetic", "suites", "sizes"):
            value = getattr(self, name)
            if isinstance(value, str) or not (value is None or np.iterable(value)):
                raise TypeError(f"{name} must be a sequence, not {type(value).__name__}")
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        _check_types(self)
        problems = _problems(self)
        if problems:
            raise InputError(problems)
        if self.sizes is not None:
            object.__setattr__(self, "sizes", tuple(sorted({int(size) for size in self.sizes})))

    @functools.cached_property
    def id(self) -> str:
        """What is measured, and a digest of the protocol: ``error_rate-0f3a…``."""
        measured = self.metric or "none"
        if self.positive is not None:
            measured += f"({self.positive})"
        return f"{measured}-{hashlib.sha256(self.to_toml().encode()).hexdigest()[:12]}"

    def to_toml(self) -> str:
        """Return the protocol as TOML that ``read_protocol`` reads.

        Returns
        -------
        str
            One line per setting that is given, a table per suite and mix.

        Examples
        --------
        >>> print(Protocol(replicates=3, suites=(SUITES["noise"](0.5),)).to_toml().splitlines()[0])
        replicates = 3
        """
        lines = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "strategies":
                value = [{"shares": s.shares} if isinstance(s, ClassMix) else s for s in value]
            if value is not None and field.name != "suites":
                lines.append(f"{field.name} = {as_toml(value)}")
        kinds = {kind: name for name, kind in SUITES.items()}
        for suite in self.suites:
            lines += ["", "[[suites]]", f"kind = {as_toml(kinds[type(suite)])}"]
            lines += [f"{f.name} = {as_toml(getattr(suite, f.name))}" for f in dataclasses.fields(suite)]
        return "\n".join(lines) + "\n"


def measured_by(identity: str) -> str | None:
    """Return metric and positive class of a protocol's id, ``None`` where the id is none of ours."""
    match = _ID.fullmatch(identity)
    return match["measured"] if match else None


# --- checks ---------------------------------------------------------------------------------------


def _check_types(protocol: Protocol) -> None:
    """Raise ``TypeError`` for what is no number or text; NumPy's numbers become Python's."""
    for name in ("replicates", "batch_size", "random_state"):
        _retype(protocol, name, int, "a whole number")
    for name in ("test_size", "jitter"):
        _retype(protocol, name, float, "a number")
    for name in ("metric", "positive", "slices", "resampling", "noise_kind", "generator"):
        if not isinstance(getattr(protocol, name), str | None):
            raise TypeError(f"{name} must be text, not {type(getattr(protocol, name)).__name__}")
    _retype_each(protocol, "sizes", int, "whole numbers")
    _retype_each(protocol, names.LABEL_NOISE, float, "numbers")
    _retype_each(protocol, "synthetic", float, "numbers")
    kinds = {
        "suites": (tuple(SUITES.values()), "suites such as FeatureNoise(0.5)"),
        "strategies": ((str, ClassMix), "names or a ClassMix"),
    }
    for name, (legal, what) in kinds.items():
        for value in getattr(protocol, name):
            if not isinstance(value, legal):
                raise TypeError(f"{name} must hold {what}, not {type(value).__name__}")


def _retype_each(protocol: Protocol, name: str, kind: type, what: str) -> None:
    values = getattr(protocol, name)
    for value in values or ():
        if not _is(value, kind):
            raise TypeError(f"{name} must be {what}, not {type(value).__name__}")
    if values is not None:
        object.__setattr__(protocol, name, tuple(kind(value) for value in values))


def _is(value: object, kind: type) -> bool:
    legal = (int, np.integer) if kind is int else (int, float, np.number)
    return isinstance(value, legal) and not isinstance(value, bool)


def _retype(protocol: Protocol, name: str, kind: type, what: str) -> None:
    value = getattr(protocol, name)
    if value is None and name in OPEN:
        return
    if not _is(value, kind):
        raise TypeError(f"{name} must be {what}, not {type(value).__name__}")
    object.__setattr__(protocol, name, kind(value))


def _problems(protocol: Protocol) -> list[Problem]:
    p = protocol
    least = 2 if p.resampling == "folds" else 1
    rules = {
        "replicates": (p.replicates is None or p.replicates >= least, f"must be ≥ {least}"),
        "test_size": (p.test_size is None or 0 < p.test_size < 1, "not a share, 0 < share < 1"),
        "jitter": (0 <= p.jitter < math.inf, "must be a finite number ≥ 0"),
        "random_state": (p.random_state is None or p.random_state >= 0, "must be ≥ 0"),
        "batch_size": (p.batch_size is None or p.batch_size >= 1, "must be ≥ 1"),
        names.LABEL_NOISE: (all(0 <= share < 1 for share in p.label_noise), "not shares, 0 ≤ share < 1"),
        "synthetic": (all(0 <= ratio < math.inf for ratio in p.synthetic), "must be finite numbers ≥ 0"),
        "strategies": (bool(p.strategies), "no strategy given"),
        "sizes": (p.sizes is None or bool(p.sizes), "no size given"),
    }
    problems = [
        Problem(column=name, value=getattr(p, name), why=why, fix=f"give another {name}")
        for name, (legal, why) in rules.items()
        if not legal
    ]
    choices = {
        "metric": (p.metric, CATALOGUE),
        "resampling": (p.resampling, RESAMPLING),
        "noise_kind": (p.noise_kind, NOISE_KINDS),
    }
    for name, (value, legal_values) in choices.items():
        if value is not None and value not in legal_values:
            why = f"unknown {name} {quote(value)}{did_you_mean(value, legal_values)}"
            problems.append(Problem(column=name, why=why, fix=f"give one of {', '.join(legal_values)}"))
    repeated = len({suite.name for suite in p.suites}) < len(p.suites)
    if repeated:
        problems.append(Problem(column="suites", why="a suite is given twice", fix="name each once"))
    return problems
