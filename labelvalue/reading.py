"""The one door through which files are read: regular ones, no longer than a limit, no deeper than can be parsed."""

import io
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from labelvalue.problems import InputError, Problem, StorageError, input_error, quote

MOST_TEXT = 1024**2  # largest settings file, in bytes
DEEPEST_TOML = 16  # parts of a dotted key, or tables and lists within each other, in a settings file
DEEPEST_JSON = 64  # lists and objects within each other in JSON
WHOLE_LIMIT = 2**63  # whole numbers in settings lie below it, and above its negative
_BLOCK = 1024**2
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_TOML_TEXT = re.compile(  # what is never closed is text to the end, so that nothing is read twice
    r'"""(?>[^"\\]+|\\.|"(?!""))*+(?:"{3,5}|.*)|'
    r"'{3}(?>[^']+|'(?!''))*+(?:'{3,5}|.*)|"
    r'"(?>[^"\\\n]+|\\.)*+(?:"|.*)|'
    r"'[^'\n]*+(?:'|.*)|(#[^\n]*+)",
    re.DOTALL,
)
_JSON_TEXT = re.compile(r'"(?>[^"\\]+|\\.)*+(?:"|.*)', re.DOTALL)
_DOTTED = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{DEEPEST_TOML}}}")
_LINE = re.compile(r"at line (\d+)")


class _Place:
    """Where a file lies, and whether it is ours: what is wrong with it is raised in the class that says so."""

    def __init__(self, path: str | os.PathLike[str], fix: str, ours: bool):
        self.path, self.fix, self.ours = path, fix, ours

    def wrong(self, why: str, fix: str, cause: Exception | None = None) -> NoReturn:
        fix = self.fix or fix
        if self.ours:
            raise StorageError(f"{Path(self.path)}: {why}. Fix: {fix}.") from cause
        raise input_error(why, fix, file=str(Path(self.path))) from cause

    def over(self, size: str, most: int) -> NoReturn:
        self.wrong(f"{size} bytes are over the limit of {most} bytes", "give the file that was meant")


class _Capped(io.FileIO):
    """A file that is read no farther than a limit, whatever it grows to."""

    def __init__(self, descriptor: int, most: int, place: _Place):
        super().__init__(descriptor)
        self._most, self._place = most, place

    read = io.RawIOBase.read  # type: ignore[assignment]  # by readinto, which FileIO's own passes by
    readall = io.RawIOBase.readall

    def readinto(self, buffer: Any) -> int:
        try:
            found = super().readinto(buffer)
        except OSError as error:
            self._place.wrong(f"cannot be read: {error.strerror}", "check the path and its permissions", error)
        if self.tell() > self._most:
            self._place.over(f"more than {self._most}", self._most)
        return found or 0


def open_regular(path: str | os.PathLike[str], most: int, *, fix: str = "", ours: bool = False) -> BinaryIO:
    """Open a file for reading if it is regular and not too long; no pipe is waited for, no device touched."""
    return io.BufferedReader(_open(path, most, _Place(path, fix, ours)), min(_BLOCK, most + 1))


def _open(path: str | os.PathLike[str], most: int, place: _Place) -> _Capped:
    """Open a file without a buffer."""
    try:
        descriptor = os.open(path, _OPEN)
    except FileNotFoundError as error:
        place.wrong(f"cannot be read: {error.strerror}", "check the path", error)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        place.wrong(f"cannot be read: {why}", "check the path and its permissions", error)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            place.wrong(f"cannot be read: {_kind(found.st_mode)}", "give a regular file")
        if found.st_size > most:
            place.over(str(found.st_size), most)
        return _Capped(descriptor, most, place)
    except BaseException:
        os.close(descriptor)
        raise


def _kind(mode: int) -> str:
    """What a file is that is not regular."""
    if stat.S_ISDIR(mode):
        return "Is a directory"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device"


def read_bytes(path: str | os.PathLike[str], most: int, *, fix: str = "", ours: bool = False) -> bytes:
    """Read a file that :func:`open_regular` opens, all of it."""
    with _open(path, most, _Place(path, fix, ours)) as file:
        size = os.fstat(file.fileno()).st_size
        parts = [file.read(size + 1)]  # at one stroke, unless it grows meanwhile, or is longer than the system reads
        while parts[-1] and sum(map(len, parts)) != size:
            parts.append(file.read(_BLOCK))
        return b"".join(parts)


def read_text(path: str | os.PathLike[str], most: int = MOST_TEXT, *, fix: str = "", ours: bool = False) -> str:
    r"""Read a text in UTF-8, lines ended by ``\n``."""
    try:
        return read_bytes(path, most, fix=fix, ours=ours).decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        _Place(path, fix, ours).wrong(f"not UTF-8 at byte {error.start}", "save it as UTF-8")


def parse_toml(text: str, *, file: str = "") -> dict[str, Any]:
    r"""Parse TOML that somebody else may have written; length, depth and numbers are looked at first."""
    if len(text) > MOST_TEXT:
        why = f"{len(text)} characters are over the limit of {MOST_TEXT}"
        raise input_error(why, "give the file that was meant", file=file)
    bare = _TOML_TEXT.sub(_without_text, text)
    place = _too_deep(bare, DEEPEST_TOML)
    dotted = _DOTTED.search(bare)
    if place is not None or dotted is not None:
        line = bare.count("\n", 0, place if dotted is None else dotted.start()) + 1
        raise InputError([_no_toml(f"nested more than {DEEPEST_TOML} deep", file, line)])
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        why = str(error).partition(": value has")[0]  # what follows on long numbers is advice for programmers
        known = _LINE.search(why)
        raise InputError([_no_toml(why, file, int(known[1]) if known else None)]) from None
    large = [
        Problem(file=file, column=key, why="not TOML: a whole number of more than 64 bits", fix="give a smaller one")
        for key in _too_large(found)
    ]
    if large:
        raise InputError(large)
    return found


def _no_toml(why: str, file: str, line: int | None) -> Problem:
    return Problem(file=file, line=line, why=f"not TOML: {why}", fix="mend the line")


def _without_text(found: re.Match[str]) -> str:
    """A comment is nothing, a text a word of one letter; line ends stay."""
    return ("" if found[1] is not None else "t") + "\n" * found[0].count("\n")


def _too_deep(bare: str, deepest: int) -> int | None:
    """Place of the first bracket that opens more levels than there may be."""
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", bare):
        depth = depth + 1 if bracket[0] in "[{" else max(depth - 1, 0)
        if depth > deepest:
            return bracket.start()
    return None


def _too_large(found: object, key: str = "") -> Iterator[str]:
    """Keys of whole numbers that TOML has no place for."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield from _too_large(value, f"{key}.{name}" if key else name)
    elif isinstance(found, list):
        for value in found:
            yield from _too_large(value, key)
    elif isinstance(found, int) and abs(found) >= WHOLE_LIMIT:
        yield key


def parse_json(text: str | bytes, deepest: int = DEEPEST_JSON) -> Any:
    r"""Parse JSON that somebody may have changed since we wrote it."""
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    opened = text.count("[") + text.count("{")  # no deeper than that, whatever of it is text
    if opened > deepest and _too_deep(_JSON_TEXT.sub("", text), deepest) is not None:
        raise ValueError(f"nested more than {deepest} deep")
    found = json.loads(text, object_pairs_hook=each_once)
    if "\\u" in text:
        try:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("a \\u escape is half of a character") from None
    return found


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON whose keys all differ."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {quote(next(name for name in found if names.count(name) > 1))} stands twice")
    return found
