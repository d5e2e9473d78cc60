"""Figures as data that a page carries in itself, and the page on paper through a browser, where one is found."""

import base64
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from labelvalue import names
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import StorageError, input_error
from labelvalue.report.numbers.numbers import draw_changes
from labelvalue.report.numbers.tables import LOWER, UPPER
from labelvalue.report.plots import style
from labelvalue.report.plots.analysis import plot_diagnostics, varying
from labelvalue.report.plots.curves import curve_table, draw_curves
from labelvalue.report.plots.first_page import (
    DELIVERED,
    FORECASTS,
    PROMISED,
    SPENDING,
    draw_growth,
    draw_over_time,
    draw_projects,
    draw_purchase,
    draw_worth,
    purchase_rows,
)
from labelvalue.report.plots.gains import draw_gains, draw_impacts, gain_table, impact_table
from labelvalue.report.plots.plan import draw_frontiers, draw_money, draw_tornado
from labelvalue.storage import write_whole

PANELS, ROWS = 16, 50
"""Panels and forest rows in one picture; more go into further pictures, so that paper can hold them."""
MOST_DRAWN = 48  # slices whose curves and gains are drawn on a page; nobody looks through hundreds of panels
SHARP = 40  # curves up to which pictures are drawn as vectors; more would make the page heavy
DPI = 120
PACKED = 8  # of 9; the last makes a page a thirtieth smaller and takes three times as long
COLOURS = 64  # palette of a picture; the figures have a dozen colours and their blends at edges


def embed(figure: Figure, alt: str, *, sharp: bool = True) -> dict[str, Any]:
    """Turn a figure into an image that lies in the page."""
    with style.look():
        data = _vectors(figure) if sharp else _pixels(figure)
    kind = "svg+xml" if sharp else "png"
    text = base64.b64encode(data).decode("ascii")
    width, height = figure.get_size_inches() * 96
    return {
        "src": f"data:image/{kind};base64,{text}",
        "alt": alt,
        "width": round(width),
        "height": round(height),
    }


def _vectors(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    return _shorter(content.getvalue())


def _shorter(svg: bytes) -> bytes:
    """The same drawing with coordinates to a hundredth of a point and no indentation; glyphs' transforms stay."""

    def rounded(found: re.Match[bytes]) -> bytes:
        return re.sub(rb"(\.\d\d)\d+", rb"\1", found[0])

    return re.sub(rb"\n\s+", b"\n", re.sub(rb'\s(?:d|x|y)="[^"]*"', rounded, svg))


def _pixels(figure: Figure) -> bytes:
    """The figure with a palette, that of every second pixel: a third of the bytes, and no difference to see."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    palette = image.resize((image.width // 2, image.height // 2), Image.Resampling.NEAREST).quantize(COLOURS)
    drawn = image.quantize(palette=palette, dither=Image.Dither.NONE)
    colours, ground = drawn.getpalette() or [], 3 * int(np.asarray(drawn)[0, 0])
    colours[ground : ground + 3] = np.asarray(image)[0, 0].tolist()  # that of the page, no mean of pale colours
    drawn.putpalette(colours)
    content = io.BytesIO()
    drawn.save(content, format="png", compress_level=PACKED)
    return content.getvalue()


def first_images(numbers: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Draw what a page opens with: what is bought and brings, and what the money or the labels bring."""
    found, plan, height = purchase_rows(numbers), numbers[names.PLAN], 0.0
    if found["rows"]:
        named = ", ".join(row[names.SLICE] for row in found["rows"])
        what = "Labels to buy, error today and gain" if found[names.BUDGET] is None else "Error today and gain"
        figure = draw_purchase(found)
        height = float(figure.get_size_inches()[1])
        yield embed(figure, f"{what}, with intervals, of the slices {named}.")
    if plan is not None:
        alt = "Net benefit against money spent, with the plan marked; the section on money has the numbers."
        yield embed(draw_worth(plan, beside=height), alt)
    elif found["rows"]:
        said = numbers["decision"]["by_learner"][0]
        own = [row for row in numbers[names.GAIN] if row[names.SLICE] == said[names.SLICE]]
        own = [row for row in own if row.get(names.LEARNER) == said[names.LEARNER] and row[names.BUDGET]]
        title = f"Gain in {said[names.SLICE]}"
        alt = f"{title} against the labels bought for it, with intervals."
        yield embed(draw_growth(own, title, beside=height), alt)


def over_time_images(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Draw the batches of a project: how forecasts did, where there were any, and what was spent and advised."""
    forecast = [FORECASTS] if any(row["forecast"] for row in rows) else []
    for panels in [*forecast, SPENDING] if len(rows) > 1 else []:
        alt = f"{'; '.join(panel.title for panel in panels)}: of {len(rows)} batches; the table below has the numbers."
        yield embed(draw_over_time(rows, of=panels), alt.replace(" ({unit})", ""))


def project_images(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Draw the gains that projects were promised and that came, the largest shortfall first; none where none came."""
    come = [row for row in rows if row[PROMISED] is not None and row[DELIVERED] is not None]
    come.sort(key=lambda row: row[DELIVERED] - row[PROMISED])
    for part in batched(come, ROWS):
        named = ", ".join(row["project"] for row in part)
        alt = f"Gain promised and delivered of the projects {named}; the table below has the numbers."
        yield embed(draw_projects(part), alt)


def drawn_slices(gain: xr.DataArray, plan: Mapping[str, Any] | None) -> list[str]:
    """Slices whose panels are drawn, by name: those that most is bought for, then those that would gain most."""
    farthest = gain.isel({names.BUDGET: -1})
    mean = farthest.mean([dim for dim in farthest.dims if dim != names.SLICE]).to_series()
    bought = {row[names.SLICE]: row[names.LABELS] for row in plan["planned"]} if plan else {}
    order = sorted(mean.index.astype(str), key=lambda name: (-bought.get(name, 0), -mean[name]))
    return sorted(order[:MOST_DRAWN])


def curve_images(
    fit: Fit,
    slices: list[str],
    budgets: list[int],
    ci_probs: tuple[float, float],
    plan: Mapping[str, Any] | None = None,
    *,
    sharp: bool,
) -> Iterator[dict[str, Any]]:
    """Draw the learning curves of slices, some panels a picture."""
    learners = fit.position.sizes.get(names.LEARNER, 1)
    step = max(PANELS // learners, 1)
    learner = None if plan is None else plan[names.LEARNER]
    bought_for = plan["planned"] if plan and isinstance(learner, str) else []  # a portfolio's error is on no one curve
    planned = {row[names.SLICE]: row for row in bought_for}
    bought = {name: row[names.LABELS] for name, row in planned.items()}
    for chosen in batched(slices, step):
        table = curve_table(fit, chosen, np.asarray(budgets), ci_probs, bought)
        alt = f"Learning curves with credible bands and observed runs of the slices {', '.join(chosen)}."
        yield embed(draw_curves(fit, table, foot="", planned=planned, learner=learner), alt, sharp=sharp)


def gain_images(
    fit: Fit, gain: xr.DataArray, ci_probs: tuple[float, float], *, sharp: bool
) -> Iterator[dict[str, Any]]:
    """Draw gain against budget for the slices that it has, on one scale."""
    table = gain_table(gain, ci_probs)
    table.attrs["scale"] = (float(table[LOWER].min()), float(table[UPPER].max()))
    learners = fit.position.sizes.get(names.LEARNER, 1)
    slices = list(dict.fromkeys(table[names.SLICE]))
    step = max((ROWS if gain.sizes[names.BUDGET] == 1 else PANELS) // learners, 1)
    for chosen in batched(slices, step):
        part = table[table[names.SLICE].isin(chosen)]
        part.attrs = table.attrs
        alt = f"Gain against budget with credible bands of the slices {', '.join(chosen)}."
        yield embed(draw_gains(part, foot=""), alt, sharp=sharp)


def impact_images(fit: Fit, ci_probs: tuple[float, float], *, sharp: bool) -> Iterator[dict[str, Any]]:
    """Draw the forest of impacts, some rows a picture, on one scale."""
    table = impact_table(fit, ci_probs)
    scale = (float(table[LOWER].min()), float(table[UPPER].max()))
    for start in range(0, len(table), ROWS):
        part = table.iloc[start : start + ROWS]
        part.attrs = table.attrs
        named = ", ".join(dict.fromkeys(part[names.SLICE].astype(str)))
        alt = f"Impact per 1,000 labels with credible intervals, largest first, of the slices {named}."
        yield embed(draw_impacts(part, foot="", scale=scale), alt, sharp=sharp)


def rank_image(fit: Fit, *, sharp: bool = False) -> dict[str, Any] | None:
    """Draw rank plots of the group-level parameters, where enough draws vary."""
    import matplotlib.pyplot as plt

    shown = varying(fit)
    if fit.posterior.sizes[names.CHAIN] < 2 or fit.posterior.sizes[names.DRAW] < 20 or not shown:
        return None
    figure = plot_diagnostics(fit, "rank", var_names=shown).viz["figure"].item()
    image = embed(figure, f"Rank plots of {', '.join(shown)}, one line a chain.", sharp=sharp)
    plt.close(figure)
    return image


def plan_images(numbers: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Draw what a decision is worth and hangs on, and why it changed; the tables below each have the numbers."""
    plan, explained = numbers[names.PLAN], numbers["explained"]
    below = "the table below has the numbers."
    drawn = {
        "money": (draw_money(plan), f"Net benefit against labels bought, and gain in mean error against cost; {below}"),
        "tornado": (
            draw_tornado(plan["sensitivity"], plan[names.NET_BENEFIT]["mean"], plan[names.UNIT]),
            f"Expected net benefit at the low and high end of each input and setting; {below}",
        ),
    }
    if explained is not None:
        figure = draw_changes(pd.DataFrame(explained["rows"]), explained[names.BUDGET])
        drawn["changes"] = figure, f"What {', '.join(explained['steps'])} changed, step by step; {below}"
    if plan["frontiers"]:
        of = ", ".join(entry[names.SLICE] for entry in plan["frontiers"])
        figure = draw_frontiers(plan["frontiers"], "", foot=False)
        drawn["frontiers"] = figure, f"Expected gain over items and votes of the slices {of}; {below}"
    return {name: [embed(figure, alt)] for name, (figure, alt) in drawn.items()}


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120.0  # seconds after which a browser that has not printed is stopped


def find_browser() -> str:
    """Return the path of a browser that prints, or say how to get by without one."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        why = f"needs a browser to print with, and none of {', '.join(BROWSERS)} is on PATH"
        fix = "install one of them, or leave --pdf out, open the page in any browser and print it to a file"
        raise input_error(why, fix, column="--pdf")
    return found


def print_page(page: Path, to: str | os.PathLike[str]) -> None:
    """Print a page that lies on disk to a PDF: what is open on it, which is the first page alone."""
    browser = find_browser()
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "page.pdf"
        command = [browser, "--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"]
        command += [f"--user-data-dir={place}/profile", f"--print-to-pdf={made}", page.resolve().as_uri()]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # a browser refuses to have one where root starts it
        try:
            told = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, text=True).stderr
        except subprocess.TimeoutExpired:
            told = f"it was stopped after {PATIENCE:g} seconds"
        if not made.is_file():
            why = told.strip().splitlines()[-1:] or ["it said nothing"]
            raise StorageError(
                f"{to}: {browser} did not print the page ({why[0]}). Fix: open {page} in a browser and print it there."
            )
        write_whole(Path(to), made.read_bytes())
