"""Exports opened: JSON record by record, numbers as they are written; archives after a look at all that is in them."""

import codecs
import contextlib
import functools
import io
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO, NoReturn

from labelvalue.observe.table.delimited import open_given
from labelvalue.problems import InputError, Problem, input_error, quote
from labelvalue.reading import each_once

MAX_BYTES = 4 * 1024**3  # largest export that is read
MAX_RECORD = 16 * 1024**2  # largest record in it, in bytes or characters
MAX_DEPTH, MAX_INSIDE = 64, 500_000
"""Lists and objects within each other in a record, and in all of it: each takes twenty times the room of its text."""
CHUNK = 1024**2
TOO_LONG, WITHOUT_RAW = f"a record over the limit of {MAX_RECORD} bytes", "export without raw data inside"
NEAR_THE_END = 64  # characters before the end of what was read within which a fault may only mean that more is to come


class Written(str):
    """A number as it is written in a file."""

    __slots__ = ()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_short_number = functools.lru_cache(maxsize=10_000)(Written)


def _number(text: str) -> Written:
    """Return a number as written; a list of pixels holds the same few thousands of times."""
    return _short_number(text) if len(text) < 6 else Written(text)


DECODER = json.JSONDecoder(
    parse_float=_number, parse_int=_number, parse_constant=_no_constant, object_pairs_hook=each_once
)
_BRACKETS_APART = re.compile(r'"(?:[^"\\]|\\.)*+"|[^\[\]{}"]+', re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")


def decode(text: str, place: int = 0) -> tuple[Any, int]:
    """Return the JSON value that begins at a place, and where it ends."""
    if len(text) - place > 2 * CHUNK and text.count("[", place) + text.count("{", place) > MAX_INSIDE:
        raise ValueError(f"a record of more than {MAX_INSIDE} lists and objects")
    try:
        found, end = DECODER.raw_decode(text, place)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if text.count("[", place, end) + text.count("{", place, end) > MAX_DEPTH and _is_deep(text[place:end]):
        raise ValueError(f"nested too deeply, over the limit of {MAX_DEPTH}")
    return found, end


def _is_deep(text: str) -> bool:
    """Tell whether lists and objects lie too deep within each other, peeling off the innermost each time."""
    brackets = _BRACKETS_APART.sub("", text)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace("[]", "").replace("{}", "")
    return bool(brackets)


def open_export(path: Path) -> BinaryIO:
    """Open an export after looking at what it is."""
    stream = open_given(path, MAX_BYTES, "export in parts; overlaps do no harm")
    if not stream.peek(1):  # type: ignore[attr-defined]
        stream.close()
        raise input_error("0 usable labels: the file is empty", "export again", file=path.name)
    return stream


def beginning(stream: BinaryIO) -> bytes:
    """Return the first bytes of a file after its mark and white space; it stands at its beginning again."""
    head = stream.read(64)
    stream.seek(0)
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


class _Buffer:
    """Text read so far and not yet used, how many lines and bytes came before it, and lines that were skipped to."""

    def __init__(self, stream: BinaryIO, file: str):
        self.stream, self.file = stream, file
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self.ended = "", 0, False
        self.line, self.byte, self.now, self.read = 1, 0, 1, 0
        self.more()
        self.at = int(self.text.startswith("\ufeff"))

    def more(self) -> bool:
        """Read on; False at the end of the file."""
        self._forget()
        if self.ended:
            return False
        before = self.read - len(self.decoder.getstate()[0])
        raw = self.stream.read(max(CHUNK, len(self.text)))
        self.read += len(raw)
        self.ended = not raw
        try:
            self.text += self.decoder.decode(raw, final=self.ended)
        except UnicodeDecodeError as error:
            line = self.line + self.text.count("\n") + raw[: error.start].count(b"\n")
            why = f"not UTF-8 at byte {before + error.start}"
            raise input_error(why, "export as UTF-8", file=self.file, line=line) from None
        return not self.ended

    def _forget(self) -> None:
        used = self.text[: self.at]
        self.line += used.count("\n")
        self.byte += len(used.encode())
        self.text, self.at = self.text[self.at :], 0

    def skip(self) -> str:
        """Skip white space; the next character, or empty at the end of the file."""
        while True:
            space = _SPACE.match(self.text, self.at).group()  # type: ignore[union-attr]
            self.at, self.now = self.at + len(space), self.now + space.count("\n")
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def wrong(self, why: str, place: int | None = None, fix: str = "export again; nothing was imported") -> NoReturn:
        """Raise with line and byte."""
        used = self.text[: self.at if place is None else place]
        line, byte = self.line + used.count("\n"), self.byte + len(used.encode())
        raise input_error(f"{why}, at byte {byte}", fix, file=self.file, line=line)


def json_records(stream: BinaryIO, file: str) -> Iterator[tuple[int, Any]]:
    """Read the records of a JSON list one after the other."""
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
            record, end = decode(buffer.text, buffer.at)
            if end - buffer.at > MAX_RECORD:
                buffer.wrong(TOO_LONG, fix=WITHOUT_RAW)
            buffer.at = end
            return record
        except json.JSONDecodeError as error:
            open_ended = error.msg.startswith("Unterminated string") or error.pos >= len(buffer.text) - NEAR_THE_END
            if len(buffer.text) - buffer.at > MAX_RECORD:
                buffer.wrong(TOO_LONG, fix=WITHOUT_RAW)
            place = error.pos - buffer.at
            if not open_ended:
                buffer.wrong(f"broken JSON: {error.msg}", error.pos)
            if not buffer.more():
                buffer.wrong(f"cut-off JSON: {error.msg}", buffer.at + place)
        except InputError:
            raise
        except ValueError as error:
            buffer.wrong(f"broken JSON: {error}")


def json_lines(stream: BinaryIO, file: str) -> Iterator[tuple[int, Any]]:
    r"""Read a file with one JSON record a line."""
    buffer = _Buffer(stream, file)
    while buffer.skip():
        while (end := buffer.text.find("\n", buffer.at)) < 0 and len(buffer.text) - buffer.at <= MAX_RECORD:
            if not buffer.more():
                break
        text = buffer.text[buffer.at : end if end >= 0 else None]
        if len(text) > MAX_RECORD:
            buffer.wrong(TOO_LONG, fix=WITHOUT_RAW)
        try:
            record, stop = decode(text)
            if rest := text[stop:].strip():
                raise json.JSONDecodeError("Extra data", text, text.index(rest, stop))
        except json.JSONDecodeError as error:
            cut = end < 0 and (error.pos >= len(text) - 1 or error.msg.startswith("Unterminated string"))
            buffer.wrong(f"{'cut-off' if cut else 'broken'} JSON: {error.msg}", buffer.at + error.pos)
        except ValueError as error:
            buffer.wrong(f"broken JSON: {error}")
        yield buffer.now, record
        buffer.at += len(text)


MAX_RATIO = 100  # bytes unpacked for each packed one
MAX_UNPACKED = 1024**3
MAX_MEMBERS = 10_000
SIGNATURE = b"PK\x03\x04"
END, TOO_MANY = struct.Struct("<4s4H2LH"), 0xFFFF
"""The last record of an archive, whose fifth field is the number of files, and what stands there for more."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK = 64 * 1024
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, EOFError, OSError,
           ValueError, OverflowError)  # fmt: skip
"""What the module for archives raises on damaged ones, as flipping their bits found out."""


@contextlib.contextmanager
def _told(file: str, what: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        if isinstance(error, InputError):
            raise
        why = f"{what}: {str(error) or type(error).__name__}"
        raise input_error(why, "export again; nothing was imported", file=file) from None


class _Member(io.RawIOBase):
    """A file of an archive; what is broken in it is told with its name, whoever reads."""

    def __init__(self, stream: BinaryIO, file: str, name: str):
        self._stream, self._place = stream, (file, f"{quote(name)} in the archive is broken")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _told(*self._place):
            found = self._stream.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def open_members(stream: BinaryIO, file: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, BinaryIO]]:
    """Open files of an archive one after the other, as streams, after all of it was found to be harmless."""
    with _told(file, "not a readable ZIP archive"):
        archive = zipfile.ZipFile(stream)
    members = archive.infolist()
    with _told(file, "not a readable ZIP archive"):
        _check_number(stream, archive)
    _check(members, file)
    for member in members:  # a file's name stands twice in an archive: a damaged one is not passed over as not wanted
        with _told(file, f"{quote(member.filename)} in the archive is broken"):
            archive.open(member).close()
    for member in members:
        if not member.is_dir() and wanted(member.filename):
            with archive.open(member) as inside:
                raw = _Member(inside, file, member.filename)  # type: ignore[arg-type]
                yield member.filename, io.BufferedReader(raw, _CHUNK)


def _check_number(stream: BinaryIO, archive: zipfile.ZipFile) -> None:
    """Find out whether the directory at the end holds as many files as it says; the module for archives does not."""
    stream.seek(-END.size - len(archive.comment), io.SEEK_END)
    said = END.unpack(stream.read(END.size))[4]
    if said not in (len(archive.infolist()), TOO_MANY):
        raise zipfile.BadZipFile(f"its directory says {said} files and holds {len(archive.infolist())}")


def _check(members: list[zipfile.ZipInfo], file: str) -> None:
    problems = [
        Problem(file=file, value=m.filename, why=f"unsafe archive member: {reason}", fix="export again, by the tool")
        for m in members
        if (reason := _unsafe(m))
    ]
    total = sum(m.file_size for m in members)
    if total > MAX_UNPACKED or len(members) > MAX_MEMBERS:
        why = f"unsafe archive member: {len(members)} files of {total} bytes unpacked, over the limit"
        problems.append(Problem(file=file, why=why, fix=f"export in parts of at most {MAX_UNPACKED} bytes"))
    if problems:
        raise InputError(problems)


def _unsafe(member: zipfile.ZipInfo) -> str:
    name = member.filename
    windows = PureWindowsPath(name)
    if PurePosixPath(name).is_absolute() or windows.drive or windows.root:
        return "an absolute path"
    if ".." in windows.parts or ".." in PurePosixPath(name).parts:
        return "a path with '..'"
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "a link or device"
    if member.flag_bits & 1:
        return "encrypted"
    if member.compress_type not in _METHODS:
        return f"packed by a method that exports do not use ({member.compress_type})"
    if member.file_size > MAX_RATIO * max(member.compress_size, 1):
        return f"packed more than {MAX_RATIO}-fold"
    return ""
