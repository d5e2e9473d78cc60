"""The pages under docs: their Python runs, as it stands there."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest

from labelvalue import names

DOCS = Path(__file__).resolve().parents[1] / "docs"
CODE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = sorted(DOCS.rglob("*.md"))
RUN_ELSEWHERE = DOCS / "schedulers"
"""Pages for schedulers that are not installed; ``tests/operate`` reads them."""


@functools.cache
def run_page(path: Path) -> dict:
    """Execute a page's blocks one after the other, in one namespace, lines numbered as in the page."""
    text = path.read_text(encoding="utf-8")
    space: dict = {"__name__": "page"}
    for block in CODE.finditer(text):
        before = "\n" * text[: block.start(1)].count("\n")
        exec(compile(before + block[1], str(path), "exec"), space)
    return space


@pytest.mark.parametrize(
    "path",
    [p for p in PAGES if CODE.search(p.read_text(encoding="utf-8")) and p.parent != RUN_ELSEWHERE],
    ids=lambda p: p.stem,
)
def test_code_of_a_page_runs(path):
    run_page(path)


def test_ones_own_model_learns():
    """What the page promises: runs of the network under both strategies, and errors that fall."""
    space = run_page(DOCS / "how-to" / "own-model.md")
    runs = space["runs"]
    frame = runs.to_dataframe()
    assert set(frame[names.LEARNER]) == {"network"}
    assert not any("failed" in note for note in json.loads(runs.attrs[names.NOTES]))
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    assert frame[names.ERROR][total == 240].mean() < frame[names.ERROR][total == 60].mean()


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_pages_name_pages_that_exist(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
