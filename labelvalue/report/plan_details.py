"""What a plan hangs on and how it is carried out, as plain text."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from labelvalue import names
from labelvalue.numerals import significant
from labelvalue.report.plan_text import text_table
from labelvalue.report.terminal import WIDTH, printable

SHOWN = 8
"""Rows of a sensitivity that are printed; JSON has all."""


def details_text(details: Mapping[str, Any], unit: str) -> str:
    """Lay sensitivity, stability, milestones and detection out in 80 columns.

    Parameters
    ----------
    details : mapping
        ``sensitivity``, ``stability``, ``milestones`` and ``detection`` as lists of rows.
    unit : str
        Currency.

    Returns
    -------
    str
        Lines of at most 80 columns.

    Examples
    --------
    >>> nothing = {"sensitivity": [], "stability": {"index": None, "rows": []}, "milestones": [], "detection": []}
    >>> details_text(nothing, "USD").splitlines()[0]
    'Where to look first: expected net benefit (USD) with each low and high'
    """
    lines = io.StringIO()
    console = Console(file=lines, width=WIDTH, highlight=False, markup=False, emoji=False)
    console.print(f"Where to look first: expected net benefit ({unit}) with each low and high\n")
    table = text_table(["what"], ["low", "high", "share of variance"])
    for row in details["sensitivity"][:SHOWN]:
        share = "" if row["first_order"] is None else f"{100 * row['first_order']:.0f} %"
        table.add_row(Text(printable(row["what"])), significant(row["low"]), significant(row["high"]), share)
    console.print(table)
    stability = details["stability"]
    rows = stability["rows"]
    trusted = [row for row in rows if row["advice"] != "re-fit instead"]
    changed = [f"{row['change']} {row['what']}" for row in trusted if row["changes"]]
    said = f"the advice changes in {len(changed)} of {len(trusted)} perturbations of data and priors;"
    console.print(f"\nStability: {said}")
    console.print(f"{len(rows) - len(trusted)} of {len(rows)} can only be told by fitting again.")
    for name in changed:
        console.print(Text(f"- changes with: {printable(name)}"))
    if details["milestones"]:
        console.print("\nBatch by batch: go on if the mean error has dropped by at least that much\n")
        table = text_table(
            [], ["step", names.LABELS, names.COST, "error", "low", "high", "go if", "P(go)", "P(false stop)"]
        )
        for row in details["milestones"]:
            error = [f"{row[key]:.4f}" for key in (names.ERROR, "low", "high")]
            rule = ["", "", ""]
            if row["p_go"] is not None:
                go = "always" if row["p_go"] == 1 else "never" if row["p_go"] == 0 else f"{row['go_if_gain']:.4f}"
                rule = [go, f"{row['p_go']:.2f}", f"{row['false_stop']:.2f}"]
            table.add_row(str(row["step"]), f"{row[names.LABELS]:,}", significant(row[names.COST]), *error, *rule)
        console.print(table)
    if details["detection"]:
        console.print("\nWould the evaluation sets at hand show the gain? Items needed for 80 %\n")
        table = text_table([names.SLICE], ["P(detected)", "items", "needed"])
        for row in details["detection"]:
            needed = "more than trainings allow" if row["trials_needed"] is None else f"{row['trials_needed']:,.0f}"
            items = "" if row[names.TRIALS] is None else f"{row[names.TRIALS]:,.0f}"
            table.add_row(Text(printable(row[names.SLICE])), f"{row['p_detected']:.2f}", items, needed)
        console.print(table)
    return "\n".join(line.rstrip() for line in lines.getvalue().splitlines())
