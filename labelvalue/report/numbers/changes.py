"""Why the advice changed, as a waterfall: from before to after, one bar a step, from the table that explains it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from labelvalue import names
from labelvalue.numerals import MINUS, significant
from labelvalue.report.numbers.plan import records
from labelvalue.report.plots import style
from labelvalue.report.plots.panels import count, linear_axis, panels
from labelvalue.report.plots.style import literal

STEP, QUANTITY, BEFORE, AFTER, CHANGE, MCSE = "step", "quantity", "before", "after", "change", "mcse"
TITLES = {
    names.NET_BENEFIT: "Expected net benefit",
    names.LABELS: "Labels of the plan",
    names.GAIN: "Expected gain",
}  # quantities in the order of the panels
ROW = 0.3  # inches of a bar with its room
UP, DOWN = style.ACCENTS[2], style.ACCENTS[1]


def change_steps(changes: pd.DataFrame, slice: str | None = None) -> pd.DataFrame:
    """Sum up what each step changed: labels over slices, gain as the mean over slices."""
    if changes.empty:
        raise ValueError("nothing changed, so there is nothing to draw")
    known = [name for name in dict.fromkeys(changes[names.SLICE]) if name]
    if slice is not None and slice not in known:
        raise ValueError(f"no slice {slice!r} in the table. Fix: one of {', '.join(map(str, known))}")
    wanted = (changes[QUANTITY] == names.NET_BENEFIT) | (changes[names.SLICE] == slice) | (slice is None)
    rows = []
    for quantity in TITLES:
        of = changes[wanted & (changes[QUANTITY] == quantity)]
        every = of[names.SLICE].nunique() if quantity == names.GAIN else 1
        for step in dict.fromkeys(changes[STEP]):
            own = of[of[STEP] == step]
            if not own.empty:
                sums = own[[BEFORE, AFTER, CHANGE]].sum() / every
                error = float(np.sqrt((own[MCSE] ** 2).sum())) / every
                rows.append({QUANTITY: quantity, STEP: step, **sums.to_dict(), MCSE: error})
    return pd.DataFrame(rows, columns=[QUANTITY, STEP, BEFORE, AFTER, CHANGE, MCSE])


def change_numbers(changes: pd.DataFrame | None) -> dict[str, Any] | None:
    """Collect why the advice changed, for the page and for JSON."""
    if changes is None or changes.empty:
        return None
    steps, budget = change_steps(changes), changes.attrs.get(names.BUDGET)
    shown = [quantity for quantity in TITLES if (steps[QUANTITY] == quantity).any()]
    return {
        "rows": records(steps),
        "by_slice": records(changes),
        "steps": list(dict.fromkeys(steps[STEP])),
        "quantities": [[quantity, _title(quantity, budget, None)] for quantity in shown],
        names.BUDGET: budget,
    }


def plot_changes(changes: pd.DataFrame, slice: str | None = None) -> Figure:
    """Plot why the advice changed: a waterfall each for net benefit, labels and gain.

    Parameters
    ----------
    changes : pandas.DataFrame
        From :meth:`labelvalue.Project.explain`.
    slice : str, optional
        Only this slice's labels and gain; by default labels in all, and the mean gain over slices.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot. Bars are the rows of :func:`labelvalue.report.numbers.changes.change_steps`.

    Raises
    ------
    ValueError
        If the table explains nothing, or has no such slice.

    Examples
    --------
    >>> row = {"step": "price", "quantity": "net_benefit", "slice": "", "before": 9.0, "after": 7.0, "change": -2.0}
    >>> len(plot_changes(pd.DataFrame([row | {"mcse": 0.1}])).axes)
    1
    """
    return draw_changes(change_steps(changes, slice), changes.attrs.get(names.BUDGET), slice)


def draw_changes(steps: pd.DataFrame, budget: int | None = None, slice: str | None = None) -> Figure:
    """Draw the waterfalls of :func:`change_steps`: labels, gain at a budget and net benefit, of a slice or of all."""
    shown = [quantity for quantity in TITLES if (steps[QUANTITY] == quantity).any()]
    order = list(dict.fromkeys(steps[STEP]))
    titles = [_title(quantity, budget, slice) for quantity in shown]
    handles = [
        Line2D([], [], ls="", marker="D", ms=6, mfc=style.INK, mec="white", label="before, after"),
        Patch(fc=UP, ec=UP, label="more"),
        Patch(fc="white", ec=DOWN, label="less"),
        Line2D([], [], color=style.INK, lw=1.0, label="± 2 Monte Carlo errors"),
    ]
    height = ROW * (len(order) + 2)
    with style.look():
        figure, axes = panels(titles, foot="", x_label="", y_label="", handles=handles, together=3, height=height)
        for place, (ax, quantity) in enumerate(zip(axes, shown, strict=True)):
            _waterfall(ax, steps[steps[QUANTITY] == quantity].set_index(STEP).reindex(order), quantity, place == 0)
    return figure


def _title(quantity: str, budget: int | None, slice: str | None) -> str:
    if quantity == names.NET_BENEFIT:
        return TITLES[quantity]
    of = (" in all" if quantity == names.LABELS else ", mean over slices") if slice is None else f" of {slice}"
    more = f", +{budget:,} labels" if quantity == names.GAIN and budget else ""
    return f"{TITLES[quantity]}{of}{more}"


def _waterfall(ax: Axes, rows: pd.DataFrame, quantity: str, named: bool) -> None:
    """One panel; a step that leaves a quantity alone has no bar but keeps its row."""
    known = rows.dropna(subset=[CHANGE])
    first, last = float(known[BEFORE].iloc[0]), float(known[AFTER].iloc[-1])
    bottom = len(rows) + 1
    for place, value, what in ((0, first, BEFORE), (bottom, last, AFTER)):
        ax.plot(value, place, ls="", marker="D", ms=7, mfc=style.INK, mec="white", zorder=5, gid=what)
    ends, at = [first, last], first
    for place, (_, row) in enumerate(rows.iterrows(), 1):
        ax.plot([at, at], [place - 0.69, place + 0.31], color=style.QUIET, lw=0.7, zorder=1)
        if not np.isfinite(row[CHANGE]):
            continue
        rise = row[CHANGE] >= 0
        ax.barh(place, row[CHANGE], left=row[BEFORE], height=0.62, fc=UP if rise else "white", ec=UP if rise else DOWN,
                lw=1.2, gid=CHANGE)  # fmt: skip
        if row[MCSE] > 0 and row[CHANGE]:
            ax.plot(row[AFTER] + 2 * row[MCSE] * np.array([-1, 1]), [place, place], color=style.INK, lw=1.0, zorder=4)
        at = row[AFTER]
        ends += [row[BEFORE], row[AFTER], row[AFTER] - 2 * row[MCSE], row[AFTER] + 2 * row[MCSE]]
    ax.plot([at, at], [bottom - 0.69, bottom - 0.31], color=style.QUIET, lw=0.7, zorder=1)
    span = (max(ends) - min(ends)) or 1.0
    texts = [(0, first, significant(first)), (bottom, last, significant(last))]
    for place, (_, row) in enumerate(rows.iterrows(), 1):
        if np.isfinite(row[CHANGE]):
            right = max(row[BEFORE], row[AFTER] + 2 * row[MCSE] * (row[CHANGE] != 0))
            sign = "+" if row[CHANGE] > 0 else ""
            texts.append((place, right, f"{sign}{significant(row[CHANGE])}"))
    for place, x, text in texts:
        ax.annotate(literal(text), (x, place), xytext=(7, 0), textcoords="offset points", va="center",
                    size=style.SMALL)  # fmt: skip
    ax.set_xlim(min(ends) - 0.05 * span, max(ends) + 0.3 * span)
    ax.set_ylim(bottom + 0.6, -0.6)
    if min(ends) <= 0:
        ax.axvline(0, color=style.INK, lw=0.9)
    ax.set_yticks(range(bottom + 1), [BEFORE, *map(str, rows.index), AFTER] if named else [])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=style.GRID, lw=0.5)
    linear_axis(ax, "x", ticks=4)
    if quantity != names.GAIN:
        ax.xaxis.set_major_formatter(FuncFormatter(_short))


def _short(value: float, _position: object = None) -> str:
    return (MINUS if value < 0 else "") + count(abs(value))
