"""Progress of long work, on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

EVERY = 5.0
"""Seconds between plain lines."""


def track[T](items: Iterable[T], total: int, what: str, *, show: bool) -> Iterator[T]:
    """Yield ``items`` and show how many of ``total`` are done."""
    if not show:
        yield from items
    elif sys.stderr.isatty():
        yield from _bar(items, total, what)
    else:
        yield from _lines(items, total, what)


def _bar[T](items: Iterable[T], total: int, what: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import track as bar

    yield from bar(items, total=total, description=what, console=Console(stderr=True))


def _lines[T](items: Iterable[T], total: int, what: str) -> Iterator[T]:
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= EVERY or done == total:
            print(f"{what}: {done} of {total}, {now - start:.0f} s", file=sys.stderr, flush=True)
            last = now
