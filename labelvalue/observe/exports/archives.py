"""ZIP archives, looked at before anything in them is unpacked."""

from __future__ import annotations

import contextlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from labelvalue.problems import InputError, Problem, input_error, quote

MAX_RATIO = 100
"""Bytes unpacked for each packed one."""
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
