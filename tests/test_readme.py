"""What the README shows is what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import xarray as xr

import labelvalue
from labelvalue import cli, console


@pytest.fixture(scope="module")
def readme(root) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [content for named, content in fenced if named == language]


@pytest.fixture(scope="module")
def reader(root, tmp_path_factory) -> Iterator[Path]:
    """A folder with the shipped data; what two pages ask for in the same words is computed once."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "data").symlink_to(root / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("fit", "allocate", "advise", "write_report"):
            patch.setattr(labelvalue, name, once(getattr(labelvalue, name)), raising=False)
        yield folder


def once(function):
    """The function, which remembers what it returned for the same arguments."""
    kept: list = []

    def call(*args, **settings):
        given = [*args, *sorted(settings.items())]
        for before, result in kept:
            if len(before) == len(given) and all(map(same, before, given)):
                return result
        kept.append((given, function(*args, **settings)))
        return kept[-1][1]

    call.kept = kept
    return call


def same(one, other) -> bool:
    if isinstance(one, xr.Dataset):
        return one.identical(other)
    return one is other or (isinstance(one, (tuple, labelvalue.Case)) and one == other)


def run(code: str) -> dict:
    namespace: dict = {}
    exec(compile(code, "page", "exec"), namespace)
    return namespace


def test_python_block_runs(readme, reader, capsys):
    """The one test that walks from the shipped runs to the report with real sampling."""
    (code,) = blocks(readme, "python")
    namespace = run(code)
    assert namespace["fit"].diagnostics.verdict == "ok"
    assert "verdict: ok" in capsys.readouterr().out
    assert (reader / "report.html").is_file()
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


def test_code_of_the_tutorial_runs(root, reader):
    namespace = run("\n".join(blocks((root / "docs" / "tutorial.md").read_text(encoding="utf-8"), "python")))
    assert namespace["plan"].verdict.advice == "buy"
    assert (reader / "report.html").is_file()
    assert len(labelvalue.fit.kept) == 1, "README and tutorial fit the same runs with the same settings"


def test_it_opens_with_the_two_commands(readme):
    first = blocks(readme, "")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make demo", "make test"]


def test_make_targets_exist(readme, root):
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), flags=re.MULTILINE))
    asked = re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)`", readme, flags=re.MULTILINE)
    assert {a or b for a, b in asked} <= targets


def test_commands_and_options_exist(readme, capsys):
    shown = [
        line.split("#")[0].split()
        for line in "\n".join(blocks(readme, "")).splitlines()
        if line.startswith("labelvalue")
    ]
    assert {line[1] for line in shown} == {"demo", "simulate", "fit", "backtest", "gain", "plan", "report"}
    for _, name, *rest in shown:
        assert cli.main([name, "--help"]) == 0
        out = capsys.readouterr().out
        assert [word for word in rest if word.startswith("--") and word not in out] == []


def test_exit_codes_agree(readme):
    said = {int(code) for code in re.findall(r"(?:Exit codes:|·)\s*(\d) ", readme)}
    assert said == {console.DONE, console.BAD_INPUT, console.NOT_PUBLISHED, console.STOPPED, console.STORAGE}


def test_x2_every_figure_that_was_measured_is_quoted_from_the_benchmarks(readme, root):
    measured = (root / "benchmarks" / "README.md").read_text(encoding="utf-8")
    parts = (("## Where it stands", "What to keep in mind"), ("> Trust forecasts", "With `labelvalue fit"))
    said = "".join(readme[readme.index(start) : readme.index(end)] for start, end in parts)
    figures = set(re.findall(r"(?<![\w.])\.?\d[\d.,]*\d(?!\w)", said))
    assert len(figures) > 40
    assert [one for one in sorted(figures) if one.strip(".,") not in measured and one.lstrip("0") not in measured] == []
