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
    """Draw net benefit against labels and gain against money.

    Parameters
    ----------
    plan : mapping
        From :func:`labelvalue.report.planning.decision_numbers`.
    sharp : bool
        Vectors or pixels.

    Returns
    -------
    dict
        From :func:`embed`.

    Examples
    --------
    See :func:`labelvalue.report.plan_figures.draw_money`.
    """
    alt = "Net benefit against labels bought, and gain in mean error against cost; the table below has the numbers."
    return embed(draw_money(plan), alt, sharp=sharp)


def tornado_image(plan: Mapping[str, Any], *, sharp: bool = True) -> dict[str, Any]:
    """Draw how far the expected net benefit moves with each input and setting.

    Parameters
    ----------
    plan : mapping
        From :func:`labelvalue.report.planning.decision_numbers`.
    sharp : bool
        Vectors or pixels.

    Returns
    -------
    dict
        From :func:`embed`.

    Examples
    --------
    See :func:`labelvalue.report.plan_figures.draw_tornado`.
    """
    alt = "Expected net benefit at the low and high end of each input and setting; the table below has the numbers."
    figure = draw_tornado(plan["sensitivity"], plan[names.NET_BENEFIT]["mean"], plan[names.UNIT])
    return embed(figure, alt, sharp=sharp)


def change_image(explained: Mapping[str, Any], *, sharp: bool = True) -> dict[str, Any]:
    """Draw why the advice changed.

    Parameters
    ----------
    explained : mapping
        From :func:`labelvalue.report.changes.change_numbers`.
    sharp : bool
        Vectors or pixels.

    Returns
    -------
    dict
        From :func:`embed`.

    Examples
    --------
    See :func:`labelvalue.report.changes.plot_changes`.
    """
    alt = f"What {', '.join(explained['steps'])} changed, step by step; the table below has the numbers."
    return embed(draw_changes(pd.DataFrame(explained["rows"]), explained[names.BUDGET]), alt, sharp=sharp)


def frontier_image(plan: Mapping[str, Any], *, sharp: bool = True) -> dict[str, Any]:
    """Draw votes against items for the plan's money.

    Parameters
    ----------
    plan : mapping
        From :func:`labelvalue.report.planning.decision_numbers`.
    sharp : bool
        Vectors or pixels.

    Returns
    -------
    dict
        From :func:`embed`.

    Examples
    --------
    See :func:`labelvalue.report.frontiers.plot_frontier`.
    """
    shown = ", ".join(entry[names.SLICE] for entry in plan["frontiers"])
    alt = f"Expected gain over items and votes of the slices {shown}; the table below has the numbers."
    return embed(draw_frontiers(plan["frontiers"], "", foot=False), alt, sharp=sharp)
