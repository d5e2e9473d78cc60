"""Text in figures: literal, measured and broken into lines, so that nothing is cut or read as mathematics."""

from __future__ import annotations

from functools import cache

from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from labelvalue.printing import is_hidden
from labelvalue.report import style


@cache
def _drawable() -> frozenset[int]:
    """Code points that one of the families can draw."""
    fonts = (font_manager.get_font(font_manager.findfont(FontProperties(family=f))) for f in style.families())
    return frozenset().union(*(font.get_charmap() for font in fonts))


def literal(text: str) -> str:
    r"""Return a text as a figure can show it: nothing is dropped, what no font has is spelt out.

    Parameters
    ----------
    text : str
        A name given by the user.

    Returns
    -------
    str
        One line; control characters, direction marks and characters without a glyph as ``\u…`` escapes.

    Examples
    --------
    >>> literal("_a$b\n")
    '_a$b\\n'
    """

    def shown(character: str) -> str:
        if not is_hidden(character) and ord(character) in _drawable():
            return character
        return character.encode("unicode_escape").decode()

    return "".join(shown(c) for c in str(text))


@cache
def _width(character: str, weight: str) -> float:
    """Width at font size 1, in points."""
    with style.look():
        font = FontProperties(size=100, weight=weight)
        return text_to_path.get_text_width_height_descent(character, font, False)[0] / 100


def wrap(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """Break a text into lines of a width, at spaces where there are any; nothing is left out.

    Parameters
    ----------
    text : str
        Any text; shown literally.
    width : float
        Inches.
    size : float
        Font size in points.
    weight : {"normal", "bold"}
        Font weight.

    Returns
    -------
    list of str
        At least one line.

    Examples
    --------
    >>> wrap("one two", width=0.4, size=10)
    ['one', 'two']
    """
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
    """Width of one line of text.

    Parameters
    ----------
    text : str
        As :func:`wrap` returned it.
    size : float
        Font size in points.

    Returns
    -------
    float
        Inches.

    Examples
    --------
    >>> text_width("ab", 10) > text_width("a", 10)
    True
    """
    return 1.04 * sum(_width(c, "normal") for c in text) * size / 72


def lines_high(lines: int, size: float) -> float:
    """Height of lines of text.

    Parameters
    ----------
    lines : int
        How many.
    size : float
        Font size in points.

    Returns
    -------
    float
        Inches.

    Examples
    --------
    >>> lines_high(2, 10) > lines_high(1, 10)
    True
    """
    return lines * size * 1.28 / 72
