"""What the commands share: help that is not cut, texts to values, places for results, JSON, and how one ends."""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from labelvalue import names, numerals
from labelvalue.exits import INTERRUPTED, NOT_PUBLISHED
from labelvalue.printing import as_json, doing, say, wrapped
from labelvalue.problems import InputError, Problem, StorageError, input_error, listed
from labelvalue.reading import WHOLE_LIMIT

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from labelvalue.decisions.advice.decision import Decision
    from labelvalue.decisions.case.guardrails import Approval
    from labelvalue.model.fitting.result import Fit
    from labelvalue.report.words.project import Context

NEXT = 2  # columns that are named as what to measure next

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


# What typer's parser raises: the base class, which typer carries under a private name.
Usage = cast("type[Exception]", typer.BadParameter.__mro__[2])


def whole(text: str, *, least: int = 0, most: int = numerals.MAX_COUNT) -> Any:
    """An option that is a whole number within limits."""
    return typer.Option(help=text, min=least, max=most)


def real(text: str) -> Any:
    """An option that is a finite number ≥ 0."""
    return typer.Option(help=text, min=0.0, max=float(numerals.MOST), callback=_finite)


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("must be a finite number")
    return value


Target = Annotated[str, typer.Option(help="Column of the labels; empty where an item has none yet.")]
SliceColumn = Annotated[str, typer.Option("--slice", help="Column whose values are the slices.")]
TextColumn = Annotated[str | None, typer.Option("--text", help="Column of free text that the model learns from alone.")]
Learner = Annotated[str | None, typer.Option(help="As for 'labelvalue simulate'; one.")]
FitFile = Annotated[Path, typer.Argument(metavar="FIT", help="A fit written by 'labelvalue fit'.")]
RunsFile = Annotated[Path, typer.Argument(metavar="RUNS", help="A runs table: .csv or .parquet.")]
Items = Annotated[Path, typer.Argument(metavar="DATA", help="All items: .csv, .parquet, .jsonl or .json.")]
CaseFile = Annotated[Path, typer.Option("--case", help="Costs, value and rules: .toml.")]
MaxLabels = Annotated[int | None, whole("Most labels in all; as many as there are today by default.")]
Approved = Annotated[
    list[str] | None, typer.Option("--approved", help="Who agreed, as the case names them; may be repeated.")
]
NoRefits = Annotated[
    bool,
    typer.Option("--no-refits", help="Do not fit again where draws cannot say whether other data change the decision."),
]
Pdf = Annotated[
    Path | None, typer.Option(help="Also print the page's first page: .pdf; through Chromium or Chrome on PATH.")
]
CiProb = Annotated[float, real("Probability of the interval, between 0 and 1.")]
Cost = Annotated[float | None, real("Money it cost; by the prices of the case otherwise.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Seed = Annotated[int | None, whole("Same seed, same result.", most=WHOLE_LIMIT - 1)]
Metric = Annotated[str | None, typer.Option(help="Metric in column 'value', such as accuracy.")]
Timezone = Annotated[str | None, typer.Option(help="Time zone of times without one.")]


def counts(text: str, option: str) -> list[int]:
    """Whole numbers from ``500,2000``."""
    parts, most = text.split(","), numerals.MAX_COUNT
    if not all(re.fullmatch(r"\s*[0-9]+\s*", part) for part in parts):
        why = "not whole numbers ≥ 0 separated by commas"
    elif any(len(part.strip().lstrip("0")) > len(str(most)) or int(part) > most for part in parts):
        why = f"over the limit of {most:,}"
    else:
        return [int(part) for part in parts]
    raise input_error(why, "write 500,2000", column=option, value=text)


def shares(text: str, option: str) -> list[float]:
    """Shares from ``0,0.1``."""
    try:
        return [float(part) for part in text.split(",")]  # what is no share is told where shares are used
    except ValueError:
        raise input_error("not shares separated by commas", "write 0,0.1", column=option, value=text) from None


def by_slice(pairs: Sequence[str] | None, option: str, *, share: bool = False) -> dict[str, Any]:
    """``{slice: n}`` from texts ``slice=n``, n whole or a share; a slice may hold an equals sign itself."""
    found: dict[str, Any] = {}
    problems = []
    form = r"\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*" if share else r"\s*[0-9]{1,13}\s*"
    for pair in pairs or ():
        name, equals, number = pair.rpartition("=")
        if equals and re.fullmatch(form, number):
            found[name] = float(number) if share else int(number)
        else:
            why = f"not of the form SLICE={'SHARE with a number ≥ 0' if share else 'N with a whole number N'}"
            fix = f"write nurses={'0.3' if share else '1200'}"
            problems.append(Problem(column=option, value=pair, why=why, fix=fix))
    if problems:
        raise InputError(problems)
    return found


def check_letters(given: Sequence[str]) -> None:
    """Refuse arguments that no file of ours can hold, before any work: bytes that are no UTF-8."""
    wrong = [text for text in given if any(0xD800 <= ord(c) <= 0xDFFF for c in text)]
    if wrong:
        why, fix = "not UTF-8", "write it in UTF-8, or rename the file"
        raise InputError(Problem(column="argument", value=text, why=why, fix=fix) for text in wrong)


def make_folder(path: Path) -> None:
    """Make the folder, and the ones above it, unless it is there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}. Fix: give another --out.") from error


def check_writable(path: Path) -> None:
    """Find out before the long work, not after it, that there is no place for its result."""
    if not path.parent.is_dir():
        raise StorageError(f"{path}: no folder {path.parent}. Fix: make the folder or give another --out.")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise StorageError(f"{path}: cannot be written. Fix: give another --out.")


def check_folder(path: Path) -> None:
    """Find out before the long work that a folder for its results is there."""
    if not path.is_dir() or not os.access(path, os.W_OK):
        raise StorageError(f"{path}: no folder that can be written to. Fix: make it, or give another.")


def print_json(document: object, *, one_line: bool = False) -> None:
    """Print one JSON document; numbers that JSON cannot hold are an error here, not in the reader."""
    say_text(as_json(document, indent=None if one_line else 2))


def say_text(text: str) -> None:
    """Print text that was laid out in lines of its own."""
    say(*text.split("\n"))


def tell(document: object, as_json: bool, *lines: object, one_line: bool = False) -> None:
    """Print a result as one JSON document, or as lines."""
    if as_json:
        print_json(document, one_line=one_line)
    else:
        say(*lines)


def table_as_json(table: pd.DataFrame) -> dict:
    """Full precision; numbers that JSON cannot hold become null."""
    from labelvalue.report.numbers.plan import records

    settings = {k: v for k, v in table.attrs.items() if isinstance(v, str | int | float | list)}
    return settings | {names.GAIN: records(table)}


def given(**options: object) -> dict:
    """Options the user gave; the functions' own defaults hold for the rest."""
    return {name: value for name, value in options.items() if value is not None}


def show(
    fit: Fit,
    wants_json: bool,
    budgets: list[int] | None = None,
    ci_prob: float = 0.9,
    target: float | None = None,
    mix: dict[str, float] | None = None,
) -> dict:
    """Print verdict, gains and labels needed, or return them for the JSON document; a refused fit has none of them."""
    from labelvalue.forecast.gains.gains import labels_needed, predict_gain
    from labelvalue.forecast.gains.rates import predict_total_gain
    from labelvalue.model.fitting.result import items_notes
    from labelvalue.report.numbers.tables import summarise
    from labelvalue.report.render.terminal import gain_text, needed_text, verdict_text

    of_runs = fit.runs.attrs.get(names.NOTES, "").splitlines()  # said when these were read
    notes = [*(note for note in fit.settings.get(names.NOTES, ()) if note not in of_runs), *items_notes(fit)]
    result = {"verdict": fit.diagnostics.verdict, "reasons": list(fit.diagnostics.reasons)}
    result |= {names.NOTES: notes} if notes else {}
    if not wants_json:
        say_text(verdict_text(fit.diagnostics, notes))
    if budgets is not None and fit.diagnostics.verdict != "refused":
        gain, total = predict_gain(fit, budgets=budgets), predict_total_gain(fit, budgets, mix)
        table = summarise(gain, ci_prob=ci_prob, total=total)
        if not wants_json:
            say_text(f"\n{gain_text(table)}")
        result |= table_as_json(table) | {names.NOTES: [*notes, *table.attrs[names.NOTES]]}
    if target is not None and fit.diagnostics.verdict != "refused":
        table = summarise(labels_needed(fit, target), ci_prob=ci_prob)
        if not wants_json:
            say_text(f"\n{needed_text(table)}")
        result |= {key: table.attrs[key] for key in (names.CI_KIND, names.CI_PROB)}
        result |= {names.LABELS_NEEDED: table_as_json(table)[names.GAIN]}
    return result


def show_backtest(fit: Fit, wants_json: bool) -> dict:
    """Print what the backtest came to, unless the verdict has said it, or return it; nothing where none was asked."""
    from labelvalue.forecast.backtesting.trust import backtest_said

    said = backtest_said(fit)
    if said and not wants_json and said.removesuffix(".") not in fit.diagnostics.reasons:
        say_text(wrapped(said))
    if not said:
        return {}
    return {names.BACKTEST: said} if fit.backtest is not None else {names.BACKTEST: None, "why": said}


def missing_approvals(decision: Decision, approved: Sequence[str] | None) -> list[Approval]:
    """Approvals that a decision needs and that nobody of those named gave."""
    return [one for one in decision.approvals if not any(map(one.is_by, approved or ()))]


def context_of(of: Fit | Decision, no_refits: bool) -> Context:
    """What a page knows beside a decision: how stable it is, by new fits where draws cannot say, unless left out."""
    from labelvalue.decisions.advice.decision import Decision
    from labelvalue.forecast.gains.prior_sensitivity import Refits
    from labelvalue.report.numbers.plan import detail_numbers
    from labelvalue.report.words.project import Context

    if no_refits or not isinstance(of, Decision):
        return Context()
    doing("fitting again where draws cannot say whether other data change the decision (--no-refits: not)")
    return Context(details=detail_numbers(of, refit=Refits(progress=True)))


def measure_next(runs: xr.Dataset) -> tuple[dict[str, str], list[str]]:
    """Columns that say nothing in the runs, with the answer that each would make possible; and the first in lines."""
    from labelvalue.observe.table.runs import what_is_missing

    missing = {str(column): str(answer) for column, answer in what_is_missing(runs).to_numpy()}
    rest = f" ({len(missing) - NEXT} more with --json)" if len(missing) > NEXT else ""
    said = "; ".join(f"{column}, for {answer}" for column, answer in [*missing.items()][:NEXT])
    return missing, [f"Measure next: {said}{rest}."] if missing else []


def finish(fit: Fit, result: dict, wants_json: bool, last_line: str = "") -> None:
    """Print the end of a command; a fit that may not be published ends it with its own exit code."""
    if wants_json:
        print_json(result)
    elif last_line:
        say(last_line)
    if fit.diagnostics.verdict != "ok":
        raise typer.Exit(NOT_PUBLISHED)


def unforeseen(error: Exception) -> RuntimeError:
    """Say that an error is none that anybody was meant to see; LABELVALUE_TRACEBACK=1 shows where it arose."""
    if os.environ.get("LABELVALUE_TRACEBACK") == "1":
        raise error
    what = f"{type(error).__name__}: {error}"
    return RuntimeError(
        f"{what}. This is a fault of labelvalue. Fix: set LABELVALUE_TRACEBACK=1 and report what it shows."
    )


def fail(code: int, error: Exception, given: Sequence[str], problems: Sequence[Problem] = ()) -> int:
    """Say what is wrong on stderr, with ``--json`` as one line on stdout too, and return ``code``."""
    if os.environ.get("LABELVALUE_TRACEBACK") == "1":
        raise error
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    message = message or type(error).__name__
    say(*(message.split("\n") if problems else [message]), err=True)  # a problem is a line, and has no other in it
    if isinstance(error, Usage):
        asked = getattr(getattr(error, "ctx", None), "command_path", "labelvalue")
        say(f"Fix: see '{asked} --help'.", err=True)
    if "--json" in given:
        problems = problems or (Problem(why=message, fix=""),)
        print_json([dict(p.as_dict()) for p in problems], one_line=True)
    return code


@contextlib.contextmanager
def printing_warnings() -> Iterator[None]:
    """Print warnings as lines of ours: they name files and values that somebody gave."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        say(f"labelvalue: warning: {message}", err=True)

    before = warnings.showwarning
    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


@contextlib.contextmanager
def heeding_termination() -> Iterator[list[signal.Signals]]:
    """Let SIGTERM interrupt what is being done, as Ctrl-C does, so that it can tidy up; say in a list that it came."""
    told: list[signal.Signals] = []

    def interrupt(number: int, frame: object) -> NoReturn:
        told.append(signal.Signals(number))
        raise KeyboardInterrupt

    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        yield told
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)


def end_by_signal(told: Sequence[signal.Signals] = ()) -> NoReturn:
    """End as the shell expects of a command that was interrupted: by the signal that came, else by that of Ctrl-C."""
    if os.name == "posix":
        number = told[0] if told else signal.SIGINT
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(INTERRUPTED)


def read_items(
    data: Path,
    target: str,
    slice_: str,
    text: str | None,
    learner: str | None,
    seed: int | None,
    item: str | None = None,
    allowed: str | None = None,
) -> tuple[Any, tuple[Any, Any, Any], Any, Any]:
    """Read items, labelled or not; give a learner, features with labels and slices, names, and which are allowed."""
    from labelvalue.observe.simulate.learners import learners_of, read_table

    table = read_table(data, target=target, slices=slice_, texts=text, unlabelled=True)
    about = [name for name in (item, allowed) if name is not None]
    for name in about:
        if name not in table:
            raise input_error("no such column", f"give one of {listed(table.columns, 20)}", file=data.name, column=name)
    features = table.drop(columns=[target, *about]) if text is None else table[text]
    (model,) = learners_of(features, None if learner is None else [learner], seed).values()
    free = None if allowed is None else _yes_or_no(table[allowed], data.name)
    return model, (features, table[target], table[slice_]), None if item is None else table[item], free


YES, NO = ("true", "yes", "1", "1.0"), ("false", "no", "0", "0.0")


def _yes_or_no(column: pd.Series, file: str) -> Any:
    """Truth values of a column, whose every cell says one."""
    said = column.astype(str).str.strip().str.casefold()
    wrong = ~said.isin(YES + NO)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        why, fix = f"row {row + 1} says neither yes nor no", "say true or false, yes or no, 1 or 0 of every item"
        raise input_error(why, fix, file=file, column=str(column.name), value=column.iloc[row])
    return said.isin(YES).to_numpy()
