"""Pictures of a decision: net benefit, gain against money, what the worth hangs on, items against votes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.sensitivity.offers import AS_PLANNED, EVENLY
from labelvalue.decisions.sensitivity.tornado import EVIDENCE, INPUT, SETTING
from labelvalue.numerals import significant
from labelvalue.report.numbers.alternatives import frontier_entries
from labelvalue.report.numbers.plan import inner_prob, ladder_rows, plan_numbers
from labelvalue.report.numbers.tables import INNER_LOWER, INNER_UPPER, LOWER, MEAN, UPPER
from labelvalue.report.plots import style
from labelvalue.report.plots.style import count, linear_axis, literal, money, panels, plain
from labelvalue.report.words.wording import spoken

LEVELS = 4


def plot_frontier(frontier: xr.Dataset) -> Figure:
    """Plot the expected gain over items and votes, a panel for each slice, with what the sum buys.

    Parameters
    ----------
    frontier : xarray.Dataset
        From :func:`labelvalue.label_quality.quality_frontier`, of a fit with one learner and one suite, two numbers of
        votes or more.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot. Contours are expected gains; the line joins the ways to spend the sum, the filled
        point is the one with the highest expected gain, with the probability that none is better.

    Raises
    ------
    ValueError
        If the frontier has further dims, or one number of votes.

    Examples
    --------
    >>> from labelvalue.label_quality import quality_frontier
    >>> from labelvalue.testing import fake_fit
    >>> len(plot_frontier(quality_frontier(fake_fit(seed=1), 500, price=0.1, noise=0.2)).axes)
    4
    """
    surface = frontier["surface"]
    if set(surface.dims) != {names.SLICE, names.VOTES, names.BUDGET} or surface.sizes[names.VOTES] < 2:
        raise ValueError(
            f"a frontier of slices, votes and budgets is needed, got dims {surface.dims}. "
            "Fix: choose one learner and suite with .sel(), and compare at least two numbers of votes."
        )
    attrs = frontier.attrs
    item = f" and {attrs['item_price']:g} an item" if attrs["item_price"] else ""
    return draw_frontiers(frontier_entries(frontier), f"what {attrs['money']:g} buy at {attrs['price']:g} a vote{item}")


def draw_frontiers(entries: Sequence[Mapping[str, Any]], buys: str, *, foot: bool = True) -> Figure:
    """Draw frontiers, a panel each, a plan's votes and items marked; ``buys`` says what the line joins."""
    text = (
        f"Contours: expected gain (drop in error). Line: {buys}. "
        "Percentages: probability that no other number of votes gains more."
    )
    handles = [
        Line2D([], [], color=style.ACCENTS[1], marker="o", mfc="white", lw=1.2, label="what the sum buys"),
        Line2D([], [], color=style.ACCENTS[1], marker="o", lw=0, label="highest expected gain"),
    ]
    if any("planned" in entry for entry in entries):
        handles.append(Line2D([], [], ls="", marker="D", ms=6, mfc=style.INK, mec="white", label="the plan"))
    with style.look():
        figure, axes = panels(
            [entry[names.SLICE] for entry in entries],
            foot=text if foot else "",
            x_label="items labelled",
            y_label="votes an item",
            handles=handles,
            height=2.1,
        )
        for ax, entry in zip(axes, entries, strict=True):
            _panel(ax, entry)
    return figure


def _panel(ax: Axes, entry: Mapping[str, Any]) -> None:
    surface = np.array(entry["surface"][names.GAIN])
    items, votes = (np.array(entry["surface"][key], dtype=float) for key in (names.LABELS, names.VOTES))
    low, high = float(surface.min()), float(surface.max())
    levels = np.linspace(low, high if high > low else low + 1e-9, LEVELS + 2)
    ax.contourf(items, votes, surface, levels=levels, cmap="Blues", alpha=0.55, zorder=1)
    lines = ax.contour(items, votes, surface, levels=levels[1:-1], colors=style.LINE, linewidths=0.6, zorder=2)
    ax.clabel(lines, fontsize=style.TEXT, fmt=plain, inline_spacing=2)
    rows = entry["rows"]
    bought, tried = (np.array([row[key] for row in rows], dtype=float) for key in (names.LABELS, names.VOTES))
    ax.plot(bought, tried, color=style.ACCENTS[1], lw=1.2, marker="o", ms=4, mfc="white", zorder=3, gid="sum")
    best = np.array([row["chosen"] for row in rows])
    ax.plot(bought[best], tried[best], ls="", marker="o", ms=6, color=style.ACCENTS[1], zorder=4, gid="chosen")
    if "planned" in entry:
        votes_planned, items_planned = entry["planned"]
        mark: dict[str, Any] = {"ls": "", "marker": "D", "ms": 6, "mfc": style.INK, "mec": "white", "gid": "planned"}
        ax.plot(items_planned, votes_planned, zorder=4.5, **mark)
    for row in rows:
        if row[names.P_BEST] >= 0.005:
            ax.annotate(
                literal(f"{100 * row[names.P_BEST]:.0f} %"), (row[names.LABELS], row[names.VOTES]), xytext=(6, 5),
                textcoords="offset points", fontsize=style.TEXT, color=style.INK, zorder=5,
                bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.6},
            )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlim(items.min(), items.max() * 2.2)
    ax.set_ylim(votes.min() - 0.6, votes.max() + 0.9)
    ticks = np.unique(np.geomspace(items.min(), items.max(), 4).round(-1))
    ax.xaxis.set_major_locator(FixedLocator(ticks[ticks > 0].tolist()))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(count))
    ax.yaxis.set_major_locator(FixedLocator(votes.tolist()))
    ax.grid(color=style.GRID, lw=0.4)


BARS = 14  # bars of a tornado; the table beside it has all


def plot_decision(decision: Decision, *, ci_prob: float = 0.9) -> Figure:
    """Plot what a decision is worth with more and fewer labels, and the gain that its money buys.

    Parameters
    ----------
    decision : Decision
        From :func:`labelvalue.decide`.
    ci_prob : float
        Probability of the wide band, between 0 and 1.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot; net benefit against labels, and gain in the mean error against cost, each for labels split
        as planned and evenly.

    Examples
    --------
    >>> import labelvalue as lv
    >>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> decision = lv.decide(lv.testing.fake_fit(seed=1), case, max_labels=2000, measure=False)
    >>> len(lv.report.plot_decision(decision).axes)
    2
    """
    return draw_money(plan_numbers(decision, ci_prob=ci_prob) | {"ladder": ladder_rows(decision, ci_prob=ci_prob)})


def draw_money(plan: Mapping[str, Any]) -> Figure:
    """Draw net benefit against labels, and gain against money, for the plan's split and an even one."""
    table, unit = pd.DataFrame(plan["ladder"]), plan[names.UNIT]
    planned, even = (table[table["split"] == split] for split in (AS_PLANNED, EVENLY))
    handles = [
        Line2D([], [], color=style.LINE, lw=1.4, marker="o", ms=3, label="split as planned, mean"),
        Line2D([], [], color=style.ACCENTS[1], lw=1.2, ls=(0, (4, 2)), marker="s", ms=3, label="split evenly, mean"),
        *style.interval_entries((inner_prob(plan[names.CI_PROB]), plan[names.CI_PROB])),
        Line2D([], [], ls="", marker="D", ms=6, mfc=style.INK, mec="white", label="the plan"),
    ]
    with style.look():
        figure, (worth, frontier) = panels(
            [f"Net benefit ({unit}) against labels bought", "Gain in mean error against cost"],
            foot="", x_label="", y_label="", handles=handles, height=2.6,
        )  # fmt: skip
        labels = planned[names.LABELS]
        worth.fill_between(labels, planned[LOWER], planned[UPPER], color=style.OUTER, lw=0, gid="outer")
        worth.fill_between(labels, planned[INNER_LOWER], planned[INNER_UPPER], color=style.INNER, lw=0, gid="inner")
        _line(worth, labels, planned[MEAN])
        _line(worth, even[names.LABELS], even[MEAN], even=True)
        worth.axhline(0, color=style.INK, lw=0.9)
        worth.plot(plan["plan"]["total"], plan[names.NET_BENEFIT][MEAN], **_PLAN)
        frontier.fill_between(
            planned[names.COST], planned["gain_lower"], planned["gain_upper"], color=style.OUTER, lw=0, gid="outer"
        )
        _line(frontier, planned[names.COST], planned[names.GAIN])
        _line(frontier, even[names.COST], even[names.GAIN], even=True)
        frontier.plot(plan[names.COST][MEAN], plan["mean_gain"][MEAN], **_PLAN)
        for ax in (worth, frontier):
            linear_axis(ax, "x", ticks=6)
            linear_axis(ax, "y", ticks=6)
            ax.set_xlim(left=0)
            ax.grid(color=style.GRID, lw=0.5)
            ax.xaxis.set_major_formatter(FuncFormatter(count))
        worth.set_xlabel("labels bought", size=style.TEXT)
        frontier.set_xlabel(f"expected cost, {style.literal(unit)}", size=style.TEXT)
        worth.yaxis.set_major_formatter(FuncFormatter(money))
    return figure


_KINDS = {INPUT: (style.LINE, 4.2), SETTING: (style.ACCENTS[1], 2.2), EVIDENCE: (style.ACCENTS[2], 1.0)}
_TITLES = {INPUT: "uncertain input", SETTING: "setting of the case", EVIDENCE: "evidence weighed otherwise"}
_PLAN: dict[str, Any] = {
    "ls": "", "marker": "D", "ms": 7, "mfc": style.INK, "mec": "white", "zorder": 6, "gid": "plan",
}  # fmt: skip


def _line(ax: Axes, x: Any, y: Any, *, even: bool = False) -> None:
    if even:
        ax.plot(x, y, color=style.ACCENTS[1], lw=1.2, ls=(0, (4, 2)), marker="s", ms=3, zorder=4, gid="even")
    else:
        ax.plot(x, y, color=style.LINE, lw=1.4, marker="o", ms=3, zorder=5, gid="planned")


def draw_tornado(rows: Sequence[Mapping[str, Any]], enb: float, unit: str) -> Figure:
    """Draw how far the expected net benefit moves with each input and setting."""
    shown = list(rows[:BARS])
    with style.look():
        figure, ax, at = style.row_axis([spoken(row["what"]) for row in shown], right=0.9, legend=0.36, bottom=0.55)
        for y, row in zip(at, shown, strict=True):
            colour, weight = _KINDS[row["kind"]]
            ax.plot([row["low"], row["high"]], [y, y], color=colour, lw=weight, solid_capstyle="butt", gid="bar")
            ax.plot(row["low"], y, marker="o", ms=6.5, mfc="white", mec=colour, mew=1.4, gid="low")
            ax.plot(row["high"], y, marker="o", ms=6.5, mfc=colour, mec=colour, mew=1.4, gid="high")
        ax.axvline(enb, color=style.INK, lw=0.9, ls=(0, (4, 2)), gid="plan")
        ends = [row[key] for row in shown for key in ("low", "high")] + [enb]
        if min(ends) <= 0:
            ax.axvline(0, color=style.INK, lw=0.9)
        margin = 0.04 * ((max(ends) - min(ends)) or 1.0)
        ax.set_xlim(min(ends) - margin, max(ends) + margin)
        linear_axis(ax, "x", ticks=7)
        ax.xaxis.set_major_formatter(FuncFormatter(money))
        ax.set_xlabel(f"expected net benefit, {style.literal(unit)} (dashed: the plan, {significant(enb)})")
        handles = [
            *(
                Line2D([], [], color=colour, lw=weight, label=_TITLES[kind])
                for kind, (colour, weight) in _KINDS.items()
                if any(row["kind"] == kind for row in shown)
            ),
            Line2D([], [], ls="", marker="o", ms=6, mfc="white", mec=style.INK, label="worst tenth, or ÷"),
            Line2D([], [], ls="", marker="o", ms=6, color=style.INK, label="best tenth, or ×"),
        ]
        figure.legend(handles=handles, ncols=5, frameon=False, fontsize=style.TEXT, loc="upper left",
                      bbox_to_anchor=(0.02, 1.0), borderaxespad=0.3)  # fmt: skip
    return figure
