"""The one door through which anything is printed: what would act on a terminal, or cannot be seen, is written out."""

import contextlib
import importlib
import json
import operator
import re
import sys
import textwrap
import threading
import time
import types
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

WIDTH = 80  # columns of a terminal that are written
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # categories of characters that act on what shows them, or are not seen
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # letters and marks that are not seen either
_JOINERS = re.compile("(?<=[^\x00-\x7f])[\u200c\u200d]")
"""What joins or parts letters of scripts such as Persian, and emoji; after a Latin letter it does nothing."""


def is_hidden(character: str) -> bool:
    """Say whether a character acts on a terminal or cannot be seen: controls, direction marks, widths of zero."""
    return unicodedata.category(character) in _HIDDEN or character in _BLANK


def visible(text: object, *, keep: str = "") -> str:
    r"""Return a text whose hidden characters are written out, so that it is one line and says what it holds."""
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    joined = {found.start() for found in _JOINERS.finditer(text)}
    return "".join(
        c.encode("unicode_escape").decode() if is_hidden(c) and c not in keep and at not in joined else c
        for at, c in enumerate(text)
    )


def wrapped(text: str, indent: str = "  ") -> str:
    """Break a line where a terminal would; later lines are indented."""
    text = visible(text)
    made = textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(made) or text


def say(*lines: object, err: bool = False) -> None:
    r"""Print lines; each stays one, whatever it holds."""
    stream = sys.stderr if err else sys.stdout
    text = "".join(f"{visible(line)}\n" for line in lines)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
    _heard.at = time.monotonic()


def as_lines(notes: Iterable[object]) -> str:
    """Return notes as one text, one a line, whatever they hold; ``splitlines`` gives them back."""
    return "\n".join(map(visible, notes))


WEIGHING = "weighing plans, and what measuring first would be worth"


QUIET_S = 1.7  # seconds without a word after which a command says again what it is doing: two at most pass in silence
_heard = types.SimpleNamespace(at=0.0, began=0.0, doing="", held=0)
"""When anything was last printed; what is being done, and since when; how many show it in another way."""


def doing(text: str, *, still: str = "", show: bool = True) -> None:
    """Say on stderr what begins now and takes a while; ``still`` is what is said of it later, where that differs."""
    if show:
        told(text)
        goes_on(still or text)


def goes_on(what: str) -> None:
    """Note what is being done from now on; it is said only where it takes long."""
    _heard.doing, _heard.began = what, time.monotonic()


def told(text: str, *, show: bool = True) -> None:
    """Say on stderr what something came to, while what is being done goes on."""
    if show:
        say(f"labelvalue: {text}", err=True)


@contextlib.contextmanager
def never_silent(what: str) -> Iterator[None]:
    """Say on stderr what is still being done whenever two seconds would pass without a word; ``what`` comes first."""
    over = threading.Event()
    goes_on(what)
    _heard.at = _heard.began

    def watch() -> None:
        while not over.wait(max(_heard.at + QUIET_S - time.monotonic(), 0.1 * QUIET_S)):
            now = time.monotonic()
            if now >= _heard.at + QUIET_S and not _heard.held:
                told(f"still {_heard.doing} ({now - _heard.began:.0f} s)")

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


@contextlib.contextmanager
def shown_otherwise() -> Iterator[None]:
    """Leave it to a bar, or to another process, to show what is being done."""
    _heard.held += 1
    try:
        yield
    finally:
        _heard.held -= 1
        _heard.at = _heard.began = time.monotonic()


def as_json(document: object, *, indent: int | None = 2) -> str:
    r"""Write JSON in which hidden characters are escapes; numbers that JSON cannot hold are an error."""
    text = json.dumps(document, ensure_ascii=False, indent=indent, allow_nan=False, default=str)
    return "".join(json.dumps(c)[1:-1] if is_hidden(c) and c != "\n" else c for c in text)


def shown(name: str, of: object) -> Any:
    """Show an object by a function of the front door, loaded only now: that of a room to the right of the object's."""
    return operator.attrgetter(name)(importlib.import_module("labelvalue"))(of)
