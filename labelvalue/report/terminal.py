"""Verdict and gains as plain text that fits a terminal."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any

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
TOTAL = "total_mean"
BACKTEST_MEANING = (
    "at: {at}. n counts forecasts. CRPS and interval score (IS, of 90 % intervals) are lower for better forecasts; "
    "ratio is CRPS over that of the best simple rule. 50 % and 90 %: how many intervals held what was then measured. "
    "bias is forecast minus measured error. Brier scores the probability of a gain. Numbers in names of rules: "
    "doublings looked back on."
)
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
    total = TOTAL in table
    for title in ("labels", names.GAIN, "lower", "upper", "P(gain>0)", *(["in all"] if total else []), ""):
        shown.add_column(title, justify="right" if title else "left", no_wrap=True)
    decimals = _decimals(table)
    for row in table.to_dict(orient="records"):
        shown.add_row(
            *(Text(printable(str(row[column]))) for column in texts),
            f"+{int(row[names.BUDGET]):,}",
            *(f"{row[column]:z.{decimals}f}" for column in NUMBERS),
            f"{row['p_positive']:.2f}",
            *([f"{row[TOTAL]:z.{decimals}f}"] if total else []),
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


def backtest_text(numbers: Mapping[str, Any]) -> str:
    """Lay a backtest out in 80 columns: the verdict, the scores, and below what they mean.

    Parameters
    ----------
    numbers : mapping
        From :func:`labelvalue.report.backtests.backtest_numbers`.

    Returns
    -------
    str
        Lines of at most 80 columns.

    Examples
    --------
    >>> from labelvalue.report.backtests import backtest_numbers
    >>> from labelvalue.testing import fake_backtest
    >>> backtest_text(backtest_numbers(fake_backtest(seed=1))).splitlines()[0][:36]
    'Trust forecasts up to 4x the labels:'
    """
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    in_batches = numbers[names.BY] == names.BATCH
    for title in ("at", names.FORECASTER):
        shown.add_column(title, overflow="fold")
    for title in ("n", "CRPS", "ratio", "IS", "50 %", "90 %", names.BIAS, "Brier"):
        shown.add_column(title, justify="right", no_wrap=True)
    decimals = max(_places(min((row[names.CRPS] for row in numbers["scores"]), default=1.0)) - 1, 1)
    before = None
    for row in numbers["scores"]:
        if before not in (None, row["ahead"]):
            shown.add_section()
        shown.add_row(
            "" if row["ahead"] == before else f"+{row[names.DISTANCE]}" if in_batches else row["ahead"].split()[0],
            row[names.FORECASTER],
            f"{row[names.FORECASTS]}",
            f"{row[names.CRPS]:.{decimals}f}",
            f"{row[names.CRPS_RATIO]:.2f}",
            f"{row[names.INTERVAL_SCORE]:.{decimals - 1}f}",
            *(f"{100 * row[name]:.0f}" for name in (names.COVERS_50, names.COVERS_90)),
            f"{row[names.BIAS]:+.{decimals}f}",
            f"{row[names.BRIER]:.2f}",
        )
        before = row["ahead"]
    lines = io.StringIO()
    console = Console(file=lines, width=WIDTH, highlight=False, markup=False, emoji=False)
    console.print(f"{printable(numbers['sentence'])}\n")
    console.print(shown)
    at = "batches ahead" if in_batches else "times the labels seen"
    console.print(f"\n{BACKTEST_MEANING.format(at=at)}")
    if numbers["not_scored"]:
        console.print(f"Not scored, for want of sizes: {printable(', '.join(numbers['not_scored']))}")
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
    return _places(float(table[list(NUMBERS)].abs().to_numpy().max()))


def _places(largest: float) -> int:
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
        f"lower and upper are the ends of its {share} % {kind} credible interval"
        + ("; in all: the mean drop over all slices that the same labels bring." if TOTAL in table else ".")
    )
