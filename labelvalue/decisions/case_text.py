"""A case as TOML text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from labelvalue.decisions.appetites import APPETITES
from labelvalue.forecast import Intervention
from labelvalue.observe.toml_text import as_toml


def as_text(case: Any) -> str:
    """Return a case as TOML: a line for each setting that differs from its default.

    Parameters
    ----------
    case : Case
        A frozen dataclass of numbers, texts, mappings, sequences and more such dataclasses.

    Returns
    -------
    str
        A table for every part.

    Examples
    --------
    >>> from labelvalue.decisions.guardrails import Guardrails, Rule
    >>> as_text(Guardrails(maximum_budget=Rule(limit=2500, probability=0.8))).splitlines()[1:]
    ['[maximum_budget]', 'limit = 2500', 'probability = 0.8']
    """
    given = _plain(case)
    lines = [f"{key} = {as_toml(value)}" for key, value in given.items() if not _is_table(value)]
    for key, value in given.items():
        if _is_table(value):
            lines += ["", f"[{key}]", *(f"{as_key(k)} = {as_toml(v)}" for k, v in value.items())]
    return "\n".join(lines) + "\n"


def as_key(key: str) -> str:
    """Return a key as TOML: bare where it may be, else in quotes.

    Parameters
    ----------
    key : str
        Any text.

    Returns
    -------
    str

    Examples
    --------
    >>> as_key("minimum_order"), as_key("New York")
    ('minimum_order', '"New York"')
    """
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else as_toml(key)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and not {"low", "high"} & set(value)


def _plain(part: Any) -> Any:
    """A part of the case as mappings, lists, numbers and texts; what is as by default is left out."""
    if isinstance(part, Mapping):
        return {str(k): _plain(v) for k, v in part.items()}
    if isinstance(part, (list, tuple)):
        return [_plain(v) for v in part]
    if not dataclasses.is_dataclass(part):
        return part.item() if isinstance(part, np.generic) else part
    kind = {"appetite": getattr(part, "name")} if isinstance(part, tuple(APPETITES.values())) else {}  # noqa: B009
    if isinstance(part, Intervention):
        kind = {"kind": part.kind}
    fields = [f for f in dataclasses.fields(part) if f.init and not _as_default(f, getattr(part, f.name))]
    return kind | {f.name: _plain(getattr(part, f.name)) for f in fields}


def _as_default(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return value == field.default_factory()
    return type(value) is type(field.default) and value == field.default
