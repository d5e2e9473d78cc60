"""Rows of the fault table that stand nowhere else: two writers in a race, kills at any moment, room, contradictions."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

from labelvalue import Project, StorageError, cli, storage
from labelvalue.report.render import html
from tests.faults.test_kills import kills
from tests.operate.conftest import QUIET, configure, kinds

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks and signals")


# --- 1: killed at any moment ---------------------------------------------------------------------


@pytest.mark.slow  # twenty forks, each followed by the whole command
def test_kills_at_random_moments(root, tmp_path):
    """Twenty times: the old state or the new, and the same command again ends the work."""
    rows = kills(root, tmp_path, "--rounds", "20")
    assert len(rows) == 20
    assert all(row["before"]["fit"] in (1, 2) and row["after"]["fit"] == 2 for row in rows)
    assert all(row["left"] == [] for row in rows)


# --- 2: between folder and ledger ----------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
def test_an_orphan_is_adopted_where_it_is_whole_and_else_made_anew(running, sampler, monkeypatch, whole):
    def cut(*given, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("labelvalue.operate.refit.refit.fit_record", cut)
    with pytest.raises(KeyboardInterrupt):
        running.refit(progress=False)
    monkeypatch.undo()
    monkeypatch.setattr("labelvalue.model.fitting.fitting.fit", sampler)
    monkeypatch.setattr("labelvalue.operate.refit.subprocess_fit.fit_in_subprocess", _here)
    known = {record.content["fit"] for record in running.ledger.records("fit")}
    (orphan,) = [path for path in (running.folder / "fits").iterdir() if path.name not in known]
    if not whole:
        (orphan / "spec.json").write_text("{}")
    calls = len(sampler.calls)
    result = running.refit(progress=False)
    assert (result.new, len(sampler.calls) - calls) == (True, 0 if whole else 1)
    assert running.ledger.records("fit")[-1].content["adopted"] is whole
    running.verify()


def _here(place, runs, spec, *, memory_gb, minutes=None, progress, checkpoint=None):
    from labelvalue.operate.refit.refit import fit_spec

    return fit_spec(runs, spec, progress=progress)


# --- 3: no room ----------------------------------------------------------------------------------


def test_too_little_room_is_said_before_the_fit_in_bytes(running, monkeypatch, sampler, capsys):
    calls = len(sampler.calls)
    usage = shutil.disk_usage(running.folder)
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda place: usage._replace(free=1_000_000))
    assert cli.main(["refit", str(running.folder)]) == 5
    told = capsys.readouterr().err
    assert "1,000,000 are free" in told
    assert "needs " in told
    assert len(sampler.calls) == calls, "before the work, not after it"


def test_a_failure_that_finds_no_room_is_recorded_by_the_next_command(running, monkeypatch, sampler):
    sampler.error = MemoryError("too much")
    append = type(running.ledger).append

    def full(self, entries):
        raise StorageError("database or disk is full")

    monkeypatch.setattr(type(running.ledger), "append", full)
    with pytest.raises(MemoryError):
        running.refit(progress=False)
    monkeypatch.setattr(type(running.ledger), "append", append)
    before = len(running.ledger.records("failure"))
    running.decide("wait", approver="B")
    failures = running.ledger.records("failure")
    assert len(failures) == before + 1
    assert "could not write" in failures[-1].content["why"]
    assert failures[-1].content["holder"]["what"] == "refit"


@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="mounts a small disk, which root may")
def test_a_disk_that_really_is_full(tmp_path, sampler, first, second):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("may not mount")
    try:
        project = Project.create(disk / "p")
        configure(project, QUIET)
        project.add(first, batch="a").refit(progress=False)
        project.add(second, batch="b")
        head = project.verify()
        filler = disk / "filler"
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(b"0" * 4096)
                    file.flush()
            except OSError:
                pass
        for act in (lambda: project.refit(progress=False), lambda: project.decide("buy", approver="B")):
            with pytest.raises(StorageError):
                act()
            project.verify(head=head)
        filler.unlink()
        fits = len(project.ledger.records("fit"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("labelvalue.operate.refit.refitting.check_room", lambda *given: None)
            assert project.refit(progress=False).new
        assert len(project.ledger.records("fit")) == fits + 1
        project.verify(head=head)
    finally:
        subprocess.run(["umount", str(disk)], check=False)


# --- 7: two re-fits at once ----------------------------------------------------------------------


def _race(folder):
    """Two forked processes refit at once; their exit codes and the slower one's seconds."""
    started, children = time.monotonic(), []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                code = cli.main(["refit", str(folder), "--json"])
            except BaseException:
                code = 99
            os._exit(code)
        children.append(child)
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    return codes, time.monotonic() - started


@pytest.mark.slow  # a hundred processes
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fifty_races_of_two_refits(running, monkeypatch, capfd):
    """One works; the other is told so, or comes when all is done. No third thing, and one record a race."""

    def slow(place, runs, spec, *, memory_gb, minutes=None, progress, checkpoint=None):
        time.sleep(1.3)
        return _here(place, runs, spec, memory_gb=memory_gb, progress=progress)

    monkeypatch.setattr("labelvalue.operate.refit.subprocess_fit.fit_in_subprocess", slow)
    monkeypatch.setattr("labelvalue.operate.store.lock.PATIENCE_S", 0.05)
    seen = Counter()
    fits = len(running.ledger.records("fit"))
    for race in range(50):
        if race >= 2:  # afterwards a fit takes milliseconds: the second may come when it is done
            monkeypatch.setattr("labelvalue.operate.refit.subprocess_fit.fit_in_subprocess", _here)
        configure(running, QUIET + f"[fit]\nrandom_seed = {100 + race}\n")
        codes, _ = _race(running.folder)
        seen[tuple(codes)] += 1
    assert set(seen) <= {(0, 0), (0, 4)}, seen
    assert seen[(0, 4)] >= 2, "the first two races are won by one"
    running.verify()
    assert running.ledger.records("failure") == []
    assert len(running.ledger.records("fit")) == fits + 50, "one fit a race, whoever made it"


# --- 10, 11, 15, 18, 19 by their exit codes ------------------------------------------------------


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "command", "said"),
    [
        (lambda f: _flip(next((f / "fits").glob("*/posterior.nc"))), ["verify"], "checksum differs"),
        (lambda f: _flip(next((f / "runs").iterdir())), ["verify"], "the file was altered"),
        (lambda f: _flip(next((f / "runs").iterdir())), ["refit"], "runs of batch"),
        (lambda f: next((f / "runs").iterdir()).unlink(), ["refit"], "the file is missing"),
        (lambda f: (f / "ledger.sqlite").write_bytes(b"no database"), ["history"], "ledger.sqlite"),
        (lambda f: shutil.rmtree(f / "fits"), ["verify"], "manifest.json: cannot be read"),
    ],
)
def test_what_is_broken_ends_with_exit_code_5(running, capsys, harm, command, said):
    harm(running.folder)
    assert cli.main([command[0], str(running.folder), *command[1:]]) == 5
    assert said in capsys.readouterr().err


def test_a_folder_that_is_missing(tmp_path, capsys):
    assert cli.main(["refit", str(tmp_path / "nowhere")]) == 1
    assert "not a labelvalue project" in capsys.readouterr().err


def test_the_clock_set_back_is_a_note_and_no_more(running, monkeypatch):
    from datetime import UTC, datetime, timedelta

    late = datetime.now(UTC) - timedelta(days=400)
    clocked = type(running.ledger)
    monkeypatch.setattr(
        type(running), "ledger", property(lambda self: clocked(self.folder / "ledger.sqlite", lambda: late))
    )
    result = running.refit(progress=False)
    assert "the clock stands behind" in result.notes[0]
    assert [record.number for record in running.ledger.check()] == list(range(1, len(running.history()) + 1))


# --- 14: signals in the middle of writing --------------------------------------------------------

WRITING = """
import sys, time
import labelvalue.model.fitting.fitting, labelvalue.operate.refit.subprocess_fit
from labelvalue import cli, storage
from tests.operate.conftest import Sampler, fit_here
labelvalue.model.fitting.fitting.fit = Sampler()
labelvalue.operate.refit.subprocess_fit.fit_in_subprocess = fit_here
real = storage.os.fsync
seen = [0]
def fsync(descriptor):
    seen[0] += 1
    if seen[0] == int(sys.argv[3]):
        print("writing", flush=True)
        time.sleep(60)
    real(descriptor)
storage.os.fsync = fsync
sys.exit(cli.main([sys.argv[2], sys.argv[1], *sys.argv[4:]]))
"""


@pytest.mark.parametrize(
    ("number", "point"), [(signal.SIGTERM, 3), pytest.param(signal.SIGINT, 8, marks=pytest.mark.slow)]
)
def test_a_signal_while_a_fit_is_written(running, root, number, point):
    child = subprocess.Popen(
        [sys.executable, "-c", WRITING, str(running.folder), "refit", str(point)],
        cwd=root, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert child.stdout.readline() == "writing\n"
    child.send_signal(number)
    start = time.monotonic()
    assert child.wait(30) == -number
    assert time.monotonic() - start < 5.0
    child.stdout.close()
    running.verify()
    assert len(running.ledger.records("fit")) == 1
    assert running.refit(progress=False).new
    assert not [path for path in (running.folder / "fits").iterdir() if path.name.startswith(".")]


# --- 21: the page --------------------------------------------------------------------------------


def test_a_broken_template_costs_no_fit_and_no_advice(running, monkeypatch, capsys):
    import jinja2

    configure(running, "[report]\nbudgets = [100]\n")
    broken = jinja2.DictLoader({"report.html.j2": "{{ n.nothing_of_that_name }}"})
    templates = html.templates()
    with monkeypatch.context() as patch:
        patch.setattr(templates, "loader", broken)
        templates.cache.clear()
        assert cli.main(["refit", str(running.folder)]) == 5
    templates.cache.clear()
    assert "the page" in capsys.readouterr().err
    assert len(running.ledger.records("fit")) == 2
    shutil.rmtree(running.folder / "reports")
    result = running.refit(progress=False)
    assert not result.new
    assert (running.folder / "reports" / f"{result.fit}.html").is_file()


# --- 23: data that contradict the last fit -------------------------------------------------------


def test_data_that_contradict_are_scored_trigger_a_refit_and_are_explained(running, second, first):
    running.refit(progress=False)
    shifted = second.to_dataframe()[["slice", "labels", "other_labels", "replicate", "errors", "trials"]]
    shifted["labels"] *= 2
    shifted["errors"] = np.minimum(shifted["errors"] * 2, shifted["trials"])
    running.add(shifted, batch="c")
    fired = {t["trigger"]: t["fired"] for t in running.ledger.records("check")[-1].content["triggers"]}
    assert fired["surprise"]
    assert running.ledger.records("score")[-1].content["surprise"] < 1e-4
    result = running.refit(progress=False)
    assert (result.exit_code, result.new) == (0, True)
    table = running.explain(budget=500, progress=False)
    assert list(dict.fromkeys(table["step"])) == ["data", "drift"]
    assert table["change"].abs().max() > 0
    assert kinds(running).count("score") == 2


# --- 24 ------------------------------------------------------------------------------------------


@pytest.mark.slow  # two hundred re-fits
def test_memory_stays_where_it_is(project, first):
    project.add(first, batch="a")
    sizes = []
    for number in range(200):
        configure(project, QUIET + f"[fit]\nrandom_seed = {number}\n")
        project.refit(progress=False)
        if number in (10, 199):
            with open("/proc/self/statm") as file:
                sizes.append(int(file.read().split()[1]))
    assert sizes[1] < 1.05 * sizes[0], sizes
