"""The ledger: append-only, chained, and honest about what was done to it."""

import contextlib
import re
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from labelvalue import StorageError
from labelvalue.operate.store.identity import PATTERN, canonical, digest_of, id_of
from labelvalue.operate.store.ledger import Ledger
from labelvalue.operate.store.records import FIRST, digest_of_text

ENTRIES = [("note", {"of": "slice", "name": "FR'; DROP TABLE records; --", "text": f"v{i}", "author": ""})
           for i in range(4)]  # fmt: skip


@pytest.fixture
def ledger(tmp_path):
    return Ledger.create(tmp_path / "ledger.sqlite", ENTRIES)


@contextlib.contextmanager
def opened(ledger, *, without_triggers=True):
    """The file as somebody with a database browser sees it."""
    connection = sqlite3.connect(ledger.path)
    if without_triggers:
        connection.executescript("DROP TRIGGER no_update; DROP TRIGGER no_delete;")
    yield connection
    connection.commit()
    connection.close()


def test_records_come_back_in_order_and_chained(ledger):
    records = ledger.check()
    assert [record.number for record in records] == [1, 2, 3, 4]
    assert [record.previous for record in records] == [FIRST, *(record.digest for record in records[:-1])]
    assert [record.content["text"] for record in records] == ["v0", "v1", "v2", "v3"]
    assert all("@" in record.content["by"] for record in records)
    assert ledger.records("fit") == []


@pytest.mark.parametrize("statement", ["UPDATE records SET kind = 'fit'", "DELETE FROM records WHERE number = 4"])
def test_records_are_never_changed(ledger, statement):
    with opened(ledger, without_triggers=False) as connection, pytest.raises(sqlite3.IntegrityError, match="never"):
        connection.execute(statement)
    assert len(ledger.check()) == 4


@pytest.mark.parametrize(
    ("statement", "broken", "why"),
    [
        ("UPDATE records SET content = replace(content, 'v1', 'v9') WHERE number = 2", 2, "was changed"),
        ("UPDATE records SET time = '2020-01-01T00:00:00+00:00' WHERE number = 3", 3, "was changed"),
        ("UPDATE records SET kind = 'failure' WHERE number = 1", 1, "was changed"),
        ("DELETE FROM records WHERE number = 2", 3, "record 2 is missing"),
        ("DELETE FROM records WHERE number = 1", 2, "record 1 is missing"),
        (
            "UPDATE records SET number = 9 WHERE number = 2; UPDATE records SET number = 2 WHERE number = 3; "
            "UPDATE records SET number = 3 WHERE number = 9",
            2,
            "does not follow",
        ),
    ],
)
def test_the_first_broken_link_is_named(ledger, statement, broken, why):
    with opened(ledger) as connection:
        connection.executescript(statement)
    with pytest.raises(StorageError, match=rf"record {broken} .*{why}"):
        ledger.check()


def test_a_record_forged_with_its_digest_breaks_the_next(ledger):
    second = ledger.records()[1]
    text = canonical(dict(second.content) | {"text": "forged"})
    digest = digest_of_text(second.previous, second.number, second.time, second.kind, text)
    with opened(ledger) as connection:
        connection.execute("UPDATE records SET content = ?, digest = ? WHERE number = 2", (text, digest))
    with pytest.raises(StorageError, match=r"record 3 .*does not follow record 2"):
        ledger.check()


def test_all_entries_or_none(ledger):
    for second in (("rumour", {"why": "out"}), ("failure", {})):
        with pytest.raises(StorageError, match=r"broken record: (kind 'rumour' is unknown|content\.why is missing)"):
            ledger.append([("failure", {"why": "in"}), second])
    assert len(ledger.check()) == 4


def test_numbers_that_json_cannot_hold_are_refused(ledger):
    with pytest.raises(ValueError, match="JSON"):
        ledger.append([("failure", {"why": "in", "holder": {"crps": float("nan")}})])
    assert len(ledger.check()) == 4


def test_order_is_not_the_clock(ledger):
    late = datetime.now(UTC) - timedelta(hours=3)
    behind = Ledger(ledger.path, clock=lambda: late)
    assert "behind the last record" in behind.clock_notes()[0]
    behind.append([("failure", {"why": "set back"})])
    assert [record.number for record in behind.check()] == [1, 2, 3, 4, 5]
    assert Ledger(ledger.path, clock=lambda: late + timedelta(minutes=4)).clock_notes() == []


def test_a_newer_schema_is_refused_and_left_alone(ledger):
    with opened(ledger, without_triggers=False) as connection:
        connection.execute("PRAGMA user_version = 9")
    before = ledger.path.read_bytes()
    for act in (ledger.records, ledger.check, lambda: ledger.append(ENTRIES)):
        with pytest.raises(StorageError, match="newer labelvalue"):
            act()
    assert ledger.path.read_bytes() == before


@pytest.mark.parametrize("kept", [0, 100, 3000])
def test_a_file_cut_off_is_refused(ledger, kept):
    ledger.path.write_bytes(ledger.path.read_bytes()[:kept])
    with pytest.raises(StorageError, match=re.escape(str(ledger.path))):
        ledger.check()


def test_ids_are_made_of_digests_alone():
    made = {id_of(digest_of(i)) for i in range(500)}
    assert len(made) == 500
    assert all(PATTERN.fullmatch(one) for one in made)
    assert id_of("f" * 64) == "Z" * 26
    assert id_of("0" * 64) == "0" * 26
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
