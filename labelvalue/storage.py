"""Files that hold the old content or the new, never half of one: how all is written, by one process at a time."""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from labelvalue.problems import BusyError, StorageError
from labelvalue.reading import open_regular, read_text

MOST_SEAL = 1024  # largest file with a SHA-256, in bytes
MOST_SEALED = 16 * 1024**3  # largest file that has one, in bytes


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write beside the path, sync, rename into place, sync the folder; who may read what was there may read this."""
    beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(beside, "xb") as file:
            with contextlib.suppress(FileNotFoundError):  # a new file is for whom the umask says
                os.chmod(beside, stat.S_IMODE(path.lstat().st_mode) & 0o777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        if os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        if getattr(error, "errno", None) == errno.ENOSPC:
            why = f"{why}: needs {len(content):,} bytes, {_free(path):,} are free"
        fix = "choose another place, or free space or permissions"
        raise StorageError(f"{path}: cannot be written ({why}). Fix: {fix}.") from error
    finally:
        with contextlib.suppress(OSError, ValueError):  # where nothing could be written there is nothing to remove
            beside.unlink()


def write_sealed(path: Path, content: bytes) -> None:
    """Write whole, with the SHA-256 of the content in a file beside it, ``<path>.sha256``."""
    write_whole(path, content)
    write_whole(_seal_of(path), f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode())


def read_sealed(path: Path, fix: str) -> bytes:
    """Read what :func:`write_sealed` wrote, if it is still that; ``fix`` says what to do where it is not."""
    try:
        recorded = read_text(_seal_of(path), MOST_SEAL, ours=True).split()
    except StorageError as error:
        raise StorageError(f"{path}: its checksum file {_seal_of(path).name} cannot be read. {fix}") from error
    with open_regular(path, MOST_SEALED, fix=fix.removeprefix("Fix: "), ours=True) as file:
        if recorded[:1] != [hashlib.file_digest(file, "sha256").hexdigest()]:  # type: ignore[arg-type]
            raise StorageError(f"{path}: checksum differs: the file was altered or cut off. {fix}")
        file.seek(0)
        return file.read(os.fstat(file.fileno()).st_size)  # not before it is known to be ours: it fills memory


def check_room(folder: Path, needed: int) -> None:
    """Find out before long work whether its result will find room, twice over."""
    free = _free(folder)
    if free < 2 * needed:
        raise StorageError(
            f"{folder}: needs {needed:,} bytes, and as many again to replace what is there; {free:,} are free. "
            "Fix: free space."
        )


def _free(path: Path) -> int:
    there = next(place for place in (path, *path.resolve().parents) if place.exists())
    return shutil.disk_usage(there).free


def _seal_of(path: Path) -> Path:
    """Return where the SHA-256 of a file is kept."""
    return path.with_name(path.name + ".sha256")


PATIENCE_S = 60.0  # seconds to wait for whoever holds it


@contextlib.contextmanager
def alone(path: Path, patience: float | None = None) -> Iterator[None]:
    """Let nobody else who asks so read, change and write a file meanwhile."""
    from filelock import FileLock, Timeout

    place = path.with_name(f".{path.name}.lock")
    if place.is_symlink():
        raise StorageError(f"{place}: is a link. Fix: remove it.")
    lock = FileLock(place, timeout=PATIENCE_S if patience is None else patience)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(f"{path}: busy: another process is writing it. Fix: wait for it to end.") from None
    except (OSError, NotImplementedError) as error:
        raise StorageError(f"{place}: cannot be locked ({error}). Fix: give this user the right to write.") from error
    try:
        check_locks(place)
        yield
    finally:
        lock.release()


def check_locks(place: Path) -> None:
    """Find out whether locks lock: of one that is held, a second must not be had."""
    from filelock import FileLock, Timeout

    second = FileLock(place, timeout=0)
    try:
        second.acquire()
    except Timeout:
        return
    second.release()
    raise StorageError(f"{place}: this file system does not lock files. Fix: keep the file on a disk that does.")
