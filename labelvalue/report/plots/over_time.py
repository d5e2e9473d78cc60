"""A project over time: small pictures of its batches below each other, on one axis; legible on a phone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from labelvalue import names
from labelvalue.decisions.advice.decision import BUY, MEASURE, NO_PLAN, QUALITY, WAIT
from labelvalue.problems import input_error
from labelvalue.report.numbers.tables import INNER_LOWER, INNER_UPPER, LOWER, UPPER
from labelvalue.report.plots import style
from labelvalue.report.plots.first_page import LINE, TEXT, TITLE, WIDE
from labelvalue.report.plots.panels import count, linear_axis, log_axis

HIGH = 1.25  # inches of a panel
LEFT, TICKS = 1.05, 8
BAR = 0.62  # width of a bar, where batches are 1 apart
LEAST = 1e-3  # chance of a surprise at which the axis ends; a triangle marks a smaller one
COME = style.ACCENTS[1]  # what came, beside what was forecast
DOUBTFUL = ("flagged", "refused", "not fitted")  # verdicts on a fit, after which nothing is published
VERDICTS = (BUY, QUALITY, MEASURE, WAIT, NO_PLAN, "no case", *DOUBTFUL)
"""Rows of the time line, from the top; those that a project knows are shown."""


def verdict_of(row: Mapping[str, Any]) -> str:
    """Say in a word what was advised after a batch, or why nothing was."""
    if row["verdict"] is None:
        return "not fitted"
    return row["advice"] or "no case" if row["verdict"] == "ok" else str(row["verdict"])


def draw_over_time(rows: Sequence[Mapping[str, Any]], *, of: Sequence[str] = ()) -> Figure:
    """Draw the batches of a project: what was promised and came, how forecasts did, what was spent and advised.

    Rows are those of :meth:`labelvalue.Project.assets`, ``of`` names panels of :data:`PANELS`; all that have something
    to show by default.
    """
    if not rows:
        raise input_error("no batch yet", "add one with 'labelvalue add DIR RUNS'")
    shown = [(title, draw) for title, draw in shown_panels(rows) if not of or title in of]
    unit = style.literal(next((row[names.UNIT] for row in rows if row[names.UNIT]), "money"))
    heads = [0.26 + LINE * (1 + bool(_ABOUT[title])) for title, _ in shown]
    highs = [0.36 * len(_known_verdicts(rows)) + 0.2 if draw is _verdicts else HIGH for _, draw in shown]
    foot = 0.66
    total = sum(heads) + sum(highs) + foot
    with style.look():
        figure = style.Picture(figsize=(WIDE, total))
        top = total
        for (title, draw), head, high in zip(shown, heads, highs, strict=True):
            text = title.format(unit=unit)
            figure.text(0.06 / WIDE, (top - 0.2) / total, text, size=TITLE, weight="bold", va="top")
            about, y = _ABOUT[title], (top - 0.22 - LINE) / total
            figure.text(0.06 / WIDE, y, about, size=TEXT - 1.5, va="top", color=style.QUIET)
            top -= head + high
            ax = figure.add_axes((LEFT / WIDE, top / total, (WIDE - LEFT - 0.12) / WIDE, (high - 0.08) / total))
            draw(ax, rows)
            ax.set_xlim(-0.6, len(rows) - 0.4)
            ax.set_xticks([])
            ax.tick_params(labelsize=TEXT, length=3)
        _name_batches(ax, [row[names.BATCH] for row in rows])
    return figure


def shown_panels(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Callable[..., None]]]:
    """Return the panels that have something to show, by title."""
    keys = {GAINS: LOWER, BIAS: names.BIAS, DRIFT: "surprise", LABELS: names.LABELS, MONEY: names.COST}
    told: list[dict[str, Any]] = [{**row, **(row["forecast"] or {})} for row in rows]
    there = {title for title, key in keys.items() if any(row.get(key) is not None for row in told)} | {VERDICT}
    return [(title, draw) for title, draw in PANELS.items() if title in there]


def _name_batches(ax: Axes, batches: Sequence[str]) -> None:
    """Names of the batches where there is room for them, else their numbers in the table."""
    room = 0.92 * (WIDE - LEFT - 0.12) / len(batches)
    named = all(style.text_width(style.literal(name), TEXT) < room for name in batches)
    step = 1 if named else -(-len(batches) // TICKS)
    at = range(0, len(batches), step)
    ax.set_xticks(at, [style.literal(batches[i]) if named else f"{i + 1}" for i in at], size=TEXT)
    ax.set_xlabel("batch" if named else "batch, by its number", size=TEXT)


def _forecasts(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of the batches that were forecast, by their place on the axis."""
    return pd.DataFrame({place: row["forecast"] for place, row in enumerate(rows) if row["forecast"]}).T.astype(float)


def _value_axis(ax: Axes) -> None:
    linear_axis(ax, "y", ticks=4)
    ax.grid(axis="y", color=style.GRID, lw=0.6)


def _gains(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    told = _forecasts(rows).dropna(subset=[LOWER])
    at = told.index
    ax.bar(at, told[UPPER] - told[LOWER], BAR, told[LOWER], color=style.OUTER, gid="outer")
    ax.bar(at, told[INNER_UPPER] - told[INNER_LOWER], BAR, told[INNER_LOWER], color=style.INNER, gid="inner")
    ax.hlines(told["promised"], at - BAR / 2, at + BAR / 2, color=style.LINE, lw=2, gid="promised")
    ax.plot(at, told["delivered"], ls="", marker="o", ms=8, mfc=COME, mec="white", zorder=4, gid="delivered")
    ax.axhline(0, color=style.INK, lw=1)
    _value_axis(ax)


def _bias(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    told = _forecasts(rows)
    ax.bar(told.index, told[names.WIDTH], BAR, -told[names.WIDTH] / 2, color=style.OUTER, gid="width")
    ax.plot(told.index, told[names.BIAS], ls="", marker="o", ms=8, mfc=COME, mec="white", zorder=4, gid="bias")
    ax.axhline(0, color=style.INK, lw=1)
    _value_axis(ax)


def _drift(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    told = _forecasts(rows)
    log_axis(ax, "y", LEAST / 1.6, 1.6, ticks=4, labels=False)
    for marker, own in (("o", told[told["surprise"] >= LEAST]), ("v", told[told["surprise"] < LEAST])):
        at = own["surprise"].clip(lower=LEAST)
        ax.plot(own.index, at, ls="", marker=marker, ms=8, mfc=COME, mec="white", zorder=4, gid="surprise")
    if "surprise_limit" in told:
        limit = told["surprise_limit"].dropna()
        ax.step(limit.index, limit, where="mid", color=style.INK, lw=1.2, ls=(0, (4, 2)), gid="limit")
        if len(limit) == 1:
            ax.axhline(limit.iloc[0], color=style.INK, lw=1.2, ls=(0, (4, 2)))
    ax.grid(axis="y", color=style.GRID, lw=0.6)


def _so_far(what: str) -> Callable[[Axes, Sequence[Mapping[str, Any]]], None]:
    """Return how to draw what came in by each batch, its own part darker."""

    def draw(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
        own = np.array([row[what] or 0.0 for row in rows])
        so_far = np.array([row[f"{what}_so_far"] or 0.0 for row in rows])
        ax.bar(range(len(rows)), so_far - own, BAR, color=style.INNER, gid="before")
        ax.bar(range(len(rows)), own, BAR, so_far - own, color=style.LINE, gid="own")
        _value_axis(ax)
        ax.yaxis.set_major_formatter(FuncFormatter(count))

    return draw


def _known_verdicts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    found = {verdict_of(row) for row in rows}
    return [verdict for verdict in VERDICTS if verdict in found]


def _verdicts(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    order = _known_verdicts(rows)
    places = [order.index(verdict_of(row)) for row in rows]
    ax.step(range(len(rows)), places, where="mid", color=style.QUIET, lw=1, zorder=1)
    for marker, colour, doubtful in (("s", style.LINE, False), ("X", COME, True)):
        at = [place for place, row in enumerate(rows) if (verdict_of(row) in DOUBTFUL) == doubtful]
        ax.plot(at, [places[i] for i in at], ls="", marker=marker, ms=9, mfc=colour, mec="white", gid="verdict")
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_yticks(range(len(order)), ["\n".join(style.wrap(name, LEFT - 0.15, TEXT - 1.5)) for name in order])
    ax.grid(axis="y", color=style.GRID, lw=0.6)


GAINS, BIAS, DRIFT = "Gain promised and delivered", "Bias of forecasts", "Chance of such a surprise"
LABELS, MONEY, VERDICT = "Labels so far", "Spent so far ({unit})", "Verdict after the batch"
PANELS: Mapping[str, Callable[[Axes, Sequence[Mapping[str, Any]]], None]] = {
    GAINS: _gains,
    BIAS: _bias,
    DRIFT: _drift,
    LABELS: _so_far(names.LABELS),
    MONEY: _so_far(names.COST),
    VERDICT: _verdicts,
}  # panels by title, from the top
FORECASTS, SPENDING = (GAINS, BIAS, DRIFT), (LABELS, MONEY, VERDICT)  # those that stand beside each other on a page
_ABOUT = {
    GAINS: "bars hold 50 and 90 %, line: the mean; dots: what came",
    BIAS: "forecast less measured error; bars: 90 % widths",
    DRIFT: "below the dashed line a fit is called for",
    LABELS: "dark: those of the batch",
    MONEY: "dark: what the batch cost",
    VERDICT: "",
}
