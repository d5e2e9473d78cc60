"""Live where a server is named: rounds through stubs that speak the documented interfaces, and all that may go wrong.

MLflow's own server answers in a slow test; the same calls were made once to Label Studio's, see docs/how-to/live.md.
"""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
import venv
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

import labelvalue as lv
from labelvalue import cli, names, server
from labelvalue.label_quality import read_annotations
from labelvalue.problems import InputError
from labelvalue.report.numbers import exports

SECRET = "s3cr3t-tok3n-0123456789"
PERSONAL = f"a.{SECRET}.b"
STUDIO, MLFLOW = "LABEL_STUDIO_API_KEY", "MLFLOW_TRACKING_TOKEN"
QUEUE = pd.DataFrame(
    {"item": ["a", "b"], "slice": ["west", "east"], "rank": [1, 1], "strategy": "random", "text": ["hé", "ho"]}
)


@contextmanager
def serving(answer):
    """A server on this machine; ``answer(method, path, body, headers)`` gives status, headers and content."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, content = answer(self.command, self.path, json.loads(body or "null"), self.headers)
            self.send_response(status)
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            for name, value in ({"Content-Length": len(content)} | headers).items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _any

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_address[1]}"
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


@pytest.fixture
def token(monkeypatch):
    monkeypatch.setenv(STUDIO, SECRET)
    monkeypatch.setenv(MLFLOW, SECRET)


# --- Label Studio ---------------------------------------------------------------------------------


class Studio:
    """Project 7: tasks come in by import and go out annotated."""

    def __init__(self):
        self.tasks = []

    def __call__(self, method, path, body, headers):
        if (method, path, body) == ("POST", "/api/token/refresh", {"refresh": PERSONAL}):
            assert headers["Authorization"] is None
            return 200, {}, {"access": "fr.es.h"}
        if headers["Authorization"] not in (f"Token {SECRET}", "Bearer fr.es.h"):
            return 401, {}, {"detail": f"Invalid token {headers['Authorization']}"}
        if (method, path) == ("POST", "/api/projects/7/import"):
            self.tasks += body
            return 201, {}, {"task_count": len(body), "annotation_count": 0, "could_be_tasks_list": False}
        if (method, path) == ("GET", "/api/projects/7/export?exportType=JSON"):
            value = {"choices": ["yes"]}
            result = [{"type": "choices", "from_name": "kind", "to_name": "text", "value": value}]
            about = {"completed_by": 3, "lead_time": 4.0, "updated_at": "2026-03-02T09:00:00Z", "result": result}
            return (
                200,
                {},
                [
                    {"id": n, "project": 7, **task, "annotations": [{"id": 10 + n, **about}]}
                    for n, task in enumerate(self.tasks)
                ],
            )
        return 404, {}, {"detail": "Not found."}


@pytest.mark.parametrize("kind", [SECRET, PERSONAL])
def test_p15_a_queue_goes_to_label_studio_and_comes_back_annotated(kind, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(STUDIO, kind)
    studio = Studio()
    with serving(studio) as base:
        lv.plans.push_queue(QUEUE, f"{base}/projects/7/data?tab=3")
        out = tmp_path / "annotations.csv"
        address = f"{base}/projects/7"
        assert cli.main(["import", "label-studio", address, "--slice", "data.slice", "--out", str(out)]) == 0
        table = read_annotations(address, "label-studio", slice="data.slice")
    lv.plans.write_queue(QUEUE, tmp_path / "tasks.json", "label-studio")
    assert studio.tasks == json.loads((tmp_path / "tasks.json").read_text())
    assert table.attrs["labels"] == {"west": 1, "east": 1}
    assert list(table.attrs["sha256"]) == ["project-7.json"]
    assert lv.label_quality.load_annotations(out)["label"].tolist() == ["yes", "yes"]
    assert SECRET not in "".join(map(str, capsys.readouterr())) + out.read_text()


@pytest.mark.parametrize("answer", [[], {"access": 5}, {"access": "a\r\nX: y"}])
def test_a_renewed_token_that_is_none_is_refused(answer, monkeypatch, capsys):
    monkeypatch.setenv(STUDIO, PERSONAL)
    with serving(lambda *_: (200, {}, answer)) as base:
        refused(f"{base}/projects/7", "answers with something else", capsys)


def test_tasks_that_did_not_all_arrive_are_said(token):
    with serving(lambda *_: (201, {}, {"import": 5})) as base, pytest.raises(InputError, match="2 tasks were sent"):
        lv.plans.push_queue(QUEUE, f"{base}/projects/7")


def test_p15_the_command_pushes_what_it_writes(token, tmp_path, capsys, monkeypatch):
    rng = np.random.default_rng(5)
    fit = lv.testing.fake_fit(seed=1)
    items = pd.DataFrame(rng.normal(size=(900, 2)), columns=["a", "b"])
    labels = np.where(np.arange(900) < 90, np.where(items["a"] > 0, "yes", "no"), "")
    items.assign(kind=labels, region=rng.choice(list(map(str, fit.slices)), 900)).to_csv(tmp_path / "items.csv")
    fit.save(tmp_path / "fit.nc")
    (tmp_path / "case.toml").write_text("[costs]\nprice_per_label = 0.1\n[value]\nper_error_point = 400\n")
    asked = ["queue", str(tmp_path / "fit.nc"), str(tmp_path / "items.csv"), "--case", str(tmp_path / "case.toml")]
    asked += ["--target", "kind", "--slice", "region", "--max-labels", "60", "--out", str(tmp_path / "tasks.json")]
    studio = Studio()
    with serving(studio) as base:
        assert cli.main([*asked, "--push", f"{base}/projects/7", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["pushed"] == f"{base}/projects/7"
        assert sum(told["items"].values()) == len(studio.tasks) > 0
        assert studio.tasks == json.loads((tmp_path / "tasks.json").read_text())
        (tmp_path / "tasks.json").unlink()
        monkeypatch.delenv(STUDIO)
        assert cli.main([*asked, "--push", f"{base}/projects/7"]) == 1  # known before the work
    assert f"{STUDIO} is not set" in capsys.readouterr().err
    assert not (tmp_path / "tasks.json").exists()


def test_other_tools_are_read_from_files_alone(token):
    for tool in ("argilla", "csv"):
        with pytest.raises(InputError, match=f"no server is asked for {tool}"):
            read_annotations("https://labels.example.org/projects/7", tool)


# --- MLflow ---------------------------------------------------------------------------------------


class Tracking:
    """Experiment 5, two runs a page."""

    def __init__(self, runs=()):
        self.runs = {run["info"]["run_id"]: run for run in runs}
        self.seen = set()

    def __call__(self, method, path, body, headers):
        self.seen.add(headers["Authorization"])
        what = path.removeprefix("/api/2.0/mlflow/")
        if what == "runs/search":
            first = int(body.get("page_token", 0))
            kept = [run for run in self.runs.values() if run["info"]["experiment_id"] in body["experiment_ids"]]
            more = {"next_page_token": str(first + 2)} if first + 2 < len(kept) else {}
            return 200, {}, {"runs": kept[first : first + 2]} | more
        if what == "runs/create":
            info = {"run_id": f"r{len(self.runs)}", "experiment_id": body["experiment_id"], "status": "RUNNING"}
            self.runs[info["run_id"]] = {"info": info, "data": {"metrics": [], "params": []}}
            return 200, {}, {"run": {"info": info}}
        run = self.runs[body["run_id"]]
        if what == "runs/log-batch":
            run["data"]["metrics"] += body.get("metrics", [])
            run["data"]["params"] += body.get("params", [])
            return 200, {}, {}
        run["info"] |= {"status": body["status"]}
        return 200, {}, {"run_info": run["info"]}


def tracked(name, status="FINISHED", **params):
    info = {"run_id": name, "experiment_id": "5", "status": status, "start_time": 1772359200000}
    info |= {"end_time": "1772359320000"}  # 64-bit numbers may come as texts
    metrics = [{"key": "errors", "value": 30.0, "timestamp": 1, "step": 0}, {"key": "trials", "value": 100}]
    return {"info": info, "data": {"metrics": metrics, "params": [{"key": k, "value": v} for k, v in params.items()]}}


RUNS = [
    tracked("a1", slice="NA", labels="100"),
    tracked("a2", slice="007", labels="200"),
    tracked("a3", slice="007", labels="400"),
    tracked("a4", "RUNNING", slice="007", labels="800"),
]


def test_p15_runs_are_read_from_mlflow_page_by_page(token, tmp_path):
    tracking = Tracking(RUNS)
    with serving(tracking) as base:
        address = f"{base}/#/experiments/5/runs?o=1"
        assert cli.main(["import", "mlflow", address, "--out", str(tmp_path / "runs.csv")]) == 0
        runs = lv.read_mlflow(address)
    assert lv.read_runs(tmp_path / "runs.csv").drop_attrs().identical(runs.drop_attrs())
    frame = runs.to_dataframe().set_index(names.SOURCE_ID)
    assert frame[names.SLICE].to_dict() == {"a1": "NA", "a2": "007", "a3": "007"}
    assert frame[names.SECONDS].tolist() == [120, 120, 120]
    assert frame.loc["a1", names.MEASURED_AT] == pd.Timestamp("2026-03-01 10:02:00")
    assert "3 runs taken, left out: 1 running" in runs.attrs[names.NOTES]
    assert tracking.seen == {f"Bearer {SECRET}"}


def test_what_is_wrong_with_a_tracked_run_is_said_with_the_run(monkeypatch):
    monkeypatch.delenv(MLFLOW, raising=False)  # a server that asks for no token
    tracking = Tracking([*RUNS, tracked("a5", slice="FR", labels="abc")])
    with serving(tracking) as base, pytest.raises(InputError) as caught:
        lv.read_mlflow(f"{base}/#/experiments/5")
    said = "runs of the server, column 'params.labels', value 'abc': run a5: not a whole number"
    assert str(caught.value).startswith(said)
    assert tracking.seen == {None}
    with serving(Tracking()) as base, pytest.raises(InputError, match="no run in this experiment"):
        lv.read_mlflow(f"{base}/#/experiments/5")


def test_p15_a_decision_becomes_a_run_of_mlflow(token, tmp_path, capsys):
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    decision = lv.decide(lv.testing.fake_fit(seed=1), case, max_labels=1000, measure=False)
    decision.fit.save(tmp_path / "fit.nc")
    (tmp_path / "case.toml").write_text("[costs]\nprice_per_label = 0.1\n[value]\nper_error_point = 400\n")
    tracking = Tracking()
    command = ["plan", str(tmp_path / "fit.nc"), "--case", str(tmp_path / "case.toml"), "--max-labels", "1000"]
    with serving(tracking) as base:
        address = f"{base}/#/experiments/5"
        assert lv.plans.log_decision(decision, address) == "r0"
        assert cli.main([*command, "--mlflow", address, "--json"]) == 0
        flagged = dataclasses.replace(decision, fit=lv.testing.fake_fit(seed=1, verdict="flagged"))
        with pytest.raises(InputError, match="the fit is flagged: no decision is published"):
            lv.plans.log_decision(flagged, address)
    told = json.loads(capsys.readouterr().out)
    assert told["mlflow"] == "r1"
    assert list(tracking.runs) == ["r0", "r1"]
    logged = [{m["key"]: m["value"] for m in run["data"]["metrics"]} for run in tracking.runs.values()]
    assert {run["info"]["status"] for run in tracking.runs.values()} == {"FINISHED"}
    assert {name: logged[0][f"labels.{name}"] for name in decision.labels} == dict(decision.labels)
    assert logged[1]["net_benefit.mean"] == told["net_benefit"]["mean"]
    assert logged[1]["risk.level"] == told["risk"]["level"]
    params = {p["key"]: p["value"] for p in tracking.runs["r1"]["data"]["params"]}
    assert params["advice"] == told["verdict"]
    assert exports._key("a/b: c++") == "a:2f:b:3a: c:2b::2b:"


# --- MLflow's own server --------------------------------------------------------------------------

LOG = """
import mlflow, sys
mlflow.set_tracking_uri(sys.argv[1])
experiment = mlflow.create_experiment("curves")
for place, name in enumerate(["NA", "007", "007"]):
    with mlflow.start_run(experiment_id=experiment):
        mlflow.log_params({"slice": name, "labels": 100 * 2**place})
        mlflow.log_metrics({"errors": 30 - place, "trials": 100})
print(experiment)
"""
LOOK = """
import json, mlflow, sys
run = mlflow.MlflowClient(sys.argv[1]).get_run(sys.argv[2])
print(json.dumps({"status": run.info.status, "metrics": run.data.metrics, "params": run.data.params}))
"""


@pytest.fixture
def mlflow_server(tmp_path):
    """MLflow in an environment of its own, beside which ours cannot stand, and its server on SQLite."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")

    def call(*command):
        return subprocess.run([python, *command], capture_output=True, text=True, timeout=900)

    installed = call("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "mlflow")
    if installed.returncode:
        pytest.skip(f"MLflow cannot be installed here: {(installed.stderr.strip().splitlines() or ['no reason'])[-1]}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base, store = f"http://127.0.0.1:{port}", f"sqlite:///{tmp_path / 'tracking.db'}"
    asked = [python, "-m", "mlflow", "server", "--backend-store-uri", store, "--host", "127.0.0.1", "--port", str(port)]
    with open(tmp_path / "log", "w") as log:
        running = subprocess.Popen([*asked, "--workers", "1"], stdout=log, stderr=log, start_new_session=True)
        try:
            for _ in range(240):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{base}/health", timeout=5) as answer:
                    if answer.status == 200:
                        break
                assert running.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.5)
            yield base, lambda script, *given: call("-c", script, base, *given)
        finally:
            os.killpg(running.pid, signal.SIGTERM)
            running.wait(60)


@pytest.mark.slow(reason="installs MLflow in an environment of its own, and starts its server")
def test_p15_runs_and_a_decision_go_through_mlflows_own_server_on_sqlite(mlflow_server, monkeypatch, tmp_path):
    """Runs that MLflow logged are read by our door, and a decision that goes through it is read by MLflow."""
    monkeypatch.delenv(MLFLOW, raising=False)
    base, call = mlflow_server
    logged = call(LOG)
    assert logged.returncode == 0, logged.stderr
    address = f"{base}/#/experiments/{logged.stdout.split()[-1]}"
    runs = lv.read_mlflow(address).to_dataframe().sort_values(names.LABELS)
    assert runs[names.SLICE].tolist() == ["NA", "007", "007"]
    assert runs[names.LABELS].tolist() == [100, 200, 400]
    assert runs[names.ERRORS].tolist() == [30, 29, 28]
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, currency="USD")
    decision = lv.decide(lv.testing.fake_fit(seed=1), case, max_labels=1000, measure=False)
    looked = call(LOOK, lv.plans.log_decision(decision, address))
    assert looked.returncode == 0, looked.stderr
    found = json.loads(looked.stdout.splitlines()[-1])
    assert found["status"] == "FINISHED"
    assert {name: found["metrics"][f"labels.{name}"] for name in decision.labels} == dict(decision.labels)
    assert found["metrics"]["net_benefit.mean"] == pytest.approx(float(decision.advantage().mean()))
    assert (found["params"]["advice"], found["params"]["unit"]) == (decision.verdict.advice, "USD")


# --- what may go wrong ----------------------------------------------------------------------------


def refused(address, said, capsys):
    """What the command says; it says the variable and never the token."""
    assert cli.main(["import", "label-studio", address, "--out", "never.csv"]) == 1
    told = "".join(capsys.readouterr())
    assert said in told
    assert "Fix: " in told
    assert SECRET not in told
    return told


def redirect(there):
    return lambda *_: (302, {"Location": there}, b"")


def broken(*_):
    return 200, {"Content-Length": 100}, b"[]"


def repeating(method, path, body, headers):
    return 500, {}, f"cannot use {headers['Authorization']}".encode()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda *_: (401, {}, b""), f"refuses the token in {STUDIO} (401)"),
        (lambda *_: (403, {}, b""), f"refuses the token in {STUDIO} (403)"),
        (lambda *_: (404, {}, {"detail": "Not found."}), 'answers 404: \'{"detail": "Not found."}\''),
        (lambda *_: (404, {}, b" <html>"), "answers 404. Fix"),
        (repeating, "answers 500: 'cannot use Token …'"),
        (redirect("/user/login"), "leads on to 'another page'"),
        (broken, "broke off"),
        (lambda *_: (200, {}, b"<html>hello</html>"), "not a Label Studio JSON export"),
    ],
)
def test_p15_what_a_server_refuses_is_said_without_the_token(answer, said, token, monkeypatch, capsys):
    with serving(answer) as base:
        refused(f"{base}/projects/7", said, capsys)


def test_p15_a_redirect_takes_the_token_nowhere(token, monkeypatch, capsys):
    reached = []
    with serving(lambda *given: reached.append(given) or (200, {}, [])) as other, serving(redirect(other)) as base:
        refused(f"{base}/projects/7", other.removeprefix("http://"), capsys)
        monkeypatch.setenv("http_proxy", other)  # nor does a proxy get what is for this machine
        monkeypatch.delenv("no_proxy", raising=False)
        refused(f"{base}/projects/7", "leads on to", capsys)
    assert reached == []


def test_p15_an_answer_too_long_or_too_slow_is_refused(token, monkeypatch, capsys):
    monkeypatch.setattr(server, "MOST", 1000)
    with serving(lambda *_: (200, {}, b"[" + b" " * 1000 + b"]")) as base:
        refused(f"{base}/projects/7", "over the limit of 1000 bytes", capsys)
    monkeypatch.setattr(server, "TIMEOUT", 0.2)
    with serving(lambda *_: time.sleep(1) or (200, {}, [])) as base:
        assert "not known" not in refused(f"{base}/projects/7", "no whole answer from", capsys)
        with pytest.raises(InputError, match="whether it did what was asked is not known"):
            lv.plans.push_queue(QUEUE, f"{base}/projects/7")
        with pytest.raises(InputError, match=r"no whole answer from [\d.:]+ in time\. "):  # a search changes nothing
            lv.read_mlflow(f"{base}/#/experiments/5")
    monkeypatch.setattr(server, "TIMEOUT", 30.0)
    monkeypatch.setattr(server, "LONGEST", -1.0)  # every byte in time, and no end
    with serving(lambda *_: (200, {}, b"[ ]")) as base:
        refused(f"{base}/projects/7", "no whole answer from", capsys)


def test_p15_a_server_that_is_not_there_is_said(token, monkeypatch, capsys):
    with serving(lambda *_: (200, {}, [])) as base:
        pass
    refused(f"{base}/projects/7", "cannot be reached: [Errno", capsys)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://labels.example.org/projects/7", "http is for this machine alone"),
        ("http://localhost.example.org/projects/7", "http is for this machine alone"),
        (f"https://ana:{SECRET}@labels.example.org/projects/7", "a name, a password or a token in it"),
        (f"https://labels.example.org/?token={SECRET}", "a name, a password or a token in it"),
        ("http://localhost\\@labels.example.org/projects/7", "not the address of a page"),
        ("https://labels.example.org", "copy it from the browser, such as https://host/projects/7"),
        ("https://labels.example.org/projects/7\r\nX: y", "not the address of a page"),
    ],
)
def test_p15_an_address_that_is_none_is_refused_before_anything_is_sent(address, said, token, monkeypatch, capsys):
    monkeypatch.setattr(server.urllib.request, "build_opener", lambda *_: pytest.fail("a connection"))
    refused(address, said, capsys)


@pytest.mark.parametrize("value", [None, "", f"{SECRET} x", f"{SECRET}\n", f"{SECRET}\r\nX: y", f"é{SECRET}"])
def test_p15_a_token_that_is_none_is_named_by_its_variable(value, monkeypatch, capsys):
    monkeypatch.setattr(server.urllib.request, "build_opener", lambda *_: pytest.fail("a connection"))
    monkeypatch.delenv(STUDIO, raising=False)
    if value is not None:
        monkeypatch.setenv(STUDIO, value)
    refused("https://labels.example.org/projects/7", STUDIO, capsys)


@pytest.mark.parametrize("answer", [b"<html>", [], {"runs": [{"info": {}}]}, {"runs": 5}, b'{"runs": [' * 99])
def test_an_answer_that_is_none_of_mlflow_is_refused(answer, token):
    with serving(lambda *_: (200, {}, answer)) as base, pytest.raises(InputError, match="answers with something else"):
        lv.read_mlflow(f"{base}/#/experiments/5")
