"""Nothing that comes from outside acts on the terminal, whichever command shows it, and no line is forged."""

import dataclasses
import json
import shlex
import shutil
import warnings

import pandas as pd
import pytest

import labelvalue as lv
from labelvalue import Project, cli, names, testing
from labelvalue.cli import console
from labelvalue.observe.table.files import to_csv
from labelvalue.operate.store.lock import writing
from labelvalue.printing import as_json, is_hidden, say
from labelvalue.problems import InputError, Problem, StorageError
from tests.operate.conftest import CASE, configure, put_case

ACTS = "\x1b]0;owned\x07\x1b[2J\x9b31m\x08\x7f"  # sets the title, clears the screen, takes back a letter
UNSEEN = "\u200b\u200e\u061c\u2060\ufeff\u00ad\u3164\u202e\u2066"
FORGED = "FORGED all is well"
HOSTILE = f"a{ACTS}\r\n{FORGED}\n\x0b{FORGED}\u2028{FORGED}\x85{FORGED}{UNSEEN}z"
NAME = HOSTILE.replace("/", "")  # the same as the name of a file
HIDDEN_SLICES = ("P\u200b", "Q\u200e", "R\u2060s", "T\u00ad")  # slices as a runs table may have them


@pytest.fixture
def command(capsys, monkeypatch):
    """Run a command and look at all that it prints."""

    def run(*given, code=None):
        capsys.readouterr()
        found = cli.main([str(part) for part in given])
        told = capsys.readouterr()
        assert code is None or found == code, told.err
        for text in (told.out, told.err):
            acting = sorted({f"U+{ord(c):04X}" for c in text if is_hidden(c) and c != "\n"})
            assert not acting, f"{given[0]}: {acting} in {text!r}"
            assert not [line for line in text.split("\n") if line.lstrip().startswith(FORGED)], text
            text.encode("utf-8")
        if "--json" in given and told.out:
            json.loads(told.out)
        assert "a fault of labelvalue" not in told.err
        return told

    return run


@pytest.fixture
def forged_fit(tmp_path):
    """A fit by somebody else, with a seal of its own, whose slices, notes and reasons are hostile."""
    fit = testing.fake_fit(seed=1, draws=50)
    slices = [f"{HOSTILE}{n}" for n in range(fit.position.sizes[names.SLICE])]
    called = dict(zip(fit.slices.tolist(), slices, strict=True))

    def renamed(part):
        if names.SLICE not in part.variables:
            return part
        return part.assign({names.SLICE: (part[names.SLICE].dims, [called[name] for name in part[names.SLICE].values])})

    tree = fit.tree.map_over_datasets(renamed)
    diagnostics = dataclasses.replace(fit.diagnostics, verdict="flagged", reasons=(HOSTILE,), flags={})
    return dataclasses.replace(fit, tree=tree, diagnostics=diagnostics).save(tmp_path / "forged.nc")


def forms(*given):
    """A command as text and as JSON."""
    return [given, (*given, "--json")]


# --- the doors themselves -----------------------------------------------------------------------------


def test_each_line_stays_one(capsys):
    say(HOSTILE, "next")
    first, second, end = capsys.readouterr().out.split("\n")
    assert (second, end) == ("next", "")
    assert not any(map(is_hidden, first))
    assert first.encode().decode("unicode_escape") == HOSTILE, "it can be read what it was"


def test_letters_and_emoji_are_left_alone(capsys):
    text = "größer 中文 می\u200cخواهم 👩\u200d🔬 ✓ −1 1 000"
    say(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_a_stream_that_knows_few_letters_gets_escapes(monkeypatch, capsysbinary):
    import io
    import sys

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    say("−1 \ud800")
    assert stream.buffer.getvalue() == b"\\u22121 \\ud800\n"


def test_json_is_exact():
    text = as_json({HOSTILE: [HOSTILE, "\ud800", "\ue000"]})
    assert not any(is_hidden(c) for c in text.replace("\n", ""))
    assert json.loads(text) == {HOSTILE: [HOSTILE, "\ud800", "\ue000"]}


def test_errors_are_one_line_each():
    problem = Problem(why=HOSTILE, fix=HOSTILE, file=HOSTILE, column=HOSTILE, value=HOSTILE, line=1)
    assert len(str(InputError([problem, problem])).split("\n")) == 2
    assert not any(map(is_hidden, str(problem) + str(StorageError(HOSTILE))))


def test_warnings_go_through_the_door(command, monkeypatch):
    monkeypatch.setattr(console, "counts", lambda *_: warnings.warn(HOSTILE, RuntimeWarning, stacklevel=1))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        told = command("gain", "none.nc", "--budgets", "500", code=1)
    assert "warning: a\\x1b]0;owned" in told.err


# --- arguments ----------------------------------------------------------------------------------------

COMMANDS = f"""
{HOSTILE!r}
fit {HOSTILE!r} --out {HOSTILE!r}
fit runs.csv --out {HOSTILE!r}
fit runs.csv --out fit.nc --labels-now {HOSTILE!r} --labels-now {HOSTILE!r}=3
fit runs.csv --out fit.nc --draws {HOSTILE!r}
fit runs.csv --out fit.nc --model {HOSTILE!r} --draws 100
fit runs.csv --out fit.nc --metric {HOSTILE!r}
fit runs.csv --out fit.nc --timezone {HOSTILE!r}
fit runs.csv --out fit.nc --encoding {HOSTILE!r}
fit runs.csv --out fit.nc --{HOSTILE!r}
backtest runs.csv --holdout {HOSTILE!r}
backtest runs.csv --by {HOSTILE!r}
backtest {HOSTILE!r} --out {HOSTILE!r}
gain {HOSTILE!r} --budgets 500
gain fit.nc --budgets {HOSTILE!r}
gain fit.nc --budgets 500 --ci-prob {HOSTILE!r}
plan {HOSTILE!r} --case {HOSTILE!r}
plan fit.nc --case {HOSTILE!r}
plan fit.nc --case case.toml --max-labels {HOSTILE!r}
case {HOSTILE!r} --price 0.1 --per-error-point 4 --out case.toml
case judgements.csv --case {HOSTILE!r} --out case.toml
case judgements.csv --price {HOSTILE!r} --out {HOSTILE!r}/case.toml
queue {HOSTILE!r} data.csv --case case.toml --target y --slice s --out out.json
queue fit.nc data.csv --case case.toml --target {HOSTILE!r} --slice s --out out.json
queue fit.nc data.csv --case case.toml --target y --slice s --item {HOSTILE!r} --out out.json
queue fit.nc data.csv --case case.toml --target y --slice s --format {HOSTILE!r} --out out.json
queue fit.nc data.csv --case case.toml --target y --slice s --learner x:{HOSTILE!r} --out out.json
report {HOSTILE!r}
report fit.nc --out {HOSTILE!r}/x.html
report fit.nc --case {HOSTILE!r}
report fit.nc --tables {HOSTILE!r}
simulate {HOSTILE!r} --target {HOSTILE!r} --slice {HOSTILE!r} --out out.csv
simulate data.csv --target {HOSTILE!r} --slice s --out out.csv
simulate data.csv --target y --slice s --out out.csv --learner {HOSTILE!r}
simulate data.csv --target y --slice s --text {HOSTILE!r} --out out.csv
simulate data.csv --target y --slice s --out out.csv --protocol {HOSTILE!r}
simulate data.csv --target y --slice s --out out.csv --strategies {HOSTILE!r}
simulate data.csv --target y --slice s --out out.csv --checkpoint data.csv/{HOSTILE!r}
simulate data.csv --target y --slice s --out {HOSTILE!r}/out.csv
import label-studio {HOSTILE!r} --out out.csv --slice {HOSTILE!r}
import csv judgements.csv --out {HOSTILE!r}/out.csv
import csv judgements.csv --out out.csv --map {HOSTILE!r}
import csv judgements.csv --out out.csv --map item={HOSTILE!r}
import csv judgements.csv --out out.csv --slice {HOSTILE!r}
import csv judgements.csv --out out.csv --batch {HOSTILE!r} --batch-date {HOSTILE!r}
import mlflow {HOSTILE!r} --out out.csv
import mlflow mlflow.csv --out out.csv --map labels={HOSTILE!r} --map slice={HOSTILE!r}
import wandb mlflow.csv --out out.csv --map {HOSTILE!r}=x
import {HOSTILE!r} x --out y
init {HOSTILE!r}/x
add {HOSTILE!r} runs.csv
add project {HOSTILE!r}
add project runs.csv --batch {HOSTILE!r}
refit {HOSTILE!r}
refit {HOSTILE!r} --all
refit project --all --backend {HOSTILE!r}
round {HOSTILE!r} data.csv --target y --slice s
round project data.csv --target {HOSTILE!r} --slice s
realised project data.csv {HOSTILE!r} --target y --slice s
history {HOSTILE!r}
history project --out {HOSTILE!r}/x.json
verify {HOSTILE!r}
verify project --head {HOSTILE!r}
decide project {HOSTILE!r} --approver {HOSTILE!r} --comment {HOSTILE!r}
note project {HOSTILE!r} --slice {HOSTILE!r}
note project {HOSTILE!r} --batch {HOSTILE!r}
explain {HOSTILE!r}
explain project --at {HOSTILE!r}
preview project {HOSTILE!r}
"""


def test_arguments(command, tmp_path, monkeypatch, first):
    def sampled(*_, **__):
        raise RuntimeError(HOSTILE)

    monkeypatch.setattr("labelvalue.model.sampling.sampling.sample", sampled)
    monkeypatch.chdir(tmp_path)
    Project.create(tmp_path / "project")
    (tmp_path / "runs.csv").write_text(to_csv(first))
    testing.fake_fit(seed=1, draws=50).save(tmp_path / "fit.nc")
    (tmp_path / "case.toml").write_text(CASE)
    (tmp_path / "data.csv").write_text("x,y,s\n1,a,p\n2,b,q\n")
    (tmp_path / "judgements.csv").write_text("item,label\n1,a\n")
    (tmp_path / "mlflow.csv").write_text("run_id,status\n1,FINISHED\n")
    walked = [shlex.split(line) for line in _lines(COMMANDS)]
    for number, given in enumerate(walked):
        command(*given, *(["--json"] if number % 2 and "--json" not in given else []))
    known = {one.name or one.callback.__name__ for one in cli.app.registered_commands}
    assert known - {given[0] for given in walked} == {"demo", "assets", "assumptions"}, "a command that is not walked"


def _lines(commands):
    """Commands whose hostile texts have line ends of their own, as ``repr`` writes them."""
    return [line.replace(repr(HOSTILE), shlex.quote(HOSTILE)) for line in commands.strip().split("\n")]


def test_arguments_that_no_file_can_hold(command, tmp_path):
    for given in (("init", tmp_path / "\udcff"), ("gain", "\udcff.nc", "--budgets", "5"), ("note", tmp_path, "\ud800")):
        for form in forms(*given):
            assert "not UTF-8. Fix: " in command(*form, code=1).err
    assert list(tmp_path.iterdir()) == []


# --- files ----------------------------------------------------------------------------------------------


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


def test_runs_tables(command, tmp_path):
    header = "slice,labels,errors,trials"
    texts = {
        "column": f"{header},{quoted(HOSTILE)}\nA,1,1,10\n",
        "columns": f"{quoted(HOSTILE)},{quoted(HOSTILE)}\n1,2\n",
        "slice": f"{header}\n{quoted(HOSTILE)},1,1,10\n",
        "cells": f"{header}\nA,{quoted(HOSTILE)},1,10\nA,1,{quoted(HOSTILE)},10\n",
        "learner": f"{header},learner\nA,1,1,10,{quoted(HOSTILE)}\n",
        "protocol": f"{header},protocol\nA,1,1,10,{quoted(HOSTILE)}\n",
        "unseen": f"{header}\nP,1,1,10\nP\u200b,1,1,10\n",
        "extra": f"{header}\nA,1,1,10,{quoted(HOSTILE)}\n",
    }
    for name, text in texts.items():
        path = tmp_path / f"{name}{NAME}.csv"
        path.write_text(text)
        for form in forms("fit", path, "--out", tmp_path / "fit.nc", "--model", "none"):
            command(*form, code=1)


@pytest.mark.parametrize("unseen", ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u200e", "\u00ad", "\u3164"])
def test_slices_that_look_alike_are_refused(unseen):
    table = pd.DataFrame({"slice": ["P", f"P{unseen}"], "labels": 1, "errors": 1, "trials": 10})
    with pytest.raises(InputError, match=r"differ only in.*what is not seen"):
        lv.read_runs(table)
    assert lv.read_runs(table, merge_similar_slices=True).sizes[names.RUN] == 1


def test_settings(command, tmp_path, project, first):
    fit = testing.fake_fit(seed=1, draws=50).save(tmp_path / "fit.nc")
    key = json.dumps(HOSTILE)[1:-1].replace("\x7f", "\\u007f")
    cases = (
        f'{CASE}"{key}" = 1\n',
        f'"{key}" = 1\n{CASE}',
        CASE.replace('"USD"', f'"{key}"'),
        CASE.replace("0.1", f'{{ "{key}" = 0.1 }}'),
        CASE.replace("400", f'"{key}"'),
        f'{CASE}\n[value.stakes]\n"{key}" = 2\n',
        f'{CASE}\n[guardrails]\n"{key}" = 2\n',
        f'name = "{HOSTILE}"\n',
    )
    for number, text in enumerate(cases):
        path = tmp_path / f"{number}{NAME}.toml"
        path.write_text(text)
        command("plan", fit, "--case", path, "--max-labels", "100")
        for form in forms("simulate", "x.csv", "--target", "y", "--slice", "s", "--out", "o", "--protocol", path):
            command(*form, code=1)
    for text in (f'"{key}" = 1', f'[fit]\nmodel = "{key}"', f'case = "{key}"', f'[fit.priors."{key}"]', f'["{key}"]'):
        configure(project, text)
        for form in forms("refit", project.folder):
            command(*form)


def test_exports(command, tmp_path):
    task = {"id": HOSTILE, "data": {HOSTILE: HOSTILE}, "annotations": [{"id": HOSTILE, "result": [], HOSTILE: 1}]}
    files = {
        f"{NAME}.json": json.dumps([task]),
        "tools.json": json.dumps([{HOSTILE: 1}]),
        f"{NAME}.jsonl": json.dumps({"text": HOSTILE, "id": HOSTILE, "label": [[0, 1, HOSTILE]], HOSTILE: HOSTILE}),
        f"{NAME}.csv": f"item,label,{quoted(HOSTILE)}\n{quoted(HOSTILE)},{quoted(HOSTILE)},{quoted(HOSTILE)}\n",
        f"{NAME}.xml": "<annotations><version>1.1</version>&#x1b;</annotations>",
        "not.zip": HOSTILE,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        for tool in ("label-studio", "argilla", "doccano", "prodigy", "cvat", "csv"):
            for more in ([], ["--slice", HOSTILE, "--json"]):
                command("import", tool, tmp_path / name, "--out", tmp_path / f"{tool}.csv", *more)
    runs = {"run_id": HOSTILE, "status": HOSTILE, "params.n": HOSTILE, "metrics.m": HOSTILE, "params.s": HOSTILE}
    dump = tmp_path / "dump.csv"
    dump.write_text(",".join(runs) + "\n" + ",".join(map(quoted, runs.values())) + "\n")
    for status in (HOSTILE, "FINISHED"):
        dump.write_text(",".join(runs) + "\n" + ",".join(map(quoted, (runs | {"status": status}).values())) + "\n")
        pairs = ["--map", "labels=params.n", "--map", "value=metrics.m", "--map", "slice=params.s"]
        for form in forms("import", "mlflow", dump, "--out", tmp_path / "runs.csv", *pairs, "--metric", "accuracy"):
            command(*form)


# --- fits and projects ----------------------------------------------------------------------------------


def test_fits_of_others(command, forged_fit, tmp_path, monkeypatch):
    monkeypatch.setattr("labelvalue.forecast.gains.prior_sensitivity.fit_again", lambda fit, **changes: fit)
    (tmp_path / "case.toml").write_text(CASE)
    report = ("report", forged_fit, "--out", tmp_path / f"{NAME}.html")
    plan = ("plan", forged_fit, "--case", tmp_path / "case.toml", "--max-labels", "100", "--details")
    gain = forms("gain", forged_fit, "--budgets", "500", "--target", "0.2")
    aimed = forms(*plan[:-1], "--target", "0.2")
    for given in (*gain, report, (*report, "--json"), plan, *aimed):
        command(*given, code=2)
    shutil.copy(forged_fit, tmp_path / f"{NAME}.nc")
    for form in forms("gain", tmp_path / f"{NAME}.nc", "--budgets", "500"):
        command(*form, code=5)


def test_projects(command, tmp_path, sampler, monkeypatch):
    """A project in a folder with such a name, and such names and texts wherever they are taken."""
    folder = tmp_path / f"p{NAME}"
    command("init", folder, code=0)
    project = Project.open(folder)
    currency = json.dumps(HOSTILE).replace("\x7f", "\\u007f")
    put_case(project, CASE.replace('"USD"', currency))
    runs = tmp_path / "may.csv"
    kept = testing.fake_runs(seed=1, sizes=(500, 1000, 2000, 4000), replicates=2)
    runs.write_text(to_csv(kept))
    command("add", folder, runs, "--batch", "may", code=0)
    command("refit", folder)
    for form in forms("note", folder, HOSTILE, "--author", HOSTILE):
        command(*form)
    for form in forms("decide", folder, "wait", "--approver", HOSTILE, "--comment", HOSTILE):
        command(*form)
    for given in ("history", "verify", "assets", "assumptions", "explain", "refit"):
        for form in forms(given, folder):
            command(*form)
    for form in forms("preview", folder, runs):
        command(*form)
    for form in forms("refit", tmp_path, "--all"):
        command(*form)
    with writing(folder, HOSTILE):
        for form in forms("note", folder, "x"):
            command(*form, code=4)


def test_slices_that_are_not_seen_are_shown(command, tmp_path):
    fit = testing.fake_fit(seed=1, slices=HIDDEN_SLICES, draws=50).save(tmp_path / "fit.nc")
    (tmp_path / "case.toml").write_text(CASE)
    told = command("gain", fit, "--budgets", "500", code=0).out
    assert all(name.encode("unicode_escape").decode() in told for name in HIDDEN_SLICES)
    command("plan", fit, "--case", tmp_path / "case.toml", "--max-labels", "100")
