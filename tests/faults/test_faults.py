"""Full disks, flipped bytes, missing files, two writers, signals: nothing lost, nothing half published."""

import contextlib
import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from labelvalue import BusyError, StorageError, cli, names, write_runs
from labelvalue.operate.store import lock as locks
from labelvalue.operate.store.ledger import GUARDS
from tests.operate.conftest import kinds


def fit_folder(project):
    return project.folder / "fits" / project.ledger.records("fit")[0].content["fit"]


# --- disks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [1, 2, 4, 6, 8, 10])
def test_disk_full_while_a_fit_is_written(running, monkeypatch, write, capsys):
    before = running.published.runs.sizes[names.RUN]
    left, sync = [write], os.fsync

    def full(descriptor):
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    assert cli.main(["refit", str(running.folder)]) == 5
    assert "No space left" in capsys.readouterr().err
    monkeypatch.undo()
    running.verify()
    assert running.published.runs.sizes[names.RUN] == before
    assert [p.name for p in (running.folder / "fits").iterdir()] == [fit_folder(running).name]


def test_disk_full_while_the_ledger_commits(running, monkeypatch, sampler, capsys):
    connect = sqlite3.connect
    head = running.verify()

    def full(*place, **settings):
        connection = connect(*place, **settings)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", full)
    assert cli.main(["refit", str(running.folder)]) == 5
    assert "full" in capsys.readouterr().err
    monkeypatch.setattr(sqlite3, "connect", connect)
    running.verify(head=head)
    assert len(running.ledger.records("fit")) == 1, "rolled back, and sound; at most the failure found room"
    calls = len(sampler.calls)
    assert running.refit(progress=False).new
    assert len(sampler.calls) == calls, "the fit was whole, and is adopted"
    assert running.ledger.records("fit")[-1].content["adopted"] is True


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["posterior.nc", "posterior.nc.sha256", "spec.json", "manifest.json"])
def test_one_flipped_byte_anywhere_in_a_fit(running, file):
    path = fit_folder(running) / file
    content = path.read_bytes()
    for offset in np.random.default_rng(1).integers(0, len(content), 30):
        path.write_bytes(content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :])
        with pytest.raises(StorageError):
            running.verify()
        with pytest.raises(StorageError):
            running.published  # noqa: B018
    path.write_bytes(content)
    running.verify()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_posterior(running, share):
    path = fit_folder(running) / "posterior.nc"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(StorageError, match=r"posterior.nc: checksum differs.*Fix: .*labelvalue refit"):
        running.published  # noqa: B018


def test_a_file_added_to_a_fit_and_a_link_in_it(running):
    folder = fit_folder(running)
    (folder / "payload.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(StorageError, match=r"payload\.pkl: is not in the manifest"):
        running.verify()
    (folder / "payload.pkl").unlink()
    outside = running.folder.parent / "outside.nc"
    shutil.move(folder / "posterior.nc", outside)
    (folder / "posterior.nc").symlink_to(outside)
    with pytest.raises(StorageError, match=r"posterior\.nc"):
        running.verify()


def test_a_fit_swapped_for_another_whole_one(running):
    running.refit(progress=False)
    old, new = (running.folder / "fits" / r.content["fit"] for r in running.ledger.records("fit"))
    shutil.rmtree(old)
    shutil.copytree(new, old)
    with pytest.raises(StorageError, match="is not the folder that record 5 names"):
        running.verify()


@pytest.mark.parametrize("how", ["removed", "swapped"])
def test_runs_removed_or_swapped(running, how):
    one, other = (running.folder / "runs" / r.content["file"] for r in running.ledger.records("batch"))
    one.unlink() if how == "removed" else shutil.copy(other, one)
    for act in (running.verify, lambda: running.refit(progress=False)):
        with pytest.raises(StorageError, match=rf"{one.name}: runs of batch 'a': the file"):
            act()


def test_records_cut_off_at_the_end_are_missed_only_without_a_head(running):
    head = running.verify()
    with sqlite3.connect(running.ledger.path) as connection:
        connection.execute("DROP TRIGGER no_delete")
        connection.execute("DELETE FROM records WHERE number = (SELECT max(number) FROM records)")
        connection.execute(GUARDS["no_delete"])
    connection.close()
    running.verify()
    with pytest.raises(StorageError, match="cut off or written anew"):
        running.verify(head=head)


# --- writers --------------------------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from labelvalue.operate.store.lock import writing
with writing(Path(sys.argv[1]), "refit"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(running):
    """Another process that holds the lock."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(running.folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_the_second_writer_is_told_who_is_first(running, holder, capsys):
    start = time.monotonic()
    with pytest.raises(BusyError, match=f"refit by process {holder.pid} on .* since 20"):
        running.refit(progress=False)
    assert time.monotonic() - start < 2.0
    assert cli.main(["refit", str(running.folder)]) == 4
    assert "busy" in capsys.readouterr().err
    assert len(running.history()) > 0, "readers need no lock"
    running.verify()


def test_who_finds_the_project_busy_is_told_before_anything_is_imported(running, second, holder):
    """What takes seconds to import comes after the lock; with half a second's patience that is told within two."""
    runs = write_runs(second, running.folder.parent / "b.csv")
    code = "import sys; from labelvalue import cli; print(cli.main(sys.argv[1:]), sorted({*sys.modules} & {*%r}))"
    heavy = ("pandas", "xarray", "scipy", "pyarrow")
    for command in (["refit"], ["add", str(runs)], ["note", "x", "--batch", "a"], ["decide", "buy", "--approver", "B"]):
        given = [command[0], str(running.folder), *command[1:]]
        told = subprocess.run(
            [sys.executable, "-c", code % (heavy,), *given], capture_output=True, text=True, check=True
        )
        assert told.stdout.strip() == "4 []", command
        assert f"refit by process {holder.pid}" in told.stderr
    assert locks.PATIENCE_S <= 0.5


def test_a_dead_holder_keeps_nothing(running, holder):
    holder.kill()
    holder.wait()
    assert running.refit(progress=False).new
    failure = running.ledger.records("failure")[0].content
    assert failure["why"].startswith("abandoned")
    assert failure["holder"]["process"] == holder.pid


def test_a_file_system_whose_locks_do_not_lock(running, monkeypatch):
    class Sham:
        def __init__(self, path, timeout):
            pass

        def acquire(self):
            pass

        release = acquire

    monkeypatch.setattr(locks, "FileLock", Sham)
    monkeypatch.setattr("filelock.FileLock", Sham)
    with pytest.raises(StorageError, match="does not lock files"):
        running.refit(progress=False)
    running.verify()


NOBODY = 65534


@contextlib.contextmanager
def without_rights():
    """Be a user whom permissions bind: nobody, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of POSIX")
@pytest.mark.parametrize("owner", ["another user", "oneself"])
def test_a_folder_without_the_right_to_write_can_be_read_and_ends_with_5(running, second, owner, capsys):
    """A folder of another user, and one of one's own that is read-only."""
    if owner == "another user" and os.geteuid() != 0:
        pytest.skip("becomes another user, which root alone may")
    place = Path(tempfile.mkdtemp())
    runs = write_runs(second, place / "c.csv")
    project = shutil.copytree(running.folder, place / "p")
    put_here = cli.main(["history", str(project)])  # what commands import is imported by now
    writable = 0o200 if owner == "another user" else 0
    for path in (project, *project.rglob("*"), runs, place):
        if owner == "oneself" and os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
        path.chmod((0o555 if path.is_dir() else 0o444) | writable)
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    try:
        with without_rights():
            assert put_here == cli.main(["verify", str(project)]) == cli.main(["history", str(project)]) == 0
            capsys.readouterr()
            for command in (["add", str(project), str(runs)], ["refit", str(project)], ["note", str(project), "text"]):
                assert cli.main(command) == 5, command[0]
                assert "give this user the right to write" in capsys.readouterr().err
        assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before
    finally:
        place.chmod(0o755)
        for folder in (project, *(path for path in project.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        shutil.rmtree(place)


# --- signals --------------------------------------------------------------------------------------

ASLEEP = """
import sys, time
import labelvalue.operate.refit.subprocess_fit
from labelvalue import cli
def fit(*given, **settings):
    print("sampling", flush=True)
    time.sleep(60)
labelvalue.operate.refit.subprocess_fit.fit_in_subprocess = fit
sys.exit(cli.main(["refit", sys.argv[1]]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_refit_and_publishes_nothing(running, number):
    before = running.published.runs.sizes[names.RUN]
    child = subprocess.Popen([sys.executable, "-c", ASLEEP, str(running.folder)], stdout=subprocess.PIPE, text=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # fmt: skip
    assert child.stdout.readline() == "sampling\n"
    child.send_signal(number)
    start = time.monotonic()
    assert child.wait(timeout=30) == -number
    assert time.monotonic() - start < 5.0
    child.stdout.close()
    running.verify()
    assert running.published.runs.sizes[names.RUN] == before
    assert running.refit(progress=False).new
    assert [record.kind for record in running.ledger.records("failure")] == ["failure"]


def test_an_interrupted_add_can_be_repeated(fitted, second, sampler, monkeypatch):

    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("labelvalue.operate.history.scorecard.forecast_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted.add(second, batch="b")
    monkeypatch.undo()
    assert kinds(fitted).count("batch") == 1
    assert kinds(fitted.add(second, batch="b")).count("score") == 1
