"""The one engine for tables of settings: those of a case, a project, a protocol, read from TOML or made in Python.

A table is a frozen dataclass that is a :class:`Settings`; its annotations say what each key may hold. Every problem is
collected with its key's place, and all are raised at once.
"""

import dataclasses
import functools
import html
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, TypeVar, get_type_hints

import numpy as np

from labelvalue.numerals import MAX_COUNT, MOST, readable
from labelvalue.printing import WIDTH, visible, wrapped
from labelvalue.problems import InputError, Problem, did_you_mean, some_of

Section = TypeVar("Section")
type Check = Callable[[Checks, str, Any], Any]
"""Notes what is wrong with the value of a key, and returns what is kept of it."""


def is_number(value: object) -> bool:
    """Say whether a value is a finite number; truth values are none."""
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def is_whole(value: object, least: int = 0) -> bool:
    """Say whether a value is a whole number, no truth value, and not below another."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= least)


class Checks:
    """Collects what is wrong with the keys of a table; what checks a value returns what is kept of it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def wrong(self, key: str, why: str, fix: str, value: object = None) -> None:
        """Note a problem with a key."""
        self.problems.append(Problem(column=key, why=why, fix=fix, value=value))

    def number(self, key: str, value: Any, *, above: bool = False) -> Any:
        """Expect a finite number ≥ 0, or > 0."""
        if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
            self.wrong(key, "expected a number", "give a number such as 0.08, without unit or quotes", value)
        elif not is_number(value) or value < 0 or (above and value == 0):
            self.wrong(key, f"must be a finite number {'>' if above else '≥'} 0", "give another number", value)
        elif value > MOST:
            self.wrong(key, f"over the limit of {MOST:,}", "give it in a larger unit", value)
        return value

    def real(self, key: str, value: Any) -> Any:
        """Expect a finite number of either sign."""
        if not is_number(value):
            self.wrong(key, "expected a finite number", "give a number such as -1.5", value)
        return value

    def whole(self, key: str, value: Any, *, least: int = 0, most: int = MAX_COUNT) -> Any:
        """Expect a whole number."""
        if not is_number(value) or float(value) != int(value) or value < least:
            self.wrong(key, f"must be a whole number ≥ {least}", "give a count, such as 500", value)
        elif value > most:
            self.wrong(key, f"over the limit of {most:,}", "give a count, such as 500", value)
        else:
            return int(value)
        return value

    def share(self, key: str, value: Any, *, above: float = 0.0, one: bool = False, none: bool = False) -> Any:
        """Expect a number strictly between 0 (or ``above``) and 1; 1 itself, or 0, where ``one`` or ``none`` say so."""
        if not is_number(value):
            self.wrong(key, "expected a number", "give a share such as 0.9", value)
        elif not (above < value < 1 or (one and value == 1) or (none and value == 0)):
            ends = f"{above:g} {'≤' if none else '<'} … {'≤' if one else '<'} 1"
            self.wrong(key, f"must lie in {ends}", "give a share such as 0.9", value)
        return value

    def text(self, key: str, value: Any, choices: Iterable[str] | None = None, *, said: bool = False) -> Any:
        """Expect text, one of several words, or one that says something."""
        if not isinstance(value, str):
            self.wrong(key, "expected text", "put it in quotes", value)
        elif choices is not None and value not in (known := tuple(choices)):
            why = f"unknown {key.split('.')[-1]}{did_you_mean(value, known)}"
            self.wrong(key, why, f"give one of {', '.join(known)}", value)
        elif said and not value.strip():
            self.wrong(key, "is empty", "say it, or leave the key out", value)
        return value

    def known(self, key: str, what: str, name: str, there: Iterable[str]) -> bool:
        """Expect the name of a thing that is there; say whether it is."""
        if name in (known := tuple(there)):
            return True
        why, fix = f"unknown {what} {name!r}{did_you_mean(str(name), known)}", f"one of {', '.join(known)}"
        self.wrong(key, why, fix if known else f"there is no {what}")
        return False

    def switch(self, key: str, value: Any) -> Any:
        """Expect true or false."""
        if not isinstance(value, bool):
            self.wrong(key, "expected true or false", "give true or false, without quotes", value)
        return value

    def section(self, key: str, kind: type[Section], given: object) -> Section | None:
        """Make a table from a mapping; its problems are noted under this key."""
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
        """Make several tables from a list of mappings."""
        made = self.several(key, given, lambda checks, at, one: checks.section(at, kind, one), f"tables [[{key}]]")
        return tuple(part for part in made if part is not None)

    def one_of(self, key: str, kinds: Mapping[str, type[Any]], given: object, *, by: str, default: str = "") -> Any:
        """Make a table of one of several kinds, which the key ``by`` names."""
        if isinstance(given, tuple(kinds.values())):
            return given
        if not isinstance(given, Mapping):
            self.wrong(key, "expected a table", f"write it as a table [{key}]", given)
            return None
        kind = given.get(by, default or None)
        if not isinstance(kind, str) or kind not in kinds:
            self.text(_under(key, by), kind, kinds)
            return None
        return self.section(key, kinds[kind], {k: v for k, v in given.items() if k != by})

    def several(self, key: str, given: Any, check: Check, what: str = "a list") -> tuple[Any, ...]:
        """Check each of a list."""
        if isinstance(given, (str, Mapping)) or not np.iterable(given):
            self.wrong(key, f"expected a list{' of tables' if 'tables' in what else ''}", f"write it as {what}", given)
            return ()
        return tuple(check(self, f"{key}[{place}]", one) for place, one in enumerate(given))

    def by_name(self, key: str, given: object, check: Check | None = None) -> dict[str, Any]:
        """Expect a mapping from names, of slices for example; check what stands under each."""
        if not isinstance(given, Mapping):
            self.wrong(key, "expected a table", f"write it as a table, {key} = {{ name = … }}", given)
            return {}
        return {str(k): check(self, _under(key, str(k)), v) if check else v for k, v in given.items()}

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


class Settings:
    """A table of settings: each key is checked as its annotation says, then all of them together."""

    def __post_init__(self) -> None:
        checks = Checks()
        for name, (check, optional) in _checks_of(type(self)).items():  # type: ignore[arg-type]
            value = getattr(self, name)
            if value is not None or not optional:
                put(self, **{name: check(checks, name, value)})
        self._together(checks)
        checks.finish()

    def _together(self, checks: Checks) -> None:
        """Note what is wrong with keys together, and settle those that follow from others."""


MOST_TOLD = 4  # names or parts of a setting that are told one by one
MOST_LINES = 12  # of settings that are printed


class Told(Settings):
    """Settings that show what they say beyond the defaults, a line a section."""

    def __str__(self) -> str:
        long = [f"{name}: {said}" if said else name for name, said in self._sections()]
        for lines in (4, 3, 2, 1):  # of a section, as many as a dozen lines in all leave
            told = (textwrap.shorten(visible(text), lines * (WIDTH - 4), placeholder=" …") for text in long)
            text = "\n".join(map(wrapped, told))
            if text.count("\n") < MOST_LINES:
                break
        return text

    def _repr_html_(self) -> str:
        """What a notebook shows: all of it."""
        (kind, said), *sections = (map(html.escape, map(visible, pair)) for pair in self._sections())
        rows = "".join(f"<tr><th>{name}</th><td>{text}</td></tr>" for name, text in sections)
        return f"<p>{kind} <strong>{said}</strong></p><table>{rows}</table>"

    def _sections(self) -> list[tuple[str, str]]:
        """The kind with its texts, then every other setting that differs from its default, in words."""
        said = list(_differing(self))
        texts = "; ".join(f"{name} {value}" for name, value in said if isinstance(value, str))
        rest = [(name, value) for name, value in said if not isinstance(value, str)]
        return [(type(self).__name__, texts), *((name, in_words(one, within=False)) for name, one in rest)]


def _differing(settings: Any) -> Iterator[tuple[str, Any]]:
    """Settings that are not their defaults, named in words; reasons left out."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        made = field.default_factory
        default = field.default if made is dataclasses.MISSING else made()
        if field.init and field.name != "reason" and value != default:
            yield field.name.replace("_", " "), value


def in_words(value: Any, *, within: bool = True) -> str:
    """Write a setting in words, those of a table in brackets where it stands within another."""
    if isinstance(value, Mapping):
        return _listed(f"{name} {in_words(one)}" for name, one in value.items())
    if isinstance(value, (tuple, list)):
        return _listed(map(in_words, value))
    if not dataclasses.is_dataclass(value) or type(value).__str__ is not object.__str__:
        return readable(value) if is_number(value) else str(value)
    name = getattr(value, "name", "")
    said = "; ".join(f"{key} {in_words(one)}" for key, one in _differing(value) if key != "name")
    if not said or not name:
        return name or (f"({said})" if within and said else said or type(value).__name__)
    return f"{name} ({said})"


def _listed(parts: Iterable[str]) -> str:
    return some_of(parts, MOST_TOLD)


@functools.cache
def _checks_of(kind: type[Any]) -> dict[str, tuple[Check, bool]]:
    """How each field is checked, and whether it may be left open."""
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    return {
        name: (check, fields[name].default is None)
        for name, hint in hints.items()
        if name in fields
        for check in getattr(hint, "__metadata__", ())
    }


def read_table[Section](kind: type[Section], given: Mapping[str, Any], file: str = "") -> Section:
    """Make a table from what a file holds; its problems name the file."""
    checks = Checks()
    made = checks.section("", kind, given)
    checks.finish(file)
    return made  # type: ignore[return-value]  # none only where there are problems


def table(kind: type[Any]) -> Check:
    """Expect a table of this kind."""
    return lambda checks, key, given: checks.section(key, kind, given)


def tables(kind: type[Any]) -> Check:
    """Expect a list of tables of this kind."""
    return lambda checks, key, given: checks.sections(key, kind, given)


def named(check: Check) -> Check:
    """Expect a table of names, each with what this checks."""
    return lambda checks, key, given: checks.by_name(key, given, check)


def listed(check: Check, *, some: bool = False) -> Check:
    """Expect a list of what this checks, with something in it where ``some`` says so."""

    def checked(checks: Checks, key: str, given: Any) -> tuple[Any, ...]:
        found = checks.several(key, given, check)
        if some and not found and not checks.problems:
            checks.wrong(key, "names none", "give at least one, or leave the key out")
        return found

    return checked


def word(choices: Iterable[str]) -> Check:
    """Expect one of several words."""
    return partial(Checks.text, choices=tuple(choices))


Amount = Annotated[float, Checks.number]
Positive = Annotated[float, partial(Checks.number, above=True)]
Share = Annotated[float, Checks.share]
Count = Annotated[int, Checks.whole]
AtLeastOne = Annotated[int, partial(Checks.whole, least=1)]
Text = Annotated[str, Checks.text]
Switch = Annotated[bool, Checks.switch]
