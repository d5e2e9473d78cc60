"""ZIP archives, looked at before anything in them is unpacked."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from labelvalue.problems import InputError, Problem, quote

MAX_RATIO = 100
"""Bytes unpacked for each packed one."""
MAX_UNPACKED = 1024**3
MAX_MEMBERS = 10_000
SIGNATURE = b"PK\x03\x04"


def safe_members(path: Path) -> list[zipfile.ZipInfo]:
    """Return the files of an archive, after all were found to be harmless.

    Parameters
    ----------
    path : pathlib.Path
        The archive.

    Returns
    -------
    list of zipfile.ZipInfo
        Its files, folders left out.

    Raises
    ------
    InputError
        ``unsafe archive member``: absolute, with ``..``, a link, encrypted, packed more than a hundredfold, or more
        than 1 GiB in all. Or if it is no archive.

    Examples
    --------
    See :func:`labelvalue.read_annotations`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError([Problem(file=path.name, why=f"not a ZIP archive: {error}", fix="export again")]) from None
    reasons = [(m, reason) for m in members if (reason := _unsafe(m))]
    problems = [
        Problem(
            file=path.name, value=m.filename, why=f"unsafe archive member: {reason}", fix="export again, by the tool"
        )
        for m, reason in reasons
    ]
    total = sum(m.file_size for m in members)
    if total > MAX_UNPACKED or len(members) > MAX_MEMBERS:
        why = f"unsafe archive member: {len(members)} files of {total} bytes unpacked, over the limit"
        problems.append(Problem(file=path.name, why=why, fix=f"export in parts of at most {MAX_UNPACKED} bytes"))
    if problems:
        raise InputError(problems)
    return members


def _unsafe(member: zipfile.ZipInfo) -> str:
    name = member.filename
    windows = PureWindowsPath(name)
    if PurePosixPath(name).is_absolute() or windows.drive or windows.root:
        return "an absolute path"
    if ".." in windows.parts or ".." in PurePosixPath(name).parts:
        return "a path with '..'"
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        return "a link or device"
    if member.flag_bits & 1:
        return "encrypted"
    if member.file_size > MAX_RATIO * max(member.compress_size, 1):
        return f"packed more than {MAX_RATIO}-fold"
    return ""


def open_members(path: Path, members: list[zipfile.ZipInfo]) -> Iterator[tuple[str, BinaryIO]]:
    """Open files of an archive one after the other, as streams.

    Parameters
    ----------
    path : pathlib.Path
        The archive.
    members : list of zipfile.ZipInfo
        From :func:`safe_members`.

    Yields
    ------
    name : str
        Name of the file in the archive.
    stream : file object
        Binary; gives no more bytes than the archive said.

    Raises
    ------
    InputError
        If a file is broken.

    Examples
    --------
    See :func:`labelvalue.read_annotations`.
    """
    with zipfile.ZipFile(path) as archive:
        for member in members:
            try:
                with archive.open(member) as stream:
                    yield member.filename, stream  # type: ignore[misc]
            except (zipfile.BadZipFile, EOFError) as error:
                why = f"{quote(member.filename)} is broken: {error}"
                raise InputError([Problem(file=path.name, why=why, fix="export again")]) from None
