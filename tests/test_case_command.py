"""'labelvalue case': a case file of what annotations tell; what they tell is drawn here, not sampled."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import cli, label_quality, names, testing
from labelvalue.decisions.case.annotated import filled
from labelvalue.decisions.case.case import parse_case
from tests.operate.conftest import WITH_CASE, configure, put_in

SLICES = ("east", "north", "south", "west")


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A table of annotations, and what is found in it: tenths of wrong labels, 36 seconds a label, 200 a day."""
    rng, fit = np.random.default_rng(0), testing.fake_fit(seed=1, draws=50)
    coords = {names.SLICE: list(SLICES)}

    def about(mean):
        return ((*names.SAMPLE, names.SLICE), mean * np.exp(0.1 * rng.standard_normal((2, 100, 4))))

    classes = xr.Dataset(coords={names.TRUE_CLASS: ["no", "yes"]})
    share = xr.Dataset({names.LABEL_NOISE: about(0.1)}, coords)
    day = (names.SAMPLE, 200 * np.exp(0.1 * rng.standard_normal((2, 100))))
    time = xr.Dataset({names.SECONDS_PER_LABEL: about(36.0), names.LABELS_PER_DAY: day}, coords)
    found = {
        "label_noise.estimate_label_noise": label_quality.LabelNoise(share, None, fit.diagnostics, share, classes),
        "work.estimate_work": label_quality.Work(time, fit.diagnostics, 0.1, {}, ()),
    }
    for place, made in found.items():
        monkeypatch.setattr(f"labelvalue.model.annotators.{place}", lambda table, made=made, **_: made)
    path = tmp_path / "annotations.csv"
    label_quality.write_annotations(testing.fake_annotations(seed=1).iloc[:50], path)
    return path


def test_o13_annotations_become_a_case_that_a_plan_is_made_from(told, tmp_path, capsys):
    out = tmp_path / "case.toml"
    asked = ["case", str(told), "--pay-per-hour", "18", "--per-error-point", "400", "--out", str(out), "--json"]
    assert cli.main(asked) == 0
    keys = ["hours_per_label", names.LABEL_NOISE, names.LABEL_NOISE_ORIGIN, "labels_per_day", "price_per_label"]
    assert json.loads(capsys.readouterr().out)["told"] == keys
    made = lv.read_case(out)
    assert made.label_noise_origin == names.FROM_ANNOTATIONS
    assert made.costs.labels_per_day.low < 200 < made.costs.labels_per_day.high
    for name in SLICES:
        assert made.costs.price_per_label[name].low < 0.18 < made.costs.price_per_label[name].high
        assert made.label_noise[name].low < 0.1 < made.label_noise[name].high
    assert lv.decide(testing.fake_fit(seed=1, draws=50), made, 500, measure=False).case == made


def test_o13_other_settings_of_a_case_stay_and_what_is_not_trusted_is_left_out(told, tmp_path, monkeypatch, capsys):
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text('currency = "EUR"\n[costs]\nprice_per_label = 0.3\nretraining = 20\n[value]\nper_error_point = 7\n')
    place = "labelvalue.model.annotators.label_noise.estimate_label_noise"
    bad = testing.fake_fit(seed=1, draws=50, verdict="flagged").diagnostics
    noise = dataclasses.replace(label_quality.LabelNoise(None, None, bad, None, None))
    monkeypatch.setattr(place, lambda table, **_: noise)
    assert cli.main(["case", str(told), "--case", str(old), "--out", str(new)]) == 0
    made = lv.read_case(new)
    kept = (made.currency, made.costs.price_per_label, made.costs.retraining, made.value.per_error_point)
    assert kept == ("EUR", 0.3, 20, 7)
    assert made.label_noise is None
    assert "no share of wrong labels: the estimate is flagged" in " ".join(capsys.readouterr().out.split())


def test_o13_a_project_takes_annotations_as_a_batch_and_its_decision_uses_them(told, tmp_path, monkeypatch, capsys):
    """What the case does not state is told by annotations, from the record on; the page says so, and verify looks."""
    put_in(monkeypatch)
    project = lv.Project.create(tmp_path / "project")
    (project.folder / "case.toml").write_text("[costs]\nretraining = 20\n[value]\nper_error_point = 400\n")
    configure(project, f"{WITH_CASE}[annotations]\npay_per_hour = 18\n[report]\nbudgets = [500]\n")
    assert cli.main(["add", str(project.folder), str(told), "--batch", "march"]) == 0
    assert "annotations 'march', 50 judgements, tell hours_per_label" in " ".join(capsys.readouterr().out.split())
    runs = testing.fake_runs(seed=1, sizes=(500, 1000, 2000, 4000, 8000), replicates=2)
    result = project.add(runs, batch="a").refit(progress=False)
    (advice,) = (record.content for record in project.ledger.records("advice"))
    used = parse_case(advice["case"])
    keys = {"costs.hours_per_label", "costs.labels_per_day", "costs.price_per_label", "label_noise"}
    assert {*advice["settings"]["annotations"]["keys"]} == keys
    assert used.costs.labels_per_day.low < 200 < used.costs.labels_per_day.high
    for name in SLICES:
        assert used.costs.price_per_label[name].low < 0.18 < used.costs.price_per_label[name].high
        assert used.label_noise[name].low < 0.1 < used.label_noise[name].high
    assert used.label_noise_origin == names.FROM_ANNOTATIONS
    source = project.assumptions().set_index("id")["source"]
    assert source["case/costs.labels_per_day"] == "from annotations, batch 'march', record 3"
    assert source["case/value.per_error_point"] == "the case, case.toml"
    assert "from annotations, batch" in Path(result.page).read_text("utf-8")
    before = project.ledger.last()
    assert project.add(told, batch="march").ledger.last() == before, "the same content again changes nothing"
    with pytest.raises(lv.InputError, match="is in the ledger with other content"):
        project.add(testing.fake_annotations(seed=1).iloc[:60], batch="march")
    with pytest.raises(lv.InputError, match="annotations have no cost"):
        project.add(told, batch="april", cost=3.0)
    case = (project.folder / "case.toml").read_text()
    stated = f"label_noise = 0.3\n{case}".replace("[costs]", "[costs]\nprice_per_label = 0.5\nlabels_per_day = 9")
    (project.folder / "case.toml").write_text(stated)
    project.refit(progress=False)
    used = parse_case(project.ledger.records("advice")[-1].content["case"])
    assert (used.costs.price_per_label, used.costs.labels_per_day, used.label_noise) == (0.5, 9, 0.3)
    project.verify()
    file = project.folder / "runs" / project.ledger.records("annotations")[0].content["file"]
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(lv.StorageError, match=r"march.*was altered"):
        project.verify()


def test_o13_slices_without_annotations_are_as_wide_as_all_and_others_are_left_out():
    """By hand: the price of a slice that nobody annotated covers that of all that somebody did."""
    hours = {"a": {"low": 0.01, "high": 0.02}, "b": {"low": 0.005, "high": 0.01}, "gone": {"low": 1.0, "high": 2.0}}
    made, keys = filled({"value": {}}, {"costs": {"hours_per_label": hours}}, 10.0, {"a", "b", "new"})
    price = made["costs"]["price_per_label"]
    assert price == {
        "default": {"low": 0.05, "high": 20.0},
        "a": {"low": 0.1, "high": 0.2},
        "b": {"low": 0.05, "high": 0.1},
    }
    assert keys == ["costs.hours_per_label", "costs.price_per_label"]
    assert (
        filled(
            {"costs": {"hours_per_label": 1, "price_per_label": 2}}, {"costs": {"hours_per_label": hours}}, 10.0, ()
        )[1]
        == []
    )


@pytest.mark.parametrize(
    ("given", "lacks"),
    [([], "--price"), (["--price", "0.1"], "--per-error-point"), (["--per-error-point", "4"], "--price")],
)
def test_what_nobody_says_is_asked_for_before_anything_is_sampled(given, lacks, told, tmp_path, capsys):
    assert cli.main(["case", str(told), *given, "--out", str(tmp_path / "case.toml")]) == 1
    assert lacks in capsys.readouterr().err
    assert not (tmp_path / "case.toml").exists()


def test_seconds_that_are_not_told_are_named(told, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("labelvalue.model.annotators.work.estimate_work", label_quality.estimate_work)
    silent = tmp_path / "silent.csv"
    label_quality.write_annotations(testing.fake_annotations(seed=1).iloc[:50].assign(seconds=np.nan), silent)
    asked = ["--price", "0.1", "--per-error-point", "4", "--out", str(tmp_path / "case.toml")]
    assert cli.main(["case", str(silent), *asked]) == 0
    assert "no hours and prices: no judgement tells its seconds" in " ".join(capsys.readouterr().out.split())


def test_a_first_case_needs_a_price_and_a_worth_and_no_annotations(tmp_path, capsys):
    out = tmp_path / "case.toml"
    assert cli.main(["case", "--price", "0.3", "--per-error-point", "400", "--out", str(out)]) == 0
    assert capsys.readouterr().out.split() == [str(out)]
    assert lv.read_case(out) == lv.Case(costs={"price_per_label": 0.3}, value={"per_error_point": 400})
    assert cli.main(["case", "--pay-per-hour", "18", "--per-error-point", "400", "--out", str(out)]) == 1
    assert "pay tells one only with annotations" in capsys.readouterr().err
