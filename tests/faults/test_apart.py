"""Fits in a process of their own: what becomes of it leaves the parent standing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

from labelvalue import Project, cli, load_fit, names, testing
from labelvalue.operate.refit import refit, subprocess_fit
from tests.fits import altered
from tests.operate.conftest import QUIET, configure

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def lonely(running, monkeypatch):
    """A project with a published fit and a new batch, whose next fit really is another process."""
    monkeypatch.undo()
    return running


def instead(monkeypatch, program):
    """Let another program be the child."""
    real = subprocess_fit._run
    monkeypatch.setattr(subprocess_fit, "_run", lambda command: real([sys.executable, "-c", program, command[-1]]))


def fits_by(monkeypatch, fit):
    """Let the child be a copy of this process, to which nothing is to be imported, and fit with a function."""

    def run(command):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(reading, 0)  # the end of the parent is the end of this pipe
            refit.fit_backtested = fit
            os._exit(subprocess_fit.main(Path(command[-1])))
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(reading), os.close(writing)
        return ended

    monkeypatch.setattr(subprocess_fit, "_run", run)


def raises(error):
    def fit(runs, spec, progress, checkpoint):
        raise error

    return fit


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ran out of memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "died (SIGSEGV)"),
        ("import sys; sys.exit(7)", "died (exit code 7)"),
        (raises(MemoryError()), "ran out of memory"),
        (raises(RuntimeError("chain 2 died")), "chain 2 died"),
    ],
)
def test_a_child_that_dies_is_a_refused_fit(lonely, monkeypatch, capfd, program, why):
    (instead if isinstance(program, str) else fits_by)(monkeypatch, program)
    before = lonely.published.runs.sizes[names.RUN]
    assert cli.main(["refit", str(lonely.folder)]) == 2
    told = capfd.readouterr()
    assert "the fit needs about" in told.err, "the estimate comes before"
    assert why in " ".join(told.out.split())
    assert why in lonely.ledger.records("failure")[-1].content["why"]
    assert lonely.published.runs.sizes[names.RUN] == before
    assert not [path for path in (lonely.folder / "fits").iterdir() if path.name.startswith(".")]
    lonely.verify()


def test_what_makes_no_sense_is_said_as_in_one_process(lonely, monkeypatch, capsys):
    fits_by(monkeypatch, raises(ValueError("labels_now: unknown slice 'x'")))
    assert cli.main(["refit", str(lonely.folder)]) == 1
    assert "labels_now: unknown slice 'x'" in capsys.readouterr().err


def test_runs_and_settings_arrive_unchanged(lonely, monkeypatch):
    """The child writes back what it got, in the shape of a fit."""

    def fit(runs, spec, progress, checkpoint):
        return altered(testing.fake_fit(seed=1, draws=50), runs=runs, settings={"spec": spec})

    fits_by(monkeypatch, fit)
    lonely.refit(progress=False)
    fit = lonely.published
    assert fit.runs.drop_attrs().equals(lonely.runs.drop_attrs())
    assert fit.settings["spec"]["fit"]["draws"] == 1000


WAITING = """
import sys, threading, time
from pathlib import Path
from labelvalue.operate.refit import subprocess_fit
import os
def wait(path):
    threading.Thread(target=subprocess_fit._end_with_parent, daemon=True).start()
    Path(path, "started").write_text(str(os.getpid()))
    time.sleep(60)
wait(sys.argv[1])
"""
PARENT = """
import sys
from labelvalue import cli
from labelvalue.operate.refit import subprocess_fit
real = subprocess_fit._run
subprocess_fit._run = lambda command: real([sys.executable, "-c", sys.argv[2], command[-1]])
sys.exit(cli.main(["refit", sys.argv[1]]))
"""


def gone(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks a process up in /proc")
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM, signal.SIGKILL]
)
def test_a_child_does_not_outlive_its_parent(lonely, number):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(lonely.folder), WAITING],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    limit = time.monotonic() + 60
    while not (started := list((lonely.folder / "fits").glob(".tmp-work-*/started"))):
        assert time.monotonic() < limit
        assert parent.poll() is None
        time.sleep(0.05)
    time.sleep(0.1)
    child = int(started[0].read_text())
    parent.send_signal(number)
    start = time.monotonic()
    assert parent.wait(30) == -number
    while not gone(child):
        assert time.monotonic() - start < 5.0
        time.sleep(0.05)
    failures = len(lonely.ledger.records("failure"))
    assert failures == (0 if number == signal.SIGKILL else 1)
    lonely.decide("wait", approver="B")
    assert len(lonely.ledger.records("failure")) == 1, "the next command tells of a holder that was killed"
    assert not list((lonely.folder / "fits").glob(".tmp-*"))
    lonely.verify()


NO_NETWORK = """
import socket
def refuse(*given, **settings):
    raise AssertionError("a network connection")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""


def wait_until(there, process):
    """Wait for an event that another process brings about; what it then finds."""
    limit = time.monotonic() + 300
    while not (found := there()):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < limit
        time.sleep(0.01)
    return found


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_real_fit_goes_on_after_sigterm_with_the_draws_of_one_that_was_not_stopped(tmp_path, monkeypatch, capfd):
    """Rows 14 and 11, in processes that may ask no network and keep their caches private.

    The one test here that samples: a small re-fit that is stopped as soon as one chain is finished, again, and once
    more in this process as a fresh fit.
    """
    import pytensor

    from labelvalue.model.fitting.result import draws_digest
    from labelvalue.operate.refit.refit import fit_spec, gather
    from labelvalue.operate.store.batches import Joint
    from labelvalue.operate.store.folders import current_batches

    cache = Path(str(pytensor.config.base_compiledir))
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o755)
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    project = Project.create(tmp_path / "project")
    configure(project, QUIET + "[fit]\ndraws = 4000\ntune = 200\nchains = 4\nbacktest = false\n")
    runs = testing.fake_runs(seed=1, slices=("east", "west"), sizes=(250, 1000, 4000), replicates=2)
    project.add(runs, batch="a")
    fits = project.folder / "fits"
    (fits / ".chains-OTHER").mkdir()
    command = [sys.executable, "-m", "labelvalue", "refit", str(project.folder)]
    stopped = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: list(fits.glob(".chains-*/*-[1-9].npz.sha256")), stopped)
    stopped.terminate()
    start = time.monotonic()
    assert stopped.wait(30) == -signal.SIGTERM
    assert time.monotonic() - start < 5.0
    stopped.stderr.close()
    (folder,) = [path for path in fits.iterdir() if path.name.startswith(".chains-")]
    assert (folder.stat().st_mode & 0o777, project.published) == (0o700, None)
    project.verify()
    capfd.readouterr()
    result = project.refit(progress=True)
    assert "going on from the draws that were finished before" in capfd.readouterr().err
    assert result.new
    (record,) = project.ledger.records("fit")
    inputs = gather(Joint(project.folder / "runs", current_batches(project.ledger.records())), project.configuration)
    assert folder.name == f".chains-{record.content['fit']}"
    assert [path.name for path in fits.iterdir()] == [record.content["fit"]], "chains go when the fit is recorded"
    assert {path.name for path in (fits / record.content["fit"]).iterdir()} == {
        "manifest.json", "posterior.nc", "posterior.nc.sha256", "spec.json",
    }  # fmt: skip
    monkeypatch.delenv("PYTHONPATH")
    fresh = fit_spec(inputs.runs, inputs.spec, progress=False)
    assert draws_digest(fresh) == record.content["draws_sha256"]
    kept = load_fit(fits / record.content["fit"] / "posterior.nc")
    assert kept.diagnostics == fresh.diagnostics
    for group in fresh.tree.children:
        xr.testing.assert_equal(kept.tree[group].to_dataset(), read_back(fresh, tmp_path).tree[group].to_dataset())
    assert cache.stat().st_mode & 0o077 == 0
    compiled = {".nbi", ".nbc", ".so", ".pyc", ".c", ".cpp"}
    assert not [path for path in project.folder.rglob("*") if path.suffix in compiled], "no cache in a shared folder"


def read_back(fit, place):
    """As a file gives it."""
    return load_fit(fit.save(place / "fresh.nc"))


@pytest.mark.slow  # imports the samplers under a limit of address space
@pytest.mark.skipif(os.name != "posix", reason="limits of address space")
def test_too_little_memory_is_a_refused_fit(lonely, capfd):
    configure(lonely, QUIET + "[limits]\nmemory_gb = 0.9\n")
    assert cli.main(["refit", str(lonely.folder)]) == 2
    told = " ".join(capfd.readouterr().out.split())
    assert "memory" in told
    assert "fewer draws, or put fewer slices" in told
    lonely.verify()
