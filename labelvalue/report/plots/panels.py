"""Grids of small panels with one legend and one caption, and axes with few, round ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from labelvalue.report.plots import style


def panels(
    titles: Sequence[str],
    *,
    foot: str,
    x_label: str,
    y_label: str,
    handles: Sequence[Any],
    together: int = 1,
    height: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """Lay out one small panel a title, with a common legend above and a caption below.

    Sizes follow the text: a long title takes more lines, the row grows, and nothing is cut.
    """
    columns = _columns(len(titles), together)
    width = 7.0 if len(titles) == 1 else style.WIDTH
    height = height or (1.55 if columns > 2 else 2.1)
    left, right, gap = 0.72, 0.15, 0.55
    panel = (width - left - right - gap * (columns - 1)) / columns
    wrapped = [style.wrap(t, panel, style.TITLE, "bold") for t in titles]
    rows = [wrapped[i : i + columns] for i in range(0, len(wrapped), columns)]
    heads = [style.lines_high(max(map(len, row)), style.TITLE) + 0.1 for row in rows]
    legend_rows = math.ceil(len(handles) / (3 if width < 9 else 4))
    legend = 0.12 + style.lines_high(legend_rows, style.TEXT) * 1.3 if handles else 0.05
    caption = style.wrap(foot, width - 0.4, style.SMALL) if foot else []
    bottom = (
        0.36 + style.lines_high(1, style.TEXT) + (style.lines_high(len(caption), style.SMALL) + 0.12 if caption else 0)
    )
    between = 0.34
    total = legend + sum(heads) + len(rows) * height + (len(rows) - 1) * between + bottom
    figure = style.Picture(figsize=(width, total))
    axes = []
    top = total - legend
    for row, head in zip(rows, heads, strict=True):
        top -= head
        for i, lines in enumerate(row):
            x = left + i * (panel + gap)
            ax = figure.add_axes((x / width, (top - height) / total, panel / width, height / total))
            ax.text(
                0,
                1 + 0.07 / height,
                "\n".join(lines),
                transform=ax.transAxes,
                size=style.TITLE,
                weight="bold",
                va="bottom",
            )
            axes.append(ax)
        top -= height + between
    if handles:
        figure.legend(
            handles=list(handles),
            ncols=3 if width < 9 else 4,
            frameon=False,
            fontsize=style.TEXT,
            loc="upper left",
            bbox_to_anchor=(left / width, 1.0),
            borderaxespad=0.3,
        )
    middle = (total - legend - 0.5 * (total - legend - bottom)) / total
    figure.text(0.14 / width, middle, y_label, rotation=90, va="center", ha="left", size=style.TEXT)
    low = bottom - 0.3
    figure.text(0.5 + 0.3 * left / width, low / total, x_label, va="top", ha="center", size=style.TEXT)
    if caption:
        text = "\n".join(caption)
        figure.text(0.2 / width, 0.06 / total, text, va="bottom", size=style.SMALL, color=style.QUIET)
    return figure, axes


def _columns(panel_count: int, together: int) -> int:
    """Columns of a grid: at most four, without a nearly empty last row, learners of a slice side by side."""
    if together == 3:
        return min(panel_count, 3)
    if panel_count in (2, 4) and together == 1:
        return 2
    if panel_count in (5, 6, 9) and together == 1:
        return 3
    return min(max(panel_count, 1), 4)


def count(value: float, _position: object = None) -> str:
    """Write a number of labels short: ``800``, ``2k``, ``1.5M``."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.4g}{name}"
    return f"{value:.4g}"


def _plain(value: float, _position: object = None) -> str:
    return f"{value:.3g}" if 1e-4 <= abs(value) < 1e5 or value == 0 else f"{value:.0e}"


def money(value: float, _position: object = None) -> str:
    """Write an amount of money short, with a true minus sign."""
    return ("\N{MINUS SIGN}" if value < 0 else "") + count(abs(value))


def log_axis(ax: Axes, which: str, low: float, high: float, *, ticks: int, labels: bool) -> None:
    """Make an axis logarithmic, with a few round ticks inside its range."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    (ax.set_xlim if which == "x" else ax.set_ylim)(low, high)
    decades = np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    at = np.zeros(0)
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        every = np.array([s * 10.0**d for d in decades for s in steps])
        at = every[(every >= low) & (every <= high)]
        if at.size <= ticks:
            break
    if at.size > ticks:
        at = at[:: math.ceil(at.size / ticks)]
    if at.size < 2:
        at = np.array([float(f"{v:.2g}") for v in np.geomspace(low, high, 5)[1::2]])
    axis.set_major_locator(FixedLocator(list(at)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(count if labels else _plain))


def linear_axis(ax: Axes, which: str, *, ticks: int) -> None:
    """Give a linear axis a few ticks in plain numbers."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(MaxNLocator(nbins=ticks, steps=[1, 2, 2.5, 5, 10], min_n_ticks=2))
    axis.set_major_formatter(FuncFormatter(_plain))
