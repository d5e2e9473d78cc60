"""'labelvalue case': a case file of what annotations tell; what they tell is drawn here, not sampled."""

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import cli, label_quality, names, testing

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
