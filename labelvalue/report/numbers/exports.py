"""What leaves the page: tables that no spreadsheet runs, pictures, and a few lines for chat or e-mail."""

from __future__ import annotations

import base64
import io
import os
import re
import time
from collections.abc import Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from labelvalue import names
from labelvalue.numerals import readable
from labelvalue.observe.table.schema import guard_cells
from labelvalue.observe.table.trackers import ask_mlflow
from labelvalue.problems import StorageError, input_error
from labelvalue.report.words.wording import likely, percent
from labelvalue.server import no_answer, page
from labelvalue.settings import is_number
from labelvalue.storage import write_whole

if TYPE_CHECKING:
    from labelvalue.decisions.advice.decision import Decision

LONGEST = 32_767  # characters that a cell can hold
MADE = datetime(1980, 1, 1)
"""Time that every workbook is said to be made at, so that the same tables give the same bytes."""
WIDEST = 60  # characters that a column shows at most; longer texts are broken into lines


def workbook(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """Make a workbook of tables; texts stay texts, whatever they begin with."""
    if find_spec("xlsxwriter") is None:
        fix = "pip install 'labelvalue[excel]', or write csv or parquet"
        raise input_error("XlsxWriter is not installed", fix)
    content, options = io.BytesIO(), {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with pd.ExcelWriter(content, engine="xlsxwriter", engine_kwargs={"options": options}) as writer:
        writer.book.set_properties({"created": MADE})
        plain = writer.book.add_format({"text_wrap": True, "valign": "top"})
        for name, table in tables.items():
            table.map(_shortened).to_excel(writer, sheet_name=name, index=False, freeze_panes=(1, 0), autofilter=True)
            for place, column in enumerate(table.columns):
                wide = max(len(str(column)), *(len(_shown(value)) for value in table[column]))
                writer.sheets[name].set_column(place, place, min(wide, WIDEST) + 2, plain)
    return content.getvalue()


def _shortened(value: Any) -> Any:
    """A value as a cell holds it: a longer text without its end."""
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[: LONGEST - 60]} … and {len(value) - LONGEST + 60:,} characters more"
    return value


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


KINDS = ("csv", "parquet")
DRAWN = ("first", "over_time", "changes", "curves", "gains", "impacts", "money", "frontiers", "tornado", "ranks")
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
        ``sensitivity``, ``information``, ``frontiers``, ``offers``, ``stress``, ``weights``, ``regret``,
        ``label_quality``, ``what_if``, ``assumptions``. Those without rows are left out.

    Examples
    --------
    >>> import labelvalue as lv
    >>> tables = report_tables(lv.report.report_numbers(lv.testing.fake_fit(seed=1), budgets=[500]))
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
        found |= {key: plan[key] for key in ("offers", "stress", "weights", "regret")}
        found["label_quality"] = [] if plan["label_quality"] is None else plan["label_quality"]["rows"]
        found["what_if"] = plan["what_if"]["rows"]
    found["assumptions"] = numbers["assumptions"]
    return {name: pd.json_normalize(rows, sep="_") for name, rows in found.items() if rows}


def write_tables(numbers: Mapping[str, Any], to: str | os.PathLike[str], *, kind: str = "csv") -> list[Path]:
    """Write the tables of a page: as sheets of one workbook, or as files of their own.

    Parameters
    ----------
    numbers : mapping
        From :func:`labelvalue.report.report_numbers`.
    to : path-like
        The workbook, a file ``.xlsx``, which needs ``labelvalue[excel]``; or a folder that is there.
    kind : {"csv", "parquet"}
        Format of the files in a folder. In CSV, texts that a spreadsheet would take for a formula begin with an
        apostrophe; the others hold them as they are, and as texts.

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
    tables = {name: table.map(_cell) for name, table in report_tables(numbers).items()}
    if is_workbook(to):
        files = {Path(to): workbook(tables)}
    else:
        place = existing(to)
        files = {place / f"{name}.{kind}": _content(table, kind) for name, table in tables.items()}
    for path, content in files.items():
        write_whole(path, content)
    return [*files]


def _content(table: pd.DataFrame, kind: str) -> bytes:
    if kind == "parquet":
        return table.to_parquet(index=False)
    return guard_cells(table).to_csv(index=False, lineterminator="\n").encode()


def save_figures(drawn: Mapping[str, Any], folder: Path) -> None:
    """Write pictures that are drawn already, as vectors."""
    for what in DRAWN:
        pictures = drawn.get(what) or []
        for place, picture in enumerate(pictures if isinstance(pictures, list) else [pictures], 1):
            path = folder / f"{what}-{place}.svg"
            write_whole(path, base64.b64decode(picture["src"].partition(",")[2]))


def is_workbook(path: str | os.PathLike[str]) -> bool:
    """Whether a path for tables is that of a workbook; else it is that of a folder."""
    return Path(path).suffix.lower() == ".xlsx"


def existing(folder: str | os.PathLike[str]) -> Path:
    """Check that a folder is there."""
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
        Lines: the decision, its rules, its stress case, the strongest reservation, how far forecasts were checked.

    Examples
    --------
    >>> import labelvalue as lv
    >>> summary_text(lv.report.report_numbers(lv.testing.fake_fit(seed=1), budgets=[500])).splitlines()[-1]
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
            f"{readable(stress[names.NET_BENEFIT])} {plan[names.UNIT]}.",
            plan["reservation"],
            f"P(net benefit > 0): {likely(plan[names.NET_BENEFIT]['p_positive'])}.",
        ]
    checked = numbers[names.BACKTEST]
    missing = "Not backtested: how far such forecasts came true on these runs is not known."
    said = checked["sentence"] if checked else missing
    return "\n".join(lines if plan is not None and said in plan["reservation"] else [*lines, said])


MOST_AT_ONCE = 1000  # metrics that MLflow takes in a request


def log_decision(decision: Decision, address: str, *, ci_prob: float = 0.9) -> str:
    """Write the figures of a decision as a new run of an experiment of MLflow.

    Metrics are the labels of each slice (``labels.fr``), cost, gain, error, net benefit and risk; parameters case,
    advice and unit. What MLflow takes in no name, such as a slash in that of a slice, is written as ``:2f:``.

    Parameters
    ----------
    decision : Decision
        From :func:`labelvalue.decide`.
    address : str
        Of the experiment as a browser shows it, such as ``https://host/#/experiments/5``; ``http`` on this machine
        alone. The token stands in the environment variable ``MLFLOW_TRACKING_TOKEN``, if the server asks for one.
    ci_prob : float
        Probability of the intervals.

    Returns
    -------
    str
        Id of the new run; one that was begun and not finished stays ``RUNNING``.

    Raises
    ------
    InputError
        If the fit is not ``ok``, so that no decision is published, or the server does not take the run.

    Examples
    --------
    >>> import labelvalue as lv
    >>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> decision = lv.decide(lv.testing.fake_fit(seed=1), case, max_labels=1_000)
    >>> log_decision(decision, "http://tracking.example.org/#/experiments/5")
    Traceback (most recent call last):
    ...
    labelvalue.problems.InputError: column 'address': http is for this machine alone. Fix: give an https address.
    """
    from labelvalue.report.numbers.plan import plan_numbers

    _, experiment = page(address, "#/experiments")
    if (verdict := decision.fit.diagnostics.verdict) != "ok":
        raise input_error(f"the fit is {verdict}: no decision is published", "mend the fit first")
    numbers = plan_numbers(decision, ci_prob=ci_prob)
    figures = {f"{names.LABELS}.{_key(str(name))}": float(n) for name, n in decision.labels.items()}
    figures |= {f"{names.LABELS}_in_all": float(decision.total)}
    for part in (names.COST, names.DAYS, names.NET_BENEFIT, "mean_gain", "mean_error", "risk"):
        figures |= _figures(numbers[part], part)
    said = {"case": numbers["case"], "advice": numbers["verdict"], "state": decision.state}
    said |= {names.UNIT: numbers[names.UNIT], names.CI_PROB: ci_prob}
    now = int(time.time() * 1000)
    made = ask_mlflow(address, "runs/create", {"experiment_id": experiment, "run_name": "decision", "start_time": now})
    try:
        run = str(made["run"]["info"]["run_id"])
    except (KeyError, TypeError):
        raise no_answer(address) from None
    metrics = [{"key": key, "value": value, "timestamp": now, "step": 0} for key, value in figures.items()]
    params = [{"key": key, "value": str(value)} for key, value in said.items()]
    for start in range(0, len(metrics), MOST_AT_ONCE):
        body = {"run_id": run, "metrics": metrics[start : start + MOST_AT_ONCE]}
        ask_mlflow(address, "runs/log-batch", body)
    ask_mlflow(address, "runs/log-batch", {"run_id": run, "params": params})
    ask_mlflow(address, "runs/update", {"run_id": run, "status": "FINISHED", "end_time": int(time.time() * 1000)})
    return run


def _key(name: str) -> str:
    """A name as MLflow takes it in that of a metric; two that differ stay two."""
    return re.sub(r"[^\w. -]", lambda found: f":{ord(found[0]):x}:", name)


def _figures(part: Any, name: str) -> dict[str, float]:
    """Finite numbers of nested tables, by names joined with dots."""
    flat = pd.json_normalize({name: part}).iloc[0].to_dict()
    return {str(key): float(value) for key, value in flat.items() if is_number(value)}
