"""What a notebook shows of runs, fits, diagnostics, summaries, plans and verdicts: all rows, literally."""

import dataclasses
import re
from pathlib import Path

import pytest

import labelvalue as lv
from labelvalue import testing


def test_a_fit_shows_every_slice_with_the_numbers_of_its_summary(fake_fit):
    shown = fake_fit._repr_html_()
    assert "verdict <strong>ok</strong>" in shown
    assert shown.count("<tr") == 1 + fake_fit.slices.size
    table = lv.summarise(fake_fit.posterior["error_now"].rename("error"))
    for row in table.itertuples():
        cells = re.search(rf"<td>{row.slice}</td>.*?</tr>", shown, re.DOTALL)[0]
        assert f"<td>{row.mean:.4f}</td>" in cells
        assert f"<td>{row.lower:.4f} to {row.upper:.4f}</td>" in cells


def test_a_refused_fit_shows_why_and_no_error():
    refused = testing.fake_fit(seed=1, draws=50, verdict="refused")
    shown = refused._repr_html_()
    assert "<strong>refused</strong>" in shown
    assert refused.diagnostics.reasons[0] in shown
    assert "error_now" not in shown


def test_fits_of_several_learners_show_each_curve():
    shown = testing.fake_fit(seed=1, slices=("a", "b"), learners=("old", "new"), draws=50)._repr_html_()
    assert shown.count("<tr") == 1 + 4
    assert {"old", "new"} <= set(re.findall(r"<td>(\w+)</td>", shown))


@pytest.mark.parametrize("what", ["runs", "fit", "diagnostics", "summary"])
def test_hostile_text_is_shown_literally(hostile_fit, what):
    gain = lv.summarise(lv.predict_gain(hostile_fit, [500]))
    bad = dataclasses.replace(hostile_fit.diagnostics, reasons=("<script>alert(2)</script>",))
    shown = {
        "runs": hostile_fit.runs.assign_attrs(source="<script>alert(3)</script>"),
        "fit": dataclasses.replace(hostile_fit, diagnostics=bad),
        "diagnostics": bad,
        "summary": gain,
    }[what]._repr_html_()
    assert "&lt;script&gt;" in shown
    for tag in ("<script", "<iframe", "<img src=x", "<svg onload"):
        assert tag not in shown


def test_results_draw_themselves_with_the_function_of_the_front_door(fake_fit, decided):
    _, decision = decided
    for own, told in (
        (fake_fit.plot(), lv.plot_curves(fake_fit)),
        (decision.plot(), lv.report.plot_decision(decision)),
    ):
        assert own.get_size_inches().tolist() == told.get_size_inches().tolist()
        assert own._repr_png_() == told._repr_png_()


def test_a_decision_prints_itself_in_a_dozen_lines(decided):
    _, decision = decided
    text = str(decision)
    lines = text.splitlines()
    assert text == lv.report.decision_text(decision)
    assert len(lines) <= 14
    assert max(map(len, lines)) <= 80
    for name, labels in decision.labels.items():
        row = [line for line in lines if line.startswith(f"{name} ")]
        assert (f" {labels:,} " in row[0]) if labels else not row
    assert lines[-1].startswith("Rules: ")
    assert repr(decision) == f"<labelvalue.Decision 'buy': {decision.total:,} of 3,000 labels>"


def test_a_case_prints_what_it_says_in_a_dozen_lines():
    case = lv.Case(
        costs={"price_per_label": {"default": 0.08, "west": {"low": 0.1, "high": 0.25}}, "retraining": 20},
        value={"per_error_point": 1500, "volume": {f"slice {i}": 2 for i in range(7)}},
        guardrails={"maximum_budget": {"limit": 900, "probability": 0.8}},
        risk=lv.risk.CVaR(0.95), currency="USD", name="<b>incomes</b>",
    )  # fmt: skip
    assert str(case).splitlines() == [
        "Case: currency USD; name <b>incomes</b>",
        "costs: price per label default 0.08, west 0.1 to 0.25; retraining 20",
        "value: per error point 1,500; volume slice 0 2, slice 1 2, slice 2 2, slice 3 2",
        "  and 3 more",
        "guardrails: maximum budget 900 with probability 0.8",
        "risk: cvar (level 0.95)",
    ]
    shown = case._repr_html_()
    assert "<td>maximum budget 900 with probability 0.8</td>" in shown
    assert "&lt;b&gt;incomes" in shown
    assert "<b>" not in shown
    long = lv.read_case(Path(__file__).resolve().parents[2] / "data" / "adult_case.toml")
    lines = str(long).splitlines()
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 80
    assert "retraining 25 with probability 0.9, 75 with probability 0.1" in long._repr_html_()
