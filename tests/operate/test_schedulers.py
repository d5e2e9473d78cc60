"""The documents on schedulers: cron and systemd are run, the others parsed."""

import ast
import configparser
import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from labelvalue import Project, cli, exits
from labelvalue.operate.refit import subprocess_fit
from labelvalue.operate.store.lock import writing
from tests.operate.conftest import CASE, QUIET, configure, put_case

PAGES = ("cron", "systemd", "github-actions", "airflow", "prefect")
FIT_IN_SUBPROCESS = subprocess_fit.fit_in_subprocess
SPENT = "[guardrails]\nmaximum_spend = { limit = 100 }\n"
OF_CASE = "[guardrails]\nminimum_gain = { limit = 0.5, probability = 0.9 }\n"
APPROVAL = '[[approvals]]\napprover = "board"\nabove = 1\n'
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
LABELVALUE = f"""#!/bin/sh
exec {sys.executable} -m labelvalue "$@"
"""


@pytest.fixture
def pages(root):
    return {name: (root / "docs" / "schedulers" / f"{name}.md").read_text() for name in PAGES}


def block(page, language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return found


@pytest.fixture
def machine(tmp_path):
    """A folder with a project that has nothing to fit, and the command on a path of its own."""
    Project.create(tmp_path / "labels")
    (tmp_path / "bin").mkdir()
    for name, text in (("labelvalue", LABELVALUE), ("logger", f'#!/bin/sh\necho "$@" >> {tmp_path}/syslog\n')):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def here(text, machine):
    return text.replace("/srv/labels", str(machine / "labels")).replace("/usr/local/bin", str(machine / "bin"))


def night(project, capfd):
    """What one re-fit with ``--json`` ended with and said: code, the one line on stdout, lines on stderr."""
    capfd.readouterr()
    code = cli.main(["refit", str(project.folder), "--json"])
    told = capfd.readouterr()
    (line,) = told.out.splitlines()
    return code, json.loads(line), told.err.splitlines()


def test_one_line_of_json_whatever_the_exit_code(fitted, sampler, first, second, tmp_path, capfd):
    code, found, _ = night(fitted, capfd)
    assert (code, found["exit_code"], found["new"]) == (0, 0, False)
    configure(fitted, "[fit]\ndraw = 1\nmodell = 'power_law'\n")
    code, found, told = night(fitted, capfd)
    assert (code, [problem["column"] for problem in found]) == (1, ["fit.draw", "fit.modell"])
    assert len(told) == 2, "a line a fault"
    configure(fitted, QUIET)
    fitted.add(second, batch="b")
    with writing(fitted.folder, "refit"):
        code, (problem,), (told,) = night(fitted, capfd)
    assert (code, problem["why"]) == (4, told)
    assert "busy" in told
    sampler.verdict = "refused"
    code, found, _ = night(fitted, capfd)
    assert (code, found["exit_code"], found["verdict"]) == (2, 2, "refused")
    (fitted.folder / "runs" / fitted.ledger.records("batch")[0].content["file"]).unlink()
    code, (problem,), (told,) = night(fitted, capfd)
    assert (code, problem["why"]) == (5, told)
    assert "the file is missing" in told
    stopped = Project.create(tmp_path / "stopped")
    put_case(stopped, CASE + OF_CASE)
    sampler.verdict = "ok"
    code, found, _ = night(stopped.add(first, batch="a"), capfd)
    assert (code, found["exit_code"], found["state"]) == (3, 3, "STOP")


@pytest.mark.parametrize(
    ("more_of_case", "why"),
    [
        ("OF_CASE", "guardrail, gain per 1,000 labels .*: STOP"),
        ("SPENT", "guardrail, cost of all batches .*: STOP"),
        ("APPROVAL", "approval of 'board' is missing"),
    ],
)
def test_pages_say_why_a_scheduler_is_to_stop(project, first, pages, capfd, monkeypatch, more_of_case, why):
    """What Airflow's task and Prefect's flow tell people, run on the result of a night that ended with 3."""
    put_case(project, CASE + globals()[more_of_case])
    code, found, _ = night(project.add(first, batch="a"), capfd)
    assert code == 3
    (reason,) = found["stops"]
    assert re.match(why, reason)
    trees = [ast.parse(block(pages[name], "python")) for name in ("airflow", "prefect")]
    functions = {n.name: n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    told = []
    logger = SimpleNamespace(warning=lambda text, *more: told.append(text % more))
    here = {"refit": lambda folder: found, "get_run_logger": lambda: logger}
    for name in ("stop_orders", "nightly"):
        functions[name].decorator_list = []
        exec(ast.unparse(functions[name]), here)
    here["stop_orders"](found)
    assert reason in capfd.readouterr().out
    here["nightly"]()
    assert told == [f"stop: {reason}"]
    assert ".stops[]" in block(pages["github-actions"], "yaml")


def test_progress_goes_to_stderr_with_json_too(running, sampler, capfd, monkeypatch):
    """The estimate before the fit, the fit's own lines, and none of them on stdout."""
    assert night(running, capfd)[0] == 0
    assert sampler.calls[-1]["progress"] is True
    monkeypatch.setattr("labelvalue.operate.refit.subprocess_fit.fit_in_subprocess", FIT_IN_SUBPROCESS)
    monkeypatch.setattr("labelvalue.operate.refit.subprocess_fit._run", lambda command: 7)
    configure(running, QUIET + "[fit]\nrandom_seed = 7\n")
    code, found, told = night(running, capfd)
    assert (code, found["verdict"]) == (2, "refused")
    assert "the fit needs about" in told[0]


def test_every_page_is_in_the_list(root, pages):
    listed = (root / "docs" / "schedulers" / "README.md").read_text()
    assert set(re.findall(r"\(([\w-]+)\.md\)", listed)) == set(PAGES)
    assert {path.stem for path in (root / "docs" / "schedulers").iterdir()} == {*PAGES, "README"}


def is_schedule(fields):
    for text, (low, high) in zip(fields, FIELDS, strict=True):
        for part in text.split(","):
            given = re.fullmatch(r"(\*|\d+(?:-\d+)?)(?:/(\d+))?", part)
            if not given or not all(low <= int(n) <= high for n in re.findall(r"\d+", given[1])):
                return False
    return True


def test_the_line_of_the_crontab_is_run(pages, machine):
    lines = here(block(pages["cron"], "crontab"), machine).splitlines()
    settings = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]+=", line))
    (line,) = [line for line in lines if line.strip() and not re.match(r"[A-Z]+=|#", line)]
    *fields, command = line.split(None, 5)
    assert is_schedule(fields)
    assert "%" not in command, "cron would end the command there"
    subprocess.run([settings["SHELL"], "-c", command], env={"PATH": settings["PATH"]}, check=True, timeout=120)
    subprocess.run([settings["SHELL"], "-c", command], env={"PATH": settings["PATH"]}, check=True, timeout=120)
    nights = (machine / "labels" / "night.jsonl").read_text().splitlines()
    told = [json.loads(night) for night in nights]
    assert ["no batch yet" in problem["why"] for (problem,) in told] == [True, True], "a line a night"
    assert (machine / "labels" / "night.log").read_text().count("no batch yet") == 2
    assert (machine / "syslog").read_text().count("refit ended with 1") == 2


def units(pages, machine):
    for kind in ("service", "timer"):
        text = here(block(pages["systemd"], f"systemd-{kind}"), machine)
        path = machine / f"labelvalue.{kind}"
        path.write_text(text)
        unit = configparser.ConfigParser(interpolation=None, strict=False)
        unit.optionxform = str
        unit.read_string(text)
        yield path, unit


def test_the_units_of_systemd_are_run_and_verified(pages, machine):
    (service_path, service), (timer_path, timer) = units(pages, machine)
    done = subprocess.run(
        service["Service"]["ExecStart"].split(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "no batch yet" in json.loads(done.stdout)[0]["why"]
    assert "no batch yet" in done.stderr
    assert set(service["Service"]["SuccessExitStatus"].split()) == {"2", "3", "6"}
    assert set(service["Service"]["RestartPreventExitStatus"].split()) == {"1", "5"}
    assert timer["Install"]["WantedBy"] == "timers.target"
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("run, but not verified: no systemd here")
    when = timer["Timer"]["OnCalendar"]
    assert subprocess.run([analyze, "calendar", when], capture_output=True, timeout=60, check=False).returncode == 0
    text = service_path.read_text().replace("User=labels", "User=root")
    service_path.write_text(text)
    told = subprocess.run(
        [analyze, "verify", str(service_path), str(timer_path)], capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in told.stderr.splitlines() if "labelvalue" in line]
    assert complaints == []


def test_the_workflow_is_one(pages):
    yaml = pytest.importorskip("yaml")
    made = yaml.safe_load(block(pages["github-actions"], "yaml"))
    assert is_schedule(made[True]["schedule"][0]["cron"].split()), "YAML 1.1 reads the key 'on' as true"
    (job,) = made["jobs"].values()
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    for script in scripts:
        subprocess.run(["bash", "-n", "-c", script], check=True, timeout=60)
    assert any("labelvalue refit" in script for script in scripts)


@pytest.mark.parametrize("name", ["airflow", "prefect"])
def test_python_documents_are_python(pages, name):
    tree = ast.parse(block(pages[name], "python"))
    calls = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert any("'labelvalue', 'refit'" in call for call in calls)
    (schedule,) = [k.value.value for n in ast.walk(tree) if isinstance(n, ast.Call) for k in n.keywords
                   if k.arg in ("schedule", "cron")]  # fmt: skip
    assert is_schedule(schedule.split())


def test_the_codes_are_those_of_the_command(root):
    listed = (root / "docs" / "schedulers" / "README.md").read_text()
    codes = {int(code) for code in re.findall(r"^\| (\d) \|", listed, re.MULTILINE)}
    assert codes == {exits.DONE, exits.BAD_INPUT, exits.NOT_PUBLISHED, exits.STOPPED, exits.BUSY, exits.STORAGE,
                     exits.UNDECIDED}  # fmt: skip
