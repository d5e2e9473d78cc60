"""The runs table: its columns, metrics, and key; and from one cell to a checked value: numbers, counts, times, text."""

import dataclasses
import datetime as dt
import math
import numbers
import re
import unicodedata
import zoneinfo
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple, cast

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.numerals import MAX_COUNT
from labelvalue.printing import is_hidden
from labelvalue.problems import LONGEST_NAME, Problem, did_you_mean, quote, some_of

Kind = Literal["text", "count", "number", "time"]
Form = Literal["counts", "value"]

MAX_ROWS = 200_000
MAX_SLICES = 5_000
MAX_TEXT = 200

NOT_A_TIME = int(np.iinfo(np.int64).min)  # the integer behind ``NaT``


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the runs table; one that a table lacks gets its default, unless ``added`` is false."""

    name: str
    kind: Kind
    default: object = None
    added: bool = True


COLUMNS: dict[str, Column] = {
    c.name: c
    for c in (
        Column(name=names.SLICE, kind="text"),
        Column(name=names.LEARNER, kind="text", default="default"),
        Column(name=names.STRATEGY, kind="text", default="random"),
        Column(name=names.SUITE, kind="text", default="holdout"),
        Column(name=names.BATCH, kind="text", default=""),
        Column(name=names.EVALUATION_SET, kind="text", default=""),
        Column(name=names.LABELS, kind="count"),
        Column(name=names.OTHER_LABELS, kind="count", default=0),
        Column(name=names.LABEL_NOISE, kind="number", default=float("nan")),
        Column(name=names.SYNTHETIC_LABELS, kind="count", default=0),
        Column(name=names.OTHER_SYNTHETIC_LABELS, kind="count", default=0),
        Column(name=names.REPLICATE, kind="count", default=0),
        Column(name=names.PROTOCOL, kind="text", default=""),
        Column(name=names.ERRORS, kind="count"),
        Column(name=names.TRIALS, kind="count"),
        Column(name=names.VALUE, kind="number"),
        Column(name=names.STDERR, kind="number"),
        Column(name=names.DIVERSITY, kind="number", default=float("nan"), added=False),
        Column(name=names.LABELS_NOW, kind="count", default=0, added=False),
        Column(name=names.SECONDS, kind="number", default=float("nan")),
        Column(name=names.MEASURED_AT, kind="time", default=NOT_A_TIME),
        Column(name=names.SOURCE_ID, kind="text", default="", added=False),
    )
}  # every column, in the order in which rows are sorted: the key first, then the results

MEASURES = (names.ERRORS, names.TRIALS, names.VALUE, names.STDERR)  # columns of the two forms of measurement

KEY = tuple(list(COLUMNS)[: list(COLUMNS).index(names.ERRORS)])  # columns that tell two runs apart

DERIVED = (names.ERROR, names.ERROR_STDERR)
"""Columns that the reader computes itself, and ignores where a table brings them."""

REQUIRED = (names.SLICE, names.LABELS)


def read_header(header: Sequence[str], file: str, line: int | None) -> tuple[Form | None, list[Problem], list[str]]:
    """Judge the column names of a table: its form of measurement (``None`` if unclear), problems and notes."""
    present = set(header)
    problems = [*repeated(header, file, line)]
    missing = [name for name in REQUIRED if name not in present]
    for name in missing:
        problems.append(_missing(name, header, file, line))
    form, form_problems = _form(present, file, line)
    problems += form_problems
    ignored = []
    for name in dict.fromkeys(header):
        if name in COLUMNS:
            continue
        near = next((known for known in COLUMNS if _within_one_edit(name, known)), None)
        if near is None or (name in DERIVED and near in present):
            ignored.append(name)
        elif near not in missing:
            why = f"unknown column {name!r}; did you mean {near!r}?"
            fix = f"rename it to {near!r}, or to something else if it is to be ignored"
            problems.append(Problem(file=file, line=line, column=name, why=why, fix=fix))
    shown = some_of((quote(name, LONGEST_NAME) for name in ignored), 20)
    return form, problems, [f"ignored columns: {shown}"] if ignored else []


def repeated(header: Sequence[str], file: str, line: int | None) -> list[Problem]:
    """Return a problem for every name that stands over several columns."""
    places: dict[str, list[int]] = {}
    for i, name in enumerate(header, start=1):
        places.setdefault(name, []).append(i)
    problems = []
    for name, positions in places.items():
        if name and len(positions) > 1:
            where = " and ".join([", ".join(map(str, positions[:-1])), str(positions[-1])])
            why = f"column {quote(name)} appears at positions {where}"
            problems.append(Problem(file=file, line=line, column=name, why=why, fix="keep one of them"))
    return problems


def _missing(name: str, header: Sequence[str], file: str, line: int | None) -> Problem:
    unknown = [h for h in header if h not in COLUMNS]
    found = ", ".join(quote(h, LONGEST_NAME) for h in header[:20]) + (", …" if len(header) > 20 else "")
    hint = did_you_mean(name, unknown)
    why = f"required column {name!r} is missing; found {found or 'none'}{hint}"
    return Problem(file=file, line=line, why=why, fix=f"add a column {name!r} or rename one")


def _form(present: set[str], file: str, line: int | None) -> tuple[Form | None, list[Problem]]:
    has = {name: name in present for name in MEASURES}
    if has[names.ERRORS] and (has[names.VALUE] or has[names.STDERR]):
        why = "'errors' and 'trials' are one form, 'value' and 'stderr' the other; both are here"
        return None, [Problem(file=file, line=line, why=why, fix="keep one form per table")]
    if has[names.ERRORS] and has[names.TRIALS]:
        return "counts", []
    if not has[names.VALUE]:
        why = "needs 'errors' and 'trials', or 'value' with 'stderr' or 'trials'"
        return None, [Problem(file=file, line=line, why=why, fix="add the columns that are missing")]
    if not (has[names.STDERR] or has[names.TRIALS]):
        why = "noise is unknown; add 'trials' or 'stderr'"
        fix = "add the size of the evaluation set as 'trials', or the standard error as 'stderr'"
        return "value", [Problem(file=file, line=line, column=names.VALUE, why=why, fix=fix)]
    return "value", []


def _within_one_edit(a: str, b: str) -> bool:
    """Tell whether one insertion, deletion, change or swap makes one text of the other."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if start is None:
        return True
    i = start
    swapped = a[i : i + 2] == b[i : i + 2][::-1] and len(a) == len(b) and a[i + 2 :] == b[i + 2 :]
    return swapped or a[i + 1 :] == b[i + 1 :] or a[i + 1 :] == b[i:] or a[i:] == b[i + 1 :]


Direction = Literal["lower", "higher"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: its name, which way is better, and what values are legal."""

    name: str
    direction: Direction
    lower: float = 0.0
    upper: float = math.inf

    @property
    def error_upper(self) -> float:
        """Largest possible error, ``inf`` where there is none."""
        return self.upper - self.lower

    @property
    def range(self) -> str:
        """The legal range as text, such as ``[0, 1]`` or ``[0, inf)``."""
        left = f"[{self.lower:g}" if math.isfinite(self.lower) else "(-inf"
        right = f"{self.upper:g}]" if math.isfinite(self.upper) else "inf)"
        return f"{left}, {right}"

    def error(self, value: np.ndarray) -> np.ndarray:
        """Return the distance of ``value`` from the best legal value (same shape, ≥ 0)."""
        return self.upper - value if self.direction == "higher" else value - self.lower

    def stderr_from_trials(self, error: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """Return the standard error of a mean of ``trials`` answers; an approximation for F1 or AUC.

        For errors it is sqrt(p (1 − p) / trials), p kept half a trial away from both ends, so that no run is noiseless.
        """
        half = 0.5 / trials
        p = np.clip(error / self.error_upper, half, 1 - half)
        return self.error_upper * np.sqrt(p * (1 - p) / trials)


CATALOGUE = {
    m.name: m
    for m in (
        Metric(name="accuracy", direction="higher", upper=1.0),
        Metric(name="balanced_accuracy", direction="higher", upper=1.0),
        Metric(name="f1", direction="higher", upper=1.0),
        Metric(name="auc", direction="higher", upper=1.0),
        Metric(name="precision", direction="higher", upper=1.0),
        Metric(name="recall", direction="higher", upper=1.0),
        Metric(name="error_rate", direction="lower", upper=1.0),
        Metric(name="brier", direction="lower", upper=1.0),
        Metric(name="ece", direction="lower", upper=1.0),
        Metric(name="log_loss", direction="lower"),
        Metric(name="rmse", direction="lower"),
        Metric(name="mae", direction="lower"),
    )
}  # the metrics known by name; any other takes a direction and bounds

COUNTS = CATALOGUE["error_rate"]  # the metric of a table of counts, unless the user names another share


def choose_metric(
    name: str | None, direction: str | None, bounds: tuple[float, float] | None, *, counts: bool, file: str
) -> tuple[Metric | None, list[Problem]]:
    """Return the metric of a table, or everything that is wrong with what the user said of it."""
    known = ", ".join(CATALOGUE)
    found: Metric | None = None
    wrong: list[tuple[str, str]] = []
    if name is None and counts:
        return COUNTS, []
    if name is None:
        wrong = [(f"metric is not named; one of {known}", "give metric='…'")]
    elif name in CATALOGUE:
        found = CATALOGUE[name]
        if direction not in (None, found.direction) or bounds not in (None, (found.lower, found.upper)):
            why = f"{name!r} is known: {found.direction} is better, {found.range}"
            wrong = [(why, "leave direction and bounds out, or take another name")]
    elif direction is None or bounds is None:
        starts = [m for m in CATALOGUE if m.startswith(name)] if name else []
        hint = f"; did you mean {starts[0]!r}?" if starts else did_you_mean(name, CATALOGUE)
        wrong = [(f"unknown metric {quote(name)}{hint}", f"name one of {known}, or give direction and bounds")]
    else:
        lower, upper = bounds
        found = Metric(name=name, direction=cast("Direction", direction), lower=float(lower), upper=float(upper))
        if direction not in ("lower", "higher"):
            wrong = [(f"direction {quote(direction)} is not known", "give 'lower' or 'higher', what is better")]
        if not lower < upper or not math.isfinite(upper if direction == "higher" else lower):
            why = f"bounds {bounds!r} of {name!r} are not a range with a finite best value"
            wrong.append((why, "give (lowest, highest), finite on the better side"))
    if found is not None and counts and not wrong and found.error_upper != 1.0:
        why = f"'errors' and 'trials' make a share, and {name!r} is none"
        wrong = [(why, "give 'value' and 'stderr', or another metric")]
    return (None if wrong else found), [Problem(file=file, why=why, fix=fix) for why, fix in wrong]


_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>", "nat"})
_NUMBER = re.compile(r"[+-]?((\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|inf(inity)?)", re.ASCII | re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:[,.'_\s][0-9]{3})+")
_THOUSANDS = re.compile(r"(\d+(?:[.,]\d+)?)\s?([kM])", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)? ?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
MAX_DIGITS = 50  # characters of a number of which another spelling is proposed
YEARS = range(1678, 2262)  # years that 64-bit nanoseconds hold


class Fault(NamedTuple):
    """What is wrong with a cell, and what to do."""

    why: str
    fix: str


Parser = Callable[[object], object]


def parse_cells(cells: Sequence[object], parse: Parser) -> list[object]:
    """Return ``parse(cell)`` for every cell; equal cells are parsed once."""
    known: dict[tuple[type, object], object] = {}
    parsed = []
    for cell in cells:
        key = (type(cell), cell)
        try:
            if key not in known:
                known[key] = parse(cell)
            parsed.append(known[key])
        except TypeError:  # a list or another cell that has no hash
            parsed.append(parse(cell))
    return parsed


# --- text -----------------------------------------------------------------------------------------


def parse_text(cell: object) -> object:
    """Return the cell as text, unchanged; ``None`` where it is empty."""
    if cell is None:
        return None
    if not isinstance(cell, str):
        if not isinstance(cell, bool | numbers.Real | Decimal):
            return Fault("not text or number", "give text")
        try:
            cell = str(cell)
        except ValueError:  # a whole number of thousands of digits
            return Fault(f"longer than {MAX_TEXT} characters", "shorten it")
    if not cell:
        return None
    if len(cell) > MAX_TEXT:
        return Fault(f"longer than {MAX_TEXT} characters", "shorten it")
    bad = next((c for c in cell if unicodedata.category(c) in ("Cc", "Cs") or c in _OVERRIDES), "")
    return Fault(f"contains U+{ord(bad):04X}", "remove that character") if bad else cell


def parse_slice(cell: object) -> object:
    """Return a slice's name as text, unchanged; a blank one is a fault."""
    text = parse_text(cell)
    if text is None or (isinstance(text, str) and not text.strip()):
        return Fault("slice is empty", "name the slice of every row")
    return text


def fold(text: str) -> str:
    """Return what slices that look alike have in common: nothing unseen, no outer blanks, no case, one Unicode form."""
    seen = "".join(c for c in text if not is_hidden(c))
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold()).strip()


# --- numbers --------------------------------------------------------------------------------------


def parse_number(cell: object, *, decimal: str = ".") -> object:
    """Return a finite float, ``None`` where the cell is missing, or a fault."""
    fault = Fault("not a number", "write digits and a decimal point, such as 0.25")
    if cell is None:
        return None
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in _MISSING:
            return None
        text = text.replace(decimal, ".")
        if not _NUMBER.fullmatch(text):
            return fault
        number = float(text)
    elif isinstance(cell, bool) or not isinstance(cell, numbers.Real | Decimal):
        return fault
    else:
        try:
            number = float(cell)
        except OverflowError:  # a whole number beyond all floats
            number = math.inf
    if math.isnan(number):
        return None
    return number if math.isfinite(number) else Fault("not finite", "give a finite number")


def parse_count(cell: object, *, decimal: str = ".", mean: bool = False) -> object:
    """Return a whole number, ``None`` where missing, or a fault, worded for a mean where ``mean`` says so."""
    if isinstance(cell, str):
        written = _grouped(cell.strip(), decimal)
        if written is not None:
            return Fault(f"not a whole number; write {written}", f"write {written}, digits only")
    number = parse_number(cell, decimal=decimal)
    if isinstance(number, Fault) and number.why == "not a number":
        return Fault("not a whole number", "give a count, such as 10")
    if not isinstance(number, float):
        return number
    if not number.is_integer():
        if mean:
            why = "not a whole number; for a mean use 'value' and 'stderr'"
            return Fault(why, "give the count of wrong answers, or the other form")
        low = math.floor(number)
        return Fault("not a whole number", f"give a count, such as {low} or {low + 1}")
    if number < 0:
        return Fault("must be ≥ 0", "give a count, such as 10")
    if number > MAX_COUNT:
        return Fault(f"over the limit of {MAX_COUNT}", "check the unit of this column")
    return int(number)


def _grouped(text: str, decimal: str) -> str | None:
    """Return the digits behind ``1,000``, ``1 000``, ``1_000`` or ``1k``; else ``None``."""
    if len(text) > MAX_DIGITS:
        return None
    if _GROUPED.fullmatch(text):
        if decimal == "." and _NUMBER.fullmatch(text):
            return None  # 1.000 with a decimal point is the whole number 1
        return re.sub(r"[^0-9+-]", "", text)
    thousands = _THOUSANDS.fullmatch(text)
    if thousands is None:
        return None
    factor = 1_000 if thousands[2] == "k" else 1_000_000
    number = Decimal(thousands[1].replace(",", ".")) * factor
    return str(int(number)) if number == int(number) else None


def find_decimal(columns: Sequence[Sequence[object]]) -> str:
    """Return ``","`` if numbers carry decimal commas and none carries a point, else ``"."``."""
    texts = [cell for cells in columns for cell in cells if isinstance(cell, str)]
    return "," if any("," in text for text in texts) and not any("." in text for text in texts) else "."


# --- times ----------------------------------------------------------------------------------------


def parse_time(cell: object) -> object:
    """Return a :class:`pandas.Timestamp`, with a zone or without, ``None`` where the cell is missing, or a fault."""
    fault = Fault("not a time", "write ISO 8601, such as 2026-11-23T14:05:00+01:00")
    if cell is None or cell is pd.NaT:
        return None
    if isinstance(cell, str):
        cell = cell.strip()
        if cell.lower() in _MISSING:
            return None
        if not _TIME.fullmatch(cell):
            return fault
    elif not isinstance(cell, dt.date):
        return fault
    try:
        time = pd.Timestamp(cell)
    except ValueError:
        return fault
    return time if time.year in YEARS else Fault("not a time that can be stored", "give a year from 1678 to 2261")


def to_utc(time: pd.Timestamp, zone: zoneinfo.ZoneInfo | None) -> int | Fault:
    """Return nanoseconds in UTC; a zone-less time is read in ``zone``, or as UTC without one."""
    if time.tz is None and zone is not None:
        try:
            time = time.tz_localize(zone)
        except ValueError as error:
            what = "does not exist" if "nonexistent" in str(error) else "ambiguous"
            return Fault(f"{what} in {zone.key}", "write the time with its offset")
    return int(time.as_unit("ns").value)


FORMULA = re.compile(r"(?!-\d+(\.\d+)?\Z)'*[=+\-@\t\r]")
"""What a spreadsheet may run, behind any apostrophes: those that stand there must stay told from the one we put.
A negative number, such as an id that is a hash, runs nothing."""
_GUARDED = re.compile(r"'+[=+\-@\t\r]")  # what was guarded, or looks so


def guard(text: str, *, spreadsheet: bool = True) -> str:
    r"""Put an apostrophe before a text that a spreadsheet would run."""
    return f"'{text}" if (FORMULA if spreadsheet else _GUARDED).match(text) else text


def guard_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table to be written as CSV, each of its texts guarded."""
    return table.map(lambda cell: guard(cell) if isinstance(cell, str) else cell)


def unguard(cell: str) -> str:
    """Take the apostrophe off that :func:`guard` put there."""
    return cell[1:] if cell[:1] == "'" and _GUARDED.match(cell) else cell
