"""Pages and files of the repository that the site shows, though they do not lie under ``docs``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "data/README.md": "data.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Pages by their place in the repository, with their place on the site."""
FILES = "files"
"""Folder of the site for files that pages link to."""
LINK = re.compile(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def pages(root: Path) -> dict[str, str]:
    """Return the text of every such page.

    Returns: by place on the site.
    """
    return {uri: (root / path).read_text(encoding="utf-8") for path, uri in PAGES.items()}


def shown(root: Path) -> dict[str, Path]:
    """Find the files outside ``docs`` that some page links to.

    Returns: by place on the site.
    """
    docs = {
        p.relative_to(root / "docs").as_posix(): p.read_text(encoding="utf-8") for p in (root / "docs").rglob("*.md")
    }
    found = {}
    for uri, text in {**docs, **pages(root)}.items():
        for target in _targets(text, uri):
            if not target.startswith("docs/") and target not in PAGES and (root / target).is_file():
                found[f"{FILES}/{target}"] = root / target
    return found


def relinked(text: str, uri: str, root: Path) -> str:
    """Turn the links of a page that are right in the repository into links of the site; others stay."""
    here = posixpath.dirname(uri)

    def new(link: re.Match[str]) -> str:
        target = _target(link[1], uri)
        place = PAGES.get(target)
        if place is None and target.startswith("docs/"):
            place = target.removeprefix("docs/")
        if place is None and (root / target).is_file():
            place = f"{FILES}/{target}"
        return link[0] if place is None else f"]({posixpath.relpath(place, here or '.')}{link[2] or ''})"

    return LINK.sub(new, text)


def _targets(text: str, uri: str) -> Iterator[str]:
    return (_target(link[1], uri) for link in LINK.finditer(text))


def _target(link: str, uri: str) -> str:
    """Where a link of a page leads in the repository."""
    back = {place: path for path, place in PAGES.items()}
    return posixpath.normpath(posixpath.join(posixpath.dirname(back.get(uri, f"docs/{uri}")), link))
