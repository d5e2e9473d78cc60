"""What the README shows is what the code does."""

from __future__ import annotations

import re

import pytest

from labelvalue import cli, console


@pytest.fixture(scope="module")
def readme(root) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [content for named, content in fenced if named == language]


def test_python_block_runs(readme, root, tmp_path, monkeypatch, capsys):
    """The one test that walks from the shipped runs to the report with real sampling."""
    (code,) = blocks(readme, "python")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(root / "data")
    namespace: dict = {}
    exec(compile(code, "README.md", "exec"), namespace)
    assert namespace["fit"].diagnostics.verdict == "ok"
    assert "verdict: ok" in capsys.readouterr().out
    assert (tmp_path / "report.html").is_file()
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


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
