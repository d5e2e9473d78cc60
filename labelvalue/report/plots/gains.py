"""Gain against budget in small panels, the forest of the impact, and gains forecast against those that came."""

import math
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from labelvalue import names
from labelvalue.forecast.backtesting.trust import backtest_verdict, far, forecast_gains
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS
from labelvalue.forecast.gains.gains import impact
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import PER_LABELS
from labelvalue.problems import input_error
from labelvalue.report.numbers.tables import GAIN_LIKE, INNER_LOWER, INNER_UPPER, LOWER, MEAN, UPPER, bands
from labelvalue.report.plots import style
from labelvalue.report.plots.first_page import DELIVERED, PROMISED
from labelvalue.report.plots.style import count, linear_axis, log_axis, panels
from labelvalue.report.words.project import scorecard_numbers

CAPTION = "One scale for all. Bands are equal-tailed credible intervals; below zero, labels would make things worse."


def plot_gain(gain: xr.DataArray, *, ci_probs: tuple[float, float] = (0.5, 0.9)) -> Figure:
    """Plot gain against budget with bands and the zero line, a panel for each slice (and learner).

    Parameters
    ----------
    gain : xarray.DataArray
        Draws, dims chain, draw, slice (and learner), budget, as ``predict_gain`` or ``predict_observed_gain``
        returns them; unit of the error.
    ci_probs : tuple of two floats
        Probabilities of the inner and the outer equal-tailed band, between 0 and 1.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot. Budgets beyond the validated distance have hollow markers; a single budget makes
        a forest plot, largest gain first.

    Raises
    ------
    ValueError
        If ``gain`` holds no gains by budget, or a probability is not between 0 and 1.
    TypeError
        If it is no DataArray.

    Examples
    --------
    >>> import labelvalue as lv
    >>> len(plot_gain(lv.predict_gain(lv.testing.fake_fit(seed=1), budgets=[500, 2000])).axes)
    4
    """
    inner, outer = sorted(ci_probs)
    return draw_gains(gain_table(gain, (inner, outer)), foot=CAPTION)


def gain_table(gain: xr.DataArray, ci_probs: tuple[float, float]) -> pd.DataFrame:
    """Compute the gains to plot, through :func:`labelvalue.report.numbers.tables.bands`."""
    table = bands(gain, ci_probs)
    if gain.name not in GAIN_LIKE or names.BUDGET not in gain.dims or names.SLICE not in gain.dims:
        raise ValueError(
            f"gain must hold gains by slice and budget, got {gain.name!r} with dims {gain.dims}. "
            "Fix: pass what labelvalue.predict_gain returned."
        )
    return table


def draw_gains(table: pd.DataFrame, *, foot: str) -> Figure:
    """Draw a table of gains."""
    name = "observed gain" if table.attrs["name"] == names.OBSERVED_GAIN else "gain"
    if len(set(table[names.BUDGET])) == 1:
        table = table.sort_values(MEAN, ascending=False, kind="stable", ignore_index=True)
        label = f"{name} (drop in error) from {table[names.BUDGET].iloc[0]:,} extra labels"
        return draw_forest(table, foot=foot, x_label=label, scale=table.attrs.get("scale"))
    keys = [k for k in (names.SLICE, names.LEARNER) if k in table]
    groups = list(table.groupby(keys, sort=False))
    span = table.attrs.get("scale") or (table[LOWER].min(), table[UPPER].max())
    with style.look():
        figure, axes = panels(
            [" · ".join(map(str, key)) for key, _ in groups],
            foot=foot,
            x_label="budget: extra labels for the slice",
            y_label=f"{name} (drop in error)",
            handles=_legend(table, name),
            together=table[names.LEARNER].nunique() if names.LEARNER in table else 1,
        )
        for ax, (_, part) in zip(axes, groups, strict=True):
            _panel(ax, part, span)
    return figure


def _panel(ax: Axes, part: pd.DataFrame, span: tuple[float, float]) -> None:
    part = part.sort_values(names.BUDGET, kind="stable")
    x = part[names.BUDGET].to_numpy(dtype=float)
    ax.fill_between(x, part[LOWER], part[UPPER], lw=0, color=style.OUTER, zorder=1, gid="outer")
    ax.fill_between(x, part[INNER_LOWER], part[INNER_UPPER], lw=0, color=style.INNER, zorder=2, gid="inner")
    ax.plot(x, part[MEAN], color=style.LINE, lw=1.4, zorder=4, gid="mean")
    far = (part[names.DOUBLINGS] > VALIDATED_DOUBLINGS).to_numpy() if names.DOUBLINGS in part else x < 0
    dots: dict[str, Any] = {"ls": "", "marker": "D", "ms": 3.8, "mec": style.LINE, "mew": 1, "zorder": 5}
    ax.plot(x[~far], part[MEAN][~far], mfc=style.LINE, **dots)
    ax.plot(x[far], part[MEAN][far], mfc="white", **dots)
    ax.axhline(0, color=style.INK, lw=0.9, zorder=3)
    _budget_axis(ax, x)
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    margin = 0.06 * ((high - low) or 1.0)
    ax.set_ylim(low - margin, high + margin)
    linear_axis(ax, "y", ticks=5)
    ax.grid(axis="y", color=style.GRID, lw=0.6)


def _budget_axis(ax: Axes, x: np.ndarray) -> None:
    """Budgets as ticks, as many as there is room for; logarithmic where they span more than a decade."""
    wide = bool(x.min() > 0) and x.max() > 12 * x.min()
    if wide:
        ax.set_xscale("log")
        ax.set_xlim(x.min() / 1.3, x.max() * 1.3)
        ax.xaxis.set_minor_locator(NullLocator())
    scale = np.log if wide else np.asarray
    ends = scale(np.asarray(ax.get_xlim()))
    kept: list[float] = []
    for value in x[::-1]:
        if not kept or scale(kept[-1]) - scale(value) > 0.17 * (ends[1] - ends[0]):
            kept.append(float(value))
    ax.xaxis.set_major_locator(FixedLocator(kept))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: "+" + count(v)))


def _legend(table: pd.DataFrame, name: str) -> list[Any]:
    entries: list[Any] = [
        Line2D([], [], color=style.LINE, lw=1.4, marker="D", ms=4, label=f"mean {name} at a budget"),
        *style.interval_entries(table.attrs["ci_probs"]),
    ]
    if names.DOUBLINGS in table and (table[names.DOUBLINGS] > VALIDATED_DOUBLINGS).any():
        hollow: dict[str, Any] = {"ls": "", "marker": "D", "ms": 4, "mfc": "white", "mec": style.LINE}
        entries.append(Line2D([], [], **hollow, label=names.BEYOND_VALIDATED))
    return entries


def draw_forest(table: pd.DataFrame, *, foot: str, x_label: str, scale: tuple[float, float] | None = None) -> Figure:
    """Draw mean and two intervals a row, first row on top, names written out beside them."""
    keys = [k for k in (names.SLICE, names.LEARNER) if k in table]
    with style.look():
        caption = style.wrap(foot, 9.0, style.TEXT) if foot else []
        bottom = 0.62 + (style.lines_high(len(caption), style.TEXT) + 0.08 if caption else 0)
        texts = [" · ".join(map(str, row)) for row in table[keys].to_numpy()]
        figure, ax, at = style.row_axis(texts, right=0.25, legend=0.34, bottom=bottom)
        _intervals(ax, table, at)
        _axis(ax, *(scale or (table[LOWER].min(), table[UPPER].max())))
        ax.set_xlabel(x_label, size=style.TEXT)
        inner, outer = table.attrs["ci_probs"]
        handles = [
            Line2D([], [], ls="", marker="o", ms=5, color=style.LINE, label="mean"),
            Line2D([], [], color=style.LINE, lw=3.6, label=f"{100 * inner:g} % credible interval"),
            Line2D([], [], color=style.LINE, lw=1.1, label=f"{100 * outer:g} % credible interval"),
        ]
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (ax.get_position().x0, 1.0)}
        figure.legend(handles=handles, ncols=3, frameon=False, fontsize=style.TEXT, borderaxespad=0.3, **place)
        if caption:
            low = 0.06 / figure.get_figheight()
            figure.text(0.02, low, "\n".join(caption), va="bottom", size=style.TEXT, color=style.QUIET)
    return figure


def _intervals(ax: Axes, table: pd.DataFrame, at: list[float]) -> None:
    learners = sorted(set(table[names.LEARNER])) if names.LEARNER in table else [""]
    for y, (_, row) in zip(at, table.iterrows(), strict=True):
        which = learners.index(row[names.LEARNER]) if names.LEARNER in table else 0
        colour = style.ACCENTS[which % len(style.ACCENTS)]
        ax.hlines(y, row[LOWER], row[UPPER], color=colour, lw=1.1, zorder=2, gid="outer")
        ax.hlines(y, row[INNER_LOWER], row[INNER_UPPER], color=colour, lw=3.6, zorder=3, gid="inner")
        marker = style.MARKERS[which % len(style.MARKERS)]
        ax.plot(row[MEAN], y, marker=marker, ms=5.5, mfc=colour, mec="white", mew=0.9, zorder=4, gid="mean")


def _axis(ax: Axes, low: float, high: float) -> None:
    if low > 0 and high > 30 * low:
        log_axis(ax, "x", low / 1.15, high * 1.15, ticks=8, labels=False)
    else:
        low = min(low, 0.0)
        margin = 0.03 * ((high - low) or 1.0)
        ax.set_xlim(low - (margin if low < 0 or math.isclose(low, high) else 0), high + margin)
        linear_axis(ax, "x", ticks=7)
        ax.axvline(0, color=style.INK, lw=0.9)


IMPACT_CAPTION = (
    f"Today's rate, stated per {PER_LABELS:,} labels: the gain of that many is smaller. Lines are equal-tailed "
    "credible intervals."
)


def plot_impact(fit: Fit, *, ci_probs: tuple[float, float] = (0.5, 0.9)) -> Figure:
    """Plot the per-label impact of each slice (and learner) per 1,000 labels, largest first.

    Parameters
    ----------
    fit : Fit
        Fit.
    ci_probs : tuple of two floats
        Probabilities of the thick and the thin equal-tailed interval, between 0 and 1.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot; error per 1,000 labels, logarithmic where slices differ by more than a factor of
        30.

    Raises
    ------
    ValueError
        If a probability is not between 0 and 1.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> len(plot_impact(fake_fit(seed=1)).axes)
    1
    """
    inner, outer = sorted(ci_probs)
    return draw_impacts(impact_table(fit, (inner, outer)), foot=IMPACT_CAPTION)


def impact_table(fit: Fit, ci_probs: tuple[float, float]) -> pd.DataFrame:
    """Compute the impacts to plot, through :func:`labelvalue.report.numbers.tables.bands`."""
    draws = impact(fit, per=PER_LABELS)
    return bands(draws, ci_probs).sort_values(MEAN, ascending=False, kind="stable", ignore_index=True)


def draw_impacts(table: pd.DataFrame, *, foot: str, scale: tuple[float, float] | None = None) -> Figure:
    """Draw a table of impacts, first row on top."""
    label = f"impact: drop in error per {PER_LABELS:,} labels, at today's position"
    return draw_forest(table, foot=foot, x_label=label, scale=scale)


MISSED = style.ACCENTS[1]


def plot_forecasts(of: xr.Dataset | pd.DataFrame) -> Figure:
    """Plot gains that were forecast against those that came, with a panel for each distance or batch.

    Parameters
    ----------
    of : xarray.Dataset or pandas.DataFrame
        A backtest, from :func:`labelvalue.backtest`, or a scorecard, from :meth:`labelvalue.Project.scorecard`.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot. A dot is a curve, at the mean gain that was forecast and the gain that came, in the unit of
        the error; where the 90 % interval missed, it is hollow and named. Below it the sentence on the whole.

    Raises
    ------
    InputError
        If nothing was forecast and then measured.
    TypeError
        If it is no backtest and no scorecard.

    Examples
    --------
    >>> from labelvalue.testing import fake_backtest
    >>> [ax.texts[0].get_text() for ax in plot_forecasts(fake_backtest(seed=1)).axes][0]
    '2x the labels: 90 % held 10 of 12'
    """
    if isinstance(of, pd.DataFrame):
        told = scorecard_numbers(of)
        sentence = "" if told is None else told["sentence"]
        table, by = of.rename(columns={PROMISED: names.FORECAST_GAIN, DELIVERED: names.GAIN}), names.BATCH
    else:
        table, by, sentence = forecast_gains(of), names.DISTANCE, backtest_verdict(of)
        table[by] = [far(int(distance), of.attrs[names.BY]) for distance in table[by]]
    if table.empty:
        raise input_error("no forecast has been measured yet", "add the batch that was forecast", column="of")
    groups = [part for _, part in table.groupby(by, sort=False)]
    heads = [f"{part[by].iloc[0]}: 90 % held {part[names.COVERS_90].sum():.0f} of {len(part)}" for part in groups]
    ends = table[[names.FORECAST_GAIN, names.GAIN]].to_numpy()
    low, high = min(ends.min(), 0.0), max(ends.max(), 0.0)
    margin = 0.07 * ((high - low) or 1.0)
    dot: dict[str, Any] = {"ls": "", "marker": "o", "ms": 6, "mew": 1.2}
    handles = [
        Line2D([], [], color=style.INK, lw=0.9, label="came as forecast"),
        Line2D([], [], **dot, mfc=style.LINE, mec=style.LINE, label="inside its 90 % interval"),
        Line2D([], [], **dot, mfc="white", mec=MISSED, label="outside"),
    ]
    with style.look():
        figure, axes = panels(
            heads,
            foot=sentence,
            x_label="gain that was forecast (drop in error)",
            y_label="gain that came",
            handles=handles,
            height=2.4,
        )
        for ax, part in zip(axes, groups, strict=True):
            _forecast_panel(ax, part, (low - margin, high + margin))
    return figure


def _forecast_panel(ax: Axes, part: pd.DataFrame, ends: tuple[float, float]) -> None:
    ax.plot(ends, ends, color=style.INK, lw=0.9, zorder=1)
    inside = part[names.COVERS_90].astype(bool)
    looks = ((part[inside], style.LINE, "white", "held"), (part[~inside], "white", MISSED, "missed"))
    for own, fill, edge, kind in looks:
        x, y = own[names.FORECAST_GAIN], own[names.GAIN]
        ax.plot(x, y, ls="", marker="o", ms=6, mfc=fill, mec=edge, mew=1.2, zorder=3, gid=kind)
    for row in part[~inside].to_dict("records"):
        at, high = (row[names.FORECAST_GAIN], row[names.GAIN]), row[names.GAIN] > row[names.FORECAST_GAIN]
        beside: dict[str, Any] = {"ha": "right" if at[0] > np.mean(ends) else "left", "va": "bottom" if high else "top"}
        ax.annotate(style.literal(row[names.SLICE]), at, (0, 6 if high else -6), textcoords="offset points", **beside)
    ax.set_xlim(ends)
    ax.set_ylim(ends)
    linear_axis(ax, "x", ticks=4)
    linear_axis(ax, "y", ticks=5)
    ax.grid(color=style.GRID, lw=0.6)
