"""The keys of the case file, from the classes that read it."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

import griffe

import labelvalue as lv
from labelvalue.decisions.case.case import CLASSES
from labelvalue.decisions.case.risk import APPETITES

TABLES: tuple[tuple[str, str, type[Any]], ...] = (
    ("Top level", "", lv.Case),
    ("`[costs]`", "[costs]", lv.Costs),
    ("`costs.tiers`", "[[costs.tiers]]", lv.Tier),
    ("`[value]`", "[value]", lv.Value),
    ("`value.target`", "[value.target]", lv.Target),
    ("`value.mix_changes`", "[[value.mix_changes]]", lv.MixChange),
    ("`[guardrails]`", "[guardrails]", lv.rules.Guardrails),
    ("A rule", "", lv.rules.Rule),
    ("`guardrails.maximum_spend`", "[guardrails.maximum_spend]", lv.rules.SpendLimit),
    ("`guardrails.floors`", "[[guardrails.floors]]", lv.rules.Floor),
    ("`classes.NAME`", "[classes.high]", lv.rules.SliceClass),
    ("`scenarios`", "[[scenarios]]", lv.rules.Scenario),
    ("`approvals`", "[[approvals]]", lv.rules.Approval),
    ("`[slices.NAME]`", "[slices.NAME]", lv.rules.SliceLimit),
    *((f'`[risk]` with `appetite = "{name}"`', "[risk]", kind) for name, kind in APPETITES.items()),
    ("`[score]`", "[score]", lv.risk.Score),
    *((f'`[[interventions]]` with `kind = "{word}"`', "[[interventions]]", kind) for word, kind in CLASSES.items()),
    ("An interval", "", lv.Interval),
    ("A branch", "", lv.Branch),
)
"""Every table of the file: its heading, how TOML writes it, the class that reads it."""

TOML = {
    "mapping of str to": "table, by slice, of",
    "mapping of learner to": "table, by learner, of",
    "tuple of": "list of",
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
}
"""Words for kinds of values."""


def keys() -> str:
    """Return every key of a case.

    Returns: Markdown: a table a class.
    """
    return "\n".join(_section(*table) for table in TABLES)


def _section(heading: str, written: str, kind: type[Any]) -> str:
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
    (about, listed) = _read(kind)
    rows = [f"| `{key}` | {what} | {_default(fields[key])} | {meaning} |" for key, what, meaning in listed]
    empty = "No keys of its own.\n" if not rows else "| key | kind | default | meaning |\n|---|---|---|---|\n"
    return f"## {heading}\n\n{about}\n\n{empty}" + "\n".join(rows) + "\n"


def _read(kind: type[Any]) -> tuple[str, list[tuple[str, str, str]]]:
    """The first sentence of a class's docstring, and its parameters as key, kind and meaning."""
    sections = griffe.Docstring(inspect.getdoc(kind) or "").parse("numpy", warnings=False)
    about = next(s.value for s in sections if s.kind is griffe.DocstringSectionKind.text)
    listed = [s.value for s in sections if s.kind is griffe.DocstringSectionKind.parameters]
    rows = [(p.name, _kind(str(p.annotation)), _cell(p.description)) for part in listed for p in part]
    return about.splitlines()[0], rows


def _default(field: dataclasses.Field[Any]) -> str:
    """What a key is where nobody writes it."""
    if field.default is not dataclasses.MISSING:
        return "none" if field.default in (None, (), "") else f"`{field.default}`"
    if field.default_factory is dataclasses.MISSING:
        return "**required**"
    made = field.default_factory()
    return "its own defaults" if dataclasses.is_dataclass(made) else "none"


def _kind(annotation: str) -> str:
    """What a value may be, in the words of TOML instead of Python's."""
    words = annotation.removesuffix(", optional")
    for python, toml in TOML.items():
        words = re.sub(rf"\b{python}\b", toml, words)
    return _cell(words)


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")
