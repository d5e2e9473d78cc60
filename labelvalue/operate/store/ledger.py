"""The ledger: an append-only file of records, each chained to the one before, and checked before it is believed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from labelvalue.operate.store.identity import canonical
from labelvalue.operate.store.records import (
    FIRST,
    KEY,
    KEYED,
    KINDS,
    Record,
    astray,
    digest_of_text,
    ledger_key,
    misshapen,
    sealed,
)
from labelvalue.problems import StorageError, quote
from labelvalue.reading import parse_json
from labelvalue.storage import write_whole

Row = tuple[int, str, str, str, str, str]  # number, time, kind, content as text, digest of the record before, digest
RESTORE = "Fix: restore the ledger from a backup; nothing after the record before can be trusted."


def place_of(number: int, time: str, kind: str, path: Path) -> str:
    """Name a record, for errors."""
    return f"{path}: record {number} ({quote(kind)[1:-1]}, {quote(time)[1:-1]})"


def checked_chain(rows: Sequence[Row], path: Path, key: bytes | None) -> None:
    """Follow the chain from the first record to the last."""
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
    """Read a record, and refuse one that is not well formed."""
    number, time, kind, text, previous, digest = row
    try:
        content = parse_json(text)
    except ValueError as error:
        raise StorageError(f"{place_of(*row[:3], path)}: broken record: {error}. {RESTORE}") from None
    fault = misshapen(kind, content)
    if fault is not None:
        raise StorageError(f"{place_of(*row[:3], path)}: broken record: {quote(fault, 200)[1:-1]}. {RESTORE}")
    return Record(number, time, kind, content, previous, digest)


SCHEMA = 4
"""Version of the file's layout; a newer one is refused, an older one is read, and migrated by the next writer."""
BEHIND = timedelta(minutes=5)  # how far the clock may stand behind the last record before a note says so
PATIENCE_S = 2.0  # seconds to wait for another process to finish a record
HEADER = 100  # bytes of an SQLite file's head, in which it counts changes
SETTLED_S = 0.1  # age from which on the system's clock tells a file's changes apart

TABLE = f"""\
CREATE TABLE records (
  number INTEGER PRIMARY KEY CHECK (number > 0),
  time TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ({", ".join(f"'{kind}'" for kind in KINDS)})),
  content TEXT NOT NULL CHECK (json_valid(content)),
  previous TEXT NOT NULL CHECK (length(previous) = 64),
  digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64)
) STRICT"""
GUARDS = {
    "no_update": "CREATE TRIGGER no_update BEFORE UPDATE ON records "
    "BEGIN SELECT RAISE(ABORT, 'records are never changed'); END",
    "no_delete": "CREATE TRIGGER no_delete BEFORE DELETE ON records "
    "BEGIN SELECT RAISE(ABORT, 'records are never deleted'); END",
}  # against slips, not against somebody who means it: whoever may write the file may drop them
_CHECKED: dict[Path, tuple[object, ...]] = {}
"""By path, what the system said of a file when this process last found its chain sound."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclasses.dataclass(frozen=True)
class Ledger:
    """The SQLite file of records, and a clock in UTC, which a test may set back."""

    path: Path
    clock: Callable[[], datetime] = _now

    @classmethod
    def create(cls, path: Path, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> Ledger:
        """Make a ledger, in memory first; the file appears whole."""
        made = cls(path)
        with as_storage_error(path), contextlib.closing(sqlite3.connect(":memory:")) as connection:
            for statement in (TABLE, *GUARDS.values(), f"PRAGMA user_version = {SCHEMA}"):
                connection.execute(statement)
            insert(connection, made, entries)
            connection.commit()
            write_whole(path, connection.serialize())
        return made

    def records(self, *kinds: str, after: int = 0) -> list[Record]:
        """Read the records in their order, after checking the whole chain."""
        with self.transaction("ro") as connection:
            only = f"AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
            rows = _rows(connection, f"WHERE number > ? {only}", (after, *kinds))
        records = [parsed(row, self.path) for row in rows]
        return records if after else self._linked(records, whole=not kinds)

    def append(self, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Record]:
        """Add records, all or none, to a chain that is sound."""
        with self.transaction("rw") as connection:
            return insert(connection, self, entries)

    def check(self) -> list[Record]:
        """Check everything that can be checked of the file by itself, whatever was checked before."""
        _CHECKED.pop(self.path, None)
        with self.transaction("ro") as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
            if verdict != "ok":
                raise StorageError(f"{self.path}: {verdict}. Fix: restore the file from a backup.")
            if gone := missing_guards(connection):
                raise StorageError(
                    f"{self.path}: {', '.join(gone)} not there: somebody has taken away what guards records against "
                    "changes. Fix: compare with a kept digest (verify --head); the next command that writes puts it "
                    "back, and says so in the ledger."
                )
            rows = _rows(connection)
        records = [parsed(row, self.path) for row in rows]
        for row, record in zip(rows, records, strict=True):
            if canonical(record.content) != row[3]:
                where = place_of(*row[:3], self.path)
                raise StorageError(f"{where}: broken record: not in its one spelling as JSON. {RESTORE}")
        return self._linked(records, whole=True)

    def _linked(self, records: list[Record], *, whole: bool) -> list[Record]:
        """Return records that name no record which is not there before them."""
        lost = astray(records, whole=whole)
        if lost is not None:
            where = place_of(lost[0].number, lost[0].time, lost[0].kind, self.path)
            raise StorageError(f"{where}: broken record: it names {lost[1]}, which is not there before it. {RESTORE}")
        return records

    def last(self) -> Record:
        """Read the last record, with whose digest the chain ends."""
        with self.transaction("ro") as connection:
            (row,) = _rows(connection, "WHERE number = (SELECT max(number) FROM records)")
        return parsed(row, self.path)

    def clock_notes(self) -> list[str]:
        """Say where the clock stands behind the last record."""
        last = self.last().time
        if datetime.fromisoformat(last) - self.clock() <= BEHIND:
            return []
        return [f"the clock stands behind the last record ({last}); the order of records does not need it"]

    def _undone(self) -> bool:
        """Whether a transaction's journal lies beside the file: of a writer at work, or of one that was killed."""
        return self.path.with_name(f"{self.path.name}-journal").exists()

    @contextlib.contextmanager
    def transaction(self, mode: str) -> Iterator[sqlite3.Connection]:
        """Open the file within one transaction, its chain checked: committed at the end, or undone."""
        if self.path.is_symlink() or not self.path.is_file():
            what = "is a link" if self.path.is_symlink() else "no such file"
            raise StorageError(f"{self.path}: {what}. Fix: restore it from a backup.")
        with as_storage_error(self.path):
            opened_as = mode
            if mode == "ro" and self._undone() and os.access(self.path, os.W_OK):
                opened_as = "rw"  # a writer was killed: SQLite rolls back what it began, which a reader alone may not
            where = f"{self.path.resolve().as_uri()}?mode={opened_as}"
            opened = sqlite3.connect(where, uri=True, isolation_level=None, timeout=PATIENCE_S)
            with contextlib.closing(opened) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("BEGIN IMMEDIATE" if mode == "rw" else "BEGIN")
                try:
                    self._check_chain(connection)
                    yield connection
                    connection.execute("COMMIT")
                    if mode == "rw":
                        _CHECKED[self.path] = self._said(ledger_key())
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise

    def _check_chain(self, connection: sqlite3.Connection) -> None:
        """Follow the chain, unless the file is the one that this process found sound, or wrote after finding it sound.

        That is told by what the system says of the file, of which the time of its last change can be set by nobody,
        and by SQLite's own count of changes. Nothing that lies on the disk is believed to have been checked.
        """
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        if schema > SCHEMA:
            raise StorageError(
                f"{self.path}: needs the labelvalue that wrote schema {schema}; this one reads {SCHEMA}. "
                "Fix: install a newer labelvalue."
            )
        key = ledger_key()
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on nobody else writes
        now = self._said(key)
        if _CHECKED.get(self.path) == now:
            return
        _CHECKED.pop(self.path, None)
        _check_layout(connection, self.path, schema)
        checked_chain(_rows(connection), self.path, key)
        if time.time() - os.stat(self.path).st_ctime > SETTLED_S:
            _CHECKED[self.path] = now

    def _said(self, key: bytes | None) -> tuple[object, ...]:
        """What tells one state of the file from another, and the key that it was checked with."""
        with self.path.open("rb") as file:
            head, said = file.read(HEADER), os.fstat(file.fileno())
        return said.st_dev, said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns, head, key


def insert(
    connection: sqlite3.Connection, ledger: Ledger, entries: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[Record]:
    """Put well-formed records at the end of the chain; the caller holds the transaction, and commits or undoes it."""
    newest = "SELECT number, digest FROM records ORDER BY number DESC LIMIT 1"
    number, previous = connection.execute(newest).fetchone() or (0, FIRST)
    made: list[Record] = []
    for kind, content in entries:
        number += 1
        record = sealed(previous, number, ledger.clock(), kind, content, ledger_key())
        row = (number, record.time, kind, canonical(record.content), previous, record.digest)
        made.append(parsed(row, ledger.path))
        connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", row)
        previous = record.digest
    return made


def missing_guards(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the triggers that are not there."""
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    return [name for name in GUARDS if name not in there]


def _check_layout(connection: sqlite3.Connection, path: Path, schema: int) -> None:
    """Refuse a file that holds anything which labelvalue never put there; guards that are gone are told elsewhere."""
    known = {"records": TABLE} | GUARDS
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if kind == "index" and name == "sqlite_autoindex_records_1":
            continue
        older = name == "records" and kind == "table" and schema < SCHEMA
        if name not in known or (sql != known[name] and not older):
            raise StorageError(
                f"{path}: holds a {kind} {name!r} that labelvalue never made. Fix: restore it from a backup."
            )


def _rows(connection: sqlite3.Connection, where: str = "", given: Sequence[object] = ()) -> list[Row]:
    query = f"SELECT number, time, kind, content, previous, digest FROM records {where} ORDER BY number"
    return connection.execute(query, given).fetchall()


@contextlib.contextmanager
def as_storage_error(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say into a :class:`StorageError` that names the file."""
    try:
        yield
    except StorageError:
        raise
    except (sqlite3.Error, OSError) as error:
        fix = "free space or permissions, or restore the file from a backup"
        raise StorageError(f"{path}: {error}. Fix: {fix}.") from error


def backup_of(path: Path, schema: int) -> Path:
    """Return where the copy of a ledger lies that was migrated from a schema."""
    return path.with_name(f"{path.name}.schema-{schema}")


def migrate(ledger: Ledger) -> int | None:
    """Bring a ledger to today's layout, guards included; the records, and so the chain, stay what they are."""
    with ledger.transaction("ro") as opened:
        before, gone = opened.execute("PRAGMA user_version").fetchone()[0], missing_guards(opened)
    if before == SCHEMA and not gone:
        return None
    entries: list[tuple[str, dict[str, Any]]] = []
    if before < SCHEMA:
        write_whole(backup_of(ledger.path, before), ledger.path.read_bytes())
        entries = [("migration", {"from": before, "to": SCHEMA, "backup": backup_of(ledger.path, before).name})]
    if gone:
        why = f"{', '.join(gone)}, which guard records against changes, had been taken away and were put back"
        entries.append(("failure", {"why": why}))
    with ledger.transaction("rw") as opened:
        for statement in _statements() if before < SCHEMA else [GUARDS[name] for name in gone]:
            opened.execute(statement)
        insert(opened, ledger, entries)
    return before if before < SCHEMA else None


def _statements() -> list[str]:
    """The new table, filled from the old one, in its place. Statement by statement, so that it can be undone."""
    return [
        *(f"DROP TRIGGER IF EXISTS {name}" for name in GUARDS),
        "ALTER TABLE records RENAME TO old_records",
        TABLE,
        "INSERT INTO records SELECT number, time, kind, content, previous, digest FROM old_records ORDER BY number",
        "DROP TABLE old_records",
        *GUARDS.values(),
        f"PRAGMA user_version = {SCHEMA}",
    ]
