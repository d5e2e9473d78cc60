"""The pictures of a decision, as data that a page carries in itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.report.changes import draw_changes
from labelvalue.report.frontiers import draw_frontiers
from labelvalue.report.images import embed
from labelvalue.report.plan_figures import draw_money, draw_tornado


def money_image(plan: Mapping[str, Any], *, sharp: bool = True) -> dict[str, Any]:
    """Draw net benefit against labels and gain against money, as data for a page."""
    alt = "Net benefit against labels bought, and gain in mean error against cost; the table below has the numbers."
    return embed(draw_money(plan), alt, sharp=sharp)


def tornado_image(plan: Mapping[str, Any], *, sharp: bool = True) -> dict[str, Any]:
    """Draw how far the expected net benefit moves with each input and setting, as data for a page."""
    alt = "Expected net benefit at the low and high end of each input and setting; the table below has the numbers."
    figure = draw_tornado(plan["sensitivity"], plan[names.NET_BENEFIT]["mean"], plan[names.UNIT])
    return embed(figure, alt, sharp=sharp)


def change_image(explained: Mapping[str, Any], *, sharp: bool = True) -> dict[str, Any]:
    """Draw why the advice changed (:func:`change_numbers`), as data for a page."""
    alt = f"What {', '.join(explained['steps'])} changed, step by step; the table below has the numbers."
    return embed(draw_changes(pd.DataFrame(explained["rows"]), explained[names.BUDGET]), alt, sharp=sharp)


def frontier_image(plan: Mapping[str, Any], *, sharp: bool = True) -> dict[str, Any]:
    """Draw votes against items for the plan's money, as data for a page."""
    shown = ", ".join(entry[names.SLICE] for entry in plan["frontiers"])
    alt = f"Expected gain over items and votes of the slices {shown}; the table below has the numbers."
    return embed(draw_frontiers(plan["frontiers"], "", foot=False), alt, sharp=sharp)
