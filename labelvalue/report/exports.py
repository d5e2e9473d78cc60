"""What leaves the page: tables that no spreadsheet runs, pictures, and a few lines for chat or e-mail."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.numerals import readable
from labelvalue.problems import StorageError
from labelvalue.report.wording import likely, percent
from labelvalue.report.workbook import workbook
from labelvalue.spreadsheets import guard_cells
from labelvalue.storage import write_whole

KINDS = ("csv", "parquet", "xlsx")
DRAWN = ("changes", "curves", "gains", "impacts", "money", "frontiers", "tornado", "ranks")
"""What a page draws, in its order."""


def report_tables(numbers: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Lay the numbers of a page out as tables.

    Parameters
    ----------
    numbers : mapping
        From :func:`labelvalue.report.report_numbers`.

    Returns
    -------
    dict of str to DataFrame
        ``gains``, ``limitations``, ``second_opinion``, ``strategies``, ``suites``, ``persistence``, ``changes``,
        ``carried``; with a decision also ``plan``, ``scenarios``, ``ladder``, ``cost_parts``, ``plans``, ``rules``,
        ``sensitivity``, ``information``, ``frontiers``, ``offers``, ``stress``, ``weights``, ``label_quality``,
        ``what_if``, ``assumptions``. Those without rows are left out.

    Examples
    --------
    >>> from labelvalue.report import report_numbers
    >>> from labelvalue.testing import fake_fit
    >>> tables = report_tables(report_numbers(fake_fit(seed=1), budgets=[500]))
    >>> list(tables), len(tables["gains"])
    (['gains', 'limitations', 'second_opinion'], 4)
    """
    found: dict[str, Any] = {"gains": numbers.get(names.GAIN, []), "limitations": numbers["limitations"]}
    opinion, suites = numbers["second_opinion"], numbers["suites"]
    found |= {"strategies": numbers["strategies"], "second_opinion": [] if opinion is None else opinion["rows"]}
    found |= {} if suites is None else {"suites": suites["modelled"], "persistence": suites["measured"]}
    found["changes"] = [] if numbers["explained"] is None else numbers["explained"]["by_slice"]
    found["carried"] = [{names.LEARNER: o[names.LEARNER], **row} for o in numbers["carried"] for row in o["slices"]]
    plan = numbers.get(names.PLAN)
    if plan is not None:
        found |= {names.PLAN: plan[names.GAIN], "information": plan["information"]["rows"]}
        found |= {key: plan[key] for key in ("scenarios", "ladder", "cost_parts", "plans", "rules", "sensitivity")}
        found["frontiers"] = [{names.SLICE: one[names.SLICE]} | row for one in plan["frontiers"] for row in one["rows"]]
        found |= {key: plan[key] for key in ("offers", "stress", "weights")}
        found["label_quality"] = [] if plan["label_quality"] is None else plan["label_quality"]["rows"]
        found["what_if"] = [] if plan["what_if"] is None else plan["what_if"]["rows"]
    found["assumptions"] = numbers["assumptions"]
    return {name: pd.json_normalize(rows, sep="_") for name, rows in found.items() if rows}


def write_tables(numbers: Mapping[str, Any], folder: str | os.PathLike[str], *, kind: str = "csv") -> list[Path]:
    """Write the tables of a page, a file each, or a sheet each of one workbook.

    Parameters
    ----------
    numbers : mapping
        From :func:`labelvalue.report.report_numbers`.
    folder : path-like
        Where to; it must be there.
    kind : {"csv", "parquet", "xlsx"}
        Format. In CSV, texts that a spreadsheet would take for a formula begin with an apostrophe; Parquet and the
        workbook, ``tables.xlsx``, hold them as they are, and as texts. The last needs ``labelvalue[excel]``.

    Returns
    -------
    list of pathlib.Path
        The files.

    Raises
    ------
    ValueError
        If there is no such format, or XlsxWriter is not installed.
    StorageError
        If the folder is not there or a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from labelvalue.report import report_numbers
    >>> from labelvalue.testing import fake_fit
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_tables(report_numbers(fake_fit(seed=1), budgets=[500]), folder)]
    ['gains.csv', 'limitations.csv', 'second_opinion.csv']
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    place = existing(folder)
    if kind == "xlsx":
        return [write_workbook(numbers, place / "tables.xlsx")]
    tables = {name: table.map(_cell) for name, table in report_tables(numbers).items()}
    written = []
    for name, text in tables.items():
        path = place / f"{name}.{kind}"
        if kind == "csv":
            write_whole(path, guard_cells(text).to_csv(index=False, lineterminator="\n").encode())
        else:
            write_whole(path, text.to_parquet(index=False))
        written.append(path)
    return written


def write_workbook(numbers: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write the tables of a page as the sheets of one workbook.

    Parameters
    ----------
    numbers : mapping
        From :func:`labelvalue.report.report_numbers`.
    path : path-like
        File, ``.xlsx``.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    ValueError
        If XlsxWriter is not installed.
    StorageError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from labelvalue.report import report_numbers
    >>> from labelvalue.testing import fake_fit
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_workbook(report_numbers(fake_fit(seed=1), budgets=[500]), f"{folder}/gains.xlsx").name
    'gains.xlsx'
    """
    tables = {name: table.map(_cell) for name, table in report_tables(numbers).items()}
    write_whole(Path(path), workbook(tables))
    return Path(path)


def save_figures(drawn: Mapping[str, Any], folder: Path, kind: str) -> list[Path]:
    """Write pictures that are drawn already.

    Parameters
    ----------
    drawn : mapping
        From :func:`labelvalue.report.html.figures`.
    folder : pathlib.Path
        Where to.
    kind : str
        End of the files' names.

    Returns
    -------
    list of pathlib.Path
        The files.

    Examples
    --------
    >>> save_figures({"curves": []}, Path("."), "svg")
    []
    """
    written = []
    for what in DRAWN:
        pictures = drawn.get(what) or []
        for place, picture in enumerate(pictures if isinstance(pictures, list) else [pictures], 1):
            path = folder / f"{what}-{place}.{kind}"
            write_whole(path, base64.b64decode(picture["src"].partition(",")[2]))
            written.append(path)
    return written


def is_workbook(path: str | os.PathLike[str]) -> bool:
    """Whether a path for tables is that of a workbook; it is that of a folder otherwise.

    Parameters
    ----------
    path : path-like
        As given.

    Returns
    -------
    bool
        By its ending.

    Examples
    --------
    >>> is_workbook("report.XLSX"), is_workbook("tables")
    (True, False)
    """
    return Path(path).suffix.lower() == ".xlsx"


def existing(folder: str | os.PathLike[str]) -> Path:
    """Check that a folder is there.

    Parameters
    ----------
    folder : path-like
        Folder.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    StorageError
        If it is not.

    Examples
    --------
    >>> existing(".").name
    ''
    """
    place = Path(folder)
    if not place.is_dir():
        raise StorageError(f"{place}: no such folder. Fix: make it, or give another.")
    return place


def _cell(value: Any) -> Any:
    """Lists and mappings as text."""
    return str(value) if isinstance(value, list | dict) else value


def summary_text(numbers: Mapping[str, Any]) -> str:
    """Say what a page says in a few plain lines, for chat or e-mail.

    Parameters
    ----------
    numbers : mapping
        From :func:`labelvalue.report.report_numbers`.

    Returns
    -------
    str
        Lines: how the project's guardrails stand, the decision, its rules, its stress case, the strongest reservation,
        how far forecasts were checked.

    Examples
    --------
    >>> from labelvalue.report import report_numbers
    >>> from labelvalue.testing import fake_fit
    >>> summary_text(report_numbers(fake_fit(seed=1), budgets=[500])).splitlines()[-1]
    'Not backtested: how far such forecasts came true on these runs is not known.'
    """
    plan, guardrails = numbers.get(names.PLAN), numbers["guardrails"]
    lines = [numbers["decision"]["sentence"]]
    if plan is not None:
        stress = plan["scenarios"][0]
        lines = [
            f"{plan['verdict'].upper()}: {plan['sentence']}",
            *([] if guardrails and not plan["rules"] else [plan["rules_sentence"]]),
            f"Stress case ({percent(stress[names.PROBABILITY])} of draws): net benefit "
            f"{readable(stress[names.NET_BENEFIT])} {plan[names.UNIT]}.",
            f"Strongest reservation: {plan['reservations'][0]}",
            f"P(net benefit > 0): {likely(plan[names.NET_BENEFIT]['p_positive'])}.",
        ]
    if guardrails:
        lines.insert(0, guardrails["sentence"])
    checked = numbers[names.BACKTEST]
    missing = "Not backtested: how far such forecasts came true on these runs is not known."
    return "\n".join([*lines, checked["sentence"] if checked else missing])
