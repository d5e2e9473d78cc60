"""The learning curves that priors imply, before any data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from labelvalue import names
from labelvalue.model.hierarchy.specification import Model
from labelvalue.model.prior.prior_curves import draw_curves
from labelvalue.model.prior.priors import Prior
from labelvalue.numerals import tails
from labelvalue.report.plots import style
from labelvalue.report.plots.panels import log_axis, panels

SIZES = 41
REACH = 3  # doublings that are shown on either side of the reference size, where labels are not given
OWN, YOURS = "the model's own priors", "with the priors given"


def plot_prior(
    model: str | Model = "power_law",
    priors: Mapping[str, Prior] | None = None,
    *,
    reference_labels: float,
    labels: Sequence[float] | None = None,
    runs: xr.Dataset | None = None,
    ci_probs: tuple[float, float] = (0.5, 0.9),
    curves: int = 12,
    samples: int = 2000,
    random_seed: int = 0,
) -> Figure:
    """Plot the learning curves that the priors imply for one slice, with bands and some single curves.

    Where priors are given, the model's own stand beside them on the same axes, so that it is seen what they change.

    Parameters
    ----------
    model : str or Model
        Name of an installed model, or the object.
    priors : mapping of str to Prior, optional
        Priors that replace the model's, by name: those of :func:`labelvalue.priors.elicit`, for instance.
    reference_labels : float
        Labels, > 0, at which the priors are stated: the largest size of a fit.
    labels : sequence of float, optional
        Labels, > 0, between whose smallest and largest the curves are shown; three doublings on either side of the
        reference where not given.
    runs : xarray.Dataset, optional
        Runs table that says on what scale errors are; without it they lie between 0 and 1.
    ci_probs : tuple of two floats
        Probabilities of the inner and the outer equal-tailed band, between 0 and 1.
    curves : int
        Single curves to draw, ≥ 0.
    samples : int
        Curves that the bands are made of, ≥ 1.
    random_seed : int
        Seed.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot; errors against labels of the slice, both logarithmic.

    Raises
    ------
    ValueError
        If a name is unknown or a number out of range.

    Examples
    --------
    >>> len(plot_prior(reference_labels=1000, samples=100).axes)
    1
    """
    inner, outer = sorted(ci_probs)
    if not 0 < inner <= outer < 1:
        raise ValueError(f"ci_probs must lie between 0 and 1, got {ci_probs!r}")
    reach = 2.0**REACH
    shown = (reference_labels / reach, reference_labels * reach) if labels is None else labels
    ends = np.asarray(shown, dtype=float)
    if ends.size < 2 or not (np.isfinite(ends).all() and ends.min() > 0 and ends.min() < ends.max()):
        raise ValueError(f"labels must be at least two sizes > 0, got {labels!r}. Fix: give such as [100, 10000].")
    sizes = np.geomspace(ends.min(), ends.max(), SIZES)
    asked = {OWN: None, YOURS: priors} if priors else {OWN: None}
    drawn = {
        title: draw_curves(
            model,
            changed,
            labels=sizes.tolist(),
            reference_labels=reference_labels,
            runs=runs,
            samples=samples,
            random_seed=random_seed,
        )
        for title, changed in asked.items()
    }
    return _draw(drawn, reference_labels, (inner, outer), curves)


def _draw(drawn: Mapping[str, xr.DataArray], reference: float, probs: tuple[float, float], curves: int) -> Figure:
    every = [draws.quantile(tails(probs[1]), names.DRAW) for draws in drawn.values()]
    low, high = min(float(q.min()) for q in every) / 1.15, max(float(q.max()) for q in every) * 1.15
    with style.look():
        figure, axes = panels(
            list(drawn),
            foot=(
                "Axes are logarithmic. Bands are equal-tailed prior intervals of the expected error of one slice, "
                "before any runs: its group, its deviation from that, and the departure of its curve from the family."
            ),
            x_label="labels of the slice",
            y_label="error (lower is better)",
            handles=_legend(probs, curves),
            height=2.6,
        )
        for ax, draws in zip(axes, drawn.values(), strict=True):
            _panel(ax, draws, reference, probs, curves, (low, high))
    return figure


def _panel(
    ax: Axes,
    draws: xr.DataArray,
    reference: float,
    probs: tuple[float, float],
    curves: int,
    limits: tuple[float, float],
) -> None:
    x = draws[names.LABELS].values
    (low, high), (lower, upper) = map(tails, probs)
    bands = draws.quantile([lower, low, 0.5, high, upper], names.DRAW).values
    log_axis(ax, "x", float(x.min()), float(x.max()), ticks=4, labels=True)
    log_axis(ax, "y", *limits, ticks=4, labels=False)
    ax.fill_between(x, bands[0], bands[4], color=style.OUTER, lw=0, zorder=1, gid="outer")
    ax.fill_between(x, bands[1], bands[3], color=style.INNER, lw=0, zorder=2, gid="inner")
    for one in draws.values[:curves]:
        ax.plot(x, one, color=style.QUIET, lw=0.6, alpha=0.8, zorder=3, gid="curve")
    ax.plot(x, bands[2], color=style.LINE, lw=1.6, zorder=4, gid="median")
    ax.axvline(reference, color=style.INK, lw=0.9, ls=(0, (4, 2)), zorder=5)


def _legend(probs: tuple[float, float], curves: int) -> list[Any]:
    entries: list[Any] = [
        Line2D([], [], color=style.LINE, lw=1.6, label="median"),
        Patch(color=style.INNER, label=f"{100 * probs[0]:g} % prior interval"),
        Patch(color=style.OUTER, label=f"{100 * probs[1]:g} % prior interval"),
        Line2D([], [], color=style.INK, lw=0.9, ls=(0, (4, 2)), label="reference size"),
    ]
    if curves > 0:
        entries.append(Line2D([], [], color=style.QUIET, lw=0.6, label="single curves drawn"))
    return entries
