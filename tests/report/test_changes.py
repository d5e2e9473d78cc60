"""The waterfall of why the advice changed: its bars are the table's numbers."""

import io
import json

import numpy as np
import pandas as pd
import pytest

import labelvalue as lv
from labelvalue import write_report
from labelvalue.numerals import significant
from labelvalue.report.numbers.numbers import change_steps
from labelvalue.report.words.project import Context

STEPS = ("data", "price", "case")
NET = (676.0, 702.0, 590.0, 610.5)
LABELS = {"east <i>": (1200, 1250, 900, 900), "west": (300, 450, 500, 400)}
GAIN = {"east <i>": (0.014, 0.015, 0.015, 0.015), "west": (0.010, 0.008, 0.008, 0.008)}


@pytest.fixture(scope="module")
def table():
    """What a project's ``explain`` returns: three steps, net benefit, labels and gain of two slices."""
    rows = []
    for place, step in enumerate(STEPS):
        for quantity, by_slice, error in (
            ("gain", GAIN, 3e-4),
            ("labels", LABELS, 0.0),
            ("net_benefit", {"": NET}, 4.0),
        ):
            for name, values in by_slice.items():
                old, new = values[place : place + 2]
                rows.append((step, quantity, name, float(old), float(new), float(new - old), error))
    made = pd.DataFrame(rows, columns=["step", "quantity", "slice", "before", "after", "change", "mcse"])
    made.attrs = {"budget": 2000, "fits": ["A", "B"]}
    return made


def drawn(ax, gid):
    return [patch for patch in ax.patches if patch.get_gid() == gid]


def test_p6_steps_add_up_over_slices_and_to_the_whole(table):
    steps = change_steps(table)
    assert list(dict.fromkeys(steps["quantity"])) == ["net_benefit", "labels", "gain"]
    for quantity, ends in (("net_benefit", NET), ("labels", np.sum(list(LABELS.values()), axis=0)),
                           ("gain", np.mean(list(GAIN.values()), axis=0))):  # fmt: skip
        own = steps[steps["quantity"] == quantity]
        assert own["step"].tolist() == list(STEPS)
        np.testing.assert_allclose(own["before"], ends[:-1])
        np.testing.assert_allclose(own["after"], ends[1:])
        assert own["change"].sum() == pytest.approx(ends[-1] - ends[0])
    assert steps[steps["quantity"] == "gain"]["mcse"].iloc[0] == pytest.approx(3e-4 / 2**0.5)
    one = change_steps(table, "west")
    assert one[one["quantity"] == "labels"]["change"].tolist() == [150, 50, -100]
    assert one[one["quantity"] == "net_benefit"]["after"].tolist() == list(NET[1:])


@pytest.mark.parametrize("slice", [None, "east <i>"])
def test_p6_bars_are_the_tables_numbers(table, slice):
    figure = lv.report.plot_changes(table, slice)
    steps = change_steps(table, slice)
    assert len(figure.axes) == 3
    for ax, (_, own) in zip(figure.axes, steps.groupby("quantity", sort=False), strict=True):
        bars = drawn(ax, "change")
        spans = [sorted((bar.get_x(), bar.get_x() + bar.get_width())) for bar in bars]
        np.testing.assert_allclose(spans, [sorted(row) for row in own[["before", "after"]].values.tolist()])
        marks = {line.get_gid(): line.get_xdata()[0] for line in ax.lines if line.get_gid()}
        assert marks == {"before": own["before"].iloc[0], "after": own["after"].iloc[-1]}
        said = [text.get_text() for text in ax.texts]
        for change in own["change"]:
            assert any(text.lstrip("+") == significant(change) for text in said)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["before", *STEPS, "after"]
    content = io.BytesIO()
    figure.savefig(content, format="png")
    assert content.getbuffer().nbytes > 10_000


def test_p6_a_table_of_fits_alone_has_one_panel_and_an_empty_one_none(table):
    figure = lv.report.plot_changes(table[table["quantity"] == "gain"])
    assert len(figure.axes) == 1
    with pytest.raises(ValueError, match="nothing changed"):
        lv.report.plot_changes(table.iloc[:0])
    with pytest.raises(ValueError, match=r"no slice 'north'.*east <i>, west"):
        lv.report.plot_changes(table, "north")


def test_p6_the_page_shows_table_and_picture(fake_fit, decided, table, seen, tmp_path):
    _, plan = decided
    path = tmp_path / "page.html"
    context = Context(explained=table)
    write_report(plan, path=path, budgets=[500], context=context, numbers=path.with_suffix(".json"))
    page, numbers = path.read_text("utf-8"), json.loads(path.with_suffix(".json").read_text("utf-8"))
    section = page[page.index('id="changed"') : page.index('id="slices"')]
    assert section.count("<img ") == 1
    for row in numbers["explained"]["rows"]:
        assert significant(row["change"]) in section
    assert [row["change"] for row in numbers["explained"]["by_slice"]] == table["change"].tolist()
    assert "Expected gain, mean over slices, +2,000 labels" in seen(page).words
    assert 'id="changed"' not in write_report(fake_fit, path=tmp_path / "plain.html", budgets=[500]).read_text("utf-8")
