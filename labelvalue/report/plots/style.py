"""One look for all figures: colours, sizes, fonts, grids of small panels with one legend and one caption."""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from labelvalue.numerals import readable
from labelvalue.printing import is_hidden

INK, QUIET, GRID = "#1b2733", "#5a6672", "#d9dee3"
PALE = "#87919b"
"""What is shown and not counted: 3 to 1 on white, the least that a mark may have."""
LINE, INNER, OUTER = "#0b4f79", "#7db0d5", "#cfe2f0"
"""Mean, 50 % and 90 % band: one blue in three weights, told apart in grey as well."""
ACCENTS = ("#0b4f79", "#b0480a", "#2f6b3a", "#6d3b8f", "#5a4a00")
MARKERS = ("o", "s", "D", "^", "v")
"""Learners differ in colour and in marker, so that neither carries the meaning alone."""
FAR_LIGHT, FAR_DEEP, HATCH = "#f2f3f5", "#e2e5e9", "#b9c0c7"

TITLE, TEXT = 9.5, 8.5  # points; the smallest letters of a page are 11 pixels, 8.25 points, high
WIDTH = 10.4  # width of a figure in inches: the text width of the report

_FALLBACKS = (
    "Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai",
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Arial Unicode MS", "Hiragino Sans GB",
    "Microsoft YaHei", "Malgun Gothic", "WenQuanYi Zen Hei",
)  # fmt: skip


class Picture(Figure):
    """A figure that shows itself in a notebook, without pyplot and its global state."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=110)
        return content.getvalue()


def paper(rows: int) -> dict[str, Any]:
    """Size a figure of ArviZ's so that titles and axes of neighbours keep apart."""
    return {"figsize": (WIDTH, 0.4 + 1.6 * rows), "layout": "constrained"}


@contextmanager
def look() -> Iterator[None]:
    """Draw with this look, whatever the user's own matplotlib settings, and leave those alone."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "font.family": list(families()),
                "font.size": TEXT,
                "text.color": INK,
                "text.parse_math": False,
                "axes.edgecolor": QUIET,
                "axes.labelcolor": INK,
                "axes.linewidth": 0.7,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
                "xtick.color": QUIET,
                "ytick.color": QUIET,
                "xtick.labelcolor": INK,
                "ytick.labelcolor": INK,
                "xtick.labelsize": TEXT,
                "ytick.labelsize": TEXT,
                "hatch.linewidth": 0.5,
                "hatch.color": HATCH,
                "svg.hashsalt": "labelvalue",
            }
        )
        yield
        interactive = mpl.is_interactive()
    mpl.interactive(interactive)  # pyplot, first used in here, lets a notebook show figures: that is not undone


@cache
def families() -> tuple[str, ...]:
    """Font families to use, in order: matplotlib's own, then what this machine has for other scripts."""
    installed = set(font_manager.fontManager.get_font_names())
    return ("DejaVu Sans", *(f for f in _FALLBACKS if f in installed))


@cache
def _drawable() -> frozenset[int]:
    """Code points that one of the families can draw."""
    fonts = (font_manager.get_font(font_manager.findfont(FontProperties(family=f))) for f in families())
    return frozenset().union(*(font.get_charmap() for font in fonts))


def literal(text: str) -> str:
    r"""Return a text as a figure can show it: nothing is dropped, what no font has is spelt out."""

    def shown(character: str) -> str:
        if not is_hidden(character) and ord(character) in _drawable():
            return character
        return character.encode("unicode_escape").decode()

    return "".join(shown(c) for c in str(text))


@cache
def _width(character: str, weight: str) -> float:
    """Width at font size 1, in points."""
    with look():
        font = FontProperties(size=100, weight=weight)
        return text_to_path.get_text_width_height_descent(character, font, False)[0] / 100


def wrap(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """Break a text into lines of a width, at spaces where there are any; nothing is left out."""
    room = 72 * width / size / 1.04
    lines, line, used = [], "", 0.0
    for character in literal(text):
        step = _width(character, weight)
        if line and used + step > room:
            head, space, tail = line.rpartition(" ")
            if space and len(tail) < 24:
                lines.append(head)
                line = tail
            else:
                lines.append(line)
                line = ""
            used = sum(_width(c, weight) for c in line)
        line, used = line + character, used + step
    return [*lines, line]


def text_width(text: str, size: float) -> float:
    """Width of one line of text."""
    return 1.04 * sum(_width(c, "normal") for c in text) * size / 72


def lines_high(lines: int, size: float) -> float:
    """Height of lines of text."""
    return lines * size * 1.28 / 72


def row_axis(texts: Sequence[str], *, right: float, legend: float, bottom: float) -> tuple[Figure, Axes, list[float]]:
    """Lay out a row a text, written out on the left, first on top; the axis, and the height of each row's middle."""
    width = 9.4
    wrapped = [wrap(text, 2.9, TEXT) for text in texts]
    left = 0.3 + max((text_width(line, TEXT) for lines in wrapped for line in lines), default=1.0)
    heights = [max(0.26, lines_high(len(lines), TEXT) + 0.08) for lines in wrapped]
    body = sum(heights) + 0.1
    total = legend + body + bottom
    figure = Picture(figsize=(width, total))
    ax = figure.add_axes((left / width, bottom / total, (width - left - right) / width, body / total))
    at = [0.05 + sum(heights[:i]) + 0.5 * high for i, high in enumerate(heights)]
    ax.set_ylim(body, 0)
    ax.set_yticks(at, ["\n".join(lines) for lines in wrapped], size=TEXT)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=GRID, lw=0.6)
    return figure, ax, at


def interval_entries(probs: tuple[float, float], kind: str = "credible") -> list[Patch]:
    """Entries of a legend for the inner and the outer band."""
    bands = zip((INNER, OUTER), probs, strict=True)
    return [Patch(color=colour, label=f"{100 * prob:g} % {kind} interval") for colour, prob in bands]


def panels(
    titles: Sequence[str],
    *,
    foot: str,
    x_label: str,
    y_label: str,
    handles: Sequence[Any],
    together: int = 1,
    height: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """Lay out one small panel a title, legend above and caption below; a row grows with its titles."""
    columns = _columns(len(titles), together)
    width = 7.0 if len(titles) == 1 else WIDTH
    height = height or (1.55 if columns > 2 else 2.1)
    left, right, gap = 0.72, 0.15, 0.55
    panel = (width - left - right - gap * (columns - 1)) / columns
    wrapped = [wrap(t, panel, TITLE, "bold") for t in titles]
    rows = [wrapped[i : i + columns] for i in range(0, len(wrapped), columns)]
    heads = [lines_high(max(map(len, row)), TITLE) + 0.1 for row in rows]
    legend_rows = math.ceil(len(handles) / (3 if width < 9 else 4))
    legend = 0.12 + lines_high(legend_rows, TEXT) * 1.3 if handles else 0.05
    caption = wrap(foot, width - 0.4, TEXT) if foot else []
    bottom = 0.36 + lines_high(1, TEXT) + (lines_high(len(caption), TEXT) + 0.12 if caption else 0)
    between = 0.34
    total = legend + sum(heads) + len(rows) * height + (len(rows) - 1) * between + bottom
    figure = Picture(figsize=(width, total))
    axes = []
    top = total - legend
    for row, head in zip(rows, heads, strict=True):
        top -= head
        for i, lines in enumerate(row):
            x = left + i * (panel + gap)
            ax = figure.add_axes((x / width, (top - height) / total, panel / width, height / total))
            ax.text(
                0,
                1 + 0.07 / height,
                "\n".join(lines),
                transform=ax.transAxes,
                size=TITLE,
                weight="bold",
                va="bottom",
            )
            axes.append(ax)
        top -= height + between
    if handles:
        figure.legend(
            handles=list(handles),
            ncols=3 if width < 9 else 4,
            frameon=False,
            fontsize=TEXT,
            loc="upper left",
            bbox_to_anchor=(left / width, 1.0),
            borderaxespad=0.3,
        )
    middle = (total - legend - 0.5 * (total - legend - bottom)) / total
    figure.text(0.14 / width, middle, y_label, rotation=90, va="center", ha="left", size=TEXT)
    low = bottom - 0.3
    figure.text(0.5 + 0.3 * left / width, low / total, x_label, va="top", ha="center", size=TEXT)
    if caption:
        text = "\n".join(caption)
        figure.text(0.2 / width, 0.06 / total, text, va="bottom", size=TEXT, color=QUIET)
    return figure, axes


def _columns(panel_count: int, together: int) -> int:
    """Columns of a grid: at most four, without a nearly empty last row, learners of a slice side by side."""
    if together == 3:
        return min(panel_count, 3)
    if panel_count in (2, 4) and together == 1:
        return 2
    if panel_count in (5, 6, 9) and together == 1:
        return 3
    return min(max(panel_count, 1), 4)


def count(value: float, _position: object = None) -> str:
    """Write a number of labels short: ``800``, ``2k``, ``1.5M``."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{readable(value / unit)}{name}"
    return readable(value)


def plain(value: float, _position: object = None) -> str:
    """Write a number to three figures, never with a power of ten."""
    return readable(value, 3)


def money(value: float, _position: object = None) -> str:
    """Write an amount of money short, with a true minus sign."""
    return ("\N{MINUS SIGN}" if value < 0 else "") + count(abs(value))


def log_axis(ax: Axes, which: str, low: float, high: float, *, ticks: int, labels: bool) -> None:
    """Make an axis logarithmic, with a few round ticks inside its range."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    (ax.set_xlim if which == "x" else ax.set_ylim)(low, high)
    decades = np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    at = np.zeros(0)
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        every = np.array([s * 10.0**d for d in decades for s in steps])
        at = every[(every >= low) & (every <= high)]
        if at.size <= ticks:
            break
    if at.size > ticks:
        at = at[:: math.ceil(at.size / ticks)]
    if at.size < 2:
        at = np.array([float(f"{v:.2g}") for v in np.geomspace(low, high, 5)[1::2]])
    axis.set_major_locator(FixedLocator(list(at)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(count if labels else plain))


def linear_axis(ax: Axes, which: str, *, ticks: int) -> None:
    """Give a linear axis a few ticks in plain numbers."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(MaxNLocator(nbins=ticks, steps=[1, 2, 2.5, 5, 10], min_n_ticks=2))
    axis.set_major_formatter(FuncFormatter(plain))
