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
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

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

TITLE, TEXT, SMALL = 9.5, 8.5, 7.5
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


def paper(rows: int, backend: str = "matplotlib") -> dict[str, Any]:
    """Size a figure of ArviZ's so that titles and axes of neighbours keep apart."""
    return {"figsize": (WIDTH, 0.4 + 1.6 * rows), "layout": "constrained"} if backend == "matplotlib" else {}


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
