"""Items against votes: expected gain as contours, the line of what a sum buys, and the point chosen."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from labelvalue import names
from labelvalue.report import style
from labelvalue.report.lettering import literal
from labelvalue.report.panels import count, panels

LEVELS = 7


def plot_frontier(frontier: xr.Dataset) -> Figure:
    """Plot the expected gain over items and votes, a panel for each slice, with what the sum buys.

    Parameters
    ----------
    frontier : xarray.Dataset
        From :func:`labelvalue.quality_frontier`, of a fit with one learner and one suite, two numbers of votes or more.

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
    >>> from labelvalue.forecast import quality_frontier
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
    slices = [str(name) for name in frontier[names.SLICE].values]
    attrs = frontier.attrs
    item = f" and {attrs['item_price']:g} an item" if attrs["item_price"] else ""
    foot = (
        "Contours: expected gain (drop in error). "
        f"Line: what {attrs['money']:g} buy at {attrs['price']:g} a vote{item}. "
        "Percentages: probability that no other number of votes gains more."
    )
    handles = [
        Line2D([], [], color=style.ACCENTS[1], marker="o", mfc="white", lw=1.2, label="what the sum buys"),
        Line2D([], [], color=style.ACCENTS[1], marker="o", lw=0, label="highest expected gain"),
    ]
    with style.look():
        figure, axes = panels(
            slices, foot=foot, x_label="items labelled", y_label="votes an item", handles=handles, height=2.1
        )
        for ax, name in zip(axes, slices, strict=True):
            _panel(ax, frontier.sel({names.SLICE: name}))
    return figure


def _panel(ax: Axes, frontier: xr.Dataset) -> None:
    surface = frontier["surface"].transpose(names.VOTES, names.BUDGET)
    items, votes = surface[names.BUDGET].values.astype(float), surface[names.VOTES].values.astype(float)
    low, high = float(surface.min()), float(surface.max())
    levels = np.linspace(low, high if high > low else low + 1e-9, LEVELS + 2)
    ax.contourf(items, votes, surface.values, levels=levels, cmap="Blues", alpha=0.55, zorder=1)
    lines = ax.contour(items, votes, surface.values, levels=levels[1:-1], colors=style.LINE, linewidths=0.6, zorder=2)
    ax.clabel(lines, fontsize=style.SMALL - 1, fmt=_percent, inline_spacing=2)
    bought, tried = frontier[names.LABELS].values.astype(float), frontier[names.VOTES].values.astype(float)
    ax.plot(bought, tried, color=style.ACCENTS[1], lw=1.2, marker="o", ms=4, mfc="white", zorder=3, gid="sum")
    best = tried == float(frontier["votes_chosen"])
    ax.plot(bought[best], tried[best], ls="", marker="o", ms=6, color=style.ACCENTS[1], zorder=4, gid="chosen")
    for x, y, share in zip(bought, tried, frontier[names.P_BEST].values, strict=True):
        if share >= 0.005:
            ax.annotate(
                literal(f"{share:.0%}"), (x, y), xytext=(5, 4), textcoords="offset points", fontsize=style.SMALL,
                color=style.INK, zorder=5, bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.6},
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
