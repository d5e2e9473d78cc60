"""Files of tables: what may be read, how long it may be, and CSV as it is found: separator, decimal mark, encoding.

A file is walked as bytes first, to decide limits and encoding without holding it, then as text: for its separator, and
for its rows. A cell loses the apostrophe that exports for spreadsheets put before what they would take for a formula.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import dataclasses
import hashlib
import io
import itertools
import pickletools
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO

from labelvalue.observe.table.schema import find_decimal, unguard
from labelvalue.problems import InputError, Problem, input_error
from labelvalue.reading import open_regular

MAX_LINE = 16 * 1024**2  # bytes of a line, and characters of a row
MAX_COLUMNS = 20_000
MAX_PROBLEMS = 10_000  # faults after which a file is read no further
AT_ONCE = 1_000  # rows that are taken apart into columns at once
MAX_KEPT = 50_000  # texts of a column of which one copy is kept for all cells that hold it
_SEPARATORS = {",": "','", ";": "';'", "\t": "tab"}
_CHUNK = 1024**2


class Rows:
    """Rows of separated text, walked once; those of the wrong length become problems."""

    def __init__(
        self, stream: BinaryIO, text: IO[str], file: str, encoding: str, sha256: str, separator: str, limits: Limits
    ):
        self.file, self.encoding, self.sha256 = file, encoding, sha256
        self.separator, self.limits, self._stream = separator, limits, stream
        self.problems: list[Problem] = []
        self._rows = _rows(text, separator, file, limits.cell)
        self.header_line, first = next(self._rows, (1, []))
        self.header = tuple(cell.strip() for cell in first)
        if not self.header:
            raise InputError([no_rows(file)])
        if len(self.header) > MAX_COLUMNS:
            why = f"{len(self.header)} columns are over the limit of {MAX_COLUMNS}"
            raise input_error(why, "leave columns out", file=file, line=self.header_line)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Line and cells of every row, the line being the one on which the row begins."""
        count = 0
        for line, row in self._rows:
            if (count := count + 1) > self.limits.rows:
                raise InputError([self.limits.too_many(self.file)])
            if len(row) == len(self.header):
                yield line, row
                continue
            why = f"{len(row)} cells, header has {len(self.header)}"
            fix = "mend the row; quote cells that hold the separator"
            self.problems.append(Problem(file=self.file, line=line, why=why, fix=fix))
            if len(self.problems) >= MAX_PROBLEMS:
                raise InputError(self.problems)

    def parts(self, names: Collection[str]) -> Iterator[tuple[Sequence[int], Mapping[str, Sequence[object]]]]:
        """Take rows apart into columns, some at a time, with the line of each."""
        places = {name: self.header.index(name) for name in names}
        known: dict[str, dict[str, str]] = {name: {} for name in names}
        for some in itertools.batched(self, AT_ONCE):
            columns = {name: once([unguard(row[i]) for _, row in some], known[name]) for name, i in places.items()}
            yield [line for line, _ in some], columns

    def again(self) -> BinaryIO:
        """Return the file at its beginning, for another reader."""
        self._stream.seek(0)
        return self._stream

    def decimal(self, columns: Sequence[Sequence[object]]) -> str:
        """Return the decimal mark of columns of numbers."""
        return "." if self.separator == "," else find_decimal(columns)

    def notes(self, decimal: str) -> tuple[str, ...]:
        """Say how the table was read, where that is not the usual way."""
        told = []
        if self.encoding not in ("utf-8", "utf-8-sig"):
            told.append(f"decoded as {self.encoding}")
        if self.separator != "," or decimal != ".":
            mark = {".": "point", ",": "comma"}[decimal]
            told.append(f"separator is {_SEPARATORS[self.separator]}, decimal {mark}")
        return tuple(told)


@contextlib.contextmanager
def open_rows(stream: BinaryIO, file: str, limits: Limits, encoding: str | None = None) -> Iterator[Rows]:
    """Walk separated text row by row; ``encoding`` is what the user named, ``None`` where no one may."""
    found, digest = _scan(stream, file, encoding)
    text = io.TextIOWrapper(stream, encoding=found, newline="")
    before = csv.field_size_limit(limits.cell)
    try:
        separator = _choose_separator(text, file, limits.cell)
        text.seek(0)
        yield Rows(stream, text, file, found, digest, separator, limits)
    finally:
        csv.field_size_limit(before)  # the limit is the whole process's
        text.detach()


def once(texts: Sequence[str], known: dict[str, str]) -> list[str]:
    """Return texts, with one copy of all that are equal, so that a column of few texts takes little room."""
    if len(known) < MAX_KEPT:
        return [known.setdefault(text, text) for text in texts]
    return [known.get(text, text) for text in texts]


def no_rows(file: str) -> Problem:
    """Return the problem of a table without rows."""
    return Problem(file=file, why="0 data rows", fix="add a header and rows")


# --- bytes ----------------------------------------------------------------------------------------


def _scan(stream: BinaryIO, file: str, encoding: str | None) -> tuple[str, str]:
    """Hash the file and check its encoding and its longest line, a chunk at a time; encoding and digest."""
    digest = hashlib.sha256()
    start, run, lines = 0, 0, 1
    stream.seek(0)
    named = _marked(stream.read(3)) or _named(encoding or "utf-8", file)
    decoder = codecs.getincrementaldecoder(named)()
    stream.seek(0)
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        first, *rest = chunk.replace(b"\r", b"\n").split(b"\n")
        longest = max([run + len(first), *map(len, rest)])
        if longest > MAX_LINE:
            why = f"a line of more than {MAX_LINE} bytes is over the limit of {MAX_LINE} bytes"
            raise input_error(why, "check the line ends", file=file)
        run = len(rest[-1]) if rest else run + len(first)
        _decode(decoder, chunk, start, lines, file, named, encoding)
        start += len(chunk)
        lines += chunk.count(b"\n")
    _decode(decoder, b"", start, lines, file, named, encoding, final=True)
    stream.seek(0)
    if not start:
        raise InputError([no_rows(file)])
    return named, digest.hexdigest()


def _marked(head: bytes) -> str | None:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None


def _named(encoding: str, file: str) -> str:
    try:
        b"".decode(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        why = f"unknown encoding {encoding!r}"
        raise input_error(why, "give a name such as utf-8, latin-1 or cp1252", file=file) from None


def _decode(
    decoder: codecs.IncrementalDecoder,
    chunk: bytes,
    start: int,
    lines: int,
    file: str,
    encoding: str,
    named: str | None,
    *,
    final: bool = False,
) -> None:
    pending = decoder.getstate()[0]
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        inside = error.start - len(pending)
        name = "UTF-8" if encoding.startswith("utf-8") else encoding
        line = lines + chunk[: max(inside, 0)].count(b"\n")
        fix = "save it as UTF-8" + ("" if named is None else ", or name its encoding: --encoding latin-1")
        raise input_error(f"not {name} at byte {start + inside}", fix, file=file, line=line) from None


# --- text -----------------------------------------------------------------------------------------


def _rows(stream: IO[str], separator: str, file: str, most: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of every record that is not blank."""
    length = 0

    def measured() -> Iterator[str]:
        nonlocal length
        for text in stream:
            length += len(text)
            if length > MAX_LINE:
                why = f"a row is over the limit of {MAX_LINE} characters"
                raise input_error(why, "close its quotes, or shorten it", file=file, line=line)
            yield text

    reader = csv.reader(measured(), delimiter=separator, strict=True)
    while True:
        line, length = reader.line_num + 1, 0
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            last = reader.line_num
            stream.seek(0)
            raise InputError([_broken(stream, line, last, separator, file, str(error), most)]) from None
        if row:
            yield line, row


def _broken(stream: IO[str], first: int, last: int, separator: str, file: str, error: str, most: int) -> Problem:
    """Say which quote a record on lines ``first`` to ``last`` fails to close."""
    opened = _last_quote(stream, first, last, separator)
    if "field larger" in error and opened in (None, last):
        why = f"a cell is over the limit of {most} characters"
        return Problem(file=file, line=last, why=why, fix="shorten the cell")
    why = f"quote opened on line {opened} is never closed"
    if "field larger" in error:
        why = f"quote opened on line {opened} is not closed within {most} characters"
    if "expected after" in error:
        why += f" before a separator: text follows a quote on line {last}"
    return Problem(file=file, line=opened, why=why, fix='close the quote, and write a quote inside a quoted cell as ""')


def _last_quote(stream: IO[str], first: int, last: int, separator: str) -> int | None:
    """Return the line on which the last quoted cell begins, up to text that follows a quote."""
    opened = None
    state = "start"  # of a cell; then "plain", "quoted", or "closing" after a quote in quotes
    for number, text in enumerate(stream, start=1):
        if number > last:
            break
        if number < first:
            continue
        for c in text:
            if state == "quoted":
                state = "closing" if c == '"' else state
            elif c == '"' and state in ("start", "closing"):
                opened = number if state == "start" else opened
                state = "quoted"
            elif c == separator or c in "\r\n":
                state = "start"
            elif state == "closing":
                return opened
            else:
                state = "plain"
    return opened


def _choose_separator(stream: IO[str], file: str, most: int) -> str:
    """Return the separator under which every row is as long as the header."""
    widths = {}
    for separator in _SEPARATORS:
        stream.seek(0)
        try:
            _, header = next(_rows(stream, separator, file, most), (1, []))
        except InputError:
            continue
        if len(header) > 1:
            widths[separator] = len(header)
    if len(widths) < 2:
        return next(iter(widths), ",")
    consistent = [s for s, width in widths.items() if _is_consistent(stream, s, width, file, most)]
    if len(consistent) > 1:
        found = " and ".join(_SEPARATORS[s] for s in consistent)
        why = f"separator is ambiguous: {found} both fit every row"
        raise input_error(why, "quote the cells that hold the other one, or keep one separator", file=file)
    return consistent[0] if consistent else max(widths, key=lambda s: widths[s])


def _is_consistent(stream: IO[str], separator: str, width: int, file: str, most: int) -> bool:
    """Tell whether every row has ``width`` cells and no quoted text is cut through."""
    stream.seek(0)
    try:
        return all(
            len(row) == width and not any(cell.count('"') % 2 for cell in row)
            for _, row in _rows(stream, separator, file, most)
        )
    except InputError:
        return False


MAX_BYTES = 1024**3  # largest file that is read, and the most that is unpacked from one
MAX_CELL = 131_072  # characters of a cell
PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", "")
_LOOKED_AT = 64 * 1024
"""Bytes, and a hundredth of that instructions, after which what reads as a pickle is taken for one."""

Wanted = Callable[[tuple[str, ...]], Collection[str]]  # which columns are read, by the header


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of a table is read."""

    rows: int
    cell: int = MAX_CELL  # characters
    size: int = dataclasses.field(default_factory=lambda: MAX_BYTES)  # bytes of the file
    fix: str = "sum replicates, or read the table in parts"

    def too_many(self, file: str, rows: int | None = None) -> Problem:
        """Return the problem of a table with more rows than are read."""
        got = "more rows" if rows is None else f"{rows} rows"
        return Problem(file=file, why=f"{got} than allowed, over the limit of {self.rows} rows", fix=self.fix)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it was found."""

    file: str
    header: tuple[str, ...]
    cells: Mapping[str, Sequence[object]]  # of each wanted column; a repeated one counts once
    lines: Sequence[int]  # the header is line 1; row of a Parquet file from 1, of a DataFrame from 0
    header_line: int | None = None
    decimal: str = "."
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def is_parquet(stream: BinaryIO, path: Path) -> bool:
    """Tell whether a file is Parquet, or says so by its name."""
    head = stream.read(4)
    stream.seek(0)
    return head == b"PAR1" or path.suffix.lower() in PARQUET_SUFFIXES


def open_checked(path: Path, most: int | None = None, fix: str = "sum replicates, or split the file") -> BinaryIO:
    """Open a table, and nothing else: no folder, no pipe, no file over the limit, no pickle, no archive."""
    stream = open_given(path, MAX_BYTES if most is None else most, fix)
    if _is_foreign(stream, path):
        stream.close()
        raise InputError([unsupported(path.name)])
    stream.seek(0)
    return stream


def open_given(path: Path, most: int, fix: str) -> BinaryIO:
    """Open a file that a user gave, told by its name alone; ``fix`` says what to do with one over the limit."""
    try:
        return open_regular(path, most)
    except InputError as error:
        (problem,) = error.problems
        fix = fix if "over the limit" in problem.why else problem.fix
        raise InputError([dataclasses.replace(problem, file=path.name or str(path), fix=fix)]) from None


def unsupported(file: str) -> Problem:
    """Return the problem of a file that is no table that is read."""
    return Problem(file=file, why="not a supported format; csv, parquet", fix="export it as CSV or Parquet")


def _is_foreign(stream: BinaryIO, path: Path) -> bool:
    """Tell whether bytes are a pickle, an archive, HDF5 or NumPy: formats never opened here."""
    head = stream.read(_LOOKED_AT)
    if head.startswith(
        (b"PK\x03\x04", b"\x1f\x8b", b"\x89HDF", b"CDF", b"\x93NUMPY", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
    ):
        return True
    if path.suffix.lower() in (".pkl", ".pickle"):
        return True
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return True
    return _is_old_pickle(io.BytesIO(head), not stream.read(1))


_NAME_PAIR = re.compile(r"[\w.]+ [\w.]+")
"""Module and name, as an old pickle holds them; of lines of a table a separator is part."""


def _is_old_pickle(head: io.BytesIO, whole: bool) -> bool:
    """Tell a pickle of protocol 0 or 1, which looks like text; ``genops`` reads, and never runs."""
    kinds: set[str] = set()
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(head)):
            if not count and operation.stack_before:
                return False  # there is nothing yet that it could take
            if operation.name in ("GLOBAL", "INST") and not _NAME_PAIR.fullmatch(str(argument)):
                return False
            kinds.add(operation.name)
            if count > _LOOKED_AT // 100:
                return not kinds <= {"UNICODE", "PERSID"}  # which a table is, whose lines all begin with V or P
    except Exception:  # anything at all means: not a pickle
        return False
    return whole and not head.read(1)
