"""The pages under docs: their Python runs, as it stands there."""

import functools
import json
import re
import sys
from pathlib import Path

import pytest

import labelvalue as lv
from labelvalue import cli, names
from labelvalue.observe.simulate.protocol import parse_protocol

DOCS = Path(__file__).resolve().parents[1] / "docs"
sys.path.insert(0, str(DOCS.parent))  # pages that are read in a clone take from its benchmarks
CODE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = sorted(DOCS.rglob("*.md"))
RUN_ELSEWHERE = {*(DOCS / "schedulers").glob("*.md"), DOCS / "tutorial.md"}
"""Pages for schedulers that are not installed, which ``tests/operate`` reads; and the tutorial, which shares the fit of
``tests/test_readme.py``."""


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
    [p for p in PAGES if CODE.search(p.read_text(encoding="utf-8")) and p not in RUN_ELSEWHERE],
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
    assert not any("failed" in note for note in runs.attrs[names.NOTES].splitlines())
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    assert frame[names.ERROR][total == 240].mean() < frame[names.ERROR][total == 60].mean()


def test_a_protocol_that_a_page_prints_is_one():
    """And varies what the call above it varies."""
    page = (DOCS / "how-to" / "own-model.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```toml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    printed = parse_protocol(text)
    runs = run_page(DOCS / "how-to" / "own-model.md")["varied"]
    done = parse_protocol(runs.attrs[names.PROTOCOL])
    for setting in ("metric", "strategies", "batch_size", "label_noise", "synthetic", "random_state"):
        assert getattr(printed, setting) == getattr(done, setting), setting
    assert [type(suite) for suite in printed.suites] == [type(suite) for suite in done.suites]
    assert not any("failed" in note for note in runs.attrs[names.NOTES].splitlines())


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_pages_name_pages_that_exist(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_figures_that_pages_quote_stand_in_the_benchmarks():
    """A link to the benchmarks whose words begin with a number quotes it from there."""
    measured = (DOCS.parent / "benchmarks" / "README.md").read_text(encoding="utf-8")
    quoted = [
        (path.name, words)
        for path in PAGES
        for words in re.findall(r"\[([^\]]*)\]\([./]*benchmarks/README\.md\)", path.read_text(encoding="utf-8"))
        if re.search(r"\d", words)
    ]
    assert quoted
    for name, words in quoted:
        for number in re.findall(r"\d[\d.,]*\d(?: %)?", words):
            assert number in measured, f"{name}: {words}"


@pytest.mark.parametrize("path", [*PAGES, DOCS.parent / "README.md"], ids=lambda p: p.stem)
def test_commands_and_options_of_a_page_exist(path, capsys):
    text = path.read_text(encoding="utf-8")
    lines = [
        line for block in re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) for line in block.split("\n")
    ]
    for line in lines:
        said = line.split("#")[0].split()
        if said[:1] == ["labelvalue"]:
            command = said[1:3] if said[1] == "import" else said[1:2]
            assert cli.main([*command, "--help"]) == 0, line
            out = capsys.readouterr().out
            assert [word for word in said if word.startswith("--") and word not in out] == [], line


def test_every_way_out_of_the_report_is_shown_on_a_page_or_in_a_notebook():
    """Tables, pictures and the fit's diagnostics are called somewhere, not only listed in the reference."""
    public = {name for name in lv.__all__ if name.startswith(("plot_", "write_"))} | {*lv.report.__all__}
    assert {"write_report", "write_tables", "plot_diagnostics"} <= public
    pages = [path.read_text(encoding="utf-8") for path in (*PAGES, DOCS.parent / "README.md")]
    books = [json.loads(path.read_text(encoding="utf-8")) for path in DOCS.parent.glob("notebooks/*.ipynb")]
    told = "\n".join([*pages, *("".join(cell["source"]) for book in books for cell in book["cells"])])
    assert [name for name in sorted(public) if not re.search(rf"\b{name}\b", told)] == []
