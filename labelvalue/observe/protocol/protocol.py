"""The evaluation protocol: what a simulation does, frozen, and hashed."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from labelvalue import names
from labelvalue.observe.annotations.label_errors import NOISE_KINDS
from labelvalue.observe.simulate.perturbations import ClassMix
from labelvalue.observe.simulate.suites import SUITES, Suite
from labelvalue.observe.table.schema import CATALOGUE
from labelvalue.problems import InputError, Problem, did_you_mean, quote
from labelvalue.reading import parse_toml, read_text


def as_toml(value: object) -> str:
    """Return a number, truth value, text, sequence or mapping as TOML; text as JSON, whose escapes TOML shares."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{as_toml(str(k))} = {as_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return repr(float(value)) if isinstance(value, float) else str(value)


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
    generator : str or function
        ``smote``, ``bootstrap``, or a function ``(X, y, n, seed)`` that gets the labelled rows of a slice and returns
        ``n`` new ones; in TOML stands its name.
    suites : tuple
        What is evaluated on beside the holdout: ``TimeSplit``, ``DomainSplit``, ``FeatureNoise``, ``MissingValues``,
        ``WrongEvaluation``, ``ClassMix``.
    diversity : bool, optional
        Whether to score how diverse the labels of each slice are (column ``diversity``): effective clusters of features
        that they cover, over those of as many drawn at random. By default where there are several strategies.
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
    generator: str | Callable[..., Any] = "smote"
    suites: tuple[Suite, ...] = ()
    diversity: bool | None = None
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
            if field.name == "generator" and callable(value):
                value = getattr(value, "__name__", type(value).__name__)
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
    for name in ("metric", "positive", "slices", "resampling", "noise_kind"):
        if not isinstance(getattr(protocol, name), str | None):
            raise TypeError(f"{name} must be text, not {type(getattr(protocol, name)).__name__}")
    if not (isinstance(protocol.generator, str) or callable(protocol.generator)):
        raise TypeError(f"generator must be a name or a function, not {type(protocol.generator).__name__}")
    if not isinstance(protocol.diversity, bool | None):
        raise TypeError(f"diversity must be true or false, not {type(protocol.diversity).__name__}")
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


TEMPLATE = "protocol.toml"
"""The template that ships with the data."""
BESIDE = ".protocol.toml"
"""What the name of a runs table's protocol adds to the table's own."""


def template() -> str:
    """Return the template of a protocol file, every setting with its meaning."""
    return (files("labelvalue_data") / TEMPLATE).read_text(encoding="utf-8")


def read_protocol(path: str | os.PathLike[str]) -> Protocol:
    r"""Read a protocol from a TOML file.

    Parameters
    ----------
    path : path
        File with the fields of :class:`Protocol` as keys; a table ``[[suites]]`` per suite, with ``kind`` ``time``,
        ``domain``, ``noise``, ``missing``, ``wrong_labels`` or ``mix`` and the settings of that suite.

    Returns
    -------
    Protocol

    Raises
    ------
    InputError
        If the file is missing, no TOML, or holds an unknown key or an illegal value.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "protocol.toml"
    >>> _ = path.write_text('replicates = 3\n[[suites]]\nkind = "noise"\nscale = 0.5\n')
    >>> read_protocol(path).suites
    (FeatureNoise(scale=0.5),)
    """
    path = Path(path)
    return parse_protocol(read_text(path), file=path.name)


def beside(runs: Path) -> Path:
    """Return where the protocol of a runs table stands."""
    return runs.with_name(runs.name + BESIDE)


def is_of(text: str, ids: Iterable[str]) -> bool:
    """Tell whether TOML text is the protocol of all runs that bear these ids."""
    try:
        return {parse_protocol(text).id} == set(ids)
    except InputError:
        return False


def parse_protocol(text: str, *, file: str = "") -> Protocol:
    """Return the protocol that TOML text describes; ``file`` names its place in errors."""
    given = parse_toml(text, file=file)
    known = [f.name for f in dataclasses.fields(Protocol)]
    problems = _unknown(given, known, file)
    suites = given.get("suites", [])
    if not isinstance(suites, list) or not all(isinstance(table, dict) for table in suites):
        raise InputError([Problem(file=file, column="suites", why="suites must be tables", fix="write [[suites]]")])
    for number, table in enumerate(suites):
        kind = table.get("kind")
        if not isinstance(kind, str) or kind not in SUITES:
            why = f"suite {number}: unknown kind {quote(kind)}{did_you_mean(str(kind), SUITES)}"
            problems.append(Problem(file=file, column="kind", why=why, fix=f"give one of {', '.join(SUITES)}"))
        else:
            fields = [f.name for f in dataclasses.fields(SUITES[kind])]
            problems += _unknown(table, [*fields, "kind"], file)
    if problems:
        raise InputError(problems)
    try:
        made = [SUITES[table["kind"]](**{k: v for k, v in table.items() if k != "kind"}) for table in suites]
        if isinstance(given.get("strategies"), list):
            given["strategies"] = [ClassMix(**s) if isinstance(s, dict) else s for s in given["strategies"]]
        return Protocol(**(given | {"suites": made}))
    except InputError as error:
        raise InputError([dataclasses.replace(p, file=file) for p in error.problems]) from None
    except TypeError as error:
        raise InputError([Problem(file=file, why=str(error), fix="see the template of a protocol")]) from None


def _unknown(given: Mapping[str, object], known: list[str], file: str) -> list[Problem]:
    return [
        Problem(file=file, column=key, why=f"unknown key{did_you_mean(key, known)}", fix=f"one of {', '.join(known)}")
        for key in given
        if key not in known
    ]
