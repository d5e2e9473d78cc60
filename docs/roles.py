"""Sphinx's roles in docstrings, such as ``:func:`read_runs```, as links of this site."""

from __future__ import annotations

import re
from typing import Any

import griffe
import reference_parts

ROLE = re.compile(r":(?:func|class|meth|mod|data):`~?([\w.]+)`")


class Roles(griffe.Extension):
    """Turns roles into links where the name is public, else into code."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(_link, obj.docstring.value)


def _link(role: re.Match[str]) -> str:
    name = role[1].rsplit(".", 1)[-1]
    place = reference_parts.places().get(name)
    return f"[`{name}`][{place}]" if place else f"`{name}`"
