"""JSON read record by record, so that memory holds one of them; numbers stay as they are written."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from labelvalue.problems import InputError, Problem, quote

MAX_BYTES = 4 * 1024**3
"""Largest export that is read."""
MAX_RECORD = 64 * 1024**2
"""Largest record in it."""
CHUNK = 1024**2
NEAR_THE_END = 64
"""Characters before the end of what was read within which a fault may only mean that more is to come."""


class Written(str):
    """A number as it is written in a file."""

    __slots__ = ()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


DECODER = json.JSONDecoder(parse_float=Written, parse_int=Written, parse_constant=_no_constant)


def open_export(path: Path) -> BinaryIO:
    """Open an export after looking at what it is.

    Parameters
    ----------
    path : pathlib.Path
        File.

    Returns
    -------
    file object
        Binary, at its beginning, after a byte-order mark.

    Raises
    ------
    InputError
        If it is missing, a folder, unreadable, empty or too large.

    Examples
    --------
    See :func:`labelvalue.read_annotations`.
    """
    file = path.name or str(path)
    try:
        if path.is_dir():
            raise InputError([Problem(file=file, why="is a folder", fix="give the path of an export")])
        if path.exists() and not path.is_file():
            raise InputError([Problem(file=file, why="cannot be read (a pipe or a device)", fix="give a file")])
        size = path.stat().st_size
        if size == 0:
            raise InputError([Problem(file=file, why="0 usable labels: the file is empty", fix="export again")])
        if size > MAX_BYTES:
            why = f"{size} bytes are over the limit of {MAX_BYTES} bytes"
            raise InputError([Problem(file=file, why=why, fix="export in parts; overlaps do no harm")])
        stream = path.open("rb")
    except FileNotFoundError:
        raise InputError(
            [Problem(file=file, why=f"no such file {quote(str(path), 200)}", fix="check the path")]
        ) from None
    except OSError as error:
        why = f"cannot be read ({error.strerror or error})"
        raise InputError([Problem(file=file, why=why, fix="check its permissions")]) from None
    if stream.read(3) != codecs.BOM_UTF8:
        stream.seek(0)
    return stream


class _Buffer:
    """Text read so far and not yet used, and how many lines and bytes came before it."""

    def __init__(self, stream: BinaryIO, file: str):
        self.stream, self.file = stream, file
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self.ended = "", 0, False
        self.line, self.byte = 1, stream.tell()

    def more(self) -> bool:
        """Read on; False at the end of the file."""
        self._forget()
        if self.ended:
            return False
        before = self.stream.tell()
        raw = self.stream.read(max(CHUNK, len(self.text)))
        self.ended = not raw
        try:
            self.text += self.decoder.decode(raw, final=self.ended)
        except UnicodeDecodeError as error:
            why = f"not UTF-8 at byte {before + error.start}"
            raise InputError([Problem(file=self.file, why=why, fix="export as UTF-8")]) from None
        return not self.ended

    def _forget(self) -> None:
        used = self.text[: self.at]
        self.line += used.count("\n")
        self.byte += len(used.encode())
        self.text, self.at = self.text[self.at :], 0

    def skip(self, characters: str = " \t\r\n") -> str:
        """Skip white space; the next character, or empty at the end of the file."""
        while True:
            rest = self.text[self.at :].lstrip(characters) if self.at < len(self.text) else ""
            self.at = len(self.text) - len(rest)
            if rest or not self.more():
                return self.text[self.at : self.at + 1]

    def wrong(self, why: str, place: int | None = None, fix: str = "export again; nothing was imported") -> NoReturn:
        """Raise with line and byte."""
        used = self.text[: self.at if place is None else place]
        line, byte = self.line + used.count("\n"), self.byte + len(used.encode())
        raise InputError([Problem(file=self.file, line=line, why=f"{why}, at byte {byte}", fix=fix)])


def json_records(stream: BinaryIO, file: str) -> Iterator[tuple[int, Any]]:
    """Read the records of a JSON list one after the other.

    Parameters
    ----------
    stream : file object
        Binary.
    file : str
        Its name, for errors.

    Yields
    ------
    item : int
        Place in the list, from 1.
    record : object
        The record; its numbers are text of class ``Written``.

    Raises
    ------
    InputError
        With line and byte, where the JSON is cut off, broken, or no list.

    Examples
    --------
    >>> import io
    >>> list(json_records(io.BytesIO(b'[{"id": 1.50}]'), "export.json"))
    [(1, {'id': '1.50'})]
    """
    buffer = _Buffer(stream, file)
    first = buffer.skip()
    if first != "[":
        buffer.wrong(
            f"not a JSON list of records: it begins with {first!r}", fix="export as JSON, all records in a list"
        )
    buffer.at += 1
    count = 0
    following = buffer.skip()
    while following != "]":
        count += 1
        yield count, _one_record(buffer)
        following = buffer.skip()
        if following == ",":
            buffer.at += 1
            if buffer.skip() == "]":
                buffer.wrong("broken JSON: a comma before the end of the list")
        elif following != "]":
            buffer.wrong("cut-off JSON" if not following else f"broken JSON: {following!r} between records")
    buffer.at += 1
    if after := buffer.skip():
        buffer.wrong(f"broken JSON: {after!r} after the end of the list")


def _one_record(buffer: _Buffer) -> Any:
    while True:
        try:
            record, buffer.at = DECODER.raw_decode(buffer.text, buffer.at)
            return record
        except json.JSONDecodeError as error:
            open_ended = error.msg.startswith("Unterminated string") or error.pos >= len(buffer.text) - NEAR_THE_END
            if len(buffer.text) - buffer.at > MAX_RECORD:
                buffer.wrong(f"a record over the limit of {MAX_RECORD} bytes", fix="export without raw data inside")
            place = error.pos - buffer.at
            if not open_ended:
                buffer.wrong(f"broken JSON: {error.msg}", error.pos)
            if not buffer.more():
                buffer.wrong(f"cut-off JSON: {error.msg}", buffer.at + place)
        except (RecursionError, ValueError) as error:
            why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            buffer.wrong(f"broken JSON: {why}")


def json_lines(stream: BinaryIO, file: str) -> Iterator[tuple[int, Any]]:
    r"""Read a file with one JSON record a line.

    Parameters
    ----------
    stream : file object
        Binary.
    file : str
        Its name, for errors.

    Yields
    ------
    line : int
        Line, from 1; empty lines are skipped.
    record : object
        The record; its numbers are text of class ``Written``.

    Raises
    ------
    InputError
        With line and byte of the first line that is no JSON.

    Examples
    --------
    >>> import io
    >>> list(json_lines(io.BytesIO(b'{"id": 1}\n\n{"id": 2}'), "export.jsonl"))
    [(1, {'id': '1'}), (3, {'id': '2'})]
    """
    byte, line = stream.tell(), 0
    while raw := stream.readline(MAX_RECORD):
        line += 1
        start, byte = byte, byte + len(raw)
        if len(raw) == MAX_RECORD and not raw.endswith(b"\n"):
            why = f"a record over the limit of {MAX_RECORD} bytes, at byte {start}"
            raise InputError([Problem(file=file, line=line, why=why, fix="export without raw data inside")])
        if not raw.strip():
            continue
        try:
            text = raw.decode()
            yield line, DECODER.decode(text)
        except UnicodeDecodeError as error:
            why = f"not UTF-8 at byte {start + error.start}"
            raise InputError([Problem(file=file, line=line, why=why, fix="export as UTF-8")]) from None
        except json.JSONDecodeError as error:
            place = start + len(text[: error.pos].encode())
            cut = error.pos >= len(text.rstrip("\n")) - 1 or error.msg.startswith("Unterminated string")
            what = "cut-off JSON" if cut and not raw.endswith(b"\n") else "broken JSON"
            why = f"{what}: {error.msg}, at byte {place}"
            raise InputError(
                [Problem(file=file, line=line, why=why, fix="export again; nothing was imported")]
            ) from None
        except (RecursionError, ValueError) as error:
            deep = isinstance(error, RecursionError)
            why = f"broken JSON: {'nested too deeply' if deep else error}, at byte {start}"
            raise InputError(
                [Problem(file=file, line=line, why=why, fix="export again; nothing was imported")]
            ) from None
