"""The first page: its picture, its three scenarios, and what would change the decision."""

import pytest

import labelvalue as lv
from labelvalue import names, testing
from labelvalue.report import report_numbers
from labelvalue.report.plots.first_page import ROWS, cut_rows, draw_purchase, purchase_rows
from labelvalue.report.words.doubts import three_scenarios, turning_points


def row(name, gain, high, labels=100):
    return {"slice": name, "labels": labels, "gain": gain, "lower": 0.0, "upper": high, "error_now": 0.2}


def test_one_wide_slice_flattens_no_other():
    rows = [row("a", 0.01, 0.02), row("b", 0.012, 0.022), row("c", 0.011, 1.0)]
    assert cut_rows(rows)
    assert not cut_rows(rows[:2])
    (ax, *_) = draw_purchase({"rows": rows, "budget": None, "title": "x", "digits": 3, "more": 0}).axes
    assert ax.get_xlim()[1] < 0.1
    assert len([line for line in ax.lines if line.get_gid() == "cut"]) == 1
    assert len([line for line in ax.lines if line.get_gid() == "gain"]) == 3


def test_long_names_end_before_the_line_at_zero():
    rows = [row("a rather long name of a region of a country far away", 0.01, 0.02)]
    figure = draw_purchase({"rows": rows, "budget": None, "title": "Labels", "digits": 3, "more": 0})
    (name,) = [text for text in figure.texts if text.get_text().startswith("a rather")]
    assert name.get_window_extent().x1 < figure.axes[0].transData.transform((0, 0))[0]


@pytest.fixture(scope="module")
def many():
    fit = testing.fake_fit(seed=2, slices=tuple(f"s{i:02d}" for i in range(14)), draws=30)
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, currency="USD")
    return report_numbers(lv.decide(fit, case, max_labels=2000, measure=False), [500])


def test_slices_beyond_the_picture_are_counted_with_their_labels(many):
    found, plan = purchase_rows(many), many["plan"]
    assert (len(found["rows"]), found["more"]) == (ROWS, 4)
    assert sum(one["labels"] for one in found["rows"]) + found["more_labels"] == plan["plan"]["total"]


def test_three_scenarios_are_the_plan_half_of_it_and_nothing_or_what_the_case_names(many):
    plan = many["plan"]
    own, half, none = three_scenarios(plan)
    assert own["net"]["mean"] == pytest.approx(plan["net_benefit"]["mean"])
    assert abs(half["labels"] - own["labels"] / 2) < 20
    assert (none["labels"], none["net"]) == (0, None)
    named = {**plan["plans"][0], names.PLAN: "all for the board", names.LABELS: 7}
    titles = [one["title"] for one in three_scenarios(plan | {"plans": [*plan["plans"], named]})]
    assert titles == ["The plan", "all for the board", "Buy nothing"]


def test_what_turns_the_advice_is_read_from_the_grid(many):
    plan = many["plan"]
    grid = plan["what_if"]
    rows = [one | {"verdict": "wait"} if one["price"] > 1.3 else one for one in grid["rows"]]
    said = turning_points(plan | {"what_if": grid | {"rows": rows}})
    assert "The advice becomes “wait” where a label costs 1.4 times as much." in said
    assert any("stays “buy” where a label costs" in one for one in turning_points(plan))
    assert not any("advice" in one for one in turning_points(plan | {"verdict": "wait"}))  # the grid is of buying now
    total, other = plan["plan"]["total"], plan["plan"]["labels"] | {"none": 1}
    rows = [
        {"key": "value.stakes", "end": "÷ 2", "plan": "nothing", "labels": {"west": 0}},
        {"key": "costs.minimum_order", "end": "were it 500", "plan": "another", "labels": other},
        {"key": "value.target", "end": "without it", "plan": "another", "labels": other},
    ]
    assert turning_points(plan | {"varied": rows})[-1] == (
        "Were the stakes half as large, nothing would be bought. Were the minimum order 500, the plan would be "
        f"{total + 1:,} labels. 1 more such number stands under “Assumptions and limitations”."
    )
