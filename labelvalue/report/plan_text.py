"""A plan as plain text that fits a terminal."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelvalue import names
from labelvalue.numerals import significant
from labelvalue.report.terminal import WIDTH, printable


def plan_text(numbers: Mapping[str, Any]) -> str:
    """Lay a plan out in 80 columns: the verdict and why, what is bought, what it brings and costs, what else there was.

    Parameters
    ----------
    numbers : mapping
        From :func:`labelvalue.report.plans.plan_numbers`.

    Returns
    -------
    str
        Lines of at most 80 columns.

    Examples
    --------
    >>> from labelvalue.decide import Case, allocate
    >>> from labelvalue.report.plans import plan_numbers
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, currency="USD")
    >>> text = plan_text(plan_numbers(case, allocate(fake_fit(seed=1), case, max_labels=900)))
    >>> text.splitlines()[0]
    'Verdict: BUY'
    """
    lines = io.StringIO()
    console = Console(file=lines, width=WIDTH, highlight=False, markup=False, emoji=False)
    console.print(f"Verdict: {numbers['verdict'].upper()}")
    for reason in numbers["reasons"]:
        console.print(Text(f"- {printable(reason)}"))
    if numbers["plan"]["total"]:
        console.print()
        console.print(_bought(numbers))
    console.print(f"\n{_money(numbers)}")
    console.print()
    console.print(_plans(numbers))
    worst = f"{100 * (1 - numbers['risk'][names.LEVEL]):.3g} %"
    console.print(
        f"\nAll money in {numbers[names.UNIT]}. enb: expected net benefit. MC error: its Monte Carlo error. cvar: mean "
        f"of the worst {worst} of losses against doing nothing. P(best): no plan here is better."
    )
    for row in numbers["promises"]:
        kept = "kept" if row["kept"] else "NOT KEPT"
        said = f"Rule {row['promise']}: probability {row['reached']:.2f}, asked for {row['probability']:g}: {kept}"
        console.print(Text(printable(said)))
    for row in numbers["approvals"]:
        said = f"Needs the approval of {row['approver']}: costs more than {significant(row['above'])}"
        console.print(Text(printable(said + (f" ({row['reason']})" if row["reason"] else ""))))
    for row in numbers["prices"]:
        said = f"Limit {row['limit']}: worth {significant(row['price'])} per {row['per']} if it were looser"
        console.print(Text(printable(said)))
    for note in numbers["notes"]:
        console.print(Text(f"Note: {printable(note)}"))
    return "\n".join(line.rstrip() for line in lines.getvalue().splitlines())


def text_table(texts: Sequence[str], numbers: Sequence[str]) -> Table:
    """Make an empty table of texts, which give way, and of numbers, which do not.

    Parameters
    ----------
    texts, numbers : sequence of str
        Titles.

    Returns
    -------
    rich.table.Table

    Examples
    --------
    >>> len(text_table(["slice"], ["labels"]).columns)
    2
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for title in texts:
        table.add_column(title, overflow="fold")
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _bought(numbers: Mapping[str, Any]) -> Table:
    rows = numbers[names.GAIN]
    flagged = any(row[names.FLAGS] for row in rows)
    table = text_table([names.SLICE], [names.LABELS, names.GAIN, "lower", "upper", "P(gain>0)", "error then"])
    if flagged:
        table.add_column("flags", overflow="fold")
    for row in rows:
        cells = [f"{row[names.LABELS]:,}", *(f"{row[key]:z.4f}" for key in (names.GAIN, "low", "high"))]
        cells += [f"{row[names.P_GAIN]:.2f}", f"{row[names.ERROR]:.4f}"]
        table.add_row(Text(printable(row[names.SLICE])), *cells, *([row[names.FLAGS]] if flagged else []))
    return table


def _money(numbers: Mapping[str, Any]) -> str:
    unit, share = numbers[names.UNIT], f"{100 * numbers[names.CI_PROB]:g} %"
    cost, net, days = (numbers[key] for key in (names.COST, names.NET_BENEFIT, names.DAYS))

    def within(part: Mapping[str, float]) -> str:
        if part["upper"] - part["lower"] < 1e-9 * max(abs(part["mean"]), 1.0):
            return ""
        return f" ({share}: {significant(part['lower'])} to {significant(part['upper'])})"

    lines = [
        f"Net benefit  {significant(net['mean'])} {unit}{within(net)}, P(> 0) = {net['p_positive']:.2f}",
        f"Cost         {significant(cost['mean'])} {unit}{within(cost)}",
    ]
    if cost["reserve"] > 0:
        lines.append(
            f"Reserve      {significant(cost['reserve'])} {unit} more keeps P(overrun) at {cost['p_overrun']:g}"
        )
    if days["upper"] > 0:
        lines.append(f"Last label   in {significant(days['mean'])} days{within(days)}")
    return "\n".join(lines)


def _plans(numbers: Mapping[str, Any]) -> Table:
    table = text_table([names.PLAN], [names.LABELS, names.COST, "enb", "MC error", "cvar", "P(best)"])
    for row in numbers["plans"]:
        money = [significant(row[key]) for key in (names.COST, "enb", names.MCSE, "cvar")]
        table.add_row(Text(printable(row[names.PLAN])), f"{row[names.LABELS]:,}", *money, f"{row[names.P_BEST]:.2f}")
    return table
