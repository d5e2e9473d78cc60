"""The libraries that sample: of the versions that this code was written for, with caches of this user alone."""

from __future__ import annotations

import functools
import os
import re
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from labelvalue.problems import InputError, Problem

PACKAGE = "labelvalue"
_REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)\s*((?:[<>=!~]=?[\w.*]+,?\s*)*)$")
_CLAUSE = re.compile(r"(>=|<)\s*(\d+(?:\.\d+)*)")


@functools.cache
def check_libraries() -> None:
    """Refuse to sample with a library that was changed, since its installation, to a version not asked for."""
    problems = []
    for text in requires(PACKAGE) or []:
        named = _REQUIREMENT.match(text)
        clauses = _CLAUSE.findall(text) if named else []
        if named is None or not clauses:  # an extra, or any version will do
            continue
        try:
            installed = version(named[1])
        except PackageNotFoundError:
            continue  # whoever needs it says so
        if not all(_holds(installed, sign, bound) for sign, bound in clauses):
            why = f"version {installed} is installed, and {PACKAGE} {version(PACKAGE)} needs {named[2]}"
            problems.append(Problem(value=named[1], why=why, fix=f"install '{named[1]}{named[2]}'"))
    if problems:
        raise InputError(problems)


def own_caches(base: Path) -> None:
    """Let nobody else read or write what we compiled and will load again."""
    if os.name == "posix" and base.is_dir() and base.stat().st_uid == os.getuid():
        base.chmod(0o700)


def _holds(installed: str, sign: str, bound: str) -> bool:
    there, wanted = _numbers(installed), _numbers(bound)
    length = max(len(there), len(wanted))
    there, wanted = (numbers + (0,) * (length - len(numbers)) for numbers in (there, wanted))
    return there >= wanted if sign == ">=" else there < wanted


def _numbers(text: str) -> tuple[int, ...]:
    """The release of a version; what comes after it, such as ``rc1``, counts as the release."""
    return tuple(map(int, re.findall(r"\d+", re.match(r"[\d.]*", text)[0])))  # type: ignore[index]
