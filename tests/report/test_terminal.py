"""Gains as text: 80 columns, every mark explained, nothing that a slice's name could do to a terminal."""

import pandas as pd
import pytest

from labelvalue import names, testing
from labelvalue.diagnostics import backtest_verdict, summarise_backtest
from labelvalue.numerals import readable
from labelvalue.printing import visible
from labelvalue.report.numbers.plan import plan_numbers
from labelvalue.report.render.terminal import backtest_text, gain_text, plan_text
from labelvalue.report.words.checks import backtest_numbers
from labelvalue.report.words.doubts import information_text, uncertainty_text


@pytest.fixture
def table():
    rows = pd.DataFrame(
        {
            names.SLICE: ["a slice with a name that is far too long for a table", "[red]b"],
            names.LEARNER: ["small", "large"],
            names.BUDGET: [500, 1_000_000],
            "mean": [0.00123, 0.00456],
            "lower": [-0.001, 0.001],
            "upper": [0.002, 0.008],
            "p_positive": [0.9, 1.0],
            names.FLAGS: ["", f"{names.BORROWED}; {names.MOSTLY_ASSUMPTION}"],
        }
    )
    rows.attrs = {names.CI_KIND: "eti", names.CI_PROB: 0.8, names.NOTES: ["2 rows were repeated"]}
    return rows


def test_learners_flags_and_notes(table):
    text = gain_text(table)
    assert max(map(len, text.splitlines())) <= 80
    for said in ["large", "[red]b", "0.00456", "[1][2]", "[1] borrowed", "80 %", "Note: 2 rows were repeated"]:
        assert said in text


@pytest.mark.parametrize(("scale", "said"), [(1e-3, "0.00000456"), (1, "0.00456"), (1e4, "45.6"), (1e8, "456000")])
def test_three_digits_whatever_the_unit(table, scale, said):
    for column in ("mean", "lower", "upper"):
        table[column] *= scale
    text = gain_text(table)
    assert said in text
    assert max(map(len, text.splitlines())) <= 80


def test_one_learner_is_not_named(table):
    assert "small" not in gain_text(table.assign(**{names.LEARNER: "small"}))


def test_slices_cannot_draw_on_the_terminal(table):
    assert "\x1b" not in gain_text(table.assign(**{names.SLICE: "a\x1b[2Jb"}))
    assert visible("größer 中文") == "größer 中文"


def test_nothing_is_less_than_nothing(table):
    table.loc[0, "lower"] = -1e-9
    assert "-0.0" not in gain_text(table)


@pytest.mark.parametrize("settings", [{}, {"shift": 0.3}, {"by": "batch"}, {"learners": ("a", "b")}])
def test_a_backtest_fits_80_columns_and_shows_the_numbers_of_its_table(settings):
    result = testing.fake_backtest(seed=1, **settings)
    text = backtest_text(backtest_numbers(result))
    assert max(map(len, text.splitlines())) <= 80
    assert " ".join(text.split()).startswith(backtest_verdict(result))
    table = summarise_backtest(result)
    for _, row in table.iterrows():
        line = [c for c in text.splitlines() if f" {row['crps_ratio']:.2f} " in c and row["forecaster"] in c]
        assert any(f"{100 * row['covers_90']:.0f}" in c.split() for c in line), row
    assert ("batches ahead" in text) == ("by" in settings)


def test_slices_that_were_not_scored_are_named_without_moving_the_cursor():
    result = testing.fake_backtest(seed=1)
    without = result.where(result["slice"] != "west").assign_coords(slice=["a", "b", "c", "red\x1b[31m"])
    text = backtest_text(backtest_numbers(without.assign_attrs(result.attrs)))
    assert "Not scored, for want of sizes: red\\x1b[31m" in text


def test_a_gain_below_its_monte_carlo_error_is_nothing_give_or_take_that(table):
    table = table.assign(mcse=[0.002, 0.0001])
    text = gain_text(table)
    assert "0 (± 0.002)" in text
    assert "0.00123" not in text
    assert "0.00456" in text
    assert max(map(len, text.splitlines())) <= 80


def test_money_below_its_monte_carlo_error_is_nothing_give_or_take_that(decided):
    """On the terminal, in the sentence of the decision and in that of what could be learnt; never a power of ten."""
    numbers = plan_numbers(decided[1])
    error = numbers["net_benefit"]["mcse"]
    numbers["net_benefit"]["mean"] = numbers["plans"][0]["enb"] = numbers["plans"][0]["mcse"] = 2.66e-14
    numbers["plans"][1] |= {"enb": -0.5 * error, "mcse": error}
    zero = f"0 (± {readable(error, 2)})"
    text = plan_text(numbers)
    assert text.count(zero) == 2
    assert f"Net benefit  {zero} USD" in text
    assert "e-" not in text
    assert max(map(len, text.splitlines())) <= 80
    rows = [{"input": "gain of west", "evppi": 2.66e-14, "mcse": 0.3, "changes": 0.1, "moves": None}]
    information = {"unit": "USD", "information": {"rows": rows, "evpi": 0.2, "mcse": 0.4}}
    assert "worth 0 (± 0.4) USD (EVPI)" in information_text(information)
    assert "worth 0 (± 0.3) USD" in uncertainty_text(information)
