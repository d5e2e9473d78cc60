"""Progress of long work with the time that is left: a bar on a terminal or in a notebook's cell, else plain lines."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from labelvalue.printing import say, visible

EVERY = 5.0  # seconds between plain lines


class Tracker:
    """Shows how much of some work is done, and about how long the rest takes if time goes with ``work``."""

    def __init__(self, total: int, work: float, what: str, *, show: bool):
        self.total, self.work, self.what = total, work, what
        self.show = show and total > 0
        self.done, self.worked, self._told = 0, 0.0, 0
        self._draw: Callable[[], object] | None = None
        self._close: Callable[[], object] = lambda: None

    def __enter__(self) -> Tracker:
        self._start = self._last = time.monotonic()
        if self.show and (display := _notebook()) is not None:
            self._begin_cell(display)
        elif self.show and sys.stderr.isatty():
            self._begin_bar()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def advance(self, work: float, pieces: int = 1, what: str | None = None) -> None:
        """Count more pieces as done, and the work that was in them; say what is done now, where that changes."""
        self.what = what or self.what
        self.done = min(self.done + pieces, self.total)
        self.worked = min(self.worked + work, self.work)
        self._show()

    def grow(self, work: float, pieces: int) -> None:
        """There is more to do than was known."""
        self.total += pieces
        self.work += work
        if self._draw is not None:
            self._draw()

    def left(self) -> str:
        """Say how long the rest will take if it goes on like this; empty where nothing is left, or nothing done."""
        if not 0 < self.worked < self.work:
            return ""
        seconds = (time.monotonic() - self._start) * (self.work / self.worked - 1.0)
        return f"about {as_text(seconds)} left"

    def _show(self) -> None:
        if self._draw is not None:
            self._draw()
        elif self.show and self.done:
            self._line()

    def _begin_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        )
        bar = Progress(*columns, console=Console(stderr=True))
        task = bar.add_task(visible(self.what), total=self.total, left="")
        self._close = bar.stop
        self._draw = lambda: bar.update(
            task, description=visible(self.what), completed=self.done, total=self.total, left=self.left()
        )
        bar.start()

    def _begin_cell(self, display: Any) -> None:
        """A bar of the browser's own, redrawn where it stands."""

        def drawn() -> Any:
            figures = f"{self.done:,} of {self.total:,} {self.left()}"
            bar = f'<progress value="{self.done}" max="{self.total}"></progress>'
            return display.HTML(f"{html.escape(self.what)} {bar} {figures}")

        cell = display.display(drawn(), display_id=True)
        self._draw = lambda: cell.update(drawn())

    def _line(self) -> None:
        now = time.monotonic()
        if self.done == self._told or (now - self._last < EVERY and self.done < self.total):
            return
        self._last, self._told = now, self.done
        ahead = f", {self.left()}" if self.left() else ""
        text = f"{self.what}: {self.done} of {self.total}, {as_text(now - self._start)}{ahead}"
        say(text, err=True)


def _notebook() -> Any:
    """IPython's display, where a notebook's kernel runs this."""
    shell = sys.modules.get("IPython")
    return sys.modules.get("IPython.display") if shell and hasattr(shell.get_ipython(), "kernel") else None


def as_text(seconds: float) -> str:
    """Return a duration as people say it: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
