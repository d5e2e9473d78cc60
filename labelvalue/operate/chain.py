"""The chain of records: every digest made again from the text that is stored, and every record read strictly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labelvalue.operate.records import FIRST, KEY, KEYED, Record, digest_of_text
from labelvalue.operate.shapes import misshapen
from labelvalue.problems import StorageError, quote
from labelvalue.reading import parse_json

Row = tuple[int, str, str, str, str, str]
"""Number, time, kind, content as text, digest of the record before, digest."""
RESTORE = "Fix: restore the ledger from a backup; nothing after the record before can be trusted."


def place_of(number: int, time: str, kind: str, path: Path) -> str:
    """Name a record, for errors."""
    return f"{path}: record {number} ({quote(kind)[1:-1]}, {quote(time)[1:-1]})"


def checked_chain(rows: Sequence[Row], path: Path, key: bytes | None) -> None:
    """Follow the chain from the first record to the last.

    Parameters
    ----------
    rows : sequence of Row
        All of them.
    path : pathlib.Path
        The ledger, for errors.
    key : bytes or None
        From :func:`labelvalue.operate.records.ledger_key`.

    Raises
    ------
    StorageError
        At the first record that does not fit, where there is none, and where key and ledger do not go together.
    """
    if not rows:
        raise StorageError(f"{path}: holds no record: all were deleted. Fix: restore the ledger from a backup.")
    _check_key(rows[0][3], path, key)
    previous = FIRST
    for number, row in enumerate(rows, start=1):
        if row[0] != number:
            raise StorageError(f"{place_of(*row[:3], path)}: record {number} is missing before it. {RESTORE}")
        if row[4] != previous:
            why = f"does not follow record {number - 1}, which was changed"
            raise StorageError(f"{place_of(*row[:3], path)}: {why}. {RESTORE}")
        if digest_of_text(previous, *row[:4], key) != row[5]:
            other = f", or {KEY} is not the key that it was written with" if key is not None else ""
            raise StorageError(f"{place_of(*row[:3], path)}: was changed after it was written{other}. {RESTORE}")
        previous = row[5]


def _check_key(first: str, path: Path, key: bytes | None) -> None:
    """A ledger has a key from its first record on, or never."""
    try:
        content = parse_json(first)
    except ValueError:
        content = None
    keyed = isinstance(content, dict) and content.get(KEYED) is True
    if keyed and key is None:
        why = f"its digests need a key, and {KEY} is not set"
        raise StorageError(f"{path}: {why}. Fix: set it to the key that the project was made with.")
    if key is not None and not keyed:
        why = f"it was begun without a key, and {KEY} is set: whoever wrote it anew may have left the key out"
        raise StorageError(f"{path}: {why}. Fix: unset {KEY} if the project never had a key; else restore it.")


def parsed(row: Row, path: Path) -> Record:
    """Read a record, and refuse one that is not well formed.

    Parameters
    ----------
    row : Row
        As stored.
    path : pathlib.Path
        The ledger, for errors.

    Returns
    -------
    Record
        With the content of its kind.

    Raises
    ------
    StorageError
        If the content is not JSON, says a key twice, or is not as records of its kind are.
    """
    number, time, kind, text, previous, digest = row
    try:
        content = parse_json(text)
    except ValueError as error:
        raise StorageError(f"{place_of(*row[:3], path)}: broken record: {error}. {RESTORE}") from None
    fault = misshapen(kind, content)
    if fault is not None:
        raise StorageError(f"{place_of(*row[:3], path)}: broken record: {quote(fault, 200)[1:-1]}. {RESTORE}")
    return Record(number, time, kind, content, previous, digest)
