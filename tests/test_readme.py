"""What the README shows is what the code does."""

import re
import tomllib
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

import pytest
import xarray as xr

import labelvalue
from labelvalue import cli, exits
from tests.browsing import move, overflow, passes_axe, shot, unfold


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
        for name in ("fit", "decide", "write_report"):
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


@pytest.mark.rendered
def test_python_block_runs(readme, reader, capsys):
    """The one test that walks from the shipped runs to the report with real sampling."""
    (code,) = blocks(readme, "python")
    namespace = run(code)
    assert namespace["fit"].diagnostics.verdict == "ok"
    assert "verdict: ok" in capsys.readouterr().out
    assert (reader / "report.html").is_file()
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


def test_the_page_of_the_shipped_runs_in_a_browser(readme, reader, visit):
    """What a first look shows: real names of slices, the decision, and a panel that begins with it."""
    (code,) = blocks(readme, "python")
    plan, fit = itemgetter("plan", "fit")(run(code))
    for width in (380, 1200):
        page = visit(reader / "report.html", width=width)
        unfold(page)
        shot(page, f"shipped-{width}", full_page=True)
        assert overflow(page) == [0, []]
        passes_axe(page)
    assert set(page.locator("#slices tbody th bdi").all_text_contents()) == set(map(str, fit.slices))
    assert page.locator("#what-if-verdict").text_content() == plan.verdict.advice
    assert page.locator("#what-if-labels").text_content() == f"{plan.total:,}"
    move(page, "budget", 0)
    assert page.locator("#what-if-change").text_content() != "This is the decision of this page."
    assert page.evaluate("() => [...document.images].every((one) => one.complete && one.naturalWidth > 0)")


def test_code_of_the_tutorial_runs(root, reader):
    namespace = run("\n".join(blocks((root / "docs" / "tutorial.md").read_text(encoding="utf-8"), "python")))
    assert namespace["plan"].verdict.advice == "buy"
    assert (reader / "report.html").is_file()
    assert len(labelvalue.fit.kept) == 1, "README and tutorial fit the same runs with the same settings"


def test_commands_of_the_tutorial_ask_what_its_python_asks(root):
    """The same seed, budgets and case, and in every command that decides the same number of labels."""
    text = (root / "docs" / "tutorial.md").read_text(encoding="utf-8")
    code = "\n".join(blocks(text, "python"))
    asked = {
        option: re.sub(r"(?<=\d)_(?=\d)|\s", "", re.search(pattern, code)[1])
        for option, pattern in (
            ("--random-seed", r"random_seed=(\d+)"),
            ("--budgets", r"budgets=\[([\d_, ]+)\]"),
            ("--case", r"read_case\(\"(.*?)\"\)"),
            ("--max-labels", r"max_labels=([\d_]+)"),
        )
    }
    wanted = {
        "fit": ["--random-seed"],
        "gain": ["--budgets"],
        "plan": ["--case", "--max-labels"],
        "report": ["--case", "--max-labels"],
    }
    (block,) = [one for one in blocks(text, "") if "labelvalue fit" in one]
    lines = {line.split()[1]: line.split() for line in block.splitlines()}
    assert set(lines) == set(wanted)
    for command, options in wanted.items():
        words = lines[command]
        assert {o: words[words.index(o) + 1] for o in options if o in words} == {o: asked[o] for o in options}, command


def test_it_opens_with_the_two_commands(readme):
    first = blocks(readme, "")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make demo", "make test"]


def test_make_targets_exist(readme, root):
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), flags=re.MULTILINE))
    asked = re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)`", readme, flags=re.MULTILINE)
    assert {a or b for a, b in asked} <= targets


def test_the_commands_of_a_whole_story_are_there(readme):
    shown = [
        line.split("#")[0].split()
        for line in "\n".join(blocks(readme, "")).splitlines()
        if line.startswith("labelvalue")
    ]
    told = {"demo", "simulate", "fit", "backtest", "gain", "plan", "report", "init", "add", "refit"}
    assert {line[1] for line in shown} == told


def test_exit_codes_agree(readme):
    """Those that a command of ours ends with; the shell's own for Ctrl-C is none of them."""
    said = [int(code) for code in re.findall(r"(?:Exit codes:|·)\s*(\d) ", readme)]
    codes = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert said == sorted(codes - {exits.INTERRUPTED})


def test_the_command_is_on_the_path_before_it_is_used(readme, root):
    """Where ``make demo`` puts it, and what a package is installed with."""
    before = readme[: readme.index("\nlabelvalue ")]
    assert "`source .venv/bin/activate`" in before
    assert "`pip install .`" in before
    assert ".venv/bin" in (root / "Makefile").read_text(encoding="utf-8")
    scripts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert set(scripts) == {"labelvalue"}


def test_a_project_begins_as_it_stands_there(readme, root, tmp_path, monkeypatch, capsys):
    """The commands of its block, but for the fit."""
    (block,) = [text for text in blocks(readme, "") if "labelvalue init" in text]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(root / "data")
    *first, last = [line.split("#")[0].split()[1:] for line in block.splitlines()]
    for command in first:
        assert cli.main(command) == exits.DONE, capsys.readouterr()
    assert last == ["refit", first[0][1]]
    assert (tmp_path / last[1] / "labelvalue.toml").is_file()
    assert "batch" in labelvalue.Project.open(tmp_path / last[1]).history()["kind"].tolist()
    assert re.search(r"\]\(docs/how-to/project\.md\)", readme)


def test_x2_every_figure_that_was_measured_is_quoted_from_the_benchmarks(readme, root):
    measured = (root / "benchmarks" / "README.md").read_text(encoding="utf-8")
    measured = measured[measured.index("## Forecast skill") :]
    said = readme[readme.index("## Where it stands") : readme.index("Commands, peers")]
    figures = set(re.findall(r"(?<![\w.])\.?\d[\d.,]*\d(?!\w)", said))
    assert len(figures) > 20
    assert [one for one in sorted(figures) if one.strip(".,") not in measured and one.lstrip("0") not in measured] == []


def test_it_is_read_in_two_minutes(readme):
    assert len(readme.encode()) <= 5 * 1024
