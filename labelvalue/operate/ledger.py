"""The ledger: an append-only file of records, each chained to the one before by its SHA-256."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from labelvalue.operate.identity import canonical
from labelvalue.operate.records import FIRST, KINDS, Record, sealed
from labelvalue.problems import StorageError

SCHEMA = 3
"""Version of the file's layout; a newer one is refused, an older one is read, and migrated by the next writer."""
BEHIND = timedelta(minutes=5)
"""How far the clock may stand behind the last record before a note says so."""
PATIENCE_S = 2.0
"""Seconds to wait for another process to finish a record."""

LAYOUT = f"""
CREATE TABLE records (
  number INTEGER PRIMARY KEY CHECK (number > 0),
  time TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ({", ".join(f"'{kind}'" for kind in KINDS)})),
  content TEXT NOT NULL CHECK (json_valid(content)),
  previous TEXT NOT NULL CHECK (length(previous) = 64),
  digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64)
) STRICT
;;
CREATE TRIGGER no_update BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'records are never changed'); END
;;
CREATE TRIGGER no_delete BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'records are never deleted'); END
"""
"""Statements, parted by a line of two semicolons."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclasses.dataclass(frozen=True)
class Ledger:
    """The file of records.

    Parameters
    ----------
    path : pathlib.Path
        The SQLite file.
    clock : callable
        Tells the time, in UTC; a test may set it back.

    Examples
    --------
    >>> import tempfile
    >>> ledger = Ledger.create(Path(tempfile.mkdtemp()) / "ledger.sqlite")
    >>> [record.number for record in ledger.append([("decision", {"verdict": "buy"})])]
    [1]
    >>> ledger.check()[0].content["verdict"]
    'buy'
    """

    path: Path
    clock: Callable[[], datetime] = _now

    @classmethod
    def create(cls, path: Path, entries: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> Ledger:
        """Make a ledger; the file appears whole.

        Parameters
        ----------
        path : pathlib.Path
            Where to; there must be no file yet.
        entries : sequence of (str, mapping)
            Its first records, as for :meth:`append`.

        Returns
        -------
        Ledger
            With those records.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        beside = path.with_name(f".{path.name}.tmp")
        with as_storage_error(path):
            beside.unlink(missing_ok=True)
            with contextlib.closing(sqlite3.connect(beside)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                for statement in LAYOUT.split("\n;;\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA}")
                connection.commit()
            cls(beside).append(entries)
            os.replace(beside, path)
        return cls(path)

    def records(self, *kinds: str) -> list[Record]:
        """Read the records in their order.

        Parameters
        ----------
        *kinds : str
            Only those of these kinds; all where none is named.

        Returns
        -------
        list of Record
            Oldest first.

        Raises
        ------
        StorageError
            If the file is missing, damaged, or of a newer labelvalue.
        """
        with self._connect("ro") as connection:
            return _read(connection, kinds)

    def append(self, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Record]:
        """Add records, all or none.

        Parameters
        ----------
        entries : sequence of (str, mapping)
            Kind and content of each; who adds them is put in.

        Returns
        -------
        list of Record
            As written.

        Raises
        ------
        StorageError
            If they cannot be written; the ledger is then as it was.
        """
        made: list[Record] = []
        with self._connect("rw") as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                before = connection.execute(
                    "SELECT number, digest FROM records ORDER BY number DESC LIMIT 1"
                ).fetchone()
                number, previous = before or (0, FIRST)
                for kind, content in entries:
                    number += 1
                    record = sealed(previous, number, self.clock(), kind, content)
                    connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", row_of(record))
                    made.append(record)
                    previous = record.digest
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        return made

    def check(self) -> list[Record]:
        """Recompute every digest and follow the chain.

        Returns
        -------
        list of Record
            All of them, found sound.

        Raises
        ------
        StorageError
            If the chain is broken; names the first record that does not fit.
        """
        with self._connect("ro") as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
            if verdict != "ok":
                raise StorageError(f"{self.path}: {verdict}. Fix: restore the file from a backup.")
            records = _read(connection)
        previous = FIRST
        for number, record in enumerate(records, start=1):
            where = f"{self.path}: record {record.number} ({record.kind}, {record.time})"
            if record.number != number:
                raise StorageError(f"{where}: record {number} is missing before it. {_RESTORE}")
            if record.previous != previous:
                raise StorageError(f"{where}: does not follow record {number - 1}, which was changed. {_RESTORE}")
            if record.expected_digest() != record.digest:
                raise StorageError(f"{where}: was changed after it was written. {_RESTORE}")
            previous = record.digest
        return records

    def schema(self) -> int:
        """Return the version of the file's layout.

        Returns
        -------
        int
            At most :data:`SCHEMA`.

        Raises
        ------
        StorageError
            If the file is missing, damaged, or of a newer labelvalue.
        """
        with self._connect("ro") as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def last(self) -> tuple[int, str]:
        """Read where the ledger ends.

        Returns
        -------
        int
            Number of the last record; 0 where there is none.
        str
            Its time.

        Raises
        ------
        StorageError
            If the file is missing, damaged, or of a newer labelvalue.
        """
        with self._connect("ro") as connection:
            found = connection.execute("SELECT number, time FROM records ORDER BY number DESC LIMIT 1").fetchone()
        return (0, "") if found is None else (int(found[0]), str(found[1]))

    def clock_notes(self) -> list[str]:
        """Say where the clock stands behind the last record.

        Returns
        -------
        list of str
            Empty unless it is more than five minutes behind.
        """
        number, time = self.last()
        if not number or datetime.fromisoformat(time) - self.clock() <= BEHIND:
            return []
        return [f"the clock stands behind the last record ({time}); the order of records does not need it"]

    def _undone(self) -> bool:
        """Whether a transaction's journal lies beside the file: of a writer at work, or of one that was killed."""
        return self.path.with_name(f"{self.path.name}-journal").exists()

    @contextlib.contextmanager
    def _connect(self, mode: str) -> Iterator[sqlite3.Connection]:
        if not self.path.is_file():
            raise StorageError(f"{self.path}: no such file. Fix: restore it from a backup.")
        with as_storage_error(self.path):
            if mode == "ro" and self._undone() and os.access(self.path, os.W_OK):
                mode = "rw"  # a writer was killed: SQLite rolls back what it began, which a reader alone may not
            where = f"{self.path.resolve().as_uri()}?mode={mode}"
            opened = sqlite3.connect(where, uri=True, isolation_level=None, timeout=PATIENCE_S)
            with contextlib.closing(opened) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                schema = connection.execute("PRAGMA user_version").fetchone()[0]
                if schema > SCHEMA:
                    raise StorageError(
                        f"{self.path}: needs the labelvalue that wrote schema {schema}; this one reads {SCHEMA}. "
                        "Fix: install a newer labelvalue."
                    )
                yield connection


_RESTORE = "Fix: restore the ledger from a backup; nothing after the record before can be trusted."


def row_of(record: Record) -> tuple[int, str, str, str, str, str]:
    """Return a record as the values of its row."""
    text = canonical(record.content)
    return record.number, record.time, record.kind, text, record.previous, record.digest


def _read(connection: sqlite3.Connection, kinds: Sequence[str] = ()) -> list[Record]:
    only = f"WHERE kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
    query = f"SELECT number, time, kind, content, previous, digest FROM records {only} ORDER BY number"
    return [
        Record(number, time, kind, json.loads(content), previous, digest)
        for number, time, kind, content, previous, digest in connection.execute(query, kinds)
    ]


@contextlib.contextmanager
def as_storage_error(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say into a :class:`StorageError` that names the file."""
    try:
        yield
    except StorageError:
        raise
    except (sqlite3.Error, json.JSONDecodeError, OSError) as error:
        fix = "free space or permissions, or restore the file from a backup"
        raise StorageError(f"{path}: {error}. Fix: {fix}.") from error
