"""Long simulations: killed and resumed, failing, out of time, with workers that die (faults row 14, 22)."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib._parallel_backends import MultiprocessingBackend
from sklearn.naive_bayes import GaussianNB

from labelvalue import names, read_runs, write_runs
from labelvalue.cli import main
from labelvalue.observe.simulate import execution
from labelvalue.problems import InputError, StorageError
from labelvalue.suites import FeatureNoise
from tests.observe.asked import simulated

CLOCK = [names.SECONDS, names.MEASURED_AT]
SCRIPT = Path(__file__).with_name("interrupted.py")
SPEC = importlib.util.spec_from_file_location("interrupted", SCRIPT)
interrupted = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(interrupted)


def notes(runs) -> list[str]:
    return runs.attrs[names.NOTES].splitlines()


def same(one, other) -> bool:
    return one.drop_vars(CLOCK).drop_attrs().identical(other.drop_vars(CLOCK).drop_attrs())


def wait_for(count: int, folder: Path, child: subprocess.Popen) -> None:
    """Wait until so many trainings are on disk."""
    for _ in range(1200):
        if len(list(folder.glob("*.json"))) > count:
            return
        if child.poll() is not None:
            raise AssertionError(child.stderr.read())
        time.sleep(0.05)
    raise AssertionError("the child trains nothing")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return interrupted.simulate(tmp_path_factory.mktemp("whole") / "parts")


SLOW = pytest.mark.slow(reason="starts processes that import everything; the other case runs always")


@pytest.mark.parametrize(("jobs", "deadly"), [(1, signal.SIGKILL), pytest.param(2, signal.SIGTERM, marks=SLOW)])
def test_killed_it_goes_on_where_it_was(jobs, deadly, whole, tmp_path):
    folder, out = tmp_path / "parts", tmp_path / "runs.csv"
    command = [sys.executable, str(SCRIPT), str(folder), str(out), str(jobs)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        wait_for(5, folder, child)
    finally:
        os.killpg(child.pid, deadly)
    assert child.wait(timeout=10) == -deadly
    child.stderr.close()
    time.sleep(0.3)  # its workers, if any, are gone
    assert not out.exists()
    kept = len(list(folder.glob("*.json"))) - 1
    assert 5 <= kept < interrupted.TRAININGS
    assert list(folder.glob("*.json.*")) == []

    folder.with_suffix(".log").unlink()
    runs = interrupted.simulate(folder)
    assert same(runs, whole)
    assert f"{kept} of {interrupted.TRAININGS} trainings taken from the checkpoint" in notes(runs)
    trained = len(folder.with_suffix(".log").read_text().splitlines())
    resumed_loops = 3  # a loop that stopped half-way trains once more on what it had
    assert interrupted.TRAININGS - kept <= trained <= interrupted.TRAININGS - kept + resumed_loops + 3

    folder.with_suffix(".log").unlink()
    assert same(interrupted.simulate(folder), whole)
    assert not folder.with_suffix(".log").exists()  # nothing was left to train


def test_a_loop_goes_on_from_its_last_size(people, tmp_path):
    """Whatever the loop was made of: wrong labels, synthetic examples, small batches."""
    x, y, slices = people
    options = {
        **{"sizes": [40, 80, 160, 320], "replicates": 1, "random_state": 1, "progress": False},
        **{"strategies": ("random", "uncertainty"), "batch_size": 15, "label_noise": (0.0, 0.2), "synthetic": (0.5,)},
    }
    whole = simulated(GaussianNB(), x, y, slices, **options, checkpoint=tmp_path / "parts")
    files = sorted((tmp_path / "parts").glob("[0-9a-f]*.json"))
    contents = [json.loads(file.read_text()) for file in files]
    late = [f for f, c in zip(files, contents, strict=True) if c["rows"] is not None and len(c["rows"]) > 80]
    assert len(late) == 4
    for file in late:
        file.unlink()
    again = simulated(GaussianNB(), x, y, slices, **options, checkpoint=tmp_path / "parts")
    assert same(again, whole)


def test_the_seed_of_the_checkpoint_is_taken_up(people, tmp_path):
    options = {"sizes": [40, 80], "replicates": 1, "progress": False, "checkpoint": tmp_path / "parts"}
    one, two = (simulated(GaussianNB(), *people, **options) for _ in range(2))
    assert same(one, two)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"sizes": [40, 90]}, "protocol"),
        ({"random_state": 2}, "random_state, protocol"),
        ({"suites": (FeatureNoise(0.5),)}, "protocol"),
        ({"estimator": GaussianNB(var_smoothing=1e-3)}, "learners"),
        ({"x": 1.0}, "data"),
    ],
)
def test_the_folder_of_another_simulation_is_refused(change, what, people, tmp_path):
    x, y, slices = people

    def call(estimator=None, x_more=0.0, **options):
        options = {"sizes": [40, 80], "random_state": 1} | options
        learner = estimator or GaussianNB()
        return simulated(
            learner, x + x_more, y, slices, replicates=1, progress=False, checkpoint=tmp_path / "p", **options
        )

    call()
    change = dict(change)
    with pytest.raises(InputError, match=rf"holds another simulation: {what}.* differ"):
        call(x_more=change.pop("x", 0.0), **change)


def test_a_file_that_is_spoilt_is_trained_again(people, tmp_path):
    options = {"sizes": [40, 80], "replicates": 1, "random_state": 1, "progress": False, "checkpoint": tmp_path / "p"}
    one = simulated(GaussianNB(), *people, **options)
    next((tmp_path / "p").glob("[0-9a-f]*.json")).write_text('{"key": [')
    again = simulated(GaussianNB(), *people, **options)
    assert same(one, again)
    (tmp_path / "p" / "simulation.json").write_text("no")
    with pytest.raises(StorageError, match=r"simulation\.json: cannot be read"):
        simulated(GaussianNB(), *people, **options)


# --- failures -------------------------------------------------------------------------------------


def sometimes(x, y, seed):
    if len(y) == 80:
        raise ValueError("out of luck")
    return GaussianNB().fit(x, y)


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=SLOW)])
def test_a_failing_training_is_listed_and_the_others_go_on(n_jobs, simulate):
    runs = simulate({"sometimes": sometimes, "always": GaussianNB()}, n_jobs=n_jobs)
    assert runs.sizes["run"] == 3 * (2 * 3 + 2 * 2)
    (note,) = [n for n in notes(runs) if "failed" in n]
    assert note.startswith(
        "trainings failed: 2 (learner 'sometimes', replicate 0, 80 labels: out of luck; learner 'sometimes', replicate"
    )


def test_where_all_fail_the_first_failure_is_raised_with_its_place(simulate):
    def never(x, y, seed):
        raise ValueError("out of luck")

    with pytest.raises(RuntimeError, match=r"learner 'default', replicate 0, 40 labels\): out of luck") as caught:
        simulate(never)
    assert "in never" in caught.value.__notes__[0]


def test_what_failed_is_tried_again(simulate, tmp_path):
    folder = tmp_path / "parts"
    mended = {"it": lambda x, y, seed: sometimes(x, y, seed) if not (tmp_path / "mended").exists() else good(x, y)}

    def good(x, y):
        return GaussianNB().fit(x, y)

    first = simulate(mended, checkpoint=folder)
    assert first.sizes["run"] == 3 * 4
    (tmp_path / "mended").touch()
    assert same(simulate(mended, checkpoint=folder), simulate({"it": GaussianNB()}))


def test_a_loop_that_fails_ends_and_the_others_go_on(simulate):
    runs = simulate(sometimes, strategies=("random", "diversity"))
    frame = runs.to_dataframe()
    size = frame[names.LABELS] + frame[names.OTHER_LABELS]
    assert set(size[frame[names.STRATEGY] == "random"]) == {40, 160}
    assert "diversity" not in set(frame[names.STRATEGY])
    assert any("replicate 0, 80 labels, diversity: out of luck" in n for n in notes(runs))


# --- workers that die -----------------------------------------------------------------------------


def claims(file: Path, seed: int) -> bool:
    """Tell whether this is the seed that came first: of two that run side by side, one alone is doomed."""
    try:
        with file.open("x") as out:
            out.write(str(seed))
    except FileExistsError:
        return file.read_text() == str(seed)
    return True


def make_deadly(folder: Path, times: int):
    """A learner that takes its process down at 80 labels of one seed, so many times."""

    def deadly(x, y, seed):
        deaths = len(list(folder.glob("death*")))
        if len(y) == 80 and deaths < times and claims(folder / "doomed", seed):
            (folder / f"death {deaths}").touch()
            os._exit(1)
        return GaussianNB().fit(x, y)

    return deadly


@pytest.mark.parametrize("times", [pytest.param(1, marks=SLOW), 2])
def test_what_kills_its_worker_is_repeated_once_then_missing(times, simulate, tmp_path):
    runs = simulate(make_deadly(tmp_path, times), n_jobs=2, sizes=[40, 80], replicates=2)
    assert len(list(tmp_path.glob("death*"))) == times
    missing = [n for n in notes(runs) if "missing" in n]
    if times == 1:
        assert missing == []
        assert same(runs, simulate(GaussianNB(), sizes=[40, 80]))
    else:
        (note,) = missing
        assert note.startswith("trainings missing, their worker died twice: 1 (learner 'default', replicate ")
        assert runs.sizes["run"] == 3 * 3


def test_where_every_worker_dies_it_is_said(simulate, tmp_path):
    def gone(x, y, seed):
        os._exit(1)

    with pytest.raises(RuntimeError, match="the worker died twice: learner 'default', replicate 0, 40 labels"):
        simulate(gone, n_jobs=2, sizes=[40], replicates=1)


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=SLOW)])
def test_when_the_time_is_up_it_stops_with_what_it_has(n_jobs, simulate, tmp_path):
    def slow(x, y, seed):
        time.sleep(0.25)
        return GaussianNB().fit(x, y)

    start = time.monotonic()
    options = {"replicates": 40, "n_jobs": n_jobs, "checkpoint": tmp_path / "parts"}
    runs = simulate(slow, minutes=0.02, **options)
    assert time.monotonic() - start < 15  # 120 trainings of 0.25 s each would take 30 s, or 15 s on two workers
    (note,) = [n for n in notes(runs) if "stopped" in n]
    assert note.startswith("stopped after 0.02 minutes: ")
    assert note.endswith(" of 120 trainings done")
    assert 0 < runs.sizes["run"] < 3 * 120
    more = simulate(slow, minutes=0.02, **options)
    assert more.sizes["run"] > runs.sizes["run"]


def test_a_loop_stops_in_time_too(simulate):
    def slow(x, y, seed):
        time.sleep(0.2)
        return GaussianNB().fit(x, y)

    sizes = list(range(40, 440, 20))
    runs = simulate(slow, strategies=("diversity",), sizes=sizes, replicates=1, minutes=0.02)
    size = runs[names.LABELS] + runs[names.OTHER_LABELS]
    assert 40 < int(size.max()) < 420


@pytest.mark.parametrize("minutes", [0, -1, np.inf, "2"])
def test_minutes_that_are_none(minutes, simulate):
    with pytest.raises(InputError, match="minutes"):
        simulate(minutes=minutes)


# --- engines --------------------------------------------------------------------------------------


class LikeRay(MultiprocessingBackend):
    """Registered from outside and made as Ray's backend is: it answers only when all that it was given is done."""


joblib.register_parallel_backend("like ray", LikeRay)


@pytest.mark.parametrize("backend", ["threading", "multiprocessing", "like ray"])
def test_other_backends_of_joblib_serve_too(backend, simulate, tmp_path):
    options = {"strategies": ("random", "margin"), "replicates": 4}
    with joblib.parallel_config(backend=backend):
        runs = simulate(n_jobs=2, checkpoint=tmp_path / "parts", **options)
    assert same(runs, simulate(**options))
    assert len(list((tmp_path / "parts").glob("[0-9a-f]*.json"))) == 4 * (3 + 2)  # random at three sizes, margin at two


@pytest.mark.parametrize("backend", ["multiprocessing", "like ray"])
def test_a_backend_that_answers_for_many_at_once_is_given_few_at_a_time(backend):
    """So that a checkpoint has what is finished, however the rest ends."""
    asked = []

    def make(number):
        asked.append(number)
        return divmod, (number, 7)

    with joblib.parallel_config(backend=backend):
        engine = execution.side_by_side(make, 60, None, n_jobs=2)
        first = next(engine)
        waiting = 60 - len(asked)
        answers = dict([first, *engine])
    assert waiting >= 60 - 2 * execution.AT_ONCE
    assert answers == {number: divmod(number, 7) for number in range(60)}


def test_a_table_is_the_same_with_and_without_a_checkpoint(simulate, tmp_path):
    plain, kept = simulate(), simulate(checkpoint=tmp_path / "parts")
    one, two = (write_runs(r.drop_vars(CLOCK), tmp_path / f"{i}.csv").read_bytes() for i, r in enumerate([plain, kept]))
    assert one == two


# --- the command line -----------------------------------------------------------------------------


def test_on_the_command_line(people, tmp_path, capsys):
    """What a scheduler runs: the same command again goes on, and says what was lost."""
    x, y, slices = people
    data = tmp_path / "people.csv"
    pd.DataFrame(x, columns=["a", "b", "c"]).assign(answer=y, region=slices).to_csv(data, index=False)
    parts, out = tmp_path / "parts", tmp_path / "runs.csv"
    command = [
        "simulate", str(data), "--target", "answer", "--slice", "region", "--sizes", "40,80", "--replicates", "1",
    ]  # fmt: skip
    command += ["--learner", "logistic_regression,random_forest", "--strategies", "random,margin"]
    command += ["--label-noise", "0,0.2", "--checkpoint", str(parts), "--minutes", "5", "--out", str(out), "--json"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    kept = len(list(parts.glob("[0-9a-f]*.json")))
    assert kept == 2 * 2 * 3  # learners, shares of wrong labels; random at two sizes and margin at one
    before = read_runs(out)
    assert set(before[names.LEARNER].values) == {"logistic_regression", "random_forest"}
    assert main(command) == 0
    again = json.loads(capsys.readouterr().out)
    assert f"{kept} of {kept} trainings taken from the checkpoint" in again["notes"]
    assert again["rows"] == first["rows"]
    assert same(before, read_runs(out))
    assert main([*command, "--label-noise", "a"]) == 1
    assert "not shares separated by commas" in capsys.readouterr().out  # as JSON
    protocol = tmp_path / "protocol.toml"
    protocol.write_text('sizes = [40, 80]\nreplicates = 1\n[[suites]]\nkind = "noise"\nscale = 0.5\n')
    rest = ["--learner", "logistic_regression", "--protocol", str(protocol), "--out", str(out)]
    assert main([*command[:6], *rest]) == 0
    assert set(read_runs(out)["suite"].values) == {"holdout", "noise 0.5"}
