"""CSV in all its dialects, parsed by the csv module so that every cell stays text.

The file is walked twice: once as bytes, to decide limits and encoding without holding it, and once
as text. A cell loses the apostrophe that exports for spreadsheets put before what they would
take for a formula.
"""

from __future__ import annotations

import codecs
import csv
import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from labelvalue.observe.cells import find_decimal
from labelvalue.observe.schema import COLUMNS, MAX_ROWS
from labelvalue.observe.tables import Table, too_many_rows
from labelvalue.problems import InputError, Problem
from labelvalue.spreadsheets import unguard

MAX_LINE = 16 * 1024**2
_SEPARATORS = {",": "','", ";": "';'", "\t": "tab"}
_CHUNK = 1024**2


def read_delimited(path: Path, file: str, encoding: str) -> Table:
    """Read separated text; rows of the wrong length become problems, the others cells."""
    scan = _scan(path, file, encoding)
    with path.open(encoding=scan.encoding, newline="") as stream:
        separator = _choose_separator(stream, file)
        stream.seek(0)
        rows = _rows(stream, separator, file)
        header_line, first = next(rows, (1, []))
        header = tuple(cell.strip() for cell in first)
        if not header:
            raise InputError([_no_rows(file)])
        wanted = {name: header.index(name) for name in header if name in COLUMNS}
        cells: dict[str, list[object]] = {name: [] for name in wanted}
        lines: list[int] = []
        problems: list[Problem] = []
        for line, row in rows:
            if len(lines) + len(problems) >= MAX_ROWS:
                raise InputError([too_many_rows(file, None)])
            if len(row) != len(header):
                why = f"{len(row)} cells, header has {len(header)}"
                fix = "mend the row; quote cells that hold the separator"
                problems.append(Problem(file=file, line=line, why=why, fix=fix))
                continue
            lines.append(line)
            for name, i in wanted.items():
                cells[name].append(unguard(row[i]))
    decimal = "."
    if separator != ",":
        numeric = [cells[name] for name in cells if COLUMNS[name].kind in ("count", "number")]
        decimal = find_decimal(numeric)
    return Table(
        file=file,
        header=header,
        cells=cells,
        lines=lines,
        header_line=header_line,
        decimal=decimal,
        sha256=scan.sha256,
        notes=_notes(scan.encoding, separator, decimal),
        problems=tuple(problems),
    )


def _notes(encoding: str, separator: str, decimal: str) -> tuple[str, ...]:
    notes = []
    if encoding not in ("utf-8", "utf-8-sig"):
        notes.append(f"decoded as {encoding}")
    if separator != "," or decimal != ".":
        mark = {".": "point", ",": "comma"}[decimal]
        notes.append(f"separator is {_SEPARATORS[separator]}, decimal {mark}")
    return tuple(notes)


def _no_rows(file: str) -> Problem:
    return Problem(file=file, why="0 data rows", fix="add a header and rows")


# --- bytes ----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Scan:
    encoding: str
    sha256: str


def _scan(path: Path, file: str, encoding: str) -> _Scan:
    """Hash the file and check its encoding and its longest line, a chunk at a time."""
    digest = hashlib.sha256()
    start, run, lines = 0, 0, 1
    with path.open("rb") as stream:
        encoding = _marked(stream.read(3)) or _named(encoding, file)
        decoder = codecs.getincrementaldecoder(encoding)()
        stream.seek(0)
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            first, *rest = chunk.replace(b"\r", b"\n").split(b"\n")
            longest = max([run + len(first), *map(len, rest)])
            if longest > MAX_LINE:
                why = f"a line of more than 16 MiB is over the limit of {MAX_LINE} bytes"
                raise InputError([Problem(file=file, why=why, fix="check the line ends")])
            run = len(rest[-1]) if rest else run + len(first)
            _decode(decoder, chunk, start, lines, file, encoding)
            start += len(chunk)
            lines += chunk.count(b"\n")
        _decode(decoder, b"", start, lines, file, encoding, final=True)
    if not start:
        raise InputError([_no_rows(file)])
    return _Scan(encoding, digest.hexdigest())


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
        fix = "give a name such as utf-8, latin-1 or cp1252"
        raise InputError([Problem(file=file, why=why, fix=fix)]) from None


def _decode(
    decoder: codecs.IncrementalDecoder,
    chunk: bytes,
    start: int,
    lines: int,
    file: str,
    encoding: str,
    *,
    final: bool = False,
) -> None:
    pending = decoder.getstate()[0]
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        inside = error.start - len(pending)
        name = "UTF-8" if encoding.startswith("utf-8") else encoding
        why = f"not {name} at byte {start + inside}"
        line = lines + chunk[: max(inside, 0)].count(b"\n")
        fix = "save it as UTF-8, or name its encoding: --encoding latin-1"
        raise InputError([Problem(file=file, line=line, why=why, fix=fix)]) from None


# --- text -----------------------------------------------------------------------------------------


def _rows(stream: IO[str], separator: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of every record that is not blank."""
    reader = csv.reader(stream, delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            last = reader.line_num
            stream.seek(0)
            raise InputError([_broken(stream, line, last, separator, file, str(error))]) from None
        if row:
            yield line, row


def _broken(stream: IO[str], first: int, last: int, separator: str, file: str, error: str) -> Problem:
    """Say which quote a record on lines ``first`` to ``last`` fails to close."""
    opened = _last_quote(stream, first, last, separator)
    if "field larger" in error and opened in (None, last):
        why = f"a cell is over the limit of {csv.field_size_limit()} characters"
        return Problem(file=file, line=last, why=why, fix="shorten the cell")
    why = f"quote opened on line {opened} is never closed"
    if "expected after" in error:
        why += f" before a separator: text follows a quote on line {last}"
    fix = 'close the quote, and write a quote inside a quoted cell as ""'
    return Problem(file=file, line=opened, why=why, fix=fix)


def _last_quote(stream: IO[str], first: int, last: int, separator: str) -> int | None:
    """Return the line on which the last quoted cell begins, up to text that follows a quote."""
    opened = None
    state = "start"  # of a cell; then "plain", "quoted", or "closing" after a quote in quotes
    for number, text in enumerate(stream, start=1):
        if not first <= number <= last:
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


def _choose_separator(stream: IO[str], file: str) -> str:
    """Return the separator under which every row is as long as the header."""
    widths = {}
    for separator in _SEPARATORS:
        stream.seek(0)
        try:
            _, header = next(_rows(stream, separator, file), (1, []))
        except InputError:
            continue
        if len(header) > 1:
            widths[separator] = len(header)
    if len(widths) < 2:
        return next(iter(widths), ",")
    consistent = [s for s, width in widths.items() if _is_consistent(stream, s, width, file)]
    if len(consistent) > 1:
        found = " and ".join(_SEPARATORS[s] for s in consistent)
        why = f"separator is ambiguous: {found} both fit every row"
        fix = "quote the cells that hold the other one, or keep one separator"
        raise InputError([Problem(file=file, why=why, fix=fix)])
    return consistent[0] if consistent else max(widths, key=lambda s: widths[s])


def _is_consistent(stream: IO[str], separator: str, width: int, file: str) -> bool:
    """Tell whether every row has ``width`` cells and no quoted text is cut through."""
    stream.seek(0)
    try:
        return all(
            len(row) == width and not any(cell.count('"') % 2 for cell in row)
            for _, row in _rows(stream, separator, file)
        )
    except InputError:
        return False
