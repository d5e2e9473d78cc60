"""What leaves the page: tables that no spreadsheet runs, and a few lines for chat or e-mail."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.problems import StorageError
from labelvalue.report.wording import likely, percent
from labelvalue.storage import write_whole

STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a text must not begin with where a spreadsheet reads it."""
KINDS = ("csv", "parquet")


def report_tables(numbers: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Lay the numbers of a page out as tables.

    Parameters
    ----------
    numbers : mapping
        From :func:`labelvalue.report.report_numbers`.

    Returns
    -------
    dict of str to DataFrame
        ``gains`` and ``limitations``; with a decision also ``plan``, ``scenarios``, ``ladder``, ``cost_parts``,
        ``plans``, ``rules``, ``sensitivity``, ``information``, ``what_if``, ``assumptions``. Those without rows are
        left out.

    Examples
    --------
    >>> from labelvalue.report import report_numbers
    >>> from labelvalue.testing import fake_fit
    >>> tables = report_tables(report_numbers(fake_fit(seed=1), budgets=[500]))
    >>> list(tables), len(tables["gains"])
    (['gains', 'limitations'], 4)
    """
    found: dict[str, Any] = {"gains": numbers.get(names.GAIN, []), "limitations": numbers["limitations"]}
    plan = numbers.get(names.PLAN)
    if plan is not None:
        found |= {names.PLAN: plan[names.GAIN], "information": plan["information"]["rows"]}
        found |= {key: plan[key] for key in ("scenarios", "ladder", "cost_parts", "plans", "rules", "sensitivity")}
        found["what_if"] = [] if plan["what_if"] is None else plan["what_if"]["rows"]
    found["assumptions"] = numbers["assumptions"]
    return {name: pd.json_normalize(rows, sep="_") for name, rows in found.items() if rows}


def write_tables(numbers: Mapping[str, Any], folder: str | os.PathLike[str], *, kind: str = "csv") -> list[Path]:
    """Write the tables of a page, a file each.

    Parameters
    ----------
    numbers : mapping
        From :func:`labelvalue.report.report_numbers`.
    folder : path-like
        Where to; it must be there.
    kind : {"csv", "parquet"}
        Format. In CSV, texts that a spreadsheet would take for a formula begin with an apostrophe; Parquet holds them
        as they are.

    Returns
    -------
    list of pathlib.Path
        The files.

    Raises
    ------
    ValueError
        If there is no such format.
    StorageError
        If the folder is not there or a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from labelvalue.report import report_numbers
    >>> from labelvalue.testing import fake_fit
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_tables(report_numbers(fake_fit(seed=1), budgets=[500]), folder)]
    ['gains.csv', 'limitations.csv']
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    place = Path(folder)
    if not place.is_dir():
        raise StorageError(f"{place}: no such folder. Fix: make it, or give another.")
    written = []
    for name, table in report_tables(numbers).items():
        path = place / f"{name}.{kind}"
        text = table.apply(lambda column: column.map(_cell))
        if kind == "csv":
            write_whole(path, text.apply(lambda c: c.map(_harmless)).to_csv(index=False, lineterminator="\n").encode())
        else:
            write_whole(path, text.to_parquet(index=False))
        written.append(path)
    return written


def _cell(value: Any) -> Any:
    """Lists and mappings as text."""
    return str(value) if isinstance(value, list | dict) else value


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(STARTS) else value


def summary_text(numbers: Mapping[str, Any]) -> str:
    """Say what a page says in a few plain lines, for chat or e-mail.

    Parameters
    ----------
    numbers : mapping
        From :func:`labelvalue.report.report_numbers`.

    Returns
    -------
    str
        Lines: the decision, its rules, its stress case, the strongest reservation, how far forecasts were checked.

    Examples
    --------
    >>> from labelvalue.report import report_numbers
    >>> from labelvalue.testing import fake_fit
    >>> summary_text(report_numbers(fake_fit(seed=1), budgets=[500])).splitlines()[-1]
    'Not backtested: how far such forecasts came true on these runs is not known.'
    """
    plan = numbers.get(names.PLAN)
    lines = [numbers["decision"]["sentence"]]
    if plan is not None:
        stress = plan["scenarios"][0]
        lines = [
            f"{plan['verdict'].upper()}: {plan['sentence']}",
            plan["rules_sentence"],
            f"Stress case ({percent(stress[names.PROBABILITY])} of draws): net benefit "
            f"{stress[names.NET_BENEFIT]:,.4g} {plan[names.UNIT]}.",
            f"Strongest reservation: {plan['reservations'][0]}",
            f"P(net benefit > 0): {likely(plan[names.NET_BENEFIT]['p_positive'])}.",
        ]
    checked = numbers[names.BACKTEST]
    missing = "Not backtested: how far such forecasts came true on these runs is not known."
    return "\n".join([*lines, checked["sentence"] if checked else missing])
