"""From one cell to a checked value: numbers, counts, times and text.

A parser takes a cell (text from a file, or a Python object from a DataFrame) and returns its value,
``None`` for a missing one, or a :class:`Fault`. It knows nothing of files, lines or columns.
"""

import datetime as dt
import math
import numbers
import re
import unicodedata
import zoneinfo
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

import pandas as pd

from labelvalue.numerals import MAX_COUNT
from labelvalue.observe.table.schema import MAX_TEXT
from labelvalue.printing import is_hidden

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
