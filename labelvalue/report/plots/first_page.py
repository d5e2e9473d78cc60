"""The picture that a page opens with, and that of a project over time: small, and legible on a phone."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter

from labelvalue import names
from labelvalue.decisions.advice.decision import BUY, MEASURE, NO_PLAN, QUALITY, WAIT
from labelvalue.decisions.case.costs import learner_names
from labelvalue.decisions.sensitivity.offers import AS_PLANNED, EVENLY
from labelvalue.numerals import counted, number
from labelvalue.problems import input_error
from labelvalue.report.numbers.tables import INNER_LOWER, INNER_UPPER, LOWER, MEAN, UPPER
from labelvalue.report.plots import style
from labelvalue.report.plots.style import count, linear_axis, log_axis, money
from labelvalue.report.words.wording import decimals

ROWS = 10  # slices of the picture; it says how many more there are
TITLES = {BUY: "Labels to buy", QUALITY: "Labels to buy", WAIT: "Best purchase", MEASURE: "If decided now"}
WIDE = 5.2  # inches of a picture: two stand side by side, and one on a phone is still read
TEXT, TITLE = 12.0, 12.5
LINE = 0.235  # height of a line of that text, in inches
REACH = 2.5  # typical intervals that the axis of gains holds; a wider one ends in an arrow, so that it flattens none
PAST = 1.4  # times the largest mean that it holds in any case


def purchase_rows(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out the picture of slices: labels bought, error today, gain; if nothing is bought, gains at a ``budget``."""
    plan = numbers[names.PLAN]
    if plan is not None and plan["plan"]["total"]:
        now = {row[names.SLICE]: row for row in plan["today"]}
        rows = [_row(row[names.SLICE], now[row[names.SLICE]], row, "low", "high") for row in plan[names.GAIN]]
        return _shown(rows, None) | {"title": TITLES[plan["verdict"]]}
    compared = numbers["decision"]["by_learner"]
    if numbers["decision"]["status"] != "published" or not compared:
        return _shown([], None)
    budget, several = compared[0][names.BUDGET], len(numbers["learners"]) > 1
    rows = []
    for row in numbers["slices"] if plan is None else _of_learners(numbers, plan["learner"]):
        gain = next(g for g in row["gains"] if g[names.BUDGET] == budget)
        title = f"{row[names.SLICE]} · {row[names.LEARNER]}" if several and plan is None else row[names.SLICE]
        rows.append(_row(title, row, {names.GAIN: gain[MEAN], **gain, names.LABELS: 0}, LOWER, UPPER))
    return _shown(rows, budget)


def _of_learners(numbers: Mapping[str, Any], learner: Any) -> list[Mapping[str, Any]]:
    """The row of each slice under the learner that decides, of several under the one with the lowest error now."""
    wanted = learner_names(learner) if learner else numbers["learners"][:1]
    rows = [row for row in numbers["slices"] if row.get(names.LEARNER) in (None, *wanted)]
    lowest = {row[names.SLICE]: row for row in sorted(rows, key=lambda row: -row[names.ERROR_NOW][MEAN])}
    return [row for row in rows if lowest[row[names.SLICE]] is row]


def _row(title: str, now: Mapping[str, Any], gain: Mapping[str, Any], low: str, high: str) -> dict[str, Any]:
    error = now[names.ERROR_NOW]
    found = {names.SLICE: title, names.LABELS: gain[names.LABELS], names.GAIN: gain[names.GAIN]}
    found |= {LOWER: gain[low], UPPER: gain[high]}
    return found | {names.ERROR_NOW: error[MEAN], "width": error[UPPER] - error[LOWER]}


def _shown(rows: list[dict[str, Any]], budget: int | None) -> dict[str, Any]:
    rest = rows[ROWS:] if len(rows) > ROWS + 1 else []
    shown = rows[: len(rows) - len(rest)]
    found = {"rows": shown, names.BUDGET: budget, "digits": decimals(row["width"] for row in rows)}
    return found | {"more": len(rest), "more_labels": sum(row[names.LABELS] for row in rest)}


def draw_purchase(found: Mapping[str, Any]) -> Figure:
    """Draw a row a slice: labels bought as a bar, the error today, and the gain with its interval."""
    rows, bought = found["rows"], found[names.BUDGET] is None
    split = 2.25 if bought else 0.1
    room = split - 0.15 if bought else WIDE - 1.75  # names end before the line at 0, or before the error today
    wrapped = [style.wrap(row[names.SLICE], room, TEXT, "bold") for row in rows]
    heights = [LINE * (len(lines) + 1) + 0.06 for lines in wrapped]
    head, foot = 0.36, 0.34 + (0.28 if found["more"] else 0.0)
    total = head + sum(heights) + foot
    with style.look():
        figure = style.Picture(figsize=(WIDE, total))
        ax = figure.add_axes((split / WIDE, foot / total, (WIDE - split - 0.12) / WIDE, sum(heights) / total))
        _gains(ax, rows, heights, 0.0 if bought else LINE)
        title = "Gain in error" if bought else f"Gain from {found[names.BUDGET]:,} labels for each"
        figure.text(split / WIDE, 1 - 0.05 / total, title, size=TITLE, weight="bold", va="top")
        most = max((row[names.LABELS] for row in rows), default=0) or 1
        if bought:
            figure.text(0.06 / WIDE, 1 - 0.05 / total, found["title"], size=TITLE, weight="bold", va="top")
        y = total - head
        for row, lines, height in zip(rows, wrapped, heights, strict=True):
            figure.text(0.06 / WIDE, y / total, "\n".join(lines), size=TEXT, va="top", weight="bold")
            said = f"error today {number(row[names.ERROR_NOW], found['digits'])}"
            figure.text(1 - 0.12 / WIDE, y / total, said, size=TEXT, va="top", ha="right", color=style.QUIET)
            if bought:
                _bar(figure, (0.06, y - height + 0.1, total), row[names.LABELS], most)
            y -= height
        if found["more"]:
            figure.text(0.06 / WIDE, 0.05 / total, _rest(found), size=TEXT, va="bottom", color=style.QUIET)
    return figure


def _gains(ax: Axes, rows: Sequence[Mapping[str, Any]], heights: Sequence[float], gap: float) -> None:
    """Dots with intervals on the lower line of each row, whose line at 0 leaves a gap for the name above it."""
    ends = _ends(rows)
    margin = 0.04 * (ends[1] - ends[0])
    ax.set_xlim(ends[0] - margin, ends[1] + margin)
    ax.set_ylim(sum(heights), 0)
    y = 0.0
    for row, height in zip(rows, heights, strict=True):
        at = y + height - 0.17
        ax.plot([0, 0], [y if not gap else at - 0.12, y + height], color=style.INK, lw=1, zorder=1)
        low, high = max(row[LOWER], ends[0]), min(row[UPPER], ends[1])
        ax.plot([low, high], [at, at], color=style.INNER, lw=5, solid_capstyle="butt", zorder=2, gid="interval")
        for end, cut, marker in ((high, row[UPPER] > high, ">"), (low, row[LOWER] < low, "<")):
            if cut:
                ax.plot(end, at, ls="", marker=marker, ms=9, color=style.LINE, zorder=3, gid="cut", clip_on=False)
        ax.plot(row[names.GAIN], at, ls="", marker="o", ms=8, mfc=style.LINE, mec="white", zorder=4, gid="gain")
        y += height
    linear_axis(ax, "x", ticks=3)
    ax.tick_params(axis="x", labelsize=TEXT, length=3)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def _ends(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Ends of the axis of gains, 0 among them."""
    far = _reach([row[UPPER] for row in rows], [row[names.GAIN] for row in rows])
    near = -_reach([-row[LOWER] for row in rows], [-row[names.GAIN] for row in rows])
    return min(near, 0.0), max(far, 0.0) or 1.0


def cut_rows(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an interval of the picture goes on beyond its axis."""
    ends = _ends(rows) if rows else (0.0, 0.0)
    return any(row[LOWER] < ends[0] or row[UPPER] > ends[1] for row in rows)


def _reach(ends: Sequence[float], means: Sequence[float]) -> float:
    """How far an axis goes to one side: to the farthest end, but to few times the typical one, and well past means."""
    typical, farthest = statistics.median(ends), max(ends)
    return min(farthest, max(PAST * max(means), REACH * typical)) if typical > 0 else farthest


def _bar(figure: Figure, place: tuple[float, float, float], labels: int, most: int) -> None:
    """One bar with its number behind it."""
    x, y, total = place
    length = 1.25 * labels / most
    if labels:
        ax = figure.add_axes((x / WIDE, y / total, max(length, 0.02) / WIDE, 0.16 / total))
        ax.set_axis_off()
        ax.add_patch(Rectangle((0, 0), 1, 1, color=style.LINE, lw=0, gid="bought"))
    text = f"{labels:,}" if labels else "none"
    colour = style.INK if labels else style.QUIET
    at = x + (length + 0.08 if labels else 0.0)
    figure.text(at / WIDE, (y + 0.08) / total, text, size=TEXT, va="center_baseline", color=colour)


def _rest(found: Mapping[str, Any]) -> str:
    labels = found["more_labels"]
    several = counted(found["more"], "more slice")
    if found[names.BUDGET] is not None:
        return f"{several} gain{'' if found['more'] > 1 else 's'} less"
    each = "get" if found["more"] > 1 else "gets"
    return f"{several} {each} {f'{labels:,} labels' if labels else 'none'}"


def draw_worth(plan: Mapping[str, Any], *, beside: float = 0.0) -> Figure:
    """Draw net benefit against money, with the plan marked; about as high as what stands beside it."""
    table, unit = pd.DataFrame(plan["ladder"]), style.literal(plan[names.UNIT])
    planned, even = (table[table["split"] == split] for split in (AS_PLANNED, EVENLY))
    with style.look():
        figure, ax = _panel(f"Net benefit ({unit})", f"money spent ({unit})", beside)
        cost = planned[names.COST]
        ax.fill_between(cost, planned[LOWER], planned[UPPER], color=style.OUTER, lw=0, gid="outer")
        ax.fill_between(cost, planned[INNER_LOWER], planned[INNER_UPPER], color=style.INNER, lw=0, gid="inner")
        ax.plot(cost, planned[MEAN], color=style.LINE, lw=2, gid="planned", zorder=4)
        if plan["plan"]["total"] and len(plan[names.GAIN]) > 1:
            ax.plot(even[names.COST], even[MEAN], color=style.ACCENTS[1], lw=1.8, ls=(0, (4, 2)), gid="even", zorder=3)
        ax.axhline(0, color=style.INK, lw=1)
        at, worth = plan[names.COST][MEAN], plan[names.NET_BENEFIT][MEAN]
        ax.plot(at, worth, ls="", marker="D", ms=11, mfc=style.INK, mec="white", zorder=6, gid="plan", clip_on=False)
        _axes(ax)
        ax.set_xlim(left=0)
        ax.xaxis.set_major_formatter(FuncFormatter(count))
        ax.yaxis.set_major_formatter(FuncFormatter(money))
    return figure


def draw_growth(rows: Sequence[Mapping[str, Any]], title: str, *, beside: float = 0.0) -> Figure:
    """Draw the gain of one slice against the labels bought for it."""
    table = pd.DataFrame(rows).sort_values(names.BUDGET)
    with style.look():
        figure, ax = _panel(title, "labels bought for it", beside)
        labels = [0, *table[names.BUDGET]]
        ax.fill_between(labels, [0, *table[LOWER]], [0, *table[UPPER]], color=style.OUTER, lw=0, gid="outer")
        ax.plot(labels, [0, *table[MEAN]], color=style.LINE, lw=2, marker="o", ms=7, gid="mean", zorder=4)
        ax.axhline(0, color=style.INK, lw=1)
        _axes(ax)
        ax.xaxis.set_major_formatter(FuncFormatter(count))
    return figure


def _panel(title: str, x_label: str, beside: float) -> tuple[Figure, Axes]:
    lines = style.wrap(title, WIDE - 0.3, TITLE, "bold")
    head = 0.1 + LINE * len(lines)
    total = max(head + 3.0, min(beside, head + 4.2))
    figure = style.Picture(figsize=(WIDE, total))
    ax = figure.add_axes((0.95 / WIDE, 0.62 / total, (WIDE - 1.15) / WIDE, (total - head - 0.72) / total))
    figure.text(0.06 / WIDE, 1 - 0.05 / total, "\n".join(lines), size=TITLE, weight="bold", va="top")
    ax.set_xlabel(x_label, size=TEXT)
    return figure, ax


def _axes(ax: Axes) -> None:
    linear_axis(ax, "x", ticks=4)
    linear_axis(ax, "y", ticks=5)
    ax.tick_params(labelsize=TEXT, length=3)
    ax.grid(color=style.GRID, lw=0.6)


HIGH = 1.25  # inches of a panel
LEFT, TICKS = 1.05, 8
BAR = 0.62  # width of a bar, where batches are 1 apart
LEAST = 1e-3  # chance of a surprise at which the axis ends; a triangle marks a smaller one
COME = style.ACCENTS[1]  # what came, beside what was forecast
PROMISED, DELIVERED = "promised", "delivered"
DOUBTFUL = ("flagged", "refused", "not fitted")  # verdicts on a fit, after which nothing is published
VERDICTS = (BUY, QUALITY, MEASURE, WAIT, NO_PLAN, "no case", *DOUBTFUL)
"""Rows of the time line, from the top; those that a project knows are shown."""


def verdict_of(row: Mapping[str, Any]) -> str:
    """Say in a word what was advised after a batch, or why nothing was."""
    if row["verdict"] is None:
        return "not fitted"
    return row["advice"] or "no case" if row["verdict"] == "ok" else str(row["verdict"])


class Panel(NamedTuple):
    """A panel of the picture over time; it is there where a batch has the key, or always where it names none."""

    title: str
    about: str
    key: str
    draw: Callable[[Axes, Sequence[Mapping[str, Any]]], None]


def draw_over_time(rows: Sequence[Mapping[str, Any]], *, of: Sequence[Panel] = ()) -> Figure:
    """Draw a project's batches, rows of ``assets``, in those of :data:`PANELS` that have something to show."""
    if not rows:
        raise input_error("no batch yet", "add one with 'labelvalue add DIR RUNS'")
    shown = [panel for panel in shown_panels(rows) if not of or panel in of]
    unit = style.literal(next((row[names.UNIT] for row in rows if row[names.UNIT]), "money"))
    heads = [0.26 + LINE * (1 + bool(panel.about)) for panel in shown]
    highs = [0.36 * len(_known_verdicts(rows)) + 0.2 if panel.draw is _verdicts else HIGH for panel in shown]
    foot = 0.66
    total = sum(heads) + sum(highs) + foot
    with style.look():
        figure = style.Picture(figsize=(WIDE, total))
        top = total
        for panel, head, high in zip(shown, heads, highs, strict=True):
            text = panel.title.format(unit=unit)
            figure.text(0.06 / WIDE, (top - 0.2) / total, text, size=TITLE, weight="bold", va="top")
            y = (top - 0.22 - LINE) / total
            figure.text(0.06 / WIDE, y, panel.about, size=TEXT, va="top", color=style.QUIET)
            top -= head + high
            ax = figure.add_axes((LEFT / WIDE, top / total, (WIDE - LEFT - 0.12) / WIDE, (high - 0.08) / total))
            panel.draw(ax, rows)
            ax.set_xlim(-0.6, len(rows) - 0.4)
            ax.set_xticks([])
            ax.tick_params(labelsize=TEXT, length=3)
        _name_batches(ax, [row[names.BATCH] for row in rows])
    return figure


THICK, BOTH = 0.15, 0.5  # inches of a bar, and of the two of a project with what parts it from the next


def draw_projects(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw two bars a project, first row on top: the gain that its last batch promised, and what came."""
    wrapped = [style.wrap(row["project"], WIDE - 0.3, TEXT, "bold") for row in rows]
    heights = [LINE * len(lines) + BOTH for lines in wrapped]
    head, foot, body = 0.3 + LINE, 0.62, sum(heights)
    total = head + body + foot
    with style.look():
        figure = style.Picture(figsize=(WIDE, total))
        ax = figure.add_axes((0.2 / WIDE, foot / total, (WIDE - 0.5) / WIDE, body / total))
        y = 0.0
        for row, lines, height in zip(rows, wrapped, heights, strict=True):
            at = (foot + body - y - 0.05) / total
            white = {"fc": "white", "ec": "none", "pad": 0.5}  # lines of the axes stop behind names
            figure.text(0.06 / WIDE, at, "\n".join(lines), size=TEXT, va="top", weight="bold", bbox=white)
            y += height
            for key, up, colour in ((PROMISED, 1.5, style.LINE), (DELIVERED, 0.5, COME)):
                ax.barh(y - 0.11 - up * THICK, row[key], THICK, color=colour, gid=key)
        ax.axvline(0, color=style.INK, lw=1)
        ax.set_ylim(body, 0)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        linear_axis(ax, "x", ticks=4)
        ax.tick_params(labelsize=TEXT, length=3)
        ax.grid(axis="x", color=style.GRID, lw=0.6)
        ax.set_xlabel("gain of the last batch: mean drop in error", size=TEXT)
        handles = [Patch(color=style.LINE, label=PROMISED), Patch(color=COME, label=DELIVERED)]
        figure.legend(handles=handles, ncols=2, frameon=False, fontsize=TEXT, loc="upper left", borderaxespad=0.1)
    return figure


def shown_panels(rows: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Return the panels that have something to show."""
    told: list[dict[str, Any]] = [{**row, **(row["forecast"] or {})} for row in rows]
    return [one for one in PANELS if not one.key or any(row.get(one.key) is not None for row in told)]


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


def _gains_by_batch(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    told = _forecasts(rows).dropna(subset=[LOWER])
    at = told.index
    ax.bar(at, told[UPPER] - told[LOWER], BAR, told[LOWER], color=style.OUTER, gid="outer")
    ax.bar(at, told[INNER_UPPER] - told[INNER_LOWER], BAR, told[INNER_LOWER], color=style.INNER, gid="inner")
    ax.hlines(told[PROMISED], at - BAR / 2, at + BAR / 2, color=style.LINE, lw=2, gid="promised")
    ax.plot(at, told[DELIVERED], ls="", marker="o", ms=8, mfc=COME, mec="white", zorder=4, gid="delivered")
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
    ax.set_yticks(range(len(order)), ["\n".join(style.wrap(name, LEFT - 0.15, TEXT)) for name in order])
    ax.grid(axis="y", color=style.GRID, lw=0.6)


PANELS = (
    Panel("Gain promised and delivered", "bars: 50 and 90 %; line: the mean; dots: what came", LOWER, _gains_by_batch),
    Panel("Bias of forecasts", "forecast less measured error; bars: 90 % widths", names.BIAS, _bias),
    Panel("Chance of such a surprise", "below the dashed line a fit is called for", "surprise", _drift),
    Panel("Labels so far", "dark: those of the batch", names.LABELS, _so_far(names.LABELS)),
    Panel("Spent so far ({unit})", "dark: what the batch cost", names.COST, _so_far(names.COST)),
    Panel("Verdict after the batch", "", "", _verdicts),
)  # from the top
FORECASTS, SPENDING = PANELS[:3], PANELS[3:]  # those that stand beside each other on a page
