"""Ledgers of older layouts: copied aside, then rewritten in one transaction that changes no record."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from labelvalue.operate.ledger import LAYOUT, SCHEMA, Ledger, as_storage_error, row_of
from labelvalue.operate.records import FIRST, sealed
from labelvalue.storage import write_whole


def backup_of(path: Path, schema: int) -> Path:
    """Return where the copy of a ledger lies that was migrated from a schema."""
    return path.with_name(f"{path.name}.schema-{schema}")


def migrate(ledger: Ledger) -> int | None:
    """Bring a ledger to today's layout; the records, and so the chain, stay what they are.

    Parameters
    ----------
    ledger : Ledger
        Its file; the caller holds the project's lock.

    Returns
    -------
    int or None
        The schema it had; ``None`` where there was nothing to do.

    Raises
    ------
    StorageError
        If it cannot be copied or written; the file is then as it was.

    Examples
    --------
    >>> import tempfile
    >>> migrate(Ledger.create(Path(tempfile.mkdtemp()) / "ledger.sqlite"))
    """
    before = ledger.schema()
    if before >= SCHEMA:
        return None
    write_whole(backup_of(ledger.path, before), ledger.path.read_bytes())
    with (
        as_storage_error(ledger.path),
        contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as opened,
    ):
        opened.execute("PRAGMA synchronous = FULL")
        opened.execute("BEGIN IMMEDIATE")
        try:
            for statement in _statements():
                opened.execute(statement)
            _record(opened, ledger, before)
            opened.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                opened.execute("ROLLBACK")
            raise
    return before


def _record(opened: sqlite3.Connection, ledger: Ledger, before: int) -> None:
    """Put the migration down, in its own transaction."""
    newest = "SELECT number, digest FROM records ORDER BY number DESC LIMIT 1"
    number, previous = opened.execute(newest).fetchone() or (0, FIRST)
    about = {"from": before, "to": SCHEMA, "backup": backup_of(ledger.path, before).name}
    record = sealed(previous, number + 1, ledger.clock(), "migration", about)
    opened.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", row_of(record))


def _statements() -> list[str]:
    """The new table, filled from the old one, in its place. Statement by statement, so that it can be undone."""
    made = [part.strip() for part in LAYOUT.split("\n;;\n")]
    return [
        "DROP TRIGGER no_update",
        "DROP TRIGGER no_delete",
        "ALTER TABLE records RENAME TO old_records",
        *made[:1],
        "INSERT INTO records SELECT number, time, kind, content, previous, digest FROM old_records ORDER BY number",
        "DROP TABLE old_records",
        *made[1:],
        f"PRAGMA user_version = {SCHEMA}",
    ]
