"""The pictures of a decision: every line, band and bar is a row of the page's tables."""

import itertools

import numpy as np
import pandas as pd
import pytest

from labelvalue.report.numbers.numbers import report_numbers
from labelvalue.report.plots.plan import BARS, draw_money, draw_tornado
from labelvalue.report.words.wording import spoken
from tests.report.conftest import artists, band, line


@pytest.fixture(scope="module")
def plan(fake_fit, decided):
    _, made = decided
    return report_numbers(made, [500])["plan"]


@pytest.fixture(scope="module")
def ladder(plan):
    table = pd.DataFrame(plan["ladder"])
    return {split: own for split, own in table.groupby("split")}


def test_net_benefit_against_labels_is_the_ladder(plan, ladder):
    worth, _ = draw_money(plan).axes
    for gid, split in (("planned", "as planned"), ("even", "evenly")):
        x, y = line(worth, gid)
        assert (list(x), list(y)) == (ladder[split]["labels"].tolist(), ladder[split]["mean"].tolist())
    for gid, (low, high) in {"outer": ("lower", "upper"), "inner": ("inner_lower", "inner_upper")}.items():
        drawn = band(worth, gid)
        assert len(ladder["as planned"]) > 4
        for row in ladder["as planned"].to_dict("records"):
            assert drawn[row["labels"]] == (row[low], row[high])
    assert line(worth, "plan") == (plan["plan"]["total"], plan["net_benefit"]["mean"])


def test_gain_against_money_is_the_ladder(plan, ladder):
    _, frontier = draw_money(plan).axes
    for gid, split in (("planned", "as planned"), ("even", "evenly")):
        x, y = line(frontier, gid)
        assert (list(x), list(y)) == (ladder[split]["cost"].tolist(), ladder[split]["gain"].tolist())
    drawn = band(frontier, "outer")
    for row in ladder["as planned"].to_dict("records"):
        assert drawn[row["cost"]] == (row["gain_lower"], row["gain_upper"])
    assert line(frontier, "plan") == (plan["cost"]["mean"], plan["mean_gain"]["mean"])


def test_bars_are_the_rows_of_what_the_worth_hangs_on(plan):
    rows, enb = plan["sensitivity"], plan["net_benefit"]["mean"]
    (axes,) = draw_tornado(rows, enb, "USD").axes
    shown = rows[:BARS]
    assert len(shown) > 5
    widths = [abs(row["high"] - row["low"]) for row in rows]
    assert widths == sorted(widths, reverse=True), "the widest are shown"
    heights = []
    for bar, low, high, row in zip(*(artists(axes, gid) for gid in ("bar", "low", "high")), shown, strict=True):
        assert list(bar.get_xdata()) == [row["low"], row["high"]]
        assert (list(low.get_xdata()), list(high.get_xdata())) == ([row["low"]], [row["high"]])
        assert low.get_markerfacecolor() == "white" != high.get_markerfacecolor()
        assert len({*bar.get_ydata(), *low.get_ydata(), *high.get_ydata()}) == 1
        heights.append(bar.get_ydata()[0])
    assert all(one < other for one, other in itertools.pairwise(heights))
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the widest is on top"
    assert list(axes.get_yticks()) == heights
    said = ["".join(label.get_text().split()) for label in axes.get_yticklabels()]
    assert said == ["".join(spoken(row["what"]).split()) for row in shown]
    assert set(line(axes, "plan")[0]) == {enb}
    assert min(*(row["low"] for row in shown), enb) > axes.get_xlim()[0]
    assert max(*(row["high"] for row in shown), enb) < axes.get_xlim()[1]


def test_of_more_rows_than_bars_the_first_are_drawn():
    rows = [
        {"what": f"input {i}", "kind": "input", "low": -1.0 + i / 99, "high": 1.0 - i / 99} for i in range(BARS + 3)
    ]
    (axes,) = draw_tornado(rows, 0.5, "USD").axes
    np.testing.assert_array_equal([bar.get_xdata() for bar in artists(axes, "bar")],
                                  [(row["low"], row["high"]) for row in rows[:BARS]])  # fmt: skip
