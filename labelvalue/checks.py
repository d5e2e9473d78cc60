"""Checks of settings, such as those of a case: every problem collected with the key's place, raised at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from labelvalue.numerals import MAX_COUNT, MOST
from labelvalue.problems import InputError, Problem, did_you_mean

Section = TypeVar("Section")


def is_number(value: object) -> bool:
    """Say whether a value is a finite number; truth values are none."""
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


class Checks:
    """Collects what is wrong with the fields of one section."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def wrong(self, key: str, why: str, fix: str, value: object = None) -> None:
        """Note a problem with a key."""
        self.problems.append(Problem(column=key, why=why, fix=fix, value=value))

    def number(self, key: str, value: object, *, above: bool = False) -> None:
        """Expect a finite number ≥ 0, or > 0."""
        if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
            self.wrong(key, "expected a number", "give a number such as 0.08, without unit or quotes", value)
        elif not is_number(value) or value < 0 or (above and value == 0):
            self.wrong(key, f"must be a finite number {'>' if above else '≥'} 0", "give another number", value)
        elif value > MOST:
            self.wrong(key, f"over the limit of {MOST:,}", "give it in a larger unit", value)

    def whole(self, key: str, value: object, *, least: int = 0) -> None:
        """Expect a whole number."""
        if not is_number(value) or float(value) != int(value) or value < least:  # type: ignore[arg-type, operator, call-overload]
            self.wrong(key, f"must be a whole number ≥ {least}", "give a count, such as 500", value)
        elif value > MAX_COUNT:  # type: ignore[operator]
            self.wrong(key, f"over the limit of {MAX_COUNT:,}", "give a count, such as 500", value)

    def share(self, key: str, value: object) -> None:
        """Expect a number strictly between 0 and 1."""
        if not is_number(value):
            self.wrong(key, "expected a number", "give a share such as 0.9", value)
        elif not 0 < value < 1:  # type: ignore[operator]
            self.wrong(key, "must lie in 0 < … < 1", "give a share such as 0.9", value)

    def text(self, key: str, value: object, choices: Iterable[str] | None = None) -> None:
        """Expect text, or one of several words."""
        if not isinstance(value, str):
            self.wrong(key, "expected text", "put it in quotes", value)
        elif choices is not None and value not in (known := tuple(choices)):
            why = f"unknown {key.split('.')[-1]}{did_you_mean(value, known)}"
            self.wrong(key, why, f"give one of {', '.join(known)}", value)

    def section(self, key: str, kind: type[Section], given: object) -> Section | None:
        """Make a part of the case from a mapping; its problems are noted under this key."""
        if isinstance(given, kind):
            return given
        if not isinstance(given, Mapping):
            self.wrong(key, "expected a table", f"write it as a table [{key}]", given)
            return None
        fields = dataclasses.fields(kind)  # type: ignore[arg-type]
        known = [f.name for f in fields if f.init]
        for name in given:
            if name not in known:
                why = f"unknown key {str(name)!r}{did_you_mean(str(name), known)}"
                self.wrong(_under(key, str(name)), why, f"one of {', '.join(known)}")
        unset = (dataclasses.MISSING, dataclasses.MISSING)
        missing = [f.name for f in fields if f.init and (f.default, f.default_factory) == unset and f.name not in given]
        for name in missing:
            self.wrong(_under(key, name), "is missing", "give it")
        if missing:
            return None
        try:
            return kind(**{name: value for name, value in given.items() if name in known})
        except InputError as error:
            self.problems += [dataclasses.replace(p, column=_under(key, p.column)) for p in error.problems]
            return None

    def sections(self, key: str, kind: type[Section], given: object) -> tuple[Section, ...]:
        """Make several parts from a list of mappings."""
        if not isinstance(given, (list, tuple)):
            self.wrong(key, "expected a list of tables", f"write it as tables [[{key}]]", given)
            return ()
        made = [self.section(f"{key}[{place}]", kind, item) for place, item in enumerate(given)]
        return tuple(part for part in made if part is not None)

    def by_name(self, key: str, given: object) -> dict[str, Any]:
        """Expect a mapping from names, of slices for example."""
        if not isinstance(given, Mapping):
            self.wrong(key, "expected a table from slices", f"write {key} = {{ slice = … }}", given)
            return {}
        return {str(name): value for name, value in given.items()}

    def finish(self, file: str = "") -> None:
        """Raise everything that was noted."""
        if self.problems:
            raise InputError(dataclasses.replace(p, file=p.file or file) for p in self.problems)


def _under(place: str, key: str) -> str:
    return ".".join(part for part in (place, key) if part)


def put(section: Any, **fields: Any) -> None:
    """Set fields of a frozen section while it is being made."""
    for name, value in fields.items():
        object.__setattr__(section, name, value)
