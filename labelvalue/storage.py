"""Files that hold the old content or the new, never half of one: the one way anything is written."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from labelvalue.problems import StorageError


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the path, sync, rename into place, and sync the folder.

    Parameters
    ----------
    path : pathlib.Path
        Where to.
    content : bytes
        All of it.

    Raises
    ------
    StorageError
        If it cannot be written; the path then holds what it held before, and nothing is left beside it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "page.html", b"<p>")
    ...     [file.name for file in Path(folder).iterdir()]
    ['page.html']
    """
    beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(beside, "xb") as file:
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
        fix = "choose another place, or free space or permissions"
        raise StorageError(f"{path}: cannot be written ({why}). Fix: {fix}.") from error
    finally:
        with contextlib.suppress(OSError, ValueError):  # where nothing could be written there is nothing to remove
            beside.unlink()
