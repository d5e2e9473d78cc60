"""Forest plot of the per-label impact: where one more label does most."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from labelvalue.forecast import impact
from labelvalue.model import Fit
from labelvalue.report.forest import draw_forest
from labelvalue.report.tables import MEAN, bands

PER = 1000
"""Labels that impacts are stated for."""
CAPTION = (
    "Impact is the expected drop in error from one more label at the slice's labels now, stated per "
    f"{PER:,} labels: a rate at today's position, not the gain of that many labels, which is smaller since "
    "each further label adds less. Thick and thin lines are equal-tailed credible intervals."
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
    return draw_impacts(impact_table(fit, (inner, outer)), foot=CAPTION)


def impact_table(fit: Fit, ci_probs: tuple[float, float]) -> pd.DataFrame:
    """Compute the impacts to plot, through :func:`labelvalue.report.tables.bands`.

    Parameters
    ----------
    fit : Fit
        Fit.
    ci_probs : tuple of two floats
        Probabilities of the inner and outer interval.

    Returns
    -------
    pandas.DataFrame
        One row a slice (and learner), largest mean first; error per 1,000 labels; attribute ``ci_probs``.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> bool(impact_table(fake_fit(seed=1), (0.5, 0.9))["mean"].is_monotonic_decreasing)
    True
    """
    draws = impact(fit, per=PER)
    return bands(draws, ci_probs).sort_values(MEAN, ascending=False, kind="stable", ignore_index=True)


def draw_impacts(table: pd.DataFrame, *, foot: str, scale: tuple[float, float] | None = None) -> Figure:
    """Draw a table of impacts, first row on top.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`impact_table`, or some rows of it.
    foot : str
        Caption inside the figure, empty for none.
    scale : tuple of two floats, optional
        Smallest and largest number that the axis must hold, so that several figures share one; the table's
        own where not given.

    Returns
    -------
    matplotlib.figure.Figure
        As :func:`plot_impact` returns it.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> len(draw_impacts(impact_table(fake_fit(seed=1), (0.5, 0.9)), foot="").axes)
    1
    """
    label = f"impact: drop in error per {PER:,} labels, at today's position"
    return draw_forest(table, foot=foot, x_label=label, scale=scale)
