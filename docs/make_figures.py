"""The figures of the pages on statistics.

``labelvalue fit data/adult_runs.csv --out FIT.nc --random-seed 20261123``, then ``python docs/make_figures.py FIT.nc``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from labelvalue_models.broken_power_law import broken_power_law
from labelvalue_models.exponential import exponential
from labelvalue_models.morgan_mercer_flodin import morgan_mercer_flodin
from labelvalue_models.power_law import power_law
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

import labelvalue as lv
from labelvalue import names
from labelvalue.forecast.gains.curves import SIZE, error_draws
from labelvalue.model.curve import families
from labelvalue.report.plots import style
from labelvalue.report.plots.style import linear_axis, log_axis, panels

FOLDER = Path(__file__).with_name("statistics")
NAMES = 0.22
"""Share of a figure's width that names of slices take."""
SHOWN = ["Exec-managerial", "Sales", "Transport-moving"]


def curves(fit: lv.Fit) -> Figure:
    """Draw three learning curves with bands."""
    return lv.plot_curves(fit, slices=SHOWN)


def shapes(fit: lv.Fit) -> Figure:
    """Draw the four families with the same error, elasticity and floor at the reference size."""
    ratio = np.geomspace(1 / 16, 16, 200)
    error, elasticity, floor = 0.2, 0.25, 0.3
    rate = elasticity / (1 - floor)
    log_ratio = np.log(ratio)
    parts = {
        "power law": power_law(log_ratio, rate),
        "exponential": exponential(log_ratio, rate),
        "Morgan-Mercer-Flodin": morgan_mercer_flodin(log_ratio, rate, 0.8),
        "broken power law": broken_power_law(log_ratio, rate, 2.0, 0.2),
    }
    lines = [(name, error * np.exp(families.above_floor(part, floor))) for name, part in parts.items()]
    dashes = ("-", "--", "-.", ":")
    handles = [
        Line2D([], [], color=color, ls=dash, label=name)
        for (name, _), color, dash in zip(lines, style.ACCENTS, dashes, strict=False)
    ]
    foot = "All have error 0.2, elasticity 0.25 and floor 0.06 at the reference size; axes are logarithmic."
    with style.look():
        figure, (ax,) = panels(
            ["one tangent at the reference size, four shapes"],
            foot=foot,
            x_label="effective labels, in multiples of the reference size",
            y_label="error",
            handles=handles,
            height=2.6,
        )
        log_axis(ax, "x", float(ratio.min()), float(ratio.max()), ticks=6, labels=False)
        log_axis(ax, "y", 0.08, 0.5, ticks=5, labels=False)
        for (_, values), color, dash in zip(lines, style.ACCENTS, dashes, strict=False):
            ax.plot(ratio, values, color=color, ls=dash)
        ax.axhline(error * floor, color=style.QUIET, lw=0.8)
        ax.axvline(1, color=style.QUIET, lw=0.8)
    return figure


def priors(fit: lv.Fit) -> Figure:
    """Draw the curves that the shipped prior bank holds possible before any runs."""
    return lv.report.plot_prior("power_law", reference_labels=1000)


def discrepancy(fit: lv.Fit) -> Figure:
    """Draw how wide the 90 % interval of a slice's error is with its departure from the family, and without."""
    doublings = np.linspace(0, 5, 41)
    now = fit.position[[names.LABELS_NOW, names.OTHER_LABELS_NOW]].sel({names.SLICE: SHOWN})
    factors = xr.DataArray(2.0**doublings, dims=SIZE)
    labels, other = (now[name] * factors for name in (names.LABELS_NOW, names.OTHER_LABELS_NOW))
    posterior = fit.posterior.sel({names.SLICE: SHOWN})
    exact = posterior.assign({names.DISCREPANCY: 0.0 * posterior[names.DISCREPANCY]})
    handles = [
        Patch(color=style.OUTER, label="shape free to depart"),
        Patch(color=style.INNER, label="family taken as exact"),
    ]
    with style.look():
        figure, axes = panels(
            SHOWN,
            foot="90 % intervals of the expected error, divided by its median, all slices growing together.",
            x_label="doublings of labels from now",
            y_label="relative to the median",
            handles=handles,
            height=2.2,
        )
        for ax, name in zip(axes, SHOWN, strict=True):
            for draws, color in ((posterior, style.OUTER), (exact, style.INNER)):
                errors = error_draws(draws, fit, labels, other).sel({names.SLICE: name})
                low, middle, high = errors.quantile([0.05, 0.5, 0.95], (names.CHAIN, names.DRAW)).values
                ax.fill_between(doublings, low / middle, high / middle, color=color, lw=0)
            ax.set_ylim(0.7, 1.3)
            linear_axis(ax, "x", ticks=5)
            linear_axis(ax, "y", ticks=5)
    return figure


def noise(fit: lv.Fit) -> Figure:
    """Draw what makes one measured error scatter, size by size."""
    runs = fit.runs.to_dataframe()
    runs["total"] = runs[names.LABELS] + runs[names.OTHER_LABELS]
    posterior = fit.posterior.mean((names.CHAIN, names.DRAW))
    reference = fit.tree["constant_data"].to_dataset()
    handles = [
        Line2D([], [], color=style.ACCENTS[0], marker="o", label="sampling of the evaluation set"),
        Line2D([], [], color=style.ACCENTS[1], marker="s", ls="--", label="training variation"),
    ]
    with style.look():
        figure, axes = panels(
            SHOWN,
            foot="Standard deviation of the log of one run's error (0.05 is about 5 % of the error).",
            x_label="labels in the training set, all slices together",
            y_label="standard deviation",
            handles=handles,
            height=2.2,
        )
        for ax, name in zip(axes, SHOWN, strict=True):
            sums = runs[runs[names.SLICE] == name].groupby("total")[[names.ERRORS, names.TRIALS]].sum()
            trials = runs[runs[names.SLICE] == name].groupby("total")[names.TRIALS].mean()
            rate = sums[names.ERRORS] / sums[names.TRIALS]
            sampling = np.sqrt((1 - rate) / (rate * trials))
            here = reference.sel({names.SLICE: name})
            total = float(here["reference_labels"] + here["reference_other_labels"])
            decay = float(posterior["training_decay"])
            training = float(posterior[names.TRAINING_SD].sel({names.SLICE: name})) * (sums.index / total) ** (
                -decay / 2
            )
            ax.plot(sums.index, sampling, color=style.ACCENTS[0], marker="o", ms=4)
            ax.plot(sums.index, training, color=style.ACCENTS[1], marker="s", ms=4, ls="--")
            log_axis(ax, "x", float(sums.index.min()) / 1.2, float(sums.index.max()) * 1.2, ticks=4, labels=True)
            linear_axis(ax, "y", ticks=5)
            ax.set_ylim(bottom=0)
    return figure


def transfer(fit: lv.Fit) -> Figure:
    """Draw own and total gain of 2,000 labels bought for one slice at a time."""
    budget = 2_000
    share = 1 / fit.slices.size
    own = lv.summarise(lv.predict_gain(fit, [budget])).set_index(names.SLICE)[["median", "lower", "upper"]] * share
    total = lv.summarise(lv.predict_total_gain(fit, [budget])).set_index(names.SLICE)[["median", "lower", "upper"]]
    order = total["median"].sort_values().index
    drawn = (("own part", own, style.ACCENTS[0], "o", -0.14), ("total", total, style.ACCENTS[1], "s", 0.14))
    handles = [Line2D([], [], color=color, marker=mark, ls="", label=name) for name, _, color, mark, _ in drawn]
    with style.look():
        figure, (ax,) = panels(
            [f"{budget:,} labels for one slice"],
            foot="Drop in the error averaged over eight slices: through the slice itself, and in all. 90 % intervals.",
            x_label="drop in mean error",
            y_label="",
            handles=handles,
            height=2.8,
        )
        for _, table, color, mark, shift in drawn:
            rows = table.loc[order]
            at = np.arange(len(rows)) + shift
            ax.hlines(at, rows["lower"], rows["upper"], color=color)
            ax.plot(rows["median"], at, color=color, marker=mark, ls="", ms=5)
        box = ax.get_position()
        ax.set_position((box.x0 + NAMES, box.y0, box.width - NAMES, box.height))
        ax.set_yticks(range(len(order)), order, parse_math=False)
        ax.axvline(0, color=style.QUIET, lw=0.8)
        linear_axis(ax, "x", ticks=5)
    return figure


FIGURES: dict[str, Callable[[lv.Fit], Figure]] = {
    f.__name__: f for f in (curves, shapes, priors, discrepancy, noise, transfer)
}
"""Each figure of ``docs/statistics`` with the function that draws it."""


def main(path: Path) -> None:
    """Draw every figure."""
    fit = lv.load_fit(path)
    for name, draw in FIGURES.items():
        out = FOLDER / f"{name}.svg"
        figure = draw(fit)
        with style.look():
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        print(out.name, out.stat().st_size // 1024, "KiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
