"""The one door through which anything is printed: what would act on a terminal, or cannot be seen, is written out."""

from __future__ import annotations

import json
import re
import sys
import textwrap
import unicodedata

WIDTH = 80
"""Columns of a terminal that are written."""
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that act on what shows them, or are not seen."""
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
"""Letters and marks that are not seen either."""
_JOINERS = re.compile("(?<=[^\x00-\x7f])[\u200c\u200d]")
"""What joins or parts letters of scripts such as Persian, and emoji; after a Latin letter it does nothing."""


def is_hidden(character: str) -> bool:
    """Say whether a character acts on a terminal or cannot be seen: controls, direction marks, widths of zero.

    Parameters
    ----------
    character : str
        One.

    Returns
    -------
    bool

    Examples
    --------
    >>> [is_hidden(c) for c in ("a", "é", " ", chr(27), chr(0x202E), chr(0x200B))]
    [False, False, False, True, True, True]
    """
    return unicodedata.category(character) in _HIDDEN or character in _BLANK


def visible(text: object, *, keep: str = "") -> str:
    r"""Return a text whose hidden characters are written out, so that it is one line and says what it holds.

    Parameters
    ----------
    text : object
        Any text; given by somebody else as a rule.
    keep : str
        Characters that stay nevertheless, such as the line end where a text may have several.

    Returns
    -------
    str
        The same with escapes for control characters, direction marks and what has no width.

    Examples
    --------
    >>> visible("a" + chr(27) + "[2J" + chr(10) + "b" + chr(0x200B))
    'a\\x1b[2J\\nb\\u200b'
    """
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    joined = {found.start() for found in _JOINERS.finditer(text)}
    return "".join(
        c.encode("unicode_escape").decode() if is_hidden(c) and c not in keep and at not in joined else c
        for at, c in enumerate(text)
    )


def wrapped(text: str, indent: str = "  ") -> str:
    """Break a line where a terminal would; later lines are indented.

    Parameters
    ----------
    text : str
        One line.
    indent : str
        Before its second line and those after.

    Returns
    -------
    str
        Lines of at most 80 characters, but for words that are longer.

    Examples
    --------
    >>> max(map(len, wrapped("word " * 40).splitlines())) <= 80
    True
    """
    text = visible(text)
    made = textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(made) or text


def say(*lines: object, err: bool = False) -> None:
    r"""Print lines; each stays one, whatever it holds.

    Parameters
    ----------
    *lines : object
        Texts.
    err : bool
        On stderr.

    Examples
    --------
    >>> say("runs of a" + chr(10) + "b", "are read")
    runs of a\nb
    are read
    """
    stream = sys.stderr if err else sys.stdout
    text = "".join(f"{visible(line)}\n" for line in lines)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def as_json(document: object, *, indent: int | None = 2) -> str:
    r"""Write JSON in which hidden characters are escapes; numbers that JSON cannot hold are an error.

    Parameters
    ----------
    document : object
        What to write; what JSON does not know is written as text.
    indent : int, optional
        Blanks a level; ``None`` for one line.

    Returns
    -------
    str
        JSON.

    Raises
    ------
    ValueError
        If a number is not finite.

    Examples
    --------
    >>> as_json([chr(27) + "é" + chr(0x9B) + chr(0x1F600) + chr(0xE0001)], indent=None)
    '["\\u001bé\\u009b😀\\udb40\\udc01"]'
    """
    text = json.dumps(document, ensure_ascii=False, indent=indent, allow_nan=False, default=str)
    return "".join(json.dumps(c)[1:-1] if is_hidden(c) and c != "\n" else c for c in text)
