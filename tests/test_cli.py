"""The command line: what it prints, how it ends, and how fast it answers."""

import json
import math
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time

import pandas as pd
import pytest
import typer

import labelvalue as lv
from labelvalue import cli, names
from labelvalue.diagnostics import what_is_missing
from tests.fits import judged


def command(*arguments, **settings):
    """Run the command in a process of its own, as a scheduler does."""
    return subprocess.run(
        [sys.executable, "-m", "labelvalue", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **settings,
    )


@pytest.fixture
def run(capsys):
    """Run a command in this process; returns exit code, stdout, stderr."""

    def run(*arguments):
        capsys.readouterr()
        code = cli.main([str(a) for a in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def fake_sampler(monkeypatch, fake_fit):
    """``labelvalue.fit`` answers at once, with the verdict asked for, and notes what it was asked."""
    asked = {}

    def made():
        return lv.testing.fake_backtest(seed=1, slices=tuple(dict.fromkeys(asked["runs"][names.SLICE].values.tolist())))

    def use(verdict="ok", *reasons):
        def fit(runs, **settings):
            asked.update(settings, runs=runs)
            slices = tuple(dict.fromkeys(runs[names.SLICE].values.tolist()))
            same = set(slices) == set(fake_fit.slices.tolist())
            return judged(fake_fit if same else lv.testing.fake_fit(seed=1, slices=slices), verdict, *reasons)

        monkeypatch.setattr("labelvalue.fit", fit)
        monkeypatch.setattr("labelvalue.forecast.backtesting.trust.backtesting.backtest", lambda *_, **__: made())
        return asked

    return use


@pytest.fixture
def runs_file(tmp_path):
    path = tmp_path / "runs.csv"
    lv.write_runs(lv.testing.fake_runs(seed=1), path)
    return path


# --- speed and shape ------------------------------------------------------------------------------


def test_help_is_fast():
    """Under half a second; the best of several runs, since other work may hold the machine."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        assert command("--help").returncode == 0
        best = min(best, time.perf_counter() - start)
        if best < 0.5:
            return
    pytest.fail(f"--help took {best:.2f} s")


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from labelvalue.cli import main; main(['fit', '--help']);"
        "heavy = {'numpy', 'pandas', 'xarray', 'pymc', 'sklearn'};"
        "print(sorted(heavy & {m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def every_command(group, said=()):
    """Each command of a group and of the groups in it, with what is said to reach it."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if hasattr(command, "list_commands"):
            yield from every_command(command, (*said, name))
        yield (*said, name), command


HELPED = dict(every_command(typer.main.get_command(cli.app)))


@pytest.mark.parametrize("words", [(), *HELPED], ids=" ".join)
def test_help_is_whole_at_80_columns_and_has_an_example_that_is_read(run, words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(*words, "--help")
    assert code == 0
    cut = [line for line in out.splitlines() if line.endswith(("...", "…")) and not line.startswith("Usage: ")]
    assert cut + [line for line in out.splitlines() if len(line) > 80] == []
    if not words:
        return
    example = shlex.split(out.partition("Example:")[2].replace("\\\n", ""))
    assert example[: len(words) + 1] == ["labelvalue", *words]
    if not hasattr(HELPED[words], "list_commands"):
        assert "--json" in out
        HELPED[words].make_context(words[-1], example[len(words) + 1 :])


def test_help_groups_commands(run):
    out = run("--help")[1]
    titles = ["Runs:", "Fit and forecast:", "Decide:", "Project:", "Exit codes:"]
    assert sorted(titles, key=out.index) == titles
    assert "Commands:" not in out
    for name, command in HELPED.items():
        if len(name) == 1:
            first = " ".join(command.help.split("\n\n")[0].split())
            assert first in " ".join(out.split()), name


def test_help_names_every_step_and_every_kind_of_record(run):
    from labelvalue.operate.history import changes
    from labelvalue.operate.refit import advice
    from labelvalue.operate.store.records import KINDS

    known = {changes.CODE, changes.DATA, changes.DRIFT, changes.LEARNER, changes.MODEL, changes.PRIORS,
             changes.SETTINGS, changes.PRICE, changes.CASE, advice.WIDTH}  # fmt: skip
    for command, words in (("explain", known), ("history", KINDS)):
        told = run(command, "--help")[1]
        missing = [word for word in words if not re.search(rf"\b{word}\b", told.split("--")[0])]
        assert missing == [], command


def test_version(run):
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("labelvalue 0.")


# --- gain -----------------------------------------------------------------------------------------


def test_gain_table_fits_a_terminal_and_says_its_interval(run, fake_fit_file, fake_fit):
    code, out, _ = run("gain", fake_fit_file, "--budgets", "500,2000")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "90 % equal-tailed credible interval" in " ".join(out.split())
    for name in fake_fit.slices:
        assert str(name)[:20] in out


def test_gain_as_json_agrees_with_python(run, fake_fit_file, fake_fit):
    code, out, _ = run("gain", fake_fit_file, "--budgets", "500,2000", "--ci-prob", "0.5", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["verdict"] == "ok"
    assert document["ci_prob"] == 0.5
    table = lv.summarise(lv.predict_gain(fake_fit, budgets=[500, 2000]), ci_prob=0.5)
    assert [row["mean"] for row in document["gain"]] == pytest.approx(list(table["mean"]))


def test_labels_needed_for_a_target_by_slice_are_those_of_python(run, fake_fit_file, fake_fit):
    code, out, _ = run("gain", fake_fit_file, "--target", "0.15")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "P(gain>0)" not in out
    document = json.loads(
        run("gain", fake_fit_file, "--target", "0.15", "--budgets", "500", "--ci-prob", "0.5", "--json")[1]
    )
    table = lv.summarise(lv.labels_needed(fake_fit, 0.15), ci_prob=0.5)
    rows = document["labels_needed"]
    assert len(rows) == len(document["gain"]) == fake_fit.slices.size
    for row, known in zip(rows, table.to_dict("records"), strict=True):
        assert (row["slice"], row["p_never"]) == (known["slice"], known["p_never"])
        assert row["median"] == (None if math.isinf(known["median"]) else known["median"])
    shown = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.split()[:1]}
    for known in table.to_dict("records"):
        median = "never" if math.isinf(known["median"]) else f"{known['median']:,.0f}"
        assert (shown[known["slice"]][0], shown[known["slice"]][-1]) == (median, f"{known['p_never']:.2f}")


@pytest.mark.parametrize(("verdict", "rows"), [("flagged", True), ("refused", False)])
def test_gain_of_a_fit_that_may_not_be_published(run, tmp_path, fake_fit, verdict, rows):
    path = tmp_path / "fit.nc"
    judged(fake_fit, verdict, "R-hat 1.2 of elasticity[a]").save(path)
    code, out, _ = run("gain", path, "--budgets", "500")
    assert code == 2
    assert verdict.upper() in out
    assert "R-hat 1.2" in out
    assert ("P(gain>0)" in out) == rows
    code, out, _ = run("gain", path, "--budgets", "500", "--target", "0.2", "--json")
    assert code == 2
    assert [key in json.loads(out) for key in ("gain", "labels_needed")] == [rows, rows]


# --- fit, simulate, report, demo ------------------------------------------------------------------


def test_fit_passes_what_was_given_and_nothing_else(run, tmp_path, runs_file, fake_sampler):
    asked = fake_sampler()
    out = tmp_path / "fit.nc"
    code, text, _ = run("fit", runs_file, "--out", out, "--labels-now", "a=b=120", "--draws", "300")
    assert code == 0
    assert text.splitlines()[-1] == str(out)
    assert out.is_file()
    assert asked.pop("runs").sizes[names.RUN] > 0
    assert asked == {"model": "power_law", "labels_now": {"a=b": 120}, "draws": 300}
    assert run("fit", runs_file, "--out", out, "--checkpoint", tmp_path / "parts")[0] == 0
    assert asked["checkpoint"] == tmp_path / "parts"


@pytest.mark.parametrize("verdict", ["flagged", "refused"])
def test_fit_that_did_not_converge_ends_with_2(run, tmp_path, runs_file, fake_sampler, verdict):
    fake_sampler(verdict, "R-hat 1.2")
    code, out, _ = run("fit", runs_file, "--out", tmp_path / "fit.nc", "--no-backtest", "--json")
    assert code == 2
    found = json.loads(out)
    assert list(found.pop("missing")) == what_is_missing(lv.read_runs(runs_file))["column"].tolist()
    assert found == {"verdict": verdict, "reasons": ["R-hat 1.2"], "fit": str(tmp_path / "fit.nc")}


def test_o14_fit_says_what_to_measure_next(run, tmp_path, runs_file, fake_sampler):
    fake_sampler()
    _, text, _ = run("fit", runs_file, "--out", tmp_path / "fit.nc", "--no-backtest")
    first = what_is_missing(lv.read_runs(runs_file)).head(2)
    said = "; ".join(f"{row.column}, for {row.answer}" for row in first.itertuples())
    assert f"Measure next: {said} (" in " ".join(text.split())
    assert max(map(len, text.splitlines()[:-1])) <= 80, text
    assert text.count("Measure next") == 1


def test_report(run, tmp_path, fake_fit_file):
    page = tmp_path / "report.html"
    code, out, _ = run("report", fake_fit_file, "--out", page, "--budgets", "500,2000")
    assert code == 0
    assert out.splitlines()[-1] == str(page)
    assert page.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


def test_report_takes_tables_and_pictures_along(run, tmp_path, fake_fit_file):
    page, pictures = tmp_path / "report.html", tmp_path / "pictures"
    pictures.mkdir()
    options = ["--out", page, "--budgets", "500", "--tables", tmp_path / "report.xlsx", "--figures", pictures]
    assert run("report", fake_fit_file, *options)[0] == 0
    assert (tmp_path / "report.xlsx").read_bytes().startswith(b"PK")
    assert (pictures / "gains-1.svg").is_file()
    code, _, err = run("report", fake_fit_file, "--out", page, "--figures", tmp_path / "none")
    assert code == 5
    assert "none: no folder" in err


def test_report_of_a_flagged_fit_is_written_and_ends_with_2(run, tmp_path, fake_fit):
    fit, page = tmp_path / "fit.nc", tmp_path / "report.html"
    judged(fake_fit, "flagged", "ESS 300").save(fit)
    code, out, _ = run("report", fit, "--out", page, "--json")
    assert code == 2
    assert json.loads(out)["report"] == str(page)
    assert page.is_file()


def test_demo_ends_with_the_path_of_the_report(run, tmp_path, fake_sampler, monkeypatch):
    def refuse(*given, **settings):
        raise AssertionError("a network connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    asked = fake_sampler()
    code, out, _ = run("demo", "--out", tmp_path / "out")
    assert code == 0
    assert out.splitlines()[-1] == str(tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").is_file()
    assert (tmp_path / "out" / "fit.nc").is_file()
    assert asked["runs"].sizes[names.RUN] >= 6 * 7 * 5


def test_demo_of_a_refused_fit_shows_no_gain(run, tmp_path, fake_sampler):
    fake_sampler("refused", "fewer than two chains")
    code, out, _ = run("demo", "--out", tmp_path / "out")
    assert code == 2
    assert "REFUSED" in out
    assert "P(gain>0)" not in out


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_simulate_writes_a_runs_table(run, tmp_path, suffix):
    rows = 300
    table = pd.DataFrame(
        {
            "age": range(rows),
            "country": ["NA", "FR", "DE"] * (rows // 3),
            "job": ["nurse", None, "cook", "smith"] * (rows // 4),
            "bought": ["yes", "no"] * (rows // 2),
        }
    )
    data, out = tmp_path / f"data.{suffix}", tmp_path / "runs.csv"
    table.to_csv(data, index=False) if suffix == "csv" else table.to_parquet(data)
    settings = ["--target", "bought", "--slice", "country", "--learner", "logistic_regression"]
    settings += ["--sizes", "60,120", "--replicates", "2", "--random-seed", "1", "--out", out]
    code, text, _ = run("simulate", data, *settings)
    assert code == 0
    assert text.splitlines()[-1] == str(out)
    runs = lv.read_runs(out)
    assert set(runs[names.SLICE].values) == {"NA", "FR", "DE"}
    assert runs.sizes[names.RUN] == 2 * 2 * 3


def test_simulate_learns_from_the_texts_of_an_export_and_leaves_out_what_nobody_annotated(run, tmp_path):
    rows, tasks = 200, []
    for place in range(rows):
        kind = ("spam", "ham")[place % 2]
        data = {"text": f"{kind} word{place % 7} word{place % 11}", "team": "ab"[place // 2 % 2]}
        done = [{"result": [{"value": {"choices": [kind]}}]}] if place != 5 else []
        tasks.append({"data": data, "annotations": done})
    data, out, target = tmp_path / "export.json", tmp_path / "runs.csv", "annotations.0.result.0.value.choices"
    data.write_text(json.dumps(tasks))
    settings = ["--target", target, "--slice", "data.team", "--text", "data.text", "--sizes", "40,80"]
    code, text, err = run("simulate", data, *settings, "--replicates", "1", "--random-seed", "1", "--out", out)
    assert code == 0, err
    assert "note: 1 row without a label left out\n" in text
    runs = lv.read_runs(out)
    assert set(runs[names.SLICE].values) == {"a", "b"}
    assert runs.sizes[names.RUN] == 2 * 2
    data.write_text(json.dumps([task | {"annotations": []} for task in tasks]))
    code, _, err = run("simulate", data, *settings, "--out", out)
    assert code == 1
    assert target in err


def test_simulate_says_what_it_chose(run, tmp_path):
    rows = 240
    table = pd.DataFrame({"age": range(rows), "country": ["FR", "DE"] * (rows // 2)})
    data, out = tmp_path / "data.csv", tmp_path / "runs.csv"
    table.assign(bought=["yes", "no", "no"] * (rows // 3)).to_csv(data, index=False)
    settings = ["--target", "bought", "--slice", "country", "--learner", "logistic_regression", "--out", out]
    code, text, _ = run("simulate", data, *settings)
    assert code == 0
    why = "5 folds, because one split would leave slice 'DE' 30 rows to evaluate on"
    assert f"note: sizes 20 to 192 in 8 steps, all that folds leave to train on; {why}\n" in text
    assert (lv.read_runs(out)[names.LABELS_NOW] == 120).all()


def test_what_was_simulated_can_be_simulated_again_from_what_it_left(run, tmp_path):
    """No seed was given, no size, no number of replicates: all of them stand beside the table."""
    rows = 240
    table = pd.DataFrame({"age": range(rows), "country": ["FR", "DE"] * (rows // 2)})
    data, one, two = (tmp_path / name for name in ("data.csv", "one.csv", "two.csv"))
    table.assign(bought=["yes", "no", "no"] * (rows // 3)).to_csv(data, index=False)
    settings = ["--target", "bought", "--slice", "country", "--learner", "random_forest"]
    code, text, _ = run("simulate", data, *settings, "--sizes", "60,120", "--replicates", "1", "--out", one)
    assert code == 0
    protocol = tmp_path / "one.csv.protocol.toml"
    seed = lv.read_protocol(protocol).random_state
    assert f"note: simulated with random_state {seed}, jitter 0.7\n" in text
    assert f"by the protocol in {protocol}\n" in text
    code, text, _ = run("simulate", data, *settings, "--protocol", protocol, "--out", two, "--json")
    assert code == 0
    assert json.loads(text)["protocol"] == str(tmp_path / "two.csv.protocol.toml")
    assert (tmp_path / "two.csv.protocol.toml").read_bytes() == protocol.read_bytes()
    first, second = (lv.read_runs(path).drop_vars([names.SECONDS, names.MEASURED_AT]) for path in (one, two))
    assert first.drop_attrs().identical(second.drop_attrs())
    assert first.attrs[names.PROTOCOL] == second.attrs[names.PROTOCOL] == lv.read_protocol(protocol).to_toml()


# --- backtest -------------------------------------------------------------------------------------


@pytest.fixture
def fake_backtest(monkeypatch):
    """``labelvalue.backtest`` answers at once, and notes what it was asked."""
    asked = {}

    def use(**made):
        def backtest(runs, model="power_law", **settings):
            asked.update(settings, runs=runs, model=model)
            return lv.testing.fake_backtest(seed=1, **made)

        monkeypatch.setattr("labelvalue.backtest", backtest)
        monkeypatch.setattr("labelvalue.cli.fit._left_out", lambda *_, **__: {"sentence": "No slice was left out."})
        monkeypatch.setattr("labelvalue.forecast.backtesting.trust.backtesting.backtest", backtest)
        return asked

    return use


def test_backtest_says_its_verdict_and_fits_a_terminal(run, runs_file, fake_backtest):
    asked = fake_backtest()
    code, out, _ = run("backtest", runs_file, "--holdout", "1,2", "--random-seed", "3")
    assert code == 0
    assert " ".join(out.split()).startswith("Trust forecasts up to 2x the labels: 90 % intervals held 10 of 12")
    assert max(map(len, out.splitlines())) <= 80
    assert asked.pop("runs").sizes[names.RUN] == 112
    assert asked == {"model": "power_law", "by": "size", "holdout": [1, 2], "random_seed": 3}


def test_a_bad_backtest_is_an_answer(run, runs_file, fake_backtest):
    fake_backtest(shift=0.3)
    code, out, _ = run("backtest", runs_file)
    assert code == 0
    assert out.startswith("Do not trust forecasts at 2x the labels")


def test_backtest_as_json_and_as_a_table_of_forecasts(run, tmp_path, runs_file, fake_backtest):
    fake_backtest(by="batch")
    path = tmp_path / "scores.csv"
    code, out, _ = run("backtest", runs_file, "--by", "batch", "--out", path, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["by"] == "batch"
    assert document["out"] == str(path)
    result = lv.testing.fake_backtest(seed=1, by="batch")
    assert document["sentence"] == lv.diagnostics.backtest_verdict(result)
    assert [row["crps"] for row in document["scores"] if row["distance"] == 1] == pytest.approx(
        lv.diagnostics.summarise_backtest(result).query("distance == 1")["crps"].tolist()
    )
    rows = pd.read_csv(path)
    assert len(rows) == int(result[names.CRPS].count())
    own = rows[(rows["forecaster"] == "labelvalue") & (rows["slice"] == "west") & (rows["origin"] == 3)]
    at = {"forecaster": "labelvalue", "slice": "west", "origin": 3}
    assert own.sort_values("distance")["crps"].tolist() == pytest.approx(result[names.CRPS].sel(at).values.tolist())


def test_no_cell_of_that_table_is_a_formula(run, tmp_path, runs_file, monkeypatch):
    result = lv.testing.fake_backtest(seed=1)
    named = result.assign_coords({names.SLICE: ["=cmd()", "+1", "@a", "-b"]}).assign_attrs(result.attrs)
    monkeypatch.setattr(lv, "backtest", lambda *_, **__: named)
    assert run("backtest", runs_file, "--no-left-out", "--out", tmp_path / "scores.csv")[0] == 0
    rows = pd.read_csv(tmp_path / "scores.csv")
    assert set(rows[names.SLICE]) == {"'=cmd()", "'+1", "'@a", "'-b"}
    assert rows[names.BIAS].min() < 0, "numbers stay numbers"


def test_runs_that_allow_no_backtest_end_with_1_and_say_what_is_missing(run, tmp_path):
    path = tmp_path / "runs.csv"
    lv.write_runs(lv.testing.fake_runs(seed=1, sizes=(1000, 2000)), path)
    code, _, err = run("backtest", path)
    assert code == 1
    assert "value 'east': has 2 sizes; a backtest needs 4" in err
    code, out, _ = run("backtest", path, "--by", "batch", "--json")
    assert code == 1
    assert "two or more" in json.loads(out)[0]["why"]
    code, _, err = run("backtest", path, "--by", "week")
    assert code == 1
    assert "'size', 'batch'" in err


def test_a_backtest_of_refused_fits_only_ends_with_2(run, runs_file, monkeypatch):
    made = lv.testing.fake_backtest(seed=1)
    refused = made.assign({names.CRPS: made[names.CRPS].where(made["forecaster"] != "labelvalue")})
    monkeypatch.setattr("labelvalue.backtest", lambda *_, **__: refused)
    code, out, _ = run("backtest", runs_file)
    assert code == 2
    assert out.startswith("Nothing could be checked")


@pytest.mark.parametrize(("shift", "ends_with"), [(0.0, 0), (0.3, 2)])
def test_fit_is_backtested_and_carries_it_good_or_bad(
    run, tmp_path, runs_file, fake_sampler, fake_backtest, shift, ends_with
):
    fake_sampler()
    asked = fake_backtest(shift=shift)
    out = tmp_path / "fit.nc"
    code, text, _ = run("fit", runs_file, "--out", out, "--draws", "300", "--random-seed", "7")
    assert code == ends_with
    sentence = lv.diagnostics.backtest_verdict(lv.testing.fake_backtest(seed=1, shift=shift))
    said = " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    assert said.count(sentence.removesuffix(".")) == 1, "said once: as a reason, or by itself"
    assert {name: asked[name] for name in ("holdout", "draws", "tune", "random_seed")} == {
        "holdout": (1, 2), "draws": 300, "tune": 200, "random_seed": 7
    }  # fmt: skip
    fit = lv.load_fit(out)
    assert lv.diagnostics.backtest_verdict(fit.backtest) == sentence
    assert fit.diagnostics.verdict == ("flagged" if shift else "ok")
    page = tmp_path / "report.html"
    assert run("report", out, "--out", page)[0] == ends_with
    assert sentence in page.read_text()
    assert run("fit", runs_file, "--out", out)[0] == ends_with
    assert asked["draws"] == 500, "quick, however many the fit has"


@pytest.mark.parametrize(("command", "verdict", "ends_with"), [("fit", "ok", 0), ("demo", "flagged", 2)])
def test_the_backtest_is_switched_off(
    run, tmp_path, runs_file, fake_sampler, fake_backtest, command, verdict, ends_with
):
    fake_sampler(verdict)
    asked = fake_backtest(shift=0.3)
    where = ["--out", tmp_path / "fit.nc"] if command == "fit" else ["--out", tmp_path]
    assert run(command, *([runs_file] if command == "fit" else []), *where, "--no-backtest")[0] == ends_with
    assert asked == {}
    assert lv.load_fit(tmp_path / "fit.nc").backtest is None


def test_fit_without_a_possible_backtest_is_still_saved_and_ok(run, tmp_path, fake_sampler, monkeypatch):
    backtest = lv.backtest
    fake_sampler()
    monkeypatch.setattr("labelvalue.forecast.backtesting.trust.backtesting.backtest", backtest)
    path, out = tmp_path / "runs.csv", tmp_path / "fit.nc"
    lv.write_runs(lv.testing.fake_runs(seed=1, sizes=(1000, 2000)), path)
    code, text, _ = run("fit", path, "--out", out)
    assert code == 0
    assert "not backtested: " in text
    assert "needs 4" in text
    fit = lv.load_fit(out)
    assert fit.backtest is None
    assert fit.diagnostics.verdict == "ok"
    assert [note for note in fit.settings[names.NOTES] if "needs 4" in note]
    code, text, _ = run("fit", path, "--out", out, "--json")
    document = json.loads(text)
    assert document["backtest"] is None
    assert "needs 4" in document["why"]


def test_a_refused_fit_is_not_backtested(run, tmp_path, runs_file, fake_sampler, fake_backtest):
    fake_sampler("refused", "R-hat 2")
    asked = fake_backtest()
    assert run("fit", runs_file, "--out", tmp_path / "fit.nc")[0] == 2
    assert asked == {}


# --- what is wrong, and how it ends ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Usage"),
        (["gan"], "gain"),
        (["gain", "fit.nc"], "--budgets"),
        (["gain", "fit.nc", "--budgets", "many"], "whole numbers"),
        (["gain", "fit.nc", "--target", "0"], "must be > 0"),
        (["gain", "missing.nc", "--budgets", "5"], "missing.nc"),
        (["gain", "fit.nc", "--budgets", "5", "--ci-prob", "x"], "--ci-prob"),
        (["fit", "missing.csv", "--out", "fit.nc"], "missing.csv"),
        (["fit", "missing.csv", "--out", "fit.nc", "--labels-now", "nurses"], "SLICE=N"),
        (["simulate", "missing.csv", "--target", "y", "--slice", "s", "--out", "r.csv"], "missing.csv"),
    ],
)
def test_bad_usage_and_bad_input_end_with_1(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert code == 1
    assert said in err + out
    assert "Traceback" not in err
    if arguments:
        code, out, _ = run(*arguments, "--json")
        assert code == 1
        problems = json.loads(out)
        assert problems
        assert all(set(p) == {"file", "line", "column", "value", "why", "fix"} for p in problems)


def test_every_problem_of_a_file_is_listed(run, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("slice,labels,errors,trials\na,10.5,3,100\nb,20,200,100\n")
    code, _, err = run("fit", path, "--out", tmp_path / "fit.nc")
    assert code == 1
    assert "runs.csv:2" in err
    assert "runs.csv:3" in err
    code, out, _ = run("fit", path, "--out", tmp_path / "fit.nc", "--json")
    assert {p["line"] for p in json.loads(out)} == {2, 3}


def test_bad_ci_prob_ends_with_1(run, fake_fit_file):
    code, _, err = run("gain", fake_fit_file, "--budgets", "500", "--ci-prob", "1.5")
    assert code == 1
    assert err


def test_altered_fit_ends_with_5(run, tmp_path, fake_fit):
    path = tmp_path / "fit.nc"
    fake_fit.save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, _, err = run("gain", path, "--budgets", "500")
    assert code == 5
    assert "checksum differs" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "RUNS", "--out", "nowhere/fit.nc"],
        ["report", "FIT", "--out", "nowhere/report.html"],
        ["simulate", "RUNS", "--target", "errors", "--slice", "slice", "--out", "nowhere/runs.csv"],
        ["demo", "--out", "FIT"],
    ],
)
def test_no_place_for_the_result_ends_with_5_before_the_work(
    run, tmp_path, runs_file, fake_fit_file, monkeypatch, arguments
):
    monkeypatch.chdir(tmp_path)
    places = {"RUNS": runs_file, "FIT": fake_fit_file}
    code, _, err = run(*(places.get(a, a) for a in arguments))
    assert code == 5
    assert "Fix:" in err


def test_maintainers_can_ask_for_the_traceback(run, monkeypatch):
    monkeypatch.setenv("LABELVALUE_TRACEBACK", "1")
    with pytest.raises(lv.InputError):
        run("gain", "fit.nc", "--budgets", "many")


def test_exit_codes_of_the_process(tmp_path):
    assert command("gain", cwd=tmp_path).returncode == 1
    done = command("gain", "fit.nc", "--budgets", "many", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_by_the_signal():
    code = (
        "import signal, sys, time, labelvalue.cli as cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job starts with it ignored
        "@cli.app.command()\n"
        "def wait():\n"
        "    print('ready', flush=True); time.sleep(60)\n"
        "sys.exit(cli.main(['wait']))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=20)
    assert child.returncode == -signal.SIGINT  # which a shell shows as 130
    assert b"Traceback" not in err
