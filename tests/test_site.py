"""The documentation site: every warning is an error, nothing is asked of another host, the reference is complete."""

import dataclasses
import html
import importlib
import inspect
import os
import re
import subprocess
import sys
import time
import typing
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer

import labelvalue
from labelvalue import Case, cli
from labelvalue.decisions.case import case, risk

ROOT = Path(__file__).resolve().parents[1]
MOST_SECONDS = 120  # a minute on a machine that is busy with other tests too, and as much again
LOADS = {"src", "srcset", "poster", "data"}
"""Attributes that make a browser load what they name; ``href`` does so on ``link`` alone."""


def build(folder: Path, out: Path) -> subprocess.CompletedProcess:
    """Build as ``make docs`` does; ``--quiet`` would keep warnings from being counted."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=folder,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(root, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    start = time.perf_counter()
    done = build(root, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.perf_counter() - start < MOST_SECONDS
    return folder


def test_a_link_that_leads_nowhere_stops_the_build(root, tmp_path):
    """The settings of the site, on two pages of which one is wrong."""
    settings = (root / "mkdocs.yml").read_text(encoding="utf-8")
    kept = [part for part in settings.split("\n\n") if part.startswith(("# The documentation", "validation:"))]
    assert len(kept) == 2
    (tmp_path / "mkdocs.yml").write_text("\n\n".join(kept), encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# a\n\n[x](nowhere.md) [y](other.md#nothing)\n", encoding="utf-8")
    (tmp_path / "docs" / "other.md").write_text("# b\n", encoding="utf-8")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert "nowhere.md" in done.stderr
    assert "#nothing" in done.stderr


def pages(site: Path) -> dict[str, str]:
    return {p.relative_to(site).as_posix(): p.read_text(encoding="utf-8") for p in site.rglob("*.html")}


class Loaded(HTMLParser):
    """What a page makes a browser load."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        wanted = LOADS | ({"href"} if tag == "link" else set())
        self.found += [value for name, value in attrs if name in wanted and value]


def test_no_page_asks_another_host(site):
    asked = {
        f"{name}: {target}"
        for name, text in pages(site).items()
        for target in Loaded(text).found
        if re.match(r"(\w+:)?//", target) and not target.startswith("data:")
    }
    assert asked == set()
    styles = [p.read_text(encoding="utf-8") for p in site.rglob("*.css")]
    assert styles
    assert not [
        found for text in styles for found in re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", text)
    ]
    # Material's script would fetch the drawing library from elsewhere for the first diagram that a page has.
    assert not [name for name, text in pages(site).items() if "mermaid" in text]


def test_the_parser_would_see_it():
    page = '<link href="//fonts.example/a.css"><img src="http://x.example/a.png"><a href="http://x.example">x</a>'
    assert Loaded(page).found == ["//fonts.example/a.css", "http://x.example/a.png"]


def test_every_public_name_is_in_the_reference(site):
    text = "".join(text for name, text in pages(site).items() if name.startswith("reference/"))
    shown = set(re.findall(r'<h2 id="labelvalue\.([\w.]+)"', text))
    spaces = [name[10:-5] for name in pages(site) if hasattr(getattr(labelvalue, name[10:-5], None), "__all__")]
    members = {f"{space}.{name}" for space in spaces for name in getattr(labelvalue, space).__all__}
    assert len(members) > 90
    assert {*labelvalue.__all__} - {*spaces} | members == shown
    assert not re.findall(r":(?:func|class|meth|mod):`", html.unescape(text)), "a role that was not turned into a link"


def test_pages_say_in_a_clone_what_the_code_says_today(monkeypatch):
    """'make reference' writes it."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    parts = importlib.import_module("reference_parts")
    told = {page: page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")}
    assert sum(parts.END in text for text in told.values()) >= 5
    assert not [page.name for page, text in told.items() if parts.filled(text, ROOT, site=False) != text]


def test_every_command_is_in_the_reference(site):
    text = re.sub(r"<[^>]+>", "", pages(site)["reference/cli.html"])
    for name, command in typer.main.get_command(cli.app).commands.items():
        assert f"labelvalue {name}" in text
        for option in [o for p in command.params for o in p.opts if o.startswith("--")]:
            assert option in text, f"{name} {option}"


def classes_of(kind: type, found: set[type] | None = None) -> set[type]:
    """A dataclass and all that its fields may hold."""
    found = set() if found is None else found
    if dataclasses.is_dataclass(kind) and kind not in found:
        found.add(kind)
        for hint in typing.get_type_hints(kind).values():
            classes_of(hint, found)
    for part in typing.get_args(kind):
        classes_of(part, found)
    return found


def test_every_key_of_a_case_is_in_its_reference(site):
    text = pages(site)["reference/case.html"]
    kinds = classes_of(Case) | set(risk.APPETITES.values()) | set(case.CLASSES.values())
    assert len(kinds) > 20
    for kind in kinds:
        if not inspect.isabstract(kind) and kind.__name__ != "Intervention":
            keys = [f.name for f in dataclasses.fields(kind) if f.init]
            missing = [key for key in keys if f"<td><code>{key}</code></td>" not in text]
            assert not missing, f"{kind.__name__}: {missing}"
