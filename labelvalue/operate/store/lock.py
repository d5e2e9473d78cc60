"""One writer at a time: a kernel lock on the project folder, which a dead process cannot keep."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from labelvalue.problems import BusyError, StorageError
from labelvalue.reading import parse_json, read_text
from labelvalue.storage import check_locks, write_whole

LOCK = "lock"
HOLDER = "lock.json"  # who holds the lock; left behind only by a holder that was killed
TRACE = "the ledger could not be written; the next command will record this failure"
PATIENCE_S = 0.5  # seconds to wait for the lock
TOLD = ("what", "process", "host", "started")
MOST_BYTES, MOST_LETTERS = 4096, 200  # of what a holder says of itself: anybody may have written the file


@contextlib.contextmanager
def writing(folder: Path, what: str) -> Iterator[Mapping[str, Any] | None]:
    """Hold the folder's lock."""
    path, holder = folder / LOCK, folder / HOLDER
    if path.is_symlink():
        raise StorageError(f"{path}: is a link. Fix: remove it.")
    lock = FileLock(path, timeout=PATIENCE_S)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(f"{folder}: busy: {_describe(_read(holder))}. Fix: wait for it to end.") from None
    except (OSError, NotImplementedError) as error:
        raise StorageError(f"{path}: cannot be locked ({error}). Fix: give this user the right to write.") from error
    keep = False
    try:
        check_locks(path)
        dead = _read(holder)
        write_whole(holder, json.dumps(_who(what)).encode())
        yield dead
    except BaseException as error:
        keep = TRACE in getattr(error, "__notes__", ())
        raise
    finally:
        if not keep:
            with contextlib.suppress(OSError):
                holder.unlink(missing_ok=True)
        lock.release()


def leave_trace(error: BaseException) -> None:
    """Let the holder's file stay when an error ends its work that the ledger had no room for."""
    error.add_note(TRACE)


def _who(what: str) -> dict[str, Any]:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {"what": what, "process": os.getpid(), "host": platform.node(), "started": started}


def _read(holder: Path) -> dict[str, Any] | None:
    """What a holder says of itself, no more than it has to say; ``None`` where there is no such file."""
    if not holder.exists():
        return None
    try:
        found = parse_json(read_text(holder, MOST_BYTES, ours=True))
    except (StorageError, ValueError):
        return {}
    known = {key: found[key] for key in TOLD if key in found} if isinstance(found, dict) else {}
    return {key: said if type(said) is int else str(said)[:MOST_LETTERS] for key, said in known.items()}


def _describe(holder: Mapping[str, Any] | None) -> str:
    if holder is None:
        return "another process is writing"
    return "{what} by process {process} on {host} since {started}".format_map(
        {key: holder.get(key, "?") for key in ("what", "process", "host", "started")}
    )
