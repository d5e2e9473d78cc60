"""What pages of the reference take from the code: public names by room, commands, keys, columns, templates."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import case_keys
import griffe
import papers
import typer
from typer.cli import get_docs_for_click

import labelvalue
from labelvalue.cli import app
from labelvalue.model import get_model
from labelvalue.observe.table import schema
from labelvalue.operate.store.configuration import FILE, TEMPLATE

ROOMS = ("observe", "model", "forecast", "decisions", "report", "operate")
GROUND = "ground"
MARK = re.compile(r"^<!-- made from the code: (.+) -->$", re.MULTILINE)


@functools.cache
def places() -> dict[str, str]:
    """Return every public function and class by its name, with its full place.

    Returns
    -------
    dict of str to str
        Places are those where the name is imported from by a room, or else where it is defined.
    """
    found = {}
    for name in labelvalue.__all__:
        thing = getattr(labelvalue, name)
        if not inspect.ismodule(thing):
            found[name] = f"{thing.__module__}.{name}"
    for room in ROOMS:
        for name in importlib.import_module(f"labelvalue.{room}").__all__:
            if callable(getattr(importlib.import_module(f"labelvalue.{room}"), name)):
                found[name] = f"labelvalue.{room}.{name}"
    return found


def filled(markdown: str, root: Path) -> str:
    """Put what is made from the code in the place of its marks.

    Parameters
    ----------
    markdown : str
        A page with lines such as ``<!-- made from the code: commands -->``.
    root : Path
        The repository.

    Returns
    -------
    str

    Raises
    ------
    KeyError
        If a mark names what nobody makes.
    """
    return MARK.sub(lambda mark: parts(root)[mark[1]](), markdown)


def parts(root: Path) -> dict[str, Callable[[], str]]:
    """Return what pages may ask for, by the words of its mark.

    Parameters
    ----------
    root : Path
        The repository.

    Returns
    -------
    dict of str to callable
        Each returns Markdown.
    """
    made: dict[str, Callable[[], str]] = {room: functools.partial(_room, room) for room in (*ROOMS, GROUND)}
    for name in ("adult_case.toml", "protocol.toml"):
        made[name] = functools.partial(_toml, (root / "data" / name).read_text(encoding="utf-8"))
    return made | {
        FILE: functools.partial(_toml, TEMPLATE),
        "commands": _commands,
        "keys of a case": case_keys.keys,
        "columns of the runs table": _columns,
        "priors of the power law": _priors,
        "papers": functools.partial(papers.listed, root),
    }


def _room(room: str) -> str:
    """The public names of one room, for mkdocstrings."""
    rest = room == GROUND
    blocks = []
    for name, place in sorted(places().items(), key=lambda pair: pair[0].lower()):
        home = place.split(".")[1]
        if home == room or (rest and home not in ROOMS):
            blocks.append(_block(place, f"lv.{name}" if name in labelvalue.__all__ else place, name))
    if rest:
        blocks += [_block(f"labelvalue.{name}", f"lv.{name}", name) for name in ("testing", "names")]
    return "\n".join(blocks)


def _block(place: str, heading: str, entry: str) -> str:
    return f"::: {place}\n    options:\n      heading: {heading}\n      toc_label: {entry}\n"


def _commands() -> str:
    """All commands, as typer lists them; in lists, links instead of beginnings of sentences."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="labelvalue"), name="labelvalue")
    text = text.replace("# `labelvalue`\n", "## `labelvalue`\n", 1)
    groups = re.split(r"(?=^#+ `)", text, flags=re.MULTILINE)
    return "".join(map(_linked, groups))


def _linked(part: str) -> str:
    """The text of one command, with links to the commands that it lists."""
    heading = re.match(r"#+ `([^`]+)`", part)
    if heading is None:
        return part
    place = heading[1].replace(" ", "-")
    before, mark, listed = part.partition("**Commands**:")
    return before + mark + re.sub(r"^\* `([\w-]+)`.*$", rf"* [`\1`](#{place}-\1)", listed, flags=re.MULTILINE)


def _columns() -> str:
    """Columns of the runs table, with the meanings that ``labelvalue.names`` gives."""
    meanings = {
        str(member.value).strip("'\""): " ".join(member.docstring.value.split())
        for member in griffe.load("labelvalue.names").members.values()
        if member.is_attribute and member.docstring
    }
    rows = [f"| `{name}` | {column.kind} | {meanings[name]} |" for name, column in schema.COLUMNS.items()]
    return "\n".join(["| column | kind | meaning |", "|---|---|---|", *rows])


def _toml(text: str) -> str:
    return f"```toml\n{text}```"


def _priors() -> str:
    """The priors of the default model, each with its meaning."""
    rows = [
        f"| `{name}` | {prior.distribution} | {prior.center:g} | {prior.spread:g} | {prior.meaning} |"
        for name, prior in get_model("power_law").priors.items()
    ]
    return "\n".join(["| prior | distribution | center | spread | of what |", "|---|---|---|---|---|", *rows])
