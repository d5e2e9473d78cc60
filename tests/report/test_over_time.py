"""The pictures of a project over time: every bar, dot and step is a number of its rows."""

from __future__ import annotations

import numpy as np
import pytest

from labelvalue import InputError
from labelvalue.report.plots import style
from labelvalue.report.plots.first_page import (
    FORECASTS,
    SPENDING,
    draw_over_time,
    draw_projects,
    shown_panels,
    verdict_of,
)
from labelvalue.report.render import images
from tests.report.conftest import artists

FORECAST = {
    "promised": 0.02, "delivered": 0.01, "bias": 0.01, "width": 0.05, "surprise": 0.2, "surprise_limit": 0.01,
    "lower": -0.01, "inner_lower": 0.01, "inner_upper": 0.03, "upper": 0.05, "forecasts": 4,
}  # fmt: skip


def row(batch, labels, cost, so_far, forecast, verdict, advice):
    told = {"batch": batch, "labels": labels, "cost": cost, "labels_so_far": so_far[0], "cost_so_far": so_far[1]}
    return told | {"forecast": forecast, "verdict": verdict, "advice": advice, "unit": "$"}


ROWS = [
    row("a", 100, 10, (100, 10), None, "ok", "buy"),
    row("b", 50, 20, (150, 30), FORECAST, "flagged", None),
    row("c", 70, None, (220, 30), FORECAST | {"promised": 0.03, "surprise": 1e-9}, "ok", None),
    row("d", 10, 5, (230, 35), None, None, None),
]


def boxes(axes, gid):
    """Place, lower and upper edge of bars."""
    return [(p.get_x() + p.get_width() / 2, p.get_y(), p.get_y() + p.get_height()) for p in axes.patches
            if p.get_gid() == gid]  # fmt: skip


def dots(axes, gid):
    return [(x, y) for one in artists(axes, gid) for x, y in zip(one.get_xdata(), one.get_ydata(), strict=True)]


def test_bars_and_dots_are_the_numbers_of_the_batches():
    gains, bias, drift, labels, money, verdict = draw_over_time(ROWS).axes
    assert np.allclose(boxes(gains, "outer"), [(1, -0.01, 0.05), (2, -0.01, 0.05)])
    assert np.allclose(boxes(gains, "inner"), [(1, 0.01, 0.03), (2, 0.01, 0.03)])
    assert dots(gains, "delivered") == [(1, 0.01), (2, 0.01)]
    (lines,) = artists(gains, "promised")
    assert [line[0][1] for line in lines.get_segments()] == [0.02, 0.03]
    assert np.allclose(boxes(bias, "width"), [(1, -0.025, 0.025), (2, -0.025, 0.025)])
    assert dots(bias, "bias") == [(1, 0.01), (2, 0.01)]
    assert dots(drift, "surprise") == [(1, 0.2), (2, 1e-3)], "one off the axis lies at its edge"
    assert [one.get_marker() for one in artists(drift, "surprise")] == ["o", "v"]
    assert np.allclose(boxes(labels, "own"), [(0, 0, 100), (1, 100, 150), (2, 150, 220), (3, 220, 230)])
    assert np.allclose(boxes(money, "before"), [(0, 0, 0), (1, 0, 10), (2, 0, 30), (3, 0, 30)])
    words = [text.get_text() for text in verdict.get_yticklabels()]
    assert [" ".join(words[int(y)].split()) for _, y in sorted(dots(verdict, "verdict"))] == [*map(verdict_of, ROWS)]
    assert {axes.get_xlim() for axes in (gains, bias, drift, labels, money, verdict)} == {(-0.6, 3.6)}


def test_projects_are_two_bars_each_the_largest_shortfall_first(monkeypatch):
    gains = {
        "as promised": (0.01, 0.01),
        "less than nothing": (0.02, -0.004),
        "more": (0.01, 0.02),
        "new": (None, None),
    }
    rows = [{"project": name, "promised": told, "delivered": came} for name, (told, came) in gains.items()]
    drawn = []
    monkeypatch.setattr(images, "draw_projects", lambda part: drawn.append(draw_projects(part)) or drawn[-1])
    (image,) = images.project_images(rows)
    assert "of the projects less than nothing, as promised, more; the" in image["alt"]
    (ax,) = drawn[0].axes
    bars = {key: [one for one in ax.patches if one.get_gid() == key] for key in ("promised", "delivered")}
    assert [bar.get_width() for bar in bars["promised"]] == [0.02, 0.01, 0.01]
    assert [bar.get_width() for bar in bars["delivered"]] == [-0.004, 0.01, 0.02]
    tops = [bar.get_y() for pair in zip(*bars.values(), strict=True) for bar in pair]
    assert tops == sorted(tops), "a project's two bars beside each other"
    assert [*images.project_images(rows[3:])] == []


def test_panels_are_those_that_have_something_to_show():
    assert shown_panels(ROWS) == [*FORECASTS, *SPENDING]
    bare = [one | {"forecast": None, "cost": None} for one in ROWS]
    assert shown_panels(bare) == [SPENDING[0], SPENDING[2]]
    with pytest.raises(InputError, match="no batch yet"):
        draw_over_time([])


def test_long_names_and_many_batches_go_by_their_numbers_and_money_is_no_formula():
    axes = draw_over_time(ROWS).axes[-1]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b", "c", "d"]
    many = [ROWS[0] | {"batch": f"2026-{place:02d}, of three"} for place in range(40)]
    figure = draw_over_time(many, of=SPENDING)
    ticks = [text.get_text() for text in figure.axes[-1].get_xticklabels()]
    assert ticks == [str(number) for number in range(1, 41, 5)]
    assert any(style.literal("Spent so far ($)") == text.get_text() for text in figure.texts)
    assert figure.get_size_inches()[0] < 6, "so that a phone shows it as large as text"
