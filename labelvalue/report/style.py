"""One look for all figures: colours, sizes, fonts, and figures that pyplot does not know."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.figure import Figure

INK, QUIET, GRID = "#1b2733", "#5a6672", "#d9dee3"
PALE = "#87919b"
"""What is shown and not counted: 3 to 1 on white, the least that a mark may have."""
LINE, INNER, OUTER = "#0b4f79", "#7db0d5", "#cfe2f0"
"""Mean, 50 % and 90 % band: one blue in three weights, told apart in grey as well."""
ACCENTS = ("#0b4f79", "#b0480a", "#2f6b3a", "#6d3b8f", "#5a4a00")
MARKERS = ("o", "s", "D", "^", "v")
"""Learners differ in colour and in marker, so that neither carries the meaning alone."""
FAR_LIGHT, FAR_DEEP, HATCH = "#f2f3f5", "#e2e5e9", "#b9c0c7"

TITLE, TEXT, SMALL = 9.5, 8.5, 7.5
WIDTH = 10.4
"""Width of a figure in inches: the text width of the report."""

_FALLBACKS = (
    "Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai",
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Arial Unicode MS", "Hiragino Sans GB",
    "Microsoft YaHei", "Malgun Gothic", "WenQuanYi Zen Hei",
)  # fmt: skip


class Picture(Figure):
    """A figure that shows itself in a notebook, without pyplot and its global state.

    Examples
    --------
    >>> Picture(figsize=(1, 1))._repr_png_()[1:4]
    b'PNG'
    """

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=110)
        return content.getvalue()


def paper(rows: int, backend: str = "matplotlib") -> dict[str, Any]:
    """Size a figure of ArviZ's so that titles and axes of neighbours keep apart.

    Parameters
    ----------
    rows : int
        Rows of panels.
    backend : str
        What draws; any but matplotlib finds its size itself.

    Returns
    -------
    dict
        ``figure_kwargs``.

    Examples
    --------
    >>> paper(2)["layout"], paper(2, "plotly")
    ('constrained', {})
    """
    return {"figsize": (WIDTH, 0.4 + 1.6 * rows), "layout": "constrained"} if backend == "matplotlib" else {}


@contextmanager
def look() -> Iterator[None]:
    """Draw with this look, whatever the user's own matplotlib settings, and leave those alone.

    Examples
    --------
    >>> with look():
    ...     figure = Picture()
    """
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
                "xtick.labelsize": SMALL,
                "ytick.labelsize": SMALL,
                "hatch.linewidth": 0.5,
                "hatch.color": HATCH,
                "svg.hashsalt": "labelvalue",
            }
        )
        yield


@cache
def families() -> tuple[str, ...]:
    """Font families to use, in order: matplotlib's own, then what this machine has for other scripts.

    Returns
    -------
    tuple of str
        Families that are installed.

    Examples
    --------
    >>> families()[0]
    'DejaVu Sans'
    """
    installed = set(font_manager.fontManager.get_font_names())
    return ("DejaVu Sans", *(f for f in _FALLBACKS if f in installed))
