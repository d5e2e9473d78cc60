"""Projects of every released schema: read as they are, migrated by the next writer, and never half."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from labelvalue import Project, StorageError, cli
from labelvalue.operate.store import ledger as layout
from labelvalue.operate.store.ledger import SCHEMA

GOLDEN = Path(__file__).parent / "golden"
OLD = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())


def copied(name, tmp_path):
    folder = tmp_path / name
    shutil.copytree(GOLDEN / name, folder)
    (folder / "reports").mkdir(exist_ok=True)  # git keeps no empty folder
    return Project.open(folder)


def schema(project):
    with sqlite3.connect(project.ledger.path) as connection:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return found


def test_there_is_a_golden_project_of_every_older_schema():
    assert [f"schema-{number}" for number in range(1, SCHEMA)] == OLD


@pytest.mark.parametrize("name", OLD)
def test_an_older_project_is_read_as_it_is(name, tmp_path):
    project = copied(name, tmp_path)
    before = project.ledger.path.read_bytes()
    assert project.published.slices.tolist() == ["east", "west"]
    assert len(project.verify()) == 64
    assert len(project.scorecard()) == 2
    assert project.assets().attrs["total"]["labels"] > 0
    assert project.history()["what"].str.len().min() > 5
    assert project.ledger.path.read_bytes() == before


@pytest.mark.parametrize("name", OLD)
def test_the_next_writer_migrates_it(name, tmp_path):
    project = copied(name, tmp_path)
    before, content = project.ledger.records(), project.ledger.path.read_bytes()
    project.decide("wait", approver="B", comment="price")
    records = project.ledger.check()
    assert records[: len(before)] == before, "no record is touched, and so no digest"
    assert [record.kind for record in records[len(before) :]] == ["migration", "decision"]
    assert schema(project) == SCHEMA
    assert (project.folder / records[-2].content["backup"]).read_bytes() == content
    with sqlite3.connect(project.ledger.path) as connection, pytest.raises(sqlite3.IntegrityError, match="never"):
        connection.execute("DELETE FROM records")
    connection.close()
    project.decide("buy", approver="B")
    assert [record.kind for record in project.ledger.records()[-2:]] == ["decision", "decision"], "once"
    project.verify()


@pytest.mark.parametrize("name", OLD)
@pytest.mark.parametrize("step", range(len(layout._statements()) + 1))
def test_a_migration_that_fails_leaves_the_old_file(name, step, tmp_path, monkeypatch):
    project = copied(name, tmp_path)
    content = project.ledger.path.read_bytes()
    statements = layout._statements()
    monkeypatch.setattr(layout, "_statements", lambda: [*statements[:step], "SELECT nonsense FROM nowhere"])
    with pytest.raises(StorageError, match=r"ledger\.sqlite"):
        project.decide("wait", approver="B")
    assert project.ledger.path.read_bytes() == content
    project.verify()
    monkeypatch.undo()
    project.decide("wait", approver="B")
    project.verify()


@pytest.mark.parametrize("name", OLD)
def test_no_room_for_the_copy(name, tmp_path, monkeypatch):
    project = copied(name, tmp_path)
    content = project.ledger.path.read_bytes()

    def full(path, given):
        raise StorageError(f"{path}: no room")

    monkeypatch.setattr(layout, "write_whole", full)
    with pytest.raises(StorageError, match="no room"):
        project.decide("wait", approver="B")
    assert project.ledger.path.read_bytes() == content


def test_a_newer_schema_is_named_and_nothing_changes(tmp_path, capsys):
    project = copied(OLD[-1], tmp_path)
    with sqlite3.connect(project.ledger.path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 7}")
    connection.close()
    (project.folder / "lock").unlink(missing_ok=True)
    before = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    for command in (["history"], ["verify"], ["refit"], ["decide", "buy", "--approver", "B"]):
        assert cli.main([command[0], str(project.folder), *command[1:]]) == 5
        assert f"schema {SCHEMA + 7}" in capsys.readouterr().err
    after = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file() and path.name != "lock"}
    assert after == {path: content for path, content in before.items() if path.name != "lock"}
