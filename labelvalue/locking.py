"""One process at a time on a file that is read, changed and written: a kernel lock, which no dead process keeps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from labelvalue.problems import BusyError, StorageError

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
