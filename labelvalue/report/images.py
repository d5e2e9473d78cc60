"""Figures as data that a page carries in itself."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from labelvalue import names
from labelvalue.model import Fit
from labelvalue.report import style
from labelvalue.report.curves import draw_curves
from labelvalue.report.gains import draw_gains, gain_table
from labelvalue.report.impacts import draw_impacts, impact_table
from labelvalue.report.tables import LOWER, UPPER
from labelvalue.report.trajectories import curve_table

PANELS, ROWS = 16, 50
"""Panels and forest rows in one picture; more go into further pictures, so that paper can hold them."""
SHARP = 40
"""Curves up to which pictures are drawn as vectors; more would make the page heavy."""
DPI = 120
COLOURS = 64
"""Palette of a picture; the figures have a dozen colours and their blends at edges."""


def embed(figure: Figure, alt: str, *, sharp: bool) -> dict[str, Any]:
    """Turn a figure into an image that lies in the page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Figure.
    alt : str
        What it shows, for those who do not see it.
    sharp : bool
        Vectors (SVG) if true, pixels (PNG) otherwise.

    Returns
    -------
    dict
        ``src`` (a data URI), ``alt``, ``width`` and ``height`` in CSS pixels. The same figure gives the same
        bytes.

    Examples
    --------
    >>> embed(style.Picture(figsize=(1, 1)), "empty", sharp=True)["src"][:26]
    'data:image/svg+xml;base64,'
    """
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
    """The same drawing with coordinates to a hundredth of a point, and without indentation.

    Transforms keep their digits: glyphs are scaled by hundredths.
    """

    def rounded(found: re.Match[bytes]) -> bytes:
        return re.sub(rb"(\.\d\d)\d+", rb"\1", found[0])

    return re.sub(rb"\n\s+", b"\n", re.sub(rb'\s(?:d|x|y)="[^"]*"', rounded, svg))


def _pixels(figure: Figure) -> bytes:
    """The figure with a palette of its own: a third of the bytes, and no difference to see.

    The palette is that of every second pixel in both directions, which finds it in a seventh of the time.
    """
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
    drawn.save(content, format="png", optimize=True)
    return content.getvalue()


def curve_images(
    fit: Fit,
    budgets: list[int],
    ci_probs: tuple[float, float],
    plan: Mapping[str, Any] | None = None,
    *,
    sharp: bool,
) -> Iterator[dict[str, Any]]:
    """Draw the learning curves of all slices, some panels a picture.

    Parameters
    ----------
    fit : Fit
        Fit.
    budgets : list of int
        Budgets to mark.
    ci_probs : tuple of two floats
        Probabilities of the bands.
    plan : mapping, optional
        From :func:`labelvalue.report.planning.decision_numbers`; where each slice stands after it is marked.
    sharp : bool
        Vectors or pixels.

    Yields
    ------
    dict
        From :func:`embed`.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> len(list(curve_images(fake_fit(seed=1), [500], (0.5, 0.9), sharp=True)))
    1
    """
    learners = fit.position.sizes.get(names.LEARNER, 1)
    slices = sorted(fit.slices.astype(str).tolist())
    step = max(PANELS // learners, 1)
    planned = {} if plan is None else {row[names.SLICE]: row for row in plan["planned"]}
    learner = None if plan is None else plan[names.LEARNER]
    for start in range(0, len(slices), step):
        chosen = slices[start : start + step]
        bought = {name: row[names.LABELS] for name, row in planned.items()}
        table = curve_table(fit, chosen, np.asarray(budgets), ci_probs, bought)
        alt = f"Learning curves with credible bands and observed runs of the slices {', '.join(chosen)}."
        yield embed(draw_curves(fit, table, foot="", planned=planned, learner=learner), alt, sharp=sharp)


def gain_images(
    fit: Fit, gain: xr.DataArray, ci_probs: tuple[float, float], *, sharp: bool
) -> Iterator[dict[str, Any]]:
    """Draw gain against budget for all slices, on one scale.

    Parameters
    ----------
    fit : Fit
        Fit.
    gain : xarray.DataArray
        Draws from ``predict_gain``.
    ci_probs : tuple of two floats
        Probabilities of the bands.
    sharp : bool
        Vectors or pixels.

    Yields
    ------
    dict
        From :func:`embed`.

    Examples
    --------
    >>> from labelvalue.forecast import predict_gain
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> len(list(gain_images(fit, predict_gain(fit, [500]), (0.5, 0.9), sharp=True)))
    1
    """
    table = gain_table(gain, ci_probs)
    table.attrs["scale"] = (float(table[LOWER].min()), float(table[UPPER].max()))
    learners = fit.position.sizes.get(names.LEARNER, 1)
    slices = list(dict.fromkeys(table[names.SLICE]))
    step = max((ROWS if gain.sizes[names.BUDGET] == 1 else PANELS) // learners, 1)
    for start in range(0, len(slices), step):
        chosen = slices[start : start + step]
        part = table[table[names.SLICE].isin(chosen)]
        part.attrs = table.attrs
        alt = f"Gain against budget with credible bands of the slices {', '.join(chosen)}."
        yield embed(draw_gains(part, foot=""), alt, sharp=sharp)


def impact_images(fit: Fit, ci_probs: tuple[float, float], *, sharp: bool) -> Iterator[dict[str, Any]]:
    """Draw the forest of impacts, some rows a picture, on one scale.

    Parameters
    ----------
    fit : Fit
        Fit.
    ci_probs : tuple of two floats
        Probabilities of the intervals.
    sharp : bool
        Vectors or pixels.

    Yields
    ------
    dict
        From :func:`embed`.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> len(list(impact_images(fake_fit(seed=1), (0.5, 0.9), sharp=True)))
    1
    """
    table = impact_table(fit, ci_probs)
    scale = (float(table[LOWER].min()), float(table[UPPER].max()))
    for start in range(0, len(table), ROWS):
        part = table.iloc[start : start + ROWS]
        part.attrs = table.attrs
        named = ", ".join(dict.fromkeys(part[names.SLICE].astype(str)))
        alt = f"Impact per 1,000 labels with credible intervals, largest first, of the slices {named}."
        yield embed(draw_impacts(part, foot="", scale=scale), alt, sharp=sharp)


def rank_image(fit: Fit, *, sharp: bool = False) -> dict[str, Any] | None:
    """Draw rank plots of the group-level parameters with arviz-plots.

    Parameters
    ----------
    fit : Fit
        Fit.
    sharp : bool
        Vectors or pixels.

    Returns
    -------
    dict or None
        From :func:`embed`; ``None`` where no group-level parameter has finite draws that vary.

    References
    ----------
    Säilynoja et al. (2022), "Graphical test for discrete uniformity", Statistics and Computing 32.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> rank_image(fake_fit(seed=1))["src"][:21]
    'data:image/png;base64'
    """
    import arviz_plots as azp
    import matplotlib.pyplot as plt

    posterior = fit.posterior
    if posterior.sizes[names.CHAIN] < 2 or posterior.sizes[names.DRAW] < 20:
        return None
    shown = [str(n) for n, v in posterior.data_vars.items() if v.ndim == 2 and _moves(v)]
    if not shown:
        return None
    rows = -(-len(shown) // 4)
    with style.look():
        drawn = azp.plot_rank(
            fit.tree,
            var_names=shown,
            backend="matplotlib",
            visuals={"xlabel": False},
            figure_kwargs={"figsize": (style.WIDTH, 0.4 + 1.35 * rows), "layout": "constrained"},
            col_wrap=4,
        )
        figure = drawn.viz["figure"].item()
        image = embed(figure, f"Rank plots of {', '.join(shown)}, one line a chain.", sharp=sharp)
        plt.close(figure)
    return image


def _moves(values: xr.DataArray) -> bool:
    numbers = values.values
    return bool(np.isfinite(numbers).all() and (np.ptp(numbers, axis=1) > 0).all())
