"""Items against votes: expected gain as contours, the line of what a sum buys, and the point chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from labelvalue import names
from labelvalue.numerals import tails
from labelvalue.report.plots import style
from labelvalue.report.plots.panels import count, panels
from labelvalue.report.plots.style import literal

LEVELS = 7


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


def frontier_entries(frontier: xr.Dataset, ci_prob: float = 0.9) -> list[dict[str, Any]]:
    """Lay a frontier out as plain numbers, slice by slice."""
    sample = names.SAMPLE
    found = []
    for name in frontier[names.SLICE].values.astype(str).tolist():
        own = frontier.sel({names.SLICE: name})
        low, high = own[names.GAIN].quantile(tails(ci_prob), sample).values
        surface = own["surface"].transpose(names.VOTES, names.BUDGET)
        columns = {
            names.VOTES: own[names.VOTES].values.tolist(),
            names.LABELS: own[names.LABELS].values.tolist(),
            names.GAIN: own[names.GAIN].mean(sample).values.tolist(),
            "lower": low.tolist(),
            "upper": high.tolist(),
            names.P_BEST: own[names.P_BEST].values.tolist(),
            "chosen": (own[names.VOTES] == own["votes_chosen"]).values.tolist(),
        }
        found.append(
            {
                names.SLICE: name,
                "money": frontier.attrs["money"],
                "price": frontier.attrs["price"],
                "rows": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
                "surface": {
                    names.LABELS: surface[names.BUDGET].values.tolist(),
                    names.VOTES: surface[names.VOTES].values.tolist(),
                    names.GAIN: surface.values.tolist(),
                },
            }
        )
    return found


def draw_frontiers(entries: Sequence[Mapping[str, Any]], buys: str, *, foot: bool = True) -> Figure:
    """Draw frontiers (:func:`frontier_entries`), a panel each; a plan's ``planned`` votes and items are marked.

    ``buys`` says what the line joins, ``foot`` whether a caption stands below.
    """
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
    ax.clabel(lines, fontsize=style.SMALL - 1, fmt=_percent, inline_spacing=2)
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
                textcoords="offset points", fontsize=style.SMALL, color=style.INK, zorder=5,
                bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.6},
            )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlim(items.min(), items.max() * 1.6)
    ax.set_ylim(votes.min() - 0.6, votes.max() + 0.9)
    ticks = np.unique(np.geomspace(items.min(), items.max(), 4).round(-1))
    ax.xaxis.set_major_locator(FixedLocator(ticks[ticks > 0].tolist()))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(count))
    ax.yaxis.set_major_locator(FixedLocator(votes.tolist()))
    ax.grid(color=style.GRID, lw=0.4)


def _percent(value: float) -> str:
    return f"{value:.3g}"
