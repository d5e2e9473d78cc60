"""What pages of the reference take from the code: public names by namespace, commands, keys, columns, templates.

python docs/reference_parts.py    # writes into the pages what their marks ask for, so that they can be read in a clone
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import case_keys
import papers
import typer
from typer.cli import get_docs_for_click

import labelvalue
from labelvalue import get_model, names
from labelvalue.cli import app
from labelvalue.observe.table import schema
from labelvalue.operate.store.configuration import FILE, TEMPLATE

DOOR = "front door"
GROUND = ("testing", "names")
"""Modules at the front door that are no namespaces of functions."""
END = "<!-- up to here -->"
MARK = re.compile(rf"^(<!-- made from the code: (.+) -->)\n(?:(?:.*\n)*?{END}\n)?", re.MULTILINE)
SITE_ALONE = (DOOR, "namespaces")
"""What only the site can show: it is asked to write docstrings there."""
MEANING = re.compile(r'^[A-Z_]+ = "([^"]+)"(?:  # ([^\n]+)|\n"""(.+?)""")$', re.MULTILINE | re.DOTALL)
"""A name in ``labelvalue.names``, and its meaning beside it or below."""


def namespaces() -> list[str]:
    """Return the namespaces at the front door."""
    return [n for n in labelvalue.__all__ if inspect.ismodule(getattr(labelvalue, n)) and n not in GROUND]


@functools.cache
def places() -> dict[str, str]:
    """Return every public function and class by its name, with its full place.

    Returns: in the order of the front door's docstring, then namespace by namespace.
    """
    told = re.findall(r"``(\w+)``", inspect.getdoc(labelvalue) or "")
    found = {n: f"labelvalue.{n}" for n in told if not inspect.ismodule(getattr(labelvalue, n, labelvalue))}
    for space in namespaces():
        found |= {name: f"labelvalue.{space}.{name}" for name in getattr(labelvalue, space).__all__}
    return found


def pages() -> dict[str, str]:
    """Return a page for each namespace: what its docstring says, and its members in their order.

    Returns: Markdown, by place on the site.
    """
    return {f"reference/{space}.md": _namespace(space) for space in namespaces()}


def filled(markdown: str, root: Path, *, site: bool = True) -> str:
    """Put what is made from the code behind its marks, in place of what stands there."""

    def made(mark: re.Match[str]) -> str:
        if mark[2] in SITE_ALONE and not site:
            return f"{mark[1]}\n"
        return f"{mark[1]}\n\n{parts(root)[mark[2]]().strip()}\n\n{END}\n"

    return MARK.sub(made, markdown)


def write(root: Path) -> list[str]:
    """Write every page anew whose parts changed."""
    changed = []
    for page in sorted((root / "docs").rglob("*.md")):
        before = page.read_text(encoding="utf-8")
        if (after := filled(before, root, site=False)) != before:
            page.write_text(after, encoding="utf-8")
            changed.append(str(page.relative_to(root)))
    return changed


def parts(root: Path) -> dict[str, Callable[[], str]]:
    """Return what pages may ask for, by the words of its mark."""
    made: dict[str, Callable[[], str]] = {DOOR: _door, "namespaces": _listed}
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


def _door() -> str:
    """What is at the front door itself, for mkdocstrings."""
    told = {n: place for n, place in places().items() if place == f"labelvalue.{n}"}
    return "\n".join(
        _block(place, f"lv.{n}", n) for n, place in (told | {n: f"labelvalue.{n}" for n in GROUND}).items()
    )


def _listed() -> str:
    """The namespaces, each with the first line of its docstring."""
    about = {n: (inspect.getdoc(getattr(labelvalue, n)) or "").partition("\n")[0] for n in namespaces()}
    return "\n".join(f"- [`lv.{n}`]({n}.md): {said.partition(': ')[2]}" for n, said in about.items())


def _namespace(space: str) -> str:
    """A namespace and its members, for mkdocstrings."""
    told = (
        f"# lv.{space}\n\n::: labelvalue.{space}\n    options:\n      show_root_heading: false\n      members: false\n"
    )
    members = [n for n, place in places().items() if place == f"labelvalue.{space}.{n}"]
    return "\n".join([told, *(_block(places()[n], f"lv.{space}.{n}", n) for n in members)])


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
    text = Path(names.__file__).read_text("utf-8")
    found = {value: " ".join((beside or below).split()) for value, beside, below in MEANING.findall(text)}
    meanings = {value: f"{said[0].upper()}{said[1:].removesuffix('.')}." for value, said in found.items()}
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


if __name__ == "__main__":
    print(*write(Path(__file__).resolve().parents[1]), sep="\n")
