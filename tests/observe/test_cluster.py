"""Trainings on a Dask cluster: a real scheduler and two workers on loopback, one of which is killed."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sklearn.naive_bayes import GaussianNB

from labelvalue import names, read_runs
from labelvalue.cli import main
from labelvalue.problems import InputError

pytest.importorskip("distributed")

CLOCK = [names.SECONDS, names.MEASURED_AT]
HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("interrupted", HERE / "interrupted.py")
interrupted = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(interrupted)


def same(one, other) -> bool:
    return one.drop_vars(CLOCK).drop_attrs().identical(other.drop_vars(CLOCK).drop_attrs())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Address of a scheduler, and its two worker processes."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    log = (folder / "log").open("w")
    settings = {"DASK_DISTRIBUTED__WORKER__DAEMON": "False", "DASK_DISTRIBUTED__ADMIN__LOG_LENGTH": "0"}
    environment = os.environ | settings | {"PYTHONWARNINGS": "ignore", "PYTHONPATH": str(HERE)}

    def start(command, *arguments):
        call = [sys.executable, "-m", "distributed.cli." + command, "--scheduler-file", str(file), *arguments]
        return subprocess.Popen(call, env=environment, stdout=log, stderr=log, cwd=folder)

    processes = [start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")]
    worker = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]
    processes += [start("dask_worker", *worker) for _ in range(2)]
    try:
        for _ in range(600):
            if file.exists() and file.read_text().strip():
                break
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"], processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()
        log.close()


def wait_for_workers(address, count):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=120)


def test_a_worker_killed_mid_way_loses_nothing(cluster, tmp_path):
    address, workers = cluster
    wait_for_workers(address, 2)
    whole = interrupted.simulate(tmp_path / "whole")
    folder = tmp_path / "parts"
    child = (
        "import sys; from pathlib import Path; import interrupted, labelvalue as lv;"
        "runs = interrupted.simulate(Path(sys.argv[1]), pause=0.3, dask=sys.argv[2]);"
        "lv.write_runs(runs, sys.argv[3])"
    )
    out = tmp_path / "runs.csv"
    call = [sys.executable, "-c", child, str(folder), address, str(out)]
    running = subprocess.Popen(call, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(HERE)})
    for _ in range(1200):
        if len(list(folder.glob("*.json"))) > 3 or running.poll() is not None:
            break
        time.sleep(0.05)
    assert running.poll() is None, running.stderr.read()
    os.kill(workers[0].pid, signal.SIGKILL)
    _, said = running.communicate(timeout=240)
    assert running.returncode == 0, said
    kept = len(list(folder.glob("*.json"))) - 1
    assert kept == interrupted.TRAININGS
    assert same(read_runs(out), whole)
    assert "trainings missing" not in said


def test_on_the_command_line(cluster, tmp_path, capsys, people):
    import pandas as pd

    address, _ = cluster
    x, y, slices = people
    data = tmp_path / "people.csv"
    pd.DataFrame(x, columns=["a", "b", "c"]).assign(answer=y, region=slices).to_csv(data, index=False)
    common = ["simulate", str(data), "--target", "answer", "--slice", "region", "--learner", "logistic_regression"]
    common += ["--sizes", "40,80", "--replicates", "1", "--random-seed", "1"]
    assert main([*common, "--out", str(tmp_path / "one.csv"), "--dask", address]) == 0
    assert main([*common, "--out", str(tmp_path / "two.csv")]) == 0
    capsys.readouterr()
    assert same(read_runs(tmp_path / "one.csv"), read_runs(tmp_path / "two.csv"))


def test_a_scheduler_killed_mid_way_leaves_what_was_done(tmp_path):
    """Its jobs come to nothing and say so; the table holds the rest."""
    from labelvalue.observe.simulate.execution import on_cluster

    child = (
        "from distributed import LocalCluster; import time\n"
        "if __name__ == '__main__':\n"
        "    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:\n"
        "        print(cluster.scheduler_address, flush=True); time.sleep(600)\n"
    )
    (tmp_path / "cluster.py").write_text(child)
    call = [sys.executable, str(tmp_path / "cluster.py")]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True, "cwd": tmp_path}
    found = {}
    with subprocess.Popen(call, start_new_session=True, **quiet) as running:
        try:
            address = running.stdout.readline().strip()
            for number, answer in on_cluster(lambda number: (abs, (-number,)), 40, None, address):
                found[number] = answer
                if len(found) == 5:
                    os.killpg(running.pid, signal.SIGKILL)
                    time.sleep(1.0)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
    assert sorted(found) == list(range(40)), "every job has an answer"
    done = {number for number, answer in found.items() if answer is not None}
    assert 5 <= len(done) < 40
    assert all(found[number] == number for number in done)


def test_where_no_scheduler_answers(simulate, monkeypatch):
    from labelvalue.observe.simulate import execution

    monkeypatch.setattr(execution, "PATIENCE", 1.0)
    with pytest.raises(InputError, match="no scheduler answers"):
        simulate(GaussianNB(), dask="tcp://127.0.0.1:9")


def test_where_dask_is_not_installed(simulate, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"Dask is not installed.*extra 'distributed'"):
        simulate(GaussianNB(), dask="tcp://127.0.0.1:8786")
