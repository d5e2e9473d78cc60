"""Learning curves with bands, in small panels: those of a fit with its runs, and those that priors imply."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from labelvalue import names
from labelvalue.forecast.gains.curves import SIZE, VALIDATED_DOUBLINGS, curve_dims, doublings_beyond, error_draws
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.model.curve.observations import MEMORY, used_runs
from labelvalue.model.fitting.result import Fit
from labelvalue.model.hierarchy.specification import Model
from labelvalue.model.prior.prior_curves import draw_curves as draw_from_prior
from labelvalue.model.prior.priors import Prior
from labelvalue.numerals import tails
from labelvalue.problems import did_you_mean
from labelvalue.report.numbers.tables import INNER_LOWER, INNER_UPPER, LOWER, MEAN, UPPER, bands, default_budgets
from labelvalue.report.plots import style
from labelvalue.report.plots.style import log_axis, panels

LEFT, RIGHT = 24, 16  # points of a curve on either side of now
REACH = 4  # curves go on to at least this many times the labels now, to show how they flatten
BLOCK = 16  # slices computed at a time, so that memory holds a few curves of draws and not all


def curve_table(
    fit: Fit,
    slices: Sequence[str],
    budgets: np.ndarray,
    ci_probs: tuple[float, float],
    planned: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Compute the curves to plot, through :func:`labelvalue.report.numbers.tables.bands`."""
    parts = []
    for start in range(0, len(slices), BLOCK):
        draws, own = _draws(fit, slices[start : start + BLOCK], budgets, planned or {})
        part = bands(draws, ci_probs)
        order = [d for d in draws.dims if d not in names.SAMPLE]
        own = own.sortby([d for d in order if d != SIZE]).transpose(*order)
        extra = (own - fit.position[names.LABELS_NOW].sel({names.SLICE: own[names.SLICE]})).transpose(*order)
        part = part.drop(columns=[SIZE, names.FLAGS]).assign(
            **{names.LABELS: own.values.ravel()},
            marked=np.isin(extra.values.ravel(), budgets[budgets > 0]),
        )
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    rank = {name: i for i, name in enumerate(slices)}
    table = table.sort_values(names.SLICE, key=lambda s: s.map(rank), kind="stable", ignore_index=True)
    table.attrs = {"ci_probs": ci_probs}
    return table


def _draws(
    fit: Fit, slices: Sequence[str], budgets: np.ndarray, planned: Mapping[str, int]
) -> tuple[xr.DataArray, xr.DataArray]:
    """Draws of the error along each slice's own sizes, and those sizes."""
    part = {names.SLICE: list(slices)}
    position = fit.position.sel(part)
    dims = curve_dims(fit)
    now = position[names.LABELS_NOW].transpose(*dims)
    low = np.maximum(np.minimum(_smallest(fit, slices, dims), np.maximum(now.values, 0.5)), 0.5)
    start = np.maximum(now.values, 0.5)
    reference = position[names.REFERENCE_LABELS].transpose(*dims).values
    most = np.array([max(int(budgets.max()), planned.get(str(name), 0)) for name in now[names.SLICE].values])
    most = most.reshape([-1 if d == names.SLICE else 1 for d in dims])
    end = np.maximum.reduce([start + most, REACH * np.maximum(start, 1.0), reference])
    left = np.moveaxis(np.geomspace(low, start, LEFT), 0, -1)
    left[..., -1] = now.values
    right = np.moveaxis(np.geomspace(start, end, RIGHT), 0, -1)[..., 1:]
    marked = now.values[..., None] + budgets
    own = xr.DataArray(
        np.sort(np.concatenate([left, right, marked], axis=-1), axis=-1),
        dims=(*dims, SIZE),
        coords=now.coords,
    )
    other_now = position[names.OTHER_LABELS_NOW]
    other = xr.where(own < now, other_now * own / np.maximum(now, 1.0), other_now).transpose(*dims, SIZE)
    draws = error_draws(fit.posterior.sel(part), fit, own, other).rename(names.ERROR)
    draws = draws.assign_coords({SIZE: np.arange(own.sizes[SIZE])})
    distance = doublings_beyond(position[names.REFERENCE_LABELS], own).transpose(*dims, SIZE)
    return draws.assign_coords({names.DOUBLINGS: distance.variable}), own


def _smallest(fit: Fit, slices: Sequence[str], dims: tuple[str, ...]) -> np.ndarray:
    """Smallest number of labels observed for each curve, its labels now where there is none."""
    runs = fit.runs
    keys = [runs[d].values.astype(str) for d in dims]
    seen = pd.Series(runs[names.LABELS].values.astype(float)).groupby([pd.Series(k) for k in keys]).min()
    wanted: list[Any] = [list(slices)]
    if len(dims) > 1:
        wanted.append([str(v) for v in fit.position[dims[1]].values])
    index = pd.MultiIndex.from_product(wanted) if len(dims) > 1 else pd.Index(wanted[0])
    shape = tuple(len(w) for w in wanted)
    return np.nan_to_num(seen.reindex(index).to_numpy().reshape(shape), nan=np.inf)


def plot_curves(
    fit: Fit,
    *,
    slices: Sequence[str] | None = None,
    ci_probs: tuple[float, float] = (0.5, 0.9),
    budgets: Sequence[int] | None = None,
) -> Figure:
    """Plot each slice's learning curve with bands, the observed runs, now, and what lies beyond the data.

    Up to now, the labels of the other slices grow with the slice's own; beyond they stay as they are, so that the drop
    from now to a marked budget is the gain that the tables show. Both axes are logarithmic, and each panel has its own.

    Parameters
    ----------
    fit : Fit
        Fit.
    slices : sequence of str, optional
        Slices to show, in this order; all where not given. A panel each, however many.
    ci_probs : tuple of two floats
        Probabilities of the inner and the outer equal-tailed band, between 0 and 1.
    budgets : sequence of int, optional
        Extra labels to mark on each curve, ≥ 0; rounded numbers up to the median slice's labels where not
        given.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot; errors in the unit of the metric's error against labels of the slice.

    Raises
    ------
    ValueError
        If a slice is unknown, a probability is not between 0 and 1, or a budget is not a whole number ≥ 0.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> len(plot_curves(fake_fit(seed=1), slices=["east", "north"]).axes)
    2
    """
    inner, outer = sorted(ci_probs)
    chosen = _chosen(fit, slices)
    numbers = whole_numbers(default_budgets(fit) if budgets is None else budgets, "budget")[0]
    return draw_curves(fit, curve_table(fit, chosen, numbers, (inner, outer)), foot=caption(fit))


def _chosen(fit: Fit, slices: Sequence[str] | None) -> list[str]:
    known = [str(s) for s in fit.slices]
    if slices is None:
        return sorted(known)
    wanted = [slices] if isinstance(slices, str) else [str(s) for s in slices]
    unknown = [s for s in wanted if s not in known]
    if unknown or not wanted:
        hint = did_you_mean(unknown[0], known) if unknown else ""
        what = f"unknown slice {', '.join(map(repr, unknown))}{hint}" if unknown else "no slice given"
        raise ValueError(f"{what} Fix: give names out of fit.slices.")
    return list(dict.fromkeys(wanted))


def caption(fit: Fit) -> str:
    """Say what the panels of the learning curves show."""
    text = (
        "Axes are logarithmic and differ between panels. "
        "Bands are equal-tailed credible intervals of the expected error. "
    )
    if bool((fit.position[names.OTHER_LABELS_NOW] > 0).any()):
        text += (
            "Up to now, other slices grow in proportion (other_labels='proportional'); beyond they stay, so the drop "
            "from now to a marked budget is the gain in the tables. "
        )
    used = used_runs(fit.runs)
    if not used.all():
        text += (
            f"{used.sum():,} of {used.size:,} runs used: the fit leaves out grey ones, mostly more than {MEMORY:g} "
            "doublings below the largest of their curve. "
        )
    if bool((fit.runs[names.ERROR] <= 0).any()) or bool((fit.runs[names.LABELS] < 1).any()):
        text += "Runs without errors or labels are triangles at the edge. "
    return text.strip()


def draw_curves(
    fit: Fit,
    table: pd.DataFrame,
    *,
    foot: str,
    planned: Mapping[str, Mapping[str, Any]] | None = None,
    learner: str | None = None,
) -> Figure:
    """Draw a table of curves, one panel a slice and learner."""
    keys = [k for k in (names.SLICE, names.LEARNER) if k in table]
    used = used_runs(fit.runs)
    groups = list(table.groupby(keys, sort=False))
    with style.look():
        titles = [" · ".join(map(str, key)) for key, _ in groups]
        figure, axes = panels(
            titles,
            foot=foot,
            x_label="labels of the slice",
            y_label="error (lower is better)",
            handles=_legend(table, bool(planned), bool(used.all())),
            together=table[names.LEARNER].nunique() if names.LEARNER in table else 1,
        )
        for ax, (key, part) in zip(axes, groups, strict=True):
            where = dict(zip(keys, key, strict=True))
            position = fit.position.sel(where)
            then = (planned or {}).get(str(where[names.SLICE]))
            then = then if where.get(names.LEARNER, learner) == learner else None
            _panel(ax, part, position, _runs_of(fit.runs, used, where), then)
            if then is not None:
                _mark(ax, float(position[names.LABELS_NOW]) + then[names.LABELS], then)
    return figure


def _runs_of(runs: xr.Dataset, used: np.ndarray, where: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and error of a panel's runs, and whether the fit used them."""
    keep = np.logical_and.reduce([runs[k].values.astype(str) == str(v) for k, v in where.items()])
    labels, errors = (runs[name].values[keep].astype(float) for name in (names.LABELS, names.ERROR))
    return labels, errors, used[keep]


def _panel(
    ax: Axes,
    part: pd.DataFrame,
    position: xr.Dataset,
    runs: tuple[np.ndarray, np.ndarray, np.ndarray],
    then: Mapping[str, Any] | None,
) -> None:
    x = np.maximum(part[names.LABELS].to_numpy(), 0.5)
    now, reference = float(position[names.LABELS_NOW]), float(position[names.REFERENCE_LABELS])
    labels, errors, used = runs
    low, high = (
        min(x.min(), labels.min(initial=np.inf) or 0.5) / 1.15,
        max(x.max(), labels.max(initial=0)) * 1.08,
    )
    planned = [] if then is None else [then[LOWER], then[UPPER]]  # other labels of the plan help: it may lie below
    seen = np.concatenate([errors[errors > 0], part[LOWER], part[UPPER], planned])
    bottom, top = seen.min() / 1.08, seen.max() * 1.08
    log_axis(ax, "x", low, high, ticks=4, labels=True)
    log_axis(ax, "y", bottom, top, ticks=4, labels=False)
    deep = reference * 2.0**VALIDATED_DOUBLINGS
    if reference < high:
        ax.axvspan(reference, min(deep, high), facecolor=style.FAR_LIGHT, lw=0, zorder=0, gid="beyond")
    if deep < high:
        hatched: dict[str, Any] = {"facecolor": style.FAR_DEEP, "edgecolor": style.HATCH, "hatch": "///"}
        ax.axvspan(deep, high, lw=0, zorder=0, gid="unvalidated", **hatched)
    ax.fill_between(x, part[LOWER], part[UPPER], color=style.OUTER, lw=0, zorder=1, gid="outer")
    ax.fill_between(x, part[INNER_LOWER], part[INNER_UPPER], color=style.INNER, lw=0, zorder=2, gid="inner")
    ax.plot(x, part[MEAN], color=style.LINE, lw=1.4, zorder=4, gid="mean")
    inside = (errors > 0) & (labels >= 1)
    for mine, colour, alpha, gid in ((used, style.INK, 0.75, "runs"), (~used, style.PALE, 1.0, "left out")):
        seen_well, at_edge = mine & inside, mine & ~inside
        if seen_well.any():
            ax.plot(labels[seen_well], errors[seen_well], mec=colour, alpha=alpha, zorder=3, gid=gid, **_RUN)
        if at_edge.any():
            at = np.maximum(labels[at_edge], low), np.where(errors[at_edge] > 0, errors[at_edge], bottom)
            ax.plot(*at, ls="", marker="v", ms=4, color=colour, clip_on=False, zorder=3)
    ax.axvline(max(now, 0.5), color=style.INK, lw=0.9, ls=(0, (4, 2)), zorder=3, gid="now")
    marked = part[part["marked"]]
    ax.plot(
        marked[names.LABELS],
        marked[MEAN],
        ls="",
        marker="D",
        ms=3,
        mfc="white",
        mec=style.LINE,
        mew=0.9,
        zorder=5,
        gid="marked",
    )


def _mark(ax: Axes, labels: float, then: Mapping[str, Any]) -> None:
    """Where a plan takes a slice, with the interval of its error."""
    away = [[then[MEAN] - then[LOWER]], [then[UPPER] - then[MEAN]]]
    ax.errorbar(labels, then[MEAN], yerr=away, fmt="none", ecolor=style.INK, elinewidth=1.0, capsize=2.5, zorder=6)
    ax.plot(labels, then[MEAN], gid="planned", **_PLANNED)


_RUN: dict[str, Any] = {"ls": "", "marker": "o", "ms": 2.6, "mfc": "none", "mew": 0.6}
_PLANNED: dict[str, Any] = {"ls": "", "marker": "*", "ms": 8, "mfc": style.INK, "mec": "white", "mew": 0.6, "zorder": 7}


def _legend(table: pd.DataFrame, planned: bool, all_used: bool) -> list[Any]:
    rim: dict[str, Any] = {"edgecolor": style.HATCH, "lw": 0.5}
    entries: list[Any] = [
        Line2D([], [], color=style.LINE, lw=1.4, label="mean of the expected error"),
        *style.interval_entries(table.attrs["ci_probs"]),
        Line2D([], [], ls="", marker="o", ms=3, mfc="none", mec=style.INK, label="an observed run"),
        Line2D([], [], color=style.INK, lw=0.9, ls=(0, (4, 2)), label="now"),
        Line2D([], [], ls="", marker="D", ms=4, mfc="white", mec=style.LINE, label="now + a budget"),
        Patch(facecolor=style.FAR_LIGHT, **rim, label="beyond the data"),
    ]
    if not all_used:
        entries.insert(4, Line2D([], [], label="a run that the fit leaves out", mec=style.PALE, **_RUN))
    if planned:
        entries.insert(-1, Line2D([], [], label="the plan, with all it buys", **_PLANNED))
    if (table[names.DOUBLINGS] > VALIDATED_DOUBLINGS).any():
        entries.append(Patch(facecolor=style.FAR_DEEP, hatch="///", **rim, label=names.BEYOND_VALIDATED))
    return entries


SIZES, SAMPLES, SINGLE = 41, 2000, 12  # of a curve; curves that the bands are made of; curves that are drawn
PRIOR_REACH = 3  # doublings that are shown on either side of the reference size, where labels are not given
OWN, YOURS = "the model's own priors", "with the priors given"


def plot_prior(
    model: str | Model = "power_law",
    priors: Mapping[str, Prior] | None = None,
    *,
    reference_labels: float,
    labels: Sequence[float] | None = None,
    runs: xr.Dataset | None = None,
    ci_probs: tuple[float, float] = (0.5, 0.9),
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
    >>> len(plot_prior(reference_labels=1000).axes)
    1
    """
    inner, outer = sorted(ci_probs)
    if not 0 < inner <= outer < 1:
        raise ValueError(f"ci_probs must lie between 0 and 1, got {ci_probs!r}")
    reach = 2.0**PRIOR_REACH
    shown = (reference_labels / reach, reference_labels * reach) if labels is None else labels
    ends = np.asarray(shown, dtype=float)
    if ends.size < 2 or not (np.isfinite(ends).all() and ends.min() > 0 and ends.min() < ends.max()):
        raise ValueError(f"labels must be at least two sizes > 0, got {labels!r}. Fix: give such as [100, 10000].")
    sizes = np.geomspace(ends.min(), ends.max(), SIZES)
    asked = {OWN: None, YOURS: priors} if priors else {OWN: None}
    drawn = {
        title: draw_from_prior(
            model, changed, labels=sizes.tolist(), reference_labels=reference_labels, runs=runs, samples=SAMPLES
        )
        for title, changed in asked.items()
    }
    return _draw(drawn, reference_labels, (inner, outer))


def _draw(drawn: Mapping[str, xr.DataArray], reference: float, probs: tuple[float, float]) -> Figure:
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
            handles=_prior_legend(probs),
            height=2.6,
        )
        for ax, draws in zip(axes, drawn.values(), strict=True):
            _prior_panel(ax, draws, reference, probs, (low, high))
    return figure


def _prior_panel(
    ax: Axes,
    draws: xr.DataArray,
    reference: float,
    probs: tuple[float, float],
    limits: tuple[float, float],
) -> None:
    x = draws[names.LABELS].values
    (low, high), (lower, upper) = map(tails, probs)
    bands = draws.quantile([lower, low, 0.5, high, upper], names.DRAW).values
    log_axis(ax, "x", float(x.min()), float(x.max()), ticks=4, labels=True)
    log_axis(ax, "y", *limits, ticks=4, labels=False)
    ax.fill_between(x, bands[0], bands[4], color=style.OUTER, lw=0, zorder=1, gid="outer")
    ax.fill_between(x, bands[1], bands[3], color=style.INNER, lw=0, zorder=2, gid="inner")
    for one in draws.values[:SINGLE]:
        ax.plot(x, one, color=style.QUIET, lw=0.6, alpha=0.8, zorder=3, gid="curve")
    ax.plot(x, bands[2], color=style.LINE, lw=1.6, zorder=4, gid="median")
    ax.axvline(reference, color=style.INK, lw=0.9, ls=(0, (4, 2)), zorder=5)


def _prior_legend(probs: tuple[float, float]) -> list[Any]:
    return [
        Line2D([], [], color=style.LINE, lw=1.6, label="median"),
        *style.interval_entries(probs, "prior"),
        Line2D([], [], color=style.INK, lw=0.9, ls=(0, (4, 2)), label="reference size"),
        Line2D([], [], color=style.QUIET, lw=0.6, label="single curves drawn"),
    ]
