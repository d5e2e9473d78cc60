"""The speed and scale benchmarks: what is measured is what is printed, and a failed fit stops them."""

import json

import numpy as np
import pytest

from benchmarks import scale, speed, textbook
from labelvalue import read_runs


def figures(**changed):
    """Figures of a run in a fresh process."""
    found = {"ended": True, "seconds": 10.0, "processor_s": 12.0, "verdict": "ok", "rhat": 1.001, "ess_bulk": 500.0}
    return found | {"peak_gib": 0.5, "load": 1.5, "steps": 15.0, "attempts": 1} | changed


@pytest.fixture
def runs(tmp_path):
    path = tmp_path / "runs.csv"
    speed.write_runs(2, path)
    return path


@pytest.fixture
def processes(monkeypatch):
    """What fresh processes were asked to do; the first takes thrice as long."""
    asked = []

    def pretend(method, runs, draws, limit=None):
        asked.append((method, draws))
        return figures(seconds=30.0 if asked.count(asked[-1]) == 1 else 10.0)

    monkeypatch.setattr(speed, "in_a_fresh_process", pretend)
    return asked


def test_the_runs_are_every_slice_at_every_size(runs):
    read = read_runs(runs)
    assert read.sizes["run"] == 2 * len(speed.SIZES) * speed.REPLICATES
    assert np.unique(read["slice"].values).size == 2


def test_the_second_run_counts(processes, runs):
    found = speed.measure("pymc", runs)
    assert processes == [("pymc", None)] * 2
    assert (found["seconds"], found["first_seconds"], found["ess_per_second"]) == (10.0, 30.0, 50.0)


def test_the_ratio_is_to_our_seconds():
    rows = {m: figures(seconds=s, first_seconds=s, ess_per_second=1.0) for m, s in (("labelvalue", 4), ("pymc", 10))}
    ours, theirs = speed.table(rows).splitlines()[2:]
    assert ours.split("|")[3].strip() == "1.00"
    assert theirs.split("|")[3].strip() == "2.50"
    assert len(ours.split("|")) == len(speed.COLUMNS) + 2


def test_speed_prints_a_table_and_writes_json(processes, tmp_path, capsys):
    out = tmp_path / "out" / "speed.json"
    assert speed.main(["--slices", "2", "--methods", "labelvalue,pymc", "--out", str(out)]) == 0
    assert "textbook model, PyMC" in capsys.readouterr().out
    assert list(json.loads(out.read_text())["methods"]) == ["labelvalue", "pymc"]


def test_numpyro_is_skipped_where_it_is_not_installed(processes, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(speed.importlib.util, "find_spec", lambda name: None)
    assert speed.main(["--slices", "2", "--methods", "labelvalue,numpyro", "--out", str(tmp_path / "s.json")]) == 0
    assert "skipped" in capsys.readouterr().err
    assert "numpyro" not in {method for method, _ in processes}


def test_unknown_methods_end_the_program(capsys):
    with pytest.raises(SystemExit):
        speed.parse_arguments(["--methods", "pyMC"])
    assert "known are labelvalue" in capsys.readouterr().err


def test_a_failed_fit_stops_the_benchmark_with_its_last_words(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)labelvalue failed.*missing\.csv"):
        speed.in_a_fresh_process("labelvalue", tmp_path / "missing.csv", None)


def test_a_fit_that_does_not_end_is_stopped_and_said_to_take_more(runs, tmp_path, capsys):
    found = speed.measure("labelvalue", runs, limit=0.5)
    assert (found["ended"], found["seconds"]) == (False, 0.5)
    row = speed.table({"labelvalue": figures(first_seconds=30.0, ess_per_second=1.0), "pymc": found}).splitlines()[-1]
    assert [cell.strip() for cell in row.split("|")[2:4]] == ["> 0", "> 0.1"]
    assert len(row.split("|")) == len(speed.COLUMNS) + 2


def test_with_once_the_only_run_counts(processes, tmp_path):
    assert scale.main(["--slices", "2", "--once", "--out", str(tmp_path / "scale.json")]) == 0
    assert processes == [("labelvalue", None)]


def test_growth_is_the_power_between_sizes():
    assert scale.growth([10, 100, 1000], [1.0, 10.0, 1000.0]) == pytest.approx([1.0, 2.0])
    assert scale.overall_growth([10, 100, 1000], [1.0, 10.0, 1000.0]) == pytest.approx(1.5)


def test_scale_prints_growth_and_targets(processes, tmp_path, capsys):
    out = tmp_path / "scale.json"
    assert scale.main(["--slices", "2", "4", "--quick", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "time grows as slices^0.00 (target 1.1 at most)" in printed
    assert [fit["slices"] for fit in json.loads(out.read_text())["fits"]] == [2, 4]
    assert {draws for _, draws in processes} == {speed.QUICK_DRAWS}


def test_scale_draws_every_method_and_asks_none_that_was_stopped_for_more(monkeypatch, tmp_path, capsys):
    def pretend(method, runs, draws, limit):
        done = method == "labelvalue"
        return figures() if done else {"ended": False, "seconds": limit, "processor_s": limit, "load": 1.0}

    monkeypatch.setattr(speed, "in_a_fresh_process", pretend)
    out = tmp_path / "scale.json"
    assert scale.main(["--slices", "2", "4", "--once", "--methods", "labelvalue,same", "--out", str(out)]) == 0
    fits = json.loads(out.read_text())["fits"]
    assert [(f["method"], f["slices"]) for f in fits] == [("labelvalue", 2), ("same", 2), ("labelvalue", 4)]
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("| ")]
    assert {line.count("|") for line in rows} == {len(scale.COLUMNS) + 1}
    assert "> 900" in printed
    drawn = out.with_suffix(".png").read_bytes()
    out.with_suffix(".png").unlink()
    assert scale.main(["--plot", str(out)]) == 0
    assert out.with_suffix(".png").read_bytes() == drawn


@pytest.mark.parametrize("slices", [["4", "2"], ["0"], ["2", "2"]])
def test_numbers_of_slices_must_rise(slices, capsys):
    with pytest.raises(SystemExit):
        scale.parse_arguments(["--slices", *slices])
    assert "must rise" in capsys.readouterr().err


def test_the_textbook_model_sees_every_run(runs):
    data, slices = textbook.columns(str(runs))
    read = read_runs(runs)
    assert slices == 2
    assert data["errors"].tolist() == read["errors"].values.tolist()
    assert data["log_size"].max() == 0.0
    np.testing.assert_allclose(np.exp(data["log_size"]) * read["labels"].values.max(), read["labels"].values)
