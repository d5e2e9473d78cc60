"""Verdict and gains as plain text that fits a terminal."""

from __future__ import annotations

import io
import math

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelvalue import names
from labelvalue.model import Diagnostics

WIDTH = 80
INTERVALS = {"eti": "equal-tailed"}
NUMBERS = ("mean", "lower", "upper")
SAID = {
    "ok": "The fit converged.",
    "flagged": "FLAGGED: read these results with care; no decision is published.",
    "refused": "REFUSED: the fit did not converge; only its diagnostics are shown.",
}


def verdict_text(diagnostics: Diagnostics) -> str:
    """Say in words whether a fit may be used, and why not.

    Parameters
    ----------
    diagnostics : Diagnostics
        Of a fit.

    Returns
    -------
    str
        One line, and one more for each reason.

    Examples
    --------
    >>> print(verdict_text(Diagnostics("flagged", ("R-hat 1.03",), {})))
    FLAGGED: read these results with care; no decision is published.
      R-hat 1.03
    """
    return "\n".join([SAID[diagnostics.verdict], *(f"  {printable(reason)}" for reason in diagnostics.reasons)])


def gain_text(table: pd.DataFrame) -> str:
    """Lay gains out in 80 columns, and say below what the interval and the marks mean.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`labelvalue.summarise`, of gains.

    Returns
    -------
    str
        Lines of at most 80 columns.

    Examples
    --------
    >>> from labelvalue.forecast import predict_gain
    >>> from labelvalue.report import summarise
    >>> from labelvalue.testing import fake_fit
    >>> text = gain_text(summarise(predict_gain(fake_fit(seed=1), budgets=[500])))
    >>> "90 % equal-tailed credible interval" in " ".join(text.split())
    True
    """
    marks = {
        flag: f"[{n}]" for n, flag in enumerate(dict.fromkeys(f for t in table[names.FLAGS] for f in _split(t)), 1)
    }
    texts = [names.SLICE]
    if names.LEARNER in table and len(set(table[names.LEARNER])) > 1:
        texts.append(names.LEARNER)
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in texts:
        shown.add_column(column, overflow="fold")  # gives way to the numbers; long names go on below
    for title in ("labels", names.GAIN, "lower", "upper", "P(gain>0)", ""):
        shown.add_column(title, justify="right" if title else "left", no_wrap=True)
    decimals = _decimals(table)
    for row in table.to_dict(orient="records"):
        shown.add_row(
            *(Text(printable(str(row[column]))) for column in texts),
            f"+{int(row[names.BUDGET]):,}",
            *(f"{row[column]:z.{decimals}f}" for column in NUMBERS),
            f"{row['p_positive']:.2f}",
            "".join(marks[f] for f in _split(row[names.FLAGS])),
        )
    lines = io.StringIO()
    console = Console(file=lines, width=WIDTH, highlight=False, markup=False, emoji=False)
    console.print(shown)
    console.print(f"\n{_meaning(table)}")
    for flag, mark in marks.items():
        console.print(f"{mark} {printable(flag)}")
    for note in table.attrs.get(names.NOTES, []):
        console.print(f"Note: {printable(note)}")
    return "\n".join(line.rstrip() for line in lines.getvalue().splitlines())


def printable(text: str) -> str:
    r"""Replace what would move a terminal's cursor.

    Parameters
    ----------
    text : str
        Text that came from a file.

    Returns
    -------
    str
        The same text with a replacement character for each that cannot be printed.

    Examples
    --------
    >>> printable("red\x1b[31m")
    'red�[31m'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _split(flags: str) -> list[str]:
    return [flag for flag in flags.split("; ") if flag]


def _decimals(table: pd.DataFrame) -> int:
    """Decimals that give the largest number three digits."""
    largest = float(table[list(NUMBERS)].abs().to_numpy().max())
    if not 0 < largest < math.inf:
        return 2
    return min(max(3 - math.ceil(math.log10(largest)), 0), 8)


def _meaning(table: pd.DataFrame) -> str:
    share = f"{100 * float(table.attrs[names.CI_PROB]):g}"
    kind = INTERVALS.get(table.attrs[names.CI_KIND], table.attrs[names.CI_KIND])
    metric = table.attrs.get(names.METRIC, "")
    of_metric = f" ({printable(metric)})" if metric else ""
    return (
        f"gain is the drop in expected error{of_metric} from buying that many labels for the slice; "
        f"lower and upper are the ends of its {share} % {kind} credible interval."
    )
