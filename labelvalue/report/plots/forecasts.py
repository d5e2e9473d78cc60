"""Gains that were forecast against those that came: of a backtest, and of a project's scorecard."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labelvalue import names
from labelvalue.forecast.backtesting.trust import backtest_verdict, far, forecast_gains
from labelvalue.problems import input_error
from labelvalue.report.plots import style
from labelvalue.report.plots.first_page import DELIVERED, PROMISED
from labelvalue.report.plots.style import linear_axis, panels
from labelvalue.report.words.project import scorecard_numbers

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
            _panel(ax, part, (low - margin, high + margin))
    return figure


def _panel(ax: Axes, part: pd.DataFrame, ends: tuple[float, float]) -> None:
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
