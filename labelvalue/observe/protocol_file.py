"""Protocols as TOML files: read with every fault named; the one that stands beside a runs table."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path

from labelvalue.observe.perturbations import ClassMix
from labelvalue.observe.protocol import Protocol
from labelvalue.observe.suites import SUITES
from labelvalue.problems import InputError, Problem, did_you_mean, quote
from labelvalue.reading import parse_toml, read_text

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
