"""Help that is not cut: commands in groups, what each is for in full, and an example."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

RUNS, FORECAST, DECIDE, PROJECT = "Runs", "Fit and forecast", "Decide", "Project"
GROUPS = (RUNS, FORECAST, DECIDE, PROJECT)


class Group(TyperGroup):
    """Commands by group, each with its first sentence, broken where a terminal ends and never cut."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the groups in their order; a command of none comes last."""
        commands = [one for name in self.list_commands(ctx) if (one := self.get_command(ctx, name)) is not None]
        for group in (*GROUPS, None):
            rows = [(one.name, _first(one.help)) for one in commands if getattr(one, "rich_help_panel", None) == group]
            if rows:
                with formatter.section(group or "Commands"):
                    formatter.write_dl(rows)


def _first(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def add(app: typer.Typer, group: str | None, command: Callable[..., None], example: str, **more: Any) -> None:
    """Add a command to a group, with an example at the end of its help."""
    lines = textwrap.wrap(f"labelvalue {example}", 70, subsequent_indent="  ", break_on_hyphens=False)
    written = " \\\n  ".join(lines)  # a shell reads on after a backslash
    app.command(epilog=f"\b\nExample:\n  {written}", rich_help_panel=group, **more)(command)
