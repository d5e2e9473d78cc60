"""Ledgers of older layouts, copied aside and rewritten in one transaction that changes no record; guards put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelvalue.operate.store.ledger import GUARDS, SCHEMA, TABLE, Ledger, insert, missing_guards
from labelvalue.storage import write_whole


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
