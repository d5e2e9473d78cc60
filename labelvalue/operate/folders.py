"""Folders that appear whole or not at all, each with a manifest of what it holds."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelvalue.operate.identity import PATTERN, canonical
from labelvalue.problems import StorageError
from labelvalue.reading import open_regular, parse_json, read_text
from labelvalue.storage import write_whole

MANIFEST = "manifest.json"
MAKING = ".tmp-"
"""How the name of a folder begins that is being made."""
CHAINS = ".chains-"
"""And of one that holds the finished draws of a fit which is not there yet; its id follows."""
MOST_BYTES = 2**40
"""Largest file of ours: what a fit could hold that no memory does."""
AGAIN = "Fix: restore the folder from a backup, or remove it and run 'labelvalue refit' again"


@contextlib.contextmanager
def new_folder(final: Path, facts: Mapping[str, Any]) -> Iterator[Path]:
    """Give a folder to fill; when it is full, write its manifest, sync, and rename it into place.

    Parameters
    ----------
    final : pathlib.Path
        Where it will be; one that stands there already is replaced.
    facts : mapping
        Plain values kept in the manifest beside the files.

    Yields
    ------
    pathlib.Path
        The empty folder.

    Raises
    ------
    StorageError
        If something cannot be written; nothing is then left of it.

    Examples
    --------
    >>> import tempfile
    >>> final = Path(tempfile.mkdtemp()) / "0123456789ABCDEFGHJKMNPQRS"
    >>> with new_folder(final, {"key": "a"}) as folder:
    ...     _ = (folder / "spec.json").write_text("{}")
    >>> check_folder(final)["key"]
    'a'
    """
    making = final.with_name(MAKING + final.name)
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        yield making
        files = {path.name: _described(path) for path in sorted(making.iterdir())}
        write_whole(making / MANIFEST, canonical({**facts, "files": files}).encode())
        shutil.rmtree(final, ignore_errors=True)
        os.replace(making, final)
        _sync(final.parent)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{final}: cannot be written ({error.strerror or error}). Fix: free space.") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def check_folder(folder: Path) -> dict[str, Any]:
    """Compare a folder with its manifest.

    Parameters
    ----------
    folder : pathlib.Path
        From :func:`new_folder`.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    StorageError
        If a file is missing, was altered, was added, or is a link.
    """
    if folder.is_symlink():
        raise StorageError(f"{folder}: is a link. {AGAIN}.")
    try:
        manifest = parse_json(read_text(folder / MANIFEST, ours=True))
        files = dict(manifest["files"])
    except (StorageError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{folder / MANIFEST}: cannot be read. {AGAIN}.") from error
    there = {path.name for path in folder.iterdir()} - {MANIFEST}
    for name in sorted({*files, *there}):
        path = folder / name
        if name not in files:
            raise StorageError(f"{path}: is not in the manifest. {AGAIN}.")
        if path.is_symlink() or not path.is_file():
            raise StorageError(f"{path}: missing. {AGAIN}.")
        if _described(path) != files[name]:
            raise StorageError(f"{path}: checksum differs: the file was altered or cut off. {AGAIN}.")
    return manifest


def manifest_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's manifest, by which a record holds on to every file in it."""
    return digest_file(folder / MANIFEST)


def digest_bytes(content: bytes) -> str:
    """Return the SHA-256 of what a file holds, or will."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file; one that is not there, or no file, is a :class:`StorageError`."""
    with open_regular(path, MOST_BYTES, fix="restore it from a backup", ours=True) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def sweep(parent: Path) -> None:
    """Remove what processes that died have left: folders in the making, and files."""
    if not parent.is_dir():
        return
    for path in filter(is_leftover, parent.iterdir()):
        _remove(path)


def sweep_chains(parent: Path, but: Path | None = None) -> None:
    """Remove finished draws that no fit will go on from.

    Parameters
    ----------
    parent : pathlib.Path
        A project's ``fits``.
    but : pathlib.Path, optional
        Those of the fit that is to be made; they stay, unless they are a link.
    """
    for path in parent.glob(f"{CHAINS}*"):
        if path != but or path.is_symlink():
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Whether a name is one under which we write what is renamed when it is whole."""
    return path.name.startswith(MAKING) or (path.name.startswith(".") and path.suffix == ".tmp")


def orphans(parent: Path, known: set[str]) -> list[str]:
    """Return the ids of whole folders that no record names."""
    return sorted(path.name for path in parent.iterdir() if PATTERN.fullmatch(path.name) and path.name not in known)


def _described(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": digest_file(path)}


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
